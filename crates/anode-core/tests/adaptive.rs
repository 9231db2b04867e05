//! Adaptive steps: counts against torchdiffeq and SciPy, spans and starts at the edges, and arguments that are refused.

use std::cell::{Cell, RefCell};

use anode_core::gradient::{AdaptiveBlock, Block, GradientError, Ledger, Method, reference};
use anode_core::ode::{
    Adaptive, At, Closure, ClosureField, Controller, DifferentiableField, FieldError, Grid, Pass, Solution, SolveError,
    VectorField, integrate, integrate_adaptive, reversal_error, solver,
};
use serde_json::Value;

const CONTROLLERS: [Controller; 4] =
    [Controller::Matlab, Controller::Torchdiffeq, Controller::Scipy, Controller::ProportionalIntegral];

fn control(rtol: f64, atol: f64, controller: Controller) -> Adaptive {
    Adaptive { rtol, atol, controller, max_steps: 100_000 }
}

fn solve<F: VectorField<Vector = Vec<f64>>>(
    field: &F,
    control: Adaptive,
    span: (f64, f64),
    z0: &[f64],
) -> Result<Solution<Vec<f64>>, SolveError> {
    integrate_adaptive(field, solver("dormand-prince").unwrap(), control, span, &z0.to_vec(), &vec![])
}

/// The problems of `fixtures/make_solver_counts.py`: rates, start, span.
type Problem = (fn(f64, &[f64], &mut [f64]), Vec<f64>, (f64, f64));

fn problem(name: &str) -> Problem {
    let rotation = |_: f64, z: &[f64], dz: &mut [f64]| {
        dz.copy_from_slice(&[-z[0] + 8.0 * z[1], -8.0 * z[0] - z[1]]);
    };
    match name {
        "decay" => (|_, z, dz| dz[0] = -5.0 * z[0], vec![1.0], (0.0, 1.0)),
        "growth" => (|_, z, dz| dz[0] = 2.0 * z[0], vec![0.5], (0.0, 3.0)),
        "rotation" => (rotation, vec![1.0, 0.5], (0.0, 1.0)),
        "rotation-back" => (rotation, vec![1.0, 0.5], (1.0, 0.0)),
        "lotka-volterra" => (
            |_, z, dz| dz.copy_from_slice(&[1.5 * z[0] - z[0] * z[1], -3.0 * z[1] + z[0] * z[1]]),
            vec![2.0, 1.0],
            (0.0, 6.0),
        ),
        "van-der-pol" => (
            |_, z, dz| dz.copy_from_slice(&[z[1], 5.0 * (1.0 - z[0] * z[0]) * z[1] - z[0]]),
            vec![1.0, 1.0],
            (0.0, 6.0),
        ),
        "driven" => (|t, z, dz| dz[0] = -1000.0 * (z[0] - t.cos()), vec![1.0], (0.0, 2.0)),
        "relu" => (|t, z, dz| dz[0] = -100.0 * z[0].max(0.0) + 20.0 * t, vec![1.0], (0.0, 1.0)),
        "kepler" => {
            let rates = |_: f64, z: &[f64], dz: &mut [f64]| {
                let cubed = (z[0] * z[0] + z[1] * z[1]).powf(1.5);
                dz.copy_from_slice(&[z[2], z[3], -z[0] / cubed, -z[1] / cubed]);
            };
            (rates, vec![0.5, 0.0, 0.0, 3.0f64.sqrt()], (0.0, 7.0))
        }
        "late" => (|t, z, dz| dz[0] = (3.0 * t).sin() * z[0], vec![1.0], (100.0, 104.0)),
        other => panic!("{other}"),
    }
}

