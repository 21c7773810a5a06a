//! Values as bytes.

use tidegate_protocols::number::integer;

use super::lzf::Compressor;

/// Shorter strings are not compressed, as it would not pay. Source: Redis `rdb.c`, `rdbSaveRawString`.
const COMPRESSED_BYTES_MIN: usize = 21;
/// Bytes of the longest integer of 32 bits.
const INTEGER_BYTES_MAX: usize = 11;

/// What is written so far.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    compresses: bool,
    compressor: Option<Compressor>,
}

impl Writer {
    /// Nothing yet.
    pub(crate) fn new(compresses: bool) -> Self {
        Self { bytes: Vec::new(), compresses, compressor: None }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes that are written so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes them out.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Begins anew, in the same memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The type of a value; its key follows if it is told of with it.
    pub(super) fn head(&mut self, kind: u8, key: Option<&[u8]>) {
        self.bytes.push(kind);
        if let Some(key) = key {
            self.string(key);
        }
    }

    /// Adds bytes as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A number, such as that of the elements that follow, in as few bytes as it needs.
    pub(super) fn len(&mut self, len: u64) {
        match len {
            0..0x40 => self.bytes.push(len as u8),
            0x40..0x4000 => self.raw(&(0x4000 | len as u16).to_be_bytes()),
            0x4000..0x1_0000_0000 => {
                self.bytes.push(0x80);
                self.raw(&(len as u32).to_be_bytes());
            }
            _ => {
                self.bytes.push(0x81);
                self.raw(&len.to_be_bytes());
            }
        }
    }

    /// A string: as an integer if it is a short one, compressed if that makes it shorter.
    pub(super) fn string(&mut self, text: &[u8]) {
        let is_short = text.len() <= INTEGER_BYTES_MAX;
        if let Some(number) = integer(text).filter(|_| is_short).and_then(|number| i32::try_from(number).ok())
        {
            return self.number(number);
        }
        if self.compresses && text.len() >= COMPRESSED_BYTES_MIN {
            let compressor = self.compressor.get_or_insert_with(Compressor::new);
            if let Some(short) = compressor.compress(text, text.len() - 4) {
                self.bytes.push(0xc3);
                self.len(short.len() as u64);
                self.len(text.len() as u64);
                return self.raw(&short);
            }
        }
        self.len(text.len() as u64);
        self.raw(text);
    }

    fn number(&mut self, number: i32) {
        if let Ok(byte) = i8::try_from(number) {
            self.raw(&[0xc0, byte as u8]);
        } else if let Ok(short) = i16::try_from(number) {
            self.bytes.push(0xc1);
            self.raw(&short.to_le_bytes());
        } else {
            self.bytes.push(0xc2);
            self.raw(&number.to_le_bytes());
        }
    }
}
