//! The CPU as a device: buffers are `Vec`s, and nothing happens behind the caller's back.

use std::borrow::Cow;

use rayon::prelude::*;

use anode_core::ode::{Real, zeros};

use super::{
    Activation, ComputeError, ConvBars, ConvShape, Cotangent, Descent, Device, DeviceImages, DeviceNorm, Images,
    Moments, Norm, NormVjp, Part, PartMut, PoolShape, average_pool, average_pool_vjp, conv, conv_vjp_input,
    conv_vjp_weights, dense, dense_vjp, descend, linear, linear_vjp, max_pool, max_pool_vjp, moments, norm_conv,
    norm_conv_vjp,
};

/// Numbers that a thread works on at a time.
const SHARE: usize = 1 << 15;

/// Panics unless both have one length.
fn fits<A, B>(a: &[A], b: &[B]) {
    assert_eq!(a.len(), b.len(), "vectors of different length");
}

/// The CPU, with the threads of rayon's pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu;

impl<'a, R: Real> DeviceNorm<'a, Cpu, R> {
    fn on_cpu(self) -> Norm<'a, R> {
        let (weight, bias) = self.parameters.slice().split_at(self.moments.mean.len());
        Norm { pixels: self.pixels, moments: self.moments, weight, bias, relu: self.relu }
    }
}

impl<'a, R: Real> DeviceImages<'a, Cpu, R> {
    fn on_cpu(self) -> Images<'a, R> {
        Images { numbers: self.numbers, norm: self.norm.map(DeviceNorm::on_cpu) }
    }
}

impl Device for Cpu {
    type Buffer<R: Real> = Vec<R>;
    type Moments = Moments;
    type Mask<R: Real> = Vec<bool>;
    type NormVjp<'a, R: Real> = NormVjp<'a, R>;
    type Graph = ();

    const NAME: &'static str = "cpu";

    fn synchronize(&self) -> Result<(), ComputeError> {
        Ok(())
    }

    fn upload<R: Real>(&self, x: Vec<R>) -> Vec<R> {
        x
    }

    fn download<R: Real>(&self, x: &Vec<R>) -> Vec<R> {
        x.clone()
    }

    fn zeros<R: Real>(&self, len: usize) -> Vec<R> {
        zeros(len)
    }

    fn alloc_uninit<R: Real>(&self, len: usize) -> Vec<R> {
        zeros(len)
    }

