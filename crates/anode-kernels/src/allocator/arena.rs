//! One range of addresses that large blocks are cut from. A freed block joins the gaps beside it; the next block takes
//! the smallest gap that holds it. Pages that were accessed once stay committed, so the arena takes as much memory as
//! was ever in use at once.

use std::ptr::null_mut;

use super::pages::{PAGE, reserve};

/// Freed bytes between blocks, written into their first words. Gaps are listed by address.
#[derive(Clone, Copy)]
struct Gap {
    size: usize,
    next: *mut u8,
}

/// Where a gap is linked from: another gap, or the start of the list.
#[derive(Clone, Copy)]
struct Found {
    before: *mut u8,
    gap: *mut u8,
    size: usize,
}

/// The range, its gaps, and how far it has been used.
pub(super) struct Arena {
    start: *mut u8,
    capacity: usize,
    asked: bool,
    /// Bytes from the start on that were ever in use. The bytes behind them were never accessed.
    reached: usize,
    first: *mut u8,
}

// SAFETY: the pointers lead into a mapping that belongs to the arena and to no thread; gaps in it are read and written
// through `&mut self` only, and a block belongs to the caller that took it until it is put back.
unsafe impl Send for Arena {}

impl Arena {
    pub const fn new() -> Self {
        Self { start: null_mut(), capacity: 0, asked: false, reached: 0, first: null_mut() }
    }

    /// Bytes of the pages that were ever in use.
    pub fn reached(&self) -> usize {
        self.reached
    }

    pub fn holds(&self, block: *mut u8) -> bool {
        (self.start.addr()..self.start.addr() + self.capacity).contains(&block.addr())
    }

    fn gap(at: *mut u8) -> Gap {
        // SAFETY: callers pass a listed gap: pages of the arena that nobody else uses, where `set` wrote.
        unsafe { at.cast::<Gap>().read() }
    }

    fn set(at: *mut u8, gap: Gap) {
        // SAFETY: callers pass the address of whole pages of the arena that nobody uses now; a page holds a gap's words
        // and is aligned to them.
        unsafe { at.cast::<Gap>().write(gap) }
    }

    /// Links `to` behind the gap `before`, or as the first one.
    fn link(&mut self, before: *mut u8, to: *mut u8) {
        if before.is_null() {
            self.first = to;
        } else {
            Self::set(before, Gap { next: to, ..Self::gap(before) });
        }
    }

    /// The smallest gap of `size` bytes or more, else the gap that ends where the untouched pages begin.
    fn find(&self, size: usize) -> Option<Found> {
        let (mut best, mut last): (Option<Found>, Option<Found>) = (None, None);
        let (mut before, mut at) = (null_mut(), self.first);
        while !at.is_null() {
            let gap = Self::gap(at);
            let found = Found { before, gap: at, size: gap.size };
            if gap.size >= size && best.is_none_or(|best| gap.size < best.size) {
                best = Some(found);
            }
            last = Some(found);
            (before, at) = (at, gap.next);
        }
        best.or(last.filter(|last| last.gap.addr() + last.size == self.start.addr() + self.reached))
    }

    /// A block of whole pages, and how many of its last bytes nobody has touched: they are zero. Null where the arena
    /// is full.
    pub fn take(&mut self, size: usize) -> (*mut u8, usize) {
        if !self.asked {
            self.asked = true;
            (self.start, self.capacity) = reserve();
        }
        let found = self.find(size).unwrap_or(Found {
            before: null_mut(),
            gap: self.start.wrapping_add(self.reached),
            size: 0,
        });
        let fresh = size.saturating_sub(found.size);
        if fresh > self.capacity - self.reached {
            return (null_mut(), 0);
        }
        if found.size > 0 {
            let next = Self::gap(found.gap).next;
            if found.size > size {
                let rest = found.gap.wrapping_add(size);
                Self::set(rest, Gap { size: found.size - size, next });
                self.link(found.before, rest);
            } else {
                self.link(found.before, next);
            }
        }
        self.reached += fresh;
        (found.gap, fresh)
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// It came from [`Self::take`] with this size, and nobody uses it any more.
    pub unsafe fn put(&mut self, block: *mut u8, size: usize) {
        let (mut before, mut next) = (null_mut(), self.first);
        while !next.is_null() && next < block {
            (before, next) = (next, Self::gap(next).next);
        }
        let mut gap = Gap { size, next };
        if !next.is_null() && block.wrapping_add(size) == next {
            let behind = Self::gap(next);
            gap = Gap { size: size + behind.size, next: behind.next };
        }
        if !before.is_null() {
            let ahead = Self::gap(before);
            if before.wrapping_add(ahead.size) == block {
                Self::set(before, Gap { size: ahead.size + gap.size, next: gap.next });
                return;
            }
        }
        Self::set(block, gap);
        self.link(before, block);
    }
}

/// Whole pages for so many bytes.
pub(super) fn whole_pages(bytes: usize) -> Option<usize> {
    bytes.checked_next_multiple_of(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_join_and_the_smallest_that_holds_a_block_is_taken() {
        let mut arena = Arena::new();
        let blocks = [4, 1, 2, 1, 3].map(|pages| (arena.take(pages * PAGE).0, pages * PAGE));
        assert_eq!(arena.reached(), 11 * PAGE);
        let give = |arena: &mut Arena, (block, size)| {
            assert!(arena.holds(block));
            // SAFETY: each block is given back once.
            unsafe { arena.put(block, size) }
        };
        give(&mut arena, blocks[0]);
        give(&mut arena, blocks[2]);
        let small = arena.take(2 * PAGE);
        assert_eq!(small, (blocks[2].0, 0), "the gap of two pages, not that of four");
        give(&mut arena, (small.0, 2 * PAGE));
        give(&mut arena, blocks[1]);
        assert_eq!(arena.take(7 * PAGE), (blocks[0].0, 0), "three gaps are one");
        give(&mut arena, blocks[4]);
        assert_eq!(arena.take(5 * PAGE), (blocks[4].0, 2 * PAGE), "the last gap grows");
        assert_eq!(arena.take(PAGE).1, PAGE);
        assert_eq!(arena.reached(), 14 * PAGE);
        assert!(arena.take(arena.capacity).0.is_null(), "no room");
    }

    #[test]
    fn random_blocks_never_meet() {
        let (mut arena, mut state, mut live) = (Arena::new(), 1u64, Vec::<(*mut u8, usize)>::new());
        for _ in 0..if cfg!(miri) { 500 } else { 20_000 } {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if live.len() > 50 || (live.len() > 10 && state >> 63 == 0) {
                let (block, size) = live.swap_remove((state >> 33) as usize % live.len());
                // SAFETY: it was taken with this size and is given back once.
                unsafe { arena.put(block, size) };
            } else {
                let size = (1 + (state >> 40) as usize % 40) * PAGE;
                let (block, _) = arena.take(size);
                let apart = |&(b, s): &(*mut u8, usize)| block.wrapping_add(size) <= b || b.wrapping_add(s) <= block;
                assert!(!block.is_null() && live.iter().all(apart));
                live.push((block, size));
            }
        }
        let used: usize = live.iter().map(|(_, size)| size).sum();
        assert!(arena.reached() < 3 * 51 * 40 * PAGE && used <= arena.reached());
        // SAFETY: each was taken with its size and is given back once.
        live.drain(..).for_each(|(block, size)| unsafe { arena.put(block, size) });
        assert_eq!(arena.take(arena.reached()), (arena.start, 0), "all gaps are one again");
    }
}
