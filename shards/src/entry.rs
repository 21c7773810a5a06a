//! One key with its value and everything kept beside them, in one allocation.
//!
//! ```text
//! kinds u8 | key length | value length | [expire 8 B] [flags 4 B] [cas 8 B] | key | value
//! ```
//!
//! The lengths take one byte below 128 and up to five above. What is in brackets is there only if `kinds`
//! says so: expiry in Unix milliseconds, Memcached client flags, and the Memcached CAS value with two marks
//! in its upper bits. An integer is kept as 8 bytes. A 16-byte key with a 32-byte value takes 51 bytes and
//! so lies in a class of 56.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error, realloc};
use std::ptr::NonNull;

/// The type of a value, as `TYPE` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    String,
}

impl Kind {
    /// The name `TYPE` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
        }
    }
}

/// How a value is kept, as `OBJECT ENCODING` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Encoding {
    /// A 64-bit integer.
    Int,
    /// A string of up to 44 bytes.
    Embstr,
    /// A longer string, or one that was changed in place.
    Raw,
}

impl Encoding {
    /// The name `OBJECT ENCODING` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Embstr => "embstr",
            Self::Raw => "raw",
        }
    }
}

/// What Memcached clients know of an item besides its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// When it expires, in Unix milliseconds; `None` is never.
    pub expire_at: Option<u64>,
    /// Client flags.
    pub flags: u32,
    /// CAS value; 0 is none. Below 2^62.
    pub cas: u64,
    /// Marked stale (`md … I`).
    pub stale: bool,
    /// Some client has been told that it won the right to recache it.
    pub won: bool,
}

// `kinds`: bits 0 to 2 the type (string is 0), 3 and 4 the encoding, then what is there.
const ENCODING_SHIFT: u8 = 3;
const HAS_EXPIRE: u8 = 1 << 5;
const HAS_FLAGS: u8 = 1 << 6;
const HAS_CAS: u8 = 1 << 7;

const STALE: u64 = 1 << 63;
const WON: u64 = 1 << 62;
const CAS_MASK: u64 = WON - 1;

impl Metadata {
    fn present(&self) -> u8 {
        let mut present = 0;
        if self.expire_at.is_some() {
            present |= HAS_EXPIRE;
        }
        if self.flags != 0 {
            present |= HAS_FLAGS;
        }
        if self.cas != 0 || self.stale || self.won {
            present |= HAS_CAS;
        }
        present
    }

    fn cas_word(&self) -> u64 {
        let marks = if self.stale { STALE } else { 0 } | if self.won { WON } else { 0 };
        self.cas & CAS_MASK | marks
    }
}

/// Where the parts of an entry lie.
#[derive(Clone, Copy)]
struct Shape {
    kinds: u8,
    key_len: usize,
    value_len: usize,
    /// Offset of the bracketed fields.
    fields: usize,
    /// Offset of the key.
    key: usize,
}

impl Shape {
    fn new(kinds: u8, key_len: usize, value_len: usize) -> Self {
        let fields = 1 + varint_len(key_len) + varint_len(value_len);
        Self { kinds, key_len, value_len, fields, key: fields + fields_len(kinds) }
    }

    #[inline]
    fn value(&self) -> usize {
        self.key + self.key_len
    }

    #[inline]
    fn len(&self) -> usize {
        self.value() + self.value_len
    }

    fn layout(&self) -> Layout {
        Layout::from_size_align(self.len(), ALIGN).expect("lengths below 4 GiB fit the address space")
    }
}

/// Entries lie at multiples of this, which is what the allocator gives for nothing.
const ALIGN: usize = 8;

#[inline]
fn fields_len(kinds: u8) -> usize {
    const LENGTHS: [u8; 8] = [0, 8, 4, 12, 8, 16, 12, 20];
    usize::from(LENGTHS[usize::from(kinds >> 5)])
}

fn varint_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

/// Bytes of the longest value.
pub(crate) const VALUE_BYTES_MAX: usize = u32::MAX as usize - 1;

