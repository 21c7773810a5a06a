//! `CONFIG REWRITE`: the settings in use, written into the configuration file.
//!
//! Lines that say something else (comments, settings that only the start can change) stay as they are. A
//! setting that changed gets its line changed, or a line of its own at the end.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use tidegate_protocols::settings::{Change, Key, Settings};
use toml::Value;

use crate::{file, options};

/// Writes `settings` into the file at `path`, wholly or not at all.
///
/// # Errors
/// The reason alone, for people.
pub(crate) fn rewrite(path: &Path, settings: &Settings) -> Result<(), String> {
    let old = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let new = rewritten(&old, settings);
    agrees(&new, settings)?;
    let draft = path.with_extension("rewrite");
    let written = write(&draft, &new, path).and_then(|()| fs::rename(&draft, path));
    written.map_err(|error| {
        // There may be none.
        let _ = fs::remove_file(&draft);
        error.to_string()
    })
}

/// Writes a draft that is whole before it may take the place of the file at `path`, with the permissions of that.
/// It may hold a password, so until then nobody else may read it.
fn write(draft: &Path, text: &str, path: &Path) -> io::Result<()> {
    // One that was cut off may have left its own.
    let _ = fs::remove_file(draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(fs::metadata(path)?.permissions())?;
    file.sync_all()
}

fn rewritten(old: &str, settings: &Settings) -> String {
    let (mut new, mut said) = (String::new(), Vec::new());
    for line in old.lines() {
        let key = line
            .split_once('=')
            .and_then(|(name, _)| options::named(name.trim()))
            .filter(|&key| changes(key));
        match key {
            Some(key) => {
                said.push(key);
                new += &said_by(line.split('=').next().unwrap_or_default().trim(), key, settings);
            }
            None => new += line,
        }
        new.push('\n');
    }
    for key in Key::all().filter(|&key| changes(key) && !said.contains(&key)) {
        if settings.show(key) != key.row().default {
            new += &said_by(options::name(key), key, settings);
            new.push('\n');
        }
    }
    new
}

/// Whether a running server may have changed this setting.
fn changes(key: Key) -> bool {
    key.row().change == Change::Live
}

fn said_by(name: &str, key: Key, settings: &Settings) -> String {
    let text = settings.show(key);
    let value = text.parse().map_or(Value::String(text), Value::Integer);
    format!("{name} = {value}")
}

/// Makes sure that the file would be read as it is meant, whatever was in it before.
fn agrees(text: &str, settings: &Settings) -> Result<(), String> {
    let read = Settings::default();
    file::apply(text, |key, text| read.set(key, text))?;
    match Key::all().find(|&key| changes(key) && read.show(key) != settings.show(key)) {
        Some(key) => Err(format!("'{}' stands in the file in a way that is not understood", key.row().name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_changed_is_rewritten_and_the_rest_stays() {
        let settings = Settings::default();
        settings.set(Key::MaxMemory, "1gb").unwrap();
        settings.set(Key::RequirePass, "a \"secret\" = x").unwrap();
        settings.set(Key::Timeout, "5").unwrap();
        let old = "# mine\nport = 7000\nmemory = '64mb'\n\ntimeout = 5\n";
        let new = rewritten(old, &settings);
        assert_eq!(
            new,
            "# mine\nport = 7000\nmemory = 1073741824\n\ntimeout = 5\nrequirepass = 'a \"secret\" = x'\n"
        );
        assert_eq!(agrees(&new, &settings), Ok(()));
        assert_eq!(rewritten(&new, &settings), new);
    }

    #[test]
    fn a_file_that_would_be_read_differently_is_left_alone() {
        let settings = Settings::default();
        settings.set(Key::Timeout, "5").unwrap();
        let new = rewritten("requirepass = '''\nkept\n'''\n", &settings);
        assert!(agrees(&new, &settings).is_err());
    }

    #[test]
    fn the_file_keeps_its_permissions_and_no_draft_is_left() {
        let directory = std::env::temp_dir().join(format!("tidegate-rewrite-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("tidegate.toml");
        fs::write(&path, "timeout = 1\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(path.with_extension("rewrite"), "half of").unwrap();
        let settings = Settings::default();
        settings.set(Key::Timeout, "5").unwrap();
        assert_eq!(rewrite(&path, &settings), Ok(()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "timeout = 5\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(&directory).unwrap();
    }
}
