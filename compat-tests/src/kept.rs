//! A program that is started, and never outlives who has started it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::load::process::Process;

/// Runs the program after its first argument, says its process id, and ends it when our end of the pipe closes:
/// so that it never outlives us, however we end. It is the program's parent, so that nobody else gets the number of
/// one that has ended.
const KEEPER: &str =
    r#"log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!; read _; kill -KILL $!; wait $!"#;

/// A program that runs; dropped, it is killed.
pub struct Kept {
    keeper: Child,
    process: Process,
}

impl Kept {
    /// Starts `command` in `directory`; what it prints is added to the file `log`.
    ///
    /// # Errors
    /// The name of the program and what the system says.
    pub fn start(command: &[String], directory: &Path, log: &Path) -> Result<Self, String> {
        let name = &command[0];
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(log)
            .args(command)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        let mut line = String::new();
        let output = keeper.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).map_err(|error| format!("{name}: {error}"))?;
        let pid = line.trim().parse().map_err(|_| format!("{name}: no process id"))?;
        Ok(Self { keeper, process: Process { pid } })
    }

    /// The program's process.
    pub fn process(&self) -> Process {
        self.process
    }

    /// Whether it is gone or waits to be collected.
    pub fn has_ended(&self) -> bool {
        if !Path::new("/proc/self/stat").exists() {
            return false;
        }
        let state = fs::read_to_string(format!("/proc/{}/stat", self.process.pid));
        state.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.pid).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("processes have numbers"), signal).expect("it is ours");
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.keeper.stdin.take() {
            // The line, and the end of the pipe, are the sign to end the program.
            let _ = pipe.write_all(b"\n");
        }
        let _ = self.keeper.wait();
    }
}
