//! Gradient descent with momentum and weight decay.

use anode_core::ode::Real;
use rayon::prelude::*;

/// A step of stochastic gradient descent with momentum (Polyak 1964) and L2 weight decay, as `torch.optim.SGD` takes it
/// with `dampening=0`:
///
/// `v = (g + weight_decay theta) + momentum v`, then `theta = theta - learning_rate v`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descent {
    /// Factor of the velocity in the step.
    pub learning_rate: f64,
    /// Factor of the previous velocity.
    pub momentum: f64,
    /// Factor of the parameters that is added to the gradient; with 0 they are not read.
    pub weight_decay: f64,
    /// Number of parameters that decay. They are the first ones; the others have no weight decay.
    pub decaying: usize,
}

/// Numbers of one task: each number moves by itself, so the size decides no bits.
const PART: usize = 1 << 14;

/// Takes one step in place: updates `velocity`, then `theta`. All slices have the same length.
///
/// # Panics
/// If they differ in length.
pub fn descend<R: Real>(descent: Descent, theta: &mut [R], velocity: &mut [R], gradient: &[R]) {
    assert!(velocity.len() == theta.len() && gradient.len() == theta.len(), "vectors of different length");
    let decaying = if descent.weight_decay == 0.0 { 0 } else { descent.decaying.min(theta.len()) };
    let [rate, momentum, decay] = [descent.learning_rate, descent.momentum, descent.weight_decay].map(R::of);
    let step = |theta: &mut R, velocity: &mut R, slope: R| {
        *velocity = slope + momentum * *velocity;
        *theta = *theta - *velocity * rate;
    };
    let parts = theta.par_chunks_mut(PART).zip(velocity.par_chunks_mut(PART)).zip(gradient.par_chunks(PART));
    parts.enumerate().for_each(|(part, ((theta, velocity), gradient))| {
        let split = decaying.saturating_sub(part * PART).min(theta.len());
        let all = theta.iter_mut().zip(velocity).zip(gradient);
        for (i, ((theta, velocity), &g)) in all.enumerate() {
            let slope = if i < split { g + decay * *theta } else { g };
            step(theta, velocity, slope);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_by_hand() {
        let descent = Descent { learning_rate: 0.5, momentum: 0.25, weight_decay: 2.0, decaying: 1 };
        let (mut theta, mut velocity) = (vec![1.0, 1.0], vec![0.0, 8.0]);
        descend(descent, &mut theta, &mut velocity, &[3.0, 3.0]);
        // 3 + 2 * 1 = 5; 3 + 0.25 * 8 = 5.
        assert_eq!((&theta, &velocity), (&vec![-1.5, -1.5], &vec![5.0, 5.0]));
        descend(descent, &mut theta, &mut velocity, &[0.0, 0.0]);
        // 2 * -1.5 + 1.25 = -1.75; 1.25.
        assert_eq!((theta, velocity), (vec![-0.625, -2.125], vec![-1.75, 1.25]));
    }

    #[test]
    #[cfg_attr(miri, ignore = "tens of thousands of calls")]
    fn parts_move_as_one() {
        let numbers = |k: usize| (0..3 * PART + 5).map(|i| ((i * k) % 97) as f32 / 97.0 - 0.5).collect::<Vec<f32>>();
        let descent = Descent { learning_rate: 0.1, momentum: 0.9, weight_decay: 5e-4, decaying: PART + 7 };
        let (mut theta, mut velocity, gradient) = (numbers(3), numbers(5), numbers(7));
        let (mut one, mut moving) = (theta.clone(), velocity.clone());
        descend(descent, &mut theta, &mut velocity, &gradient);
        for i in 0..one.len() {
            let alone = Descent { decaying: usize::from(i < descent.decaying), ..descent };
            descend(alone, &mut one[i..=i], &mut moving[i..=i], &gradient[i..=i]);
        }
        assert_eq!((theta, velocity), (one, moving));
    }
}