    fn host<'a, R: Real>(&self, x: &'a Vec<R>) -> Cow<'a, [R]> {
        Cow::Borrowed(x)
    }

    fn concat<R: Real>(&self, parts: &[Part<Vec<R>>]) -> Vec<R> {
        parts.iter().map(|part| part.slice()).collect::<Vec<_>>().concat()
    }

    fn copy<R: Real>(&self, mut to: PartMut<Vec<R>>, from: Part<Vec<R>>) {
        to.slice().copy_from_slice(from.slice());
    }

    fn conv<R: Real>(
        &self,
        shape: &ConvShape,
        x: &Vec<R>,
        w: Part<Vec<R>>,
        bias: Option<Part<Vec<R>>>,
        y: &mut Vec<R>,
    ) {
        conv(shape, x, w.slice(), bias.map(Part::slice), y);
    }

    fn conv_vjp_input<R: Real>(&self, shape: &ConvShape, w: Part<Vec<R>>, y_bar: &Vec<R>, x_bar: &mut Vec<R>) {
        conv_vjp_input(shape, w.slice(), y_bar, x_bar);
    }

    fn conv_vjp_weights<R: Real>(
        &self,
        shape: &ConvShape,
        x: &Vec<R>,
        y_bar: &Vec<R>,
        mut bar: PartMut<Vec<R>>,
        bias: bool,
    ) {
        let (w_bar, bias_bar) = bar.slice().split_at_mut(shape.weight_len());
        assert!(bias || bias_bar.is_empty(), "a cotangent that does not fit");
        conv_vjp_weights(shape, x, y_bar, w_bar, bias.then_some(bias_bar));
    }

    fn linear<R: Real>(&self, inputs: usize, outputs: usize, x: &Vec<R>, parameters: Part<Vec<R>>, y: &mut Vec<R>) {
        let (w, bias) = parameters.slice().split_at(inputs * outputs);
        linear(inputs, outputs, x, w, bias, y);
    }

    fn linear_vjp<R: Real>(
        &self,
        (inputs, outputs): (usize, usize),
        x: &Vec<R>,
        parameters: Part<Vec<R>>,
        y_bar: &Vec<R>,
        x_bar: &mut Vec<R>,
        mut bar: PartMut<Vec<R>>,
    ) {
        let cut = inputs * outputs;
        assert_eq!(parameters.len(), cut + outputs, "parameters that do not fit");
        let (w_bar, bias_bar) = bar.slice().split_at_mut(cut);
        linear_vjp(inputs, outputs, x, &parameters.slice()[..cut], y_bar, x_bar, w_bar, bias_bar);
    }

    fn dense<R: Real>(&self, w: &Vec<R>, x: &Vec<R>, y: &mut Vec<R>) {
        dense(w, x, y);
    }

    fn dense_vjp<R: Real>(&self, w: &Vec<R>, x: &Vec<R>, y_bar: &Vec<R>, x_bar: &mut Vec<R>, w_bar: &mut Vec<R>) {
        dense_vjp(w, x, y_bar, x_bar, w_bar);
    }

    fn activate<R: Real>(&self, activation: Activation, a: f64, y: &mut Vec<R>) {
        y.iter_mut().for_each(|y| *y = R::of(a) * activation.apply(*y));
    }

    fn activate_vjp<R: Real>(&self, activation: Activation, a: f64, x: &Vec<R>, bar: &mut Vec<R>) {
        fits(bar, x);
        bar.iter_mut().zip(x).for_each(|(bar, &x)| *bar = R::of(a) * activation.slope(x) * *bar);
    }

    fn descend<R: Real>(&self, descent: Descent, theta: &mut Vec<R>, velocity: &mut Vec<R>, gradient: &Vec<R>) {
        descend(descent, theta, velocity, gradient);
    }

    fn moments<R: Real>(
        &self,
        x: &Vec<R>,
        sums: &[f64],
        [channels, pixels]: [usize; 2],
        running: Option<(PartMut<Vec<f64>>, f64)>,
    ) -> Moments {
        let moments = moments(x, channels, pixels, sums);
        if let Some((mut running, momentum)) = running {
            moments.move_running(running.slice(), momentum);
        }
        moments
    }

    fn given_moments(&self, running: Part<Vec<f64>>) -> Moments {
        let (mean, variance) = running.slice().split_at(running.len() / 2);
        Moments { mean: mean.to_vec(), variance: variance.to_vec(), count: 0 }
    }

    fn norm<R: Real>(&self, norm: DeviceNorm<Self, R>, x: &Vec<R>, y: &mut Vec<R>) {
        norm.on_cpu().apply(x, y);
    }

    fn norm_in_place<R: Real>(&self, norm: DeviceNorm<Self, R>, x: &mut Vec<R>) {
        norm.on_cpu().apply_in_place(x);
    }

    fn norm_vjp<R: Real>(
        &self,
        norm: DeviceNorm<Self, R>,
        x: &Vec<R>,
        y_bar: &Vec<R>,
        x_bar: &mut Vec<R>,
        mut bar: PartMut<Vec<R>>,
    ) {
        let (weight_bar, bias_bar) = bar.slice().split_at_mut(norm.moments.mean.len());
        norm.on_cpu().vjp(x, y_bar, &[], weight_bar, bias_bar).apply(y_bar, x_bar);
    }

    fn normed<R: Real>(&self, norm: DeviceNorm<Self, R>, x: Cow<Vec<R>>) -> Vec<R> {
        match x {
            Cow::Owned(mut x) => {
                norm.on_cpu().apply_in_place(&mut x);
                x
            }
            Cow::Borrowed(x) => norm.on_cpu().applied(x),
        }
    }

    fn add_norm<R: Real>(&self, norm: DeviceNorm<Self, R>, a: R, x: Vec<R>, z: &mut Vec<R>) -> bool {
        norm.on_cpu().add_to(a, &x, z)
    }

    fn sum_with_norm<R: Real>(&self, norm: DeviceNorm<Self, R>, a: R, x: &Vec<R>, z: &Vec<R>) -> (Vec<R>, bool) {
        norm.on_cpu().added(a, x, z)
    }

    fn norm_vjp_deferred<'a, R: Real>(
        &self,
        norm: DeviceNorm<Self, R>,
        x: Cow<'a, Vec<R>>,
        y_bar: Cow<'a, Vec<R>>,
        sums: &[(f64, f64)],
        mut bar: PartMut<Vec<R>>,
    ) -> Cotangent<'a, Self, R> {
        let (weight_bar, bias_bar) = bar.slice().split_at_mut(norm.moments.mean.len());
        let x = match x {
            Cow::Borrowed(x) => Cow::from(x),
            Cow::Owned(x) => Cow::from(x),
        };
        let vjp = norm.on_cpu().vjp(x, &y_bar, sums, weight_bar, bias_bar);
        Cotangent { numbers: y_bar, norm: Some(vjp) }
    }

    fn written<'a, R: Real>(&self, cotangent: Cotangent<'a, Self, R>) -> Cow<'a, Vec<R>> {
        cotangent.written()
    }

    fn norm_conv<R: Real>(
        &self,
        shape: &ConvShape,
        images: DeviceImages<Self, R>,
        w: Part<Vec<R>>,
        bias: Option<Part<Vec<R>>>,
        wants_sums: bool,
    ) -> (Vec<R>, Vec<f64>) {
        norm_conv(shape, images.on_cpu(), w.slice(), bias.map(Part::slice), wants_sums)
    }

    fn norm_conv_vjp<R: Real>(
        &self,
        shape: &ConvShape,
        images: DeviceImages<Self, R>,
        w: Part<Vec<R>>,
        cotangent: Cotangent<Self, R>,
        mut bar: PartMut<Vec<R>>,
        wants_images: bool,
    ) -> (Option<Vec<R>>, Vec<(f64, f64)>) {
        let (weights, bias) = bar.slice().split_at_mut(shape.weight_len());
        let bias = if bias.is_empty() { None } else { Some(bias) };
        norm_conv_vjp(shape, images.on_cpu(), w.slice(), cotangent, ConvBars { weights, bias }, wants_images)
    }

    fn average_pool<R: Real>(&self, shape: &PoolShape, x: &Vec<R>, y: &mut Vec<R>) {
        average_pool(shape, x, y);
    }

    fn average_pool_vjp<R: Real>(&self, shape: &PoolShape, y_bar: &Vec<R>, x_bar: &mut Vec<R>) {
        average_pool_vjp(shape, y_bar, x_bar);
    }

    fn max_pool<R: Real>(&self, shape: &PoolShape, x: &Vec<R>, y: &mut Vec<R>) {
        max_pool(shape, x, y);
    }

    fn max_pool_vjp<R: Real>(&self, shape: &PoolShape, x: &Vec<R>, y_bar: &Vec<R>, x_bar: &mut Vec<R>) {
        max_pool_vjp(shape, x, y_bar, x_bar);
    }

    fn relu<R: Real>(&self, x: &Vec<R>, y: &mut Vec<R>) {
        fits(y, x);
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = if x <= R::zero() { R::zero() } else { x });
    }

    fn relu_vjp_of<R: Real>(&self, x: &Vec<R>, y_bar: Cow<Vec<R>>) -> Vec<R> {
        let mut bar = y_bar.into_owned();
        fits(&bar, x);
        bar.iter_mut().zip(x).for_each(|(bar, &x)| *bar = if x > R::zero() { *bar } else { R::zero() });
        bar
    }

    fn add_relu<R: Real>(&self, y: &mut Vec<R>, x: &Vec<R>) {
        fits(y, x);
        y.par_chunks_mut(SHARE).zip(x.par_chunks(SHARE)).for_each(|(y, x)| {
            for (y, &x) in y.iter_mut().zip(x) {
                let sum = *y + x;
                *y = if sum <= R::zero() { R::zero() } else { sum };
            }
        });
    }

    fn mask<R: Real>(&self, y: &Vec<R>) -> Vec<bool> {
        let mut mask = vec![false; y.len()];
        mask.par_chunks_mut(SHARE).zip(y.par_chunks(SHARE)).for_each(|(mask, y)| {
            mask.iter_mut().zip(y).for_each(|(mask, &y)| *mask = y > R::zero());
        });
        mask
    }

    fn masked<R: Real>(&self, mask: &Vec<bool>, mut bar: Vec<R>) -> Vec<R> {
        fits(&bar, mask);
        bar.par_chunks_mut(SHARE).zip(mask.par_chunks(SHARE)).for_each(|(bar, mask)| {
            bar.iter_mut().zip(mask).for_each(|(bar, &live)| *bar = if live { *bar } else { R::zero() });
        });
        bar
    }

    fn mask_bytes<R: Real>(mask: &Vec<bool>) -> usize {
        mask.len()
    }
}
