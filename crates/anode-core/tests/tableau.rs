//! Tableaus of a user's own: which are refused, and by which functions.

use anode_core::gradient::{AdaptiveBlock, Block, Method};
use anode_core::ode::{
    Adaptive, ButcherTableau, Closure, ClosureField, Embedded, Grid, SOLVERS, integrate, integrate_adaptive,
    integrate_back,
};

/// A tableau of two stages, with the fields that a test changes.
const RIGHT: ButcherTableau = ButcherTableau {
    name: "own",
    aliases: &[],
    source: "",
    advice: "",
    order: 2,
    a: &[&[], &[1.0]],
    b: &[0.5, 0.5],
    c: &[0.0, 1.0],
    embedded: Some(Embedded { order: 1, b: &[1.0, 0.0], torchdiffeq: None }),
};

const SINGLE: ButcherTableau = ButcherTableau { order: 1, a: &[&[]], b: &[1.0], c: &[0.0], embedded: None, ..RIGHT };

const fn pair(b: &'static [f64], torchdiffeq: Option<&'static [f64]>) -> Option<Embedded> {
    Some(Embedded { order: 1, b, torchdiffeq })
}

static WRONG: [(ButcherTableau, &str); 19] = [
    (ButcherTableau { a: &[&[0.5]], c: &[0.5], ..SINGLE }, "c = [0.5]; allowed: 1 finite numbers, first 0"),
    (ButcherTableau { a: &[&[0.5]], ..SINGLE }, "row 0 of a = [0.5]; allowed: 0 finite numbers"),
    (ButcherTableau { b: &[], ..SINGLE }, "b = []; allowed: finite numbers, not all zero"),
    (ButcherTableau { b: &[0.0], ..SINGLE }, "b = [0.0]; allowed"),
    (ButcherTableau { b: &[f64::NAN], ..SINGLE }, "b = [NaN]; allowed"),
    (ButcherTableau { embedded: pair(&[0.5], None), ..SINGLE }, "allowed: 2 stages or more"),
    (ButcherTableau { c: &[0.0], ..RIGHT }, "c = [0.0]; allowed: 2 finite numbers"),
    (ButcherTableau { a: &[&[]], ..RIGHT }, "has 1 rows in a; allowed: 2"),
    (ButcherTableau { a: &[&[], &[1.0, 0.5]], ..RIGHT }, "row 1 of a = [1.0, 0.5]; allowed: 1 finite"),
    (ButcherTableau { a: &[&[], &[f64::INFINITY]], ..RIGHT }, "row 1 of a = [inf]"),
    (ButcherTableau { embedded: pair(&[1.0], None), ..RIGHT }, "embedded.b = [1.0]; allowed: 2 finite"),
    (ButcherTableau { embedded: pair(&[1.0, 0.0], Some(&[1.0])), ..RIGHT }, "embedded.torchdiffeq = [1.0]"),
    (ButcherTableau { b: &[0.5, 0.4], ..RIGHT }, "that sum to 0.9; allowed: 1"),
    (ButcherTableau { a: &[&[], &[0.7]], ..RIGHT }, "row 1 of a = [0.7] that sums to 0.7; allowed: 1, its node"),
    (ButcherTableau { order: 0, ..RIGHT }, "order 0; allowed: 1 to 2"),
    (ButcherTableau { order: 3, ..RIGHT }, "order 3; allowed: 1 to 2"),
    (ButcherTableau { embedded: pair(&[0.5, 0.25], None), ..RIGHT }, "embedded.b = [0.5, 0.25] that sum to 0.75"),
    (ButcherTableau { embedded: pair(&[0.5, 0.5], None), ..RIGHT }, "embedded.b equal to b"),
    (
        ButcherTableau { embedded: Some(Embedded { order: 0, b: &[1.0, 0.0], torchdiffeq: None }), ..RIGHT },
        "embedded.order = 0; allowed: 1 to 2",
    ),
];

#[test]
fn every_registered_tableau_passes_the_check() {
    for tableau in SOLVERS {
        assert_eq!(tableau.check(), Ok(()), "{}", tableau.name);
    }
    assert_eq!((RIGHT.check(), SINGLE.check()), (Ok(()), Ok(())));
}

#[test]
fn every_solve_and_gradient_refuses_a_tableau_that_is_not_explicit_or_not_complete() {
    let decay = Closure::new(|_t, z: &[f64], dz: &mut [f64]| dz[0] = -z[0]);
    let field = ClosureField::new(
        |_t, z: &[f64], w: &[f64], dz: &mut [f64]| dz[0] = w[0] * z[0],
        |_t, z: &[f64], w: &[f64], c: &[f64], z_bar: &mut [f64], w_bar: &mut [f64]| {
            z_bar[0] += w[0] * c[0];
            w_bar[0] += z[0] * c[0];
        },
    );
    let (z, w, grid, control) = (vec![f64::MAX], vec![3.0], Grid::unit(2), Adaptive::new(1e-3, 1e-6));
    for (tableau, expected) in &WRONG {
        let refused = tableau.check().unwrap_err();
        assert!(refused.to_string().contains(expected), "{refused} instead of {expected}");
        let _ = tableau.first_same_as_last();
        let block = Block { field: &field, tableau, grid: grid.clone() };
        let adaptive = AdaptiveBlock { field: &field, tableau, control, span: (0.0, 1.0) };
        for found in [
            integrate(&decay, tableau, &grid, &mut z.clone(), &vec![]).err(),
            integrate_back(&decay, tableau, &grid, &mut z.clone(), &vec![]).err(),
            integrate_adaptive(&decay, tableau, control, (0.0, 1.0), &z, &vec![]).err(),
            block.extent(&z, &w).err(),
        ] {
            assert_eq!(found, Some(refused.clone()));
        }
        for found in [
            Method::Anode.gradient(&block, &z, &w, |end| end.clone()).err(),
            Method::Leapfrog.gradient(&block, &z, &w, |end| end.clone()).err(),
            Method::Anode.gradient_adaptive(&adaptive, &z, &w, |end| end.clone()).err(),
        ] {
            assert_eq!(found, Some(refused.clone().into()));
        }
    }
}
