//! What is beside scripts where nobody asks for them: nobody is told anything, and whatever is not the store's is `OK`.

use std::time::Instant;

use tidegate_protocols::data::{Aside, Context, Outcome};
use tidegate_protocols::messages::KeyEvent;
use tidegate_protocols::stale::Stale;
use tidegate_protocols::{Args, Error, Reply, Request, Row};

/// See the module.
pub(crate) struct Silent;

impl Aside for Silent {
    fn execute(&mut self, _: &Request<'_>, _: &mut Context, reply: &mut Reply<'_>) -> Outcome {
        reply.ok();
        Outcome::Done
    }
    fn begins_for(&mut self, _: &Context) {}
    fn refusal(&mut self, _: &'static Row, _: &Args<'_>) -> Option<Error> {
        None
    }
    fn allows(&mut self, _: &'static Row, _: &Args<'_>) -> bool {
        true
    }
    fn begins(&mut self, _: &Request<'_>, _: &Context) {}
    fn may_be_taken_back(&mut self) {}
    fn settle(&mut self, _: bool) {}
    fn ends(&mut self, _: &'static Row, _: Outcome, _: u64, _: &[u8]) {}
    fn relays(&mut self, _: &[u8]) {}
    fn refused(&mut self, _: Option<&'static Row>, _: &[u8]) {}
    fn transaction_begins(&mut self, _: &Context) {}
    fn step_begins(&mut self, _: &Request<'_>, _: &Context) {}
    fn execute_step(&mut self, _: &Request<'_>, _: &Context, reply: &mut Reply<'_>) -> Option<Outcome> {
        reply.ok();
        Some(Outcome::Done)
    }
    fn step_ends(&mut self, _: &Request<'_>, _: &Context, _: Option<Outcome>, _: Instant, _: &[u8]) {}
    fn tell(&mut self, _: &[KeyEvent]) {}
    fn tell_stale(&mut self, _: Vec<Stale>) {}
    fn log(&mut self, _: u8, _: &[u8]) {}
}
