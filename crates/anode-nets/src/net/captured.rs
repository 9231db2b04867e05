//! Both sweeps of a network, captured once and replayed for each batch.

use std::sync::{Arc, Mutex};

use crate::gradient::{Cost, Ledger};
use crate::kernels::{ComputeError, Device};
use crate::ode::{Real, SolveError, Vector, expect_shape};

use super::error::NetworkError;
use super::network::Network;
use super::running::Running;
use super::solve::{Solve, Steps};

/// The forward and the backward sweep of a network in training mode, for batches of one size, as a graph of the device
/// (CUDA: `cuGraphLaunch`). Each sweep is one call of the driver instead of one per kernel. Results are bit-identical
/// to those of [`Network::forward`] and [`Network::backward`], including the running statistics.
///
/// The graph reserves the memory of both sweeps until it is dropped, and copies images, parameters and cotangent to its
/// own buffers.
pub struct CapturedSweeps<R: Real, D: Device> {
    // Dropped first.
    graph: D::Graph,
    device: D,
    images: D::Buffer<R>,
    theta: D::Buffer<R>,
    logits: D::Buffer<R>,
    logits_bar: D::Buffer<R>,
    theta_bar: D::Buffer<R>,
    /// The graph updates them in place.
    _running: Arc<Mutex<Running<D>>>,
    cost: Cost,
    /// Whether a backward sweep may follow: it overwrites the tapes of the forward sweep.
    taped: bool,
}

impl<D: Device> Network<D> {
    /// Captures both sweeps for batches of `images` images. Executes nothing.
    ///
    /// # Errors
    /// [`NetworkError::NotCaptured`] for adaptive steps and evolving weights, whose sweeps depend on numbers that the
    /// host reads; [`NetworkError::Device`] for gradient methods that wait for the device, and if the device does not
    /// capture or failed.
    pub fn capture<R: Real>(&self, images: usize, solve: Solve) -> Result<CapturedSweeps<R, D>, NetworkError> {
        if matches!(solve.steps, Steps::Adaptive(_)) {
            return Err(NetworkError::NotCaptured("adaptive steps"));
        }
        if self.weight_count() != self.parameter_count() {
            return Err(NetworkError::NotCaptured("evolving weights"));
        }
        let input = self.segments().first().map_or(0, |segment| segment.input_len());
        let (device, ledger) = (self.device(), Ledger::new());
        let images = device.zeros(images * input);
        let theta = device.zeros::<R>(self.parameter_count());
        let mut graph = D::Graph::default();
        let (logits, kept) = captured(device.capture(&mut graph, || {
            let (logits, kept) = self.forward(&images, &theta, solve, &ledger)?;
            // The logits of a network without layers share the memory of its images.
            Ok((logits.duplicate(), kept))
        }))?;
        let logits_bar = logits.zeros_like();
        let theta_bar = captured(device.capture(&mut graph, || {
            let mut theta_bar = theta.zeros_like();
            self.backward(kept, &theta, &logits_bar, &mut theta_bar, solve, &ledger).map(|()| theta_bar)
        }))?;
        let (device, running, cost) = (device.clone(), self.running.clone(), ledger.cost());
        Ok(CapturedSweeps {
            graph,
            device,
            images,
            theta,
            logits,
            logits_bar,
            theta_bar,
            _running: running,
            cost,
            taped: false,
        })
    }
}

/// The result of captured work, or the first error.
fn captured<T>(found: Result<Result<T, NetworkError>, ComputeError>) -> Result<T, NetworkError> {
    found?
}

impl<R: Real, D: Device> CapturedSweeps<R, D> {
    /// Replays the forward sweep, see [`Self::logits`]. Does not wait.
    ///
    /// # Errors
    /// Another number of images or parameters than was captured.
    pub fn forward(&mut self, images: &D::Buffer<R>, theta: &D::Buffer<R>) -> Result<(), NetworkError> {
        expect_shape("the images", &[images.len()], "the captured sweep", &[self.images.len()])?;
        expect_shape("theta", &[theta.len()], "the captured sweep", &[self.theta.len()])?;
        self.images.copy_from(images);
        self.theta.copy_from(theta);
        // SAFETY: this device captured the graph; its buffers are fields of `self` or belong to the graph.
        unsafe { self.device.replay(&self.graph, 0) };
        self.taped = true;
        Ok(())
    }

    /// The logits of the last forward sweep, `[n, classes]`.
    pub fn logits(&self) -> &D::Buffer<R> {
        &self.logits
    }

    /// Replays the backward sweep of the last forward sweep: the gradient for the parameters. Does not wait. Counts
    /// both sweeps in `ledger`. Each backward sweep needs a forward sweep before it.
    ///
    /// # Errors
    /// A cotangent that does not fit the logits; no forward sweep since the last backward sweep.
    pub fn backward(&mut self, logits_bar: &D::Buffer<R>, ledger: &Ledger) -> Result<&D::Buffer<R>, NetworkError> {
        expect_shape("the cotangent", &[logits_bar.len()], "the logits", &[self.logits_bar.len()])?;
        if !std::mem::take(&mut self.taped) {
            let why = "a captured backward sweep needs a forward sweep before it";
            return Err(SolveError::Argument(why.into()).into());
        }
        self.logits_bar.copy_from(logits_bar);
        // SAFETY: as in `forward`.
        unsafe { self.device.replay(&self.graph, 1) };
        ledger.add(&self.cost);
        Ok(&self.theta_bar)
    }
}
