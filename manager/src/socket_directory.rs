//! A directory for the sockets of shard processes, nobody else's, removed in the end.

use std::collections::hash_map::RandomState;
use std::env;
use std::fs::{self, DirBuilder, File};
use std::hash::BuildHasher as _;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process;

use rustix::process::geteuid;

/// Bytes of the longest path of a socket. Source: `sun_path` of `unix(7)`, which ends with a zero byte.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// What the names of all such directories begin with.
const PREFIX: &str = "tidegate-shards-";

/// The file that its owner holds locked, so that what somebody killed has left behind can be told from what is in use.
const LOCK: &str = "lock";

/// The directory; dropped, it is removed with all that is in it.
#[derive(Debug)]
pub(crate) struct SocketDirectory {
    path: PathBuf,
    _lock: File,
}

impl SocketDirectory {
    /// Makes it in `XDG_RUNTIME_DIR`, or where that cannot be, in the directory for temporary files. `longest` is the
    /// longest name of a socket there will be.
    ///
    /// # Errors
    /// Why it cannot be made, and what to do.
    pub(crate) fn new(longest: &str) -> Result<Self, String> {
        let runtime = env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty()).map(PathBuf::from);
        let mut reason = String::new();
        for base in runtime.into_iter().chain([env::temp_dir()]) {
            match Self::within(&base, longest) {
                Ok(directory) => return Ok(directory),
                Err(why) => reason = why,
            }
        }
        Err(format!("no directory for the sockets of shards: {reason}"))
    }

    fn within(base: &Path, longest: &str) -> Result<Self, String> {
        remove_orphans(base);
        let unique = RandomState::new().hash_one(process::id()) as u32;
        let path = base.join(format!("{PREFIX}{}-{unique:08x}", process::id()));
        let bytes = path.join(longest).as_os_str().as_bytes().len();
        if bytes > SOCKET_PATH_BYTES_MAX {
            return Err(format!(
                "the path of a socket in {} is too long ({bytes} bytes, at most {SOCKET_PATH_BYTES_MAX}): \
                 set XDG_RUNTIME_DIR or TMPDIR to a shorter one",
                base.display()
            ));
        }
        make(&path).map_err(|error| {
            format!("{}: {error}: set XDG_RUNTIME_DIR or TMPDIR to one that can be written", path.display())
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketDirectory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

fn make(path: &Path) -> io::Result<SocketDirectory> {
    // What is there already is somebody else's: an error.
    DirBuilder::new().mode(0o700).create(path)?;
    // Locked before it has its name, so that nobody takes a new directory for an orphan.
    let draft = path.join("draft");
    let lock = File::create_new(&draft).and_then(|lock| {
        lock.lock()?;
        fs::rename(&draft, path.join(LOCK))?;
        Ok(lock)
    });
    match lock {
        Ok(lock) => Ok(SocketDirectory { path: path.to_owned(), _lock: lock }),
        Err(error) => {
            // The error says why; the directory is of no use to anybody.
            let _ = fs::remove_dir_all(path);
            Err(error)
        }
    }
}

/// Removes what those have left behind who were killed and could not.
fn remove_orphans(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let ours = entry.file_name().as_bytes().starts_with(PREFIX.as_bytes())
            && entry.metadata().is_ok_and(|entry| entry.is_dir() && entry.uid() == geteuid().as_raw());
        if ours && File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok()) {
            // Somebody else may be doing the same.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A directory of this test's own.
    fn base(name: &str) -> PathBuf {
        let base = env::temp_dir().join(format!("tidegate-test-{name}-{}", process::id()));
        fs::create_dir_all(&base).unwrap();
        base
    }

    #[test]
    fn it_is_its_owner_s_alone_and_goes_with_its_value() {
        let base = base("sockets");
        let directory = SocketDirectory::within(&base, "shard-1.sock").unwrap();
        let path = directory.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        File::create(path.join("shard-1.sock")).unwrap();
        drop(directory);
        assert!(!path.exists());
        fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn what_somebody_killed_has_left_is_removed_and_what_is_in_use_stays() {
        let base = base("orphans");
        let used = SocketDirectory::within(&base, "s").unwrap();
        let orphan = base.join(format!("{PREFIX}1-0"));
        let other = base.join("other");
        for path in [&orphan, &other] {
            fs::create_dir(path).unwrap();
            File::create(path.join(LOCK)).unwrap();
        }
        let begun = base.join(format!("{PREFIX}2-0"));
        fs::create_dir(&begun).unwrap();
        let second = SocketDirectory::within(&base, "s").unwrap();
        assert!(!orphan.exists());
        assert!([&other, &begun, &used.path, &second.path].iter().all(|path| path.exists()));
        drop((used, second));
        fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_with_what_to_do() {
        let told = SocketDirectory::within(Path::new(&"/x".repeat(50)), "shard-1.sock").unwrap_err();
        assert!(told.contains("at most 107") && told.contains("TMPDIR"), "{told}");
        let told = SocketDirectory::within(Path::new("/nowhere"), "shard-1.sock").unwrap_err();
        assert!(told.contains("No such file") && told.contains("TMPDIR"), "{told}");
    }
}
