//! A GPU as a device.

use std::borrow::Cow;
use std::convert::Infallible;

use anode_core::ode::{Real, Vector};
use anode_kernels::{
    Activation, ByteImages, ComputeError, ConvShape, Cotangent, Descent, Device, DeviceFailure, DeviceNorm, Part,
    PartMut, PoolShape,
};

use super::activation::activate;
use super::buffer::Buffer;
use super::bytes::images_of_bytes;
use super::capture::Graph;
use super::conv::{conv, conv_vjp_input, conv_vjp_input_over, conv_vjp_weights, linear_shape};
use super::dense::{dense, dense_vjp};
use super::descent::descend;
use super::driver::{DeviceError, Driver};
use super::gpu::Gpu;
use super::norm::{GpuMoments, GpuNorm, given, moments};
use super::pool::Pooling;

impl<L: Driver> Device for Gpu<L> {
    type Buffer<R: Real> = Buffer<R, L>;
    type Moments = GpuMoments<L>;
    type Mask<R: Real> = Buffer<R, L>;
    type NormVjp<'a, R: Real> = Infallible;
    type Graph = Graph<L>;

    const NAME: &'static str = "cuda";
    const TAKES_BYTES: bool = true;
    const CAPTURES: bool = true;

    fn measure_peak<T>(&self, work: impl FnOnce() -> T) -> (T, Option<usize>) {
        self.restart_peak();
        let before = self.held().live;
        let made = work();
        (made, Some(self.held().peak - before))
    }

    fn synchronize(&self) -> Result<(), ComputeError> {
        Gpu::synchronize(self)
    }

    /// cuDNN's work is not captured.
    fn capture<T>(&self, graph: &mut Graph<L>, work: impl FnOnce() -> T) -> Result<T, ComputeError> {
        if self.cudnn().is_some() {
            return Err(DeviceFailure::from(DeviceError::NotCaptured("the work of cuDNN")).into());
        }
        graph.add(self, work).map_err(|error| DeviceFailure::from(error).into())
    }

    unsafe fn replay(&self, graph: &Graph<L>, part: usize) {
        let part = graph.part(part);
        // SAFETY: the caller's promise, and the graph's blocks are reserved until it is dropped.
        unsafe { self.replay_part(part) };
    }

    fn upload<R: Real>(&self, x: Vec<R>) -> Buffer<R, L> {
        Buffer::upload(self, &x)
    }

    fn download<R: Real>(&self, x: &Buffer<R, L>) -> Vec<R> {
        x.download()
    }

    fn images_of_bytes<R: Real>(&self, images: &ByteImages) -> Buffer<R, L> {
        images_of_bytes(self, images)
    }

    fn zeros<R: Real>(&self, len: usize) -> Buffer<R, L> {
        Buffer::zeros(self, len)
    }

    fn alloc_uninit<R: Real>(&self, len: usize) -> Buffer<R, L> {
        Gpu::alloc_uninit(self, len)
    }

    fn concat<R: Real>(&self, parts: &[Part<Buffer<R, L>>]) -> Buffer<R, L> {
        let mut joined = self.alloc_uninit(parts.iter().map(|part| part.len()).sum());
        let mut to = 0;
        for part in parts {
            let (whole, start) = part.place();
            joined.copy_part(to, whole, start, part.len());
            to += part.len();
        }
        joined
    }

    fn share_part<R: Real>(&self, part: Part<Buffer<R, L>>) -> Buffer<R, L> {
        let (whole, start) = part.place();
        whole.share_part(start, part.len()).unwrap_or_else(|| self.concat(&[part]))
    }

    fn copy<R: Real>(&self, mut to: PartMut<Buffer<R, L>>, from: Part<Buffer<R, L>>) {
        assert_eq!(to.len(), from.len(), "copy of a part of different length");
        let (source, start) = from.place();
        let (target, place) = to.place();
        target.copy_part(place, source, start, from.len());
    }

    fn conv<R: Real>(
        &self,
        shape: &ConvShape,
        x: &Buffer<R, L>,
        w: Part<Buffer<R, L>>,
        bias: Option<Part<Buffer<R, L>>>,
        y: &mut Buffer<R, L>,
    ) {
        conv(shape, x, w, bias, y);
    }

