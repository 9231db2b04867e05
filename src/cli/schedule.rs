//! `anode schedule`: a checkpoint schedule as a diagram, by name or by byte budget.

use serde_json::json;

use crate::gradient::{Extent, Method, diagram};
use crate::nearest::with_suggestion;
use crate::record::write_atomically;
use crate::report::{ReportError, schedule_svg};

use super::arguments::{Common, ScheduleArguments};
use super::error::CliError;
use super::output::{print, print_json};

/// Longer schedules are counted, not drawn.
const MOST_DRAWN: usize = 100;

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
    let method: Method = match (&arguments.method, &arguments.memory) {
        (Some(name), _) => {
            name.parse().map_err(|e: crate::gradient::UnknownMethod| usage(with_suggestion(&e.to_string())))?
        }
        (None, Some(budget)) => extent.within(budget.0).map_err(|e| usage(e.to_string()))?,
        (None, None) => return Err(usage("name a method, or a budget with --memory".into())),
    };
    if let Some(path) = &arguments.svg {
        if steps > MOST_DRAWN || crate::gradient::timeline(method, steps).is_none() {
            return Err(usage(format!(
                "{method} with {steps} steps cannot be drawn: up to {MOST_DRAWN} steps, and a checkpoint schedule"
            )));
        }
        let text = schedule_svg(method, steps)?;
        write_atomically(path, text.as_bytes()).map_err(ReportError::from)?;
    }
    let drawn = if steps <= MOST_DRAWN { diagram(method, steps) } else { None };
    let bytes = extent.bound_bytes(method);
    if common.json {
        print_json(&json!({ "method": method.to_string(), "steps": steps, "bytes": bytes, "diagram": drawn }));
        return Ok(());
    }
    match drawn {
        Some(text) => print(&text),
        None if method.is_exact() => print(&format!("{steps} steps are not drawn; at most {MOST_DRAWN} are")),
        None => print(&format!("{method} integrates backwards; it has no checkpoint schedule")),
    }
    print(&format!("{method}: at most {bytes} bytes of snapshots and tapes"));
    Ok(())
}
