//! What a client waits for keys with: who waits may lose the right to.

use parking_lot::Mutex;
use tidegate_protocols::{Args, Error, Row, Words};

use super::refusal::{Checked, refusal};
use crate::shared::Shared;

/// The request that a client waits with, if it does.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<Option<Box<Request>>>);

#[derive(Debug)]
struct Request {
    row: &'static Row,
    words: Words,
    /// Why it waits in vain.
    refused: Option<Error>,
}

impl Waiting {
    /// It waits with this one.
    pub(crate) fn begin(&self, row: &'static Row, args: &Args<'_>) {
        let words = Words::copied(args.iter());
        *self.0.lock() = Some(Box::new(Request { row, words, refused: None }));
    }

    /// It waits no longer. Returns why it would have waited in vain, if it was found out that it would.
    pub(crate) fn end(&self) -> Option<Error> {
        self.0.lock().take()?.refused
    }
}

/// The clients that wait with what they may not ask for any more, and have not been told of yet.
#[cold]
pub(crate) fn refuse_waiting(shared: &Shared, now_ms: u64) -> Vec<u64> {
    let mut found = Vec::new();
    for client in shared.registry.list().into_iter().filter(|client| !client.user().is_free()) {
        let mut waiting = client.waiting.0.lock();
        if let Some(request) = waiting.as_deref_mut().filter(|request| request.refused.is_none()) {
            request.refused =
                refusal(request.row, &request.words.args(), &client, shared, (now_ms, Checked::Now));
            found.extend(request.refused.is_some().then_some(client.id));
        }
    }
    found
}
