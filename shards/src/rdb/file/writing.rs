//! A file, from its first byte to its checksum.

use std::io::{self, Write};

use super::super::checksum::extended;
use super::super::write::Writer;
use super::super::{LIBRARY, VERSION, VERSION_OF_EXPIRING_FIELDS, values};
use super::{CAS, ITEM, MAGIC, item_text, opcode};
use crate::view::EntryRef;

/// The Redis whose files these are like.
const REDIS_VERSION: &str = "7.2.4";

/// What a file says of itself before its keys.
pub(crate) struct Header {
    /// When its keys were as it tells them, in Unix seconds.
    pub(crate) time_s: u64,
    /// Bytes in use then.
    pub(crate) used_bytes: u64,
    /// It is the first part of a log of commands.
    pub(crate) is_base: bool,
    /// Fields of some hash may expire: only Redis from 7.4 on reads those.
    pub(crate) has_expiring_fields: bool,
    /// No CAS value given so far exceeds it; 0 if none was given.
    pub(crate) cas_max: u64,
    /// Texts of the libraries of functions.
    pub(crate) libraries: Vec<Box<[u8]>>,
}

/// What of its accesses a key takes along, as the policy of eviction has them counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accesses {
    Nothing,
    /// For how long there was none.
    Idle,
    /// How many there are, about.
    Frequency,
}

/// See the module.
pub(crate) struct FileWriter<W> {
    to: W,
    bytes: u64,
    sum: u64,
    sums: bool,
}

impl<W: Write> FileWriter<W> {
    /// A file that is written to `to`, with a checksum or none.
    pub(crate) fn new(to: W, sums: bool) -> Self {
        Self { to, bytes: 0, sum: 0, sums }
    }

    /// Bytes that are written.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where it is written to.
    pub(crate) fn to(&mut self) -> &mut W {
        &mut self.to
    }

    /// Adds what was made by functions below.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.sums {
            self.sum = extended(self.sum, bytes);
        }
        self.bytes += bytes.len() as u64;
        self.to.write_all(bytes)
    }

    /// Everything before the keys.
    pub(crate) fn begin(&mut self, header: &Header, compresses: bool) -> io::Result<()> {
        let mut head = Writer::new(compresses);
        let version = if header.has_expiring_fields { VERSION_OF_EXPIRING_FIELDS } else { VERSION };
        head.raw(MAGIC);
        head.raw(format!("{version:04}").as_bytes());
        write_aux(b"redis-ver", REDIS_VERSION.as_bytes(), &mut head);
        write_aux(b"redis-bits", b"64", &mut head);
        write_aux(b"ctime", header.time_s.to_string().as_bytes(), &mut head);
        write_aux(b"used-mem", header.used_bytes.to_string().as_bytes(), &mut head);
        write_aux(b"aof-base", if header.is_base { b"1" } else { b"0" }, &mut head);
        if header.cas_max > 0 {
            write_aux(CAS, header.cas_max.to_string().as_bytes(), &mut head);
        }
        for text in &header.libraries {
            head.raw(&[LIBRARY]);
            head.string(text);
        }
        self.add(head.bytes())
    }

    /// The end, after all keys. Gives back what it was written to; nothing is flushed.
    pub(crate) fn end(mut self) -> io::Result<W> {
        self.add(&[opcode::END])?;
        let sum = if self.sums { self.sum } else { 0 };
        self.to.write_all(&sum.to_le_bytes())?;
        Ok(self.to)
    }
}

fn write_aux(name: &[u8], text: &[u8], to: &mut Writer) {
    to.raw(&[opcode::AUX]);
    to.string(name);
    to.string(text);
}

/// Says that what follows is in this database, which has so many keys and so many that expire, if that is known.
pub(crate) fn write_database(number: u8, sizes: Option<(u64, u64)>, to: &mut Writer) {
    to.raw(&[opcode::DATABASE]);
    to.len(number.into());
    if let Some((keys, expires)) = sizes {
        to.raw(&[opcode::SIZES]);
        to.len(keys);
        to.len(expires);
    }
}

/// A key with everything that belongs to it.
pub(crate) fn write_record(entry: &EntryRef<'_>, accesses: Accesses, to: &mut Writer) {
    let metadata = entry.metadata();
    if let Some(text) = item_text(&metadata) {
        write_aux(ITEM, text.as_bytes(), to);
    }
    if let Some(at) = metadata.expire_at {
        to.raw(&[opcode::EXPIRE_MS]);
        to.raw(&at.to_le_bytes());
    }
    match accesses {
        Accesses::Nothing => {}
        Accesses::Idle => {
            to.raw(&[opcode::IDLE]);
            to.len(entry.idle_s());
        }
        Accesses::Frequency => to.raw(&[opcode::FREQUENCY, entry.frequency()]),
    }
    values::write(entry, Some(entry.key()), to);
}
