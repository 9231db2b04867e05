//! A stretch of a chain that reads its input once: a batch norm or ReLU, cheap enough to be computed wherever its
//! output is read, then a layer that is not, or nothing. Its input is all that a tape keeps of it.

use std::borrow::Cow;

use crate::kernels::{Activation, Cotangent, Device, DeviceImages, DeviceNorm, Part, PartMut};
use crate::ode::{Real, Vector};

use super::layer::{Kind, Layer, Statistics};
use super::running::Running;

/// A batch norm or ReLU, and the layer behind it, on a device.
pub(super) struct Unit<'a, D: Device, R: Real> {
    device: &'a D,
    /// The chain's parameters.
    theta: Part<'a, D::Buffer<R>>,
    cheap: Option<&'a Layer>,
    main: Option<&'a Layer>,
}

/// The output of a unit.
pub(super) struct Output<D: Device, R: Real> {
    pub y: D::Buffer<R>,
    /// Moments of the unit's batch norm, if it has one.
    pub moments: Option<D::Moments>,
    /// The sum of each channel of each image of `y`, where the next unit asks and they cost nothing; else nothing.
    pub sums: Vec<f64>,
}

/// Cuts layers into units.
pub(super) fn units<'a, D: Device, R: Real>(
    device: &'a D,
    layers: &'a [Layer],
    theta: Part<'a, D::Buffer<R>>,
) -> Vec<Unit<'a, D, R>> {
    let unit = |cheap, main| Unit { device, theta, cheap, main };
    let (mut units, mut cheap) = (vec![], None);
    for layer in layers {
        if !layer.is_cheap() {
            units.push(unit(cheap.take(), Some(layer)));
        } else if let Some(before) = cheap.replace(layer) {
            units.push(unit(Some(before), None));
        }
    }
    units.extend(cheap.map(|layer| unit(Some(layer), None)));
    units
}

impl<'a, D: Device, R: Real> Unit<'a, D, R> {
    /// Whether it starts with a batch norm.
    pub fn has_norm(&self) -> bool {
        self.cheap.is_some_and(|layer| matches!(layer.kind, Kind::Norm { .. }))
    }

    /// Whether it is a batch norm and nothing else.
    pub fn is_norm(&self) -> bool {
        self.has_norm() && self.main.is_none()
    }

    /// The moments that its batch norm uses, with the update of the running ones.
    pub fn moments(
        &self,
        x: &D::Buffer<R>,
        sums: &[f64],
        statistics: Statistics,
        running: &mut Running<D>,
    ) -> Option<D::Moments> {
        self.cheap.and_then(|layer| layer.moments(self.device, x, sums, statistics, running))
    }

    /// Its batch norm with these moments.
    pub fn norm<'b>(&self, moments: Option<&'b D::Moments>) -> Option<DeviceNorm<'b, D, R>>
    where
        'a: 'b,
    {
        self.cheap.zip(moments).and_then(|(layer, moments)| layer.norm(self.theta, moments))
    }

    /// The output of the norm or ReLU, written to memory.
    fn read<'b>(&self, x: Cow<'b, D::Buffer<R>>, norm: Option<DeviceNorm<D, R>>) -> Cow<'b, D::Buffer<R>> {
        match (self.cheap, norm, x) {
            (None, _, x) => x,
            (_, Some(norm), x) => Cow::Owned(self.device.normed(norm, x)),
            (Some(_), None, Cow::Owned(mut x)) => {
                self.device.activate(Activation::Relu, 1.0, &mut x);
                Cow::Owned(x)
            }
            (Some(_), None, Cow::Borrowed(x)) => {
                let mut y = self.device.alloc_uninit(x.len());
                self.device.relu(x, &mut y);
                Cow::Owned(y)
            }
        }
    }

    /// Like [`Self::read`], but leaves a batch norm to the next operation if `waits` is true.
    fn read_relu<'b>(&self, x: Cow<'b, D::Buffer<R>>, waits: bool) -> Cow<'b, D::Buffer<R>> {
        if waits { x } else { self.read(x, None) }
    }

    /// The output for a batch `x`, with the sums that the unit before gave; `running` are the network's statistics.
    pub fn forward(
        &self,
        x: Cow<D::Buffer<R>>,
        sums: &[f64],
        (statistics, running): (Statistics, &mut Running<D>),
        wants_sums: bool,
    ) -> Output<D, R> {
        let moments = self.moments(&x, sums, statistics, running);
        let norm = self.norm(moments.as_ref());
        let (y, sums) = match self.main {
            None => (self.read(x, norm).into_owned(), vec![]),
            Some(Layer { kind: Kind::Conv { shape, .. }, range, .. }) => {
                let x = self.read_relu(x, norm.is_some());
                let (w, bias) = self.theta.part(range.clone()).split(shape.weight_len());
                let bias = (!bias.is_empty()).then_some(bias);
                self.device.norm_conv(shape, DeviceImages { numbers: &x, norm }, w, bias, wants_sums)
            }
            Some(layer) => (layer.apply(self.device, &self.read(x, norm), self.theta), vec![]),
        };
        Output { y, moments, sums }
    }

    /// From the cotangent of the output: adds to the chain's `theta_bar` and returns that of the input `x`; `None`
    /// where `wants_input` is false and it was not needed. `moments` are those of `x`. Computes in the memory of owned
    /// buffers if possible.
    pub fn vjp<'b>(
        &self,
        x: Cow<'b, D::Buffer<R>>,
        moments: Option<&'b D::Moments>,
        bar: Cotangent<'b, D, R>,
        theta_bar: &mut PartMut<D::Buffer<R>>,
        wants_input: bool,
    ) -> Option<Cotangent<'b, D, R>>
    where
        'a: 'b,
    {
        let (device, norm) = (self.device, self.norm(moments));
        let (bar, sums) = match self.main {
            None => (device.written(bar), vec![]),
            Some(Layer { kind: Kind::Conv { shape, .. }, range, .. }) => {
                let x = self.read_relu(Cow::Borrowed(&*x), norm.is_some());
                let (w, _) = self.theta.part(range.clone()).split(shape.weight_len());
                let (images, theta_bar) = (DeviceImages { numbers: &*x, norm }, theta_bar.part(range.clone()));
                let wanted = wants_input || self.cheap.is_some();
                let (x_bar, sums) = device.norm_conv_vjp(shape, images, w, bar, theta_bar, wanted);
                (Cow::Owned(x_bar?), sums)
            }
            Some(layer) => {
                let mut x_bar = x.zeros_like();
                let x = if layer.vjp_reads() { self.read(Cow::Borrowed(&*x), norm) } else { Cow::Borrowed(&*x) };
                let theta_bar = theta_bar.part(layer.range.clone());
                layer.vjp(device, &x, self.theta, &device.written(bar), (theta_bar, &mut x_bar));
                (Cow::Owned(x_bar), vec![])
            }
        };
        Some(match (self.cheap, norm) {
            (None, _) => Cotangent { numbers: bar, norm: None },
            (Some(layer), Some(norm)) => {
                device.norm_vjp_deferred(norm, x, bar, &sums, theta_bar.part(layer.range.clone()))
            }
            (Some(_), None) => Cotangent { numbers: Cow::Owned(device.relu_vjp_of(&x, bar)), norm: None },
        })
    }
}
