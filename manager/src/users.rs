//! The file of users that memcached's `-Y` names, read at the start and again when SIGHUP says so.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use tidegate_gateway::Users;

/// Bytes read of it; more than the most users have.
const FILE_BYTES_MAX: u64 = 8 * 1024;

/// The users in the file at `path`.
///
/// # Errors
/// The reason alone, for people.
pub(crate) fn read(path: &Path) -> Result<Users, String> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut text));
    read.map_err(|error| error.to_string())?;
    Users::of(&text)
}
