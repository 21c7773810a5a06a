//! One shard process that this process has started: its command line, its start, its words, its end.
//!
//! It ends with us however we end: the system kills it when the thread that started it is gone. Its standard input is a
//! pipe that nothing is ever written to; when that closes, it is to end (see [`crate::supervised`]).

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tidegate_protocols::Slots;
use tidegate_protocols::settings::{Key, Settings};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{self, ChildStderr, ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::log;
use crate::supervised::READY;

/// How long it may take until it listens.
const START_MAX: Duration = Duration::from_secs(20);

/// How long it may take to end by itself, once asked to.
const STOP_MAX: Duration = Duration::from_secs(10);

/// The same if it saves its keys first.
const STOP_MAX_SAVING: Duration = Duration::from_mins(10);

/// How long its last words may take to arrive after its end.
const WORDS_MAX: Duration = Duration::from_secs(1);

/// Bytes of a line of its log; what is longer goes on in the next.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// What the last words of a process that cannot go on begin with (see `main`).
const LAST_WORDS: &str = "tidegate: ";

/// What it is to be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Its name in the topology, of letters, digits and hyphens.
    pub(crate) name: String,
    /// What it has.
    pub(crate) slots: Slots,
    /// Where it is reached.
    pub(crate) socket: PathBuf,
    /// The epoch of the topology.
    pub(crate) epoch: u32,
    /// How many of its kind share the memory.
    pub(crate) of: usize,
}

/// A process that listens.
#[derive(Debug)]
pub(crate) struct Child {
    process: process::Child,
    /// Open for as long as it may live.
    lifeline: Option<ChildStdin>,
    /// Its last words, once its log has ended.
    words: JoinHandle<String>,
    started: Instant,
}

impl Child {
    /// Starts it, with the settings as they are now, and waits until it listens.
    ///
    /// # Errors
    /// Why it does not, in its own words if it has any.
    pub(crate) async fn start(plan: &Plan, settings: &Settings) -> Result<Self, String> {
        let program = program().map_err(|error| format!("cannot find the program itself: {error}"))?;
        let mut command = Command::new(program);
        command.arg0("tidegate").args(arguments(plan, settings));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // What a terminal sends to us is not for it: it has to serve until we have answered everybody.
        command.process_group(0).kill_on_drop(true);
        let mut process = command.spawn().map_err(|error| format!("cannot start a process: {error}"))?;
        let (log, output) = (process.stderr.take().expect("piped"), process.stdout.take().expect("piped"));
        let words = tokio::spawn(pass_on(log, plan.name.clone(), settings.show(Key::LogFormat) == "json"));
        // Waiting for the process would close it.
        let lifeline = process.stdin.take();
        let mut child = Self { process, lifeline, words, started: Instant::now() };
        let mut said = Vec::new();
        let listens = timeout(START_MAX, line(&mut BufReader::new(output), &mut said)).await;
        match listens {
            Ok(_) if said == READY.as_bytes() => Ok(child),
            Ok(_) => Err(child.ended().await),
            Err(_) => {
                child.kill().await;
                Err(format!("it does not listen within {} s", START_MAX.as_secs()))
            }
        }
    }

    /// Its number; `None` once it has ended.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// For how long it has been there.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for its end; says how it ended, for people. Safe to be cancelled until then.
    pub(crate) async fn ended(&mut self) -> String {
        let how = match self.process.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => format!("cannot wait for it: {error}"),
        };
        match timeout(WORDS_MAX, &mut self.words).await {
            Ok(Ok(words)) if !words.is_empty() => format!("{words} ({how})"),
            _ => how,
        }
    }

    /// Asks it to end, and kills it if it does not. Says how it ended.
    pub(crate) async fn stop(mut self, settings: &Settings) -> String {
        drop(self.lifeline.take());
        let limit = if settings.save_points().is_empty() { STOP_MAX } else { STOP_MAX_SAVING };
        if let Ok(how) = timeout(limit, self.ended()).await {
            return how;
        }
        self.kill().await;
        format!("killed: it did not end within {} s", limit.as_secs())
    }

    async fn kill(&mut self) {
        if let Err(error) = self.process.kill().await {
            tracing::warn!("cannot kill process {:?}: {error}", self.id());
        }
    }
}

/// This very program, even if its file has been replaced since by another release, with which no link could be made.
pub(crate) fn program() -> io::Result<PathBuf> {
    let own = Path::new("/proc/self/exe");
    if own.exists() { Ok(own.to_owned()) } else { env::current_exe() }
}

