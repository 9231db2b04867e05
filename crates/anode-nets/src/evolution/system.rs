//! The weights with their memory as one autonomous system: dw/dt = q(w; p), and dm/dt = rate (w - m) or dI/dt = w.

use std::sync::Arc;

use crate::ode::{At, DifferentiableField, FieldError, Real, Stack, Vector, VectorField, expect_len};

use super::field::WeightTape;
use super::memory::Term;
use super::{Memory, WeightField};

/// State `[w]` or `[w, memory]`, parameters `[p]` (further parameters are not looked at).
pub struct WeightSystem<R> {
    pub(super) weights: Arc<WeightField<R>>,
    pub(super) memory: Memory,
    /// Which weights evolve.
    evolves: Vec<bool>,
}

impl<R: Real> WeightSystem<R> {
    pub(super) fn new(weights: Arc<WeightField<R>>, memory: Memory) -> Self {
        let mut evolves = vec![false; weights.weights()];
        weights.pieces().for_each(|piece| evolves[piece.range.clone()].fill(true));
        Self { weights, memory, evolves }
    }

    /// The state at t = 0.
    pub(super) fn start(&self, w0: &[R]) -> Vec<Vec<R>> {
        let share = R::of(self.memory.start());
        let memory = || w0.iter().map(|&w| share * w).collect();
        std::iter::once(w0.to_vec()).chain((1..self.memory.parts()).map(|_| memory())).collect()
    }

    /// Adds the cotangent of w(0) for one of the state at t = 0.
    pub(super) fn start_vjp(&self, bars: &[Vec<R>], w0_bar: &mut [R]) {
        for (bars, share) in bars.iter().zip([1.0, self.memory.start()]) {
            w0_bar.iter_mut().zip(bars).for_each(|(w, &bar)| *w = *w + R::of(share) * bar);
        }
    }

