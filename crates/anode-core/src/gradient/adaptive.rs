//! Gradients through adaptive steps: the number of steps is known only once the forward sweep has ended.
//!
//! Exact methods differentiate the steps that were accepted, with their sizes held fixed. The continuous adjoints of
//! Chen et al. (2018) are integrated backwards with new steps, chosen by the same tolerances. The error of
//! such a step is measured over all components of state, adjoint and parameter gradient together, whereas torchdiffeq
//! takes the largest of the norms of these parts.

use std::fmt;

use crate::ode::{
    Adaptive, At, ButcherTableau, DifferentiableField, FieldError, Grid, Pass, Real, Solution, SolveError, Stack,
    Vector, VectorField, integrate_observed, located,
};

use super::continuous::{Node, hermite};
use super::executor::Paused;
use super::methods::OnlineSnapshots;
use super::signature::Signature;
use super::{Action, AdaptiveStorage, Block, GradientError, Ledger};

/// z(t1) from z(t0) with steps chosen by tolerance.
///
/// Exact methods differentiate the accepted steps with their sizes held fixed. To compare with finite differences, take
/// the differences on a [`Block`] over [`Grid::Times`] of `forward.solution().times`, where a fixed solve has the same
/// bits; [`integrate_adaptive`](crate::ode::integrate_adaptive) would choose other steps for each.
pub struct AdaptiveBlock<'a, F> {
    /// The vector field f.
    pub field: &'a F,
    /// A solver with an embedded error estimate.
    pub tableau: &'static ButcherTableau,
    /// Tolerances, controller and limits, for both sweeps.
    pub control: Adaptive,
    /// t0 and t1.
    pub span: (f64, f64),
}

/// The forward sweep of an [`AdaptiveBlock`], with what its method keeps for the backward sweep.
///
/// ```
/// use anode_core::gradient::{AdaptiveBlock, Ledger, Method};
/// use anode_core::ode::{Adaptive, ClosureField, solver};
///
/// // dz/dt = sin(w z), one number.
/// let field = ClosureField::new(
///     |_t, z: &[f64], w: &[f64], dz: &mut [f64]| dz[0] = (w[0] * z[0]).sin(),
///     |_t, z: &[f64], w: &[f64], c: &[f64], z_bar: &mut [f64], w_bar: &mut [f64]| {
///         z_bar[0] += w[0] * (w[0] * z[0]).cos() * c[0];
///         w_bar[0] += z[0] * (w[0] * z[0]).cos() * c[0];
///     },
/// );
/// let tableau = solver("dormand-prince").unwrap();
/// let block = AdaptiveBlock { field: &field, tableau, control: Adaptive::new(1e-6, 1e-9), span: (0.0, 1.0) };
/// let (z0, w) = (vec![1.0], vec![0.5]);
/// let ledger = Ledger::new();
/// // At most three snapshots, however many steps the tolerance asks for.
/// let forward = Method::Online(3).forward_adaptive(&block, &z0, &w, &ledger).unwrap();
/// let cotangent = forward.end().clone();
/// let mut w_bar = vec![0.0];
/// let z0_bar = forward.backward(&block, &w, &cotangent, &mut w_bar, &ledger).unwrap();
/// // The same in one call, for the loss J = z(1)^2 / 2.
/// let found = Method::Online(3).gradient_adaptive(&block, &z0, &w, |end| end.clone()).unwrap();
/// assert_eq!((found.z0, found.theta), (z0_bar, w_bar));
/// ```
pub struct AdaptiveTrajectory<F: DifferentiableField> {
    solution: Solution<F::Vector>,
    kept: SavedSolve<F>,
    signature: Signature,
}

impl<F> Clone for AdaptiveBlock<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for AdaptiveBlock<'_, F> {}

impl<F> fmt::Debug for AdaptiveBlock<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tableau, control, span, .. } = self;
        let mut shown = f.debug_struct("AdaptiveBlock");
        shown.field("tableau", &tableau.name).field("control", control).field("span", span).finish_non_exhaustive()
    }
}

impl<F: DifferentiableField> fmt::Debug for AdaptiveTrajectory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("AdaptiveTrajectory");
        shown.field("signature", &self.signature).field("times", &self.solution.times).finish_non_exhaustive()
    }
}

enum SavedSolve<F: DifferentiableField> {
    /// An empty span: the end is the start.
    Nothing,
    /// Snapshots and the schedule of the backward sweep.
    Schedule(Paused<F>),
    /// The end of the forward sweep.
    End,
    /// All accepted states with their rates.
    Nodes(Vec<Node<F::Vector>>),
}

