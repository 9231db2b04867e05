//! Addresses on a device, by what is done there: the arguments of a launch show what it writes, and only memory that no
//! other buffer shares can be written.

/// Where a kernel reads; null if it reads nothing there.
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub(super) struct Source(u64);

/// Where a kernel writes, and may read; null if it does neither. That of a buffer is made by
/// [`Buffer::target`](super::buffer::Buffer::target), so no other buffer shares the memory.
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub(super) struct Target(u64);

impl Source {
    pub const NULL: Self = Self(0);

    pub fn new(address: u64) -> Self {
        Self(address)
    }

    pub fn address(self) -> u64 {
        self.0
    }
}

impl Target {
    pub const NULL: Self = Self(0);

    pub fn new(address: u64) -> Self {
        Self(address)
    }

    pub fn address(self) -> u64 {
        self.0
    }

    /// The same address for a kernel that only reads.
    pub fn source(self) -> Source {
        Source(self.0)
    }
}