#[test]
fn steps_are_those_of_torchdiffeq_and_of_scipy() {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/solver_counts.json")).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    let mut wrong = vec![];
    for case in cases {
        let text = |key: &str| case[key].as_str().unwrap();
        let number = |key: &str| case[key].as_f64().unwrap();
        let (rates, start, span) = problem(text("problem"));
        for (name, controller) in [("torchdiffeq", Controller::Torchdiffeq), ("scipy", Controller::Scipy)] {
            let control = control(number("rtol"), number("atol"), controller);
            let tableau = solver(text("solver")).unwrap();
            let found = integrate_adaptive(&Closure::new(rates), tableau, control, span, &start, &vec![]).unwrap();
            let counts = serde_json::json!([found.times.len() - 1, found.rejected]);
            if counts != case[name] {
                wrong.push(format!("{name} {counts}: {case}"));
            }
        }
    }
    assert_eq!(cases.len(), 96);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_error_weights_of_torchdiffeq_give_other_steps_than_those_of_the_pair() {
    let (rates, start, span) = problem("lotka-volterra");
    let steps = |name: &str, controller| {
        let control = control(1e-6, 1e-9, controller);
        integrate_adaptive(&Closure::new(rates), solver(name).unwrap(), control, span, &start, &vec![]).unwrap().times
    };
    assert_ne!(
        steps("dormand-prince", Controller::Torchdiffeq).len(),
        steps("dormand-prince", Controller::Scipy).len()
    );
}

#[test]
fn an_end_a_rounding_beyond_an_accepted_time_is_reached() {
    // Steps of a field at rest grow tenfold: 1e-6, 1e-5, .. add up to a hair less than the end.
    let rest = Closure::new(|_: f64, _: &[f64], dz: &mut [f64]| dz.fill(0.0));
    for controller in CONTROLLERS {
        for (rtol, end) in [(1e-3, 1.111111), (1e-6, 0.111111), (1e-3, 11.111111), (1e-3, 0.0111111)] {
            for (from, to) in [(0.0, end), (end, 0.0), (-end, 0.0), (0.0, -end), (1.0, 1.0 + end)] {
                let found = solve(&rest, control(rtol, 1e-6, controller), (from, to), &[1.0]).unwrap();
                assert_eq!((found.end[0], *found.times.last().unwrap()), (1.0, to), "{controller:?} {from} {to}");
            }
        }
        // Ends next to each accepted time of a longer solve.
        let (rates, start, _) = problem("rotation");
        let control = control(1e-5, 1e-8, controller);
        let long = solve(&Closure::new(rates), control, (0.0, 4.0), &start).unwrap();
        for &time in &long.times[1..] {
            for end in [time, time.next_up(), time.next_up().next_up(), time.next_down(), time * (1.0 + 1e-15)] {
                let found = solve(&Closure::new(rates), control, (0.0, end), &start).unwrap();
                assert_eq!(*found.times.last().unwrap(), end, "{controller:?}");
                assert!(found.times.windows(2).all(|w| w[0] < w[1]));
            }
        }
    }
}

#[test]
fn an_empty_span_is_the_identity_and_a_late_one_is_solved() {
    let never = Closure::new(|_: f64, _: &[f64], _: &mut [f64]| panic!("evaluated"));
    for controller in CONTROLLERS {
        for t in [0.0, -3.5, 1e300] {
            let found = solve(&never, control(1e-3, 1e-6, controller), (t, t), &[2.0]).unwrap();
            assert_eq!((found.end, found.times, found.evaluations), (vec![2.0], vec![t], 0));
        }
        // Seconds since 1970: a first step of 1e-6 is below the resolution of time.
        let late = 1.7e9;
        let constant = Closure::new(|_: f64, _: &[f64], dz: &mut [f64]| dz[0] = 1e-9);
        let small = Closure::new(|_: f64, z: &[f64], dz: &mut [f64]| dz[0] = -z[0]);
        for (from, to) in [(late, late + 2.0), (late + 2.0, late), (-late, -late + 2.0)] {
            let found = solve(&constant, control(1e-3, 1e-6, controller), (from, to), &[0.0]).unwrap();
            assert!((found.end[0] - 1e-9 * (to - from)).abs() < 1e-15, "{controller:?} {found:?}");
            let found = solve(&small, control(1e-3, 1e-6, controller), (from, to), &[1.0]).unwrap();
            assert!((found.end[0] - (from - to).exp()).abs() < 1e-2, "{controller:?} {found:?}");
        }
        // A span of a few roundings is one step.
        let found = solve(&small, control(1e-3, 1e-6, controller), (late, late.next_up()), &[1.0]).unwrap();
        assert_eq!(found.times, [late, late.next_up()], "{controller:?}");
    }
}

/// A field that keeps the earliest and the latest time that it is asked for.
struct Watched(Cell<[f64; 2]>, f64);

impl VectorField for Watched {
    type Vector = Vec<f64>;
    fn eval(&self, at: At, z: &Vec<f64>, _: &Vec<f64>, dz: &mut Vec<f64>) -> Result<(), FieldError> {
        let [first, last] = self.0.get();
        self.0.set([first.min(at.t), last.max(at.t)]);
        dz.iter_mut().zip(z).for_each(|(dz, z)| *dz = self.1 * z);
        Ok(())
    }
}

#[test]
fn the_field_is_never_evaluated_outside_the_span() {
    for controller in CONTROLLERS {
        // So slow that a hundredth of |z| / |f| is many times the span; a fast one; and one at rest.
        for rate in [1e-4, -1e-4, 1e-2, 3.0, -40.0, 0.0] {
            for (from, to) in [(0.0, 1.0), (1.0, 0.0), (0.0, 1e-7), (5.0, 5.5), (-1.0, -2.0)] {
                let field = Watched(Cell::new([f64::INFINITY, f64::NEG_INFINITY]), rate);
                solve(&field, control(1e-4, 1e-7, controller), (from, to), &[1.0]).unwrap();
                let [first, last] = field.0.get();
                assert!(
                    first >= from.min(to) && last <= from.max(to),
                    "{controller:?} {rate} {from} {to}: {first} {last}"
                );
            }
        }
    }
}

#[test]
fn starts_that_are_not_finite_are_refused_at_once_and_zeros_are_no_fault() {
    let decay = Closure::new(|_: f64, z: &[f64], dz: &mut [f64]| dz.iter_mut().zip(z).for_each(|(dz, z)| *dz = -z));
    let broken = Closure::new(|_: f64, _: &[f64], dz: &mut [f64]| dz.fill(f64::NAN));
    let beyond = Closure::new(|t: f64, _: &[f64], dz: &mut [f64]| dz.fill(if t < 0.5 { 1.0 } else { f64::NAN }));
    for controller in CONTROLLERS {
        let control = |rtol, atol| control(rtol, atol, controller);
        let refused = Err(SolveError::StartNotFinite { t: 0.0 });
        for start in [f64::NAN, f64::INFINITY] {
            let found = solve(&decay, control(1e-3, 1e-6), (0.0, 1.0), &[1.0, start]).map(|s| s.end);
            assert_eq!(found, refused, "{controller:?} {start}");
        }
        assert_eq!(solve(&broken, control(1e-3, 1e-6), (0.0, 1.0), &[1.0]).map(|s| s.end), refused);
        // A stage that is no number is a rejection, not an error of zero.
        let found = solve(&beyond, control(1e-3, 1e-6), (0.0, 1.0), &[1.0]).map(|s| s.end).unwrap_err();
        assert!(
            matches!(found, SolveError::StepUnderflow { t, .. } if (t - 0.5).abs() < 1e-6),
            "{controller:?} {found}"
        );
        let zero = solve(&decay, control(1e-3, 0.0), (0.0, 1.0), &[0.0, 0.0]).unwrap();
        assert_eq!(zero.end, [0.0, 0.0], "{controller:?}: at rest without an absolute tolerance");
        let mixed = solve(&decay, control(1e-6, 0.0), (0.0, 1.0), &[0.0, 1.0]).unwrap();
        assert!(mixed.end[0] == 0.0 && (mixed.end[1] - (-1.0f64).exp()).abs() < 1e-5, "{controller:?} {mixed:?}");
        let ramp = Closure::new(|_: f64, _: &[f64], dz: &mut [f64]| dz[0] = 1.0);
        let risen = solve(&ramp, control(1e-6, 0.0), (0.0, 1.0), &[0.0]).unwrap();
        assert!((risen.end[0] - 1.0).abs() < 1e-9, "{controller:?} {risen:?}");
    }
}

#[test]
fn tolerances_spans_and_grids_that_make_no_sense_are_refused_with_what_is_allowed() {
    let decay = Closure::new(|_: f64, z: &[f64], dz: &mut [f64]| dz[0] = -z[0]);
    let refused = |found: Result<Vec<f64>, SolveError>, word: &str| match found {
        Err(SolveError::Argument(text)) => assert!(text.contains(word), "{text}"),
        other => panic!("{other:?}"),
    };
    for controller in CONTROLLERS {
        for (rtol, atol) in
            [(-1e-3, 1e-6), (1e-3, -1e-6), (f64::NAN, 1e-6), (1e-3, f64::NAN), (f64::INFINITY, 1.0), (0.0, 0.0)]
        {
            refused(solve(&decay, control(rtol, atol, controller), (0.0, 1.0), &[1.0]).map(|s| s.end), "rtol");
        }
        for span in [(0.0, f64::NAN), (f64::NAN, 1.0), (0.0, f64::INFINITY), (f64::NEG_INFINITY, 0.0)] {
            refused(solve(&decay, control(1e-3, 1e-6, controller), span, &[1.0]).map(|s| s.end), "finite");
        }
    }
    refused(solve(&decay, control(0.0, 1e-6, Controller::Matlab), (0.0, 1.0), &[1.0]).map(|s| s.end), "MATLAB");
    assert!(solve(&decay, control(0.0, 1e-6, Controller::Scipy), (0.0, 1.0), &[1.0]).is_ok());
    let on = |grid: Grid| {
        let mut z = vec![1.0];
        integrate(&decay, solver("rk4").unwrap(), &grid, &mut z, &vec![]).map(|()| z)
    };
    for times in [vec![0.0, f64::NAN, 1.0], vec![0.0, f64::INFINITY]] {
        refused(on(Grid::Times(times)), "finite");
    }
    for times in [vec![0.0, 0.5, 0.5, 1.0], vec![0.0, 0.5, 0.4, 1.0], vec![1.0, 0.5, 0.6], vec![1.0, 1.0]] {
        refused(on(Grid::Times(times)), "strictly");
    }
    refused(on(Grid::Uniform { t0: 0.0, t1: f64::NAN, steps: 4 }), "finite");
    // Both ends are finite, but the length of the span overflows.
    for controller in CONTROLLERS {
        let short = Adaptive { max_steps: 10, ..control(1e-3, 1e-6, controller) };
        for span in [(-1e308, 1e308), (1e308, -1e308)] {
            refused(solve(&decay, short, span, &[1.0]).map(|s| s.end), "length");
        }
    }
    refused(on(Grid::Uniform { t0: -1e308, t1: 1e308, steps: 4 }), "length");
    refused(on(Grid::Times(vec![-1e308, 1e308])), "length");
    for grid in [Grid::Times(vec![]), Grid::Times(vec![0.3]), Grid::unit(0)] {
        assert_eq!(on(grid), Ok(vec![1.0]), "no steps, no change");
    }
}

#[test]
fn no_stage_lies_beyond_the_span_by_a_rounding() {
    // t + (t1 - t) rounds to more than t1 in the last step from -1 to 0.1, for which this field is no number.
    let field = Closure::new(|t: f64, z: &[f64], dz: &mut [f64]| dz[0] = 1e-6 * z[0] + 1e-9 * (0.1 - t).sqrt());
    let mirrored = Closure::new(|t: f64, z: &[f64], dz: &mut [f64]| dz[0] = -1e-6 * z[0] - 1e-9 * (0.1 + t).sqrt());
    for controller in CONTROLLERS {
        let control = control(1e-3, 1e-6, controller);
        let end = (1.1e-6f64).exp();
        let found = solve(&field, control, (-1.0, 0.1), &[1.0]).unwrap();
        assert!((found.end[0] - end).abs() < 2e-9, "{controller:?} {found:?}");
        assert_eq!(found.rejected, 0, "{controller:?}");
        let falling = solve(&mirrored, control, (1.0, -0.1), &[1.0]).unwrap();
        assert!((falling.end[0] - end).abs() < 2e-9 && falling.rejected == 0, "{controller:?} {falling:?}");
        let tableau = solver("dormand-prince").unwrap();
        let mut again = vec![1.0];
        integrate(&field, tableau, &Grid::Times(found.times.clone()), &mut again, &vec![]).unwrap();
        assert_eq!(again, found.end, "{controller:?}: the accepted grid repeats the solve, bit for bit");
    }
}

/// dz/dt = -w z, and the sweeps that asked for it.
struct Passes(RefCell<Vec<Pass>>);

impl VectorField for Passes {
    type Vector = Vec<f64>;
    fn eval(&self, at: At, z: &Vec<f64>, w: &Vec<f64>, dz: &mut Vec<f64>) -> Result<(), FieldError> {
        self.0.borrow_mut().push(at.pass);
        dz[0] = -w[0] * z[0];
        Ok(())
    }
}

impl DifferentiableField for Passes {
    type Tape = f64;
    fn eval_taped(&self, at: At, z: &Vec<f64>, w: &Vec<f64>, dz: &mut Vec<f64>) -> Result<f64, FieldError> {
        self.eval(at, z, w, dz)?;
        Ok(z[0])
    }
    fn vjp(
        &self,
        z: &f64,
        w: &Vec<f64>,
        cotangent: &Vec<f64>,
        z_bar: &mut Vec<f64>,
        w_bar: &mut Vec<f64>,
    ) -> Result<(), FieldError> {
        z_bar[0] -= w[0] * cotangent[0];
        w_bar[0] -= z * cotangent[0];
        Ok(())
    }
    fn tape_bytes(&self, _: &f64) -> usize {
        8
    }
}

#[test]
fn the_pass_of_an_evaluation_is_that_of_its_sweep_whether_the_span_rises_or_falls() {
    for span in [(0.0, 1.0), (1.0, 0.0)] {
        for (method, backward) in [
            (Method::Anode, Pass::Replay),
            (Method::Online(2), Pass::Replay),
            (Method::ReverseTime, Pass::Reverse),
            (Method::InterpolatedAdjoint, Pass::Reverse),
        ] {
            let field = Passes(RefCell::default());
            let tableau = solver("dormand-prince").unwrap();
            let block = AdaptiveBlock { field: &field, tableau, control: Adaptive::new(1e-6, 1e-9), span };
            let (w, ledger) = (vec![0.5], Ledger::new());
            let forward = method.forward_adaptive(&block, &vec![1.0], &w, &ledger).unwrap();
            let mut seen = field.0.take();
            if method == Method::InterpolatedAdjoint {
                assert_eq!(seen.pop(), Some(Pass::Replay), "the rate at the end is not of the sweep");
            }
            assert!(seen.iter().all(|pass| *pass == Pass::Forward), "{method} {span:?}: {seen:?}");
            forward.backward(&block, &w, &vec![1.0], &mut vec![0.0], &ledger).unwrap();
            let seen = field.0.take();
            assert!(seen.iter().all(|pass| *pass == backward), "{method} {span:?}: {seen:?}");
        }
        // Both sweeps of a reference over the span.
        let field = Passes(RefCell::default());
        let tableau = solver("dormand-prince").unwrap();
        let block = AdaptiveBlock { field: &field, tableau, control: Adaptive::new(1e-6, 1e-9), span };
        reference(&block, &vec![1.0], &vec![0.5], |_| vec![1.0]).unwrap();
        let seen = field.0.take();
        let first_reverse = seen.iter().position(|pass| *pass == Pass::Reverse).unwrap();
        assert!(seen[..first_reverse].iter().all(|pass| *pass == Pass::Forward), "{span:?}: {seen:?}");
    }
}

#[test]
fn a_state_of_zeros_that_comes_back_exactly_has_no_reversal_error() {
    assert_eq!(reversal_error(&vec![0.0, 0.0], &vec![0.0, 0.0]), 0.0);
    assert_eq!(reversal_error(&vec![0.0], &vec![1e-3]), f64::INFINITY);
    assert_eq!(reversal_error(&vec![0.0], &vec![f64::NAN]), f64::INFINITY);
    assert_eq!(reversal_error(&vec![3.0, 4.0], &vec![3.0, f64::INFINITY]), f64::INFINITY);
    assert_eq!(reversal_error(&vec![3.0, 4.0], &vec![3.0, 3.0]), 0.2);
}

#[test]
fn reversal_errors_of_states_whose_squares_overflow_or_underflow_are_those_of_scaled_states() {
    for scale in [1e200, 1e-200, 1e-310, 1e307] {
        let scaled = |z: [f64; 2]| z.map(|z| scale * z).to_vec();
        let rho = reversal_error(&scaled([3.0, 4.0]), &scaled([3.0, 3.0]));
        assert!((rho - 0.2).abs() < 1e-12, "{scale:e}: {rho}");
    }
    assert_eq!(reversal_error(&vec![1e200], &vec![f64::NAN]), f64::INFINITY);
}

#[test]
fn leapfrog_measures_its_drift_from_states_whose_squares_underflow() {
    // Decay this fast amplifies rounding on the way back.
    let field = ClosureField::new(
        |_t, z: &[f64], w: &[f64], dz: &mut [f64]| dz[0] = -w[0] * z[0],
        |_t, z: &[f64], w: &[f64], c: &[f64], z_bar: &mut [f64], w_bar: &mut [f64]| {
            z_bar[0] -= w[0] * c[0];
            w_bar[0] -= z[0] * c[0];
        },
    );
    let block = Block { field: &field, tableau: solver("euler").unwrap(), grid: Grid::unit(60) };
    let drift = |start: f64| {
        let found = Method::Leapfrog.gradient(&block, &vec![start], &vec![30.1], |_| vec![1.0]);
        match found {
            Err(GradientError::Drift { drift, .. }) => drift,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(drift(0.3), drift(0.3 * 0.5f64.powi(600)));
}

#[test]
fn a_reference_refuses_a_cotangent_that_is_not_of_the_state() {
    let field = Passes(RefCell::default());
    let tableau = solver("dormand-prince").unwrap();
    let block = AdaptiveBlock { field: &field, tableau, control: Adaptive::new(1e-6, 1e-9), span: (0.0, 1.0) };
    for wrong in [vec![], vec![1.0, 2.0]] {
        let refused = reference(&block, &vec![1.0], &vec![2.0], |_| wrong.clone()).unwrap_err().to_string();
        assert!(refused.contains("the cotangent: length") && refused.contains("expected length 1"), "{refused}");
    }
}

#[test]
fn a_tolerance_with_which_every_step_would_be_accepted_is_refused() {
    let control = control(1e-310, 1.0, Controller::Matlab);
    let refused = control.check().unwrap_err().to_string();
    assert!(refused.contains("a finite ratio atol / rtol"), "{refused}");
    assert_eq!(Adaptive { controller: Controller::Scipy, ..control }.check(), Ok(()));
}
