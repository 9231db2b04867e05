//! Where buffers live and kernels run. Networks and training are written for any device; the code above the kernels is
//! the same.

use std::borrow::Cow;

use anode_core::ode::{Real, Vector};

use super::error::NoCapture;
use super::{Activation, ByteImages, ComputeError, ConvShape, Descent, DeviceFailure, Part, PartMut, PoolShape};

/// What a batch norm's vjp needs of each channel of each image, `[n, channels]`; empty if not computed yet.
type Sums = Vec<(f64, f64)>;

/// A device: its buffers, and the kernels on them. Images are `[n, channels, height, width]`; functions panic if a
/// length does not fit. Cotangents of parameters are added to. For cotangents of inputs, see each kernel.
///
/// A device may compute asynchronously. [`Device::synchronize`] returns its failures; results that are read after a
/// failure are zeros.
pub trait Device: Clone + Send + Sync + 'static {
    /// Numbers in the device's memory.
    type Buffer<R: Real>: Vector<Real = R> + Clone + std::fmt::Debug + Send + Sync + 'static;
    /// Mean and variance of each channel.
    type Moments: Send;
    /// For each number of a buffer, whether it is above zero.
    type Mask<R: Real>: Send;
    /// What the vjp of a batch norm leaves to the kernel that reads its result, see [`Cotangent`].
    type NormVjp<'a, R: Real>;
    /// Captured work, see [`Device::capture`]. Dropping it frees the memory that it reserves.
    type Graph: Default + Send;

    /// The kind of the device: `cpu` or `cuda`.
    const NAME: &'static str;

    /// Runs `work` and returns its result with the increase of peak memory in bytes; `None` if the device does not
    /// count.
    fn measure_peak<T>(&self, work: impl FnOnce() -> T) -> (T, Option<usize>) {
        (work(), None)
    }

    /// Waits for all work.
    ///
    /// # Errors
    /// The device failed, or a vector left the finite numbers since the last call
    /// ([`SolveError::Overflow`](anode_core::ode::SolveError::Overflow)).
    fn synchronize(&self) -> Result<(), ComputeError>;

    /// Whether [`Device::capture`] captures work.
    const CAPTURES: bool = false;

    /// Captures the launches, copies and fills of `work` as the next part of `graph`, without executing them.
    ///
    /// `work` must not change buffers that exist already while they share memory, see [`Vector::share`]. Buffers that
    /// `work` allocates belong to `graph`: until it is dropped, no other work uses their memory, and each replay writes
    /// to the same places. One graph may have several parts, which share these buffers. Use this for work that is
    /// repeated often and consists of many short kernels, because a replay needs one call of the driver.
    ///
    /// # Errors
    /// The device does not capture, which is the default; `work` waits for the device or copies between host and
    /// device; the graph would leave too little memory for other work of the same size; the device failed. `graph` must
    /// not be replayed then.
    fn capture<T>(&self, _graph: &mut Self::Graph, _work: impl FnOnce() -> T) -> Result<T, ComputeError> {
        Err(DeviceFailure::new(NoCapture).into())
    }

    /// Executes a part of `graph` in the order of this device's other work, without waiting.
    ///
    /// # Safety
    /// This device captured `graph`. All buffers that its work uses still exist, except those that it allocated itself,
    /// and none was changed while it shared memory, because such a change moves it.
    ///
    /// # Panics
    /// The graph has no such part.
    unsafe fn replay(&self, _graph: &Self::Graph, part: usize) {
        panic!("no part {part}: this device does not capture")
    }

    /// Takes numbers from host memory.
    fn upload<R: Real>(&self, x: Vec<R>) -> Self::Buffer<R>;

    /// Brings numbers to host memory.
    fn download<R: Real>(&self, x: &Self::Buffer<R>) -> Vec<R>;

    /// Whether [`Device::images_of_bytes`] copies bytes and computes the numbers on the device.
    const TAKES_BYTES: bool = false;

    /// Returns the numbers of images, `[n, channels, height, width]`, on the device, bit-identical to
    /// [`ByteImages::numbers`] in `f32`.
    ///
    /// # Panics
    /// As [`ByteImages::check`].
    fn images_of_bytes<R: Real>(&self, images: &ByteImages) -> Self::Buffer<R> {
        self.upload(images.numbers().into_iter().map(|x| R::of(x.into())).collect())
    }

    /// A buffer of zeros.
    fn zeros<R: Real>(&self, len: usize) -> Self::Buffer<R>;

    /// A buffer with any contents.
    fn alloc_uninit<R: Real>(&self, len: usize) -> Self::Buffer<R>;

    /// The numbers in host memory, without a copy if they are there already.
    fn host<'a, R: Real>(&self, x: &'a Self::Buffer<R>) -> Cow<'a, [R]> {
        Cow::Owned(self.download(x))
    }

    /// Parts of buffers, one after the other in a new one.
    fn concat<R: Real>(&self, parts: &[Part<Self::Buffer<R>>]) -> Self::Buffer<R>;

    /// A part of a buffer as a buffer, which may share its memory, see [`Vector::share`].
    fn share_part<R: Real>(&self, part: Part<Self::Buffer<R>>) -> Self::Buffer<R> {
        self.concat(&[part])
    }

    /// Overwrites a part.
    fn copy<R: Real>(&self, to: PartMut<Self::Buffer<R>>, from: Part<Self::Buffer<R>>);

    /// `y = x * w + bias`.
    fn conv<R: Real>(
        &self,
        shape: &ConvShape,
        x: &Self::Buffer<R>,
        w: Part<Self::Buffer<R>>,
        bias: Option<Part<Self::Buffer<R>>>,
        y: &mut Self::Buffer<R>,
    );

    /// `x_bar += (dy/dx)^T y_bar`.
    fn conv_vjp_input<R: Real>(
        &self,
        shape: &ConvShape,
        w: Part<Self::Buffer<R>>,
        y_bar: &Self::Buffer<R>,
        x_bar: &mut Self::Buffer<R>,
    );

    /// `x_bar = (dy/dx)^T y_bar`. Overwrites `x_bar`; the result is bit-identical to that of
    /// [`Device::conv_vjp_input`] for an `x_bar` of zeros.
    fn conv_vjp_input_over<R: Real>(
        &self,
        shape: &ConvShape,
        w: Part<Self::Buffer<R>>,
        y_bar: &Self::Buffer<R>,
        x_bar: &mut Self::Buffer<R>,
    ) {
        x_bar.set_zero();
        self.conv_vjp_input(shape, w, y_bar, x_bar);
    }

    /// Adds to the cotangents of the weights and, where `bias` is set, of the biases behind them.
    fn conv_vjp_weights<R: Real>(
        &self,
        shape: &ConvShape,
        x: &Self::Buffer<R>,
        y_bar: &Self::Buffer<R>,
        bar: PartMut<Self::Buffer<R>>,
        bias: bool,
    );

    /// `y = x w^T + bias`; the biases stand behind the weights `[outputs, inputs]`.
    fn linear<R: Real>(
        &self,
        inputs: usize,
        outputs: usize,
        x: &Self::Buffer<R>,
        parameters: Part<Self::Buffer<R>>,
        y: &mut Self::Buffer<R>,
    );

    /// The vjp of [`Device::linear`]: adds to `x_bar` and to `bar`.
    fn linear_vjp<R: Real>(
        &self,
        sizes: (usize, usize),
        x: &Self::Buffer<R>,
        parameters: Part<Self::Buffer<R>>,
        y_bar: &Self::Buffer<R>,
        x_bar: &mut Self::Buffer<R>,
        bar: PartMut<Self::Buffer<R>>,
    );

    /// `y = W x`, W of `[y, x]` row by row.
    fn dense<R: Real>(&self, w: &Self::Buffer<R>, x: &Self::Buffer<R>, y: &mut Self::Buffer<R>);

    /// The vjp of [`Device::dense`]: adds to `x_bar` and to `w_bar`.
    fn dense_vjp<R: Real>(
        &self,
        w: &Self::Buffer<R>,
        x: &Self::Buffer<R>,
        y_bar: &Self::Buffer<R>,
        x_bar: &mut Self::Buffer<R>,
        w_bar: &mut Self::Buffer<R>,
    );

    /// `y = a activation(y)`.
    fn activate<R: Real>(&self, activation: Activation, a: f64, y: &mut Self::Buffer<R>);

    /// The vjp of [`Device::activate`] at the input `x`, in place of the cotangent: `bar = a activation'(x) bar`.
    fn activate_vjp<R: Real>(&self, activation: Activation, a: f64, x: &Self::Buffer<R>, bar: &mut Self::Buffer<R>);

    /// The moments of each channel of `[n, channels, pixels]`; `sizes` are the last two. `sums` are those that
    /// [`Device::norm_conv`] returned with `x`, or empty. The running moments, means then variances, move towards these
    /// by PyTorch's rule where they are given with a momentum.
    fn moments<R: Real>(
        &self,
        x: &Self::Buffer<R>,
        sums: &[f64],
        sizes: [usize; 2],
        running: Option<(PartMut<Self::Buffer<f64>>, f64)>,
    ) -> Self::Moments;

    /// Running means, then variances, as moments.
    fn given_moments(&self, running: Part<Self::Buffer<f64>>) -> Self::Moments;

    /// Batch norm with its weights, then biases; then ReLU where asked for.
    fn norm<R: Real>(&self, norm: DeviceNorm<Self, R>, x: &Self::Buffer<R>, y: &mut Self::Buffer<R>);

    /// Overwrites `x` with its batch norm, bit-identical to [`Device::norm`].
    fn norm_in_place<R: Real>(&self, norm: DeviceNorm<Self, R>, x: &mut Self::Buffer<R>);

    /// The vjp of [`Device::norm`], where the moments are those of `x`: overwrites `x_bar`, adds to `bar`.
    fn norm_vjp<R: Real>(
        &self,
        norm: DeviceNorm<Self, R>,
        x: &Self::Buffer<R>,
        y_bar: &Self::Buffer<R>,
        x_bar: &mut Self::Buffer<R>,
        bar: PartMut<Self::Buffer<R>>,
    );

    /// Returns the batch norm of `x`, see [`Device::norm`]. Computed in place if `x` is owned.
    fn normed<R: Real>(&self, norm: DeviceNorm<Self, R>, x: Cow<Self::Buffer<R>>) -> Self::Buffer<R> {
        match x {
            Cow::Owned(mut x) => {
                self.norm_in_place(norm, &mut x);
                x
            }
            Cow::Borrowed(x) => {
                let mut y = self.alloc_uninit(x.len());
                self.norm(norm, x, &mut y);
                y
            }
        }
    }

    /// `z += a norm(x)`, and whether every number of `z` is finite then, see [`Vector::axpy_is_finite`].
    fn add_norm<R: Real>(&self, norm: DeviceNorm<Self, R>, a: R, x: Self::Buffer<R>, z: &mut Self::Buffer<R>) -> bool {
        z.axpy_is_finite(a, &self.normed(norm, Cow::Owned(x)))
    }

    /// `z + a norm(x)`, and whether every number of it is finite: the bits of [`Device::add_norm`].
    fn sum_with_norm<R: Real>(
        &self,
        norm: DeviceNorm<Self, R>,
        a: R,
        x: &Self::Buffer<R>,
        z: &Self::Buffer<R>,
    ) -> (Self::Buffer<R>, bool) {
        let y = self.normed(norm, Cow::Borrowed(x));
        let mut sum = z.duplicate();
        let finite = sum.axpy_is_finite(a, &y);
        (sum, finite)
    }

    /// As [`Device::norm_vjp`], for a cotangent that is read once: what it leaves undone is done there. `sums` are
    /// those that [`Device::norm_conv_vjp`] returned with `y_bar`, or empty. May compute in the memory of `x` and
    /// `y_bar` if they are owned.
    fn norm_vjp_deferred<'a, R: Real>(
        &self,
        norm: DeviceNorm<Self, R>,
        x: Cow<'a, Self::Buffer<R>>,
        y_bar: Cow<'a, Self::Buffer<R>>,
        _sums: &[(f64, f64)],
        bar: PartMut<Self::Buffer<R>>,
    ) -> Cotangent<'a, Self, R> {
        let mut x_bar = self.alloc_uninit(x.len());
        self.norm_vjp(norm, &x, &y_bar, &mut x_bar, bar);
        Cotangent { numbers: Cow::Owned(x_bar), norm: None }
    }

    /// The numbers of a cotangent, with what [`Device::norm_vjp_deferred`] left undone.
    fn written<'a, R: Real>(&self, cotangent: Cotangent<'a, Self, R>) -> Cow<'a, Self::Buffer<R>> {
        cotangent.numbers
    }

    /// [`Device::conv`] of the images. Also returns the sum of each channel of each output image, `[n, channels]`, or
    /// nothing where they are not wanted or would cost a pass over memory.
    fn norm_conv<R: Real>(
        &self,
        shape: &ConvShape,
        images: DeviceImages<Self, R>,
        w: Part<Self::Buffer<R>>,
        bias: Option<Part<Self::Buffer<R>>>,
        _wants_sums: bool,
    ) -> (Self::Buffer<R>, Vec<f64>) {
        let x = images.written(self);
        let mut y = self.alloc_uninit(shape.outputs(x.len()));
        self.conv(shape, &x, w, bias, &mut y);
        (y, vec![])
    }

    /// The vjp of [`Device::norm_conv`]: adds to the cotangents of the weights and, where `bar` has more numbers, of
    /// the biases behind them. Returns the cotangent of the images behind their norm, where it is wanted, with the sums
    /// that [`Device::norm_vjp_deferred`] takes.
    fn norm_conv_vjp<R: Real>(
        &self,
        shape: &ConvShape,
        images: DeviceImages<Self, R>,
        w: Part<Self::Buffer<R>>,
        cotangent: Cotangent<Self, R>,
        bar: PartMut<Self::Buffer<R>>,
        wants_images: bool,
    ) -> (Option<Self::Buffer<R>>, Sums) {
        let (x, y_bar, bias) = (images.written(self), self.written(cotangent), bar.len() > shape.weight_len());
        self.conv_vjp_weights(shape, &x, &y_bar, bar, bias);
        let len = x.len();
        drop(x);
        let images_bar = wants_images.then(|| {
            let mut x_bar = self.alloc_uninit(len);
            self.conv_vjp_input_over(shape, w, &y_bar, &mut x_bar);
            x_bar
        });
        (images_bar, vec![])
    }

    /// Writes the mean of each window of `x`, `[n, channels, height, width]`, to `y`.
    fn average_pool<R: Real>(&self, shape: &PoolShape, x: &Self::Buffer<R>, y: &mut Self::Buffer<R>);

    /// The vjp of [`Device::average_pool`]: adds to `x_bar`.
    fn average_pool_vjp<R: Real>(&self, shape: &PoolShape, y_bar: &Self::Buffer<R>, x_bar: &mut Self::Buffer<R>);

    /// Writes the maximum of each window of `x`, `[n, channels, height, width]`, to `y`.
    fn max_pool<R: Real>(&self, shape: &PoolShape, x: &Self::Buffer<R>, y: &mut Self::Buffer<R>);

    /// The vjp of [`Device::max_pool`] at the input `x`: adds to `x_bar`, see [`max_pool_vjp`](super::max_pool_vjp).
    fn max_pool_vjp<R: Real>(
        &self,
        shape: &PoolShape,
        x: &Self::Buffer<R>,
        y_bar: &Self::Buffer<R>,
        x_bar: &mut Self::Buffer<R>,
    );

    /// `y = max(0, x)`; NaN stays NaN.
    fn relu<R: Real>(&self, x: &Self::Buffer<R>, y: &mut Self::Buffer<R>);

    /// The vjp of [`Device::relu`] at the input `x`. Returns the cotangent of `x`, in the memory of `y_bar` if that is
    /// owned.
    fn relu_vjp_of<R: Real>(&self, x: &Self::Buffer<R>, y_bar: Cow<Self::Buffer<R>>) -> Self::Buffer<R>;

    /// `y = max(0, y + x)`; NaN stays NaN.
    fn add_relu<R: Real>(&self, y: &mut Self::Buffer<R>, x: &Self::Buffer<R>);

    /// Returns for each number of `y` whether it is above zero.
    fn mask<R: Real>(&self, y: &Self::Buffer<R>) -> Self::Mask<R>;

    /// Returns `bar` with the numbers set to zero at which `mask` is false.
    fn masked<R: Real>(&self, mask: &Self::Mask<R>, bar: Self::Buffer<R>) -> Self::Buffer<R>;

    /// One step of gradient descent in place, see [`Descent`].
    fn descend<R: Real>(
        &self,
        descent: Descent,
        theta: &mut Self::Buffer<R>,
        velocity: &mut Self::Buffer<R>,
        gradient: &Self::Buffer<R>,
    );

    /// Bytes of a mask.
    fn mask_bytes<R: Real>(mask: &Self::Mask<R>) -> usize;
}

