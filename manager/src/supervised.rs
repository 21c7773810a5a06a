//! A shard process that another Tidegate has started: it says when it listens, and never outlives who started it.

use std::io::{self, Read as _, Write as _};
use std::process;
use std::thread;

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::set_name;

/// The line on standard output that says that it listens.
pub(crate) const READY: &str = "ready\n";

/// Ends this process when the one that has started it is gone, however that came about.
///
/// # Errors
/// Why it cannot.
pub(crate) fn end_with_parent() -> Result<(), String> {
    // What was started as /proc/self/exe would be listed by that name.
    let _ = set_name(c"tidegate");
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| format!("cannot ask for a signal at the end of who started this: {error}"))?;
    // It may have gone before; its end of the pipe closed then.
    let watch = thread::Builder::new().name("lifeline".into()).spawn(|| {
        let mut byte = [0];
        while let Ok(1) = io::stdin().read(&mut byte) {}
        process::exit(1)
    });
    watch.map(drop).map_err(|error| format!("cannot start a thread: {error}"))
}

/// Says that it listens.
pub(crate) fn say_ready() {
    // Who started it may have gone; then this ends, too.
    let mut output = io::stdout();
    let _ = output.write_all(READY.as_bytes()).and_then(|()| output.flush());
}
