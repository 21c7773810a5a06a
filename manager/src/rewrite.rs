//! `CONFIG REWRITE`: the settings in use, written into the configuration file.
//!
//! What says something else (comments, settings that only the start can change) stays as it is. A setting that
//! changed gets its value changed, or a line of its own behind the others.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process;

use tidegate_protocols::settings::{Change, Key, Kind, Settings};
use toml_edit::{DocumentMut, Item, TomlError, Value};

use crate::{file, options};

/// Writes `settings` into the file at `path`, wholly or not at all.
///
/// # Errors
/// The reason alone, for people.
pub(crate) fn rewrite(path: &Path, settings: &Settings) -> Result<(), String> {
    let old = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let new = rewritten(&old, settings)?;
    agrees(&new, settings)?;
    replace(path, &new).map_err(|error| error.to_string())
}

/// Replaces what is in the file at `path`, wholly or not at all.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}.tmp", process::id()));
    write(&draft, text, path)
}

/// Writes a draft that is whole before it takes the place of the file at `path`, with the permissions of that. It may
/// hold a password, so until then nobody else may read it.
fn write(draft: &Path, text: &str, path: &Path) -> io::Result<()> {
    // What is there already is somebody else's, and stays.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    let mut replace = || {
        file.write_all(text.as_bytes())?;
        file.set_permissions(fs::metadata(path)?.permissions())?;
        file.sync_all()?;
        fs::rename(draft, path)
    };
    replace().inspect_err(|_| {
        // The error says why; the draft is of no use to anybody.
        let _ = fs::remove_file(draft);
    })
}

fn rewritten(old: &str, settings: &Settings) -> Result<String, String> {
    let mut document: DocumentMut = old.parse().map_err(|error: TomlError| error.to_string())?;
    for key in Key::all().filter(|&key| changes(key)) {
        let said = document.iter().find(|(name, _)| options::named(name) == Some(key));
        let said = said.map(|(name, _)| name.to_owned());
        match said.as_ref().and_then(|name| document.get_mut(name)).and_then(Item::as_value_mut) {
            Some(value) => say(value, key, settings),
            None if settings.show(key) == key.row().default => {}
            None => document[options::name(key)] = Item::Value(value_of(key, settings)),
        }
    }
    Ok(document.to_string())
}

/// Whether a running server may have changed this setting: users are changed by `ACL`.
pub(crate) fn changes(key: Key) -> bool {
    key.row().change == Change::Live || key == Key::User
}

/// Gives a setting that is in the file the value it has now. What stands around it stays.
fn say(value: &mut Value, key: Key, settings: &Settings) {
    let decor = value.decor().clone();
    *value = value_of(key, settings);
    *value.decor_mut() = decor;
}

fn value_of(key: Key, settings: &Settings) -> Value {
    match key.row().kind {
        Kind::Number(..) | Kind::Clamped(..) | Kind::Bytes(..) => settings.number(key).into(),
        // Also where it looks like a number: `007` is not 7.
        Kind::BytesOrShare
        | Kind::YesNo
        | Kind::Choice(_)
        | Kind::Classes
        | Kind::Text
        | Kind::Composed(_) => settings.show(key).into(),
    }
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
        let old = "# mine\nport = 7000\nmemory = '64mb'  # for now\n\ntimeout=5 # s\n# end\n";
        let new = rewritten(old, &settings).unwrap();
        let (rest, secret) =
            ("port = 7000\nmemory = 1073741824  # for now\n\ntimeout=5 # s\n", "'a \"secret\" = x'");
        assert_eq!(new, format!("# mine\n{rest}requirepass = {secret}\n# end\n"));
        assert_eq!(agrees(&new, &settings), Ok(()));
        assert_eq!(rewritten(&new, &settings), Ok(new));
    }

    #[test]
    fn that_clients_are_paused_is_not_for_the_next_start() {
        let settings = Settings::default();
        settings.set(Key::PausedUntil, "1795472440279").unwrap();
        settings.set(Key::ActiveExpire, "no").unwrap();
        assert_eq!(rewritten("timeout = 0\n", &settings), Ok("timeout = 0\n".to_owned()));
        assert_eq!(agrees("timeout = 0\n", &settings), Ok(()));
    }

    #[test]
    fn a_text_that_looks_like_a_number_stays_a_text() {
        let settings = Settings::default();
        settings.set(Key::RequirePass, "007").unwrap();
        let new = rewritten("", &settings).unwrap();
        assert_eq!(new, "requirepass = \"007\"\n");
        assert_eq!(agrees(&new, &settings), Ok(()));
    }

    #[test]
    fn a_text_of_several_lines_is_replaced_as_a_whole() {
        let settings = Settings::default();
        settings.set(Key::Timeout, "5").unwrap();
        let new = rewritten("requirepass = '''\nkept\n'''\n", &settings).unwrap();
        assert_eq!(new, "requirepass = \"\"\ntimeout = 5\n");
    }

    #[test]
    fn a_file_that_would_be_read_differently_is_left_alone() {
        let settings = Settings::default();
        settings.set(Key::Timeout, "5").unwrap();
        assert!(agrees("timeout = 6\n", &settings).is_err());
        let mistaken = rewritten("timeout 6\n", &settings);
        assert!(mistaken.unwrap_err().contains("line 1"));
    }

    #[test]
    fn the_file_keeps_its_permissions_and_its_neighbours_and_no_draft_is_left() {
        let directory = std::env::temp_dir().join(format!("tidegate-rewrite-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("tidegate.toml");
        fs::write(&path, "timeout = 1\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(path.with_extension("rewrite"), "of somebody else").unwrap();
        let settings = Settings::default();
        settings.set(Key::Timeout, "5").unwrap();
        assert_eq!(rewrite(&path, &settings), Ok(()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "timeout = 5\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2);
        fs::remove_dir_all(&directory).unwrap();
    }
}
