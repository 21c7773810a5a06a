//! jemalloc as the allocator of the process, and what it says about memory.
//!
//! jemalloc is built with a quantum of 8 bytes (`JEMALLOC_SYS_WITH_LG_QUANTUM=3`), which gives classes of
//! 24, 40 and 56 bytes and saves 8 bytes on most small entries. Its `malloc` then promises an alignment of 8
//! only, not the 16 that ready-made adapters assume: hence this one.
#![expect(unsafe_code, reason = "jemalloc is C; each block has its proof")]

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::sync::LazyLock;

use tikv_jemalloc_sys as jemalloc;

/// The allocator, to be named with `#[global_allocator]` by the binary.
pub struct Allocator;

/// Options of jemalloc: freed pages go back to the system after seconds, by a thread of its own. No huge pages:
/// they save a tenth of the processor time at depth, but the system makes them while a client waits, and at
/// 10 million keys the slowest insert took 6 to 13 ms instead of 0.6.
#[unsafe(export_name = "_rjem_malloc_conf")]
static CONFIGURATION: Option<&'static u8> =
    Some(&b"background_thread:true,dirty_decay_ms:2000,muzzy_decay_ms:0\0"[0]);

/// What plain `malloc` aligns to.
const QUANTUM: usize = 8;

/// The flags that ask for an alignment; 0 where every allocation has it.
#[inline]
fn flags(layout: Layout) -> c_int {
    if layout.align() <= QUANTUM { 0 } else { layout.align().trailing_zeros() as c_int }
}

// SAFETY: every method passes size and alignment on to jemalloc's function of the same meaning. A layout's
// size is never 0 here, by the contract of `GlobalAlloc`; none of these functions unwinds.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            match flags(layout) {
                0 => jemalloc::malloc(layout.size()).cast(),
                flags => jemalloc::mallocx(layout.size(), flags).cast(),
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            match flags(layout) {
                0 => jemalloc::calloc(1, layout.size()).cast(),
                flags => jemalloc::mallocx(layout.size(), flags | jemalloc::MALLOCX_ZERO).cast(),
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above; the caller gives the layout the memory was allocated with.
        unsafe { jemalloc::sdallocx(at.cast(), layout.size(), flags(layout)) }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let flags = flags(layout);
        // SAFETY: as above; rallocx keeps the contents and frees what it moves from. Where the class stays it would leave
        // everything as it is, after a look at its own figures of it, which are cold more often than not.
        unsafe {
            if jemalloc::nallocx(layout.size(), flags) == jemalloc::nallocx(size, flags) {
                return at;
            }
            jemalloc::rallocx(at.cast(), size, flags).cast()
        }
    }
}

/// Makes sure that jemalloc was built as [`Allocator`] and the layout of entries need it.
///
/// # Panics
/// If it was not: the build did not see `.cargo/config.toml`.
pub fn check() {
    assert_eq!(class_bytes(50), 56, "build with JEMALLOC_SYS_WITH_LG_QUANTUM=3, as .cargo/config.toml says");
}

/// Bytes an allocation of `size` bytes takes.
pub fn class_bytes(size: usize) -> usize {
    // SAFETY: a pure function of a size that is not 0.
    unsafe { jemalloc::nallocx(size.max(1), 0) }
}

/// Bytes of memory, as jemalloc counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryFigures {
    /// Handed out.
    pub allocated: u64,
    /// In pages something handed out lies in.
    pub active: u64,
    /// In physical memory.
    pub resident: u64,
}

/// The figures of this moment. Costs microseconds.
pub fn figures() -> MemoryFigures {
    static EPOCH: LazyLock<Control> = LazyLock::new(|| Control::new(c"epoch"));
    static ALLOCATED: LazyLock<Control> = LazyLock::new(|| Control::new(c"stats.allocated"));
    static ACTIVE: LazyLock<Control> = LazyLock::new(|| Control::new(c"stats.active"));
    static RESIDENT: LazyLock<Control> = LazyLock::new(|| Control::new(c"stats.resident"));
    EPOCH.refresh();
    MemoryFigures { allocated: ALLOCATED.read(), active: ACTIVE.read(), resident: RESIDENT.read() }
}

/// Gives every free page back to the system.
pub fn purge() {
    // Every arena at once. Source: jemalloc's `MALLCTL_ARENAS_ALL`.
    const PURGE: &CStr = c"arena.4096.purge";
    // SAFETY: a control without a value.
    let result = unsafe {
        jemalloc::mallctl(PURGE.as_ptr(), std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut(), 0)
    };
    debug_assert_eq!(result, 0);
}

