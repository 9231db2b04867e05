//! `anode watch`: loss and accuracy of a training run in the terminal, while it is computed or from its record.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::definition::Profile;
use crate::record::{
    Ongoing, RUN, Row, archive_path, ongoing_steps, read_archive, read_archived_headers, run_folders, thin,
};
use crate::report::ReportError;
use crate::runner::duration;

use super::arguments::Common;
use super::complete;
use super::error::CliError;
use super::output::{clear_screen, print, width};
use super::plot::plot;
use super::select;
use super::signal::stop_on_signal;
use super::status::unrecorded;

/// Lines of each curve.
const HEIGHT: usize = 8;
/// Time between two drawings.
const PAUSE: Duration = Duration::from_secs(2);

/// Which run is drawn.
#[derive(Debug, Args)]
pub struct WatchArguments {
    /// How the id of the run begins, or an experiment with one unfinished run
    #[arg(value_name = "RUN", add = complete::runs())]
    pub run: String,
    /// Draw once and end; without a terminal this is always so
    #[arg(long)]
    pub once: bool,
}

/// Where the steps of a run are.
enum Place {
    /// The run's own folder.
    Folder(PathBuf),
    /// The archive of an experiment.
    Archive(PathBuf),
}

/// `anode watch RUN`
///
/// # Errors
/// No run, or several, fit; it has no log of steps.
pub fn watch(common: &Common, arguments: &WatchArguments) -> Result<(), CliError> {
    if common.json {
        return Err(CliError::Usage("watch draws curves; `anode status --json` prints the numbers".into()));
    }
    let (name, run, place) = found(common, &arguments.run)?;
    let stop = stop_on_signal();
    loop {
        let (steps, done) = match &place {
            Place::Folder(folder) => (ongoing_steps(folder).unwrap_or_default(), folder.join(RUN).exists()),
            Place::Archive(path) => {
                let records = read_archive(path).map_err(ReportError::from)?;
                let record = records.into_iter().find(|loaded| loaded.record.run == run);
                (record.map(|loaded| thin(loaded.steps)).unwrap_or_default(), true)
            }
        };
        let progress = match &place {
            Place::Folder(folder) if !done => Ongoing::read(folder),
            _ => None,
        };
        let once = arguments.once || done || !std::io::stdout().is_terminal();
        if steps.is_empty() && once {
            return Err(CliError::Usage(format!("run {run} of {name} has no log of training steps")));
        }
        if !once {
            clear_screen();
        }
        draw(common, &format!("{name}, run {run}"), &steps, progress, &place, done)?;
        if once {
            return Ok(());
        }
        // Ctrl-C is seen soon.
        for _ in 0..20 {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            std::thread::sleep(PAUSE / 20);
        }
    }
}

fn draw(
    common: &Common,
    title: &str,
    steps: &[Row],
    progress: Option<Ongoing>,
    place: &Place,
    done: bool,
) -> Result<(), CliError> {
    let number = |row: &Row, column: &str| row.get(column).and_then(Value::as_f64);
    let last = |column: &str| steps.iter().rev().find_map(|row| number(row, column));
    print(title);
    let curves = [("loss", "training loss"), ("accuracy", "training accuracy"), ("test_accuracy", "test accuracy")];
    for (column, words) in curves {
        let points: Vec<(f64, f64)> =
            steps.iter().filter_map(|row| Some((number(row, "step")?, number(row, column)?))).collect();
        let lines = plot(&points, width(), HEIGHT);
        if lines.is_empty() {
            continue;
        }
        print(&format!("\n{words}, now {}", last(column).map(crate::report::short).unwrap_or_default()));
        lines.iter().for_each(|line| print(line));
    }
    let step = last("step").unwrap_or(0.0) + 1.0;
    let epoch = last("epoch").unwrap_or(0.0) + 1.0;
    let mut line = format!("\nstep {step}, epoch {epoch}");
    if let (Some(progress), Place::Folder(folder)) = (progress, place) {
        let all = unrecorded(&common.results, None)?;
        let own = all.iter().find(|run| run.folder == *folder);
        if let Some(epochs) = own.and_then(|run| run.epochs) {
            line += &format!(" of {epochs}");
            if let Some(seconds) = progress.seconds_left(epochs) {
                line += &format!(", about {} left", duration(seconds));
            }
        }
    }
    print(&(line + if done { ", recorded" } else { "" }));
    Ok(())
}

/// The experiment, the id and the place of the run that a name means.
fn found(common: &Common, name: &str) -> Result<(String, String, Place), CliError> {
    let results = &common.results;
    let open = unrecorded(results, None)?;
    let mut runs: Vec<(String, String, Place)> = vec![];
    let fits = |experiment: &str, run: &str| run.starts_with(name) || experiment == name;
    for run in open.into_iter().filter(|run| fits(&run.experiment, &run.run)) {
        runs.push((run.experiment, run.run, Place::Folder(run.folder)));
    }
    // Only the id of a run names one that is recorded.
    for profile in Profile::ALL {
        for (experiment, run, folder) in
            run_folders(&results.join("runs").join(profile.name())).map_err(ReportError::from)?
        {
            if run.starts_with(name) && runs.iter().all(|(_, known, _)| *known != run) {
                runs.push((experiment, run, Place::Folder(folder)));
            }
        }
    }
    if runs.is_empty() {
        archived(common, name, &mut runs)?;
    }
    match runs.len() {
        1 => Ok(runs.remove(0)),
        0 => {
            let text = "names neither a run nor an experiment with an unfinished run; `anode status` lists those";
            Err(CliError::Usage(format!("`{name}` {text}, `anode plan` all runs")))
        }
        _ => {
            let lines: Vec<String> = runs.iter().map(|(experiment, run, _)| format!("  {run} {experiment}")).collect();
            Err(CliError::Usage(format!("`{name}` fits {} runs:\n{}", runs.len(), lines.join("\n"))))
        }
    }
}

fn archived(common: &Common, name: &str, runs: &mut Vec<(String, String, Place)>) -> Result<(), CliError> {
    for loaded in select::all_or_none(common)? {
        for profile in Profile::ALL {
            let path: &Path = &archive_path(&common.results, &loaded.definition.id, profile);
            for record in read_archived_headers(path).map_err(ReportError::from)? {
                if record.run.starts_with(name) && runs.iter().all(|(_, known, _)| *known != record.run) {
                    runs.push((loaded.definition.id.clone(), record.run, Place::Archive(path.to_owned())));
                }
            }
        }
    }
    Ok(())
}
