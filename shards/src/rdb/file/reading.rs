//! A file that anybody may have written, read piece by piece.
//!
//! The buffer grows only by bytes that have come, until it holds the key it begins with: so what a file says of lengths
//! costs nothing before it is true, and the largest of its values is the most that is in memory besides what was made.

use std::fmt;
use std::io::{self, Read};

use tidegate_protocols::limits::DATABASES;
use tidegate_protocols::settings::Settings;

use super::super::checksum::extended;
use super::super::read::Reader;
use super::super::{Restored, kind, values};
use super::{
    ITEM, MAGIC, MAGIC_BYTES, MAGIC_OF_VALKEY, VERSION_MAX, VERSION_OF_VALKEY_MAX, VERSION_WITH_CHECKSUM,
    item_of, opcode,
};
use crate::entry::Metadata;

/// Bytes read at once, and those of the buffer as long as no value is longer.
const BUFFER_BYTES: usize = 1 << 20;
/// Bytes of a key told in an error.
const KEY_BYTES_TOLD: usize = 128;

/// Why a file cannot be read any further, and where.
#[derive(Debug)]
pub(crate) struct FileError {
    /// Bytes of the file before what is wrong.
    pub(crate) at: u64,
    pub(crate) what: Wrong,
}

/// What is wrong with a file.
#[derive(Debug)]
pub(crate) enum Wrong {
    Read(io::Error),
    Ends,
    Magic,
    Version(String),
    Opcode,
    /// A type of value that is not known.
    Kind(u8),
    /// Why the value of a key is none of its type.
    Value(u8, String),
    Module(String),
    Library,
    Database(u64),
    /// What the end says, and what it should say.
    Sum(u64, u64),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: ", self.at)?;
        match &self.what {
            Wrong::Read(error) => write!(f, "it cannot be read: {error}"),
            Wrong::Ends => {
                write!(f, "it ends here, and there should be more: it was cut off. Take another copy of it")
            }
            Wrong::Magic => write!(f, "it does not begin as RDB does: it is no such file"),
            Wrong::Version(version) => write!(
                f,
                "it is of version {version}, and up to {VERSION_MAX} and VALKEY0{VERSION_OF_VALKEY_MAX} can be read: \
                 have a server of that version write its data as AOF, or take it over by its clients"
            ),
            Wrong::Opcode => {
                write!(f, "what stands here cannot be: the file is damaged. Take another copy of it")
            }
            Wrong::Kind(kind) => write!(
                f,
                "a value of type {kind} ({}), which this server does not have. Remove such keys before the file is written",
                name_of(*kind)
            ),
            Wrong::Value(kind, key) => write!(
                f,
                "the value of the key '{key}' is none of its type {kind}: the file is damaged. Take another copy of it"
            ),
            Wrong::Module(name) => {
                write!(
                    f,
                    "data of the module '{name}', and this server has no modules. Remove such keys first"
                )
            }
            Wrong::Library => write!(
                f,
                "functions as release candidates of Redis 7.0 wrote them: write the file with a released version"
            ),
            Wrong::Database(number) => {
                write!(
                    f,
                    "keys of database {number}, and this server has {DATABASES}: move them to one of those first"
                )
            }
            Wrong::Sum(said, is) => write!(
                f,
                "the checksum is {is:016x} and should be {said:016x}: the file is damaged. Take another copy of it \
                 (rdbchecksum no reads it as it is)"
            ),
        }
    }
}

impl std::error::Error for FileError {}

/// What versions after this server's know by numbers of types.
fn name_of(kind: u8) -> &'static str {
    match kind {
        6 | 7 => "of a module",
        26 | 27 => "a stream of Redis 8.6 or later",
        28 => "an array of Redis 8.8 or later",
        _ => "unknown",
    }
}

/// A piece of a file.
pub(crate) enum Item {
    /// What it says of itself.
    Aux(Vec<u8>, Vec<u8>),
    /// The text of a library of functions.
    Library(Vec<u8>),
    /// What follows is in this database.
    Database(u8),
    /// How many keys the database has, which nobody needs to know.
    Sizes,
    /// A key.
    Key(Record),
}

/// A key with everything that belongs to it.
pub(crate) struct Record {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Restored,
    pub(crate) aside: Aside,
}

/// What stands before a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aside {
    /// What Memcached clients know of it, and when it expires.
    pub(crate) metadata: Metadata,
    pub(crate) idle_s: Option<u64>,
    pub(crate) frequency: Option<u8>,
}

/// See the module.
pub(crate) struct FileReader<R> {
    from: R,
    buffer: Vec<u8>,
    /// What of the buffer has been read.
    start: usize,
    /// Where the buffer begins.
    offset: u64,
    sum: u64,
    sums: bool,
    version: u32,
    is_of_valkey: bool,
    aside: Aside,
    has_ended: bool,
}

