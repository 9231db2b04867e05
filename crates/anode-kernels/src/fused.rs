//! Convolutions fused with the batch norms around them. The norm before acts where the convolution reads its images,
//! the vjp of the norm behind acts where the convolution's own vjp reads its cotangent, and sums that norms need are
//! taken while an image is still in the cache: none of these costs a pass over memory. The bits are those of one layer
//! after the other.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::mem::MaybeUninit;

use anode_core::ode::Real;

use super::conv::{ConvShape, conv_vjp_input_over, conv_vjp_weights, singles, singles_mut, write_conv};
use super::cpu::Cpu;
use super::device::Cotangent;
use super::direct;
use super::direct_vjp::Plans;
use super::norm::{Norm, NormVjp};
use super::unwritten::made;

/// Convolutions with at least as many input channels are left to the kernels that stand alone, but for kernels of one
/// line.
const WIDE: usize = 64;

/// A batch of images as a convolution reads it.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a, R> {
    /// Numbers in memory.
    pub numbers: &'a [R],
    /// The batch norm of those numbers, where that is what is meant.
    pub norm: Option<Norm<'a, R>>,
}

/// Cotangents of the weights and the bias of a convolution, to which its vjp adds.
pub struct ConvBars<'a, R> {
    /// The weights' cotangent.
    pub weights: &'a mut [R],
    /// The bias's, where there is one.
    pub bias: Option<&'a mut [R]>,
}

impl<'a, R: Real> Images<'a, R> {
    /// Panics unless the norm, if there is one, is one of images of this shape.
    fn expect(&self, [channels, height, width]: [usize; 3]) {
        let fits = |norm: Norm<R>| norm.weight.len() == channels && norm.pixels == height * width;
        assert!(self.norm.is_none_or(fits), "a batch norm of other images");
    }

    fn written(&self) -> Cow<'a, [R]> {
        let Some(norm) = self.norm else { return Cow::Borrowed(self.numbers) };
        Cow::Owned(norm.applied(self.numbers))
    }

    fn singles(&self) -> Option<Images<'_, f32>> {
        let norm = match self.norm {
            None => None,
            Some(Norm { pixels, moments, weight, bias, relu }) => {
                Some(Norm { pixels, moments, weight: singles(weight)?, bias: singles(bias)?, relu })
            }
        };
        Some(Images { numbers: singles(self.numbers)?, norm })
    }
}

impl<'a, R: Real> Cotangent<'a, Cpu, R> {
    fn singles(&self) -> Option<Cotangent<'_, Cpu, f32>> {
        let norm = self.norm.as_ref().map(NormVjp::singles);
        (!matches!(norm, Some(None))).then_some(())?;
        let numbers: &dyn Any = &*self.numbers;
        Some(Cotangent { numbers: Cow::Borrowed(numbers.downcast_ref()?), norm: norm.flatten() })
    }

    /// The numbers that are meant.
    pub fn written(self) -> Cow<'a, Vec<R>> {
        match (self.norm, self.numbers) {
            (None, numbers) => numbers,
            (Some(norm), Cow::Owned(mut numbers)) => {
                norm.apply_in_place(&mut numbers);
                Cow::Owned(numbers)
            }
            (Some(norm), Cow::Borrowed(numbers)) => Cow::Owned(norm.applied(numbers)),
        }
    }
}

/// Whether the fused kernels take the convolution, where the layout of its images allows.
fn takes<R: Real>(shape: &ConvShape) -> bool {
    TypeId::of::<R>() == TypeId::of::<f32>() && (shape.input[0] < WIDE || shape.kernel.contains(&1))
}

/// The convolution of `images`, and the sum of each channel of each output image, `[n, channels]`, or nothing where
/// they are not wanted or would cost a pass over memory.
pub fn norm_conv<R: Real>(
    shape: &ConvShape,
    images: Images<R>,
    w: &[R],
    bias: Option<&[R]>,
    wants_sums: bool,
) -> (Vec<R>, Vec<f64>) {
    let output = shape.outputs(images.numbers.len());
    shape.expect([images.numbers.len(), output, w.len()], bias.map(<[R]>::len));
    images.expect(shape.input);
    // SAFETY: `write_norm_conv` writes every number.
    unsafe { made(output, |y| write_norm_conv(shape, images, w, bias, y, wants_sums)) }
}

/// Writes every number of `y` and returns the sums.
fn write_norm_conv<R: Real>(
    shape: &ConvShape,
    images: Images<R>,
    w: &[R],
    bias: Option<&[R]>,
    y: &mut [MaybeUninit<R>],
    wants_sums: bool,
) -> Vec<f64> {
    if takes::<R>(shape)
        && let (Some(images), Some(w), Some(y)) = (images.singles(), singles(w), singles_mut(y))
    {
        let lines = images.norm.map_or(vec![], |norm| norm.lines());
        let bias = bias.and_then(singles);
        if let Some(sums) = direct::forward_through(shape, (images.numbers, &lines), w, bias, y, wants_sums) {
            return sums;
        }
    }
    write_conv(shape, &images.written(), w, bias, y);
    vec![]
}

/// The vjp of [`norm_conv`]: adds to `bars`. Returns the cotangent of the images as they are read, behind their norm,
/// where it is wanted, and what [`Norm::vjp`] of that norm takes as its sums, or nothing where there is no norm, the
/// cotangent is not wanted, or they would cost a pass over memory.
pub fn norm_conv_vjp<R: Real>(
    shape: &ConvShape,
    images: Images<R>,
    w: &[R],
    cotangent: Cotangent<Cpu, R>,
    bars: ConvBars<R>,
    wants_images: bool,
) -> (Option<Vec<R>>, Vec<(f64, f64)>) {
    shape.expect([images.numbers.len(), cotangent.numbers.len(), w.len()], bars.bias.as_ref().map(|bias| bias.len()));
    assert_eq!(bars.weights.len(), w.len(), "weights that do not fit");
    images.expect(shape.input);
    if !wants_images {
        return (None, write_norm_conv_vjp(shape, images, w, cotangent, bars, None));
    }
    let write = |bar: &mut [MaybeUninit<R>]| write_norm_conv_vjp(shape, images, w, cotangent, bars, Some(bar));
    // SAFETY: `write_norm_conv_vjp` writes every number.
    let (bar, sums) = unsafe { made(images.numbers.len(), write) };
    (Some(bar), sums)
}

/// Writes every number of `images_bar` and returns the sums.
fn write_norm_conv_vjp<R: Real>(
    shape: &ConvShape,
    images: Images<R>,
    w: &[R],
    cotangent: Cotangent<Cpu, R>,
    mut bars: ConvBars<R>,
    mut images_bar: Option<&mut [MaybeUninit<R>]>,
) -> Vec<(f64, f64)> {
    if let Some(plans) = takes::<R>(shape).then(|| Plans::new(shape, images_bar.is_some())).flatten()
        && let (Some(images), Some(cotangent)) = (images.singles(), cotangent.singles())
        && let (Some(w), Some(weights)) = (singles(w), singles_mut(bars.weights))
    {
        let bias = bars.bias.as_deref_mut().and_then(singles_mut);
        let images_bar = images_bar.as_deref_mut().and_then(singles_mut);
        return plans.vjp(images, w, &cotangent, ConvBars { weights, bias }, images_bar);
    }
    let x = images.written();
    let y_bar = cotangent.written();
    conv_vjp_weights(shape, &x, &y_bar, bars.weights, bars.bias);
    drop(x);
    if let Some(x_bar) = images_bar {
        conv_vjp_input_over(shape, w, &y_bar, x_bar);
    }
    vec![]
}
