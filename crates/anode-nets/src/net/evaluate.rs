//! A network without gradients: evaluation, and how well its ODE blocks can be reversed.

use std::sync::PoisonError;

use crate::gradient::{Ledger, Method};
use crate::kernels::Cpu;
use crate::ode::{Pass, Real, SolveError, reversal_error};

use super::network::{Network, block_parameters, impossible};
use super::ode_field::{Mode, OdeField};
use super::segment::Segment;
use super::solve::Solve;

impl Network {
    /// Logits of a batch in evaluation mode: batch norm with the running statistics.
    ///
    /// # Errors
    /// See [`SolveError`].
    pub fn evaluate<R: Real>(&self, images: &[R], theta: &[R], solve: Solve) -> Result<Vec<R>, SolveError> {
        self.walk(images, theta, solve, Mode::Evaluation, |_, _, _, _| {})
    }

    /// The reversibility error rho = |z(0) - z~(0)| / |z(0)| of every ODE block on a batch, where z~(0) is what the
    /// block's solver finds back from z(1) on the same steps, or by the same tolerances (ANODE, section 3). Batch norm
    /// normalises with the batch, as in training; the running statistics stay. Infinite where the reverse solve does
    /// not end. Blocks whose weights evolve are left out: their state is more than z.
    ///
    /// # Errors
    /// A forward solve that fails, see [`SolveError`].
    pub fn reversal_errors<R: Real>(&self, images: &[R], theta: &[R], solve: Solve) -> Result<Vec<f64>, SolveError> {
        let (mut errors, mut failed) = (vec![], Ok(()));
        self.walk(images, theta, solve, Mode::Watching, |field, theta, start, end| {
            let mut back = end.clone();
            let solved = solve.reverse(field, &mut back, theta);
            match solved {
                Ok(()) => errors.push(reversal_error(start, &back)),
                Err(error) if error.is_divergence() => errors.push(f64::INFINITY),
                // A fault is no result.
                Err(error) => failed = failed.clone().and(Err(error)),
            }
        })?;
        failed?;
        Ok(errors)
    }

    /// The forward sweep; `visit` sees each ODE block's field, parameters, z(0) and z(1).
    pub(super) fn walk<R: Real>(
        &self,
        images: &[R],
        theta: &[R],
        solve: Solve,
        mode: Mode,
        mut visit: impl FnMut(&OdeField<R>, &Vec<R>, &Vec<R>, &Vec<R>),
    ) -> Result<Vec<R>, SolveError> {
        self.expect_lengths(images.len(), theta.len())?;
        let statistics = mode.statistics(Pass::Replay);
        let mut current = images.to_vec();
        for segment in &self.segments {
            match segment {
                Segment::Plain(chain) => {
                    let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                    let theta = &theta[chain.parameters.clone()];
                    current = chain.forward((0, 0), &current, theta, statistics, &mut running);
                }
                Segment::Residual(block) => {
                    let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                    let theta = &theta[block.parameters()];
                    current = block.forward(&current, theta, statistics, &mut running);
                }
                Segment::Ode(chain, evolving) => {
                    let field = OdeField::new(chain.clone(), self.running.clone(), mode);
                    let theta = block_parameters(chain, evolving.as_ref(), theta);
                    if let Some(evolving) = evolving {
                        let block = evolving.block(&Cpu, field, solve).map_err(impossible)?;
                        // ANODE keeps no more than the block's input.
                        current = block.forward(Method::Anode, &current, &theta, &Ledger::new())?.end().clone();
                        continue;
                    }
                    let start = current.clone();
                    solve.advance(&field, &mut current, &theta)?;
                    visit(&field, &theta, &start, &current);
                }
            }
        }
        Ok(current)
    }
}