/// What one look at the buffer has come to.
enum Step {
    /// Something to be told.
    Item(Item),
    /// Something that belongs to what follows.
    Noted,
    /// The end.
    End,
}

impl<R: Read> FileReader<R> {
    /// Begins to read a file, and looks at its checksum in the end if it `sums`.
    pub(crate) fn new(from: R, sums: bool) -> Result<Self, FileError> {
        let mut reader = Self {
            from,
            buffer: Vec::new(),
            start: 0,
            offset: 0,
            sum: 0,
            sums,
            version: 0,
            is_of_valkey: false,
            aside: Aside::default(),
            has_ended: false,
        };
        while reader.buffer.len() < MAGIC_BYTES {
            if !reader.fill()? {
                let begins_as =
                    |magic: &[u8]| magic.iter().zip(&reader.buffer).all(|(one, other)| one == other);
                let is_cut = begins_as(MAGIC) || begins_as(MAGIC_OF_VALKEY);
                return Err(reader.wrong(if is_cut { Wrong::Ends } else { Wrong::Magic }));
            }
        }
        reader.read_magic()?;
        Ok(reader)
    }

    fn read_magic(&mut self) -> Result<(), FileError> {
        let magic = &self.buffer[..MAGIC_BYTES];
        let (digits, max) = if let Some(digits) = magic.strip_prefix(MAGIC) {
            (digits, VERSION_MAX)
        } else if let Some(digits) = magic.strip_prefix(MAGIC_OF_VALKEY) {
            self.is_of_valkey = true;
            (digits, VERSION_OF_VALKEY_MAX)
        } else {
            return Err(self.wrong(Wrong::Magic));
        };
        let text = String::from_utf8_lossy(digits).into_owned();
        match text.parse().ok().filter(|version| (1..=max).contains(version) && !text.starts_with('+')) {
            Some(version) => self.version = version,
            None => return Err(self.wrong(Wrong::Version(text))),
        }
        self.consume(MAGIC_BYTES);
        Ok(())
    }

    /// Bytes of the file that are read.
    pub(crate) fn position(&self) -> u64 {
        self.offset + self.start as u64
    }

    /// The next piece; `None` is the end, behind which the checksum was looked at.
    pub(crate) fn next(&mut self, settings: &Settings) -> Result<Option<Item>, FileError> {
        while !self.has_ended {
            match self.step(settings)? {
                Step::Item(item) => return Ok(Some(item)),
                Step::Noted => {}
                Step::End => {
                    self.read_sum()?;
                    self.has_ended = true;
                }
            }
        }
        Ok(None)
    }

    fn step(&mut self, settings: &Settings) -> Result<Step, FileError> {
        loop {
            let mut reader = Reader::new(&self.buffer[self.start..]);
            let mut aside = self.aside;
            match step(&mut reader, &mut aside, self.is_of_valkey, settings) {
                Ok(step) => {
                    let read = self.buffer.len() - self.start - reader.left();
                    self.aside =
                        if matches!(step, Step::Item(Item::Key(_))) { Aside::default() } else { aside };
                    self.consume(read);
                    return Ok(step);
                }
                Err(_) if reader.is_short() => {
                    if !self.fill()? {
                        return Err(self.wrong(Wrong::Ends));
                    }
                }
                Err(what) => return Err(self.wrong(what)),
            }
        }
    }

    fn read_sum(&mut self) -> Result<(), FileError> {
        if self.version < VERSION_WITH_CHECKSUM {
            return Ok(());
        }
        let (at, is) = (self.position(), self.sum);
        loop {
            if let Some(said) = self.buffer[self.start..].first_chunk() {
                let said = u64::from_le_bytes(*said);
                self.start += size_of::<u64>();
                if self.sums && said != 0 && said != is {
                    return Err(FileError { at, what: Wrong::Sum(said, is) });
                }
                return Ok(());
            }
            if !self.fill()? {
                return Err(self.wrong(Wrong::Ends));
            }
        }
    }

    fn consume(&mut self, bytes: usize) {
        let read = &self.buffer[self.start..self.start + bytes];
        if self.sums {
            self.sum = extended(self.sum, read);
        }
        self.start += bytes;
    }

    /// Reads more, at least as much again as is in the buffer if that is full. `false` if there is no more.
    fn fill(&mut self) -> Result<bool, FileError> {
        self.offset += self.start as u64;
        self.buffer.drain(..self.start);
        self.start = 0;
        let wanted = BUFFER_BYTES.max(self.buffer.len());
        let read = (&mut self.from).take(wanted as u64).read_to_end(&mut self.buffer);
        match read {
            Ok(read) => Ok(read > 0),
            Err(error) => Err(self.wrong(Wrong::Read(error))),
        }
    }

