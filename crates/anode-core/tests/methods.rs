//! Tests every registered gradient method: its gradient and its stated bounds.

use anode_core::gradient::{
    AdaptiveBlock, AdaptiveStorage, Adjoint, Argument, Block, Descriptor, Extent, ForwardSteps, GradientError, Ledger,
    METHODS, Method,
};
use anode_core::ode::{Adaptive, ClosureField, DifferentiableField, Grid, SolveError, solver};

/// The methods with this name, for several arguments.
fn spelled(name: &str, argument: Argument) -> Vec<Method> {
    let numbers: Vec<String> = match argument {
        Argument::None => vec![String::new()],
        Argument::Snapshots => [1, 2, 3, 7, 100].map(|m| format!(":{m}")).into(),
        Argument::Bytes => [":1KiB", ":1MiB"].map(str::to_owned).into(),
        other => panic!("a method with the argument {other:?}"),
    };
    numbers.into_iter().map(|number| format!("{name}{number}").parse().expect("a method")).collect()
}

#[test]
fn every_registered_method_keeps_what_it_states() {
    let field = ClosureField::new(
        |t: f64, z: &[f64], w: &[f64], dz: &mut [f64]| {
            dz.copy_from_slice(&[(w[0] * z[0] + z[1] + t).sin(), (z[0] - w[1] * z[1]).cos()])
        },
        |t: f64, z: &[f64], w: &[f64], c: &[f64], z_bar: &mut [f64], w_bar: &mut [f64]| {
            let (a, b) = ((w[0] * z[0] + z[1] + t).cos() * c[0], -(z[0] - w[1] * z[1]).sin() * c[1]);
            z_bar[0] += w[0] * a + b;
            z_bar[1] += a - w[1] * b;
            w_bar[0] += z[0] * a;
            w_bar[1] -= z[1] * b;
        },
    );
    let (z0, w) = (vec![0.3, -0.4], vec![0.7, 0.2]);
    let mut seen = 0;
    for descriptor in METHODS {
        for method in spelled(descriptor.name, descriptor.argument) {
            for (name, steps) in [("euler", 1), ("heun", 2), ("heun", 7), ("rk4", 20), ("dormand-prince", 61)] {
                let block = Block { field: &field, tableau: solver(name).unwrap(), grid: Grid::unit(steps) };
                let at = format!("{method}, {name}, Nt = {steps}");
                let exact = Method::Full.gradient(&block, &z0, &w, |end| end.clone()).unwrap();
                let found = method.gradient(&block, &z0, &w, |end| end.clone()).unwrap();
                if descriptor.exact && descriptor.steps == ForwardSteps::Tableau {
                    assert_eq!((&found.z0, &found.theta, &found.end), (&exact.z0, &exact.theta, &exact.end), "{at}");
                }
                let extent = block.extent(&z0, &w).unwrap();
                let (cost, bound) = (found.cost, method.peak_bytes(&extent));
                assert_eq!(cost.live_bytes, 0, "{at}: something is kept");
                assert!(cost.peak_bytes <= bound, "{at}: {} bytes, {bound} are stated", cost.peak_bytes);
                let (taken, most) = (cost.forward_steps + cost.replayed_steps, method.steps_taken(steps) as u64);
                assert!(taken <= most, "{at}: {taken} steps, {most} are stated");
                // A bound far from what is taken refuses runs that fit.
                assert!(most <= 4 * taken.max(steps as u64) || matches!(method, Method::Within(_)), "{at}: {most}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 5 * METHODS.len());
}

#[test]
fn the_bound_on_bytes_of_zero_snapshots_is_that_of_the_one_that_is_kept() {
    let field = ClosureField::new(
        |_t, z: &[f64], w: &[f64], dz: &mut [f64]| dz[0] = w[0] * z[0],
        |_t, z: &[f64], w: &[f64], c: &[f64], z_bar: &mut [f64], w_bar: &mut [f64]| {
            z_bar[0] += w[0] * c[0];
            w_bar[0] += z[0] * c[0];
        },
    );
    let block = Block { field: &field, tableau: solver("euler").unwrap(), grid: Grid::unit(5) };
    let extent = block.extent(&vec![1.0], &vec![0.5]).unwrap();
    for (method, one) in [
        (Method::Revolve(0), Method::Revolve(1)),
        (Method::Online(0), Method::Online(1)),
        (Method::Uniform(0), Method::Uniform(1)),
    ] {
        let cost = method.gradient(&block, &vec![1.0], &vec![0.5], |end| end.clone()).unwrap().cost;
        assert_eq!(method.peak_bytes(&extent), one.peak_bytes(&extent), "{method}");
        assert!(cost.peak_bytes <= method.peak_bytes(&extent), "{method}: {} bytes", cost.peak_bytes);
    }
}

#[test]
fn the_interpolant_limits_the_order_of_the_interpolated_adjoint_to_four() {
    let field = ClosureField::new(
        |t: f64, z: &[f64], w: &[f64], dz: &mut [f64]| dz[0] = w[0] * (5.0 * t + z[0]).sin(),
        |t: f64, z: &[f64], w: &[f64], c: &[f64], z_bar: &mut [f64], w_bar: &mut [f64]| {
            z_bar[0] += w[0] * (5.0 * t + z[0]).cos() * c[0];
            w_bar[0] += (5.0 * t + z[0]).sin() * c[0];
        },
    );
    for name in ["dormand-prince", "tsitouras"] {
        let error = |steps| {
            let block = Block { field: &field, tableau: solver(name).unwrap(), grid: Grid::unit(steps) };
            let [exact, found] = [Method::Full, Method::InterpolatedAdjoint]
                .map(|method| method.gradient(&block, &vec![1.0], &vec![1.5], |_| vec![1.0]).unwrap().theta[0]);
            (found / exact - 1.0).abs()
        };
        let order = (error(16) / error(64)).log2() / 2.0;
        assert!((order - 4.0).abs() < 0.2, "{name}: {order}");
    }
}

/// A custom method: `Anode` by another name.
#[derive(Clone, Copy)]
struct Custom(Option<AdaptiveStorage>);

static CUSTOM: Descriptor = Descriptor {
    name: "custom",
    argument: Argument::None,
    exact: true,
    steps: ForwardSteps::Tableau,
    memory: "",
    evaluations: "",
    source: "",
    advice: "",
};

impl Adjoint for Custom {
    type Kept<F: DifferentiableField> = <Method as Adjoint>::Kept<F>;

    fn descriptor(self) -> &'static Descriptor {
        &CUSTOM
    }

    fn forward_sweep<F: DifferentiableField>(
        self,
        block: &Block<F>,
        z0: &F::Vector,
        theta: &F::Vector,
        ledger: &Ledger,
    ) -> Result<(F::Vector, Self::Kept<F>), GradientError> {
        Method::Anode.forward_sweep(block, z0, theta, ledger)
    }

    fn backward_sweep<F: DifferentiableField>(
        kept: Self::Kept<F>,
        block: &Block<F>,
        theta: &F::Vector,
        cotangent: F::Vector,
        theta_bar: &mut F::Vector,
        ledger: &Ledger,
    ) -> Result<F::Vector, GradientError> {
        Method::backward_sweep(kept, block, theta, cotangent, theta_bar, ledger)
    }

    fn peak_bytes(self, extent: &Extent) -> usize {
        Method::Anode.peak_bytes(extent)
    }

    fn steps_taken(self, steps: usize) -> usize {
        Method::Anode.steps_taken(steps)
    }

    fn adaptive_storage(self) -> Option<AdaptiveStorage> {
        self.0
    }
}

#[test]
fn a_custom_method_works_with_adaptive_steps_as_it_states() {
    let field = ClosureField::new(
        |t: f64, z: &[f64], w: &[f64], dz: &mut [f64]| dz[0] = (w[0] * z[0] + t).sin(),
        |t: f64, z: &[f64], w: &[f64], c: &[f64], z_bar: &mut [f64], w_bar: &mut [f64]| {
            z_bar[0] += w[0] * (w[0] * z[0] + t).cos() * c[0];
            w_bar[0] += z[0] * (w[0] * z[0] + t).cos() * c[0];
        },
    );
    let tableau = solver("dormand-prince").unwrap();
    let block = AdaptiveBlock { field: &field, tableau, control: Adaptive::new(1e-6, 1e-9), span: (0.0, 2.0) };
    let (z0, w) = (vec![0.3], vec![2.0]);
    for (storage, method) in [
        (AdaptiveStorage::Input, Method::Anode),
        (AdaptiveStorage::Snapshots(2), Method::Online(2)),
        (AdaptiveStorage::End, Method::ReverseTime),
        (AdaptiveStorage::Nodes, Method::InterpolatedAdjoint),
    ] {
        let custom = Custom(Some(storage)).gradient_adaptive(&block, &z0, &w, |end| end.clone()).unwrap();
        assert_eq!(custom, method.gradient_adaptive(&block, &z0, &w, |end| end.clone()).unwrap(), "{method}");
    }
    let refused = Custom(None).gradient_adaptive(&block, &z0, &w, |end| end.clone()).unwrap_err().to_string();
    assert!(refused.contains("`custom`") && refused.contains("online:M"), "{refused}");
}

#[test]
fn a_schedule_that_does_not_fit_in_memory_is_refused() {
    let field = ClosureField::new(
        |_t, _: &[f64], _: &[f64], _: &mut [f64]| (),
        |_t, _: &[f64], _: &[f64], _: &[f64], _: &mut [f64], _: &mut [f64]| (),
    );
    let block = Block { field: &field, tableau: solver("euler").unwrap(), grid: Grid::unit(usize::MAX) };
    for method in [
        Method::Full,
        Method::Anode,
        Method::Uniform(3),
        Method::Revolve(3),
        Method::Online(3),
        Method::Within(1 << 20),
    ] {
        match method.gradient(&block, &vec![1.0], &vec![0.0], |end| end.clone()) {
            Err(GradientError::Solve(SolveError::Argument(text))) => {
                assert!(text.contains("steps are too many"), "{text}")
            }
            other => panic!("{method}: {other:?}"),
        }
    }
}
