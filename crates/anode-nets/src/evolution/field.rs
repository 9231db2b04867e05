//! The weight vector field q(w; p) of a whole parameter vector, with its vjp.

use std::marker::PhantomData;
use std::ops::Range;

use crate::ode::{At, DifferentiableField, FieldError, Real, VectorField, expect_len};

use super::piece::check;
use super::stencil::{Entry, stencil};
use super::{Coefficients, EvolutionError, Law, Piece, Terms};

/// dw/dt = q(w; p): the kernels of the pieces evolve by the law, each on its own grid; all other weights stay.
///
/// w has the length of the block's parameters. p holds, piece by piece and group by group, the unknowns that the law's
/// terms have (see [`Terms::coefficients`]); p = 0 is q = 0 for a centred law.
///
/// ```
/// use anode_nets::evolution::{Law, Piece, Sigma, Terms, WeightField};
/// use anode_core::ode::{integrate, solver, Grid};
/// // One 3 x 3 kernel and a bias; reaction 0.5 with sigma = identity: the kernel grows by exp(0.5), the bias stays.
/// let law = Law { sigma: Sigma::Identity, ..Law::new(Terms::Reaction) };
/// let field = WeightField::<f64>::new(law, 10, vec![Piece { range: 0..9, grid: [3, 3], groups: 1 }]).unwrap();
/// let mut w = vec![1.0; 10];
/// integrate(&field, solver("rk4").unwrap(), &Grid::unit(20), &mut w, &vec![0.5]).unwrap();
/// assert!((w[0] - 0.5f64.exp()).abs() < 1e-7 && w[9] == 1.0);
/// ```
pub struct WeightField<R> {
    law: Law,
    len: usize,
    pieces: Vec<Placed>,
    parameters: usize,
    real: PhantomData<R>,
}

/// A piece with its finite differences and the place of its unknowns in p.
struct Placed {
    piece: Piece,
    stencil: Vec<Entry>,
    first: usize,
}

/// What an evaluation of q leaves: w, and the slope of sigma at each evolving weight.
pub struct WeightTape<R> {
    w: Vec<R>,
    slopes: Vec<R>,
}

impl<R: Real> WeightField<R> {
    /// The field over a vector of `len` weights.
    ///
    /// # Errors
    /// Pieces that do not fit the vector, or that share weights.
    pub fn new(law: Law, len: usize, pieces: Vec<Piece>) -> Result<Self, EvolutionError> {
        check(&pieces, len)?;
        let mut parameters = 0;
        let placed = pieces.into_iter().map(|piece| {
            let first = parameters;
            parameters += piece.groups * law.terms.coefficients().len();
            let stencil = stencil(piece.grid, law.border);
            Placed { piece, stencil, first }
        });
        let pieces = placed.collect();
        Ok(Self { law, len, pieces, parameters, real: PhantomData })
    }

    /// Whether both fields evolve the same weights by the same law.
    pub(super) fn evolves_like(&self, other: &Self) -> bool {
        let pieces = |field: &Self| field.pieces.iter().map(|placed| placed.piece.clone()).collect::<Vec<_>>();
        self.law == other.law && self.len == other.len && pieces(self) == pieces(other)
    }

    /// The law.
    pub fn law(&self) -> Law {
        self.law
    }

    /// Number of weights.
    pub fn weights(&self) -> usize {
        self.len
    }

    /// Length of p.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The pieces that evolve.
    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().map(|placed| &placed.piece)
    }

    /// Whether q = 0 whatever p is.
    pub fn is_constant(&self) -> bool {
        self.law.terms == Terms::Constant || self.pieces.is_empty()
    }

    /// Refuses weights, parameters and rates (or cotangents) of another length.
    fn check(&self, w: &[R], p: &[R], rates: &[R]) -> Result<(), FieldError> {
        expect_len("weights", w.len(), self.len)?;
        expect_len("evolution parameters", p.len(), self.parameters)?;
        expect_len("weight rates", rates.len(), self.len)
    }

    /// The coefficients of each group of each piece, with their derivatives by their unknowns (1 but for d).
    pub(super) fn coefficients(&self, p: &[R]) -> Result<Vec<Group>, FieldError> {
        expect_len("evolution parameters", p.len(), self.parameters)?;
        let unknowns = self.law.terms.coefficients();
        let mut groups = vec![];
        for (index, placed) in self.pieces.iter().enumerate() {
            let share = placed.piece.range.len() / placed.piece.groups;
            for number in 0..placed.piece.groups {
                let (mut values, mut slopes) = ([0.0; 4], [0.0; 4]);
                let first = placed.first + number * unknowns.len();
                for (&unknown, p) in unknowns.iter().zip(&p[first..]) {
                    let diffusion = unknown == super::Coefficient::Diffusion;
                    let s = p.f64();
                    (values[unknown as usize], slopes[unknown as usize]) =
                        if diffusion { self.law.diffusion.apply(s) } else { (s, 1.0) };
                }
                let start = placed.piece.range.start + number * share;
                groups.push(Group { piece: index, number, values, slopes, first, range: start..start + share });
            }
        }
        Ok(groups)
    }

    /// p_bar += what cotangents of a group's coefficients leave for their unknowns.
    pub(super) fn add_coefficients(&self, group: &Group, bars: &Coefficients, p_bar: &mut [R]) {
        for (&unknown, p_bar) in self.law.terms.coefficients().iter().zip(&mut p_bar[group.first..]) {
            *p_bar = *p_bar + R::of(bars[unknown as usize] * group.slopes[unknown as usize]);
        }
    }

    /// x = d Lap w + u . grad w + r w of the kernels of one group.
    fn linear(&self, group: &Group, w: &[R], x: &mut [R]) {
        let placed = &self.pieces[group.piece];
        let entries: Vec<(usize, usize, R)> =
            placed.stencil.iter().map(|e| (e.row, e.col, R::of(e.value(&group.values)))).collect();
        let points = placed.piece.points();
        for (w, x) in w.chunks_exact(points).zip(x.chunks_exact_mut(points)) {
            x.fill(R::zero());
            entries.iter().for_each(|&(row, col, value)| x[row] = x[row] + value * w[col]);
        }
    }
}

