//! Where buffers live and kernels run. Networks and training are written for any device; the code above the kernels is
//! the same.

use anode_core::ode::{Real, SolveError, Vector};

use super::{Activation, ConvShape, Descent, Part, PartMut, PoolShape};

/// A device: its buffers, and the kernels on them. Images are `[n, channel, row, column]`; lengths that do not fit are
/// a bug of the caller and panic. Cotangents of parameters are added to; those of inputs are as each kernel says.
///
/// A device may work behind its caller's back. What goes wrong there is told by [`Device::settle`]; until then it reads
/// zeros.
pub trait Device: Clone + Send + Sync + 'static {
    /// Numbers in the device's memory.
    type Buffer<R: Real>: Vector<Real = R> + Clone + std::fmt::Debug + Send + Sync + 'static;
    /// Mean and variance of each channel.
    type Moments: Send;
    /// Where numbers are above zero.
    type Mask<R: Real>: Send;

    /// Its kind: `cpu` or `cuda`.
    const NAME: &'static str;

    /// The bytes by which the most that was in use at once rose above what is in use now, while `work` ran; `None`
    /// where the device does not count.
    fn rise<T>(&self, work: impl FnOnce() -> T) -> (T, Option<usize>) {
        (work(), None)
    }

    /// Waits for all work.
    ///
    /// # Errors
    /// A device that failed, or a vector that left the finite numbers unseen since the last call.
    fn settle(&self) -> Result<(), SolveError>;

    /// Takes numbers from host memory.
    fn upload<R: Real>(&self, x: Vec<R>) -> Self::Buffer<R>;

    /// Brings numbers to host memory.
    fn download<R: Real>(&self, x: &Self::Buffer<R>) -> Vec<R>;

    /// A buffer of zeros.
    fn zeros<R: Real>(&self, len: usize) -> Self::Buffer<R>;

    /// A buffer with any contents.
    fn room<R: Real>(&self, len: usize) -> Self::Buffer<R>;

    /// Parts of buffers, one after the other in a new one.
    fn join<R: Real>(&self, parts: &[Part<Self::Buffer<R>>]) -> Self::Buffer<R>;

    /// Overwrites a part.
    fn put<R: Real>(&self, to: PartMut<Self::Buffer<R>>, from: Part<Self::Buffer<R>>);

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

    /// Its vjp at `x`, in the place of the cotangent: `bar = a activation'(x) bar`.
    fn activate_vjp<R: Real>(&self, activation: Activation, a: f64, x: &Self::Buffer<R>, bar: &mut Self::Buffer<R>);

    /// The moments of each channel of `[n, channels, pixels]`. The running ones, means then variances, move towards
    /// them by PyTorch's rule where they are given with a momentum.
    fn moments<R: Real>(
        &self,
        x: &Self::Buffer<R>,
        channels: usize,
        pixels: usize,
        running: Option<(PartMut<Self::Buffer<f64>>, f64)>,
    ) -> Self::Moments;

    /// Running means, then variances, as moments.
    fn given_moments(&self, running: Part<Self::Buffer<f64>>) -> Self::Moments;

    /// Batch norm with its weights, then biases; then ReLU where asked for.
    fn norm<R: Real>(&self, norm: DeviceNorm<Self, R>, x: &Self::Buffer<R>, y: &mut Self::Buffer<R>);

    /// As [`Device::norm`] in the place of its input, same bits.
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

    /// Means of windows.
    fn average_pool<R: Real>(&self, shape: &PoolShape, x: &Self::Buffer<R>, y: &mut Self::Buffer<R>);

    /// Its vjp: adds to `x_bar`.
    fn average_pool_vjp<R: Real>(&self, shape: &PoolShape, y_bar: &Self::Buffer<R>, x_bar: &mut Self::Buffer<R>);

    /// Maxima of windows.
    fn max_pool<R: Real>(&self, shape: &PoolShape, x: &Self::Buffer<R>, y: &mut Self::Buffer<R>);

    /// Its vjp: adds to `x_bar`.
    fn max_pool_vjp<R: Real>(
        &self,
        shape: &PoolShape,
        x: &Self::Buffer<R>,
        y_bar: &Self::Buffer<R>,
        x_bar: &mut Self::Buffer<R>,
    );

    /// `y = max(0, x)`; NaN stays NaN.
    fn relu<R: Real>(&self, x: &Self::Buffer<R>, y: &mut Self::Buffer<R>);

    /// Its vjp: overwrites `x_bar`.
    fn relu_vjp<R: Real>(&self, x: &Self::Buffer<R>, y_bar: &Self::Buffer<R>, x_bar: &mut Self::Buffer<R>);

    /// `y = max(0, y + x)`; NaN stays NaN.
    fn add_relu<R: Real>(&self, y: &mut Self::Buffer<R>, x: &Self::Buffer<R>);

    /// Where `y` is above zero.
    fn mask<R: Real>(&self, y: &Self::Buffer<R>) -> Self::Mask<R>;

    /// `bar` there, zero elsewhere.
    fn masked<R: Real>(&self, mask: &Self::Mask<R>, bar: &Self::Buffer<R>) -> Self::Buffer<R>;

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
