//! The weights on a separate time grid: they are solved first and read at nodes; their gradient starts from the
//! cotangents at these nodes.

use crate::gradient::{Block, GradientError, Ledger, Method, Trajectory};
use crate::ode::{ButcherTableau, Grid, Real, Stack, Vector};

use super::memory::Term;
use super::system::WeightSystem;

/// The forward sweep of the weights, cut into stretches at whose ends their state can be read.
pub(super) struct Chain<R: Real> {
    start: Stack<Vec<R>>,
    tableau: &'static ButcherTableau,
    stretches: Vec<(Grid, Trajectory<WeightSystem<R>>)>,
    bytes: usize,
}

impl<R: Real> Chain<R> {
    /// Solves the weights over `stretches` from `w0`. Exact methods all give the same bits, and weights are small
    /// beside activations, so these keep every tape; the others are used as they are.
    pub(super) fn forward(
        system: &WeightSystem<R>,
        tableau: &'static ButcherTableau,
        stretches: Vec<Grid>,
        method: Method,
        (w0, p): (&[R], &Stack<Vec<R>>),
        ledger: &Ledger,
    ) -> Result<Self, GradientError> {
        let exact = method.is_exact() && method.uses_tableau_steps();
        let method = if exact { Method::Full } else { method };
        let own = Ledger::new();
        let start = Stack(system.start(w0));
        let mut solved: Vec<(Grid, Trajectory<WeightSystem<R>>)> = vec![];
        for grid in stretches {
            let from = solved.last().map_or(&start, |(_, stretch)| stretch.end());
            let block = Block { field: system, tableau, grid };
            let stretch = method.forward(&block, from, p, &own)?;
            solved.push((block.grid, stretch));
        }
        let bytes = start.bytes() + own.cost().live_bytes;
        // Counted in bytes only: an evaluation of q is no evaluation of f.
        ledger.keep(bytes);
        Ok(Self { start, tableau, stretches: solved, bytes })
    }

    /// Part `part` of the state at node `node`: w (0) or the memory (1).
    pub(super) fn part(&self, node: usize, part: usize) -> &[R] {
        let state = match node.checked_sub(1) {
            None => &self.start,
            Some(before) => self.stretches[before].1.end(),
        };
        &state.0[part]
    }

    /// theta at node `node` by a rule of the memory.
    pub(super) fn theta(&self, system: &WeightSystem<R>, node: usize, terms: &[Term]) -> Vec<R> {
        system.theta(self.part(node, 0), terms, |node, part| self.part(node, part))
    }

    /// Cotangents of zero for the state at every node.
    pub(super) fn no_bars(&self) -> Vec<Stack<Vec<R>>> {
        (0..=self.stretches.len()).map(|_| self.start.zeros_like()).collect()
    }

    /// From cotangents of the states at the nodes: adds those of w(0) and p.
    pub(super) fn backward(
        self,
        system: &WeightSystem<R>,
        p: &Stack<Vec<R>>,
        mut bars: Vec<Stack<Vec<R>>>,
        w0_bar: &mut [R],
        p_bar: &mut Stack<Vec<R>>,
        ledger: &Ledger,
    ) -> Result<(), GradientError> {
        let own = Ledger::new();
        let mut bar = bars.pop().unwrap_or_else(|| self.start.zeros_like());
        for (grid, stretch) in self.stretches.into_iter().rev() {
            let block = Block { field: system, tableau: self.tableau, grid };
            bar = stretch.backward(&block, p, &bar, p_bar, &own)?;
            if let Some(read) = bars.pop() {
                bar.axpy(R::one(), &read);
            }
        }
        system.start_vjp(&bar.0, w0_bar);
        ledger.drifted(own.cost().reversal_drift);
        ledger.free(self.bytes);
        Ok(())
    }
}

/// The adjoint of [`Chain::theta`].
pub(super) fn theta_vjp<R: Real>(
    system: &WeightSystem<R>,
    node: usize,
    terms: &[Term],
    theta_bar: &[R],
    bars: &mut [Stack<Vec<R>>],
) {
    system.add_constants(theta_bar, &mut bars[node].0[0]);
    for &(node, part, weight) in terms {
        system.add_share(weight, theta_bar, &mut bars[node].0[part]);
    }
}

/// A grid of the unit interval with `fine` equal steps, cut at the ends of `coarse` equal steps as well. Gives the
/// nodes and the places of the coarse ones among them.
pub(super) fn cut_grid(fine: usize, coarse: usize) -> (Vec<f64>, Vec<usize>) {
    let whole = fine * coarse;
    let mut nodes: Vec<usize> = (0..=fine).map(|j| j * coarse).chain((0..=coarse).map(|n| n * fine)).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let places = (0..=coarse).map(|n| nodes.partition_point(|&node| node < n * fine)).collect();
    (nodes.iter().map(|&node| node as f64 / whole as f64).collect(), places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fine_grid_is_cut_where_the_coarse_one_ends_a_step() {
        assert_eq!(cut_grid(4, 2), (vec![0.0, 0.25, 0.5, 0.75, 1.0], vec![0, 2, 4]));
        assert_eq!(cut_grid(5, 2), (vec![0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0], vec![0, 3, 6]));
        assert_eq!(cut_grid(1, 3).1, vec![0, 1, 2, 3]);
    }
}
