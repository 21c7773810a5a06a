//! Going to the background, as `daemonize yes` asks for.
//!
//! The process starts itself once more, in a session of its own and with nothing to read or write to, and ends. What is
//! wrong with flags and files has been said by then.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::process::setsid;

use crate::child::program;

/// Says to the process that it is the one in the background.
const MARK: &str = "TIDEGATE_IN_BACKGROUND";

/// Whether this process was started to serve in the background; if so it is in a session of its own from now on.
pub(crate) fn has_arrived() -> bool {
    let has_arrived = env::var_os(MARK).is_some();
    if has_arrived {
        // Who leads a session already needs no other.
        let _ = setsid();
    }
    has_arrived
}

/// Starts the process that serves.
///
/// # Errors
/// Why it cannot.
pub(crate) fn go() -> Result<(), String> {
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_else(|| "tidegate".into());
    let program = program().map_err(|error| format!("cannot find the program itself: {error}"))?;
    let mut command = Command::new(program);
    command.arg0(name).args(arguments).env(MARK, "1");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(drop).map_err(|error| format!("cannot go to the background: {error}"))
}
