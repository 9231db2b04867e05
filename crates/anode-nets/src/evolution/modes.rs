//! The Fourier modes of a kernel's grid, and the symbols of the PDE's terms on them.

use std::f64::consts::PI;

use super::{Border, Coefficients};

/// The Fourier symbols of the derivatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Symbol {
    /// -|k|^2 and i k: the PDE itself (the derivative of the highest mode of an even grid is taken as 0).
    Spectral,
    /// -4 sin^2(k/2) and i sin k, the symbols of centred differences: the limit of the finite-difference evolution for
    /// small time steps.
    Discrete,
}

/// A mode: its wave numbers, and the symbols of Lap (real) and of the two derivatives (imaginary).
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    /// Wave numbers along the height and the width.
    pub k: [f64; 2],
    /// Lap.
    pub laplacian: f64,
    /// d/dx, over i.
    pub x: f64,
    /// d/dy, over i.
    pub y: f64,
}

impl Mode {
    /// Real and imaginary part of -d|k|^2 + i u.k + r.
    pub(super) fn rate(&self, [d, ux, uy, r]: &Coefficients) -> (f64, f64) {
        (d * self.laplacian + r, ux * self.x + uy * self.y)
    }
}

/// The modes of a grid: of the circle, or of the cosines that a wall allows.
pub(super) fn modes([height, width]: [usize; 2], border: Border, symbol: Symbol) -> Vec<Mode> {
    let (rows, columns) = (axis(height, border, symbol), axis(width, border, symbol));
    let pair = |&(ky, y2, y): &(f64, f64, f64)| {
        columns.iter().map(move |&(kx, x2, x)| Mode { k: [ky, kx], laplacian: -(x2 + y2), x, y })
    };
    rows.iter().flat_map(pair).collect()
}

/// Wave number, symbol of minus the second derivative, and of the first over i, along one axis.
fn axis(n: usize, border: Border, symbol: Symbol) -> Vec<(f64, f64, f64)> {
    (0..n)
        .map(|m| {
            let k = match border {
                Border::Periodic if 2 * m > n => 2.0 * PI * (m as f64 - n as f64) / n as f64,
                Border::Periodic => 2.0 * PI * m as f64 / n as f64,
                Border::NoFlux => PI * m as f64 / n as f64,
            };
            let highest = border == Border::Periodic && 2 * m == n;
            match symbol {
                Symbol::Spectral => (k, k * k, if highest { 0.0 } else { k }),
                Symbol::Discrete => (k, 4.0 * (k / 2.0).sin().powi(2), if highest { 0.0 } else { k.sin() }),
            }
        })
        .collect()
}
