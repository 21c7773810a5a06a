//! The command line of redis-server: a file, and options that are lines of it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use tidegate_protocols::resp::{quote, words_of};

use crate::options::NoStart;

/// What the command line asks for.
pub(super) enum Asked {
    Help,
    Version,
    /// To serve, as the file, standard input and these lines say, one after the other.
    Start {
        file: Option<PathBuf>,
        from_stdin: bool,
        options: Option<String>,
    },
}

/// Reads a command line, which begins with the name of the program.
///
/// `--name value …` is a line `name "value" …`; the next word that begins with `--` ends it, unless it is the first value.
/// Source: Redis `server.c`, `main`.
pub(super) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, NoStart> {
    let arguments: Result<Vec<String>, _> =
        arguments.into_iter().skip(1).map(OsString::into_string).collect();
    let arguments = arguments.map_err(|word| {
        NoStart::Refused(format!("Fatal error, an argument is no UTF-8: {}\n", word.display()))
    })?;
    match arguments.first().map(String::as_str) {
        Some("-v" | "--version") => return Ok(Asked::Version),
        Some("-h" | "--help") => return Ok(Asked::Help),
        Some(word @ ("--test-memory" | "--check-system")) => {
            return Err(NoStart::Refused(format!("{word}: there is no such test here\n")));
        }
        _ => {}
    }
    let file = arguments.first().filter(|word| !word.starts_with('-')).map(PathBuf::from);
    let rest = &arguments[usize::from(file.is_some())..];
    let (mut from_stdin, mut options, mut has_value) = (false, String::new(), true);
    for (at, word) in rest.iter().enumerate() {
        let next = rest.get(at + 1);
        let is_at_end = at == 0 && file.is_none() || next.is_none();
        if word == "-" && is_at_end {
            from_stdin = true;
        } else if let Some(name) = word.strip_prefix("--").filter(|_| has_value) {
            if !options.is_empty() {
                options.push('\n');
            }
            options += name;
            options.push(' ');
            // Name and value may be one word.
            has_value = words_of(word.as_bytes()).is_none_or(|words| words.len() != 1);
            let is_alone = next.is_none_or(|next| next.starts_with("--"));
            if !has_value && is_alone && word.eq_ignore_ascii_case("--save") {
                options += "\"\"";
                has_value = next.is_some();
            }
        } else {
            let mut value = Vec::new();
            quote(word.as_bytes(), &mut value);
            options += &String::from_utf8_lossy(&value);
            options.push(' ');
            has_value = true;
        }
    }
    Ok(Asked::Start { file, from_stdin, options: Some(options).filter(|options| !options.is_empty()) })
}

/// What C's `strerror` says of an error of the system.
pub(super) fn words_of_c(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