/// What jemalloc says of itself, for people.
pub fn report() -> String {
    /// # Safety
    /// `text` is the Vec handed over below, which nobody else uses meanwhile, and `part` a string that ends with a zero byte.
    unsafe extern "C" fn append(text: *mut c_void, part: *const c_char) {
        // SAFETY: the caller's.
        let text = unsafe { &mut *text.cast::<Vec<u8>>() };
        // SAFETY: the caller's.
        text.extend_from_slice(unsafe { CStr::from_ptr(part) }.to_bytes());
    }
    let mut text = Vec::new();
    // SAFETY: `text` outlives the call, during which `append` alone uses it; jemalloc writes strings that end with a zero byte.
    unsafe { jemalloc::malloc_stats_print(Some(append), (&raw mut text).cast(), std::ptr::null()) };
    String::from_utf8_lossy(&text).into_owned()
}

/// A 64-bit control of jemalloc, found once by its name.
struct Control {
    path: [usize; 4],
    len: usize,
}

impl Control {
    fn new(name: &CStr) -> Self {
        let mut control = Self { path: [0; 4], len: 4 };
        // SAFETY: the path has room for `len` parts; jemalloc writes how many there are.
        let result = unsafe {
            jemalloc::mallctlnametomib(name.as_ptr(), control.path.as_mut_ptr(), &raw mut control.len)
        };
        assert_eq!(result, 0, "jemalloc is built with statistics");
        control
    }

    fn read(&self) -> u64 {
        let mut value = 0_u64;
        let mut size = size_of::<u64>();
        // SAFETY: the controls used here are 64 bits wide on all 64-bit machines.
        let result = unsafe {
            let value: *mut c_void = (&raw mut value).cast();
            jemalloc::mallctlbymib(
                self.path.as_ptr(),
                self.len,
                value,
                &raw mut size,
                std::ptr::null_mut(),
                0,
            )
        };
        debug_assert_eq!(result, 0);
        value
    }

    fn refresh(&self) {
        let mut value = 1_u64;
        // SAFETY: as in `read`; writing the epoch makes the statistics current.
        let result = unsafe {
            let value: *mut c_void = (&raw mut value).cast();
            let (none, path) = (std::ptr::null_mut(), self.path.as_ptr());
            jemalloc::mallctlbymib(path, self.len, none, std::ptr::null_mut(), value, size_of::<u64>())
        };
        debug_assert_eq!(result, 0);
    }
}

/// What the thread that made this has allocated and not freed so far: exact, and cheap to read.
pub(crate) struct ThreadCounter {
    allocated: *const u64,
    freed: *const u64,
    /// The counters are the thread's own.
    not_send: PhantomData<*const ()>,
}

impl ThreadCounter {
    /// The counter of this thread.
    pub(crate) fn new() -> Self {
        let pointer = |name| Control::new(name).read() as usize;
        Self {
            allocated: std::ptr::with_exposed_provenance(pointer(c"thread.allocatedp")),
            freed: std::ptr::with_exposed_provenance(pointer(c"thread.deallocatedp")),
            not_send: PhantomData,
        }
    }

    /// Bytes allocated less bytes freed by this thread; negative if it freed what others allocated.
    #[inline]
    pub(crate) fn net(&self) -> i64 {
        // SAFETY: jemalloc keeps both counters as long as the thread lives, and this does not leave it.
        unsafe { self.allocated.read().wrapping_sub(self.freed.read()) as i64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jemalloc_has_classes_of_eight_bytes() {
        check();
        assert_eq!((class_bytes(1), class_bytes(9), class_bytes(33)), (8, 16, 40));
    }

    #[test]
    fn the_allocator_gives_what_is_asked_for_and_counts_it() {
        let counter = ThreadCounter::new();
        let before = counter.net();
        for align in [1, 8, 16, 64, 4096] {
            let layout = Layout::from_size_align(1000, align).unwrap();
            // SAFETY: the layout is not empty; what is allocated is written within its size and freed once.
            unsafe {
                let at = Allocator.alloc_zeroed(layout);
                assert!(at.addr().is_multiple_of(align) && at.add(999).read() == 0);
                at.write_bytes(7, 1000);
                let at = Allocator.realloc(at, layout, 5000);
                assert!(at.addr().is_multiple_of(align) && at.add(999).read() == 7);
                assert!(counter.net() - before >= 5000);
                Allocator.dealloc(at, Layout::from_size_align(5000, align).unwrap());
            }
        }
        assert_eq!(counter.net(), before);
        assert!(figures().resident > 0);
    }
}
