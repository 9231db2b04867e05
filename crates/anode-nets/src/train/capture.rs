//! Decides when a learner's sweeps are captured, and checks the capture before it is used.

use crate::gradient::{Ledger, Method};
use crate::kernels::Device;
use crate::net::{CapturedSweeps, Network, NetworkError, Solve, Steps};
use crate::ode::{Real, Vector};

/// Steps of one kind before they are captured: the first ones fill the arena and load kernels.
const PLAIN_STEPS: usize = 2;

/// The settings that determine the launches of a step: batch size, solver, steps and gradient method.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    images: usize,
    solver: &'static str,
    steps: Steps,
    method: Method,
}

/// Whether steps of a learner are captured.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CaptureState {
    /// Not yet.
    Waiting,
    /// Steps of the captured shape are replayed.
    Captured,
    /// All steps are launched kernel by kernel, for this reason.
    Plain(String),
}

/// The captured sweeps of a learner. The first shape of batch and solver that is repeated is captured; steps of other
/// shapes, such as the last batch of an epoch, are not.
pub(super) struct Capture<D: Device> {
    shape: Option<Shape>,
    seen: usize,
    sweeps: Option<CapturedSweeps<f32, D>>,
    pub state: CaptureState,
}

impl<D: Device> Capture<D> {
    pub fn new() -> Self {
        let state = if D::CAPTURES {
            CaptureState::Waiting
        } else {
            CaptureState::Plain("this device does not capture work".into())
        };
        Self { shape: None, seen: 0, sweeps: None, state }
    }

    /// The captured sweeps for a batch, if there are any.
    pub fn sweeps(&mut self, images: usize, solve: Solve) -> Option<&mut CapturedSweeps<f32, D>> {
        let asked = shape(images, solve);
        self.sweeps.as_mut().filter(|_| self.shape == Some(asked))
    }

    /// Counts a plain step. Returns whether it is the one that [`Self::check`] is to compare with a replay.
    pub fn is_due(&mut self, images: usize, solve: Solve) -> bool {
        if self.state != CaptureState::Waiting {
            return false;
        }
        let asked = Some(shape(images, solve));
        self.seen = if self.shape == asked { self.seen + 1 } else { 1 };
        self.shape = asked;
        self.seen > PLAIN_STEPS
    }

    /// Captures the sweeps, replays the plain step `step`, and compares all bits. A capture that fails or differs, or
    /// whose replay the driver refuses, is not used. The running statistics are then those after the plain step.
    ///
    /// # Errors
    /// The device failed.
    pub fn check(
        &mut self,
        network: &Network<D>,
        images: usize,
        solve: Solve,
        step: &PlainStep<'_, D>,
    ) -> Result<(), NetworkError> {
        let after = network.statistics();
        self.state = match replayed(network, images, solve, step, &after) {
            Ok(Some(sweeps)) => {
                self.sweeps = Some(sweeps);
                CaptureState::Captured
            }
            Ok(None) => CaptureState::Plain("the replay differs from the captured step".into()),
            Err(error) => CaptureState::Plain(error.to_string()),
        };
        if self.sweeps.is_none() {
            network.set_statistics(&after)?;
        }
        Ok(network.device().synchronize()?)
    }
}

/// Captures the sweeps, and returns them if their replay has the bits of the plain step.
fn replayed<D: Device>(
    network: &Network<D>,
    images: usize,
    solve: Solve,
    step: &PlainStep<'_, D>,
    after: &[f64],
) -> Result<Option<CapturedSweeps<f32, D>>, NetworkError> {
    let mut sweeps = network.capture(images, solve)?;
    network.set_statistics(&step.statistics)?;
    sweeps.forward(&step.images, step.theta)?;
    let same_gradient = bits(sweeps.backward(&step.logits_bar, &Ledger::new())?) == bits(step.gradient);
    let same_logits = bits(sweeps.logits()) == bits(&step.logits);
    let same_statistics = bits(&network.statistics()) == bits(&after.to_vec());
    // Returns a replay that the driver refused, too.
    network.device().synchronize()?;
    Ok((same_gradient && same_logits && same_statistics).then_some(sweeps))
}

/// The inputs and the results of a plain step.
pub(super) struct PlainStep<'a, D: Device> {
    pub images: D::Buffer<f32>,
    pub theta: &'a D::Buffer<f32>,
    /// Running statistics before the step.
    pub statistics: Vec<f64>,
    pub logits: D::Buffer<f32>,
    pub logits_bar: D::Buffer<f32>,
    pub gradient: &'a D::Buffer<f32>,
}

fn shape(images: usize, solve: Solve) -> Shape {
    let Solve { tableau, steps, method } = solve;
    Shape { images, solver: tableau.name, steps, method }
}

/// Returns the bits of a vector's numbers. Waits.
fn bits<V: Vector<Real = R>, R: Real>(x: &V) -> Vec<u64> {
    x.to_f64().into_iter().map(f64::to_bits).collect()
}
