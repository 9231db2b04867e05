//! Vectors, blocks and grids that do not belong together are refused, by every gradient method.

use std::sync::Arc;

use anode_core::gradient::{AdaptiveBlock, Block, GradientError, Ledger, Method};
use anode_core::ode::{
    Adaptive, At, ClosureField, DifferentiableField, Grid, Pair, Pass, SolveError, Stack, TimeParameters, TimeRule,
    VectorField, solver,
};
use anode_kernels::Activation;
use anode_nets::evolution::{
    CoupledBlock, CoupledField, Coupling, ExactFlow, Law, Memory, Piece, Reading, Sigma, Symbol, Terms, WeightField,
};
use anode_nets::problems::{ConvField, Dense};

const METHODS: [Method; 11] = [
    Method::Full,
    Method::Anode,
    Method::Uniform(2),
    Method::Revolve(2),
    Method::Online(2),
    Method::Within(1 << 20),
    Method::ReverseTime,
    Method::StoredAdjoint,
    Method::InterpolatedAdjoint,
    Method::Leapfrog,
    Method::Reversible,
];

/// dz/dt = theta_0 z of any length: a field that looks at no length itself.
fn free() -> impl DifferentiableField<Vector = Vec<f64>> {
    ClosureField::new(
        |_, z: &[f64], theta: &[f64], dz: &mut [f64]| dz.iter_mut().zip(z).for_each(|(dz, z)| *dz = theta[0] * z),
        |_, z: &[f64], theta: &[f64], c: &[f64], z_bar: &mut [f64], theta_bar: &mut [f64]| {
            z_bar.iter_mut().zip(c).for_each(|(z_bar, c)| *z_bar += theta[0] * c);
            theta_bar[0] += z.iter().zip(c).map(|(z, c)| z * c).sum::<f64>();
        },
    )
}

fn text<T, E: Into<GradientError>>(found: Result<T, E>) -> String {
    match found.map_err(Into::into) {
        Err(error @ GradientError::Solve(SolveError::Argument(_))) => error.to_string(),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("not refused"),
    }
}

#[test]
fn every_method_refuses_vectors_that_do_not_fit_the_forward_sweep() {
    let field = free();
    let block =
        |steps: usize, name: &str| Block { field: &field, tableau: solver(name).unwrap(), grid: Grid::unit(steps) };
    let (z0, theta) = (vec![1.0, 2.0, 3.0], vec![0.5]);
    for method in METHODS {
        let forward = || method.forward(&block(4, "heun"), &z0, &theta, &Ledger::new()).unwrap();
        for wrong in [vec![1.0; 4], vec![1.0; 2], vec![]] {
            let found = forward().backward(&block(4, "heun"), &theta, &wrong, &mut vec![0.0], &Ledger::new());
            let text = text(found);
            assert!(text.contains("cotangent") && text.contains("expected length 3"), "{method}: {text}");
        }
        let right = vec![1.0; 3];
        for wrong in [vec![0.0; 2], vec![]] {
            let found = forward().backward(&block(4, "heun"), &theta, &right, &mut wrong.clone(), &Ledger::new());
            assert!(text(found).contains("gradient for theta"), "{method}");
            let found = forward().backward(&block(4, "heun"), &wrong, &right, &mut vec![0.0], &Ledger::new());
            assert!(text(found).contains("theta"), "{method}");
        }
        for other in [block(3, "heun"), block(5, "heun")] {
            let found = forward().backward(&other, &theta, &right, &mut vec![0.0], &Ledger::new());
            assert!(text(found).contains("time grid"), "{method}");
        }
        let found = forward().backward(&block(4, "euler"), &theta, &right, &mut vec![0.0], &Ledger::new());
        assert!(text(found).contains("solver"), "{method}");
        assert!(text(method.gradient(&block(4, "heun"), &z0, &theta, |_| vec![1.0; 9])).contains("length 9"));
    }
}

#[test]
fn a_grid_without_steps_is_the_identity_for_every_method() {
    let field = free();
    for method in METHODS {
        for grid in [Grid::unit(0), Grid::Times(vec![]), Grid::Times(vec![0.5])] {
            let block = Block { field: &field, tableau: solver("rk4").unwrap(), grid };
            let found = method.gradient(&block, &vec![1.0, 2.0], &vec![0.5], |_| vec![3.0, 4.0]).unwrap();
            assert_eq!((found.end, found.z0, found.theta), (vec![1.0, 2.0], vec![3.0, 4.0], vec![0.0]), "{method}");
        }
        let grid = Grid::Times(vec![0.0, f64::NAN]);
        let block = Block { field: &field, tableau: solver("rk4").unwrap(), grid };
        assert!(text(method.gradient(&block, &vec![1.0], &vec![0.5], |_| vec![1.0])).contains("finite"), "{method}");
    }
}

