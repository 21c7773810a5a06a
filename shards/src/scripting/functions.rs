//! Libraries of functions, shared by the workers of a store. Each worker compiles them for itself.
//!
//! Source: Redis 7.2 `functions.c`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::RwLock;
use tidegate_protocols::Error;
use tidegate_protocols::resp::words_of;

use super::known::Habits;
use crate::lua::Flags;

const BAD_NAME: Error = Error::Text(
    "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
);

/// Some functions, with what they have in common.
pub(crate) struct Library {
    /// No other has the same, nor has had it.
    pub(super) number: u64,
    pub(super) name: Box<[u8]>,
    /// As it was loaded.
    pub(super) text: Box<[u8]>,
    pub(super) functions: Vec<Function>,
}

/// What may be called of a library.
pub(crate) struct Function {
    pub(super) name: Box<[u8]>,
    pub(super) description: Option<Box<[u8]>>,
    pub(super) flags: Flags,
    pub(super) habits: Habits,
}

/// All there are, at one moment.
#[derive(Clone, Default)]
pub(crate) struct Libraries {
    by_name: BTreeMap<Box<[u8]>, Arc<Library>>,
    /// The library of each function, and which of its functions it is. Nobody minds whether letters are large.
    functions: HashMap<Box<[u8]>, (Arc<Library>, usize)>,
    /// How often they have changed.
    pub(super) changes: u64,
}

impl Libraries {
    /// Adds a library in place of any of that name, if none of its functions is another one's.
    pub(super) fn add(&mut self, library: Arc<Library>) -> Result<(), Error> {
        let is_other = |function: &&Function| {
            self.functions.get(&small(&function.name)).is_some_and(|(of, _)| of.name != library.name)
        };
        if let Some(function) = library.functions.iter().find(is_other) {
            return Err(Error::quoting("ERR Function ", &function.name, " already exists"));
        }
        self.remove(&library.name.clone());
        for (at, function) in library.functions.iter().enumerate() {
            self.functions.insert(small(&function.name), (Arc::clone(&library), at));
        }
        self.by_name.insert(library.name.clone(), library);
        Ok(())
    }

    /// Takes a library out. Returns whether it was there.
    pub(super) fn remove(&mut self, name: &[u8]) -> bool {
        let Some(library) = self.by_name.remove(name) else { return false };
        for function in &library.functions {
            self.functions.remove(&small(&function.name));
        }
        true
    }

    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.by_name.contains_key(name)
    }

    /// Whether this very library is there.
    pub(super) fn has_still(&self, name: &[u8], number: u64) -> bool {
        self.by_name.get(name).is_some_and(|library| library.number == number)
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Library>> {
        self.by_name.values()
    }

    /// A function, by its library and its place there.
    pub(super) fn function(&self, name: &[u8]) -> Option<(Arc<Library>, usize)> {
        self.functions.get(name).or_else(|| self.functions.get(&small(name))).cloned()
    }

    /// How many functions there are in all libraries.
    pub(super) fn functions(&self) -> usize {
        self.functions.len()
    }
}

/// A name in small letters.
fn small(name: &[u8]) -> Box<[u8]> {
    name.to_ascii_lowercase().into()
}

/// The libraries of a store.
#[derive(Default)]
pub(crate) struct Functions {
    libraries: RwLock<Arc<Libraries>>,
    last_number: AtomicU64,
}

impl Functions {
    /// The number of the next library.
    pub(super) fn next_number(&self) -> u64 {
        self.last_number.fetch_add(1, Relaxed) + 1
    }

    /// All there are.
    pub(super) fn now(&self) -> Arc<Libraries> {
        Arc::clone(&self.libraries.read())
    }

    /// What they were loaded from.
    pub(crate) fn texts(&self) -> Vec<Box<[u8]>> {
        self.now().iter().map(|library| library.text.clone()).collect()
    }

    /// Changes them, unless that fails.
    pub(super) fn change(
        &self,
        change: impl FnOnce(&mut Libraries) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut libraries = self.libraries.write();
        let mut next = Libraries::clone(&libraries);
        change(&mut next)?;
        next.changes = libraries.changes + 1;
        *libraries = Arc::new(next);
        Ok(())
    }

    /// Takes others in their place, if those have changed more often.
    pub(super) fn adopt(&self, others: Libraries) {
        let mut libraries = self.libraries.write();
        if others.changes > libraries.changes {
            *libraries = Arc::new(others);
        }
    }