/// A batch norm with its moments and parameters.
pub struct DeviceNorm<'a, D: Device, R: Real> {
    /// Numbers of a channel of an image.
    pub pixels: usize,
    /// Whether ReLU follows.
    pub relu: bool,
    /// Mean and variance of each channel.
    pub moments: &'a D::Moments,
    /// Weights, then biases.
    pub parameters: Part<'a, D::Buffer<R>>,
}

impl<D: Device, R: Real> Clone for DeviceNorm<'_, D, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: Device, R: Real> Copy for DeviceNorm<'_, D, R> {}

/// A batch of images as a convolution reads it.
pub struct DeviceImages<'a, D: Device, R: Real> {
    /// Numbers in memory.
    pub numbers: &'a D::Buffer<R>,
    /// If set, the images are the batch norm of `numbers`, which need not be computed in a separate pass.
    pub norm: Option<DeviceNorm<'a, D, R>>,
}

impl<'a, D: Device, R: Real> DeviceImages<'a, D, R> {
    /// Returns the images as numbers: computes the batch norm if there is one.
    fn written(self, device: &D) -> Cow<'a, D::Buffer<R>> {
        let Some(norm) = self.norm else { return Cow::Borrowed(self.numbers) };
        Cow::Owned(device.normed(norm, Cow::Borrowed(self.numbers)))
    }
}

/// The cotangent of a layer's output.
pub struct Cotangent<'a, D: Device, R: Real> {
    /// Numbers in memory.
    pub numbers: Cow<'a, D::Buffer<R>>,
    /// If set, the cotangent is this vjp of a batch norm applied to `numbers`, which is computed when it is read.
    pub norm: Option<D::NormVjp<'a, R>>,
}
