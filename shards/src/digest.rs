//! Hashes of values, the same as Redis's: `DEBUG DIGEST`.
//!
//! What has an order is mixed in one after the other; what has none is exclusive-ored, so that it does not
//! matter how it is kept. Source: Redis `debug.c`, `xorObjectDigest`.

use sha1::{Digest as _, Sha1};
use tidegate_protocols::number::Decimal;

use crate::entry::Kind;
use crate::large::Large;
use crate::structures::listpack::Element;
use crate::structures::stream::Direction;
use crate::view::{EntryRef, Value};
use crate::{hashes, lists, sets, sorted_sets};

/// A SHA-1, or several of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest([u8; 20]);

impl Digest {
    /// What a key has, its expiry but not its name.
    pub(crate) fn of(entry: &EntryRef<'_>) -> Self {
        let mut digest = Self::default();
        digest.mix_value(entry);
        digest
    }

    /// What a key is and has, as a part of a whole.
    pub(crate) fn of_key(entry: &EntryRef<'_>) -> Self {
        let mut digest = Self::default();
        digest.mix(entry.key());
        digest.mix_value(entry);
        Self::of_bytes(&digest.0)
    }

    /// Adds what has no order.
    pub(crate) fn add(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(byte, other)| *byte ^= other);
    }

    /// Adds what comes after all there is.
    pub(crate) fn mix(&mut self, bytes: &[u8]) {
        self.add(Self::of_bytes(bytes));
        *self = Self::of_bytes(&self.0);
    }

    /// In hexadecimal digits.
    pub(crate) fn text(self) -> String {
        let digits = |byte: u8| [byte >> 4, byte & 0xf].map(|digit| char::from_digit(digit.into(), 16));
        self.0.into_iter().flat_map(digits).flatten().collect()
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha1::digest(bytes).into())
    }

    fn mix_element(&mut self, element: Element<'_>) {
        self.mix(element.text(&mut itoa::Buffer::new()));
    }

    fn mix_value(&mut self, entry: &EntryRef<'_>) {
        let kind = entry.kind();
        self.mix(&number_of(kind).to_be_bytes());
        match kind {
            Kind::String => {
                if let Ok(mut text) = entry.text() {
                    self.mix(text.bytes());
                }
            }
            Kind::List => {
                lists::for_each(entry, 0..lists::len(entry), |element| self.mix_element(element));
            }
            Kind::Set => sets::for_each(entry, |member| {
                self.add(Self::of_bytes(member.text(&mut itoa::Buffer::new())));
            }),
            Kind::Hash => hashes::for_each(entry, |field, value| {
                let mut pair = Self::default();
                pair.mix_element(field);
                pair.mix_element(value);
                self.add(Self::of_bytes(&pair.0));
            }),
            Kind::SortedSet => sorted_sets::for_each_scored(entry, |member, score| {
                let mut pair = Self::default();
                pair.mix_element(member);
                pair.mix(Decimal::shortest(score).as_bytes());
                self.add(Self::of_bytes(&pair.0));
            }),
            Kind::Stream => self.mix_stream(entry),
        }
        if entry.expire_at().is_some() {
            self.add(Self::of_bytes(b"!!expire!!"));
        }
    }

    fn mix_stream(&mut self, entry: &EntryRef<'_>) {
        let Ok(Value::Large(Large::Stream(stream))) = entry.value(Kind::Stream) else { return };
        for entry in stream.log.all(Direction::Forward) {
            self.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
            for (field, value) in entry.fields() {
                self.mix_element(field);
                self.mix_element(value);
            }
        }
    }
}

/// The number that Redis has for a type. Source: Redis `server.h`, `OBJ_STRING` and its like.
fn number_of(kind: Kind) -> u32 {
    match kind {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::SortedSet => 3,
        Kind::Hash => 4,
        Kind::Stream => 6,
    }
}
