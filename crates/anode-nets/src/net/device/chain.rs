//! A chain of layers on a device: forward, with or without tape, and vjp; a kernel a layer.

use crate::kernels::{Device, DeviceNorm, Part, PartMut};
use crate::net::chain::Chain;
use crate::net::layer::{Kind, Layer, MOMENTUM, Statistics};
use crate::ode::{Real, Vector};

use super::running::Running;

/// A chain on a device, in a step of an ODE block, with its parameters.
pub(super) struct OnDevice<'a, D: Device, R: Real> {
    pub device: &'a D,
    pub layers: &'a [Layer],
    pub theta: Part<'a, D::Buffer<R>>,
}

impl<D: Device, R: Real> Clone for OnDevice<'_, D, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: Device, R: Real> Copy for OnDevice<'_, D, R> {}

/// What a forward pass leaves for the vjp, as the CPU's tape does: no input that one pass over memory makes again.
pub struct DeviceTape<D: Device, R: Real> {
    pub(super) step: usize,
    inputs: Vec<Option<D::Buffer<R>>>,
    moments: Vec<Option<D::Moments>>,
}

impl<D: Device, R: Real> DeviceTape<D, R> {
    /// Bytes that the tape keeps alive.
    pub(super) fn bytes(&self) -> usize {
        self.inputs.iter().flatten().map(Vector::bytes).sum()
    }
}

impl<'a, D: Device, R: Real> OnDevice<'a, D, R> {
    /// `chain` in a step and stage of an ODE block, `(0, 0)` elsewhere; `theta` are the chain's own parameters.
    pub fn new(device: &'a D, chain: &'a Chain, at: (usize, usize), theta: Part<'a, D::Buffer<R>>) -> Self {
        Self { device, layers: chain.of(at), theta }
    }

