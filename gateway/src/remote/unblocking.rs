//! Who waits at a shard and is to wait no longer.

use std::time::Instant;

use tidegate_protocols::data::{Outcome, Ticket, Unblock};
use tidegate_protocols::link::{self as frames, Ask};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::table::Gather;
use tidegate_protocols::table::link::Link as Verbs;
use tidegate_protocols::{Dialect, Reply, Request, Words};

use super::gather::How;
use super::link::Link;
use super::unanswered::Owner;
use super::worker::RemoteWorker;

impl RemoteWorker {
    /// Calls off a request that waits for keys. What has not begun to wait yet is called off when it does.
    pub(super) fn send_call_off(&mut self, ticket: Ticket) {
        self.called_off.insert(ticket.0);
        for link in self.links.iter().chain(&self.retired) {
            tell_unblock(link, ticket.0);
        }
    }

    /// `CLIENT UNBLOCK`: all shards are asked, as nobody else knows where the client waits.
    pub(super) fn send_unblock(&mut self, client_id: u64, answer: Unblock, reply: &mut Reply<'_>) -> Outcome {
        let row = Verbs::Unblock.row();
        let words = unblock_words(client_id, answer);
        match self.ask_all(row, &words.each_ref().map(|word| &word[..]), How::Every(Gather::Sum)) {
            Outcome::Done => {
                reply.integer(0);
                Outcome::Done
            }
            outcome => outcome,
        }
    }
}

/// Has a shard answer the request with this ticket, if it waits there, before its keys are there.
pub(super) fn tell_unblock(link: &Link, ticket: u32) {
    let Some(client_id) = link.blocked_client(ticket) else { return };
    let words = Words::new(&unblock_words(client_id, Unblock::Timeout));
    let row = Verbs::Unblock.row();
    let request = Request { row, dialect: Dialect::Resp2, args: words.args(), item: &Item::NONE };
    let sent = link.push(Owner::NOBODY, false, Instant::now(), |out, id| {
        frames::encode(out, &request, &Ask { id, ..Ask::default() })
    });
    debug_assert!(sent.is_ok(), "what gateways say of themselves is short");
}

/// The words that have shards answer a client that waits for keys.
fn unblock_words(client_id: u64, answer: Unblock) -> [Vec<u8>; 3] {
    let answer = match answer {
        Unblock::Timeout => 0,
        Unblock::Error => 1,
    };
    [Verbs::Unblock.row().name.into(), client_id.to_le_bytes().into(), vec![answer]]
}
