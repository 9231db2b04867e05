//! Convolutions fused with the batch norms around them. The norm before acts where the convolution reads its images,
//! the vjp of the norm behind acts where the convolution's own vjp reads its cotangent, and sums that norms need are
//! taken while an image is still in the cache: none of these costs a pass over memory. The bits are those of one layer
//! after the other.

use std::any::{Any, TypeId};
use std::borrow::Cow;

use anode_core::ode::{Real, unwritten};

use super::conv::{ConvShape, conv, conv_vjp_input_over, conv_vjp_weights, singles, singles_mut};
use super::cpu::Cpu;
use super::device::Cotangent;
use super::direct;
use super::direct_vjp::Plans;
use super::norm::{Norm, NormVjp};

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

/// What the vjp of a convolution adds to or writes.
pub struct ConvBars<'a, R> {
    /// Added to.
    pub weights: &'a mut [R],
    /// Added to, where there is a bias.
    pub bias: Option<&'a mut [R]>,
    /// Overwritten with the cotangent of the images as they are read, behind their norm; left out where nobody asks.
    pub images: Option<&'a mut [R]>,
}

impl<'a, R: Real> Images<'a, R> {
    fn written(&self) -> Cow<'a, [R]> {
        let Some(norm) = self.norm else { return Cow::Borrowed(self.numbers) };
        // SAFETY: the norm writes all of it.
        let mut y = unsafe { unwritten(self.numbers.len()) };
        norm.apply(self.numbers, &mut y);
        Cow::Owned(y)
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
            (Some(norm), Cow::Borrowed(numbers)) => {
                // SAFETY: the vjp writes all of it.
                let mut written = unsafe { unwritten(numbers.len()) };
                norm.apply(numbers, &mut written);
                Cow::Owned(written)
            }
        }
    }
}

/// Whether the fused kernels take the convolution, where the layout of its images allows.
fn takes<R: Real>(shape: &ConvShape) -> bool {
    TypeId::of::<R>() == TypeId::of::<f32>() && (shape.input[0] < WIDE || shape.kernel.contains(&1))
}

/// [`conv`] of `images`. Returns the sum of each channel of each output image, `[n, channels]`, or nothing where they
/// are not wanted or would cost a pass over memory.
pub fn norm_conv<R: Real>(
    shape: &ConvShape,
    images: Images<R>,
    w: &[R],
    bias: Option<&[R]>,
    y: &mut [R],
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
    conv(shape, &images.written(), w, bias, y);
    vec![]
}

/// The vjp of [`norm_conv`]. Returns what [`Norm::vjp`] of the images' norm takes as its sums, or nothing where there
/// is no norm, the cotangent of the images is not asked for, or they would cost a pass over memory.
pub fn norm_conv_vjp<R: Real>(
    shape: &ConvShape,
    images: Images<R>,
    w: &[R],
    cotangent: Cotangent<Cpu, R>,
    bars: ConvBars<R>,
) -> Vec<(f64, f64)> {
    let mut bars = bars;
    if let Some(plans) = takes::<R>(shape).then(|| Plans::new(shape, bars.images.is_some())).flatten()
        && let (Some(images), Some(cotangent)) = (images.singles(), cotangent.singles())
        && let (Some(w), Some(weights)) = (singles(w), singles_mut(bars.weights))
    {
        let bias = bars.bias.as_deref_mut().and_then(singles_mut);
        let images_bar = bars.images.as_deref_mut().and_then(singles_mut);
        return plans.vjp(images, w, &cotangent, ConvBars { weights, bias, images: images_bar });
    }
    let x = images.written();
    let y_bar = cotangent.written();
    conv_vjp_weights(shape, &x, &y_bar, bars.weights, bars.bias);
    drop(x);
    if let Some(x_bar) = bars.images {
        conv_vjp_input_over(shape, w, &y_bar, x_bar);
    }
    vec![]
}