    /// theta = a combination of what `node` holds where weights evolve, and `w` elsewhere.
    pub(super) fn theta<'a>(&self, w: &[R], terms: &[Term], part: impl Fn(usize, usize) -> &'a [R]) -> Vec<R>
    where
        R: 'a,
    {
        let terms: Vec<(&[R], R)> = terms.iter().map(|&(j, i, weight)| (part(j, i), R::of(weight))).collect();
        let at = |k: usize| terms.iter().fold(R::zero(), |sum, (x, weight)| sum + *weight * x[k]);
        let numbers = self.evolves.iter().zip(w).enumerate();
        numbers.map(|(k, (&evolves, &w))| if evolves { at(k) } else { w }).collect()
    }

    /// Adds the cotangents of one vector that theta was combined from, with this weight.
    pub(super) fn add_share(&self, weight: f64, theta_bar: &[R], bar: &mut [R]) {
        let weight = R::of(weight);
        let numbers = bar.iter_mut().zip(theta_bar).zip(&self.evolves).filter(|(_, evolves)| **evolves);
        numbers.for_each(|((bar, &theta), _)| *bar = *bar + weight * theta);
    }

    /// Adds the cotangents of the weights that do not evolve.
    pub(super) fn add_constants(&self, theta_bar: &[R], w_bar: &mut [R]) {
        let numbers = w_bar.iter_mut().zip(theta_bar).zip(&self.evolves).filter(|(_, evolves)| !**evolves);
        numbers.for_each(|((w, &theta), _)| *w = *w + theta);
    }

    pub(super) fn check(&self, state: &[Vec<R>]) -> Result<(), FieldError> {
        expect_len("weight system", state.len(), self.memory.parts())?;
        state.iter().try_for_each(|part| expect_len("weights", part.len(), self.weights.weights()))
    }

    /// The evolution parameters, which stand first among the parameters.
    fn first<'a>(&self, p: &'a Stack<Vec<R>>) -> Result<&'a Vec<R>, FieldError> {
        p.0.first().ok_or(FieldError::Shape { what: "parts of the evolution parameters", expected: 1, found: 0 })
    }

    pub(super) fn rates(&self, at: At, state: &[Vec<R>], p: &Vec<R>, rates: &mut [Vec<R>]) -> Result<(), FieldError> {
        self.check(state)?;
        self.check(rates)?;
        self.weights.eval(at, &state[0], p, &mut rates[0])?;
        self.memory_rate(state, rates);
        Ok(())
    }

    pub(super) fn rates_taped(
        &self,
        at: At,
        state: &[Vec<R>],
        p: &Vec<R>,
        rates: &mut [Vec<R>],
    ) -> Result<WeightTape<R>, FieldError> {
        self.check(state)?;
        self.check(rates)?;
        let tape = self.weights.eval_taped(at, &state[0], p, &mut rates[0])?;
        self.memory_rate(state, rates);
        Ok(tape)
    }

    fn memory_rate(&self, state: &[Vec<R>], rates: &mut [Vec<R>]) {
        let ([w, past @ ..], [_, rest @ ..]) = (state, rates) else { return };
        match (self.memory, past, rest) {
            (Memory::Exponential { rate, .. }, [m], [dm]) => {
                dm.iter_mut().zip(w.iter().zip(m)).for_each(|(dm, (&w, &m))| *dm = R::of(rate) * (w - m));
            }
            (Memory::Box { .. }, _, [di]) => di.copy_from_slice(w),
            _ => {}
        }
    }

    pub(super) fn rates_vjp(
        &self,
        tape: &WeightTape<R>,
        p: &Vec<R>,
        cotangent: &[Vec<R>],
        bars: &mut [Vec<R>],
        p_bar: &mut Vec<R>,
    ) -> Result<(), FieldError> {
        self.check(cotangent)?;
        self.check(bars)?;
        self.weights.vjp(tape, p, &cotangent[0], &mut bars[0], p_bar)?;
        let ([_, c @ ..], [w_bar, rest @ ..]) = (cotangent, bars) else { return Ok(()) };
        match (self.memory, c, rest) {
            (Memory::Exponential { rate, .. }, [c], [m_bar]) => {
                w_bar.axpy(R::of(rate), c);
                m_bar.axpy(R::of(-rate), c);
            }
            (Memory::Box { .. }, [c], _) => w_bar.axpy(R::one(), c),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn bytes(&self, tape: &WeightTape<R>) -> usize {
        self.weights.tape_bytes(tape)
    }
}

impl<R: Real> VectorField for WeightSystem<R> {
    type Vector = Stack<Vec<R>>;

    fn eval(&self, at: At, v: &Self::Vector, p: &Self::Vector, dv: &mut Self::Vector) -> Result<(), FieldError> {
        self.rates(at, &v.0, self.first(p)?, &mut dv.0)
    }
}

impl<R: Real> DifferentiableField for WeightSystem<R> {
    type Tape = WeightTape<R>;

    fn eval_taped(
        &self,
        at: At,
        v: &Self::Vector,
        p: &Self::Vector,
        dv: &mut Self::Vector,
    ) -> Result<WeightTape<R>, FieldError> {
        self.rates_taped(at, &v.0, self.first(p)?, &mut dv.0)
    }

    fn vjp(
        &self,
        tape: &WeightTape<R>,
        p: &Self::Vector,
        cotangent: &Self::Vector,
        v_bar: &mut Self::Vector,
        p_bar: &mut Self::Vector,
    ) -> Result<(), FieldError> {
        let found = p_bar.0.len();
        let p_bar =
            p_bar.0.first_mut().ok_or(FieldError::Shape { what: "parts of the gradient", expected: 1, found })?;
        self.rates_vjp(tape, self.first(p)?, &cotangent.0, &mut v_bar.0, p_bar)
    }

    fn tape_bytes(&self, tape: &WeightTape<R>) -> usize {
        self.bytes(tape)
    }
}
