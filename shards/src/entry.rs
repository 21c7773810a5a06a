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
//!
//! The value of a small collection is its elements packed one after the other, in the bytes Redis would dump. That of a
//! large one is 8 bytes, the address of a [`Large`] that the entry owns.
#![expect(
    unsafe_code,
    reason = "one allocation of parts whose places its head says; each block has its proof"
)]

mod encoding;

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error, realloc};
use std::ptr::NonNull;

pub use encoding::{Encoding, Kind};
use encoding::{KIND_BITS, KINDS, KINDS_BITS};

use crate::hashes::due;
use crate::large::Large;

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

// `kinds`: five bits of [`Encoding`], then what is there.
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
    ///
    /// # Panics
    /// If values of this encoding are no bytes.
    pub(crate) fn new(encoding: Encoding, metadata: &Metadata, key: &[u8], value: &[u8]) -> Self {
        assert!(!encoding.is_large(), "large values have an owner");
        Self::with_bytes(encoding, metadata, key, value)
    }

    /// An entry with this key and a large value.
    pub(crate) fn large(metadata: &Metadata, key: &[u8], value: Box<Large>) -> Self {
        let encoding = value.encoding();
        assert!(encoding.is_large(), "freed with the entry");
        let address = Box::into_raw(value).expose_provenance();
        Self::with_bytes(encoding, metadata, key, &address.to_ne_bytes())
    }

    #[inline]
    fn with_bytes(encoding: Encoding, metadata: &Metadata, key: &[u8], value: &[u8]) -> Self {
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
        let kinds = encoding as u8 | metadata.present();
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

    /// The large value of the entry at an address given by [`Entry::into_bits`], if it has one.
    ///
    /// # Safety
    /// As that of [`Entry::value_at`].
    pub(crate) unsafe fn large_at<'a>(bits: u64) -> Option<&'a mut Large> {
        // SAFETY: by the caller's promise.
        let view = unsafe { EntryPtr::<'a>::from_bits(bits) };
        // SAFETY: the entry owns what it points to, and nobody else looks at the entry.
        view.large_address().map(|at| unsafe { &mut *at.as_ptr() })
    }

    /// Takes the large value out, if it has one, to be freed by somebody else.
    pub(crate) fn into_large(self) -> Option<Box<Large>> {
        let at = self.view().large_address()?;
        self.free_shell();
        // SAFETY: the entry owned it and is gone.
        Some(unsafe { Box::from_raw(at.as_ptr()) })
    }

    /// The same value with another key.
    #[must_use]
    pub(crate) fn with_key(self, key: &[u8]) -> Self {
        let moved = self.reshaped(key, &self.view().metadata());
        self.free_shell();
        moved
    }

    /// The same value with another key and other metadata. What a large value points to belongs to the new one from
    /// now on: of this one, only the shell may be freed.
    fn reshaped(&self, key: &[u8], metadata: &Metadata) -> Self {
        let view = self.view();
        Self::with_bytes(view.encoding(), metadata, key, view.value())
    }

    /// Frees the entry's own memory and nothing it points to.
    fn free_shell(self) {
        let layout = self.view().shape().layout();
        // SAFETY: it was allocated with the layout its header describes, and is forgotten below.
        unsafe { dealloc(self.0.as_ptr(), layout) };
        std::mem::forget(self);
    }

    /// Overwrites the value in place if the new entry would have the same shape. Says whether it did.
    #[inline]
    pub(crate) fn overwrite(&mut self, encoding: Encoding, metadata: &Metadata, value: &[u8]) -> bool {
        debug_assert!(!encoding.is_large(), "large values have an owner");
        let shape = self.view().shape();
        let kinds = encoding as u8 | metadata.present();
        let same_shape = shape.value_len == value.len() && (shape.kinds ^ kinds) >> KINDS_BITS == 0;
        if !same_shape || Encoding::of(shape.kinds).is_large() {
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
        let fits = (self.view().shape().kinds ^ metadata.present()) >> KINDS_BITS == 0;
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
        let moved = self.reshaped(self.view().key(), metadata);
        self.free_shell();
        moved
    }

    /// The same entry, its value of this encoding and `value_len` bytes long: what is too much is cut off, what is new
    /// is zero. The allocator's size classes amortise repeated growth.
    ///
    /// # Panics
    /// If it is or would be large, or too long: lengths are checked before.
    #[must_use]
    pub(crate) fn resized(mut self, encoding: Encoding, value_len: usize) -> Self {
        let old = self.view().shape();
        assert!(value_len <= VALUE_BYTES_MAX, "the length of a value is checked before");
        assert!(!Encoding::of(old.kinds).is_large() && !encoding.is_large(), "large values have an owner");
        let kinds = old.kinds & !KINDS | encoding as u8;
        let new = Shape::new(kinds, old.key_len, value_len);
        let kept = old.value_len.min(value_len);
        if new.fields != old.fields {
            let view = self.view();
            let mut resized = Self::zeroed(encoding, &view.metadata(), view.key(), value_len);
            resized.value_mut()[..kept].copy_from_slice(&view.value()[..kept]);
            return resized;
        }
        // SAFETY: the entry was allocated with the layout its header describes, and the new size is not 0.
        let moved = unsafe { realloc(self.0.as_ptr(), old.layout(), new.len()) };
        let Some(at) = NonNull::new(moved) else { handle_alloc_error(new.layout()) };
        self.0 = at;
        // SAFETY: the entry now has room for `new`; the header's length does not change, so key and what is kept of
        // the value are where they belong, and the bytes after them are zeroed.
        unsafe {
            at.write(kinds);
            write_varint(at.add(1 + varint_len(new.key_len)), value_len);
            at.add(new.value() + kept).write_bytes(0, value_len - kept);
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
        let view = self.view();
        let (layout, large) = (view.shape().layout(), view.large_address());
        // SAFETY: it was allocated with the layout its header describes, and nobody else owns it.
        unsafe { dealloc(self.0.as_ptr(), layout) };
        if let Some(large) = large {
            // SAFETY: it came out of a box for this entry, which owned it until now.
            drop(unsafe { Box::from_raw(large.as_ptr()) });
        }
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
        Encoding::of(self.bytes(0, 1)[0])
    }

    /// The type of the value.
    #[inline]
    pub(crate) fn kind(self) -> Kind {
        match self.bytes(0, 1)[0] & ((1 << KIND_BITS) - 1) {
            0 => Kind::String,
            1 => Kind::List,
            2 => Kind::Set,
            3 => Kind::SortedSet,
            4 => Kind::Hash,
            _ => Kind::Stream,
        }
    }

    /// The large value, if it has one.
    #[inline]
    pub(crate) fn as_large(self) -> Option<&'a Large> {
        // SAFETY: the entry owns it, lives for `'a` and is not changed meanwhile.
        self.large_address().map(|at| unsafe { at.as_ref() })
    }

    #[inline]
    fn large_address(self) -> Option<NonNull<Large>> {
        if !self.encoding().is_large() {
            return None;
        }
        let bytes = self.value().first_chunk().expect("a large value is 8 bytes");
        NonNull::new(std::ptr::with_exposed_provenance_mut(usize::from_ne_bytes(*bytes)))
    }

    /// A copy of it with another key, of all that a large value points to as well.
    pub(crate) fn duplicate(self, key: &[u8]) -> Entry {
        let metadata = self.metadata();
        match self.as_large() {
            Some(large) => Entry::large(&metadata, key, Box::new(large.duplicate())),
            None => Entry::new(self.encoding(), &metadata, key, self.value()),
        }
    }

    /// A time, in Unix milliseconds, before which no field of it expires, if it is a hash.
    #[inline]
    pub(crate) fn fields_due(self) -> u64 {
        if self.kind() == Kind::Hash { due::of(self) } else { u64::MAX }
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
mod tests;
