//! Device addresses by access, so that no launch writes to memory that buffers share.

/// An address that a kernel reads; null if the argument is not used.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Source(u64);

/// An address that a kernel writes and may read; null if the argument is not used.
/// [`Buffer::target`](super::buffer::Buffer::target) returns that of a buffer, whose memory is then not shared.
#[derive(Clone, Copy, Debug)]
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

    /// This address as a [`Source`], for reading.
    pub fn source(self) -> Source {
        Source(self.0)
    }
}
