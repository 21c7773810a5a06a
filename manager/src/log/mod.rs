//! Log lines on standard error or in a file, for people or for machines.
//!
//! Who reads them may stop doing so: a terminal that is paused, a pipe to somebody who is busy. Nobody waits for that. What
//! is said goes to a queue, from which a thread of its own writes it; what the queue has no room for is lost, and counted.

mod redis;

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tidegate_protocols::settings::{Key, Settings};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

/// Bytes that wait to be written.
const QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes written at once.
const WRITE_BYTES: usize = 16 * 1024;

/// How long the end waits for what has been said to be written.
pub(crate) const LAST_WORDS_TIME: Duration = Duration::from_secs(1);

static QUEUE: Queue = Queue::new();

/// Begins to log as the settings say.
///
/// # Errors
/// Why it cannot, for people.
pub(crate) fn init(settings: &Settings) -> Result<(), String> {
    let level = match settings.show(Key::LogLevel).as_str() {
        "debug" => LevelFilter::TRACE,
        "verbose" => LevelFilter::DEBUG,
        "notice" => LevelFilter::INFO,
        _ => LevelFilter::WARN,
    };
    let lines = tracing_subscriber::fmt().with_max_level(level).with_writer(|| &QUEUE).with_target(false);
    let is_first = match settings.show(Key::LogFormat).as_str() {
        "json" => lines.json().flatten_event(true).try_init(),
        "redis" => lines.with_ansi(false).event_format(redis::Lines).try_init(),
        _ => lines.with_ansi(false).try_init(),
    };
    // A second call in one process, as in tests, leaves the first in place.
    if is_first.is_ok() {
        let mut output = Output::of(settings)?;
        let write = move || loop {
            QUEUE.write_some(&mut output);
        };
        let started = thread::Builder::new().name("log".into()).spawn(write);
        started.map_err(|error| format!("cannot start a thread: {error}"))?;
    }
    Ok(())
}

/// Where lines go.
enum Output {
    /// A descriptor of its own: whoever panics writes to that of all, and need not wait either.
    Open(File),
    /// A file, opened anew whenever there is something to write: it may have been moved away, to be kept elsewhere.
    At(PathBuf),
}

impl Output {
    /// As the settings say: a file, or standard error; in Redis's form standard output, as of redis-server.
    fn of(settings: &Settings) -> Result<Self, String> {
        let path = settings.text(Key::Logfile);
        if !path.is_empty() {
            let path = Path::new(&*settings.text(Key::Dir)).join(&*path);
            open(&path).map_err(|error| format!("cannot open the log file {}: {error}", path.display()))?;
            return Ok(Self::At(path));
        }
        let output = match settings.show(Key::LogFormat).as_str() {
            "redis" => io::stdout().as_fd().try_clone_to_owned(),
            _ => io::stderr().as_fd().try_clone_to_owned(),
        };
        Ok(Self::Open(File::from(output.map_err(|error| format!("cannot write to the log: {error}"))?)))
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Open(file) => file.write(bytes),
            Self::At(path) => open(path)?.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Adds lines that somebody else has made.
pub(crate) fn pass_on(lines: &[u8]) {
    QUEUE.push(lines);
}

/// Lines that were lost because nobody read what was there.
pub(crate) fn lost() -> u64 {
    QUEUE.state().lost
}

/// Waits until everything has been written, unless nobody reads it.
pub(crate) fn finish() {
    QUEUE.wait_until_empty(LAST_WORDS_TIME);
}

/// The time, as log lines tell it.
pub(crate) fn time() -> String {
    let mut text = String::new();
    SystemTime.format_time(&mut Writer::new(&mut text)).expect("a text takes whatever is written to it");
    text
}

/// Lines that wait to be written.
struct Queue {
    state: Mutex<State>,
    /// There is something to write, or there is not any more.
    changed: Condvar,
}

struct State {
    bytes: VecDeque<u8>,
    /// Some have been taken out and are not written yet.
    is_writing: bool,
    /// Lines that were not taken.
    lost: u64,
    /// How many of them have been told of.
    lost_told: u64,
}

impl Queue {
    const fn new() -> Self {
        let state = State { bytes: VecDeque::new(), is_writing: false, lost: 0, lost_told: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Held for as long as it takes to copy some bytes.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, lines: &[u8]) {
        let mut state = self.state();
        if state.bytes.len() + lines.len() > QUEUE_BYTES_MAX {
            state.lost += 1;
            return;
        }
        state.bytes.extend(lines);
        self.changed.notify_all();
    }

    /// Waits for something to write, and writes some of it.
    fn write_some(&self, output: &mut impl Write) {
        let mut state = self.state();
        while state.bytes.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let some = state.bytes.len().min(WRITE_BYTES);
        let bytes: Vec<u8> = state.bytes.drain(..some).collect();
        state.is_writing = true;
        drop(state);
        // Whoever reads our log may have gone; that is no reason not to serve.
        let _ = output.write_all(&bytes);
        let mut state = self.state();
        state.is_writing = false;
        if state.bytes.is_empty() {
            state.bytes.shrink_to(WRITE_BYTES);
        }
        let lines = state.lost - state.lost_told;
        state.lost_told = state.lost;
        drop(state);
        self.changed.notify_all();
        if lines > 0 {
            tracing::warn!(lines, "some of the log is lost: it was not read in time");
        }
    }

    fn wait_until_empty(&self, time: Duration) {
        let is_busy = |state: &mut State| state.is_writing || !state.bytes.is_empty();
        // Whether it is empty then or not, the time is over.
        let _ = self.changed.wait_timeout_while(self.state(), time, is_busy);
    }
}

/// Takes a line as a whole, or loses it.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_is_lost_line_by_line_and_counted() {
        let (queue, line) = (Queue::new(), [b'x'; 1000]);
        let fit = QUEUE_BYTES_MAX / line.len();
        for _ in 0..fit + 3 {
            queue.push(&line);
        }
        assert_eq!(queue.state().lost, 3);
        queue.wait_until_empty(Duration::ZERO);
        let mut output = Vec::new();
        while !queue.state().bytes.is_empty() {
            queue.write_some(&mut output);
        }
        assert_eq!(output.len(), fit * line.len());
        queue.push(b"more\n");
        queue.write_some(&mut output);
        assert!(output.ends_with(b"xmore\n"));
        let state = queue.state();
        assert_eq!((state.lost, state.lost_told), (3, 3));
    }
}
