//! A stretch of a chain that reads its input once: a batch norm or ReLU, cheap enough to be computed wherever its
//! output is read, then a layer that is not, or nothing. Its input is all that a tape keeps of it.

use std::borrow::Cow;

use crate::kernels::{ConvBars, Cotangent, Images, Moments, Norm, norm_conv, norm_conv_vjp};
use crate::ode::{Real, zeros};

use super::layer::{Kind, Layer, Statistics};

/// A batch norm or ReLU, and the layer behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit<'a> {
    cheap: Option<&'a Layer>,
    main: Option<&'a Layer>,
}

/// What a unit puts out.
pub(super) struct Output<R> {
    pub y: Vec<R>,
    /// Those of its batch norm.
    pub moments: Option<Moments>,
    /// The sum of each channel of each image of `y`, where the next unit asks and they cost nothing; else nothing.
    pub sums: Vec<f64>,
}

/// Cuts layers into units.
pub(super) fn units(layers: &[Layer]) -> Vec<Unit<'_>> {
    let (mut units, mut cheap) = (vec![], None);
    for layer in layers {
        if !layer.is_cheap() {
            units.push(Unit { cheap: cheap.take(), main: Some(layer) });
        } else if let Some(before) = cheap.replace(layer) {
            units.push(Unit { cheap: Some(before), main: None });
        }
    }
    units.extend(cheap.map(|layer| Unit { cheap: Some(layer), main: None }));
    units
}

impl Unit<'_> {
    /// Whether it starts with a batch norm.
    pub fn has_norm(&self) -> bool {
        self.cheap.is_some_and(|layer| matches!(layer.kind, Kind::Norm { .. }))
    }

    /// Whether it is a batch norm and nothing else.
    pub fn is_norm(&self) -> bool {
        self.has_norm() && self.main.is_none()
    }

    /// The moments that its batch norm uses, with the update of the running ones.
    pub fn moments<R: Real>(
        &self,
        x: &[R],
        sums: &[f64],
        statistics: Statistics,
        running: &mut [f64],
    ) -> Option<Moments> {
        self.cheap.and_then(|layer| layer.moments(x, sums, statistics, running))
    }

    /// Its batch norm with these moments.
    pub fn norm<'b, R: Real>(&self, theta: &'b [R], moments: Option<&'b Moments>) -> Option<Norm<'b, R>> {
        self.cheap.zip(moments).and_then(|(layer, moments)| layer.norm(theta, moments))
    }

    /// The output of the norm or ReLU, written to memory.
    fn read<'b, R: Real>(&self, x: Cow<'b, [R]>, norm: Option<&Norm<R>>) -> Cow<'b, [R]> {
        match (self.cheap, norm, x) {
            (None, _, x) => x,
            (_, Some(norm), Cow::Owned(mut x)) => {
                norm.apply_in_place(&mut x);
                Cow::Owned(x)
            }
            (_, Some(norm), Cow::Borrowed(x)) => Cow::Owned(norm.applied(x)),
            (Some(_), None, x) => {
                let mut x = x.into_owned();
                // Written so that NaN stays NaN.
                x.iter_mut().filter(|x| **x <= R::zero()).for_each(|x| *x = R::zero());
                Cow::Owned(x)
            }
        }
    }

    /// As [`Self::read`], but a batch norm may wait.
    fn read_relu<'b, R: Real>(&self, x: Cow<'b, [R]>, norm: Option<&Norm<R>>) -> Cow<'b, [R]> {
        if norm.is_some() { x } else { self.read(x, None) }
    }

    /// The output for a batch `x`, with the sums that the unit before gave; `theta` are the chain's parameters,
    /// `running` the network's statistics.
    pub fn forward<R: Real>(
        &self,
        x: Cow<[R]>,
        sums: &[f64],
        theta: &[R],
        (statistics, running): (Statistics, &mut [f64]),
        wants_sums: bool,
    ) -> Output<R> {
        let moments = self.moments(&x, sums, statistics, running);
        let norm = self.norm(theta, moments.as_ref());
        let (y, sums) = match self.main {
            None => (self.read(x, norm.as_ref()).into_owned(), vec![]),
            Some(layer) => {
                if let Kind::Conv { shape, .. } = layer.kind {
                    let x = self.read_relu(x, norm.as_ref());
                    let (w, bias) = layer.weights(theta);
                    norm_conv(&shape, Images { numbers: &x, norm }, w, bias, wants_sums)
                } else {
                    let mut y = zeros(layer.output_len(x.len()));
                    layer.apply(&self.read(x, norm.as_ref()), theta, &mut y);
                    (y, vec![])
                }
            }
        };
        Output { y, moments, sums }
    }

    /// From the cotangent of the output: adds to `theta_bar` and returns that of the input `x`; `None` where
    /// `wants_input` is false and it was not needed. `moments` are those of `x`.
    pub fn vjp<'b, R: Real>(
        &self,
        x: &'b [R],
        moments: Option<&'b Moments>,
        theta: &'b [R],
        bar: Cotangent<'b, R>,
        theta_bar: &mut [R],
        wants_input: bool,
    ) -> Option<Cotangent<'b, R>> {
        let norm = self.norm(theta, moments);
        let mut sums = vec![];
        let bar = match self.main {
            None => bar.written(),
            Some(layer) => {
                let wanted = wants_input || self.cheap.is_some();
                if let Kind::Conv { shape, .. } = layer.kind {
                    let x = self.read_relu(Cow::Borrowed(x), norm.as_ref());
                    let (w, _) = layer.weights(theta);
                    let (weights, bias) = layer.weights_mut(theta_bar);
                    let bars = ConvBars { weights, bias };
                    let images = Images { numbers: &x, norm };
                    let (x_bar, norm_sums) = norm_conv_vjp(&shape, images, w, bar, bars, wanted);
                    sums = norm_sums;
                    Cow::Owned(x_bar?)
                } else {
                    let mut x_bar = zeros(x.len());
                    let read = if layer.vjp_reads() { self.read(Cow::Borrowed(x), norm.as_ref()) } else { x.into() };
                    layer.vjp(&read, theta, &bar.written(), theta_bar, &mut x_bar);
                    Cow::Owned(x_bar)
                }
            }
        };
        Some(match (self.cheap, norm) {
            (None, _) => Cotangent { numbers: bar, norm: None },
            (Some(layer), Some(norm)) => {
                let (weight_bar, bias_bar) = theta_bar[layer.range.clone()].split_at_mut(norm.weight.len());
                let vjp = norm.vjp(x, &bar, &sums, weight_bar, bias_bar);
                Cotangent { numbers: bar, norm: Some(vjp) }
            }
            (Some(_), None) => {
                let mut bar = bar.into_owned();
                for (bar, &x) in bar.iter_mut().zip(x) {
                    *bar = if x > R::zero() { *bar } else { R::zero() };
                }
                Cotangent { numbers: Cow::Owned(bar), norm: None }
            }
        })
    }
}
