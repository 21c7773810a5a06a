//! Starting what a request will read on its way into the cache, without the lock.

use std::sync::atomic::Ordering::Acquire;

use crossbeam_epoch::Guard;

use crate::segment::Segment;
use crate::table::Root;
use crate::table::node::{Node, index_of};

/// Starts the home of a key on its way into the cache. Needs no lock.
#[inline]
pub(crate) fn prefetch_bucket(root: &Root, hash: u64, _guard: &Guard) {
    let mut node = Node(root.load(Acquire));
    if node.is_directory() {
        // SAFETY: the guard was pinned before the load, so what was reachable then is not freed yet.
        node = Node(unsafe { node.directory() }[index_of(hash, node.depth())].load(Acquire));
    }
    if !node.is_empty() {
        prefetch(Segment::line_of(node.lines(), node.class(), node.depth(), hash));
    }
}

/// Starts the entries that may have this hash on their way into the cache. Needs no lock.
#[inline]
pub(crate) fn prefetch_entry(root: &Root, hash: u64, _guard: &Guard) {
    let mut node = Node(root.load(Acquire));
    if node.is_directory() {
        // SAFETY: as in `prefetch_bucket`.
        node = Node(unsafe { node.directory() }[index_of(hash, node.depth())].load(Acquire));
    }
    if !node.is_empty() {
        // SAFETY: as above. The entries' addresses are prefetched, never read.
        for word in unsafe { node.segment() }.candidates(hash) {
            let entry = std::ptr::without_provenance::<u8>(word.address() as usize);
            prefetch(entry);
            // Most entries reach into a second line, and a wrong guess costs little.
            prefetch(entry.wrapping_add(64));
        }
    }
}

/// Starts a cache line on its way. Any address will do.
#[inline]
pub(super) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that never faults; SSE is part of the architecture.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a hint that never faults and changes nothing.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) at, options(nostack, readonly, preserves_flags));
    }
}
