//! Whole pages of the operating system, straight from it and back to it: what is released here is really gone.

/// Blocks are multiples of this: whole pages on every system.
pub(super) const PAGES: usize = 64 << 10;
/// Alignment of all blocks: a page of the smallest kind.
pub(super) const ALIGNMENT: usize = 4096;

#[cfg(unix)]
mod system {
    use std::ptr::null_mut;

    /// A page of the larger kind, where the system has one: fewer faults and fewer misses of address translation.
    const HUGE: usize = 2 << 20;

    /// Pages of zeros; null where there are none left.
    pub fn obtain(size: usize) -> *mut u8 {
        // Blocks that can hold huge pages start at one; the pages before and behind are given back.
        let spare = if size < HUGE { 0 } else { HUGE };
        let Some(asked) = size.checked_add(spare) else { return null_mut() };
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at a place that the system chooses touches nothing that is there.
        let start = unsafe { libc::mmap(null_mut(), asked, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return null_mut();
        }
        let start: *mut u8 = start.cast();
        let before = if spare == 0 { 0 } else { start.addr().next_multiple_of(HUGE) - start.addr() };
        let block = start.wrapping_add(before);
        // SAFETY: these pages belong to the mapping, and nobody has seen them.
        unsafe {
            release(start, before);
            release(block.wrapping_add(size), spare - before);
            #[cfg(target_os = "linux")]
            if spare > 0 {
                // Advice; a system that does not take it gives small pages.
                libc::madvise(block.cast(), size, libc::MADV_HUGEPAGE);
            }
        }
        block
    }

    /// # Safety
    /// The pages must have come from [`obtain`], and nobody may use them any more.
    pub unsafe fn release(block: *mut u8, size: usize) {
        if size > 0 {
            // SAFETY: the caller's promise. It fails only where nothing is mapped.
            unsafe { libc::munmap(block.cast(), size) };
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::alloc::{GlobalAlloc, Layout, System};

    use super::ALIGNMENT;

    /// Pages of zeros; null where there are none left.
    pub fn obtain(size: usize) -> *mut u8 {
        // SAFETY: the size is not zero.
        Layout::from_size_align(size, ALIGNMENT).map_or(std::ptr::null_mut(), |l| unsafe { System.alloc_zeroed(l) })
    }

    /// # Safety
    /// The pages must have come from [`obtain`], and nobody may use them any more.
    pub unsafe fn release(block: *mut u8, size: usize) {
        if let Ok(layout) = Layout::from_size_align(size, ALIGNMENT) {
            // SAFETY: the caller's promise.
            unsafe { System.dealloc(block, layout) }
        }
    }
}

pub(super) use system::{obtain, release};
