//! Vectors in device memory.

use std::marker::PhantomData;
use std::sync::Arc;

use anode_core::ode::{Real, Vector};

use super::address::{Source, Target};
use super::arena::Block;
use super::driver::Driver;
use super::gpu::{Gpu, THREADS};

/// Alignment in bytes of addresses from which kernels load four numbers at a time.
const ALIGNMENT: usize = 16;

/// Numbers a block of the inner product's first stage sums.
const DOT: usize = 1 << 14;

/// A vector of `len` numbers on a device. Several vectors may share memory, see [`Vector::share`]; one that is written
/// gets its own memory first.
///
/// Once something went wrong on the device it holds nothing, and reads as zeros; see [`Gpu::synchronize`].
pub struct Buffer<R: Real, L: Driver> {
    gpu: Gpu<L>,
    block: Option<Arc<Block<L>>>,
    /// Place of the first number in the block, in numbers.
    start: usize,
    len: usize,
    real: PhantomData<R>,
}

impl<R: Real, L: Driver> std::fmt::Debug for Buffer<R, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} {})", self.len, R::NAME)
    }
}

impl<R: Real, L: Driver> Clone for Buffer<R, L> {
    fn clone(&self) -> Self {
        self.duplicate()
    }
}

#[repr(C)]
struct VectorArguments {
    y: Target,
    x: Source,
    z: Source,
    count: i64,
    a: f64,
    flag: Target,
    serial: u32,
}

#[repr(C)]
struct DotArguments {
    x: Source,
    y: Source,
    parts: Target,
    count: i64,
    count_a_part: i64,
}

#[repr(C)]
struct WeightedArguments {
    x: Source,
    y: Source,
    z: Source,
    parts: Target,
    count: i64,
    count_a_part: i64,
    a: f64,
    b: f64,
}

#[repr(C)]
struct SumArguments {
    parts: Source,
    sum: Target,
    count: i64,
}

/// The bytes of numbers.
fn bytes<R: Real>(x: &[R]) -> &[u8] {
    // SAFETY: `Real` is `f32` or `f64`, which have no padding.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), size_of_val(x)) }
}

impl<R: Real, L: Driver> Buffer<R, L> {
    /// A buffer with any contents.
    pub(super) fn new(gpu: Gpu<L>, len: usize) -> Self {
        let block = gpu.block(len * size_of::<R>()).map(Arc::new);
        Self { gpu, block, start: 0, len, real: PhantomData }
    }

    /// A buffer of zeros.
    pub fn zeros(gpu: &Gpu<L>, len: usize) -> Self {
        let mut buffer = Self::new(gpu.clone(), len);
        buffer.set_zero();
        buffer
    }

    /// A copy of host memory on the device.
    pub fn upload(gpu: &Gpu<L>, x: &[R]) -> Self {
        let mut buffer = Self::new(gpu.clone(), x.len());
        if !x.is_empty() {
            let to = buffer.target_over().address();
            // SAFETY: the buffer has the length of `x`.
            gpu.attempt(|driver| unsafe { driver.upload(to, bytes(x)) });
        }
        buffer
    }

    /// A copy in host memory. Waits.
    pub fn download(&self) -> Vec<R> {
        self.download_part(0, self.len)
    }

