//! Dormand-Prince 5(4): order 5, 7 stages, first same as last, with an embedded solution of order 4. MATLAB's `ode45`,
//! torchdiffeq's `dopri5`, SciPy's `RK45`.
//!
//! J. R. Dormand and P. J. Prince, *A family of embedded Runge-Kutta formulae*, Journal of Computational and Applied
//! Mathematics 6(1), 1980.

use crate::ode::{ButcherTableau, Embedded};

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "dormand-prince",
    aliases: &["dopri5", "rk45", "ode45"],
    source: "Dormand & Prince 1980",
    advice: "Use it with adaptive steps at moderate and tight tolerances, and to reproduce `ode45`, `dopri5` and \
             `RK45`. Not for blocks of few steps: it takes 6 evaluations per step.",
    order: 5,
    a: &[
        &[],
        &[1.0 / 5.0],
        &[3.0 / 40.0, 9.0 / 40.0],
        &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
        &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
        &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
        &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
    ],
    b: &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0, 0.0],
    c: &[0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0],
    embedded: Some(Embedded {
        order: 4,
        b: &[5179.0 / 57600.0, 0.0, 7571.0 / 16695.0, 393.0 / 640.0, -92097.0 / 339200.0, 187.0 / 2100.0, 1.0 / 40.0],
        torchdiffeq: Some(&[
            1951.0 / 21600.0,
            0.0,
            22642.0 / 50085.0,
            451.0 / 720.0,
            -12231.0 / 42400.0,
            649.0 / 6300.0,
            1.0 / 60.0,
        ]),
    }),
};
