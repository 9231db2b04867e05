//! Gradients of losses of the states at several times.

use anode_core::gradient::{
    AdaptiveBlock, Block, GradientError, Method, ObservedGradient, gradient_observed, gradient_observed_adaptive,
};
use anode_core::ode::{
    Adaptive, ClosureField, DifferentiableField, Grid, Real, SolveError, integrate, integrate_adaptive,
    integrate_adaptive_at, integrate_at, relative_distance, solver,
};

const TIMES: [f64; 4] = [0.0, 0.4, 0.5, 1.3];
const EXACT: [Method; 6] =
    [Method::Full, Method::Anode, Method::Uniform(2), Method::Revolve(2), Method::Online(2), Method::Within(1 << 20)];

/// A pendulum with friction, driven by a force that depends on time: z = (angle, rate), theta = (g, friction, force).
fn pendulum<R: Real>() -> impl DifferentiableField<Vector = Vec<R>> {
    ClosureField::new(
        |t, z: &[R], p: &[R], dz: &mut [R]| {
            dz[0] = z[1];
            dz[1] = -p[0] * z[0].sin() - p[1] * z[1] + p[2] * R::of(t.cos());
        },
        |t: f64, z: &[R], p: &[R], c: &[R], z_bar: &mut [R], p_bar: &mut [R]| {
            z_bar[0] = z_bar[0] - c[1] * p[0] * z[0].cos();
            z_bar[1] = z_bar[1] + c[0] - c[1] * p[1];
            p_bar[0] = p_bar[0] - c[1] * z[0].sin();
            p_bar[1] = p_bar[1] - c[1] * z[1];
            p_bar[2] = p_bar[2] + c[1] * R::of(t.cos());
        },
    )
}

fn inputs<R: Real>() -> (Vec<R>, Vec<R>) {
    let of = |x: &[f64]| x.iter().map(|&x| R::of(x)).collect();
    (of(&[1.1, -0.4]), of(&[3.0, 0.2, 0.7]))
}

/// dJ/dz(t_i) for J = sum_i (i + 1) |z(t_i)|^2 / 2.
fn cotangents<R: Real>(ends: &[Vec<R>]) -> Vec<Vec<R>> {
    ends.iter().enumerate().map(|(i, z)| z.iter().map(|&z| R::of(i as f64 + 1.0) * z).collect()).collect()
}

/// The gradient of the same J in central differences over fixed steps of these grids.
fn differences(grids: &[Grid], tableau: &str) -> Vec<f64> {
    let (z0, theta) = inputs::<f64>();
    let (field, tableau, all) = (pendulum(), solver(tableau).unwrap(), [z0, theta].concat());
    let loss = |all: &[f64]| {
        let (mut z, theta) = (all[..2].to_vec(), all[2..].to_vec());
        let weighted = grids.iter().enumerate().map(|(i, grid)| {
            integrate(&field, tableau, grid, &mut z, &theta).unwrap();
            (i as f64 + 1.0) * z.iter().map(|z| z * z).sum::<f64>() / 2.0
        });
        weighted.sum::<f64>()
    };
    let moved = |i: usize, by: f64| {
        let mut all = all.clone();
        all[i] += by;
        loss(&all)
    };
    (0..all.len()).map(|i| (moved(i, 1e-5) - moved(i, -1e-5)) / 2e-5).collect()
}

fn gradient<R: Real>(found: &ObservedGradient<Vec<R>>) -> Vec<f64> {
    found.z0.iter().chain(&found.theta).map(|x| x.f64()).collect()
}