/// A field whose evaluations go into a ledger.
struct Counted<'a, F>(&'a F, &'a Ledger);

impl<F: VectorField> VectorField for Counted<'_, F> {
    type Vector = F::Vector;

    fn eval(&self, at: At, z: &F::Vector, theta: &F::Vector, dz: &mut F::Vector) -> Result<(), FieldError> {
        self.1.evaluation();
        self.0.eval(at, z, theta, dz)
    }
}

/// The forward sweep of any method with this storage, see [`Adjoint::forward_adaptive`](super::Adjoint).
pub(super) fn forward<F: DifferentiableField>(
    keeps: AdaptiveStorage,
    block: &AdaptiveBlock<F>,
    z0: &F::Vector,
    theta: &F::Vector,
    ledger: &Ledger,
) -> Result<AdaptiveTrajectory<F>, GradientError> {
    let mut snapshots = OnlineSnapshots::new(if let AdaptiveStorage::Snapshots(m) = keeps { m } else { 1 });
    let (mut states, mut nodes) = (vec![], vec![]);
    let field = Counted(block.field, ledger);
    let mut solution =
        integrate_observed(&field, block.tableau, block.control, block.span, Pass::Forward, z0, theta, |accepted| {
            ledger.step(false);
            match keeps {
                AdaptiveStorage::Input | AdaptiveStorage::Snapshots(_) => {
                    let choice = snapshots.reach(accepted.step);
                    if let Some(place) = states.iter().position(|(s, _)| Some(*s) == choice.free) {
                        let (_, state): (usize, F::Vector) = states.swap_remove(place);
                        ledger.free_snapshot(state.bytes());
                    }
                    if choice.store {
                        ledger.keep_snapshot(accepted.z.bytes());
                        states.push((accepted.step, accepted.z.duplicate()));
                    }
                }
                AdaptiveStorage::Nodes => nodes.push(Node::keep(accepted.z, accepted.rate, ledger)),
                AdaptiveStorage::End => {}
            }
        })?;
    // The last states are for those who judge a failed reversal; here they would only be kept alive.
    solution.last.clear();
    ledger.rejected(solution.rejected);
    let steps = solution.times.len() - 1;
    let signature = Signature::new(block.tableau, block.ends(), z0, theta);
    if steps == 0 {
        return Ok(AdaptiveTrajectory { solution, kept: SavedSolve::Nothing, signature });
    }
    let kept = match keeps {
        AdaptiveStorage::Input => {
            let mut actions = vec![Action::Restore { step: 0 }, Action::Free { step: 0 }];
            actions.extend(vec![Action::Tape; steps]);
            actions.extend(vec![Action::Reverse; steps]);
            SavedSolve::Schedule(Paused::at_the_turn(actions, steps, states))
        }
        AdaptiveStorage::Snapshots(_) => {
            let actions = snapshots.backward(steps);
            SavedSolve::Schedule(Paused::at_the_turn(actions, steps, states))
        }
        AdaptiveStorage::Nodes => {
            let at = At { t: block.span.1, step: steps, stage: 0, pass: Pass::Replay };
            let mut rate = solution.end.zeros_like();
            located(at, || field.eval(at, &solution.end, theta, &mut rate))?;
            nodes.push(Node::keep(&solution.end, &rate, ledger));
            SavedSolve::Nodes(nodes)
        }
        AdaptiveStorage::End => {
            ledger.keep(solution.end.bytes());
            SavedSolve::End
        }
    };
    Ok(AdaptiveTrajectory { solution, kept, signature })
}

impl<F> AdaptiveBlock<'_, F> {
    /// The span as a grid of one step, to compare blocks by.
    fn ends(&self) -> Grid {
        Grid::Uniform { t0: self.span.0, t1: self.span.1, steps: 1 }
    }
}

impl<F: DifferentiableField> AdaptiveTrajectory<F> {
    /// z at the end of the block.
    pub fn end(&self) -> &F::Vector {
        &self.solution.end
    }

    /// The accepted steps, and what the sweep took; without the last states before the end.
    pub fn solution(&self) -> &Solution<F::Vector> {
        &self.solution
    }

