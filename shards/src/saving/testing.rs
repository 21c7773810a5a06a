//! A directory for the file of one test.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::{env, fs, process};

use tidegate_protocols::settings::Key;

use crate::testing::Client;

/// Removed in the end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Relaxed);
        let path = env::temp_dir().join(format!("tidegate-{name}-{}-{number}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// A client of an empty store that is kept here.
    pub(crate) fn client(&self) -> Client {
        let client = Client::new();
        self.is_kept_by(&client);
        client
    }

    pub(crate) fn is_kept_by(&self, client: &Client) {
        client.settings.set(Key::Dir, &self.0.to_string_lossy()).unwrap();
    }

    pub(crate) fn saved(&self) -> Vec<u8> {
        fs::read(self.0.join("dump.rdb")).unwrap()
    }

    pub(crate) fn put(&self, file: &[u8]) {
        fs::write(self.0.join("dump.rdb"), file).unwrap();
    }

    /// What is in it.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap();
        names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
