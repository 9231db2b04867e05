//! Memory of a device: blocks are kept for the next use of their size, and counted. The blocks of
//! captured work are reserved for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

use super::capture::{Reserved, reserved_by_capture};
use super::driver::{DeviceError, Driver};

/// Sizes are rounded up to this.
const GRAIN: usize = 512;

/// What an arena holds, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// In blocks that are in use, or reserved by captured work.
    pub live: usize,
    /// The most that were in use at once.
    pub peak: usize,
    /// In blocks that are kept for later.
    pub kept: usize,
}

/// Blocks of one device. Work runs in the order of one stream, so a block may be used again as soon as it is dropped.
pub(super) struct Arena<L: Driver> {
    pub driver: L,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: BTreeMap<usize, Vec<u64>>,
    held: Held,
}

/// An arena on a device of any type.
trait AnyArena: Send + Sync {
    /// Gives all kept blocks back to the driver. Returns their bytes, which are 0 while a block is being allocated.
    fn give_back_kept(&self) -> usize;

    fn held(&self) -> Held;
}

/// All arenas of this process.
static ARENAS: Mutex<Vec<Weak<dyn AnyArena>>> = Mutex::new(vec![]);

fn arenas() -> Vec<Arc<dyn AnyArena>> {
    let mut arenas = ARENAS.lock().unwrap_or_else(PoisonError::into_inner);
    arenas.retain(|arena| arena.strong_count() > 0);
    arenas.iter().filter_map(Weak::upgrade).collect()
}

/// Lets the arenas of all devices give their kept blocks back to their drivers, for a library that found no memory.
/// Returns the bytes.
pub fn give_back_all() -> usize {
    arenas().iter().map(|arena| arena.give_back_kept()).sum()
}

/// Bytes of all arenas in blocks that are in use.
pub(super) fn all_live() -> usize {
    arenas().iter().map(|arena| arena.held().live).sum()
}

impl<L: Driver> AnyArena for Arena<L> {
    fn give_back_kept(&self) -> usize {
        // The arena itself may be allocating, in this thread or in another one.
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return 0,
        };
        let kept = state.held.kept;
        self.give_back(&mut state);
        kept
    }

    fn held(&self) -> Held {
        self.state().held
    }
}

impl<L: Driver> Arena<L> {
    pub fn new(driver: L) -> Arc<Self> {
        let arena = Arc::new(Self { driver, state: Mutex::default() });
        let entry: Weak<dyn AnyArena> = Arc::downgrade(&(arena.clone() as Arc<dyn AnyArena>));
        ARENAS.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        arena
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn held(&self) -> Held {
        self.state().held
    }

    /// Forgets the most that was in use.
    pub fn restart_peak(&self) {
        let mut state = self.state();
        state.held.peak = state.held.live;
    }

    /// A number that identifies this arena.
    pub fn id(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self) as usize
    }

    /// A block of at least this many bytes, with any contents. While this thread captures work on the device, the block
    /// is one that only this work uses.
    pub fn block(self: &Arc<Self>, bytes: usize) -> Result<Block<L>, DeviceError> {
        let bytes = bytes.max(1).next_multiple_of(GRAIN);
        let reserved = reserved_by_capture(self.id());
        if let Some(address) = reserved.as_ref().and_then(|reserved| reserved.take(bytes)) {
            return Ok(Block { arena: self.clone(), address, bytes, reserved });
        }
        let mut state = self.state();
        let kept = state.kept.get_mut(&bytes).and_then(Vec::pop);
        let address = match kept {
            Some(address) => {
                state.held.kept -= bytes;
                address
            }
            None => self.fresh(&mut state, bytes)?,
        };
        if let Some(reserved) = &reserved {
            reserved.add(address, bytes);
        }
        state.held.live += bytes;
        state.held.peak = state.held.peak.max(state.held.live);
        Ok(Block { arena: self.clone(), address, bytes, reserved })
    }

    /// Allocates a block from the driver. If there is not enough memory, returns all kept blocks and those of memory
    /// pools to the driver and tries again, once.
    fn fresh(&self, state: &mut State, bytes: usize) -> Result<u64, DeviceError> {
        if let Some(address) = self.driver.allocate(bytes)? {
            return Ok(address);
        }
        let Held { live, kept, .. } = state.held;
        self.give_back(state);
        self.driver.trim();
        let address = self.driver.allocate(bytes)?;
        let free = if address.is_none() { self.driver.memory()?.0 } else { 0 };
        address.ok_or(DeviceError::OutOfMemory { asked: bytes, live, kept, free })
    }

    /// Keeps a block for later.
    pub fn keep(&self, address: u64, bytes: usize) {
        let mut state = self.state();
        state.held.live -= bytes;
        state.held.kept += bytes;
        state.kept.entry(bytes).or_default().push(address);
    }

    /// Gives all kept blocks back to the driver.
    fn give_back(&self, state: &mut State) {
        for (bytes, addresses) in std::mem::take(&mut state.kept) {
            for address in addresses {
                // SAFETY: kept blocks came from this driver with this size, and nobody has them.
                unsafe { self.driver.free(address, bytes) };
            }
        }
        state.held.kept = 0;
    }
}

impl<L: Driver> Drop for Arena<L> {
    fn drop(&mut self) {
        let mut state = std::mem::take(&mut *self.state());
        self.give_back(&mut state);
    }
}

/// A block in use. When it is dropped, it is kept for later, or for the captured work that allocated it.
pub(super) struct Block<L: Driver> {
    arena: Arc<Arena<L>>,
    pub address: u64,
    bytes: usize,
    reserved: Option<Arc<Reserved>>,
}

impl<L: Driver> Block<L> {
    /// Whether it is memory of captured work, which replays write to.
    pub fn is_reserved(&self) -> bool {
        self.reserved.is_some()
    }
}

impl<L: Driver> Drop for Block<L> {
    fn drop(&mut self) {
        let Some(reserved) = &self.reserved else { return self.arena.keep(self.address, self.bytes) };
        for (address, bytes) in reserved.put_back(self.address, self.bytes) {
            self.arena.keep(address, bytes);
        }
    }
}
