//! The append-only file: the log on disk, in the files of Redis 7.
//!
//! `appendonlydir` holds a base, what has been logged since, and a manifest that names both. When the server starts they are
//! read ([`load`]), then a thread goes on writing ([`writer`]).

pub(crate) mod load;
mod manifest;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use parking_lot::Mutex;
use tidegate_protocols::data::AofFigures;
use tidegate_protocols::settings::{Key, Settings};

use self::manifest::Manifest;
use self::writer::{Policy, Writer};
use crate::log::Log;

/// An RDB file without any key, which any Redis reads: what an append-only file begins with.
const EMPTY_BASE: &[u8] = b"REDIS0009\xff\0\0\0\0\0\0\0\0";

/// How far the append-only file is.
#[derive(Default)]
pub(crate) struct Aof {
    /// There is one.
    is_on: AtomicBool,
    is_ending: AtomicBool,
    /// The position up to which the system has it.
    written: AtomicU64,
    /// The position up to which the disk has it.
    durable: AtomicU64,
    is_failing: AtomicBool,
    /// What has failed last.
    error: Mutex<String>,
    /// Bytes of all files, of those that are not written to any more, and of the base.
    size: AtomicU64,
    size_before: AtomicU64,
    base_size: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Those whose replies may wait.
    wakes: Mutex<Vec<Wake>>,
}

/// Asks for a tick.
type Wake = Arc<dyn Fn() + Send + Sync>;

/// Where the files are.
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    /// What their names begin with.
    pub(crate) filename: String,
}

impl Place {
    /// As the settings say.
    pub(crate) fn of(settings: &Settings) -> Self {
        let directory = Path::new(&*settings.text(Key::Dir)).join(&*settings.text(Key::AppendDirName));
        Self { directory, filename: settings.text(Key::AppendFilename).to_string() }
    }

    fn manifest_name(&self) -> String {
        format!("{}.manifest", self.filename)
    }

    fn manifest(&self) -> Result<Manifest, String> {
        let path = self.directory.join(self.manifest_name());
        Manifest::read(&path).map_err(|manifest::Broken(reason)| reason)
    }
}

impl Aof {
    /// Whether there is one.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }

    /// The position that has to be reached before what is said about everything up to `end` may be sent, if it has not.
    #[inline]
    pub(crate) fn holds(&self, end: u64, settings: &Settings) -> Option<u64> {
        let waits = self.is_on() && Policy::of(settings) == Policy::Always;
        (waits && self.durable.load(Acquire) < end).then_some(end)
    }

    /// The position that has been reached; all of it when there is no append-only file any more.
    pub(crate) fn reached(&self) -> u64 {
        if self.is_on() { self.durable.load(Acquire) } else { u64::MAX }
    }

    /// Has somebody woken whenever more has been reached.
    pub(crate) fn attach(&self, wake: Wake) {
        self.wakes.lock().push(wake);
    }

    fn wake(&self) {
        self.wakes.lock().iter().for_each(|wake| wake());
    }

    /// Why nothing more can be written, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        self.is_failing.load(Acquire).then(|| self.error.lock().clone())
    }

    fn has_failed(&self, error: &io::Error) {
        // As the C library words it, without what Rust adds.
        let text = error.to_string();
        let words = text.split(" (os error").next().unwrap_or(&text);
        words.clone_into(&mut self.error.lock());
    }

    /// What INFO tells of it.
    pub(crate) fn figures(&self, log: &Log) -> AofFigures {
        AofFigures {
            open: self.is_on().into(),
            failing: self.is_failing.load(Relaxed).into(),
            bytes: self.size.load(Relaxed),
            base_bytes: self.base_size.load(Relaxed),
            waiting_bytes: log.end().saturating_sub(self.written.load(Relaxed)),
        }
    }

    /// Goes on with the files at `place`, or begins them, and has the log written there from now on.
    ///
    /// # Errors
    /// What cannot be opened or made, and why.
    pub(crate) fn begin(
        self: &Arc<Self>,
        place: &Place,
        log: &Arc<Log>,
        settings: &Arc<Settings>,
    ) -> Result<(), String> {
        let fails = |what: &str, error: io::Error| format!("Can't open {what}: {error}");
        fs::create_dir_all(&place.directory).map_err(|error| {
            fails(&format!("or create append-only dir {}", place.directory.display()), error)
        })?;
        let mut manifest = place.manifest()?;
        let is_new = manifest.is_empty();
        if is_new {
            let base = manifest.next_base(&place.filename, true);
            write_whole(&place.directory.join(&base.name), EMPTY_BASE)
                .map_err(|error| fails(&base.name, error))?;
            manifest.base = Some(base);
        }
        let is_fresh = manifest.increments.is_empty();
        if is_fresh {
            manifest.increments.push(manifest.next_increment(&place.filename));
        }
        let part = manifest.increments.last().expect("there is one by now");
        let file = OpenOptions::new().append(true).create(true).open(place.directory.join(&part.name));
        let file = file.map_err(|error| fails(&part.name, error))?;
        if is_new || is_fresh {
            manifest
                .write(&place.directory, &place.manifest_name())
                .map_err(|error| fails("the manifest", error))?;
        }
        let len = file.metadata().map_err(|error| fails(&part.name, error))?.len();
        let size_of = |name: &str| fs::metadata(place.directory.join(name)).map_or(0, |about| about.len());
        let all: u64 = manifest.parts().map(|part| size_of(&part.name)).sum();
        self.size.store(all, Relaxed);
        self.size_before.store(all - len, Relaxed);
        self.base_size.store(manifest.base.as_ref().map_or(0, |base| size_of(&base.name)), Relaxed);
        let end = log.cut();
        self.written.store(end, Relaxed);
        self.durable.store(end, Relaxed);
        log.open();
        self.is_on.store(true, Release);
        let (aof, log, settings) = (Arc::clone(self), Arc::clone(log), Arc::clone(settings));
        let (group, synced_at, noted_s) = (Vec::new(), Instant::now(), 0);
        let writer = Writer { aof, log, settings, file, len, group, end, synced_at, noted_s };
        let thread = thread::Builder::new().name("aof".into()).spawn(move || writer.run());
        *self.thread.lock() = Some(thread.map_err(|error| format!("cannot start a thread: {error}"))?);
        Ok(())
    }

    /// Writes what there is, has the disk keep it, and ends.
    pub(crate) fn end(&self, log: &Log) {
        let Some(thread) = self.thread.lock().take() else { return };
        self.is_ending.store(true, Release);
        log.urge();
        if thread.join().is_err() {
            tracing::error!("what writes the append-only file has ended before its time");
        }
        self.is_on.store(false, Release);
        self.is_ending.store(false, Release);
        self.wake();
    }
}

/// Writes a file that is not there yet.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
