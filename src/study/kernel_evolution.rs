//! Evolving kernels: one kernel under each term of the weight PDE, stepped, beside the exact solution (ANODEV2).

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::definition::StudyKind;
use crate::definition::settings::{KernelEvolutionSettings, Settings};
use crate::evolution::{
    Border, Coefficient, Diffusion, EvolutionError, ExactFlow, Law, Piece, Sigma, Symbol, WeightField,
};
use crate::kernels::{Cpu, Device};
use crate::ode::{ButcherTableau, Grid, Vector, integrate, relative_distance};
use crate::record::{Image, Outcome, Row, number, row};

use super::parts::{solver, typed};
use super::{Context, Ending, Estimate, Place, Study, StudyError, estimate};

/// The study of evolving kernels.
pub struct KernelEvolution;

impl Study for KernelEvolution {
    fn kind(&self) -> StudyKind {
        StudyKind::KernelEvolution
    }

    fn estimate(&self, settings: &Settings) -> Result<Estimate, StudyError> {
        estimate::fields::kernel_evolution(typed(settings)?)
    }

    fn inputs(&self, _: &Place, _: &Settings) -> Result<Map<String, Value>, StudyError> {
        Ok(Map::new())
    }

    /// Weights are stepped on the CPU on every device.
    fn device<'a>(&self, _: &'a str) -> &'a str {
        Cpu::NAME
    }

    fn run(&self, context: &Context<'_>) -> Result<Ending, StudyError> {
        let settings: &KernelEvolutionSettings = typed(context.settings)?;
        let problem = Problem::new(settings)?;
        let mut outcome = Outcome::default();
        let mut steps = settings.steps.clone();
        steps.sort_unstable();
        for (done, &steps) in steps.iter().enumerate() {
            context.begin_steps(steps, done, settings.steps.len())?;
            let frames = problem.frames(steps).map_err(|e| StudyError::failed(format!("Nt = {steps}"), e))?;
            // The finest solution is the one that is shown: its spectrum first, since a picture's notes are of the last
            // row.
            if done + 1 == settings.steps.len() {
                outcome.rows.extend(problem.spectrum(frames.last().unwrap_or(&problem.start))?);
                outcome.images = problem.images(&frames)?;
            }
            for (i, w) in frames.iter().enumerate() {
                outcome.rows.push(problem.row(steps, i, w)?);
            }
        }
        Ok(Ending::Finished(outcome))
    }
}

struct Problem {
    field: Arc<WeightField<f64>>,
    tableau: &'static ButcherTableau,
    start: Vec<f64>,
    p: Vec<f64>,
    size: usize,
    frames: usize,
    /// The exact solutions of the differences and of the PDE itself, where they are known.
    exact: Option<[ExactFlow<f64>; 2]>,
}

impl Problem {
    fn new(settings: &KernelEvolutionSettings) -> Result<Self, StudyError> {
        let refused = |e: EvolutionError| StudyError::failed("settings", e);
        // The definition names d itself, not its unknown.
        let KernelEvolutionSettings { terms, sigma, border, .. } = *settings;
        let law = Law { sigma, border, diffusion: Diffusion::Free, ..Law::new(terms) };
        let n = settings.kernel;
        let piece = Piece { range: 0..n * n, grid: [n, n], groups: 1 };
        let field = Arc::new(WeightField::new(law, n * n, vec![piece]).map_err(refused)?);
        let c = settings.coefficients;
        let value = |of: &Coefficient| match of {
            Coefficient::Diffusion => c.d,
            Coefficient::AdvectionX => c.ux,
            Coefficient::AdvectionY => c.uy,
            Coefficient::Reaction => c.r,
        };
        let known = settings.sigma == Sigma::Identity && settings.border == Border::Periodic;
        let flow = |symbol| ExactFlow::new(field.clone(), symbol).map_err(refused);
        let exact = if known { Some([flow(Symbol::Discrete)?, flow(Symbol::Spectral)?]) } else { None };
        let centre = (n / 2) as f64;
        let square = |i: usize| (i as f64 - centre).powi(2);
        let bump = |i: usize| (-(square(i / n) + square(i % n)) / (2.0 * settings.deviation.powi(2))).exp();
        Ok(Self {
            tableau: solver(&settings.solver)?,
            start: (0..n * n).map(bump).collect(),
            p: law.terms.coefficients().iter().map(value).collect(),
            size: n,
            frames: settings.frames,
            exact,
            field,
        })
    }

