//! A network on a device: forward sweep, vjp and evaluation.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::gradient::{Block, Ledger, Trajectory};
use crate::kernels::{Device, Part, PartMut};
use crate::net::chain::Chain;
use crate::net::layer::Statistics;
use crate::net::network::{Network, Solve};
use crate::net::ode_field::Mode;
use crate::net::residual::Residual;
use crate::net::segment::Segment;
use crate::ode::{Grid, Real, SolveError, Vector, integrate};

use super::chain::{DeviceTape, OnDevice};
use super::field::DeviceField;
use super::residual::{self, ResidualTape};

/// A network whose states, tapes and statistics live on a device. The network itself keeps what decides its shape.
pub struct DeviceNetwork<D: Device> {
    network: Arc<Network>,
    device: D,
    running: Arc<Mutex<D::Buffer<f64>>>,
}

/// What the forward sweep keeps for the backward sweep.
pub struct DeviceKept<D: Device, R: Real>(Vec<KeptSegment<D, R>>);

enum KeptSegment<D: Device, R: Real> {
    Plain(Arc<Chain>, DeviceTape<D, R>),
    Residual(Arc<Residual>, ResidualTape<D, R>),
    Ode { field: DeviceField<D, R>, theta: D::Buffer<R>, trajectory: Trajectory<DeviceField<D, R>> },
}

impl<D: Device> DeviceNetwork<D> {
    /// `network` on `device`, with its running statistics.
    ///
    /// # Errors
    /// A network whose weights evolve: their evolution is computed on the CPU alone.
    pub fn new(network: Arc<Network>, device: D) -> Result<Self, SolveError> {
        if network.segments().iter().any(|segment| matches!(segment, Segment::Ode(_, Some(_)))) {
            let why = "weights that evolve are computed on the CPU only; use --device cpu, or a form without evolution";
            return Err(SolveError::Device(why.into()));
        }
        let running = Arc::new(Mutex::new(device.upload(network.statistics())));
        Ok(Self { network, device, running })
    }

    /// The network.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    fn running(&self) -> MutexGuard<'_, D::Buffer<f64>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The running statistics, in host memory. Waits.
    pub fn statistics(&self) -> Vec<f64> {
        self.device.download(&self.running())
    }

    /// Sets the running statistics.
    pub fn set_statistics(&self, statistics: &[f64]) {
        *self.running() = self.device.upload(statistics.to_vec());
    }

    fn field<R: Real>(&self, chain: &Arc<Chain>, mode: Mode) -> DeviceField<D, R> {
        let (device, chain, running) = (self.device.clone(), chain.clone(), self.running.clone());
        DeviceField { device, chain, running, mode, real: PhantomData }
    }

    /// Logits `[n, classes]` of `n` images in training mode, with what the vjp needs. Nothing is waited for, so a state that left
    /// the finite may be told only by the device, see [`Device::settle`].
    ///
    /// # Errors
    /// See [`SolveError`].
    pub fn forward<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
        ledger: &Ledger,
    ) -> Result<(D::Buffer<R>, DeviceKept<D, R>), SolveError> {
        let (device, mut kept) = (&self.device, vec![]);
        let mut current = images.duplicate();
        for segment in self.network.segments() {
            let own = Part::new(theta, segment.parameters());
            match segment {
                Segment::Plain(chain) => {
                    let on_device = OnDevice::new(device, chain, 0, own);
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
                Segment::Ode(chain, _) => {
                    let (field, theta) = (self.field(chain, self.network.mode()), device.join(&[own]));
                    let trajectory = solve.method.forward(&block(&field, solve), &current, &theta, ledger)?;
                    current = trajectory.end().duplicate();
                    kept.push(KeptSegment::Ode { field, theta, trajectory });
                }
            }
        }
        Ok((current, DeviceKept(kept)))
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
        let mut bar = logits_bar.duplicate();
        for (i, (segment, kept)) in self.network.segments().iter().zip(kept.0).enumerate().rev() {
            let range = segment.parameters();
            let own = Part::new(theta, range.clone());
            bar = match kept {
                KeptSegment::Plain(chain, tape) => {
                    let mut theta_bar = PartMut::new(theta_bar, range);
                    let x_bar = OnDevice::new(device, &chain, 0, own).vjp(&tape, &bar, &mut theta_bar, i > 0);
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
                KeptSegment::Ode { field, theta, trajectory } => {
                    let mut own_bar = device.join(&[Part::new(theta_bar, range.clone())]);
                    let z_bar = trajectory.backward(&block(&field, solve), &theta, &bar, &mut own_bar, ledger)?;
                    let whole = 0..own_bar.len();
                    device.put(PartMut::new(theta_bar, range), Part::new(&own_bar, whole));
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
        let device = &self.device;
        let mut current = images.duplicate();
        for segment in self.network.segments() {
            let own = Part::new(theta, segment.parameters());
            let statistics = Statistics::Running;
            match segment {
                Segment::Plain(chain) => {
                    let on_device = OnDevice::new(device, chain, 0, own);
                    current = on_device.forward(&current, statistics, &mut self.running());
                }
                Segment::Residual(block) => {
                    current = residual::forward(device, block, own, &current, statistics, &mut self.running());
                }
                Segment::Ode(chain, _) => {
                    let (field, theta) = (self.field(chain, Mode::Evaluation), device.join(&[own]));
                    integrate(&field, solve.tableau, &Grid::unit(solve.steps), &mut current, &theta)?;
                }
            }
        }
        let logits = device.download(&current);
        device.settle()?;
        Ok(logits)
    }
}

fn block<D: Device, R: Real>(field: &DeviceField<D, R>, solve: Solve) -> Block<'_, DeviceField<D, R>> {
    Block { field, tableau: solve.tableau, grid: Grid::unit(solve.steps) }
}
