//! The file written: whole under another name, and then in its place.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Instant;

use tidegate_protocols::settings::Key;

use super::{Background, draft_path, now_ms, now_s, path};
use crate::held::Held;
use crate::snapshot::{Cut, UnderWay};
use crate::store::{Shared, Store};
use crate::worker::StoreWorker;

/// Bytes after which what is written is brought to the disk, so that the end need not wait for all of it.
const SYNC_BYTES: u64 = 32 << 20;

/// Why it has not begun.
pub(super) enum NotBegun {
    /// It is being saved already.
    Saving,
    /// Another snapshot is being told.
    Other,
}

impl StoreWorker {
    /// Takes the moment that is to be saved.
    pub(super) fn begin_to_save(&mut self) -> Result<Cut, NotBegun> {
        let shared = Arc::clone(&self.local.shared);
        let cut = Cut::take(&mut self.held, &shared, (now_ms(), false), || ());
        cut.map(|(cut, ())| cut).map_err(|UnderWay| match shared.saving.state.lock().background {
            Some(_) => NotBegun::Saving,
            None => NotBegun::Other,
        })
    }

    /// Saves in the background from this moment on.
    pub(super) fn save_in_background(&mut self) -> Result<(), NotBegun> {
        let cut = self.begin_to_save()?;
        let shared = Arc::clone(&self.local.shared);
        let keys = cut.keys();
        shared.saving.saved_keys.store(0, Relaxed);
        {
            let mut state = shared.saving.state.lock();
            (state.is_scheduled, state.last_try) = (false, Some(Instant::now()));
            state.background = Some(Background { began: Instant::now(), began_s: now_s(), keys });
        }
        tracing::info!(keys, "saving in the background");
        let own = Arc::clone(&shared);
        let begun = thread::Builder::new().name("save".into()).spawn(move || {
            let mut held = Held::new(Arc::clone(&shared.keyspace), usize::MAX);
            // What fails has been told of.
            let _ = save(&shared, cut, &mut held);
        });
        if let Err(error) = begun {
            end(&own, &Err(error), None);
        }
        Ok(())
    }

    /// Saves if it is time to, unless something is in the way for longer.
    pub(crate) fn save_if_due(&mut self) {
        let shared = Arc::clone(&self.local.shared);
        let points = shared.settings.save_points();
        if shared.snapshots.is_under_way() || shared.saving.is_loading() || self.held.is_entered() {
            return;
        }
        if shared.saving.is_due(shared.ledger.sum().changes, &points) && !self.is_held_for_long(None) {
            // What is in the way is gone the next time.
            let _ = self.save_in_background();
        }
    }
}

impl Store {
    /// Saves everything, after what is being saved already. Returns when it is on the disk.
    ///
    /// # Errors
    /// Why that cannot be, for people.
    pub fn save_now(&self) -> Result<(), String> {
        let mut held = Held::new(Arc::clone(&self.shared().keyspace), usize::MAX);
        let cut = loop {
            match Cut::take(&mut held, self.shared(), (now_ms(), false), || ()) {
                Ok((cut, ())) => break cut,
                Err(UnderWay) => thread::sleep(std::time::Duration::from_millis(1)),
            }
        };
        save(self.shared(), cut, &mut held).map_err(|error| error.to_string())
    }

    /// Whether there is anything to be saved before the end, as the settings want it.
    pub fn wants_saving(&self) -> bool {
        !self.shared().saving.is_loading() && !self.shared().settings.save_points().is_empty()
    }

    /// Whether something has changed since it was saved.
    pub fn has_unsaved(&self) -> bool {
        let shared = self.shared();
        shared.saving.figures(shared.ledger.sum().changes).changes_unsaved > 0
    }

    /// Removes what has been written of a file that will not be finished.
    pub fn forget_draft(&self) {
        // There is none, as a rule.
        let _ = fs::remove_file(draft_path(&self.shared().settings));
    }
}

/// Writes the file of a moment, and notes what has come of it.
pub(super) fn save(shared: &Arc<Shared>, cut: Cut, held: &mut Held) -> io::Result<()> {
    let (changes, began) = (cut.changes, Instant::now());
    shared.saving.state.lock().saves += 1;
    let saved = write(shared, cut, held);
    end(shared, &saved, Some((changes, began)));
    saved
}

/// Notes what has come of it.
fn end(shared: &Shared, saved: &io::Result<()>, of: Option<(u64, Instant)>) {
    let mut state = shared.saving.state.lock();
    let background = state.background.take();
    if let Some(background) = &background {
        state.last_took = Some(background.began.elapsed());
    }
    match (saved, of) {
        (Ok(()), Some((changes, began))) => {
            (state.last_s, state.changes) = (now_s(), changes);
            shared.saving.has_failed.store(false, Relaxed);
            tracing::info!("saved in {:.3} s", began.elapsed().as_secs_f64());
        }
        (Err(error), _) => {
            // Who has waited for it is told; of what was saved in the background everybody is.
            shared.saving.has_failed.fetch_or(background.is_some(), Relaxed);
            tracing::warn!("cannot save to {}: {error}", path(&shared.settings).display());
        }
        (Ok(()), None) => {}
    }
}

fn write(shared: &Arc<Shared>, cut: Cut, held: &mut Held) -> io::Result<()> {
    let settings = &shared.settings;
    let (path, draft) = (path(settings), draft_path(settings));
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let written = File::create(&draft).and_then(|file| write_to(shared, cut, held, file));
    let placed =
        written.and_then(|()| fs::rename(&draft, &path)).and_then(|()| File::open(directory)?.sync_all());
    if placed.is_err() {
        // It may not even have been made.
        let _ = fs::remove_file(&draft);
    }
    placed
}

fn write_to(shared: &Shared, cut: Cut, held: &mut Held, file: File) -> io::Result<()> {
    let (mut synced, syncs) = (0, shared.settings.is_on(Key::RdbSaveIncrementalFsync));
    let file = cut.write(held, file, |file, keys| {
        shared.saving.saved_keys.store(keys, Relaxed);
        if syncs && file.bytes() - synced >= SYNC_BYTES {
            synced = file.bytes();
            file.to().sync_data()?;
        }
        Ok(())
    })?;
    file.sync_all()
}
