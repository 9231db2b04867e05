//! Reserves the arena's address space once. The system commits each page on first access.

/// Blocks are multiples of this and aligned to it: a page of the smallest kind.
pub(super) const PAGE: usize = 4096;

#[cfg(all(unix, not(miri)))]
mod system {
    use std::ptr::null_mut;

    /// A page of the larger kind, where the system has one: fewer faults and fewer misses of address translation.
    const HUGE: usize = 2 << 20;
    /// Freed bytes that the system's allocator keeps for small blocks, in each of its heaps. By default it returns
    /// them to the system and requests them again many times per step.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    const KEPT: libc::c_int = 64 << 20;

    /// Addresses of zeros, as many as the machine has memory; null where the system refuses.
    pub fn reserve() -> (*mut u8, usize) {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        // SAFETY: a setting of the system's allocator, which may be made at any time.
        unsafe {
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        }
        // SAFETY: `sysconf` has no preconditions.
        let (pages, page) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
        let (Ok(pages), Ok(page)) = (usize::try_from(pages), usize::try_from(page)) else { return (null_mut(), 0) };
        let size = (pages.saturating_mul(page) / HUGE + 1) * HUGE;
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at a place that the system chooses touches nothing that is there.
        let start = unsafe { libc::mmap(null_mut(), size, protection, flags | libc::MAP_NORESERVE, -1, 0) };
        if start == libc::MAP_FAILED {
            return (null_mut(), 0);
        }
        #[cfg(target_os = "linux")]
        // SAFETY: advice on pages that nobody has seen; a system that does not take it gives small ones.
        unsafe {
            libc::madvise(start, size, libc::MADV_HUGEPAGE);
        }
        (start.cast(), size)
    }
}

#[cfg(miri)]
mod system {
    use std::alloc::{GlobalAlloc, Layout, System};

    /// Miri maps no addresses without memory: a block that is never freed, as large as the tests need.
    const SIZE: usize = 64 << 20;

    /// Addresses of zeros.
    pub fn reserve() -> (*mut u8, usize) {
        let layout = Layout::from_size_align(SIZE, super::PAGE).unwrap();
        // SAFETY: the size is not zero.
        (unsafe { System.alloc_zeroed(layout) }, SIZE)
    }
}

#[cfg(not(unix))]
mod system {
    /// Nothing: all blocks are the system's allocator's.
    pub fn reserve() -> (*mut u8, usize) {
        (std::ptr::null_mut(), 0)
    }
}

pub(super) use system::reserve;
