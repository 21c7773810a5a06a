//! A shard process of a test's own, which the test stops, kills and starts again.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::kept::Kept;
use crate::load::process::Process;

/// How long it may take until it can be reached.
const START_WAIT: Duration = Duration::from_mins(1);

/// What to start as a shard.
#[derive(Clone, Debug)]
pub struct ShardPlan {
    /// The slots it has, as `--slots` takes them.
    pub slots: String,
    /// Further flags.
    pub flags: Vec<String>,
}

/// A shard process; dropped, it is killed.
pub struct Shard {
    name: String,
    slots: String,
    command: Vec<String>,
    directory: PathBuf,
    socket: PathBuf,
    program: Kept,
}

impl Shard {
    /// Starts `program` as the shard `name` and waits until gateways can reach it, by a socket in `directory`.
    ///
    /// # Errors
    /// What it has printed instead.
    pub fn start(program: &str, name: &str, plan: &ShardPlan, directory: &Path) -> Result<Self, String> {
        let socket = directory.join(format!("{name}.sock"));
        let listen = format!("unix:{}", socket.display());
        let mut command: Vec<String> =
            [program, "shard", "--id", name, "--slots", &plan.slots, "--listen", &listen]
                .map(str::to_owned)
                .into();
        command.extend_from_slice(&plan.flags);
        let (name, slots) = (name.to_owned(), plan.slots.clone());
        let program = run(&command, directory, &name, &socket)?;
        Ok(Self { name, slots, command, directory: directory.to_owned(), socket, program })
    }

    /// Its part of a topology file.
    pub fn in_topology(&self) -> String {
        let Self { name, slots, socket, .. } = self;
        format!(
            "[[shards]]\nname = \"{name}\"\nslots = \"{slots}\"\nlink = \"unix:{}\"\n\n",
            socket.display()
        )
    }

    /// Its process.
    pub fn process(&self) -> Process {
        self.program.process()
    }

    /// What it has printed, all its lives.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join(format!("{}.log", self.name))).unwrap_or_default()
    }

    /// Stops it: it is there, takes what its sockets hold and does nothing.
    pub fn stop(&self) {
        self.program.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.program.signal(Signal::CONT);
    }

    /// Kills it, stopped or not.
    pub fn kill(&self) {
        self.program.signal(Signal::KILL);
    }

    /// Starts it again, empty, and waits until it can be reached.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> Result<(), String> {
        self.kill();
        while !self.program.has_ended() {
            thread::yield_now();
        }
        self.program = run(&self.command, &self.directory, &self.name, &self.socket)?;
        Ok(())
    }
}

/// Starts the program and waits until it listens.
fn run(command: &[String], directory: &Path, name: &str, socket: &Path) -> Result<Kept, String> {
    let log = directory.join(format!("{name}.log"));
    let told = || fs::read_to_string(&log).unwrap_or_default();
    // A dead one leaves its socket, which nobody listens at.
    let program = Kept::start(command, directory, &log)?;
    let start = Instant::now();
    while UnixStream::connect(socket).is_err() {
        if program.has_ended() {
            return Err(format!("{}: it ended at once\n{}", command.join(" "), told()));
        }
        if start.elapsed() > START_WAIT {
            return Err(format!("{}: nobody answers at {}\n{}", command.join(" "), socket.display(), told()));
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(program)
}
