//! `anode list` and `anode plan`.

use serde_json::json;

use crate::data::data_folder;
use crate::definition::Profile;
use crate::plan::plan;
use crate::runner::is_recorded;
use crate::study::STUDIES;

use super::arguments::Common;
use super::error::CliError;
use super::job::PlanArguments;
use super::output::{print, print_json, print_table, warn};
use super::{select, slurm};

/// `anode list`
///
/// # Errors
/// See [`CliError`].
pub fn list(common: &Common) -> Result<(), CliError> {
    let loaded = select::all(common)?;
    let data = data_folder(common.data.as_deref());
    let (mut rows, mut values) = (vec![], vec![]);
    for one in &loaded {
        let definition = &one.definition;
        let mut counts = vec![];
        for profile in Profile::ALL {
            let (runs, skipped) = plan(std::slice::from_ref(one), profile, "cpu", data.as_deref(), STUDIES);
            let done = runs.iter().filter(|run| is_recorded(run, &common.results)).count();
            counts.push((profile.name(), done, runs.len(), skipped.len()));
        }
        let shown = |(_, done, all, skipped): &(&str, usize, usize, usize)| match (all, skipped) {
            (0, 0) => "-".to_owned(),
            (all, 0) => format!("{done}/{all}"),
            (all, skipped) => format!("{done}/{all} ({skipped} lack data)"),
        };
        let mut row = vec![definition.id.clone()];
        row.extend(counts.iter().map(shown));
        row.push(format!("[{:?}] {}", definition.claim.source, definition.claim.text));
        rows.push(row);
        let profiles = counts.iter().map(
            |(name, done, all, skipped)| json!({ "profile": name, "recorded": done, "runs": all, "skipped": skipped }),
        );
        values.push(json!({
            "id": definition.id, "title": definition.title, "claim": definition.claim.text,
            "source": definition.claim.source, "profiles": profiles.collect::<Vec<_>>(),
        }));
    }
    if common.json {
        print_json(&values);
    } else {
        print_table(&["experiment", "quick", "standard", "paper", "claim"], &rows);
        print("\nrecorded/planned runs per profile; the letter says how the claim is known (see the report)");
    }
    Ok(())
}

/// `anode plan`
///
/// # Errors
/// See [`CliError`].
pub fn show_plan(common: &Common, arguments: &PlanArguments) -> Result<(), CliError> {
    let selection = &arguments.selection;
    let loaded = select::matching(common, selection.only.as_deref())?;
    let data = data_folder(common.data.as_deref());
    let (mut runs, skipped) = plan(&loaded, selection.profile.into(), "cpu", data.as_deref(), STUDIES);
    if arguments.slurm {
        if common.json {
            return Err(CliError::Usage("--slurm writes a shell script; leave out --json".into()));
        }
        for skip in &skipped {
            warn(&format!("not in the job: {} {}: {}", skip.experiment, skip.label, skip.why));
        }
        print(slurm::script(common, arguments, &runs)?.trim_end());
        return Ok(());
    }
    if let Some(shard) = arguments.shard {
        runs = shard.of(runs);
    }
    let state = |done: bool| if done { "done" } else { "to do" };
    if common.json {
        let value = |run: &crate::plan::Run| {
            json!({
                "run": run.id, "experiment": run.experiment, "seed": run.seed, "settings": run.settings,
                "folder": run.folder(&common.results), "done": is_recorded(run, &common.results),
            })
        };
        print_json(&runs.iter().map(value).collect::<Vec<_>>());
        return Ok(());
    }
    let row = |run: &crate::plan::Run| {
        let state = state(is_recorded(run, &common.results)).to_owned();
        vec![run.id.clone(), state, run.experiment.clone(), run.label.clone()]
    };
    print_table(&["run", "state", "experiment", "settings"], &runs.iter().map(row).collect::<Vec<_>>());
    for skip in skipped {
        print(&format!("not run: {} {}: {}", skip.experiment, skip.label, skip.why));
    }
    Ok(())
}
