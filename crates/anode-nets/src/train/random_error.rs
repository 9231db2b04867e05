//! The exact gradient with an error of random direction that is as large as the error of the reverse-time gradient.
//! This control separates the size of that error from its direction.

// All parameters together are a list of one range.
#![allow(clippy::single_range_in_vec_init)]

use std::ops::Range;

use rand_chacha::ChaCha8Rng;

use crate::gradient::{Ledger, Method};
use crate::net::Solve;
use crate::random::{Stream, normal, numbered};

use super::batches::BatchImages;
use super::engine::Measured;
use super::learner::StepError;
use super::trainer::Trainer;

/// Over which parameters the norm of a random error is that of the reverse-time gradient's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "serde", schemars(rename = "RandomErrorName"))]
#[non_exhaustive]
pub enum RandomError {
    /// All parameters together.
    Overall,
    /// Each parameter tensor: those whose reverse-time gradient is exact receive no error.
    PerTensor,
}

impl Trainer {
    /// Computes the exact gradient of a batch plus a random error, which replaces the last gradient of the engine. The
    /// running statistics are updated as by the exact gradient alone, and `ledger` counts the exact gradient alone.
    ///
    /// # Errors
    /// Either gradient cannot be computed.
    pub(super) fn gradient_with_random_error(
        &mut self,
        kind: RandomError,
        images: BatchImages,
        labels: &[u8],
        ledger: &Ledger,
    ) -> Result<Measured, StepError> {
        let (engine, solve) = (&mut self.engine, self.recipe.solve);
        let statistics = engine.statistics();
        let reverse = Solve { method: Method::ReverseTime, ..solve };
        let reversed = engine.gradient(images.clone(), labels, reverse, &Ledger::new());
        engine.set_statistics(&statistics)?;
        reversed?;
        let reversed = engine.last();
        let mut measured = engine.gradient(images, labels, solve, ledger)?;
        let mut gradient = engine.last();
        let parts: Vec<Range<usize>> = match kind {
            RandomError::Overall => vec![0..gradient.len()],
            RandomError::PerTensor => self.network.parameters().iter().map(|p| p.range.clone()).collect(),
        };
        let mut rng = numbered(self.recipe.seed, Stream::GradientError, self.step);
        add_random_error(&mut gradient, &reversed, &parts, &mut rng);
        measured.norm = norm(gradient.iter().map(|&g| f64::from(g)));
        engine.set_last(gradient);
        Ok(measured)
    }
}

/// Adds to each part of `exact` a vector of random direction with the norm of `reversed - exact` on that part.
fn add_random_error(exact: &mut [f32], reversed: &[f32], parts: &[Range<usize>], rng: &mut ChaCha8Rng) {
    for part in parts {
        let (exact, reversed) = (&mut exact[part.clone()], &reversed[part.clone()]);
        let size = norm(exact.iter().zip(reversed).map(|(&e, &r)| f64::from(r) - f64::from(e)));
        let direction = normal(rng, part.len(), 1.0);
        let length = norm(direction.iter().copied());
        if size > 0.0 {
            exact.iter_mut().zip(direction).for_each(|(e, d)| *e = (f64::from(*e) + size * d / length) as f32);
        }
    }
}

/// The Euclidean norm.
fn norm(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.map(|x| x * x).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::{DataSet, synthetic};
    use crate::net::{Form, Network, Steps, network};
    use crate::ode::solver;
    use crate::train::{Rate, Recipe};

    fn data() -> Arc<DataSet> {
        let mut set = synthetic();
        set.train.truncate(36);
        set.test.truncate(8);
        Arc::new(set)
    }

    fn recipe(method: Method, random_error: Option<RandomError>) -> Recipe {
        Recipe {
            solve: Solve { tableau: solver("euler").unwrap(), steps: Steps::Fixed(2), method },
            epochs: 4,
            batch: 12,
            learning_rate: 0.05,
            rate: Rate::Drops(vec![]),
            momentum: 0.9,
            weight_decay: 5e-4,
            momentum_restart: false,
            augment: true,
            random_error,
            seed: 7,
        }
    }

    fn net() -> Network {
        Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 4, 10))
    }

    /// The gradient of the first step, the running statistics after it, and the gradient's norm.
    fn gradient(method: Method, random_error: Option<RandomError>) -> (Vec<f32>, Vec<f64>, f64) {
        let mut trainer = Trainer::new(net(), data(), recipe(method, random_error)).unwrap();
        let (images, labels) = trainer.next_batch();
        let measured = trainer.gradient(images, &labels, &Ledger::new()).unwrap();
        (trainer.engine.last(), trainer.engine.statistics(), measured.norm)
    }

    fn distance(a: &[f32], b: &[f32]) -> f64 {
        norm(a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b)))
    }

    #[test]
    fn the_error_is_as_large_as_that_of_the_reverse_time_gradient() {
        let tensors: Vec<Range<usize>> = net().parameters().iter().map(|p| p.range.clone()).collect();
        let all = vec![0..net().parameter_count()];
        for (kind, parts) in [(RandomError::Overall, all), (RandomError::PerTensor, tensors)] {
            let with = gradient(Method::Anode, Some(kind));
            let exact = gradient(Method::Anode, None);
            let reversed = gradient(Method::ReverseTime, None);
            assert!(with.1 == exact.1, "running statistics are updated once, as by the exact gradient");
            assert!((with.2 - norm(with.0.iter().map(|&x| f64::from(x)))).abs() < 1e-9 * with.2);
            for part in &parts {
                let of = |gradient: &[f32]| gradient[part.clone()].to_vec();
                let (with, exact, reversed) = (of(&with.0), of(&exact.0), of(&reversed.0));
                let (found, wanted) = (distance(&with, &exact), distance(&reversed, &exact));
                let rounding = 1e-6 * norm(exact.iter().map(|&x| f64::from(x)));
                assert!((found - wanted).abs() <= rounding + 1e-6 * wanted, "{kind:?}: {found}, not {wanted}");
            }
            assert!(distance(&with.0, &reversed.0) > 0.1 * distance(&reversed.0, &exact.0), "another direction");
        }
    }

    #[test]
    fn training_with_it_is_reproducible_and_every_step_has_another_direction() {
        let run = |seed| {
            let recipe = Recipe { seed, ..recipe(Method::Anode, Some(RandomError::PerTensor)) };
            let mut trainer = Trainer::new(net(), data(), recipe).unwrap();
            let losses: Vec<u64> = (0..4).map(|_| trainer.step().unwrap().loss.to_bits()).collect();
            (losses, trainer.theta())
        };
        assert!(run(7) == run(7));
        let direction = |step| {
            let mut sum = vec![0.0f32; 4];
            add_random_error(&mut sum, &[1.0; 4], &[0..4], &mut numbered(7, Stream::GradientError, step));
            sum
        };
        assert!(direction(0) == direction(0) && direction(0) != direction(1));
        let mut exact = [1.0f32, 2.0];
        add_random_error(&mut exact, &[1.0, 2.0], &[0..2], &mut numbered(7, Stream::GradientError, 0));
        assert_eq!(exact, [1.0, 2.0], "no error where the reverse-time gradient is exact");
    }
}
