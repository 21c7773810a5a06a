//! Who answers beside the libraries of a file, while nothing but their own first lines runs: nobody, but for the log.

use std::sync::Arc;
use std::time::Instant;

use tidegate_protocols::data::{Aside, Asides, Context, Outcome};
use tidegate_protocols::messages::KeyEvent;
use tidegate_protocols::stale::Stale;
use tidegate_protocols::{Args, Error, Reply, Request, Row};

struct Beside;

/// See the module.
pub(super) fn nobody() -> Asides {
    Arc::new(|_| Box::new(Beside))
}

impl Aside for Beside {
    fn execute(&mut self, _request: &Request<'_>, _context: &mut Context, reply: &mut Reply<'_>) -> Outcome {
        reply.refuse(&Error::LOADING);
        Outcome::Failed
    }

    fn begins_for(&mut self, _context: &Context) {}

    fn refusal(&mut self, _row: &'static Row, _args: &Args<'_>) -> Option<Error> {
        Some(Error::LOADING)
    }

    fn allows(&mut self, _row: &'static Row, _args: &Args<'_>) -> bool {
        false
    }

    fn begins(&mut self, _request: &Request<'_>, _context: &Context) {}

    fn ends(&mut self, _row: &Row, _outcome: Outcome, _nanos: u64, _reply: &[u8]) {}

    fn refused(&mut self, _row: Option<&Row>, _reply: &[u8]) {}

    fn relays(&mut self, _reply: &[u8]) {}

    fn tell(&mut self, _events: &[KeyEvent]) {}

    fn tell_stale(&mut self, _stale: Vec<Stale>) {}

    fn transaction_begins(&mut self, _context: &Context) {}

    fn step_begins(&mut self, _request: &Request<'_>, _context: &Context) {}

    fn execute_step(
        &mut self,
        _request: &Request<'_>,
        _context: &Context,
        _reply: &mut Reply<'_>,
    ) -> Option<Outcome> {
        None
    }

    fn step_ends(
        &mut self,
        _request: &Request<'_>,
        _context: &Context,
        _outcome: Option<Outcome>,
        _began: Instant,
        _reply: &[u8],
    ) {
    }

    fn may_be_taken_back(&mut self) {}

    fn settle(&mut self, _holds: bool) {}

    fn log(&mut self, _level: u8, text: &[u8]) {
        tracing::info!("a library says: {}", String::from_utf8_lossy(text));
    }
}
