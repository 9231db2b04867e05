//! A network on a device: forward sweep, vjp and evaluation.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::evolution::{CoupledBlock, CoupledTrajectory};
use crate::gradient::{Ledger, Method};
use crate::kernels::{Device, Part, PartMut};
use crate::net::chain::Chain;
use crate::net::layer::Statistics;
use crate::net::network::{Network, block_parameters, impossible};
use crate::net::ode_field::Mode;
use crate::net::residual::Residual;
use crate::net::segment::Segment;
use crate::net::solve::{Solve, Solved};
use crate::ode::{Pass, Real, SolveError, Vector, expect_shape, reversal_error};

use super::chain::{DeviceTape, OnDevice};
use super::field::DeviceField;
use super::residual::{self, ResidualTape};
use super::running::Running;

/// A network whose states, tapes and statistics live on a device. The network itself keeps what decides its shape.
pub struct DeviceNetwork<D: Device> {
    network: Arc<Network>,
    device: D,
    running: Arc<Mutex<Running<D>>>,
}

/// What the forward sweep keeps for the backward sweep.
pub struct DeviceKept<D: Device, R: Real>(Vec<KeptSegment<D, R>>, usize);

/// Logits, with what the backward sweep needs.
pub type Swept<D, R> = (<D as Device>::Buffer<R>, DeviceKept<D, R>);

enum KeptSegment<D: Device, R: Real> {
    Plain(Arc<Chain>, DeviceTape<D, R>),
    Residual(Arc<Residual>, ResidualTape<D, R>),
    Ode { field: DeviceField<D, R>, solved: Solved<DeviceField<D, R>> },
    Coupled { block: Coupled<D, R>, theta: Vec<R>, trajectory: CoupledTrajectory<DeviceField<D, R>, R, D> },
}

type Coupled<D, R> = CoupledBlock<DeviceField<D, R>, R, D>;

impl<D: Device> DeviceNetwork<D> {
    /// `network` on `device`, with its running statistics. Weights that evolve are stepped in host memory, as
    /// [`CoupledBlock`] says; activations stay on the device.
    pub fn new(network: Arc<Network>, device: D) -> Self {
        let running = Arc::new(Mutex::new(Running::new(device.upload(network.statistics()))));
        Self { network, device, running }
    }

    /// The network.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    fn running(&self) -> MutexGuard<'_, Running<D>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The running statistics, in host memory. Waits.
    pub fn statistics(&self) -> Vec<f64> {
        self.device.download(&self.running().kept)
    }

    /// Sets the running statistics, as [`Self::statistics`] gave them.
    ///
    /// # Errors
    /// Another number of statistics.
    pub fn set_statistics(&self, statistics: &[f64]) -> Result<(), SolveError> {
        let mut running = self.running();
        expect_shape("statistics", &[statistics.len()], "the network", &[running.kept.len()])?;
        *running = Running::new(self.device.upload(statistics.to_vec()));
        Ok(())
    }

    fn field<R: Real>(&self, chain: &Arc<Chain>, mode: Mode) -> DeviceField<D, R> {
        let (device, chain, running) = (self.device.clone(), chain.clone(), self.running.clone());
        DeviceField { device, chain, running, mode, real: PhantomData }
    }

    /// The parameters in host memory where a block's weights evolve, else nothing. Waits.
    fn evolving<R: Real>(&self, theta: &D::Buffer<R>) -> Vec<R> {
        let evolves = self.network.segments().iter().any(|segment| matches!(segment, Segment::Ode(_, Some(_))));
        if evolves { self.device.download(theta) } else { vec![] }
    }

