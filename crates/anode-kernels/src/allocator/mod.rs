//! A memory allocator that keeps the memory of large blocks for the next ones.
//!
//! Every training step allocates the same large blocks as the step before: states, tapes, cotangents. Returning them to
//! the system and taking fresh pages costs a quarter of a step. Here they come from one arena that grows to the peak of
//! simultaneous use, so no memory is requested from the system after the first steps of a training run. The program
//! uses this allocator. The library does not set one; a program that links it can:
//!
//! ```ignore
//! #[global_allocator]
//! static ALLOCATOR: anode_kernels::allocator::ArenaAllocator = anode_kernels::allocator::ArenaAllocator::new();
//! ```

mod arena;
mod pages;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::arena::{Arena, whole_pages};
use self::pages::PAGE;

/// Blocks below this size go to the system's allocator, which keeps them itself.
const LARGE: usize = 128 << 10;

/// The allocator: the system's, with large blocks from an arena.
pub struct ArenaAllocator {
    arena: Mutex<Arena>,
    live: AtomicUsize,
    refused: AtomicUsize,
}

impl Default for ArenaAllocator {
    fn default() -> Self {
        Self::new()
    }
}

impl ArenaAllocator {
    /// An allocator whose arena is empty.
    pub const fn new() -> Self {
        Self { arena: Mutex::new(Arena::new()), live: AtomicUsize::new(0), refused: AtomicUsize::new(0) }
    }

    /// Bytes of the large blocks in use.
    pub fn live_bytes(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Bytes that were ever requested from the system for large blocks.
    pub fn requested_bytes(&self) -> usize {
        self.arena().reached() + self.refused.load(Ordering::Relaxed)
    }

    /// Nothing panics under this lock.
    fn arena(&self) -> MutexGuard<'_, Arena> {
        self.arena.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn obtain(&self, layout: Layout, zeroed: bool) -> *mut u8 {
        let Some(size) = whole_pages(layout.size()) else { return std::ptr::null_mut() };
        let (mut block, fresh) = self.arena().take(size);
        if block.is_null() {
            // A system that reserves no addresses, or an arena that is full.
            self.refused.fetch_add(size, Ordering::Relaxed);
            // SAFETY: the layout is a large one, so its size is not zero.
            block = unsafe { if zeroed { System.alloc_zeroed(layout) } else { System.alloc(layout) } };
        } else if zeroed {
            // SAFETY: the arena gave a block of `size` bytes, of which these are the first.
            unsafe { block.write_bytes(0, (size - fresh).min(layout.size())) };
        }
        if !block.is_null() {
            self.live.fetch_add(size, Ordering::Relaxed);
        }
        block
    }
}

fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= PAGE
}

// SAFETY: small blocks are the system's from first to last. A large block is cut from the arena, where no two blocks
// meet, or is the system's, and goes back to where its address says; `realloc` is the default, a new block and a copy.
unsafe impl GlobalAlloc for ArenaAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller ensures that the size is not zero.
        if is_large(layout) { self.obtain(layout, false) } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller ensures that the size is not zero.
        if is_large(layout) { self.obtain(layout, true) } else { unsafe { System.alloc_zeroed(layout) } }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(size) = whole_pages(layout.size()).filter(|_| is_large(layout)) {
            self.live.fetch_sub(size, Ordering::Relaxed);
            let mut arena = self.arena();
            if arena.holds(block) {
                // SAFETY: the caller ensures that the block is one of `alloc`'s with this layout and given back once:
                // `obtain` took it from the arena with this size.
                return unsafe { arena.put(block, size) };
            }
        }
        // SAFETY: the caller ensures that the block is one of `alloc`'s with this layout; outside the arena, it is the
        // system's.
        unsafe { System.dealloc(block, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_blocks_are_used_again_and_zeroed_when_asked() {
        let allocator = ArenaAllocator::new();
        let layout = Layout::from_size_align(300_000, 8).unwrap();
        // SAFETY: blocks are written within their size and freed once with their layout.
        unsafe {
            let (one, two) = (allocator.alloc(layout), allocator.alloc(layout));
            assert!(!one.is_null() && one != two);
            assert_eq!(allocator.live_bytes(), 2 * 303_104);
            one.write_bytes(7, 300_000);
            allocator.dealloc(one, layout);
            allocator.dealloc(two, layout);
            assert_eq!(allocator.live_bytes(), 0);
            let asked = allocator.requested_bytes();
            let again = allocator.alloc_zeroed(layout);
            assert!(std::slice::from_raw_parts(again, 300_000) == vec![0; 300_000]);
            again.write_bytes(7, 300_000);
            assert_eq!(allocator.requested_bytes(), asked, "nothing more");
            let grown = allocator.realloc(again, layout, 400_000);
            assert!(std::slice::from_raw_parts(grown, 300_000) == vec![7; 300_000]);
            allocator.dealloc(grown, Layout::from_size_align(400_000, 8).unwrap());
            let small = Layout::from_size_align(64, 8).unwrap();
            let block = allocator.alloc(small);
            allocator.dealloc(block, small);
        }
        assert_eq!(allocator.live_bytes(), 0);
    }

    #[test]
    #[cfg_attr(miri, ignore = "blocks of 820 MiB in all, for the size of the arena alone")]
    fn ever_other_sizes_share_their_memory() {
        let allocator = ArenaAllocator::new();
        // One at a time, from 1 to 40 MiB: each kept for itself would be 820 MiB.
        for size in 1..=40 {
            let layout = Layout::from_size_align(size << 20, 8).unwrap();
            // SAFETY: allocated and freed once with its layout.
            unsafe {
                let block = allocator.alloc(layout);
                assert!(!block.is_null());
                allocator.dealloc(block, layout);
            }
        }
        assert_eq!(allocator.requested_bytes(), 40 << 20);
    }
}
