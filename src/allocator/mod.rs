//! A memory allocator that keeps large blocks for the next use of their size.
//!
//! Every training step asks for the same large blocks as the one before: states, tapes, cotangents. Giving them back to the
//! system and taking fresh pages costs a quarter of a step. The program uses this allocator; the library leaves the choice to
//! whoever links it:
//!
//! ```ignore
//! #[global_allocator]
//! static ALLOCATOR: anode::allocator::Keeping = anode::allocator::Keeping::new();
//! ```

mod pages;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::pages::{ALIGNMENT, PAGES};

/// Blocks below this size go to the system's allocator, which keeps them itself.
const LARGE: usize = 128 << 10;
/// Sizes whose blocks are kept; blocks of further sizes go back to the system.
const SIZES: usize = 256;
/// Bytes that used and kept blocks may take together beyond the most that were ever in use.
const SLACK: usize = 16 << 20;

/// Blocks of one size, as a list through their first words.
#[derive(Clone, Copy)]
struct Kept {
    size: usize,
    first: *mut u8,
    /// When a block was last taken or put, counted in calls.
    touched: u64,
}

struct Lists {
    lists: [Kept; SIZES],
    calls: u64,
}

impl Lists {
    /// The list of blocks of this size, or an empty one that can become it.
    fn of(&mut self, size: usize) -> Option<&mut Kept> {
        let same = self.lists.iter().position(|list| list.size == size);
        let place = same.or_else(|| self.lists.iter().position(|list| list.first.is_null()))?;
        self.lists.get_mut(place)
    }

    /// The block of the size that was not asked for for the longest time, other than `size`.
    fn oldest(&mut self, size: usize) -> Option<(*mut u8, usize)> {
        let lists = self.lists.iter_mut().filter(|list| !list.first.is_null() && list.size != size);
        let list = lists.min_by_key(|list| list.touched)?;
        Some((list.pop()?, list.size))
    }
}

impl Kept {
    fn pop(&mut self) -> Option<*mut u8> {
        let block = self.first;
        if block.is_null() {
            return None;
        }
        // SAFETY: `push` wrote the next block's address there.
        self.first = unsafe { block.cast::<*mut u8>().read() };
        Some(block)
    }

    /// # Safety
    /// The block must be large, aligned to a page, and nobody else's.
    unsafe fn push(&mut self, block: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { block.cast::<*mut u8>().write(self.first) };
        self.first = block;
    }
}

// SAFETY: the pointers are owned by the lists and only touched under their lock.
unsafe impl Send for Lists {}

/// The allocator: the system's, with large blocks kept by size.
pub struct Keeping {
    lists: Mutex<Lists>,
    live: AtomicUsize,
    most: AtomicUsize,
    kept: AtomicUsize,
}

impl Default for Keeping {
    fn default() -> Self {
        Self::new()
    }
}

impl Keeping {
    /// An allocator that keeps nothing yet.
    pub const fn new() -> Self {
        let none = Kept { size: 0, first: std::ptr::null_mut(), touched: 0 };
        let lists = Mutex::new(Lists { lists: [none; SIZES], calls: 0 });
        Self { lists, live: AtomicUsize::new(0), most: AtomicUsize::new(0), kept: AtomicUsize::new(0) }
    }

    /// Bytes of the large blocks in use.
    pub fn live_bytes(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Bytes of the large blocks kept for later.
    pub fn kept_bytes(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }

    /// A kept block of this size.
    fn take(&self, size: usize) -> Option<*mut u8> {
        // A poisoned lock would mean a panic in here, where nothing panics.
        let mut lists = self.lists.lock().ok()?;
        lists.calls += 1;
        let calls = lists.calls;
        let list = lists.lists.iter_mut().find(|list| list.size == size)?;
        list.touched = calls;
        let block = list.pop()?;
        self.kept.fetch_sub(size, Ordering::Relaxed);
        Some(block)
    }

    /// Gives kept blocks back to the system, those first that were not asked for for the longest time, until `size` more bytes
    /// are within the most that were ever in use, and a little. False: there is nothing left but blocks of this very size.
    fn make_room(&self, lists: &mut Lists, size: usize, most: usize) -> bool {
        while self.live_bytes() + self.kept_bytes() + size > most + SLACK {
            let Some((old, size)) = lists.oldest(size) else { return false };
            self.kept.fetch_sub(size, Ordering::Relaxed);
            // SAFETY: it was kept, so nobody uses it.
            unsafe { pages::release(old, size) };
        }
        true
    }

    /// Keeps a block for the next use of its size, if there is room.
    ///
    /// # Safety
    /// The block must be large, of this size, and nobody else's.
    unsafe fn put(&self, block: *mut u8, size: usize) {
        if let Ok(mut lists) = self.lists.lock() {
            lists.calls += 1;
            let calls = lists.calls;
            if self.make_room(&mut lists, size, self.most.load(Ordering::Relaxed))
                && let Some(list) = lists.of(size)
            {
                (list.size, list.touched) = (size, calls);
                // SAFETY: the caller's promise.
                unsafe { list.push(block) };
                self.kept.fetch_add(size, Ordering::Relaxed);
                return;
            }
        }
        // SAFETY: the caller's promise.
        unsafe { pages::release(block, size) };
    }

    fn obtain(&self, layout: Layout, zeroed: bool) -> *mut u8 {
        let Some(size) = whole_pages(layout) else { return std::ptr::null_mut() };
        let block = match self.take(size) {
            Some(block) if zeroed => {
                // SAFETY: the block has the size of the layout.
                unsafe { block.write_bytes(0, layout.size()) };
                block
            }
            Some(block) => block,
            None => {
                if let Ok(mut lists) = self.lists.lock() {
                    let most = self.most.load(Ordering::Relaxed).max(self.live_bytes() + size);
                    self.make_room(&mut lists, size, most);
                }
                pages::obtain(size)
            }
        };
        if !block.is_null() {
            let live = self.live.fetch_add(size, Ordering::Relaxed) + size;
            self.most.fetch_max(live, Ordering::Relaxed);
        }
        block
    }
}

fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= ALIGNMENT
}

