//! The thread that writes the log to disk.
//!
//! It takes whatever the log has, writes it with one call and, if `appendfsync` says `always`, has the disk keep it before
//! anybody hears of it: whatever came meanwhile is the next group. With `everysec` the disk is asked once a second,
//! with `no` never. Two watermarks say how far it is; replies wait for them ([`super::Aof::holds`]).
//!
//! What cannot be written stays here and is tried again; until it is written, writes are refused. What of a group has
//! got into the file is cut off again first, so the file ends with a whole command whatever happens.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tidegate_protocols::settings::{Key, Settings};

use super::Aof;
use crate::log::Log;

/// How long it waits for something to do.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often the disk is asked to keep what was written, with `everysec`.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How long it rests after a failure.
const REST: Duration = Duration::from_millis(100);
/// Bytes written at once.
const GROUP_BYTES_MAX: u64 = 8 << 20;

/// The words of `appendfsync`, in their order in the table of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Always,
    EverySecond,
    Never,
}

impl Policy {
    pub(crate) fn of(settings: &Settings) -> Self {
        match settings.number(Key::AppendFsync) {
            0 => Self::EverySecond,
            1 => Self::Always,
            _ => Self::Never,
        }
    }
}

/// See the module.
pub(super) struct Writer {
    pub(super) aof: Arc<Aof>,
    pub(super) log: Arc<Log>,
    pub(super) settings: Arc<Settings>,
    pub(super) file: File,
    /// Bytes of it that are whole.
    pub(super) len: u64,
    /// What was taken from the log and is not written.
    pub(super) group: Vec<u8>,
    /// The position behind that.
    pub(super) end: u64,
    pub(super) synced_at: Instant,
    /// The second of the last time that was noted in the file.
    pub(super) noted_s: u64,
}

impl Writer {
    /// Runs until it is told to end, and there is nothing left to write.
    pub(super) fn run(mut self) {
        loop {
            if self.group.is_empty() {
                let start = self.end;
                self.end = self.log.read(&mut self.group, start.saturating_add(GROUP_BYTES_MAX), PATIENCE);
                self.note_time();
            }
            let is_last = self.aof.is_ending.load(Acquire);
            let done = self.write().and_then(|()| self.sync(is_last));
            if let Err(error) = &done {
                self.fails(error);
            }
            if is_last && (done.is_err() || self.end == self.log.end()) {
                return;
            }
            if done.is_err() {
                std::thread::sleep(REST);
            }
        }
    }

    /// Writes the group, all of it or nothing.
    fn write(&mut self) -> io::Result<()> {
        if self.group.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.write_all(&self.group) {
            self.cut();
            return Err(error);
        }
        if Policy::of(&self.settings) == Policy::Always {
            // Until the disk has it, it counts as not written: it may have to be written once more.
            if let Err(error) = self.file.sync_data() {
                self.cut();
                return Err(error);
            }
            self.synced_at = Instant::now();
            self.aof.durable.store(self.end, Release);
        }
        self.len += self.group.len() as u64;
        self.aof.size.store(self.len + self.aof.size_before.load(Relaxed), Relaxed);
        self.group.clear();
        self.group.shrink_to(GROUP_BYTES_MAX as usize);
        self.aof.written.store(self.end, Release);
        self.aof.wake();
        Ok(())
    }

    /// Takes out of the file what is no whole group.
    fn cut(&mut self) {
        let cut = self.file.set_len(self.len).and_then(|()| self.file.seek(SeekFrom::Start(self.len)));
        if let Err(error) = cut {
            tracing::error!("cannot remove a part of a record from the append-only file: {error}");
        }
    }

    /// Has the disk keep what is written, if it is time.
    fn sync(&mut self, is_last: bool) -> io::Result<()> {
        let is_durable = self.aof.durable.load(Relaxed) == self.end;
        let is_due = match Policy::of(&self.settings) {
            _ if is_durable => false,
            Policy::Always => true,
            Policy::EverySecond => is_last || self.synced_at.elapsed() >= SYNC_EVERY,
            Policy::Never => is_last,
        };
        if is_due {
            self.synced_at = Instant::now();
            self.file.sync_data()?;
            self.aof.durable.store(self.end, Release);
            self.aof.wake();
        }
        if self.aof.is_failing.swap(false, Relaxed) {
            tracing::info!("AOF write error looks solved, writes are accepted again");
        }
        Ok(())
    }

    fn fails(&self, error: &io::Error) {
        self.aof.has_failed(error);
        if !self.aof.is_failing.swap(true, Release) {
            tracing::error!(
                "Error writing to the AOF file: {error}; writes are refused until it can be written"
            );
        }
    }

    /// Notes the time before the group, once a second, if that is wanted.
    fn note_time(&mut self) {
        if self.group.is_empty() || !self.settings.is_on(Key::AofTimestampEnabled) {
            return;
        }
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        if now_s > self.noted_s {
            self.noted_s = now_s;
            self.group.splice(0..0, format!("#TS:{now_s}\r\n").into_bytes());
        }
    }
}