/// The command line of a shard. Settings that are as by default are left out.
fn arguments(plan: &Plan, settings: &Settings) -> Vec<String> {
    let Plan { name, slots, socket, epoch, of } = plan;
    let mut arguments: Vec<String> = ["shard", "--supervised", "--id", name].map(str::to_owned).into();
    let has_log = settings.is_on(Key::AppendOnly);
    let mut give = |flag: &str, value: String| arguments.extend([format!("--{flag}"), value]);
    give("slots", slots.to_string());
    give("epoch", epoch.to_string());
    give("listen", format!("unix:{}", socket.display()));
    if has_log {
        give("data-dir", settings.show(Key::Dir));
    }
    let threads = (settings.number(Key::Threads) / *of as i64).max(1);
    give(Key::Threads.row().name, threads.to_string());
    // A link for each of our workers, twice while one is made anew.
    give(Key::MaxClients.row().name, (settings.number(Key::Threads) * 2 + 64).to_string());
    for key in Key::all().filter(|&key| is_handed_on(key)) {
        let value = match key {
            Key::MaxMemory => share(settings.number(key), *of).to_string(),
            // Each has a log of its own.
            Key::AppendDirName if settings.is_on(Key::AppendOnly) => {
                format!("{}/{name}", settings.show(key))
            }
            // What is shown may leave out a letter.
            Key::NotifyKeyspaceEvents => settings.classes(key).letters(),
            _ => settings.show(key),
        };
        if value != key.row().default {
            give("set", format!("{}={value}", key.row().name));
        }
    }
    arguments
}

/// Whether a shard has this setting from us.
fn is_handed_on(key: Key) -> bool {
    matches!(key, Key::LogFormat | Key::LogLevel | Key::Dir) || key.concerns_store()
}

/// The part of a limit of memory, where 0 is none, that one of `of` gets; the same as when `CONFIG SET` changes it.
fn share(limit: i64, of: usize) -> i64 {
    (limit as u64).div_ceil(of as u64) as i64
}

/// Writes what a shard logs into our log until it ends; returns its last words, which are not logged.
async fn pass_on(log: ChildStderr, name: String, json: bool) -> String {
    let (mut log, mut words, mut text) = (BufReader::new(log), String::new(), Vec::new());
    while line(&mut log, &mut text).await {
        let line = String::from_utf8_lossy(&text);
        if let Some(said) = line.strip_prefix(LAST_WORDS) {
            said.trim_end().clone_into(&mut words);
        } else {
            log::pass_on(named(&line, &name, json).as_bytes());
        }
        text.clear();
    }
    words
}

/// A line of a shard's log, with its name.
fn named(line: &str, name: &str, json: bool) -> String {
    match line.strip_prefix('{') {
        Some(rest) if json => format!("{{\"shard\":\"{name}\",{rest}"),
        _ => format!("{name}: {line}"),
    }
}

/// Reads a line with its end into `text`, or a part of one that is too long; returns whether there is any.
async fn line(log: &mut BufReader<impl AsyncRead + Unpin>, text: &mut Vec<u8>) -> bool {
    let read = log.take(LINE_BYTES_MAX).read_until(b'\n', text).await;
    if read.is_ok() && text.len() as u64 == LINE_BYTES_MAX && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let slots = "0-5460".parse().unwrap();
        Plan { name: "shard-1".into(), slots, socket: "/run/s.sock".into(), epoch: 1, of: 3 }
    }

    fn line_of(settings: &[(Key, &str)]) -> String {
        let all = Settings::default();
        for (key, value) in settings {
            all.set(*key, value).unwrap();
        }
        arguments(&plan(), &all).join(" ")
    }

    #[test]
    fn a_shard_is_told_what_differs_from_the_defaults_and_its_part_of_memory_and_threads() {
        let fixed = "shard --supervised --id shard-1 --slots 0-5460 --epoch 1 --listen unix:/run/s.sock";
        assert_eq!(line_of(&[(Key::Threads, "2")]), format!("{fixed} --threads 1 --maxclients 68"));
        let given = [
            (Key::Threads, "6"),
            (Key::MaxMemory, "1000"),
            (Key::MaxMemoryPolicy, "allkeys-lru"),
            (Key::LogFormat, "json"),
            (Key::RequirePass, "secret"),
            (Key::Port, "7"),
        ];
        assert_eq!(
            line_of(&given),
            format!(
                "{fixed} --threads 2 --maxclients 76 --set log-format=json --set maxmemory=334 \
                 --set maxmemory-policy=allkeys-lru"
            )
        );
    }

    #[test]
    fn a_limit_of_memory_never_becomes_none() {
        assert_eq!([0, 1, 2, 3, 8].map(|limit| share(limit, 3)), [0, 1, 1, 1, 3]);
    }

    #[test]
    fn a_line_of_a_shard_says_whose_it_is() {
        assert_eq!(named("2026 INFO ended\n", "shard-2", false), "shard-2: 2026 INFO ended\n");
        assert_eq!(
            named("{\"level\":\"INFO\"}\n", "shard-2", true),
            "{\"shard\":\"shard-2\",\"level\":\"INFO\"}\n"
        );
        assert_eq!(named("thread panicked\n", "shard-2", true), "shard-2: thread panicked\n");
    }

    #[tokio::test]
    async fn a_line_too_long_is_cut() {
        let text = ["a".repeat(LINE_BYTES_MAX as usize + 1), "b".into()].join("\n");
        let (mut log, mut lines) = (BufReader::new(text.as_bytes()), Vec::new());
        let mut read = Vec::new();
        while line(&mut log, &mut read).await {
            lines.push(read.len());
            read.clear();
        }
        assert_eq!(lines, [LINE_BYTES_MAX as usize + 1, 2, 1]);
    }
}
