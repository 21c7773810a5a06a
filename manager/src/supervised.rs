//! A shard process that another Tidegate has started: it says when it listens, and never outlives who started it.
//!
//! Signals do not end it. Who stops a service may send them to all its processes at once, but clients are served until
//! the gateway has answered them all; that closes the shard's standard input then.

use std::io::{self, Read as _, Write as _};
use std::thread;

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::set_name;
use tokio::sync::oneshot;

/// The line on standard output that says that it listens.
pub(crate) const READY: &str = "ready\n";

/// Done, with an error that means nothing, when it is time to end.
pub(crate) type Lifeline = oneshot::Receiver<()>;

/// From now on this process is killed when the one that has started it is gone; returns what says when to end before.
///
/// # Errors
/// Why it cannot.
pub(crate) fn hold_on() -> Result<Lifeline, String> {
    // What was started as /proc/self/exe would be listed by that name.
    let _ = set_name(c"tidegate");
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| format!("cannot ask for a signal at the end of who started this: {error}"))?;
    // It may have gone before; its end of the pipe closed then.
    let (end, lifeline) = oneshot::channel();
    let watch = thread::Builder::new().name("lifeline".into()).spawn(move || {
        let mut byte = [0];
        while let Ok(1) = io::stdin().read(&mut byte) {}
        drop::<oneshot::Sender<()>>(end);
    });
    watch.map(|_| lifeline).map_err(|error| format!("cannot start a thread: {error}"))
}

/// Says that it listens.
pub(crate) fn say_ready() {
    // Who started it may have gone; then this ends, too.
    let mut output = io::stdout();
    let _ = output.write_all(READY.as_bytes()).and_then(|()| output.flush());
}