    /// How many functions and libraries there are, and the bytes of their texts.
    pub(crate) fn figures(&self) -> (u64, u64, u64) {
        let now = self.now();
        let bytes: usize = now.iter().map(|library| library.text.len() + size_of::<Library>()).sum();
        (now.functions() as u64, now.iter().len() as u64, bytes as u64)
    }
}

/// What the first line of a library says: its name, and where its code begins.
///
/// Source: Redis `functions.c`, `functionExtractLibMetaData`.
pub(super) fn name_of(text: &[u8]) -> Result<(Box<[u8]>, &[u8]), Error> {
    const INVALID: Error = Error::Text("ERR Invalid library metadata");
    let Some(line) = text.strip_prefix(b"#!") else {
        return Err(Error::Text("ERR Missing library metadata"));
    };
    let end = line.iter().position(|&byte| byte == b'\n').ok_or(INVALID)?;
    // Its first word with the mark before it, as it may be empty.
    let words = words_of(&text[..end + 2]).filter(|words| !words.is_empty()).ok_or(INVALID)?;
    let mut name: Option<&[u8]> = None;
    for word in &words[1..] {
        match word.get(..5) {
            Some(start) if start.eq_ignore_ascii_case(b"name=") => {
                if name.replace(&word[5..]).is_some() {
                    return Err(Error::Text(
                        "ERR Invalid metadata value, name argument was given multiple times",
                    ));
                }
            }
            _ => return Err(Error::quoting("ERR Invalid metadata value given: ", word, "")),
        }
    }
    let name = name.ok_or(Error::Text("ERR Library name was not given"))?;
    if !is_name(name) {
        return Err(BAD_NAME);
    }
    let engine = &words[0][2..];
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(Error::composed(&[b"ERR Engine '", engine, b"' not found"]));
    }
    Ok((name.into(), &line[end..]))
}

/// Whether a library, or a function, may be called so.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(number: u64, name: &str, functions: &[&str]) -> Arc<Library> {
        let functions = functions.iter().map(|name| Function {
            name: name.as_bytes().into(),
            description: None,
            flags: Flags::default(),
            habits: Habits::default(),
        });
        Arc::new(Library {
            number,
            name: name.as_bytes().into(),
            text: (*b"").into(),
            functions: functions.collect(),
        })
    }

    #[test]
    fn a_function_belongs_to_one_library() {
        let functions = Functions::default();
        let add = |library| functions.change(|all| all.add(library));
        assert_eq!(add(library(1, "one", &["f", "g"])), Ok(()));
        let refused = add(library(2, "two", &["h", "f"])).map_err(|error| error.to_string());
        assert_eq!(refused, Err("ERR Function f already exists".into()));
        assert!(functions.now().function(b"h").is_none());
        assert_eq!(add(library(3, "one", &["f", "h"])), Ok(()));
        assert_eq!(functions.now().function(b"f").map(|(of, at)| (of.number, at)), Some((3, 0)));
        assert!(functions.now().function(b"g").is_none());
        assert!(functions.now().function(b"H").is_some());
        assert_eq!(functions.figures().0, 2);
        assert!(functions.change(|all| if all.remove(b"one") { Ok(()) } else { Err(BAD_NAME) }).is_ok());
        assert_eq!(functions.now().functions(), 0);
    }

    #[test]
    fn the_first_line_of_a_library_names_it() {
        let name = |text: &str| {
            let named = name_of(text.as_bytes());
            named.map(|(name, code)| format!("{} {}", name.escape_ascii(), code.escape_ascii()))
        };
        assert_eq!(name("#!lua name=mine\nreturn 1"), Ok(r"mine \nreturn 1".into()));
        assert_eq!(name("#!LUA NAME=a_1\n"), Ok(r"a_1 \n".into()));
        for (text, refused) in [
            ("return 1", "Missing library metadata"),
            ("#!lua name=mine", "Invalid library metadata"),
            ("#!lua name=\"mine\n", "Invalid library metadata"),
            ("#!lua\n", "Library name was not given"),
            ("#!lua name=a name=b\n", "Invalid metadata value, name argument was given multiple times"),
            ("#!lua name=a x=b\n", "Invalid metadata value given: x=b"),
            ("#!python name=a\n", "Engine 'python' not found"),
            ("#! name=a\n", "Engine '' not found"),
        ] {
            let error = name(text).expect_err(text).to_string();
            assert_eq!(error.strip_prefix("ERR "), Some(refused), "{text}");
        }
        assert_eq!(name("#!lua name=\n"), Err(BAD_NAME));
        assert_eq!(name("#!lua name=a.b\n"), Err(BAD_NAME));
    }
}