#[test]
fn adaptive_blocks_refuse_the_same_and_know_empty_spans() {
    let field = free();
    let block = |span| AdaptiveBlock {
        field: &field,
        tableau: solver("dormand-prince").unwrap(),
        control: Adaptive::new(1e-6, 1e-9),
        span,
    };
    let (z0, theta) = (vec![1.0, 2.0], vec![0.5]);
    for method in [Method::Anode, Method::Online(2), Method::ReverseTime, Method::InterpolatedAdjoint] {
        let unit = block((0.0, 1.0));
        let forward = || method.forward_adaptive(&unit, &z0, &theta, &Ledger::new()).unwrap();
        let back = |block, theta: &Vec<f64>, cotangent: Vec<f64>, mut bar: Vec<f64>| {
            text(forward().backward(block, theta, &cotangent, &mut bar, &Ledger::new()))
        };
        assert!(back(&unit, &theta, vec![1.0; 3], vec![0.0]).contains("cotangent"), "{method}");
        assert!(back(&unit, &theta, vec![1.0; 2], vec![0.0; 2]).contains("gradient for theta"), "{method}");
        assert!(back(&unit, &vec![1.0; 2], vec![1.0; 2], vec![0.0]).contains("theta"), "{method}");
        assert!(back(&block((0.0, 2.0)), &theta, vec![1.0; 2], vec![0.0]).contains("time grid"), "{method}");
        let empty = block((0.3, 0.3));
        let forward = method.forward_adaptive(&empty, &z0, &theta, &Ledger::new()).unwrap();
        let mut bar = vec![0.0];
        assert_eq!(forward.end(), &z0);
        assert_eq!(forward.backward(&empty, &theta, &vec![5.0, 6.0], &mut bar, &Ledger::new()), Ok(vec![5.0, 6.0]));
        assert_eq!(bar, [0.0]);
        let nowhere = method.forward_adaptive(&block((0.0, f64::NAN)), &z0, &theta, &Ledger::new());
        assert!(text(nowhere).contains("finite"), "{method}");
    }
}

fn coupled(coupling: Coupling) -> CoupledBlock<ConvField<f64>, f64> {
    coupled_by(Law { sigma: Sigma::Identity, ..Law::new(Terms::Diffusion) }, coupling)
}

fn coupled_by(law: Law, coupling: Coupling) -> CoupledBlock<ConvField<f64>, f64> {
    let field = Arc::new(ConvField::<f64>::new([1, 5, 5], 3, Activation::Tanh));
    let weights = WeightField::new(law, 9, vec![Piece { range: 0..9, grid: [3, 3], groups: 1 }]).unwrap();
    CoupledBlock::new(field, Arc::new(weights), solver("rk4").unwrap(), coupling).unwrap()
}

#[test]
fn coupled_blocks_refuse_vectors_of_the_wrong_length() {
    let exact = Coupling {
        evaluation: anode_nets::evolution::Evaluation::Multiplier(Symbol::Discrete),
        ..Coupling::together(2)
    };
    let boxed = Memory::Box { width: 0.5, history: anode_nets::evolution::History::Rest };
    let couplings = [
        Coupling::together(2),
        Coupling { memory: boxed, ..Coupling::together(2) },
        Coupling::first(2, 3, Reading::Matching),
        Coupling::first(2, 3, Reading::Final),
        exact,
    ];
    for coupling in couplings {
        let block = coupled(coupling);
        let (z0, parameters) = (vec![0.5; 25], vec![0.1; 10]);
        let ledger = Ledger::new();
        for wrong in [vec![0.1; 9], vec![0.1; 11], vec![]] {
            assert!(block.forward(Method::Anode, &z0, &wrong, &ledger).is_err(), "{coupling:?}");
        }
        for wrong in [24, 26, 0] {
            assert!(block.forward(Method::Anode, &vec![0.5; wrong], &parameters, &ledger).is_err(), "{coupling:?}");
        }
        let forward = || block.forward(Method::Anode, &z0, &parameters, &ledger).unwrap();
        let back = |parameters: &[f64], cotangent: usize, bar: usize| {
            forward().backward(&block, parameters, &vec![1.0; cotangent], &mut vec![0.0; bar], &ledger)
        };
        assert!(back(&parameters, 25, 10).is_ok(), "{coupling:?}");
        for (count, cotangent, bar, word) in
            [(10, 26, 10, "cotangent"), (10, 25, 9, "gradient"), (10, 25, 11, "gradient")]
        {
            assert!(text(back(&parameters[..count], cotangent, bar)).contains(word), "{coupling:?}");
        }
        assert!(text(back(&parameters[..5], 25, 10)).contains("parameters"), "{coupling:?}");
        let other = coupled(Coupling {
            configuration: anode_nets::evolution::Configuration::Together { steps: 3 },
            ..coupling
        });
        let mut bar = vec![0.0; 10];
        assert!(forward().backward(&other, &parameters, &vec![1.0; 25], &mut bar, &ledger).is_err(), "{coupling:?}");
        for other in couplings.into_iter().filter(|other| *other != coupling) {
            let found = forward().backward(&coupled(other), &parameters, &vec![1.0; 25], &mut bar, &ledger);
            assert!(text(found).contains("the coupling of the backward sweep"), "{coupling:?}, {other:?}");
        }
        let other = coupled_by(Law { sigma: Sigma::Identity, ..Law::new(Terms::Reaction) }, Coupling::together(2));
        let found = forward().backward(&other, &parameters, &vec![1.0; 25], &mut bar, &ledger);
        let expected = if coupling == Coupling::together(2) { "the evolution of weights" } else { "the coupling" };
        assert!(text(found).contains(expected), "{coupling:?}");
        assert_eq!(bar, [0.0; 10]);
    }
}