/// An entry that is owned: dropping it frees it.
pub(crate) struct Entry(NonNull<u8>);

/// An entry that somebody else owns. Whoever makes one with [`EntryPtr::from_bits`] promises that it lives
/// for `'a` and is not changed meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct EntryPtr<'a>(NonNull<u8>, std::marker::PhantomData<&'a [u8]>);

// SAFETY: an entry is plain memory that belongs to whoever owns the value.
unsafe impl Send for Entry {}

impl Entry {
    /// An entry with this key and value.
    pub(crate) fn new(encoding: Encoding, metadata: &Metadata, key: &[u8], value: &[u8]) -> Self {
        // SAFETY: the `value.len()` bytes at the value's place are written before anyone reads them.
        unsafe {
            let (entry, at) = Self::with_room(alloc, encoding, metadata, key, value.len());
            value.as_ptr().copy_to_nonoverlapping(at.as_ptr(), value.len());
            entry
        }
    }

    /// An entry with this key and a value of `value_len` zero bytes.
    pub(crate) fn zeroed(encoding: Encoding, metadata: &Metadata, key: &[u8], value_len: usize) -> Self {
        // SAFETY: the value's bytes are zero.
        unsafe { Self::with_room(alloc_zeroed, encoding, metadata, key, value_len).0 }
    }

    /// An entry with room for a value, and the place of that value.
    ///
    /// # Safety
    /// `alloc` is the allocator's; it or the caller initialises the `value_len` bytes of the value before the entry
    /// is used.
    #[inline]
    unsafe fn with_room(
        alloc: unsafe fn(Layout) -> *mut u8,
        encoding: Encoding,
        metadata: &Metadata,
        key: &[u8],
        value_len: usize,
    ) -> (Self, NonNull<u8>) {
        assert!(key.len().max(value_len) <= VALUE_BYTES_MAX, "lengths of the wire");
        let kinds = (encoding as u8) << ENCODING_SHIFT | metadata.present();
        let shape = Shape::new(kinds, key.len(), value_len);
        let layout = shape.layout();
        // SAFETY: the layout is not empty: there is always `kinds`.
        let Some(at) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        // SAFETY: everything written lies within the `shape.len()` bytes just allocated, in the order of
        // the layout above; `value_len` bytes are left after the key.
        unsafe {
            at.write(kinds);
            let next = write_varint(at.add(1), key.len());
            write_varint(next, value_len);
            key.as_ptr().copy_to_nonoverlapping(at.add(shape.key).as_ptr(), key.len());
        }
        let mut entry = Self(at);
        entry.write_fields(metadata);
        // SAFETY: the value lies within the allocation, or at its end if it is empty.
        (entry, unsafe { at.add(shape.value()) })
    }

    /// The entry at an address given by [`Entry::into_bits`].
    ///
    /// # Safety
    /// The address was given out once and is taken back once.
    pub(crate) unsafe fn from_bits(bits: u64) -> Self {
        // SAFETY: `into_bits` gives no null.
        Self(unsafe { NonNull::new_unchecked(std::ptr::with_exposed_provenance_mut(bits as usize)) })
    }

    /// Gives up ownership for an address: a multiple of 8 below 2^47.
    pub(crate) fn into_bits(self) -> u64 {
        let bits = self.0.expose_provenance().get() as u64;
        std::mem::forget(self);
        debug_assert!(bits.is_multiple_of(8) && bits < 1 << 47);
        bits
    }

