//! Evaluation of a network on a device with other statistics than the running ones.

use std::sync::Arc;

use crate::kernels::Device;
use crate::net::ode_field::Mode;
use crate::net::solve::Solve;
use crate::ode::{Real, SolveError};

use super::network::DeviceNetwork;

impl<D: Device> DeviceNetwork<D> {
    /// As [`Network::recalibrated`](crate::net::Network::recalibrated), on the device. Waits.
    ///
    /// # Errors
    /// A forward sweep that fails; `per_evaluation` with adaptive steps.
    pub fn recalibrated<R: Real>(
        &self,
        per_evaluation: bool,
        theta: &D::Buffer<R>,
        solve: Solve,
        batches: impl IntoIterator<Item = Vec<R>>,
    ) -> Result<Self, SolveError> {
        let network = self.network().with_statistics_to_average(per_evaluation, solve)?;
        let numbers = network.statistics().len();
        let averaging = Self::new(Arc::new(network), self.device().clone());
        averaging.set_statistics(&vec![0.0; numbers])?;
        for images in batches {
            averaging.walk(&self.device().upload(images), theta, solve, Mode::Averaging, |_, _, _, _| {})?;
        }
        self.device().settle()?;
        Ok(averaging)
    }

    /// Logits of a batch, normalised with the statistics of the batch itself. Waits.
    ///
    /// # Errors
    /// See [`SolveError`].
    pub fn evaluate_batch<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
    ) -> Result<Vec<R>, SolveError> {
        self.logits(images, theta, solve, Mode::Watching)
    }
}
