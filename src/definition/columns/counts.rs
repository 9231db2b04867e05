//! Columns of the studies that count: memory, schedules, cost of networks.

use super::{Column, listed, number};

/// The memory study.
pub const MEMORY: &[Column] = &[
    listed("Nt", "steps of each block", "steps"),
    number("state_bytes", "bytes of a state"),
    number("step_tape_bytes", "bytes of the tape of a step"),
    number("peak_bytes", "counted peak of snapshots and tapes, bytes"),
    number("bound_bytes", "bound of the theory on the peak, bytes"),
    number("peak_over_bound", "counted peak over the bound"),
    number("evaluations", "evaluations of f"),
    number("vjps", "vector-Jacobian products of f"),
    number("replayed_steps", "steps of the forward sweep that were computed again"),
    number("plain_steps", "steps without a tape"),
    number("optimal_plain_steps", "fewest steps without a tape that the snapshots allow (Revolve)"),
    number("process_peak_bytes", "peak memory measured by the process or the device, bytes"),
    number("process_over_counted", "measured over counted peak"),
    number("seconds", "fastest of several gradients, s"),
    number("over_full_storage_seconds", "time over that of full storage"),
];

/// The study of checkpoint schedules.
pub const SCHEDULES: &[Column] = &[
    listed("Nt", "steps", "steps"),
    number("plain_steps", "steps without a tape that the schedule takes"),
    number("least_plain_steps", "fewest steps without a tape that the snapshots allow"),
    number("formula", "the published formula for the fewest"),
    number("snapshots_alive", "most snapshots alive at once"),
    number("above_least", "steps above the fewest"),
    number("above_least_sweeps", "steps above the fewest, in forward sweeps"),
    number("formula_minus_least", "the formula minus the fewest found by search"),
    number("snapshots_over_allowed", "snapshots alive over the number allowed"),
    number("steps_over_sweep", "all steps, in forward sweeps"),
];

/// The study of what networks cost.
pub const NETWORK_COST: &[Column] = &[
    number("parameters", "trained parameters"),
    number("more_parameters", "parameters beyond those of the baseline form"),
    number("macs", "multiply-adds of a forward sweep of one image"),
    number("macs_over_baseline", "multiply-adds over those of the baseline form"),
    number("macs_over_anode", "multiply-adds over those of the neural ODE of as many steps"),
    number("function_evaluations", "evaluations of f in a gradient"),
    number("vjps", "vector-Jacobian products of f in a gradient"),
    number("bytes_per_image", "peak of snapshots and tapes per image, bytes"),
    number("bytes_over_baseline", "peak over that of the baseline form"),
    number("bytes_over_anode", "peak over that of the neural ODE with ANODE's gradient"),
    number("seconds", "fastest of several gradients, s"),
    number("baseline_seconds", "the same for the baseline form, s"),
    number("anode_seconds", "the same for the neural ODE with ANODE's gradient, s"),
];
