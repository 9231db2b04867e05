//! A residual block that is no ODE block: relu(main(x) + shortcut(x)).

use std::ops::Range;

use rayon::prelude::*;

use crate::ode::{Real, Vector, copied};

use super::chain::{Chain, ChainTape};
use super::layer::Statistics;

/// Numbers that a thread works on at a time.
const SHARE: usize = 1 << 15;

/// Two chains from one input; an empty shortcut is the identity.
#[derive(Clone, Debug)]
pub struct Residual {
    /// The main path.
    pub main: Chain,
    /// The shortcut. Its parameters follow those of the main path.
    pub shortcut: Chain,
}

/// What a forward pass leaves for the vjp.
pub struct ResidualTape<R> {
    main: ChainTape<R>,
    /// Nothing where the shortcut is the identity.
    shortcut: Option<ChainTape<R>>,
    /// Where the sum was above zero.
    live: Vec<bool>,
}

impl<R: Real> ResidualTape<R> {
    /// Bytes that the tape keeps alive.
    pub fn bytes(&self) -> usize {
        self.main.bytes() + self.shortcut.as_ref().map_or(0, ChainTape::bytes) + self.live.len()
    }
}

impl Residual {
    fn is_identity(&self) -> bool {
        self.shortcut.layers().is_empty()
    }

    /// Place of the block's parameters in the network's.
    pub fn parameters(&self) -> Range<usize> {
        self.main.parameters.start..self.shortcut.parameters.end
    }

    /// Multiply-adds of one image.
    pub fn macs(&self) -> usize {
        self.main.macs() + self.shortcut.macs()
    }

    /// The block's output for a batch; `theta` are the block's own parameters.
    pub fn forward<R: Real>(&self, x: &[R], theta: &[R], statistics: Statistics, running: &mut [f64]) -> Vec<R> {
        let (main, shortcut) = theta.split_at(self.main.parameters.len());
        let mut y = self.main.forward((0, 0), x, main, statistics, running);
        match self.is_identity() {
            true => add_relu(&mut y, x),
            false => add_relu(&mut y, &self.shortcut.forward((0, 0), x, shortcut, statistics, running)),
        }
        y
    }

    /// As [`Self::forward`], same bits, with the tape.
    pub fn forward_taped<R: Real>(
        &self,
        x: &[R],
        theta: &[R],
        statistics: Statistics,
        running: &mut [f64],
    ) -> (Vec<R>, ResidualTape<R>) {
        let (theta_main, theta_shortcut) = theta.split_at(self.main.parameters.len());
        let (mut y, main) = self.main.forward_taped((0, 0), x, theta_main, statistics, running);
        let (skipped, shortcut) = match self.is_identity() {
            true => (None, None),
            false => {
                let (skipped, tape) = self.shortcut.forward_taped((0, 0), x, theta_shortcut, statistics, running);
                (Some(skipped), Some(tape))
            }
        };
        add_relu(&mut y, skipped.as_deref().unwrap_or(x));
        let mut live = vec![false; y.len()];
        live.par_chunks_mut(SHARE).zip(y.par_chunks(SHARE)).for_each(|(live, y)| {
            live.iter_mut().zip(y).for_each(|(live, &y)| *live = y > R::zero());
        });
        (y, ResidualTape { main, shortcut, live })
    }

    /// From the cotangent of the output: adds to `theta_bar` and returns the cotangent of the input.
    pub fn vjp<R: Real>(&self, tape: &ResidualTape<R>, theta: &[R], y_bar: &[R], theta_bar: &mut [R]) -> Vec<R> {
        let cut = self.main.parameters.len();
        let (theta_main, theta_shortcut) = theta.split_at(cut);
        let (main_bar, shortcut_bar) = theta_bar.split_at_mut(cut);
        let mut bar = copied(y_bar);
        bar.par_chunks_mut(SHARE).zip(tape.live.par_chunks(SHARE)).for_each(|(bar, live)| {
            bar.iter_mut().zip(live).for_each(|(bar, &live)| *bar = if live { *bar } else { R::zero() });
        });
        let mut x_bar = self.main.vjp(&tape.main, theta_main, &bar, main_bar, true).unwrap_or_default();
        let other = match &tape.shortcut {
            None => bar,
            Some(tape) => self.shortcut.vjp(tape, theta_shortcut, &bar, shortcut_bar, true).unwrap_or_default(),
        };
        x_bar.axpy(R::one(), &other);
        x_bar
    }
}

/// `y = relu(y + x)`. NaN stays NaN.
fn add_relu<R: Real>(y: &mut [R], x: &[R]) {
    y.par_chunks_mut(SHARE).zip(x.par_chunks(SHARE)).for_each(|(y, x)| {
        for (y, &x) in y.iter_mut().zip(x) {
            let sum = *y + x;
            *y = if sum <= R::zero() { R::zero() } else { sum };
        }
    });
}
