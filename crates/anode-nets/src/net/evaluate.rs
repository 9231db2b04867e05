//! A network without gradients: evaluation, and how well its ODE blocks can be reversed.

use crate::kernels::{Device, Part};
use crate::ode::{Pass, Real, Vector, reversal_error};

use super::chain::Sweep;
use super::error::NetworkError;
use super::network::{Network, block_parameters};
use super::ode_field::{Mode, OdeField};
use super::residual::ResidualSweep;
use super::segment::Segment;
use super::solve::Solve;

/// The state of an ODE block on a batch of images, before the block and as the reverse solve finds it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reversal<R> {
    /// Channels, height and width of the state of one image.
    pub shape: [usize; 3],
    /// z(0), image by image.
    pub start: Vec<R>,
    /// What the reverse solve finds of z(0) from z(1); `None` if it does not end.
    pub back: Option<Vec<R>>,
}

impl<D: Device> Network<D> {
    /// Logits of a batch in evaluation mode: batch norm with the running statistics. The ODE blocks are solved as in
    /// [`Self::forward`], with the solver of the gradient method where it has its own. Waits.
    ///
    /// # Errors
    /// See [`NetworkError`].
    pub fn evaluate<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
    ) -> Result<Vec<R>, NetworkError> {
        self.logits(images, theta, solve, Mode::Evaluation)
    }

    /// Logits of a batch, normalised as `mode` says. Waits.
    pub(super) fn logits<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
        mode: Mode,
    ) -> Result<Vec<R>, NetworkError> {
        let logits = self.walk(images, theta, solve, mode, |_, _, _, _| {})?;
        let logits = self.device.download(&logits);
        self.device.synchronize()?;
        Ok(logits)
    }

    /// The reversibility error rho = |z(0) - z~(0)| / |z(0)| of every ODE block on a batch, where z~(0) is what the
    /// solver of `solve` finds back from z(1) on the same steps, or by the same tolerances (ANODE, section 3). The
    /// solver is that of the gradient method if it has one (leapfrog, reversible), else the tableau. Batch norm
    /// normalises with the batch, as in training; the running statistics stay. Infinite where the reverse solve does
    /// not end. Blocks whose weights evolve are left out: their state is more than z. Waits for each.
    ///
    /// # Errors
    /// A forward solve that fails, see [`NetworkError`].
    pub fn reversal_errors<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
    ) -> Result<Vec<f64>, NetworkError> {
        let mut errors = vec![];
        self.reverse_blocks(images, theta, solve, |_, start, back| {
            errors.push(back.map_or(f64::INFINITY, |back| reversal_error(start, back)));
        })?;
        Ok(errors)
    }

    /// The states behind [`Self::reversal_errors`]: what enters every ODE block, and what the reverse solve finds of
    /// it. Waits for each.
    ///
    /// # Errors
    /// A forward solve that fails, see [`NetworkError`].
    pub fn reversals<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
    ) -> Result<Vec<Reversal<R>>, NetworkError> {
        let mut found = vec![];
        self.reverse_blocks(images, theta, solve, |shape, start, back| {
            let back = back.map(|back| self.device.download(back));
            found.push(Reversal { shape, start: self.device.download(start), back });
        })?;
        Ok(found)
    }

    /// Reverses every ODE block with constant weights. `found` sees the shape of the state of one image, z(0), and what
    /// comes back, if the reverse solve ends.
    fn reverse_blocks<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
        mut found: impl FnMut([usize; 3], &D::Buffer<R>, Option<&D::Buffer<R>>),
    ) -> Result<(), NetworkError> {
        let mut failed = Ok(());
        let wait = || self.device.synchronize().map_err(NetworkError::from);
        let logits = self.walk(images, theta, solve, Mode::Watching, |field, theta, start, end| {
            // What the forward sweep met must not count as the reverse solve's.
            failed = failed.clone().and(wait());
            let mut back = end.duplicate();
            let solved = solve.reverse(field, &mut back, theta).map_err(NetworkError::from);
            match solved.and(wait()) {
                Ok(()) => found(field.shape(), start, Some(&back)),
                Err(error) if error.is_divergence() => found(field.shape(), start, None),
                // A fault is no result.
                Err(error) => failed = failed.clone().and(Err(error)),
            }
        });
        logits?;
        failed?;
        Ok(self.device.synchronize()?)
    }

    /// The forward sweep; `visit` sees each ODE block's field, parameters, z(0) and z(1).
    pub(super) fn walk<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
        mode: Mode,
        mut visit: impl FnMut(&OdeField<R, D>, &D::Buffer<R>, &D::Buffer<R>, &D::Buffer<R>),
    ) -> Result<D::Buffer<R>, NetworkError> {
        self.expect_lengths(images.len(), theta.len())?;
        let (device, statistics) = (&self.device, mode.statistics(Pass::Replay));
        let host = self.evolving_parameters(theta);
        let mut current = images.duplicate();
        for segment in &self.segments {
            let own = Part::new(theta, segment.parameters());
            match segment {
                Segment::Plain(chain) => {
                    let sweep = Sweep::new(device, chain, (0, 0), own);
                    current = sweep.forward(&current, statistics, &mut self.running());
                }
                Segment::Residual(block) => {
                    let sweep = ResidualSweep::new(device, block, own);
                    current = sweep.forward(&current, statistics, &mut self.running());
                }
                Segment::Ode(chain, Some(evolving)) => {
                    let block = evolving.block(device, self.field(chain, mode), solve)?;
                    let theta = block_parameters(chain, evolving, &host);
                    current = block.solve(solve.method, &current, &theta)?;
                }
                Segment::Ode(chain, None) => {
                    solve.check(chain)?;
                    let (field, theta) = (self.field(chain, mode), device.share_part(own));
                    let start = current.duplicate();
                    solve.advance(&field, &mut current, &theta)?;
                    visit(&field, &theta, &start, &current);
                }
            }
        }
        Ok(current)
    }
}