    fn wrong(&self, what: Wrong) -> FileError {
        let at = self.position() + if matches!(what, Wrong::Ends) { self.unread() } else { 0 };
        FileError { at, what }
    }

    fn unread(&self) -> u64 {
        (self.buffer.len() - self.start) as u64
    }
}

/// Reads what begins here: an opcode with what belongs to it, or a key.
fn step(
    from: &mut Reader<'_>,
    aside: &mut Aside,
    is_of_valkey: bool,
    settings: &Settings,
) -> Result<Step, Wrong> {
    let kind = from.byte().ok_or(Wrong::Ends)?;
    if kind < opcode::SLOT {
        return read_key(kind, from, *aside, is_of_valkey, settings)
            .map(|record| Step::Item(Item::Key(record)));
    }
    match kind {
        opcode::END => return Ok(Step::End),
        opcode::LIBRARY_UNRELEASED => return Err(Wrong::Library),
        opcode::MODULE => return Err(module(from)),
        _ => {}
    }
    read_opcode(kind, from, aside).ok_or(Wrong::Opcode)?
}

fn read_opcode(kind: u8, from: &mut Reader<'_>, aside: &mut Aside) -> Option<Result<Step, Wrong>> {
    let item = match kind {
        opcode::EXPIRE_MS => {
            aside.metadata.expire_at = Some(time(i64::from_le_bytes(from.chunk()?)));
            return Some(Ok(Step::Noted));
        }
        opcode::EXPIRE_S => {
            let at_s = i32::from_le_bytes(from.chunk()?);
            aside.metadata.expire_at = Some(time(i64::from(at_s) * 1000));
            return Some(Ok(Step::Noted));
        }
        opcode::IDLE => {
            aside.idle_s = Some(from.len()?);
            return Some(Ok(Step::Noted));
        }
        opcode::FREQUENCY => {
            aside.frequency = Some(from.byte()?);
            return Some(Ok(Step::Noted));
        }
        opcode::SLOT => {
            // The slot, its keys, and those of them that expire.
            for _ in 0..3 {
                from.len()?;
            }
            return Some(Ok(Step::Noted));
        }
        opcode::AUX => {
            let (name, text) = (from.string()?, from.string()?);
            if *name == *ITEM {
                let metadata = item_of(&text)?;
                aside.metadata = Metadata { expire_at: aside.metadata.expire_at, ..metadata };
                return Some(Ok(Step::Noted));
            }
            Item::Aux(name.into_owned(), text.into_owned())
        }
        opcode::LIBRARY => Item::Library(from.string()?.into_owned()),
        opcode::SIZES => {
            for _ in 0..2 {
                from.len()?;
            }
            Item::Sizes
        }
        opcode::DATABASE => {
            let number = from.len()?;
            match u8::try_from(number).ok().filter(|&number| usize::from(number) < DATABASES) {
                Some(number) => Item::Database(number),
                None => return Some(Err(Wrong::Database(number))),
            }
        }
        _ => return None,
    };
    Some(Ok(Step::Item(item)))
}

/// A time as it is kept. One that was negative has long been over.
fn time(at_ms: i64) -> u64 {
    u64::try_from(at_ms).unwrap_or(0)
}

fn read_key(
    kind: u8,
    from: &mut Reader<'_>,
    aside: Aside,
    is_of_valkey: bool,
    settings: &Settings,
) -> Result<Record, Wrong> {
    if !kind::is_known(kind) {
        return Err(if is_module(kind) { module(from) } else { Wrong::Kind(kind) });
    }
    let key = from.string().ok_or(Wrong::Opcode)?.into_owned();
    let value = if is_of_valkey && kind == kind::EXPIRING_HASH_EARLY {
        values::read_hash_of_valkey(from, settings)
    } else {
        values::read(kind, from, settings)
    };
    let Some(value) = value else {
        let told = &key[..key.len().min(KEY_BYTES_TOLD)];
        return Err(Wrong::Value(kind, told.escape_ascii().to_string()));
    };
    Ok(Record { key, value, aside })
}

fn is_module(kind: u8) -> bool {
    matches!(kind, 6 | 7)
}

/// The module whose data this is. Its name is nine letters of six bits each, before a version of ten.
///
/// Source: Redis `src/module.c`, `moduleTypeNameByID`.
fn module(from: &mut Reader<'_>) -> Wrong {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let Some(id) = from.len() else { return Wrong::Opcode };
    let letter = |nth: u32| char::from(LETTERS[(id >> (10 + 6 * nth) & 63) as usize]);
    Wrong::Module((0..9).rev().map(letter).collect())
}
