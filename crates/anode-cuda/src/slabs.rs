//! Slabs of memory that are cut into blocks.

use std::collections::BTreeMap;

/// A block is not cut from a part that is larger by more than this factor: it would split large slabs for little
/// memory.
const MUCH_LARGER: usize = 64;

/// Slabs, and which parts of them are free. A block is cut from the smallest free part that fits, and free neighbours
/// of one slab are joined, so that blocks of many sizes usually need little more than the largest sum of sizes in use
/// at once.
#[derive(Debug, Default)]
pub(super) struct Slabs {
    /// The bytes of each slab, by address.
    slabs: BTreeMap<u64, usize>,
    /// The bytes of each free part, by address.
    free: BTreeMap<u64, usize>,
}

impl Slabs {
    /// Adds a slab that is in use as one block.
    pub fn add(&mut self, address: u64, bytes: usize) {
        self.slabs.insert(address, bytes);
    }

    /// Bytes of all slabs.
    pub fn bytes(&self) -> usize {
        self.slabs.values().sum()
    }

    /// Takes a block of this size. `None` if no free part fits.
    pub fn take(&mut self, bytes: usize) -> Option<u64> {
        let fitting = self.free.iter().filter(|&(_, &free)| free >= bytes && free / MUCH_LARGER <= bytes);
        let (&address, &free) = fitting.min_by_key(|&(&address, &free)| (free, address))?;
        self.free.remove(&address);
        if free > bytes {
            self.free.insert(address + bytes as u64, free - bytes);
        }
        Some(address)
    }

    /// Takes back a block.
    pub fn put_back(&mut self, address: u64, bytes: usize) {
        let Some((&slab, &slab_bytes)) = self.slabs.range(..=address).next_back() else { return };
        let (mut start, mut end) = (address, address + bytes as u64);
        let before = self.free.range(slab..address).next_back().map(|(&address, &bytes)| (address, bytes));
        if let Some((address, bytes)) = before
            && address + bytes as u64 == start
        {
            self.free.remove(&address);
            start = address;
        }
        if end < slab + slab_bytes as u64
            && let Some(bytes) = self.free.remove(&end)
        {
            end += bytes as u64;
        }
        self.free.insert(start, (end - start) as usize);
    }

    /// Removes the slabs that are wholly free, and returns their addresses and bytes.
    pub fn remove_free(&mut self) -> Vec<(u64, usize)> {
        let Self { slabs, free } = self;
        let whole: Vec<_> = slabs.extract_if(.., |address, bytes| free.get(address) == Some(bytes)).collect();
        for (address, _) in &whole {
            free.remove(address);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_smallest_part_that_fits_is_cut_and_free_neighbours_are_joined() {
        let mut slabs = Slabs::default();
        slabs.add(1000, 100);
        slabs.add(1100, 50);
        assert_eq!(slabs.take(1), None, "both are in use");
        slabs.put_back(1000, 100);
        slabs.put_back(1100, 50);
        assert_eq!((slabs.take(40), slabs.take(10), slabs.take(60)), (Some(1100), Some(1140), Some(1000)));
        assert_eq!((slabs.take(41), slabs.take(40)), (None, Some(1060)));
        slabs.put_back(1000, 60);
        slabs.put_back(1060, 40);
        assert_eq!(slabs.remove_free(), [(1000, 100)]);
        assert_eq!(slabs.bytes(), 50);
        slabs.put_back(1140, 10);
        slabs.put_back(1100, 40);
        assert_eq!((slabs.remove_free(), slabs.bytes()), (vec![(1100, 50)], 0));
        slabs.add(2000, 6500);
        slabs.put_back(2000, 6500);
        assert_eq!((slabs.take(100), slabs.take(101)), (None, Some(2000)), "a part that is much larger is not cut");
    }

    proptest! {
        #[test]
        fn blocks_never_overlap_and_come_back_whole(sizes in prop::collection::vec((1usize..100, 0usize..8), 1..80)) {
            let (mut slabs, mut used, mut next) = (Slabs::default(), Vec::<(u64, usize)>::new(), 512);
            for (bytes, dropped) in sizes {
                let address = slabs.take(bytes).unwrap_or_else(|| {
                    let address = next;
                    next += bytes as u64;
                    slabs.add(address, bytes);
                    address
                });
                for &(other, others) in &used {
                    prop_assert!(address + bytes as u64 <= other || other + others as u64 <= address);
                }
                used.push((address, bytes));
                if dropped < used.len() {
                    let (address, bytes) = used.swap_remove(dropped);
                    slabs.put_back(address, bytes);
                }
            }
            let total = slabs.bytes();
            for (address, bytes) in used {
                slabs.put_back(address, bytes);
            }
            prop_assert_eq!(slabs.remove_free().iter().map(|slab| slab.1).sum::<usize>(), total);
            prop_assert_eq!(slabs.bytes(), 0);
        }
    }
}