#[test]
fn exact_methods_agree_with_differences_and_with_each_other() {
    let (field, tableau, (z0, theta)) = (pendulum::<f64>(), solver("rk4").unwrap(), inputs());
    let blocks = Block::between(&field, tableau, &TIMES, 7).unwrap();
    let grids: Vec<Grid> = blocks.iter().map(|block| block.grid.clone()).collect();
    let full = gradient_observed(Method::Full, &blocks, &z0, &theta, cotangents).unwrap();
    let error = relative_distance(&gradient(&full), &differences(&grids, "rk4"));
    assert!(error < 1e-9, "{error:e}");
    let mut z = z0.clone();
    for (grid, end) in grids.iter().zip(&full.ends) {
        integrate(&field, tableau, grid, &mut z, &theta).unwrap();
        assert_eq!(&z, end);
    }
    for method in EXACT {
        let found = gradient_observed(method, &blocks, &z0, &theta, cotangents).unwrap();
        assert_eq!((&found.ends, &found.z0, &found.theta), (&full.ends, &full.z0, &full.theta), "{method}");
        assert_eq!(found.cost.live_bytes, 0, "{method}");
    }
    // ANODE keeps the input of each block, and tapes of 7 steps of one block: 4 stages of 24 bytes.
    let anode = gradient_observed(Method::Anode, &blocks, &z0, &theta, cotangents).unwrap().cost;
    assert_eq!((anode.peak_bytes, anode.function_evaluations), (2 * 16 + 7 * 4 * 24, 2 * 3 * 7 * 4));
    let (single, (z0, theta)) = (pendulum::<f32>(), inputs());
    let blocks = Block::between(&single, tableau, &TIMES, 7).unwrap();
    let found = gradient_observed(Method::Anode, &blocks, &z0, &theta, cotangents).unwrap();
    assert!(relative_distance(&gradient(&found), &gradient(&full)) < 1e-5);
}

#[test]
fn other_methods_approach_the_same_gradient() {
    let (field, tableau, (z0, theta)) = (pendulum::<f64>(), solver("dormand-prince").unwrap(), inputs());
    let blocks = Block::between(&field, tableau, &TIMES, 1000).unwrap();
    let full = gradient(&gradient_observed(Method::Full, &blocks, &z0, &theta, cotangents).unwrap());
    for method in
        [Method::ReverseTime, Method::StoredAdjoint, Method::InterpolatedAdjoint, Method::Leapfrog, Method::Reversible]
    {
        let found = gradient_observed(method, &blocks, &z0, &theta, cotangents).unwrap();
        let error = relative_distance(&gradient(&found), &full);
        assert!(error < 1e-5, "{method}: {error:e}");
    }
}

#[test]
fn one_block_is_the_gradient_of_its_end() {
    let (field, tableau, (z0, theta)) = (pendulum::<f64>(), solver("heun").unwrap(), inputs());
    let blocks = Block::between(&field, tableau, &[0.0, 1.0], 5).unwrap();
    let found = gradient_observed(Method::Revolve(2), &blocks, &z0, &theta, |ends| ends.to_vec()).unwrap();
    let one = Method::Revolve(2).gradient(&blocks[0], &z0, &theta, |end| end.clone()).unwrap();
    assert_eq!((&found.ends[0], found.z0, found.theta, found.cost), (&one.end, one.z0, one.theta, one.cost));
    let nothing = gradient_observed(Method::Full, &blocks[..0], &z0, &theta, |ends| ends.to_vec()).unwrap();
    assert_eq!((nothing.ends.len(), nothing.z0, nothing.theta), (0, vec![0.0; 2], vec![0.0; 3]));
}

#[test]
fn adaptive_steps_reach_every_time_and_are_differentiated_exactly() {
    let (field, tableau, (z0, theta)) = (pendulum::<f64>(), solver("dormand-prince").unwrap(), inputs());
    let control = Adaptive::new(1e-6, 1e-8);
    for times in [TIMES, [1.3, 0.5, 0.4, 0.0]] {
        let blocks = AdaptiveBlock::between(&field, tableau, control, &times).unwrap();
        let (mut z, mut grids) = (z0.clone(), vec![]);
        for pair in times.windows(2) {
            let solution = integrate_adaptive(&field, tableau, control, (pair[0], pair[1]), &z, &theta).unwrap();
            grids.push(Grid::Times(solution.times));
            z = solution.end;
        }
        let exact = differences(&grids, "dormand-prince");
        let anode = gradient_observed_adaptive(Method::Anode, &blocks, &z0, &theta, cotangents).unwrap();
        let error = relative_distance(&gradient(&anode), &exact);
        assert!(error < 1e-9 && anode.ends[2] == z, "{error:e}");
        let online = gradient_observed_adaptive(Method::Online(2), &blocks, &z0, &theta, cotangents).unwrap();
        assert_eq!((online.z0, online.theta), (anode.z0, anode.theta));
        for method in [Method::ReverseTime, Method::InterpolatedAdjoint] {
            let found = gradient_observed_adaptive(method, &blocks, &z0, &theta, cotangents).unwrap();
            let error = relative_distance(&gradient(&found), &exact);
            assert!(error < 1e-4, "{method}: {error:e}");
        }
        let refused = gradient_observed_adaptive(Method::Full, &blocks, &z0, &theta, cotangents);
        assert!(matches!(refused, Err(GradientError::StepCountNeeded { .. })));
    }
}

