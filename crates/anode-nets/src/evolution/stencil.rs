//! Centred finite differences on the grid of a kernel, as a sparse matrix for each coefficient of the PDE.

use std::collections::BTreeMap;

use super::{Border, Coefficients};

/// An entry of the matrix d Lap + u . grad + r: what one coefficient each contributes.
pub(super) struct Entry {
    pub row: usize,
    pub col: usize,
    /// Shares of d, u_x, u_y, r.
    pub shares: Coefficients,
}

impl Entry {
    /// The matrix entry for these coefficients.
    pub(super) fn value(&self, coefficients: &Coefficients) -> f64 {
        self.shares.iter().zip(coefficients).map(|(share, c)| share * c).sum()
    }
}

/// The entries that are not zero for all coefficients, by rows.
///
/// Lap is the five-point Laplacian, grad the centred difference. At a wall both are differences of fluxes through the
/// faces between points, (w_{i+1} - w_i) and (w_i + w_{i+1}) / 2, and no flux passes the wall.
pub(super) fn stencil([height, width]: [usize; 2], border: Border) -> Vec<Entry> {
    let mut entries: BTreeMap<(usize, usize), Coefficients> = BTreeMap::new();
    for y in 0..height {
        for x in 0..width {
            let row = y * width + x;
            entries.entry((row, row)).or_default()[3] += 1.0;
            for (axis, at, n) in [(1, x, width), (2, y, height)] {
                let place = |i: usize| if axis == 1 { y * width + i } else { i * width + x };
                for forward in [true, false] {
                    let Some(other) = neighbour(at, n, forward, border) else { continue };
                    let sign = if forward { 1.0 } else { -1.0 };
                    for (col, lap, grad) in [(place(other), 1.0, sign / 2.0), (row, -1.0, sign / 2.0)] {
                        let shares = entries.entry((row, col)).or_default();
                        shares[0] += lap;
                        shares[axis] += grad;
                    }
                }
            }
        }
    }
    let used = entries.into_iter().filter(|(_, shares)| shares.iter().any(|s| *s != 0.0));
    used.map(|((row, col), shares)| Entry { row, col, shares }).collect()
}

fn neighbour(at: usize, n: usize, forward: bool, border: Border) -> Option<usize> {
    match (border, forward) {
        (Border::Periodic, true) => Some((at + 1) % n),
        (Border::Periodic, false) => Some((at + n - 1) % n),
        (Border::NoFlux, true) => Some(at + 1).filter(|i| *i < n),
        (Border::NoFlux, false) => at.checked_sub(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(grid: [usize; 2], border: Border, coefficients: Coefficients, w: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; w.len()];
        stencil(grid, border).iter().for_each(|e| out[e.row] += e.value(&coefficients) * w[e.col]);
        out
    }

    #[test]
    fn differences_are_the_textbook_ones() {
        let w = [1.0, 4.0, 9.0, 16.0];
        let lap = [1.0, 0.0, 0.0, 0.0];
        let along_x = [0.0, 1.0, 0.0, 0.0];
        assert_eq!(apply([1, 4], Border::Periodic, lap, &w), [18.0, 2.0, 2.0, -22.0]);
        assert_eq!(apply([1, 4], Border::Periodic, along_x, &w), [-6.0, 4.0, 6.0, -4.0]);
        assert_eq!(apply([1, 4], Border::NoFlux, lap, &w), [3.0, 2.0, 2.0, -7.0]);
        assert_eq!(
            apply([1, 4], Border::NoFlux, along_x, &w),
            [2.5, 4.0, 6.0, -12.5],
            "fluxes, none through the walls"
        );
        assert_eq!(apply([4, 1], Border::Periodic, along_x, &w), [0.0; 4], "nothing to differ along one point");
        assert_eq!(apply([4, 1], Border::Periodic, [0.0, 0.0, 1.0, 2.0], &w), [-4.0, 12.0, 24.0, 28.0]);
        for border in [Border::Periodic, Border::NoFlux] {
            assert_eq!(apply([1, 1], border, [1.0, 1.0, 1.0, 3.0], &[5.0]), [15.0], "a single point only reacts");
        }
    }

    #[test]
    fn diffusion_and_advection_move_mass_but_make_none() {
        for border in [Border::Periodic, Border::NoFlux] {
            for (grid, shares) in [([3, 3], 0..3), ([5, 2], 0..3), ([1, 7], 0..3)] {
                let entries = stencil(grid, border);
                for column in 0..grid[0] * grid[1] {
                    for share in shares.clone() {
                        let sum: f64 = entries.iter().filter(|e| e.col == column).map(|e| e.shares[share]).sum();
                        assert_eq!(sum, 0.0, "{border:?} {grid:?}");
                    }
                }
            }
        }
    }
}
