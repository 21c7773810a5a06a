//! What a table is made of: pointers to segments and directories, and the life of what they point to.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use crossbeam_epoch::Guard;

use crate::segment::{Class, Line, Segment};

/// Directories have at most 2 to this power entries: room for 10^11 keys of one slot.
const DEPTH_MAX: u32 = 28;

/// A pointer to a segment or to a directory: address (64-aligned, below 2^56), in the low bits the class
/// of a segment, in the top byte the number of leading hash bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Node(pub(super) u64);

const CLASS: u64 = 0x0f;
const DIRECTORY: u64 = 0x20;
const ADDRESS: u64 = 0x00ff_ffff_ffff_ffc0;
const DEPTH_SHIFT: u32 = 56;

impl Node {
    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(super) fn is_directory(self) -> bool {
        self.0 & DIRECTORY != 0
    }

    #[inline]
    pub(super) fn depth(self) -> u32 {
        (self.0 >> DEPTH_SHIFT) as u32
    }

    #[inline]
    pub(super) fn class(self) -> Class {
        Class((self.0 & CLASS) as u8)
    }

    #[inline]
    pub(super) fn lines(self) -> *const Line {
        std::ptr::with_exposed_provenance((self.0 & ADDRESS) as usize)
    }

    /// # Safety
    /// This is a directory, not freed during `'a`.
    #[inline]
    pub(super) unsafe fn directory<'a>(self) -> &'a [AtomicU64] {
        let at = std::ptr::with_exposed_provenance((self.0 & ADDRESS) as usize);
        // SAFETY: a directory of depth d is 2^d words, zeroed or written when it was made.
        unsafe { std::slice::from_raw_parts(at, 1 << self.depth()) }
    }

    /// # Safety
    /// This is a segment, not freed during `'a`.
    #[inline]
    pub(super) unsafe fn segment<'a>(self) -> Segment<'a> {
        // SAFETY: a segment of a class is that many lines, zeroed when it was made.
        let lines = unsafe { std::slice::from_raw_parts(self.lines(), self.class().lines()) };
        Segment::new(lines, self.class(), self.depth())
    }

    pub(super) fn layout(self) -> Layout {
        let size = if self.is_directory() { 8 << self.depth() } else { self.class().lines() * 64 };
        Layout::from_size_align(size, 64).expect("a directory has at most 2^28 words")
    }

    pub(super) fn bytes(self) -> usize {
        self.layout().size()
    }

    /// New zeroed memory for a node with these tags.
    pub(super) fn allocate(tags: u64) -> Self {
        let layout = Self(tags).layout();
        // SAFETY: no layout of a node is empty.
        let Some(at) = NonNull::new(unsafe { alloc_zeroed(layout) }) else { handle_alloc_error(layout) };
        Self(at.expose_provenance().get() as u64 | tags)
    }

    pub(super) fn new_segment(class: Class, depth: u32) -> Self {
        Self::allocate(u64::from(class.0) | u64::from(depth) << DEPTH_SHIFT)
    }

    pub(super) fn new_directory(depth: u32) -> Self {
        assert!(depth <= DEPTH_MAX, "the hash spreads keys evenly");
        Self::allocate(DIRECTORY | u64::from(depth) << DEPTH_SHIFT)
    }

    /// Frees the memory when no prefetch can be looking at it.
    ///
    /// # Safety
    /// The node can no longer be reached from a root, and is retired once.
    pub(super) unsafe fn retire(self, guard: &Guard) {
        // SAFETY: by the caller's promise only threads pinned now can still look at it.
        unsafe { guard.defer_unchecked(move || self.free()) };
    }

    /// # Safety
    /// Nobody can look at the node any more, and it is freed once.
    pub(super) unsafe fn free(self) {
        let at: *mut u8 = std::ptr::with_exposed_provenance_mut((self.0 & ADDRESS) as usize);
        // SAFETY: allocated with this layout; the rest is the caller's promise.
        unsafe { dealloc(at, self.layout()) };
    }
}

/// The index in a directory of `depth`.
#[inline]
pub(super) fn index_of(hash: u64, depth: u32) -> usize {
    (hash >> (64 - depth)) as usize
}