#[test]
fn cotangents_that_do_not_fit_are_refused() {
    let (field, tableau, (z0, theta)) = (pendulum::<f64>(), solver("heun").unwrap(), inputs());
    let blocks = Block::between(&field, tableau, &TIMES, 2).unwrap();
    let refused = |cotangents: Vec<Vec<f64>>| {
        let found = gradient_observed(Method::Anode, &blocks, &z0, &theta, |_| cotangents);
        found.unwrap_err().to_string()
    };
    assert_eq!(refused(vec![vec![1.0; 2]; 2]), "2 cotangents, expected 3, one per block");
    let short = vec![vec![1.0; 2], vec![1.0], vec![1.0; 2]];
    assert_eq!(refused(short), "cotangent 1: length 1, expected length 2, as in the state");
    for (times, says) in [
        (&[0.0, f64::NAN][..], "must be finite"),
        (&[0.0, 2.0, 1.0], "must strictly rise, or strictly fall"),
        (&[0.0, 1.0, 1.0], "must strictly rise, or strictly fall"),
    ] {
        let refused = Block::between(&field, tableau, times, 2).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(refused.contains(says), "{times:?}: {refused}");
        let tableau = solver("dormand-prince").unwrap();
        let refused = AdaptiveBlock::between(&field, tableau, Adaptive::new(1e-6, 1e-6), times);
        assert!(matches!(refused, Err(SolveError::Argument(why)) if why.contains(says)), "{times:?}");
    }
}

#[test]
fn solutions_at_several_times_are_the_ends_of_the_blocks_between_them() {
    let (field, (z0, theta)) = (pendulum::<f64>(), inputs());
    let (rk4, pair, control) = (solver("rk4").unwrap(), solver("dormand-prince").unwrap(), Adaptive::new(1e-6, 1e-9));
    let backwards: Vec<f64> = TIMES.iter().rev().copied().collect();
    for times in [&TIMES[..], &backwards] {
        let blocks = Block::between(&field, rk4, times, 7).unwrap();
        let fixed = gradient_observed(Method::Anode, &blocks, &z0, &theta, cotangents).unwrap();
        assert_eq!(integrate_at(&field, rk4, times, 7, &z0, &theta).unwrap(), fixed.ends);
        let blocks = AdaptiveBlock::between(&field, pair, control, times).unwrap();
        let adaptive = gradient_observed_adaptive(Method::Anode, &blocks, &z0, &theta, cotangents).unwrap();
        assert_eq!(integrate_adaptive_at(&field, pair, control, times, &z0, &theta).unwrap(), adaptive.ends);
    }
    for times in [&[][..], &[0.0]] {
        assert!(integrate_at(&field, rk4, times, 7, &z0, &theta).unwrap().is_empty());
        assert!(integrate_adaptive_at(&field, pair, control, times, &z0, &theta).unwrap().is_empty());
    }
    for times in [[0.0, 1.0, 1.0], [0.0, 1.0, 0.5], [0.0, f64::NAN, 2.0]] {
        assert!(matches!(integrate_at(&field, rk4, &times, 7, &z0, &theta), Err(SolveError::Argument(_))));
        let refused = integrate_adaptive_at(&field, pair, control, &times, &z0, &theta);
        assert!(matches!(refused, Err(SolveError::Argument(_))));
    }
}
