//! Columns of the studies that measure errors: reversibility, gradients, evolving kernels.

use super::{Column, Values, When, Written, column, flag, listed, number, words};

const SOLVED: When = When::Is("stepping.kind", &["fixed", "adaptive"]);
const SEARCHED: When = When::Is("stepping.kind", &["search"]);
const SCALAR: When = When::All(&[SOLVED, When::Is("problem.kind", &["scalar-linear", "scalar-relu"])]);
const MATRIX: When = When::Is("problem.kind", &["matrix-relu"]);
const IMAGE: When = When::Is("problem.kind", &["convolution"]);

/// The reversibility study.
pub const REVERSIBILITY: Written = Written {
    rows: &[
        number("steps", "accepted steps of the forward solve").when(SOLVED),
        number("rejected", "rejected steps of the forward solve").when(SOLVED),
        number("evaluations", "evaluations of f in the forward solve").when(SOLVED),
        number("back_steps", "accepted steps of the reverse solve; none if the forward solve failed").when(SOLVED),
        number("back_rejected", "rejected steps of the reverse solve").when(SOLVED),
        number("back_evaluations", "evaluations of f in the reverse solve").when(SOLVED),
        number("forward_error", "relative error of z(1), if z(1) is known and not zero").when(SOLVED),
        number(
            "rho",
            "reversal error |z(0) - back(forward(z(0)))| / |z(0)|; \
             inf if the reverse solve diverged, empty if the forward one did",
        )
        .when(SOLVED),
        column("ended", "`both ways`, or the solve that failed and why", Values::Text).when(SOLVED),
        number("z1", "z(1) of a scalar problem").when(SCALAR),
        words("z1_sign", "sign of z(1) of a scalar problem", &["negative", "positive", "zero or none"]).when(SCALAR),
        column("last_states", "the last accepted states of the forward solve with their times", Values::Text)
            .when(SCALAR),
        number("forward_steps", "fewest steps that reach the target error of z(1)").when(SEARCHED),
        number("round_trip_steps", "fewest steps that reach the target rho").when(SEARCHED),
        flag("forward_reached", "whether z(1) reached the target within the limit of steps").when(SEARCHED),
        flag("round_trip_reached", "whether rho reached the target within the limit of steps").when(SEARCHED),
        number("spectral_norm", "spectral norm of W").when(MATRIX),
        words("image", "the image that is z(0)", &["drawn digit", "image file", "MNIST test digit"]).when(IMAGE),
    ],
    steps: &[],
    images: &[("input", "z(0)"), ("output", "z(1)"), ("recovered", "z(0) as the reverse solve reconstructs it")],
};

/// The gradient-error study.
pub const GRADIENT_ERROR: &[Column] = &[
    listed("Nt", "steps on [0, 1]", "steps"),
    number("dt", "step size 1 / Nt"),
    listed("method", "gradient method", "methods"),
    number("loss", "J = |z(1)|^2 / 2"),
    number("norm_z0", "2-norm of the gradient for z(0)"),
    number("norm_W", "2-norm of the gradient for the weights"),
    number("error_z0", "relative distance from the exact discrete gradient, for z(0)"),
    number("error_W", "relative distance from the exact discrete gradient, for the weights"),
    number("reference_error_z0", "relative distance from the gradient of the ODE, for z(0)"),
    number("reference_error_W", "relative distance from the gradient of the ODE, for the weights"),
    number("reference_uncertainty", "relative distance between two ways to the gradient of the ODE"),
    number("reversal_drift", "relative distance from its start of a solver that ran backwards; 0 for other methods"),
    number("evaluations", "evaluations of f"),
    number("vjps", "vector-Jacobian products of f"),
    number("peak_bytes", "peak of snapshots and tapes, bytes"),
];

/// The study of evolving kernels.
pub const KERNEL_EVOLUTION: Written = Written {
    rows: &[
        words("row", "what the row describes: a kernel at one time, or one of its Fourier modes", &["state", "mode"]),
        listed("Nt", "steps on [0, 1]", "steps"),
        number("dt", "step size 1 / Nt"),
        number("t", "time"),
        number("mass", "sum of the kernel"),
        number("mass_change", "relative change of the sum since t = 0"),
        number("norm", "2-norm of the kernel"),
        number("norm_ratio", "2-norm over that at t = 0"),
        number("roughness_ratio", "2-norm of the differences of neighbours over that at t = 0"),
        number("least", "smallest entry"),
        number("largest", "largest entry"),
        number("error", "relative distance from the exact solution of the differences, if known"),
        number("error_pde", "relative distance from the exact solution of the PDE, if known"),
        words("of", "the kernel of a mode", &["start", "stepped", "exact, differences", "exact, PDE"]),
        number("k", "wave number of a mode, radians per pixel"),
        number("size", "absolute value of a mode"),
    ],
    steps: &[],
    images: &[
        ("t#", "the kernel after this many stretches of time"),
        ("exact", "the exact solution of the PDE at t = 1"),
    ],
};

/// The study of gradients through evolving weights.
pub const COUPLED_GRADIENT: &[Column] = &[
    listed("Nt", "steps on [0, 1]", "steps"),
    number("dt", "step size 1 / Nt"),
    listed("method", "gradient method", "methods"),
    number("loss", "J = |z(1)|^2 / 2"),
    number("norm_z0", "2-norm of the gradient for z(0)"),
    number("norm_w0", "2-norm of the gradient for w(0)"),
    number("norm_p", "2-norm of the gradient for the coefficients p"),
    number("error_z0", "relative distance from the exact discrete gradient, for z(0)"),
    number("error_w0", "relative distance from the exact discrete gradient, for w(0)"),
    number("error_p", "relative distance from the exact discrete gradient, for p"),
    number("difference_error_w0", "relative distance from central differences, for w(0), at the first Nt alone"),
    number("difference_error_p", "relative distance from central differences, for p, at the first Nt alone"),
    number("evaluations", "evaluations of f"),
    number("vjps", "vector-Jacobian products of f"),
    number("peak_bytes", "peak of snapshots and tapes, bytes"),
];