    /// A look at it.
    #[inline]
    pub(crate) fn view(&self) -> EntryPtr<'_> {
        EntryPtr(self.0, std::marker::PhantomData)
    }

    /// The value's bytes.
    #[inline]
    pub(crate) fn value_mut(&mut self) -> &mut [u8] {
        let shape = self.view().shape();
        // SAFETY: the value's bytes are initialised, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(shape.value()).as_ptr(), shape.value_len) }
    }

    /// The value of the entry at an address given by [`Entry::into_bits`].
    ///
    /// # Safety
    /// The entry lives for `'a`, and nobody else looks at it meanwhile.
    pub(crate) unsafe fn value_at<'a>(bits: u64) -> &'a mut [u8] {
        // SAFETY: by the caller's promise.
        let view = unsafe { EntryPtr::<'a>::from_bits(bits) };
        let shape = view.shape();
        // SAFETY: the value's bytes are initialised, and nobody else looks at them.
        unsafe { std::slice::from_raw_parts_mut(view.0.add(shape.value()).as_ptr(), shape.value_len) }
    }

    /// Overwrites the value in place if the new entry would have the same shape. Says whether it did.
    #[inline]
    pub(crate) fn overwrite(&mut self, encoding: Encoding, metadata: &Metadata, value: &[u8]) -> bool {
        let shape = self.view().shape();
        let kinds = (encoding as u8) << ENCODING_SHIFT | metadata.present();
        if shape.value_len != value.len() || (shape.kinds ^ kinds) >> 5 != 0 {
            return false;
        }
        self.value_mut().copy_from_slice(value);
        // SAFETY: the first byte is `kinds`; what is present stays the same, so the shape does.
        unsafe { self.0.write(kinds) };
        self.write_fields(metadata);
        true
    }

    /// Writes metadata in place if there is room for exactly that. Says whether there was.
    pub(crate) fn overwrite_metadata(&mut self, metadata: &Metadata) -> bool {
        let fits = (self.view().shape().kinds ^ metadata.present()) >> 5 == 0;
        if fits {
            self.write_fields(metadata);
        }
        fits
    }

    /// The same key and value with other metadata.
    #[must_use]
    pub(crate) fn with_metadata(mut self, metadata: &Metadata) -> Self {
        if self.overwrite_metadata(metadata) {
            return self;
        }
        let view = self.view();
        Self::new(view.encoding(), metadata, view.key(), view.value())
    }

    /// The same entry, its value raw and `value_len` bytes long, at least as long as it was; what is new is
    /// zero. The allocator's size classes amortise repeated growth.
    #[must_use]
    pub(crate) fn grown(mut self, value_len: usize) -> Self {
        let old = self.view().shape();
        assert!(
            old.value_len <= value_len && value_len <= VALUE_BYTES_MAX,
            "values grow, and their length is checked before"
        );
        let kinds = old.kinds & !(3 << ENCODING_SHIFT) | (Encoding::Raw as u8) << ENCODING_SHIFT;
        let new = Shape::new(kinds, old.key_len, value_len);
        if new.fields != old.fields {
            let view = self.view();
            let mut grown = Self::zeroed(Encoding::Raw, &view.metadata(), view.key(), value_len);
            grown.value_mut()[..old.value_len].copy_from_slice(view.value());
            return grown;
        }
        // SAFETY: the entry was allocated with the layout its header describes, and the new size is not 0.
        let moved = unsafe { realloc(self.0.as_ptr(), old.layout(), new.len()) };
        let Some(at) = NonNull::new(moved) else { handle_alloc_error(new.layout()) };
        self.0 = at;
        // SAFETY: the entry now has room for `new`; the header's length does not change, so key and old
        // value are where they belong, and the bytes after them are zeroed.
        unsafe {
            at.write(kinds);
            write_varint(at.add(1 + varint_len(new.key_len)), value_len);
            at.add(new.value() + old.value_len).write_bytes(0, value_len - old.value_len);
        }
        self
    }

    fn write_fields(&mut self, metadata: &Metadata) {
        let shape = self.view().shape();
        // SAFETY: `fields_len(kinds)` bytes lie at `fields`, and the writes below take exactly those.
        unsafe {
            let mut at = self.0.add(shape.fields);
            if let Some(expire_at) = metadata.expire_at {
                at.cast::<u64>().write_unaligned(expire_at);
                at = at.add(8);
            }
            if shape.kinds & HAS_FLAGS != 0 {
                at.cast::<u32>().write_unaligned(metadata.flags);
                at = at.add(4);
            }
            if shape.kinds & HAS_CAS != 0 {
                at.cast::<u64>().write_unaligned(metadata.cas_word());
            }
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let layout = self.view().shape().layout();
        // SAFETY: it was allocated with the layout its header describes, and nobody else owns it.
        unsafe { dealloc(self.0.as_ptr(), layout) };
    }
}

impl<'a> EntryPtr<'a> {
    /// A look at the entry at an address given by [`Entry::into_bits`].
    ///
    /// # Safety
    /// The entry lives for `'a` and is not changed meanwhile.
    #[inline]
    pub(crate) unsafe fn from_bits(bits: u64) -> Self {
        // SAFETY: `into_bits` gives no null.
        let at = unsafe { NonNull::new_unchecked(std::ptr::with_exposed_provenance_mut(bits as usize)) };
        Self(at, std::marker::PhantomData)
    }

    #[inline]
    fn shape(self) -> Shape {
        // SAFETY: an entry begins with `kinds` and two lengths.
        unsafe {
            let kinds = self.0.read();
            let (key_len, value_len) = (self.0.add(1).read(), self.0.add(2).read());
            if (key_len | value_len) < 0x80 {
                let key = 3 + fields_len(kinds);
                return Shape {
                    kinds,
                    key_len: usize::from(key_len),
                    value_len: usize::from(value_len),
                    fields: 3,
                    key,
                };
            }
            let (key_len, next) = read_varint(self.0.add(1));
            let (value_len, _) = read_varint(next);
            Shape::new(kinds, key_len, value_len)
        }
    }

    #[inline]
    fn bytes(self, start: usize, len: usize) -> &'a [u8] {
        // SAFETY: callers ask for parts of the entry as its shape gives them; the entry lives for `'a`.
        unsafe { std::slice::from_raw_parts(self.0.add(start).as_ptr(), len) }
    }

    /// The key.
    #[inline]
    pub(crate) fn key(self) -> &'a [u8] {
        let shape = self.shape();
        self.bytes(shape.key, shape.key_len)
    }

    /// The value as it is kept: 8 bytes for an integer.
    #[inline]
    pub(crate) fn value(self) -> &'a [u8] {
        let shape = self.shape();
        self.bytes(shape.value(), shape.value_len)
    }

    /// The integer, if it is kept as one.
    #[inline]
    pub(crate) fn int(self) -> Option<i64> {
        if self.encoding() != Encoding::Int {
            return None;
        }
        self.value().first_chunk().map(|bytes| i64::from_ne_bytes(*bytes))
    }

    /// How the value is kept.
    #[inline]
    pub(crate) fn encoding(self) -> Encoding {
        match self.bytes(0, 1)[0] >> ENCODING_SHIFT & 3 {
            0 => Encoding::Int,
            1 => Encoding::Embstr,
            _ => Encoding::Raw,
        }
    }

    /// The type of the value.
    #[inline]
    pub(crate) fn kind(self) -> Kind {
        debug_assert_eq!(self.bytes(0, 1)[0] & 7, 0, "strings are the only type");
        Kind::String
    }

    /// When it expires, in Unix milliseconds.
    pub(crate) fn expire_at(self) -> Option<u64> {
        let shape = self.shape();
        (shape.kinds & HAS_EXPIRE != 0).then(|| self.field(shape.fields, 8))
    }

    /// All that is kept beside the value.
    pub(crate) fn metadata(self) -> Metadata {
        let shape = self.shape();
        let mut metadata = Metadata::default();
        let mut at = shape.fields;
        if shape.kinds & HAS_EXPIRE != 0 {
            metadata.expire_at = Some(self.field(at, 8));
            at += 8;
        }
        if shape.kinds & HAS_FLAGS != 0 {
            metadata.flags = self.field(at, 4) as u32;
            at += 4;
        }
        if shape.kinds & HAS_CAS != 0 {
            let word = self.field(at, 8);
            metadata.cas = word & CAS_MASK;
            (metadata.stale, metadata.won) = (word & STALE != 0, word & WON != 0);
        }
        metadata
    }

    /// Bytes of the allocation, as asked for.
    pub(crate) fn len(self) -> usize {
        self.shape().len()
    }

    fn field(self, start: usize, len: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(self.bytes(start, len));
        u64::from_ne_bytes(bytes)
    }
}

