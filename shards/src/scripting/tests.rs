use std::sync::Arc;
use std::time::Instant;

use tidegate_protocols::data::{Aside, Context, Data as _, Outcome, Worker as _};
use tidegate_protocols::messages::KeyEvent;
use tidegate_protocols::stale::Stale;
use tidegate_protocols::{Args, Error, Reply, Request, Row};

use crate::testing::Client;

/// Beside these scripts there is nothing.
struct Nothing;

impl Aside for Nothing {
    fn execute(&mut self, _: &Request<'_>, _: &mut Context, _: &mut Reply<'_>) -> Outcome {
        unreachable!("no script here asks for it")
    }
    fn begins_for(&mut self, _: &Context) {}
    fn refusal(&mut self, _: &'static Row, _: &Args<'_>) -> Option<Error> {
        None
    }
    fn allows(&mut self, _: &'static Row, _: &Args<'_>) -> bool {
        true
    }
    fn begins(&mut self, _: &Request<'_>, _: &Context) {}
    fn ends(&mut self, _: &Row, _: Outcome, _: u64, _: &[u8]) {}
    fn relays(&mut self, _: &[u8]) {}
    fn refused(&mut self, _: Option<&Row>, _: &[u8]) {}
    fn transaction_begins(&mut self, _: &Context) {}
    fn step_begins(&mut self, _: &Request<'_>, _: &Context) {}
    fn execute_step(&mut self, _: &Request<'_>, _: &Context, _: &mut Reply<'_>) -> Option<Outcome> {
        unreachable!("no transaction here asks for it")
    }
    fn step_ends(&mut self, _: &Request<'_>, _: &Context, _: Option<Outcome>, _: Instant, _: &[u8]) {}
    fn tell(&mut self, _: &[KeyEvent]) {}
    fn tell_stale(&mut self, _: Vec<Stale>) {}
    fn log(&mut self, _: u8, _: &[u8]) {}
}

#[test]
fn libraries_that_have_been_deleted_take_no_memory() {
    let mut client = Client::new();
    client.worker.run_scripts_beside(Arc::new(|_| Box::new(Nothing)));
    let mut bytes_at_first = 0;
    for number in 0..200 {
        let (name, function) = (format!("lib{number}"), format!("f{number}"));
        let text = "0,".repeat(10_000);
        let code = format!(
            "#!lua name={name}\nlocal words = {{{text}}}
             redis.register_function('{function}', function() return #words end)"
        );
        client.send(&[b"FUNCTION", b"LOAD", code.as_bytes()]);
        assert_eq!(client.run(&format!("FCALL {function} 0")), r":10000\r\n");
        if number == 0 {
            bytes_at_first = client.store.figures().scripts.engine_bytes;
        }
        assert_eq!(client.run(&format!("FUNCTION DELETE {name}")), r"+OK\r\n");
    }
    let bytes = client.store.figures().scripts.engine_bytes;
    assert!(bytes < 10 * bytes_at_first, "{bytes_at_first} bytes have become {bytes}");
}