    fn conv_vjp_input<R: Real>(
        &self,
        shape: &ConvShape,
        w: Part<Buffer<R, L>>,
        y_bar: &Buffer<R, L>,
        x_bar: &mut Buffer<R, L>,
    ) {
        conv_vjp_input(shape, w, y_bar, x_bar);
    }

    fn conv_vjp_input_over<R: Real>(
        &self,
        shape: &ConvShape,
        w: Part<Buffer<R, L>>,
        y_bar: &Buffer<R, L>,
        x_bar: &mut Buffer<R, L>,
    ) {
        conv_vjp_input_over(shape, w, y_bar, x_bar);
    }

    fn conv_vjp_weights<R: Real>(
        &self,
        shape: &ConvShape,
        x: &Buffer<R, L>,
        y_bar: &Buffer<R, L>,
        bar: PartMut<Buffer<R, L>>,
        bias: bool,
    ) {
        conv_vjp_weights(shape, x, y_bar, bar, bias);
    }

    fn linear<R: Real>(
        &self,
        inputs: usize,
        outputs: usize,
        x: &Buffer<R, L>,
        parameters: Part<Buffer<R, L>>,
        y: &mut Buffer<R, L>,
    ) {
        let (w, bias) = parameters.split(inputs * outputs);
        conv(&linear_shape(inputs, outputs), x, w, Some(bias), y);
    }

    fn linear_vjp<R: Real>(
        &self,
        (inputs, outputs): (usize, usize),
        x: &Buffer<R, L>,
        parameters: Part<Buffer<R, L>>,
        y_bar: &Buffer<R, L>,
        x_bar: &mut Buffer<R, L>,
        bar: PartMut<Buffer<R, L>>,
    ) {
        let shape = linear_shape(inputs, outputs);
        conv_vjp_weights(&shape, x, y_bar, bar, true);
        conv_vjp_input(&shape, parameters.split(inputs * outputs).0, y_bar, x_bar);
    }

    fn dense<R: Real>(&self, w: &Buffer<R, L>, x: &Buffer<R, L>, y: &mut Buffer<R, L>) {
        dense(w, x, y);
    }

    fn dense_vjp<R: Real>(
        &self,
        w: &Buffer<R, L>,
        x: &Buffer<R, L>,
        y_bar: &Buffer<R, L>,
        x_bar: &mut Buffer<R, L>,
        w_bar: &mut Buffer<R, L>,
    ) {
        dense_vjp(w, x, y_bar, x_bar, w_bar);
    }

    fn activate<R: Real>(&self, activation: Activation, a: f64, y: &mut Buffer<R, L>) {
        activate(activation, a, None, y);
    }

    fn activate_vjp<R: Real>(&self, activation: Activation, a: f64, x: &Buffer<R, L>, bar: &mut Buffer<R, L>) {
        activate(activation, a, Some(x), bar);
    }

    fn descend<R: Real>(
        &self,
        descent: Descent,
        theta: &mut Buffer<R, L>,
        velocity: &mut Buffer<R, L>,
        gradient: &Buffer<R, L>,
    ) {
        descend(descent, theta, velocity, gradient);
    }

    fn moments<R: Real>(
        &self,
        x: &Buffer<R, L>,
        _: &[f64],
        [channels, pixels]: [usize; 2],
        running: Option<(PartMut<Buffer<f64, L>>, f64)>,
    ) -> GpuMoments<L> {
        moments(x, channels, pixels, running)
    }

    fn given_moments(&self, running: Part<Buffer<f64, L>>) -> GpuMoments<L> {
        given(running)
    }

    fn norm<R: Real>(&self, norm: DeviceNorm<Self, R>, x: &Buffer<R, L>, y: &mut Buffer<R, L>) {
        GpuNorm(norm).apply(x, y);
    }

    fn norm_in_place<R: Real>(&self, norm: DeviceNorm<Self, R>, x: &mut Buffer<R, L>) {
        GpuNorm(norm).apply_in_place(x);
    }