/// Writes `value` in seven bits a byte, low bits first, and returns where it ends.
///
/// # Safety
/// `varint_len(value)` bytes at `at` may be written.
unsafe fn write_varint(mut at: NonNull<u8>, mut value: usize) -> NonNull<u8> {
    // SAFETY: by the caller's promise; each round writes one of the promised bytes.
    unsafe {
        while value >= 0x80 {
            at.write(value as u8 | 0x80);
            value >>= 7;
            at = at.add(1);
        }
        at.write(value as u8);
        at.add(1)
    }
}

/// Reads what [`write_varint`] wrote, and returns where it ends.
///
/// # Safety
/// A whole number was written at `at`.
unsafe fn read_varint(mut at: NonNull<u8>) -> (usize, NonNull<u8>) {
    let (mut value, mut shift) = (0, 0);
    loop {
        // SAFETY: by the caller's promise the number ends with a byte below 0x80, not yet read.
        let byte = unsafe { at.read() };
        // SAFETY: as above; at most one past the number.
        at = unsafe { at.add(1) };
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (value, at);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn metadata() -> impl Strategy<Value = Metadata> {
        let cas = prop_oneof![Just(0), 1..CAS_MASK];
        (any::<Option<u64>>(), any::<u32>(), cas, any::<bool>(), any::<bool>())
            .prop_map(|(expire_at, flags, cas, stale, won)| Metadata { expire_at, flags, cas, stale, won })
    }

    fn len() -> impl Strategy<Value = usize> {
        prop_oneof![0..300_usize, Just(127), Just(128), Just(16_383), Just(16_384), Just(2_097_152)]
    }

    #[test]
    fn a_small_item_takes_56_bytes() {
        let entry = Entry::new(Encoding::Embstr, &Metadata::default(), &[b'k'; 16], &[b'v'; 32]);
        assert!(entry.view().len() <= 56);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn everything_put_in_comes_out(meta in metadata(), other in metadata(), key in len(), value in len(), more in 0..200_usize) {
            let (key, value) = (vec![b'k'; key], vec![b'v'; value]);
            let entry = Entry::new(Encoding::Raw, &meta, &key, &value);
            let bits = entry.into_bits();
            // SAFETY: given out one line above.
            let entry = unsafe { Entry::from_bits(bits) };
            prop_assert_eq!(entry.view().metadata(), meta);
            prop_assert_eq!(entry.view().expire_at(), meta.expire_at);
            prop_assert_eq!(entry.view().key(), &key[..]);
            prop_assert_eq!(entry.view().value(), &value[..]);
            let entry = entry.with_metadata(&other).grown(value.len() + more);
            prop_assert_eq!(entry.view().metadata(), other);
            prop_assert_eq!(entry.view().key(), &key[..]);
            prop_assert_eq!(&entry.view().value()[..value.len()], &value[..]);
            prop_assert!(entry.view().value()[value.len()..].iter().all(|&byte| byte == 0));
        }

        #[test]
        fn a_value_is_overwritten_in_place_only_by_one_of_its_shape(meta in metadata(), other in metadata(), same in any::<bool>()) {
            let mut entry = Entry::new(Encoding::Raw, &meta, b"key", b"value");
            let value: &[u8] = if same { b"VALUE" } else { b"longer value" };
            let fits = same && meta.present() == other.present();
            prop_assert_eq!(entry.overwrite(Encoding::Embstr, &other, value), fits);
            prop_assert_eq!(entry.view().value(), if fits { value } else { b"value" });
            prop_assert_eq!(entry.view().metadata(), if fits { other } else { meta });
        }
    }
}