/// A set of coefficients and the kernels that it rules.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub piece: usize,
    pub number: usize,
    pub values: Coefficients,
    slopes: Coefficients,
    first: usize,
    /// Place of its kernels in w.
    pub range: Range<usize>,
}

impl<R: Real> VectorField for WeightField<R> {
    type Vector = Vec<R>;

    fn eval(&self, _: At, w: &Vec<R>, p: &Vec<R>, dw: &mut Vec<R>) -> Result<(), FieldError> {
        self.check(w, p, dw)?;
        dw.fill(R::zero());
        if self.is_constant() {
            return Ok(());
        }
        for group in self.coefficients(p)? {
            let dw = &mut dw[group.range.clone()];
            self.linear(&group, &w[group.range.clone()], dw);
            dw.iter_mut().for_each(|x| *x = self.law.apply(*x));
        }
        Ok(())
    }
}

impl<R: Real> DifferentiableField for WeightField<R> {
    type Tape = WeightTape<R>;

    fn eval_taped(&self, _: At, w: &Vec<R>, p: &Vec<R>, dw: &mut Vec<R>) -> Result<WeightTape<R>, FieldError> {
        self.check(w, p, dw)?;
        dw.fill(R::zero());
        let mut slopes = vec![];
        if !self.is_constant() {
            slopes.resize(self.len, R::zero());
            for group in self.coefficients(p)? {
                let (dw, slopes) = (&mut dw[group.range.clone()], &mut slopes[group.range.clone()]);
                self.linear(&group, &w[group.range.clone()], dw);
                for (x, slope) in dw.iter_mut().zip(slopes) {
                    *slope = self.law.sigma.slope(*x);
                    *x = self.law.apply(*x);
                }
            }
        }
        Ok(WeightTape { w: w.clone(), slopes })
    }

    fn vjp(
        &self,
        tape: &WeightTape<R>,
        p: &Vec<R>,
        cotangent: &Vec<R>,
        w_bar: &mut Vec<R>,
        p_bar: &mut Vec<R>,
    ) -> Result<(), FieldError> {
        expect_len("cotangent", cotangent.len(), self.len)?;
        self.check(&tape.w, p, w_bar)?;
        expect_len("gradient for the evolution parameters", p_bar.len(), self.parameters)?;
        if self.is_constant() {
            return Ok(());
        }
        for group in self.coefficients(p)? {
            let (range, placed) = (group.range.clone(), &self.pieces[group.piece]);
            let points = placed.piece.points();
            let values: Vec<R> = placed.stencil.iter().map(|e| R::of(e.value(&group.values))).collect();
            let mut products = vec![0.0; values.len()];
            let x_bar: Vec<R> =
                tape.slopes[range.clone()].iter().zip(&cotangent[range.clone()]).map(|(&s, &c)| s * c).collect();
            let kernels = tape.w[range.clone()].chunks_exact(points).zip(w_bar[range].chunks_exact_mut(points));
            for ((w, w_bar), x_bar) in kernels.zip(x_bar.chunks_exact(points)) {
                for ((entry, &value), product) in placed.stencil.iter().zip(&values).zip(&mut products) {
                    w_bar[entry.col] = w_bar[entry.col] + value * x_bar[entry.row];
                    *product += w[entry.col].f64() * x_bar[entry.row].f64();
                }
            }
            let mut bars = [0.0; 4];
            for (entry, product) in placed.stencil.iter().zip(&products) {
                bars.iter_mut().zip(entry.shares).for_each(|(bar, share)| *bar += share * product);
            }
            self.add_coefficients(&group, &bars, p_bar);
        }
        Ok(())
    }

    fn tape_bytes(&self, tape: &WeightTape<R>) -> usize {
        (tape.w.len() + tape.slopes.len()) * size_of::<R>()
    }
}