/// The bytes of a large block: whole pages.
fn whole_pages(layout: Layout) -> Option<usize> {
    layout.size().checked_next_multiple_of(PAGES)
}

// SAFETY: small blocks are the system's from first to last. A large block comes from the system or from a list of blocks of its
// rounded size that nobody uses, and goes to one of the two; `realloc` is the default, a new block and a copy.
unsafe impl GlobalAlloc for Keeping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        if is_large(layout) { self.obtain(layout, false) } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        if is_large(layout) { self.obtain(layout, true) } else { unsafe { System.alloc_zeroed(layout) } }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match whole_pages(layout).filter(|_| is_large(layout)) {
            Some(size) => {
                self.live.fetch_sub(size, Ordering::Relaxed);
                // SAFETY: the caller's promise: it came from `obtain` with this size.
                unsafe { self.put(block, size) };
            }
            // SAFETY: the caller's promise.
            None => unsafe { System.dealloc(block, layout) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_blocks_are_used_again_and_zeroed_when_asked() {
        let allocator = Keeping::new();
        let layout = Layout::from_size_align(300_000, 8).unwrap();
        // SAFETY: blocks are written within their size and freed once with their layout.
        unsafe {
            let (one, two) = (allocator.alloc(layout), allocator.alloc(layout));
            assert!(!one.is_null() && one != two);
            assert_eq!(allocator.live_bytes(), 2 * 327_680);
            one.write_bytes(7, 300_000);
            allocator.dealloc(one, layout);
            allocator.dealloc(two, layout);
            assert_eq!((allocator.live_bytes(), allocator.kept_bytes()), (0, 2 * 327_680));
            let again = allocator.alloc_zeroed(layout);
            assert!(again == two, "the newest first");
            let last = allocator.alloc_zeroed(layout);
            assert!(last == one && std::slice::from_raw_parts(last, 300_000).iter().all(|b| *b == 0));
            let grown = allocator.realloc(last, layout, 400_000);
            assert!(std::slice::from_raw_parts(grown, 300_000).iter().all(|b| *b == 0));
            allocator.dealloc(grown, Layout::from_size_align(400_000, 8).unwrap());
            allocator.dealloc(again, layout);
            let small = Layout::from_size_align(64, 8).unwrap();
            let block = allocator.alloc(small);
            allocator.dealloc(block, small);
        }
        assert_eq!(allocator.live_bytes(), 0);
    }

    #[test]
    fn what_is_kept_stays_within_the_most_that_was_used() {
        let allocator = Keeping::new();
        // Ever other sizes, one at a time, from 1 to 40 MiB: all of them kept would be 820 MiB.
        for size in 1..=40 {
            let layout = Layout::from_size_align(size << 20, 8).unwrap();
            // SAFETY: allocated and freed once with its layout.
            unsafe {
                let block = allocator.alloc(layout);
                assert!(!block.is_null());
                allocator.dealloc(block, layout);
            }
            assert!(allocator.kept_bytes() <= (size << 20) + SLACK);
        }
        let layout = Layout::from_size_align(40 << 20, 8).unwrap();
        let kept = allocator.kept_bytes();
        // SAFETY: as above.
        unsafe {
            let block = allocator.alloc(layout);
            assert_eq!(allocator.kept_bytes(), kept - (40 << 20), "the newest size is still there");
            allocator.dealloc(block, layout);
        }
    }
}
