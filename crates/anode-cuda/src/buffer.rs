//! Vectors in device memory.

use std::marker::PhantomData;

use anode_core::ode::{Real, Vector};

use super::arena::Block;
use super::driver::Driver;
use super::gpu::{Gpu, THREADS};

/// Numbers a block of the inner product's first stage sums.
const DOT: usize = 1 << 14;

/// A vector of `len` numbers on a device.
///
/// Once something went wrong on the device it holds nothing, and reads as zeros; see [`Gpu::synchronize`].
pub struct Buffer<R: Real, L: Driver> {
    gpu: Gpu<L>,
    block: Option<Block<L>>,
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
    y: u64,
    x: u64,
    z: u64,
    count: i64,
    a: f64,
    flag: u64,
    serial: u32,
}

#[repr(C)]
struct DotArguments {
    x: u64,
    y: u64,
    parts: u64,
    count: i64,
    count_a_part: i64,
}

#[repr(C)]
struct WeightedArguments {
    x: u64,
    y: u64,
    z: u64,
    parts: u64,
    count: i64,
    count_a_part: i64,
    a: f64,
    b: f64,
}

#[repr(C)]
struct SumArguments {
    parts: u64,
    sum: u64,
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
        let block = gpu.block(len * size_of::<R>());
        Self { gpu, block, len, real: PhantomData }
    }

    /// A buffer of zeros.
    pub fn zeros(gpu: &Gpu<L>, len: usize) -> Self {
        let mut buffer = Self::new(gpu.clone(), len);
        buffer.set_zero();
        buffer
    }

    /// A copy of host memory on the device.
    pub fn upload(gpu: &Gpu<L>, x: &[R]) -> Self {
        let buffer = Self::new(gpu.clone(), x.len());
        if !x.is_empty() {
            // SAFETY: the buffer has the length of `x`.
            gpu.attempt(|driver| unsafe { driver.upload(buffer.address(), bytes(x)) });
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
        self.gpu.attempt(|driver| unsafe { driver.download(to, self.at(start)) });
        x
    }

    /// Where it begins on the device; 0 once something went wrong.
    pub fn address(&self) -> u64 {
        self.block.as_ref().map_or(0, |block| block.address)
    }

    /// Where number `i` is.
    pub(super) fn at(&self, i: usize) -> u64 {
        self.address() + (i * size_of::<R>()) as u64
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu<L> {
        &self.gpu
    }

    /// Copies `len` numbers of `from`, starting at `start`, to the place `to`.
    pub fn copy_part(&mut self, to: usize, from: &Self, start: usize, len: usize) {
        assert!(to + len <= self.len && start + len <= from.len, "a part that is not in the buffer");
        if len > 0 {
            // SAFETY: both parts lie in their buffers, which are two.
            self.gpu.attempt(|driver| unsafe { driver.copy(self.at(to), from.at(start), len * size_of::<R>()) });
        }
    }

    /// Launches a kernel over four numbers a thread.
    fn elementwise(&mut self, kernel: &str, x: Option<&Self>, z: Option<&Self>, a: f64, flag: u64) {
        for other in [x, z].into_iter().flatten() {
            assert_eq!(self.len, other.len, "{kernel} of vectors of different length");
        }
        let address = |v: Option<&Self>| v.map_or(0, Self::address);
        let (y, count) = (self.address(), self.len as i64);
        let arguments = VectorArguments { y, x: address(x), z: address(z), count, a, flag, serial: 1 };
        // SAFETY: all vectors have this length.
        unsafe { self.gpu.launch_for::<R, _>(kernel, self.len.div_ceil(4), &arguments) };
    }

    /// Sets the flag at `flag` if a number is not finite.
    fn look(&self, flag: u64) {
        let (x, count) = (self.address(), self.len as i64);
        let arguments = VectorArguments { y: 0, x, z: 0, count, a: 0.0, flag, serial: 1 };
        // SAFETY: the vector has this length.
        unsafe { self.gpu.launch_for::<R, _>("look", self.len.div_ceil(4), &arguments) };
    }

    /// A number that one kernel makes a part at a time, from the arguments for where the parts go, and another of the
    /// parts. Waits.
    fn reduced<A>(&self, [kernel, join]: [&str; 2], arguments: impl FnOnce(u64) -> A) -> f64 {
        let parts = self.len.div_ceil(DOT).max(1);
        let made = Buffer::<f64, L>::new(self.gpu.clone(), parts + 1);
        let sum = SumArguments { parts: made.address(), sum: made.at(parts), count: parts as i64 };
        // SAFETY: the vectors have this length, as the callers checked; there is room for all parts and their sum.
        unsafe {
            self.gpu.launch::<R, _>(kernel, [parts, 1, 1], THREADS, &arguments(made.address()));
            self.gpu.launch_named(join, [1, 1, 1], THREADS, &sum);
        }
        made.download_part(parts, 1)[0]
    }

    /// Reduces `self` weighted by two vectors.
    fn weighted(&self, kernels: [&str; 2], [y, z]: [&Self; 2], [a, b]: [f64; 2]) -> f64 {
        assert!(self.len == y.len && self.len == z.len, "a weighted vector of different length");
        let (x, y, z, count) = (self.address(), y.address(), z.address(), self.len as i64);
        self.reduced(kernels, |parts| WeightedArguments { x, y, z, parts, count, count_a_part: DOT as i64, a, b })
    }

    /// `self = max(0, x)`.
    pub fn relu(&mut self, x: &Self) {
        self.elementwise("relu", Some(x), None, 0.0, 0);
    }

    /// `self = max(0, self + x)`.
    pub fn add_relu(&mut self, x: &Self) {
        self.elementwise("add_relu", Some(x), None, 0.0, 0);
    }

    /// `self = bar` where `x > 0`, else 0.
    pub fn mask(&mut self, x: &Self, bar: &Self) {
        self.elementwise("masked", Some(x), Some(bar), 0.0, 0);
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
        // SAFETY: all of the buffer.
        self.gpu.attempt(|driver| unsafe { driver.zero(self.address(), self.len * size_of::<R>()) });
    }

    fn axpy(&mut self, a: R, x: &Self) {
        self.elementwise("axpy", Some(x), None, a.f64(), 0);
    }

    /// Returns `true` without waiting. A non-finite number sets a flag on the device, which [`Gpu::synchronize`] reads.
    fn axpy_is_finite(&mut self, a: R, x: &Self) -> bool {
        self.elementwise("axpy", Some(x), None, a.f64(), self.gpu.flag());
        true
    }

    /// Bit-identical to an axpy onto zeros, in one kernel.
    fn set_scaled(&mut self, a: R, x: &Self) {
        self.elementwise("set_scaled", Some(x), None, a.f64(), 0);
    }

    fn scale(&mut self, a: R) {
        self.elementwise("scale", None, None, a.f64(), 0);
    }

    fn to_f64(&self) -> Vec<f64> {
        self.download().into_iter().map(Real::f64).collect()
    }

    /// Accumulated in `f64` in a fixed order: parts first, then the parts.
    fn dot(&self, other: &Self) -> f64 {
        assert_eq!(self.len, other.len, "inner product of vectors of different length");
        let (x, y, count) = (self.address(), other.address(), self.len as i64);
        self.reduced(["dot", "sum_parts"], |parts| DotArguments { x, y, parts, count, count_a_part: DOT as i64 })
    }

    fn weighted_squares(&self, y: &Self, z: &Self, tolerances: [f64; 2], start: f64) -> f64 {
        start + self.weighted(["weighted_squares", "sum_parts"], [y, z], tolerances)
    }

    fn weighted_most(&self, y: &Self, z: &Self, least: f64, start: f64) -> f64 {
        start.max(self.weighted(["weighted_most", "most_parts"], [y, z], [least, 0.0]))
    }

    fn is_finite(&self) -> bool {
        !self.gpu.asked(|flag| self.look(flag))
    }

    /// Returns `true` without waiting, as [`Vector::axpy_is_finite`] does.
    fn is_finite_deferred(&self) -> bool {
        self.look(self.gpu.flag());
        true
    }
}