    /// A copy of `len` numbers from `start` on in host memory. Waits.
    pub fn download_part(&self, start: usize, len: usize) -> Vec<R> {
        assert!(start + len <= self.len, "a part that is not in the buffer");
        let mut x = vec![R::zero(); len];
        // SAFETY: any bytes are numbers; the borrow goes to the slice alone.
        let to = unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast::<u8>(), len * size_of::<R>()) };
        // SAFETY: the part lies in the buffer.
        self.gpu.attempt(|driver| unsafe { driver.download(to, self.source_at(start).address()) });
        x
    }

    /// Address of the first number on the device. 0 if the device has failed.
    pub fn address(&self) -> u64 {
        self.block.as_ref().map_or(0, |block| block.address + (self.start * size_of::<R>()) as u64)
    }

    /// The address of the first number, for reading.
    pub(super) fn source(&self) -> Source {
        self.source_at(0)
    }

    /// The address of number `i`, for reading.
    pub(super) fn source_at(&self, i: usize) -> Source {
        Source::new(self.address() + (i * size_of::<R>()) as u64)
    }

    /// The address of the first number, for writing. Copies shared memory first.
    pub(super) fn target(&mut self) -> Target {
        self.target_at(0)
    }

    /// The address of number `i`, for writing. Copies shared memory first.
    pub(super) fn target_at(&mut self, i: usize) -> Target {
        if self.block.as_mut().is_some_and(|block| Arc::get_mut(block).is_none()) {
            *self = self.duplicate();
        }
        Target::new(self.address() + (i * size_of::<R>()) as u64)
    }

    /// The address of the first number, for overwriting all numbers. Replaces shared memory first.
    fn target_over(&mut self) -> Target {
        if self.block.as_mut().is_some_and(|block| Arc::get_mut(block).is_none()) {
            *self = self.alloc_uninit_like();
        }
        Target::new(self.address())
    }

    /// The `len` numbers from `start` on, in the same memory. `None` if their address is not aligned for kernels that
    /// load four numbers at a time.
    pub(super) fn share_part(&self, start: usize, len: usize) -> Option<Self> {
        assert!(start + len <= self.len, "a part that is not in the buffer");
        let shared = self.share();
        let part = Self { start: shared.start + start, len, ..shared };
        (part.start * size_of::<R>()).is_multiple_of(ALIGNMENT).then_some(part)
    }

    /// Whether another buffer uses its memory.
    pub(super) fn is_shared(&self) -> bool {
        self.block.as_ref().is_some_and(|block| Arc::strong_count(block) > 1)
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu<L> {
        &self.gpu
    }

    /// Copies `len` numbers of `from`, starting at `start`, to the place `to`.
    pub fn copy_part(&mut self, to: usize, from: &Self, start: usize, len: usize) {
        assert!(to + len <= self.len && start + len <= from.len, "a part that is not in the buffer");
        if len > 0 {
            let to = if len == self.len { self.target_over() } else { self.target_at(to) }.address();
            let from = from.source_at(start).address();
            // SAFETY: both parts lie in their buffers, which do not share memory.
            self.gpu.attempt(|driver| unsafe { driver.copy(to, from, len * size_of::<R>()) });
        }
    }

    /// Launches a kernel whose threads take four numbers each.
    fn elementwise(&mut self, kernel: &str, x: Option<&Self>, z: Option<&Self>, a: f64, flag: Target) {
        for other in [x, z].into_iter().flatten() {
            assert_eq!(self.len, other.len, "{kernel} of vectors of different length");
        }
        let source = |v: Option<&Self>| v.map_or(Source::NULL, Self::source);
        let (y, count) = (self.target(), self.len as i64);
        let arguments = VectorArguments { y, x: source(x), z: source(z), count, a, flag, serial: 1 };
        // SAFETY: all vectors have this length.
        unsafe { self.gpu.launch_for::<R, _>(kernel, self.len.div_ceil(4), &arguments) };
    }

    /// Sets the flag at `flag` if a number is not finite.
    fn look(&self, flag: Target) {
        let (x, count) = (self.source(), self.len as i64);
        let arguments = VectorArguments { y: Target::NULL, x, z: Source::NULL, count, a: 0.0, flag, serial: 1 };
        // SAFETY: the vector has this length.
        unsafe { self.gpu.launch_for::<R, _>("look", self.len.div_ceil(4), &arguments) };
    }

    /// A number that one kernel makes a part at a time, from the arguments for where the parts go, and another of the
    /// parts. Waits.
    fn reduced<A>(&self, [kernel, join]: [&str; 2], arguments: impl FnOnce(Target) -> A) -> f64 {
        let parts = self.len.div_ceil(DOT).max(1);
        let mut made = Buffer::<f64, L>::new(self.gpu.clone(), parts + 1);
        let (first, sum) = (made.target(), made.target_at(parts));
        let sum = SumArguments { parts: first.source(), sum, count: parts as i64 };
        // SAFETY: the vectors have this length, as the callers checked; there is room for all parts and their sum.
        unsafe {
            self.gpu.launch::<R, _>(kernel, [parts, 1, 1], THREADS, &arguments(first));
            self.gpu.launch_named(join, [1, 1, 1], THREADS, &sum);
        }
        made.download_part(parts, 1)[0]
    }

    /// Reduces `self` weighted by two vectors.
    fn weighted(&self, kernels: [&str; 2], [y, z]: [&Self; 2], [a, b]: [f64; 2]) -> f64 {
        assert!(self.len == y.len && self.len == z.len, "a weighted vector of different length");
        let (x, y, z, count) = (self.source(), y.source(), z.source(), self.len as i64);
        self.reduced(kernels, |parts| WeightedArguments { x, y, z, parts, count, count_a_part: DOT as i64, a, b })
    }

    /// `self = max(0, x)`.
    pub fn relu(&mut self, x: &Self) {
        self.elementwise("relu", Some(x), None, 0.0, Target::NULL);
    }

    /// `self = max(0, self + x)`.
    pub fn add_relu(&mut self, x: &Self) {
        self.elementwise("add_relu", Some(x), None, 0.0, Target::NULL);
    }

    /// `self = bar` where `x > 0`, else 0.
    pub fn mask(&mut self, x: &Self, bar: &Self) {
        self.elementwise("masked", Some(x), Some(bar), 0.0, Target::NULL);
    }

    /// Sets the numbers to zero where `x > 0` does not hold.
    pub fn mask_in_place(&mut self, x: &Self) {
        assert_eq!(self.len, x.len, "a mask of different length");
        let (y, x, count) = (self.target(), x.source(), self.len as i64);
        let arguments = VectorArguments { y, x, z: y.source(), count, a: 0.0, flag: Target::NULL, serial: 1 };
        // SAFETY: both vectors have this length. Each thread reads its numbers before it writes them.
        unsafe { self.gpu.launch_for::<R, _>("masked", self.len.div_ceil(4), &arguments) };
    }
}