    /// Logits `[n, classes]` of `n` images in training mode, with what the vjp needs. Nothing is waited for, so a state
    /// that left the finite may be told only by the device, see [`Device::settle`].
    ///
    /// # Errors
    /// See [`SolveError`].
    pub fn forward<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
        ledger: &Ledger,
    ) -> Result<Swept<D, R>, SolveError> {
        self.network.expect_lengths(images.len(), theta.len())?;
        let (device, mut kept) = (&self.device, vec![]);
        let host = self.evolving(theta);
        let mut current = images.duplicate();
        for segment in self.network.segments() {
            let own = Part::new(theta, segment.parameters());
            match segment {
                Segment::Plain(chain) => {
                    let on_device = OnDevice::new(device, chain, (0, 0), own);
                    let statistics = Statistics::BatchUpdating;
                    let (y, tape) = on_device.forward_taped(0, &current, statistics, &mut self.running());
                    ledger.keep(tape.bytes());
                    kept.push(KeptSegment::Plain(chain.clone(), tape));
                    current = y;
                }
                Segment::Residual(block) => {
                    let (y, tape) = residual::forward_taped(device, block, own, &current, &mut self.running());
                    ledger.keep(tape.bytes());
                    kept.push(KeptSegment::Residual(block.clone(), tape));
                    current = y;
                }
                Segment::Ode(chain, Some(evolving)) => {
                    let field = self.field(chain, self.network.mode());
                    let block = evolving.block(device, field, solve).map_err(impossible)?;
                    let theta = block_parameters(chain, Some(evolving), &host);
                    let trajectory = block.forward(solve.method, &current, &theta, ledger)?;
                    current = trajectory.end().duplicate();
                    kept.push(KeptSegment::Coupled { block, theta, trajectory });
                }
                Segment::Ode(chain, None) => {
                    let (field, theta) = (self.field(chain, self.network.mode()), device.join(&[own]));
                    let solved;
                    (current, solved) = solve.forward(&field, &current, &theta, ledger)?;
                    kept.push(KeptSegment::Ode { field, solved });
                }
            }
        }
        let logits = current.len();
        Ok((current, DeviceKept(kept, logits)))
    }

    /// From the cotangent of the logits: adds to `theta_bar`.
    ///
    /// # Errors
    /// See [`SolveError`].
    pub fn backward<R: Real>(
        &self,
        kept: DeviceKept<D, R>,
        theta: &D::Buffer<R>,
        logits_bar: &D::Buffer<R>,
        theta_bar: &mut D::Buffer<R>,
        solve: Solve,
        ledger: &Ledger,
    ) -> Result<(), SolveError> {
        let device = &self.device;
        self.network.expect_backward_lengths(theta.len(), [logits_bar.len(), kept.1], theta_bar.len())?;
        let mut bar = logits_bar.duplicate();
        for (i, (segment, kept)) in self.network.segments().iter().zip(kept.0).enumerate().rev() {
            let range = segment.parameters();
            let own = Part::new(theta, range.clone());
            bar = match kept {
                KeptSegment::Plain(chain, tape) => {
                    let mut theta_bar = PartMut::new(theta_bar, range);
                    let x_bar = OnDevice::new(device, &chain, (0, 0), own).vjp(&tape, &bar, &mut theta_bar, i > 0);
                    ledger.free(tape.bytes());
                    match x_bar {
                        Some(x_bar) => x_bar,
                        None => return Ok(()),
                    }
                }
                KeptSegment::Residual(block, tape) => {
                    let mut theta_bar = PartMut::new(theta_bar, range);
                    let x_bar = residual::vjp(device, &block, own, &tape, &bar, &mut theta_bar);
                    ledger.free(tape.bytes());
                    x_bar
                }
                KeptSegment::Ode { field, solved } => {
                    let theta = device.join(&[own]);
                    let mut own_bar = device.join(&[Part::new(theta_bar, range.clone())]);
                    let z_bar = solved.backward(solve, &field, &theta, bar, &mut own_bar, ledger)?;
                    device.put(PartMut::new(theta_bar, range), Part::all(&own_bar));
                    z_bar
                }
                KeptSegment::Coupled { block, theta, trajectory } => {
                    let mut own_bar = theta.zeros_like();
                    let z_bar = trajectory.backward(&block, &theta, &bar, &mut own_bar, ledger)?;
                    let unknowns_bar = own_bar.split_off(range.len());
                    for (range, part) in [(range, own_bar), (segment.unknowns(), unknowns_bar)] {
                        let mut sum = device.join(&[Part::new(theta_bar, range.clone())]);
                        sum.axpy(R::one(), &device.upload(part));
                        device.put(PartMut::new(theta_bar, range), Part::all(&sum));
                    }
                    z_bar
                }
            };
        }
        Ok(())
    }

    /// Logits of a batch in evaluation mode: batch norm with the running statistics. Waits.
    ///
    /// # Errors
    /// See [`SolveError`].
    pub fn evaluate<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
    ) -> Result<Vec<R>, SolveError> {
        self.logits(images, theta, solve, Mode::Evaluation)
    }

    /// Logits of a batch, normalised as `mode` says. Waits.
    pub(super) fn logits<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
        mode: Mode,
    ) -> Result<Vec<R>, SolveError> {
        let logits = self.walk(images, theta, solve, mode, |_, _, _, _| {})?;
        let logits = self.device.download(&logits);
        self.device.settle()?;
        Ok(logits)
    }

    /// The reversibility error of every ODE block on a batch, as [`Network::reversal_errors`]. Waits for each.
    ///
    /// # Errors
    /// A forward solve that fails, see [`SolveError`].
    pub fn reversal_errors<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
    ) -> Result<Vec<f64>, SolveError> {
        let (mut errors, mut failed) = (vec![], Ok(()));
        let logits = self.walk(images, theta, solve, Mode::Watching, |field, theta, start, end| {
            // What the forward sweep met must not count as the reverse solve's.
            failed = failed.clone().and(self.device.settle());
            let mut back = end.duplicate();
            let solved = solve.reverse(field, &mut back, theta);
            let solved = solved.and(self.device.settle());
            match solved {
                Ok(()) => errors.push(reversal_error(start, &back)),
                Err(error) if error.is_divergence() => errors.push(f64::INFINITY),
                // A fault is no result.
                Err(error) => failed = failed.clone().and(Err(error)),
            }
        });
        logits.and(failed)?;
        self.device.settle()?;
        Ok(errors)
    }

    /// The forward sweep; `visit` sees each ODE block's field, parameters, z(0) and z(1).
    pub(super) fn walk<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
        mode: Mode,
        mut visit: impl FnMut(&DeviceField<D, R>, &D::Buffer<R>, &D::Buffer<R>, &D::Buffer<R>),
    ) -> Result<D::Buffer<R>, SolveError> {
        self.network.expect_lengths(images.len(), theta.len())?;
        let (device, statistics) = (&self.device, mode.statistics(Pass::Replay));
        let host = self.evolving(theta);
        let mut current = images.duplicate();
        for segment in self.network.segments() {
            let own = Part::new(theta, segment.parameters());
            match segment {
                Segment::Plain(chain) => {
                    let on_device = OnDevice::new(device, chain, (0, 0), own);
                    current = on_device.forward(&current, statistics, &mut self.running());
                }
                Segment::Residual(block) => {
                    current = residual::forward(device, block, own, &current, statistics, &mut self.running());
                }
                Segment::Ode(chain, Some(evolving)) => {
                    let block = evolving.block(device, self.field(chain, mode), solve).map_err(impossible)?;
                    let theta = block_parameters(chain, Some(evolving), &host);
                    // ANODE keeps no more than the block's input.
                    current = block.forward(Method::Anode, &current, &theta, &Ledger::new())?.end().duplicate();
                }
                Segment::Ode(chain, None) => {
                    let (field, theta) = (self.field(chain, mode), device.join(&[own]));
                    let start = current.duplicate();
                    solve.advance(&field, &mut current, &theta)?;
                    visit(&field, &theta, &start, &current);
                }
            }
        }
        Ok(current)
    }
}