    fn norm_vjp<R: Real>(
        &self,
        norm: DeviceNorm<Self, R>,
        x: &Buffer<R, L>,
        y_bar: &Buffer<R, L>,
        x_bar: &mut Buffer<R, L>,
        bar: PartMut<Buffer<R, L>>,
    ) {
        GpuNorm(norm).vjp(x, y_bar, x_bar, bar);
    }

    fn norm_vjp_deferred<'a, R: Real>(
        &self,
        norm: DeviceNorm<Self, R>,
        x: Cow<'a, Buffer<R, L>>,
        y_bar: Cow<'a, Buffer<R, L>>,
        _: &[(f64, f64)],
        bar: PartMut<Buffer<R, L>>,
    ) -> Cotangent<'a, Self, R> {
        Cotangent { numbers: Cow::Owned(GpuNorm(norm).vjp_in_place(x, y_bar, bar)), norm: None }
    }

    /// Always `true`, as [`Vector::axpy_is_finite`] of a buffer.
    fn add_norm<R: Real>(&self, norm: DeviceNorm<Self, R>, a: R, mut x: Buffer<R, L>, z: &mut Buffer<R, L>) -> bool {
        GpuNorm(norm).add_in_place(a, &mut x, z);
        *z = x;
        true
    }

    /// Always `true`, as [`Vector::axpy_is_finite`] of a buffer.
    fn sum_with_norm<R: Real>(
        &self,
        norm: DeviceNorm<Self, R>,
        a: R,
        x: &Buffer<R, L>,
        z: &Buffer<R, L>,
    ) -> (Buffer<R, L>, bool) {
        let mut sum = self.alloc_uninit(z.len());
        GpuNorm(norm).add(a, x, z, &mut sum);
        (sum, true)
    }

    fn average_pool<R: Real>(&self, shape: &PoolShape, x: &Buffer<R, L>, y: &mut Buffer<R, L>) {
        Pooling { shape, x: Some(x), y_bar: None }.run("average_pool", Some(y), None);
    }

    fn average_pool_vjp<R: Real>(&self, shape: &PoolShape, y_bar: &Buffer<R, L>, x_bar: &mut Buffer<R, L>) {
        Pooling { shape, x: None, y_bar: Some(y_bar) }.run("average_pool_vjp", None, Some(x_bar));
    }

    fn max_pool<R: Real>(&self, shape: &PoolShape, x: &Buffer<R, L>, y: &mut Buffer<R, L>) {
        Pooling { shape, x: Some(x), y_bar: None }.run("max_pool", Some(y), None);
    }

    fn max_pool_vjp<R: Real>(
        &self,
        shape: &PoolShape,
        x: &Buffer<R, L>,
        y_bar: &Buffer<R, L>,
        x_bar: &mut Buffer<R, L>,
    ) {
        Pooling { shape, x: Some(x), y_bar: Some(y_bar) }.run("max_pool_vjp", None, Some(x_bar));
    }

    fn relu<R: Real>(&self, x: &Buffer<R, L>, y: &mut Buffer<R, L>) {
        y.relu(x);
    }

    fn relu_vjp_of<R: Real>(&self, x: &Buffer<R, L>, y_bar: Cow<Buffer<R, L>>) -> Buffer<R, L> {
        match y_bar {
            Cow::Owned(bar) => self.masked(x, bar),
            Cow::Borrowed(bar) => {
                let mut x_bar = self.alloc_uninit(bar.len());
                x_bar.mask(x, bar);
                x_bar
            }
        }
    }

    fn add_relu<R: Real>(&self, y: &mut Buffer<R, L>, x: &Buffer<R, L>) {
        y.add_relu(x);
    }

    fn mask<R: Real>(&self, y: &Buffer<R, L>) -> Buffer<R, L> {
        y.share()
    }

    fn masked<R: Real>(&self, mask: &Buffer<R, L>, mut bar: Buffer<R, L>) -> Buffer<R, L> {
        bar.mask_in_place(mask);
        bar
    }

    fn mask_bytes<R: Real>(mask: &Buffer<R, L>) -> usize {
        mask.bytes()
    }
}