const AT: At = At { t: 0.0, step: 0, stage: 0, pass: Pass::Forward };

#[test]
fn fields_refuse_vectors_of_the_wrong_length() {
    let law = Law { sigma: Sigma::Identity, ..Law::new(Terms::Rda) };
    let weights = WeightField::<f64>::new(law, 10, vec![Piece { range: 0..9, grid: [3, 3], groups: 1 }]).unwrap();
    let (w, p, right) = (vec![1.0; 10], vec![0.1; 4], || vec![0.0; 10]);
    assert!(weights.eval(AT, &w, &p, &mut vec![0.0; 9]).is_err());
    assert!(weights.eval(AT, &w, &vec![0.1; 5], &mut right()).is_err());
    assert!(weights.eval_taped(AT, &vec![1.0; 11], &p, &mut right()).is_err());
    let tape = weights.eval_taped(AT, &w, &p, &mut right()).unwrap();
    for (c, w_bar, p_bar) in [(9, 10, 4), (10, 9, 4), (10, 10, 3), (10, 11, 4), (10, 10, 5)] {
        let found = weights.vjp(&tape, &p, &vec![1.0; c], &mut vec![0.0; w_bar], &mut vec![0.0; p_bar]);
        assert!(found.is_err(), "{c} {w_bar} {p_bar}");
    }
    assert!(weights.check_stability(&p, solver("euler").unwrap(), f64::NAN).is_err());

    let weights = Arc::new(weights);
    let flow = ExactFlow::new(weights.clone(), Symbol::Discrete).unwrap();
    assert!(flow.at(0.5, &w[..9], &p).is_err() && flow.at(0.5, &w, &p[..3]).is_err());
    for (w0, c, w_bar, p_bar) in [(9, 10, 10, 4), (10, 9, 10, 4), (10, 10, 9, 4), (10, 10, 10, 3)] {
        let (mut w_bar, mut p_bar) = (vec![0.0; w_bar], vec![0.0; p_bar]);
        let found = flow.vjp(0.5, (&w[..w0], &p), &vec![1.0; c], &mut w_bar, &mut p_bar);
        assert!(found.is_err(), "{w0} {c}");
    }

    let f = Arc::new(ConvField::<f64>::new([1, 3, 3], 3, Activation::Tanh));
    let piece = vec![Piece { range: 0..9, grid: [3, 3], groups: 1 }];
    let field = CoupledField::new(f, Arc::new(WeightField::new(law, 9, piece).unwrap()), Memory::None).unwrap();
    let block = Block { field: &field, tableau: solver("euler").unwrap(), grid: Grid::unit(2) };
    let parameters = Pair(vec![], Stack(vec![vec![0.1; 4]]));
    let short = field.start(vec![1.0; 9], &[0.1; 8]);
    assert!(Method::Anode.forward(&block, &short, &parameters, &Ledger::new()).is_err());
    let start = field.start(vec![1.0; 9], &[0.1; 9]);
    assert!(Method::Anode.forward(&block, &start, &Pair(vec![], Stack(vec![])), &Ledger::new()).is_err());
    // As many numbers in all, cut elsewhere.
    let moved = |_: &Pair<Vec<f64>, Stack<Vec<f64>>>| Pair(vec![1.0; 8], Stack(vec![vec![0.0; 10]]));
    assert!(text(Method::Anode.gradient(&block, &start, &parameters, moved)).contains("cotangent"));
    assert!(field.start_vjp(&start, &mut [0.0; 8]).is_err());

    let timed = TimeParameters::new(Dense::<f64>::tanh(2), vec![0.0, 0.5, 1.0], TimeRule::Linear).unwrap();
    let (z, theta) = (vec![1.0, 2.0], vec![0.1; 12]);
    let refused = timed.eval(AT, &z, &vec![0.1; 11], &mut vec![0.0; 2]).unwrap_err().to_string();
    assert_eq!(refused, "parameters: length 11, expected a multiple of 3 knots");
    let tape = timed.eval_taped(AT, &z, &theta, &mut vec![0.0; 2]).unwrap();
    assert!(timed.vjp(&tape, &theta, &z, &mut vec![0.0; 2], &mut vec![0.0; 8]).is_err());
}
