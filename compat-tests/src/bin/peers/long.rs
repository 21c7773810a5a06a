//! How long others wait while something takes long: a script of 100 ms again and again, or `KEYS` of all keys.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use tidegate_compat_tests::answer::request;
use tidegate_compat_tests::load::dialect::{Dialect, Operation};
use tidegate_compat_tests::load::{Extent, Figures, Load};
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::wire::Wire;

use crate::Options;
use crate::contender::Contender;
use crate::contest::{WARM, fill, run_load};
use crate::report::{Cell, Report};

/// Bytes of a value.
const VALUE_BYTES: usize = 16;

/// Connections that are measured, each with one request at a time.
const CONNECTIONS: usize = 4;

/// Takes 100 ms, and holds its key meanwhile.
const SCRIPT: &str = "local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end \
    local until_ms = now() + 100 repeat until now() >= until_ms return redis.call('GET', KEYS[1])";

/// What the others ask for: keys of one slot, which is not that of the script's key.
const OTHERS: &[&str] = &["SET", "{other}%n", "%v"];

/// What goes on meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    Scripts,
    Keys,
}

impl Meanwhile {
    const ALL: [(&str, Self); 3] =
        [("alone", Self::Nothing), ("EVAL 100 ms", Self::Scripts), ("KEYS *", Self::Keys)];
}

/// Measures what others notice of each.
pub(crate) fn measure(options: &Options, entrants: &[&Contender], report: &mut Report) -> Result<(), String> {
    let servers = entrants.iter().map(|one| one.start()).collect::<Result<Vec<_>, String>>()?;
    let names: Vec<_> = entrants.iter().map(|one| one.name.as_str()).collect();
    report.long(options.items(), CONNECTIONS, options.threads);
    for server in &servers {
        fill(options, server, Dialect::Resp, options.items(), VALUE_BYTES)?;
    }
    for (name, meanwhile) in Meanwhile::ALL {
        let runs =
            servers.iter().map(|server| run(options, server, meanwhile)).collect::<Result<Vec<_>, _>>()?;
        let (dialect, operation) = (Dialect::Resp, Operation::Set);
        report.row(name, Cell { dialect, operation, pipeline: 1, value_bytes: VALUE_BYTES }, &names, &runs);
    }
    Ok(())
}

fn run(options: &Options, server: &Server, meanwhile: Meanwhile) -> Result<Figures, String> {
    let load = Load {
        address: server.redis(),
        dialect: Dialect::Resp,
        operation: Operation::Words(OTHERS),
        connections: CONNECTIONS,
        pipeline: 1,
        keys: 1000,
        value_bytes: VALUE_BYTES,
        extent: Extent::Random { warm: WARM, counted: Duration::from_secs_f64(options.seconds()) },
    };
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let disturbs = scope.spawn(|| disturb(server, meanwhile, &is_over));
        let figures = run_load(&load, server);
        is_over.store(true, Relaxed);
        disturbs.join().map_err(|_| "who was to take long has panicked".to_owned())??;
        figures
    })
}

/// Asks for what takes long, again and again.
fn disturb(server: &Server, meanwhile: Meanwhile, is_over: &AtomicBool) -> Result<(), String> {
    let mut wire = Wire::connect(server.redis())?;
    wire.wait_at_most(Duration::from_mins(5));
    let silent = |silence| format!("no answer: {silence:?}");
    while !is_over.load(Relaxed) {
        match meanwhile {
            Meanwhile::Nothing => return Ok(()),
            Meanwhile::Scripts => {
                wire.send(&request(&["EVAL", SCRIPT, "1", "{held}"]));
                wire.line().map_err(silent)?;
            }
            Meanwhile::Keys => {
                wire.send(&request(&["KEYS", "*"]));
                let head = wire.line().map_err(silent)?;
                let count = String::from_utf8_lossy(&head[1..]).trim().parse().unwrap_or(0);
                for _ in 0..2 * count {
                    wire.line().map_err(silent)?;
                }
            }
        }
    }
    Ok(())
}