impl<R: Real, L: Driver> Vector for Buffer<R, L> {
    type Real = R;

    fn len(&self) -> usize {
        self.len
    }

    fn zeros_like(&self) -> Self {
        Self::zeros(&self.gpu, self.len)
    }

    fn alloc_uninit_like(&self) -> Self {
        Self::new(self.gpu.clone(), self.len)
    }

    /// Copies the memory of captured work, because replays change it.
    fn share(&self) -> Self {
        if self.block.as_ref().is_some_and(|block| block.is_reserved()) && !self.gpu.is_capturing() {
            return self.duplicate();
        }
        Self { gpu: self.gpu.clone(), block: self.block.clone(), start: self.start, len: self.len, real: PhantomData }
    }

    fn duplicate(&self) -> Self {
        let mut copy = Self::new(self.gpu.clone(), self.len);
        copy.copy_part(0, self, 0, self.len);
        copy
    }

    fn copy_from(&mut self, other: &Self) {
        assert_eq!(self.len, other.len, "copy of a vector of different length");
        self.copy_part(0, other, 0, self.len);
    }

    fn set_zero(&mut self) {
        let to = self.target_over().address();
        // SAFETY: all of the buffer.
        self.gpu.attempt(|driver| unsafe { driver.zero(to, self.len * size_of::<R>()) });
    }

    fn axpy(&mut self, a: R, x: &Self) {
        self.elementwise("axpy", Some(x), None, a.f64(), Target::NULL);
    }

    /// Returns `true` without waiting. A non-finite number sets a flag on the device, which [`Gpu::synchronize`] reads.
    fn axpy_is_finite(&mut self, a: R, x: &Self) -> bool {
        self.elementwise("axpy", Some(x), None, a.f64(), Target::new(self.gpu.flag()));
        true
    }

    /// Bit-identical to an axpy onto zeros, in one kernel.
    fn set_scaled(&mut self, a: R, x: &Self) {
        self.elementwise("set_scaled", Some(x), None, a.f64(), Target::NULL);
    }

    fn scale(&mut self, a: R) {
        self.elementwise("scale", None, None, a.f64(), Target::NULL);
    }

    fn to_f64(&self) -> Vec<f64> {
        self.download().into_iter().map(Real::f64).collect()
    }

    /// Accumulated in `f64` in a fixed order: parts first, then the parts.
    fn dot(&self, other: &Self) -> f64 {
        assert_eq!(self.len, other.len, "inner product of vectors of different length");
        let (x, y, count) = (self.source(), other.source(), self.len as i64);
        self.reduced(["dot", "sum_parts"], |parts| DotArguments { x, y, parts, count, count_a_part: DOT as i64 })
    }

    fn weighted_squares(&self, y: &Self, z: &Self, tolerances: [f64; 2], start: f64) -> f64 {
        start + self.weighted(["weighted_squares", "sum_parts"], [y, z], tolerances)
    }

    fn weighted_most(&self, y: &Self, z: &Self, least: f64, start: f64) -> f64 {
        start.max(self.weighted(["weighted_most", "most_parts"], [y, z], [least, 0.0]))
    }

    fn is_finite(&self) -> bool {
        !self.gpu.asked(|flag| self.look(Target::new(flag)))
    }

    /// Returns `true` without waiting, as [`Vector::axpy_is_finite`] does.
    fn is_finite_deferred(&self) -> bool {
        self.look(Target::new(self.gpu.flag()));
        true
    }
}
