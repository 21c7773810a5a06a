//! The one binary of Tidegate: reads how to start, joins the gateway to the store, and serves until told
//! to end.
#![forbid(unsafe_code)]

mod admin;
mod background;
mod banner;
mod child;
mod file;
mod front;
mod listen;
mod log;
mod memcached;
mod notify;
mod options;
mod redis;
mod rewrite;
mod server;
mod shard;
mod socket_directory;
mod supervised;
mod supervisor;
mod topology_file;
mod user;
mod users;

use std::process::{self, ExitCode};
use std::thread;

use options::Start;
use tidegate_shards::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    end_at_panics();
    let start = match Start::parse(std::env::args_os()) {
        Ok(start) => start,
        Err(error) => error.exit(),
    };
    let ended = server::run(&start);
    if let Err(reason) = &ended {
        log::pass_on(format!("tidegate: {reason}\n").as_bytes());
    }
    log::finish();
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Has a panic anywhere end the process, in builds that would otherwise lose one task and go on: its clients would
/// wait for ever.
fn end_at_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // Nobody may read what is reported; the end waits for that no longer than for the log.
        let _ = thread::Builder::new().spawn(|| {
            thread::sleep(2 * log::LAST_WORDS_TIME);
            process::abort();
        });
        log::finish();
        report(panic);
        process::abort();
    }));
}
