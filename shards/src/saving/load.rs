//! The file read: into an empty store as the server starts, or in the place of what there is.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Instant;

use tidegate_protocols::Slots;
use tidegate_protocols::data::Worker as _;
use tidegate_protocols::limits::SCRIPT_THREADS;
use tidegate_protocols::settings::Key;
use tidegate_protocols::slot::slot_of;

use super::{Loading, beside, now_ms, now_s, path};
use crate::diary;
use crate::rdb::file::{CAS, FileReader, Item, Record};
use crate::store::Store;
use crate::word::AccessClock;
use crate::worker::StoreWorker;

/// Keys after which it is noted how far it has come, and after which others may be let in.
const STRIDE: u64 = 256;
/// Percent of the file after which the log says so.
const TOLD_PERCENT: u64 = 10;

/// What becomes of a key that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The file is refused: nobody writes a key twice.
    Refused,
    /// It is replaced.
    Replaced,
}

impl Store {
    /// Loads the file of the data, if there is one, on a thread of its own; until that has ended clients are told to wait.
    /// `failed` is told why it cannot be, if it cannot: what there is then is not everything. `slots` are those whose keys
    /// are expected there.
    pub fn load(&self, slots: Option<Slots>, failed: impl FnOnce(String) + Send + 'static) {
        let shared = Arc::clone(self.shared());
        let path = path(&shared.settings);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return;
            }
            Err(error) => return failed(format!("cannot open {}: {error}", path.display())),
        };
        shared.saving.set_loading(true);
        let workers = self.workers();
        let load = move || {
            let mut worker = StoreWorker::new(Arc::clone(&shared), workers + SCRIPT_THREADS, workers);
            worker.run_scripts_beside(beside::nobody());
            worker.begin(now_ms());
            let loaded = worker.load_file(&file, Taken::Refused, slots.as_ref());
            worker.finish();
            drop(worker);
            shared.saving.set_loading(false);
            if let Err(reason) = loaded {
                failed(format!("cannot load {}: {reason}", path.display()));
            }
        };
        if let Err(error) = thread::Builder::new().name("load".into()).spawn(load) {
            // The closure, and `failed` with it, is gone; what cannot start a thread cannot serve either.
            tracing::error!("cannot start a thread to load the data: {error}");
        }
    }
}

impl StoreWorker {
    /// Loads a file that a log of commands begins with. Returns how many bytes it has; commands may follow.
    pub(crate) fn load_base(&mut self, file: &File) -> Result<u64, String> {
        self.load_file(file, Taken::Refused, None)?;
        Ok(self.local.shared.saving.loaded_bytes.load(Relaxed))
    }

    /// Loads a file, with as many locks as it holds or each for a moment.
    pub(super) fn load_file(
        &mut self,
        file: &File,
        taken: Taken,
        slots: Option<&Slots>,
    ) -> Result<(), String> {
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        let (shared, began) = (Arc::clone(&self.local.shared), Instant::now());
        shared.saving.state.lock().loading = Loading { since_s: now_s(), bytes, ..Loading::default() };
        shared.saving.loaded_bytes.store(0, Relaxed);
        // It is no news for anybody who listens to changes.
        diary::keep(false);
        let loaded = self.load_from(file, taken, slots);
        let seconds = began.elapsed().as_secs_f64();
        loaded.map(|Loading { keys, expired, .. }| {
            tracing::info!(bytes, expired, "loaded {keys} keys in {seconds:.3} s");
        })
    }

    fn load_from(&mut self, from: impl Read, taken: Taken, slots: Option<&Slots>) -> Result<Loading, String> {
        let shared = Arc::clone(&self.local.shared);
        let settings = Arc::clone(&shared.settings);
        let mut file =
            FileReader::new(from, settings.is_on(Key::RdbChecksum)).map_err(|error| error.to_string())?;
        let mut loading = shared.saving.state.lock().loading;
        let (mut database, mut libraries, mut elsewhere, mut told) = (0, Vec::new(), 0, TOLD_PERCENT);
        while let Some(item) = file.next(&settings).map_err(|error| error.to_string())? {
            match item {
                Item::Aux(name, text) => self.note(&name, &text, &mut loading),
                Item::Library(text) => libraries.push(text),
                Item::Database(number) => database = number,
                Item::Sizes => {}
                Item::Key(record) => {
                    elsewhere += u64::from(slots.is_some_and(|slots| !slots.has(slot_of(&record.key))));
                    if self.load_key(database, record, taken)? {
                        loading.keys += 1;
                    } else {
                        loading.expired += 1;
                    }
                }
            }
            if (loading.keys + loading.expired).is_multiple_of(STRIDE) {
                shared.saving.loaded_bytes.store(file.position(), Relaxed);
                self.held.let_others_in();
                if loading.bytes > 0 && file.position() * 100 / loading.bytes >= told {
                    tracing::info!(keys = loading.keys, "loading: {told} %");
                    told += TOLD_PERCENT;
                }
            }
        }
        self.load_libraries(&libraries).map_err(|error| format!("functions in it: {error}"))?;
        if elsewhere > 0 {
            tracing::warn!(
                "{elsewhere} of the keys loaded are in slots of other shards: nobody is given them. Was the file \
                 written by as many shards?"
            );
        }
        shared.saving.loaded_bytes.store(file.position(), Relaxed);
        shared.saving.state.lock().loading = loading;
        Ok(loading)
    }

    /// Takes note of what the file says of itself.
    fn note(&mut self, name: &[u8], text: &[u8], loading: &mut Loading) {
        let text = String::from_utf8_lossy(text);
        match name {
            b"redis-ver" => tracing::info!("loading a file written by version {text}"),
            b"used-mem" => {
                loading.used_bytes = text.parse().unwrap_or(0);
                self.local.shared.saving.state.lock().loading = *loading;
            }
            CAS => {
                let cas = text.parse::<u64>().unwrap_or(0).min(1 << 61);
                for partition in 0..self.held.keyspace().partitions() {
                    self.held.lock_patiently(partition);
                    self.held.locked(partition).into_partition().raise_cas(cas);
                }
            }
            _ => tracing::debug!("passed over the field '{}'", name.escape_ascii()),
        }
    }

    /// Puts in a key; `false` if its time is over.
    fn load_key(&mut self, database: u8, record: Record, taken: Taken) -> Result<bool, String> {
        let Record { key, value, aside } = record;
        if aside.metadata.expire_at.is_some_and(|at| at < self.local.now_ms) {
            return Ok(false);
        }
        let keyspace = Arc::clone(self.held.keyspace());
        let spot = keyspace.spot(&key);
        self.held.lock_patiently(keyspace.partition_of(spot.slot));
        let clock: AccessClock = self.local.clock;
        let mut entry =
            self.held.at(spot.slot).into_entry_mut(keyspace.database(database), spot, &key, &clock);
        if entry.is_there() {
            if taken == Taken::Refused {
                let key = key.escape_ascii();
                return Err(format!(
                    "the key '{key}' of database {database} is in it twice: the file is damaged"
                ));
            }
            entry.remove();
        }
        entry.load(value, &aside);
        Ok(true)
    }
}
