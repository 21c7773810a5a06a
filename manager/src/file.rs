//! The configuration file: TOML, flat, with the names of the flags.

use std::fs;
use std::path::Path;

use tidegate_protocols::settings::Key;
use toml_edit::{DocumentMut, Item, Value};

use crate::options;

/// Bytes of the largest configuration file that is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Gives every setting in the file at `path` to `set`.
///
/// # Errors
/// The reason alone, for people.
pub(crate) fn read(path: &Path, set: impl FnMut(Key, &str) -> Result<(), String>) -> Result<(), String> {
    let bytes = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("{bytes} bytes are too many, at most {FILE_BYTES_MAX} are read"));
    }
    apply(&fs::read_to_string(path).map_err(|error| error.to_string())?, set)
}

/// Gives every setting in `text` to `set`.
///
/// # Errors
/// The reason alone, for people.
pub(crate) fn apply(text: &str, mut set: impl FnMut(Key, &str) -> Result<(), String>) -> Result<(), String> {
    let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
    let mut said: Vec<(Key, &str)> = Vec::new();
    for (name, item) in document.iter() {
        let (key, text) = (known(name)?, plain(name, item)?);
        if let Some((_, before)) = said.iter().find(|(other, _)| *other == key) {
            return Err(format!("'{before}' and '{name}' are one setting, which cannot be given twice"));
        }
        said.push((key, name));
        set(key, &text).map_err(|reason| format!("'{name}' cannot be '{text}': {reason}"))?;
    }
    Ok(())
}

fn known(name: &str) -> Result<Key, String> {
    options::named(name).ok_or_else(|| match nearest(name) {
        Some(near) => format!("there is no setting '{name}'; did you mean '{near}'?"),
        None => format!("there is no setting '{name}'"),
    })
}

/// A value as a flag would give it.
pub(crate) fn plain(name: &str, item: &Item) -> Result<String, String> {
    match item.as_value() {
        Some(Value::String(text)) => Ok(text.value().clone()),
        Some(Value::Integer(number)) => Ok(number.value().to_string()),
        Some(Value::Boolean(yes)) => Ok(if *yes.value() { "yes" } else { "no" }.into()),
        // Of users, a line each.
        Some(Value::Array(lines)) if name == Key::User.row().name && lines.iter().all(Value::is_str) => {
            Ok(lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"))
        }
        _ => Err(format!("'{name}' is of type {}; a text or a number is expected", item.type_name())),
    }
}

/// The setting whose name is most like `name`, if any is.
fn nearest(name: &str) -> Option<&'static str> {
    let names = Key::all().flat_map(|key| [options::name(key), key.row().name]);
    let likeness = |candidate: &str| strsim::jaro_winkler(name, candidate);
    names.filter(|one| likeness(one) > 0.8).max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_protocols::settings::Settings;

    fn refusal(text: &str) -> String {
        let settings = Settings::default();
        apply(text, |key, text| settings.set(key, text)).unwrap_err()
    }

    #[test]
    fn one_setting_under_two_names_is_refused() {
        let told = refusal("memory = \"1gb\"\nmaxmemory = \"2gb\"\n");
        assert_eq!(told, "'memory' and 'maxmemory' are one setting, which cannot be given twice");
    }

    #[test]
    fn the_file_says_what_flags_say() {
        let settings = Settings::default();
        let text = "memory = '1gb'\nport = 7000\nprotected-mode = false\nmaxmemory-policy = 'volatile-lru'";
        apply(text, |key, text| settings.set(key, text)).unwrap();
        assert_eq!(settings.number(Key::MaxMemory), 1 << 30);
        assert_eq!(settings.number(Key::Port), 7000);
        assert_eq!(settings.show(Key::ProtectedMode), "no");
        assert_eq!(settings.show(Key::MaxMemoryPolicy), "volatile-lru");
    }

    #[test]
    fn users_are_lines_or_a_list() {
        for text in ["user = ['a on nopass', 'b off']", "user = '''\na on nopass\nb off'''"] {
            let settings = Settings::default();
            apply(text, |key, text| settings.set(key, text)).unwrap();
            assert_eq!(&*settings.text(Key::User), "a on nopass\nb off");
        }
        assert!(refusal("user = [1]").contains("of type array"));
    }

    #[test]
    fn a_wrong_name_is_refused_with_the_right_one() {
        assert_eq!(refusal("memroy = 1"), "there is no setting 'memroy'; did you mean 'memory'?");
        assert_eq!(refusal("zzz = 1"), "there is no setting 'zzz'");
    }

    #[test]
    fn a_wrong_value_is_refused_with_the_reason() {
        let expected = "'threads' cannot be '1000': argument must be between 0 and 256 inclusive";
        assert_eq!(refusal("threads = 1000"), expected);
        assert!(refusal("threads = [1]").contains("of type array"));
        assert!(refusal("threads = ").contains("line 1"));
    }
}