    /// From `cotangent` = dJ/dz(t1): adds dJ/dtheta to `theta_bar` and returns dJ/dz(t0).
    ///
    /// # Errors
    /// A block with another solver or span than that of the forward sweep, vectors that do not fit the state or theta.
    /// Else see [`GradientError`]; `theta_bar` then holds a part of the sum.
    pub fn backward(
        self,
        block: &AdaptiveBlock<F>,
        theta: &F::Vector,
        cotangent: &F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, GradientError> {
        self.signature.check((block.tableau, &block.ends()), theta, cotangent, theta_bar)?;
        let times = self.solution.times;
        let (past, parts) = match self.kept {
            SavedSolve::Nothing => return Ok(cotangent.duplicate()),
            SavedSolve::Schedule(paused) => {
                let block = Block { field: block.field, tableau: block.tableau, grid: Grid::Times(times) };
                return paused.backward(&block, theta, cotangent.duplicate(), theta_bar, ledger);
            }
            SavedSolve::End => {
                (None, vec![self.solution.end.duplicate(), cotangent.duplicate(), theta_bar.zeros_like()])
            }
            SavedSolve::Nodes(nodes) => {
                (Some(Past { times, nodes }), vec![cotangent.duplicate(), theta_bar.zeros_like()])
            }
        };
        let field = Augmented { field: block.field, theta, past, ledger };
        let start = Stack(parts);
        let span = (block.span.1, block.span.0);
        // The augmented field holds theta itself; what is handed through as parameters is not looked at.
        let (tableau, nothing) = (block.tableau, Stack(vec![]));
        let back = integrate_observed(&field, tableau, block.control, span, Pass::Reverse, &start, &nothing, |_| ())?;
        ledger.reverse_steps(back.times.len() - 1, back.rejected);
        match field.past {
            Some(past) => past.nodes.into_iter().for_each(|node| node.free(ledger)),
            None => ledger.free(self.solution.end.bytes()),
        }
        let mut parts = back.end.0.into_iter().rev();
        let gradient = parts.next().into_iter();
        gradient.for_each(|g| theta_bar.axpy(Real::of(1.0), &g));
        parts.next().ok_or_else(lost_adjoint)
    }
}

/// The error of an augmented state with too few parts, which no solve returns.
pub(super) fn lost_adjoint() -> GradientError {
    SolveError::Argument("the augmented state lost its adjoint".into()).into()
}

/// The forward trajectory as a cubic between accepted states.
pub(super) struct Past<V> {
    times: Vec<f64>,
    nodes: Vec<Node<V>>,
}

impl<V: Vector> Past<V> {
    /// z(t). Steps of the adjoint stay within the span, so an interval is always found.
    fn state(&self, t: f64, into: &mut V) {
        let forward = self.times.first() <= self.times.last();
        let after = self.times.partition_point(|&s| if forward { s <= t } else { s >= t });
        let i = after.clamp(1, self.times.len() - 1) - 1;
        let h = self.times[i + 1] - self.times[i];
        hermite((t - self.times[i]) / h, h, &self.nodes[i], &self.nodes[i + 1], into);
    }
}

/// z' = f, a' = -(df/dz)^T a, g' = -(df/dtheta)^T a; without z where the past is known.
pub(super) struct Augmented<'a, F: DifferentiableField> {
    pub field: &'a F,
    pub theta: &'a F::Vector,
    pub past: Option<Past<F::Vector>>,
    pub ledger: &'a Ledger,
}

impl<F: DifferentiableField> VectorField for Augmented<'_, F> {
    type Vector = Stack<F::Vector>;

    fn eval(
        &self,
        at: At,
        x: &Stack<F::Vector>,
        _: &Stack<F::Vector>,
        rates: &mut Stack<F::Vector>,
    ) -> Result<(), FieldError> {
        let minus = Real::of(-1.0);
        self.ledger.evaluation();
        self.ledger.vjp();
        rates.set_zero();
        let (tape, adjoint, rates) = match (&self.past, &x.0[..], &mut rates.0[..]) {
            (None, [z, adjoint, _], [rate, rates @ ..]) => {
                (self.field.eval_taped(at, z, self.theta, rate)?, adjoint, rates)
            }
            (Some(past), [adjoint, _], rates) => {
                let (mut z, mut rate) = (adjoint.zeros_like(), adjoint.zeros_like());
                past.state(at.t, &mut z);
                (self.field.eval_taped(at, &z, self.theta, &mut rate)?, adjoint, rates)
            }
            _ => return Err(FieldError::Other("an augmented state of the wrong number of parts".into())),
        };
        if let [a, g] = rates {
            self.field.vjp(&tape, self.theta, adjoint, a, g)?;
            a.scale(minus);
            g.scale(minus);
        }
        Ok(())
    }
}
