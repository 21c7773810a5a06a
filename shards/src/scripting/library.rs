//! `FUNCTION`: libraries loaded, listed, told as bytes and made of bytes.

use std::sync::Arc;

use tidegate_protocols::glob::{self, Case};
use tidegate_protocols::reply::Collection;
use tidegate_protocols::settings::Key;
use tidegate_protocols::{Args, Error, Reply};

use super::Scripts;
use super::commands::is_flush_type;
use super::functions::{Function, Libraries, Library, name_of};
use super::known::Habits;
use crate::lua::Flags;
use crate::rdb;
use crate::worker::StoreWorker;

const FLUSH_OPTION: Error = Error::Text("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
const POLICY: Error =
    Error::Text("ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
const NO_PAYLOAD: Error = Error::Text("ERR DUMP payload version or checksum are wrong");

impl StoreWorker {
    /// `FUNCTION LOAD [REPLACE] function-code`
    pub(super) fn load_library(&mut self, args: &Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
        let code = args.len() - 1;
        let options = args.from(2).iter().take(code - 2);
        let mut replaces = false;
        for option in options {
            if !option.eq_ignore_ascii_case(b"REPLACE") {
                return Err(Error::quoting("ERR Unknown option given: ", option, ""));
            }
            replaces = true;
        }
        let shared = Arc::clone(&self.local.shared);
        let may_be_among = |libraries: &Libraries, name: &[u8]| {
            if libraries.has(name) && !replaces {
                return Err(Error::composed(&[b"ERR Library '", name, b"' already exists"]));
            }
            Ok(())
        };
        let now = shared.scripting.functions.now();
        let library = self.compile_library(args.at(code), |name| may_be_among(&now, name))?;
        let name = library.name.clone();
        shared.scripting.functions.change(|libraries| {
            // Another may have come while this one was compiled.
            may_be_among(libraries, &library.name)?;
            libraries.add(library)
        })?;
        reply.bulk(&name);
        Ok(())
    }

    /// Compiles a library that is not there yet.
    fn compile_library(
        &mut self,
        text: &[u8],
        may_be: impl FnOnce(&[u8]) -> Result<(), Error>,
    ) -> Result<Arc<Library>, Error> {
        let shared = Arc::clone(&self.local.shared);
        let (name, code) = name_of(text)?;
        may_be(&name)?;
        let number = shared.scripting.functions.next_number();
        let mut state = self.scripts.take(&shared.scripting.known, self.local.index);
        let loaded = state.load_library(name.clone(), code, number, &shared.scripting.functions);
        self.scripts.state = Some(state);
        let functions: Vec<_> = loaded?
            .into_iter()
            .map(|function| Function {
                name: function.name.into(),
                description: function.description.map(Into::into),
                flags: function.flags,
                habits: Habits::default(),
            })
            .collect();
        if functions.is_empty() {
            return Err(Error::Text("ERR No functions registered"));
        }
        Ok(Arc::new(Library { number, name, text: text.into(), functions }))
    }

    /// `FUNCTION RESTORE serialized-value [FLUSH | APPEND | REPLACE]`
    pub(super) fn restore_libraries(&mut self, args: &Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
        let policy = args.get(3).unwrap_or(b"APPEND").to_ascii_uppercase();
        if args.len() > 4 {
            return Err(Error::wrong_subcommand("FUNCTION", args.at(1)));
        }
        if !matches!(policy.as_slice(), b"FLUSH" | b"APPEND" | b"REPLACE") {
            return Err(POLICY);
        }
        let payload = args.at(2);
        if !rdb::is_sealed(payload) {
            return Err(NO_PAYLOAD);
        }
        let restored = self.compile_libraries(payload)?;
        self.local.shared.scripting.functions.change(|libraries| {
            if policy == b"FLUSH" {
                *libraries = restored;
                return Ok(());
            }
            for library in restored.iter() {
                if libraries.has(&library.name) {
                    if policy == b"APPEND" {
                        return Err(Error::quoting("ERR Library ", &library.name, " already exists"));
                    }
                    libraries.remove(&library.name);
                }
            }
            restored.iter().try_for_each(|library| libraries.add(Arc::clone(library)))
        })?;
        reply.ok();
        Ok(())
    }

    /// Compiles the libraries of a payload that is sealed.
    fn compile_libraries(&mut self, payload: &[u8]) -> Result<Libraries, Error> {
        let mut libraries = Libraries::default();
        for text in rdb::libraries(payload)? {
            let library = self.compile_library(&text, |name| {
                if libraries.has(name) {
                    return Err(Error::composed(&[b"ERR Library '", name, b"' already exists"]));
                }
                Ok(())
            })?;
            libraries.add(library)?;
        }
        Ok(libraries)
    }

    /// Puts libraries, given as texts, in the place of those there are, if there are any: a file has them.
    pub(crate) fn load_libraries(&mut self, texts: &[Vec<u8>]) -> Result<(), Error> {
        let mut libraries = Libraries::default();
        for text in texts {
            libraries.add(self.compile_library(text, |_| Ok(()))?)?;
        }
        self.local
            .shared
            .scripting
            .functions
            .change(|now| libraries.iter().try_for_each(|library| now.add(Arc::clone(library))))
    }

    /// See [`tidegate_protocols::data::Worker::exchange_libraries`].
    pub(crate) fn exchange_libraries_with(
        &mut self,
        changes: u64,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let shared = Arc::clone(&self.local.shared);
        let functions = &shared.scripting.functions;
        if changes > functions.now().changes && rdb::is_sealed(payload) {
            let mut libraries = self.compile_libraries(payload)?;
            libraries.changes = changes;
            functions.adopt(libraries);
        }
        let now = functions.now();
        out.extend_from_slice(&now.changes.to_le_bytes());
        if now.changes > changes {
            let compresses = shared.settings.is_on(Key::RdbCompression);
            out.extend_from_slice(&rdb::dump_libraries(now.iter().map(|library| &*library.text), compresses));
        }
        Ok(())
    }
}

impl Scripts {
    /// `FUNCTION DELETE library-name`
    pub(super) fn delete_library(&self, name: &[u8], reply: &mut Reply<'_>) -> Result<(), Error> {
        self.functions.change(|libraries| {
            if libraries.remove(name) { Ok(()) } else { Err(Error::Text("ERR Library not found")) }
        })?;
        reply.ok();
        Ok(())
    }

    /// `FUNCTION FLUSH [ASYNC | SYNC]`
    pub(super) fn flush_libraries(&self, args: &Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
        if args.len() > 3 {
            return Err(Error::wrong_subcommand("FUNCTION", args.at(1)));
        }
        if args.get(2).is_some_and(|word| !is_flush_type(word)) {
            return Err(FLUSH_OPTION);
        }
        self.functions.change(|libraries| {
            *libraries = Libraries::default();
            Ok(())
        })?;
        reply.ok();
        Ok(())
    }

    /// `FUNCTION LIST [LIBRARYNAME library-name-pattern] [WITHCODE]`
    pub(super) fn list_libraries(&self, args: &Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
        let (mut with_code, mut pattern) = (false, None);
        let mut words = args.from(2).iter();
        while let Some(word) = words.next() {
            if !with_code && word.eq_ignore_ascii_case(b"WITHCODE") {
                with_code = true;
            } else if pattern.is_none() && word.eq_ignore_ascii_case(b"LIBRARYNAME") {
                pattern = Some(words.next().ok_or(Error::Text("ERR library name argument was not given"))?);
            } else {
                return Err(Error::quoting("ERR Unknown argument ", word, ""));
            }
        }
        let now = self.functions.now();
        let list = reply.deferred(Collection::Array);
        let mut count = 0;
        let is_asked = |library: &&Arc<Library>| {
            pattern.is_none_or(|it| glob::matches(it, &library.name, Case::Ignored))
        };
        for library in now.iter().filter(is_asked) {
            count += 1;
            list_library(library, with_code, reply);
        }
        reply.finish(list, count);
        Ok(())
    }

    /// `FUNCTION DUMP`
    pub(super) fn dump_libraries(&self, compresses: bool, reply: &mut Reply<'_>) {
        let now = self.functions.now();
        reply.bulk(&rdb::dump_libraries(now.iter().map(|library| &*library.text), compresses));
    }

    /// `FUNCTION STATS`
    pub(super) fn tell_statistics(
        &self,
        now_ms: u64,
        threshold_ms: u64,
        reply: &mut Reply<'_>,
    ) -> Result<(), Error> {
        self.running.only_scripts_in_the_way(now_ms, threshold_ms)?;
        let now = self.functions.now();
        reply.map(2);
        reply.bulk(b"running_script");
        self.running.tell(now_ms, reply);
        reply.bulk(b"engines");
        reply.map(1);
        reply.bulk(b"LUA");
        reply.map(2);
        reply.bulk(b"libraries_count");
        reply.integer(now.iter().len() as i64);
        reply.bulk(b"functions_count");
        reply.integer(now.functions() as i64);
        Ok(())
    }
}

fn list_library(library: &Library, with_code: bool, reply: &mut Reply<'_>) {
    reply.map(3 + usize::from(with_code));
    reply.bulk(b"library_name");
    reply.bulk(&library.name);
    reply.bulk(b"engine");
    reply.bulk(b"LUA");
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    for function in &library.functions {
        reply.map(3);
        reply.bulk(b"name");
        reply.bulk(&function.name);
        reply.bulk(b"description");
        match &function.description {
            Some(description) => reply.bulk(description),
            None => reply.null(),
        }
        reply.bulk(b"flags");
        let flags = Flags::NAMED.iter().filter(|(_, flag)| function.flags.has(*flag));
        reply.set(flags.clone().count());
        for (flag, _) in flags {
            reply.simple(flag);
        }
    }
    if with_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.text);
    }
}