    fn norm<'b>(&self, layer: &Layer, moments: &'b D::Moments) -> Option<DeviceNorm<'b, D, R>>
    where
        'a: 'b,
    {
        let Kind::Norm { pixels, relu, .. } = layer.kind else { return None };
        Some(DeviceNorm { pixels, relu, moments, parameters: self.theta.part(layer.range.clone()) })
    }

    /// The moments that a batch norm uses, with the update of the running ones.
    fn moments(
        &self,
        layer: &Layer,
        x: &D::Buffer<R>,
        statistics: Statistics,
        running: &mut Running<D>,
    ) -> Option<D::Moments> {
        let Kind::Norm { channels, pixels, running: place, .. } = layer.kind else { return None };
        let range = place..place + 2 * channels;
        let momentum = match statistics {
            Statistics::Running => return Some(self.device.given_moments(Part::new(&running.kept, range))),
            Statistics::Batch => None,
            Statistics::BatchUpdating => Some(MOMENTUM),
            Statistics::Averaging => Some(running.next_average(place)),
        };
        let updated = momentum.map(|momentum| (PartMut::new(&mut running.kept, range), momentum));
        Some(self.device.moments(x, channels, pixels, updated))
    }

    /// The output of a layer for given moments.
    fn apply(&self, layer: &Layer, x: &D::Buffer<R>, moments: Option<&D::Moments>) -> D::Buffer<R> {
        let images = x.len() / layer.input.iter().product::<usize>();
        let mut y = self.device.room(images * layer.output.iter().product::<usize>());
        let parameters = self.theta.part(layer.range.clone());
        match (layer.kind, moments.and_then(|moments| self.norm(layer, moments))) {
            (Kind::Conv { shape, bias }, _) => {
                let (w, b) = parameters.split(shape.weight_len());
                self.device.conv(&shape, x, w, bias.then_some(b), &mut y);
            }
            (Kind::Norm { .. }, Some(norm)) => self.device.norm(norm, x, &mut y),
            (Kind::Norm { .. } | Kind::Relu, _) => self.device.relu(x, &mut y),
            (Kind::AveragePool(shape), _) => self.device.average_pool(&shape, x, &mut y),
            (Kind::MaxPool(shape), _) => self.device.max_pool(&shape, x, &mut y),
            (Kind::Linear { inputs, outputs }, _) => self.device.linear(inputs, outputs, x, parameters, &mut y),
        }
        y
    }

    /// The output for a batch; `running` are the network's statistics.
    pub fn forward(self, x: &D::Buffer<R>, statistics: Statistics, running: &mut Running<D>) -> D::Buffer<R> {
        let mut current: Option<D::Buffer<R>> = None;
        for layer in self.layers {
            let moments = self.moments(layer, current.as_ref().unwrap_or(x), statistics, running);
            let norm = moments.as_ref().and_then(|moments| self.norm(layer, moments));
            current = Some(match (current, norm) {
                (Some(mut owned), Some(norm)) => {
                    self.device.norm_in_place(norm, &mut owned);
                    owned
                }
                (current, _) => self.apply(layer, current.as_ref().unwrap_or(x), moments.as_ref()),
            });
        }
        current.unwrap_or_else(|| x.duplicate())
    }

    /// As [`Self::forward`], same bits, with the tape of step `step`.
    pub fn forward_taped(
        self,
        step: usize,
        x: &D::Buffer<R>,
        statistics: Statistics,
        running: &mut Running<D>,
    ) -> (D::Buffer<R>, DeviceTape<D, R>) {
        let mut tape = DeviceTape { step, inputs: vec![], moments: vec![] };
        let mut current = x.duplicate();
        let mut remade = false;
        for layer in self.layers {
            let moments = self.moments(layer, &current, statistics, running);
            let y = self.apply(layer, &current, moments.as_ref());
            let input = std::mem::replace(&mut current, y);
            // Two cheap layers in a row: the second keeps its input, so that one pass is always enough.
            tape.inputs.push((!remade).then_some(input));
            remade = !remade && matches!(layer.kind, Kind::Norm { .. } | Kind::Relu);
            tape.moments.push(moments);
        }
        (current, tape)
    }

    /// From the cotangent of the output: adds to `theta_bar` and returns the cotangent of the input, `None` where
    /// `want_input` is false. Valid for tapes made with batch statistics.
    pub fn vjp(
        self,
        tape: &DeviceTape<D, R>,
        y_bar: &D::Buffer<R>,
        theta_bar: &mut PartMut<D::Buffer<R>>,
        want_input: bool,
    ) -> Option<D::Buffer<R>> {
        let mut bar: Option<D::Buffer<R>> = None;
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let before = || {
                let input = tape.inputs[i - 1].as_ref()?;
                Some(self.apply(&self.layers[i - 1], input, tape.moments[i - 1].as_ref()))
            };
            let remade = if tape.inputs[i].is_none() { before() } else { None };
            let Some(x) = tape.inputs[i].as_ref().or(remade.as_ref()) else { continue };
            let y_bar = bar.as_ref().unwrap_or(y_bar);
            let theta_bar = theta_bar.part(layer.range.clone());
            bar = self.layer_vjp(layer, x, tape.moments[i].as_ref(), y_bar, theta_bar, i > 0 || want_input);
        }
        if !want_input {
            return None;
        }
        Some(bar.unwrap_or_else(|| y_bar.duplicate()))
    }

    fn layer_vjp(
        &self,
        layer: &Layer,
        x: &D::Buffer<R>,
        moments: Option<&D::Moments>,
        y_bar: &D::Buffer<R>,
        theta_bar: PartMut<D::Buffer<R>>,
        want_input: bool,
    ) -> Option<D::Buffer<R>> {
        let parameters = self.theta.part(layer.range.clone());
        if let Kind::Conv { shape, bias } = layer.kind {
            self.device.conv_vjp_weights(&shape, x, y_bar, theta_bar, bias);
            return want_input.then(|| {
                let mut x_bar = x.zeros_like();
                self.device.conv_vjp_input(&shape, parameters.split(shape.weight_len()).0, y_bar, &mut x_bar);
                x_bar
            });
        }
        // What a vjp adds to begins as zeros; the others overwrite.
        let mut x_bar = match layer.kind {
            Kind::Norm { .. } | Kind::Relu => self.device.room(x.len()),
            _ => x.zeros_like(),
        };
        match (layer.kind, moments.and_then(|moments| self.norm(layer, moments))) {
            (Kind::Norm { .. }, Some(norm)) => self.device.norm_vjp(norm, x, y_bar, &mut x_bar, theta_bar),
            (Kind::AveragePool(shape), _) => self.device.average_pool_vjp(&shape, y_bar, &mut x_bar),
            (Kind::MaxPool(shape), _) => self.device.max_pool_vjp(&shape, x, y_bar, &mut x_bar),
            (Kind::Linear { inputs, outputs }, _) => {
                self.device.linear_vjp((inputs, outputs), x, parameters, y_bar, &mut x_bar, theta_bar);
            }
            _ => self.device.relu_vjp(x, y_bar, &mut x_bar),
        }
        Some(x_bar)
    }
}