    /// The kernel at t = 0, 1 / frames, ..., 1.
    fn frames(&self, steps: usize) -> Result<Vec<Vec<f64>>, EvolutionError> {
        self.field.check_stability(&self.p, self.tableau, 1.0 / steps as f64)?;
        let mut w = self.start.clone();
        let mut frames = vec![w.clone()];
        for i in 0..self.frames {
            let grid = Grid::Uniform { t0: self.time(i), t1: self.time(i + 1), steps: steps / self.frames };
            integrate(&*self.field, self.tableau, &grid, &mut w, &self.p)?;
            frames.push(w.clone());
        }
        Ok(frames)
    }

    fn time(&self, frame: usize) -> f64 {
        frame as f64 / self.frames as f64
    }

    fn exact(&self, which: usize, frame: usize) -> Result<Option<Vec<f64>>, StudyError> {
        let at = |exact: &[ExactFlow<f64>; 2]| exact[which].at(self.time(frame), &self.start, &self.p);
        self.exact.as_ref().map(at).transpose().map_err(|e| StudyError::failed("multiplier", e))
    }

    fn row(&self, steps: usize, frame: usize, w: &Vec<f64>) -> Result<Row, StudyError> {
        let mass = |w: &[f64]| w.iter().sum::<f64>();
        let error = |which| -> Result<Value, StudyError> {
            Ok(self.exact(which, frame)?.map_or(Value::Null, |exact| number(relative_distance(w, &exact))))
        };
        let (low, high) = w.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(*x), h.max(*x)));
        Ok(row([
            ("row", "state".into()),
            ("Nt", steps.into()),
            ("dt", number(1.0 / steps as f64)),
            ("t", number(self.time(frame))),
            ("mass", number(mass(w))),
            ("mass_change", number((mass(w) - mass(&self.start)).abs() / mass(&self.start).abs())),
            ("norm", number(w.norm())),
            ("norm_ratio", number(w.norm() / self.start.norm())),
            ("roughness_ratio", number(self.roughness(w) / self.roughness(&self.start))),
            ("least", number(low)),
            ("largest", number(high)),
            ("error", error(0)?),
            ("error_pde", error(1)?),
        ]))
    }

    /// |grad w|: the root of the sum of squares of the differences of neighbours.
    fn roughness(&self, w: &[f64]) -> f64 {
        let (n, around) = (self.size, self.field.law().border == Border::Periodic);
        let square = |a: usize, b: usize| (w[a] - w[b]).powi(2);
        let inside = |i: usize| around || i + 1 < n;
        let sum: f64 = (0..n * n)
            .map(|i| {
                let (y, x) = (i / n, i % n);
                let right = if inside(x) { square(i, y * n + (x + 1) % n) } else { 0.0 };
                right + if inside(y) { square(i, (y + 1) % n * n + x) } else { 0.0 }
            })
            .sum();
        sum.sqrt()
    }

    /// Size of the modes along the width at t = 1: of the start, stepped, and exact.
    fn spectrum(&self, stepped: &[f64]) -> Result<Vec<Row>, StudyError> {
        let n = self.size;
        let wave = |m: usize| 2.0 * std::f64::consts::PI * m as f64 / n as f64;
        let size = |w: &[f64], m: usize| {
            let (real, imaginary) = w.iter().enumerate().fold((0.0, 0.0), |(real, imaginary), (i, x)| {
                let (sin, cos) = (wave(m) * (i % n) as f64).sin_cos();
                (real + x * cos, imaginary + x * sin)
            });
            f64::hypot(real, imaginary)
        };
        let mut kernels = vec![("start", self.start.clone()), ("stepped", stepped.to_vec())];
        for (which, name) in ["exact, differences", "exact, PDE"].into_iter().enumerate() {
            kernels.extend(self.exact(which, self.frames)?.map(|w| (name, w)));
        }
        let rows = kernels.iter().flat_map(|(of, w)| {
            (0..=n / 2).map(move |m| {
                row([
                    ("row", "mode".into()),
                    ("of", (*of).into()),
                    ("k", number(wave(m))),
                    ("size", number(size(w, m))),
                ])
            })
        });
        Ok(rows.collect())
    }

    /// The kernel over time, `t0`, `t1`, ..., and the exact solution of the PDE at the end.
    fn images(&self, frames: &[Vec<f64>]) -> Result<Vec<Image>, StudyError> {
        let image = |name: String, w: &[f64]| {
            let pixels = w.iter().map(|x| Some(*x).filter(|x| x.is_finite())).collect();
            Image { name, height: self.size, width: self.size, pixels }
        };
        let over_time = frames.iter().enumerate().map(|(i, w)| image(format!("t{i}"), w));
        let exact = self.exact(1, self.frames)?.map(|w| image("exact".into(), &w));
        Ok(over_time.chain(exact).collect())
    }
}
