//! `anode schedule`: a checkpoint schedule as a diagram, by name or by byte budget.

use schemars::JsonSchema;
use serde::Serialize;

use crate::gradient::{Extent, Life, Method, Stroke, Timeline, Work, diagram, timeline};
use crate::nearest::with_suggestion;
use crate::record::write_atomically;
use crate::report::{ReportError, schedule_svg};

use super::arguments::{Common, ScheduleArguments};
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json};

/// A checkpoint schedule.
#[derive(Serialize, JsonSchema)]
pub struct Schedule {
    /// The gradient method.
    method: String,
    /// Steps Nt of each block.
    steps: usize,
    /// Blocks L.
    blocks: usize,
    /// Bytes of one state.
    state_bytes: usize,
    /// Bytes of the tapes of one step.
    step_tape_bytes: usize,
    /// Whether the gradient is that of the discrete network, up to rounding.
    exact: bool,
    /// Upper bound of the memory of snapshots and tapes, bytes.
    bytes: usize,
    /// The work of one block over time; null for a method without a schedule and for more than 10,000 steps.
    timeline: Option<WorkAndSnapshots>,
    /// The schedule as text; null for a method without a schedule and for more than 100 steps.
    diagram: Option<String>,
}

document!(Schedule, "schedule", 1);

/// A schedule over time. Each step is one unit of time; storing and restoring snapshots take none.
#[derive(Serialize, JsonSchema)]
pub struct WorkAndSnapshots {
    /// Units of time in all.
    duration: usize,
    /// The largest number of snapshots at any time.
    most_snapshots: usize,
    /// The work, in order.
    work: Vec<WorkPart>,
    /// The snapshots, in the order in which they are freed.
    snapshots: Vec<Snapshot>,
}

/// Consecutive steps of the same kind.
#[derive(Serialize, JsonSchema)]
pub struct WorkPart {
    /// `advance`: steps without a tape; `tape`: a step whose tape is kept; `reverse`: a step is reversed.
    kind: &'static str,
    /// Index of the state that the work starts from.
    from: usize,
    /// Index of the state that it ends at.
    to: usize,
    /// Units of time before it.
    at: usize,
}

/// A snapshot.
#[derive(Serialize, JsonSchema)]
pub struct Snapshot {
    /// Index of the state.
    state: usize,
    /// Time at which it is stored.
    from: usize,
    /// Time at which it is freed.
    to: usize,
}

/// Longer schedules are not listed.
const MOST_LISTED: usize = 10_000;

/// Longer schedules are counted, not drawn.
const MOST_DRAWN: usize = 100;

/// The symbols of the diagram.
const LEGEND: &str = "o stored state   . other state   - step   = step with tape   < reversed step";

/// `anode schedule`
///
/// # Errors
/// A method that is unknown or has no schedule; a budget that is too small.
pub fn schedule(common: &Common, arguments: &ScheduleArguments) -> Result<(), CliError> {
    let steps = arguments.steps as usize;
    let extent = Extent {
        blocks: arguments.blocks as usize,
        steps,
        state_bytes: arguments.state.0,
        step_tape_bytes: arguments.tape.0,
    };
    let usage = |why: String| CliError::Usage(why);
    let chosen = |budget: usize| extent.within(budget).map_err(|e| usage(format!("{e} ({})", sizes(&extent))));
    let method: Method = match (&arguments.method, &arguments.memory) {
        (Some(name), _) => {
            let named = name.parse();
            match named.map_err(|e: crate::gradient::UnknownMethod| usage(with_suggestion(&e.to_string())))? {
                Method::Within(budget) => chosen(budget)?,
                method => method,
            }
        }
        (None, Some(budget)) => chosen(budget.0)?,
        (None, None) => return Err(usage("name a method, or a budget with --memory".into())),
    };
    let bytes = extent.bound_bytes(method);
    if bytes == usize::MAX {
        return Err(usage(format!(
            "{method}: more than {} bytes; name smaller --state, --tape or --blocks",
            bytes - 1
        )));
    }
    if let Some(path) = &arguments.svg {
        if steps > MOST_DRAWN || timeline(method, steps).is_none() {
            return Err(usage(format!(
                "{method} with {steps} steps cannot be drawn: up to {MOST_DRAWN} steps, and a checkpoint schedule"
            )));
        }
        let text = schedule_svg(method, steps)?;
        write_atomically(path, text.as_bytes()).map_err(ReportError::from)?;
    }
    let drawn = if steps <= MOST_DRAWN { diagram(method, steps) } else { None };
    if common.json {
        print_json(&Schedule {
            method: method.to_string(),
            steps,
            blocks: extent.blocks,
            state_bytes: extent.state_bytes,
            step_tape_bytes: extent.step_tape_bytes,
            exact: method.is_exact(),
            bytes,
            timeline: if steps <= MOST_LISTED { timeline(method, steps).map(listed) } else { None },
            diagram: drawn,
        });
        return Ok(());
    }
    let drawable = timeline(method, 1).is_some();
    match drawn {
        Some(text) => print(&format!("{text}\n{LEGEND}")),
        None if drawable => print(&format!("{steps} steps are not drawn; at most {MOST_DRAWN} are")),
        None => print(&format!("{method} is not drawn: it has no checkpoint schedule")),
    }
    print(&format!("{method}: at most {bytes} bytes of snapshots and tapes ({})", sizes(&extent)));
    Ok(())
}

/// What the bytes of a schedule depend on, in words.
fn sizes(extent: &Extent) -> String {
    format!(
        "blocks: {}, bytes of a state: {}, bytes of the tapes of a step: {}",
        extent.blocks, extent.state_bytes, extent.step_tape_bytes
    )
}

fn listed(line: Timeline) -> WorkAndSnapshots {
    let alive = |at: usize| line.lives.iter().filter(|life| life.from <= at && at < life.to).count();
    let work = |stroke: &Stroke| WorkPart {
        kind: match stroke.work {
            Work::Plain => "advance",
            Work::Taped => "tape",
            Work::Reversed => "reverse",
        },
        from: stroke.from,
        to: stroke.to,
        at: stroke.at,
    };
    WorkAndSnapshots {
        duration: line.duration,
        // The number changes only where a snapshot is stored.
        most_snapshots: line.lives.iter().map(|life| alive(life.from)).max().unwrap_or(0),
        work: line.strokes.iter().map(work).collect(),
        snapshots: line
            .lives
            .iter()
            .map(|Life { state, from, to }| Snapshot { state: *state, from: *from, to: *to })
            .collect(),
    }
}
