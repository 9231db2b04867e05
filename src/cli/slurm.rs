//! `anode plan --slurm`: one script that submits a job array, is its task, and is the job that merges what the tasks
//! found. Queueing, retrying and counting are left to Slurm.

use std::path::Path;

use crate::definition::Profile;
use crate::plan::{Run, plan_digest};

use super::arguments::Common;
use super::error::CliError;
use super::job::PlanArguments;

/// The part of the script that is the same for every plan.
const BODY: &str = include_str!("slurm.sh");

/// The job script of a plan.
///
/// # Errors
/// A plan without runs; a path that is not text.
pub fn script(common: &Common, arguments: &PlanArguments, runs: &[Run]) -> Result<String, CliError> {
    if runs.is_empty() {
        return Err(CliError::Usage("there are no runs in this plan, so no job to write".into()));
    }
    let text = |path: &Path| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| CliError::Usage(format!("{}: a job script needs paths in UTF-8", path.display())))
    };
    let here = text(&std::env::current_dir().map_err(CliError::io("current folder"))?)?;
    let program = text(&std::env::current_exe().map_err(CliError::io("path of the program"))?)?;
    let (selection, job) = (&arguments.selection, &arguments.job);
    let profile = Profile::from(selection.profile).name();
    let shards = (job.shards as usize).min(runs.len());
    let results = text(&common.results)?;
    let mut common_options = vec![];
    for (name, path) in [("--experiments", &common.experiments), ("--figures", &common.figures())] {
        common_options.extend([name.to_owned(), text(path)?]);
    }
    if let Some(data) = &common.data {
        common_options.extend(["--data".to_owned(), text(data)?]);
    }
    let mut selected = vec!["--profile".to_owned(), profile.to_owned()];
    selected.extend(selection.ids.iter().cloned());
    if let Some(only) = &selection.only {
        selected.extend(["--only".to_owned(), only.clone()]);
    }
    let list = |words: &[String]| words.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" ");
    let head = format!(
        "#!/usr/bin/env bash\n\
         # {} runs of profile {profile} in {shards} shards, as Slurm jobs. Submit with: bash THIS-FILE\n\
         # Submitted again after a failure, it goes on where it stopped.\n\
         set -euo pipefail\n\n\
         here={}\nanode={}\nresults={}\nprofile={profile}\nshards={shards}\nplan={}\ntime={}\nmem={}\ncpus={}\n\
         options=({})\nselection=({})\nsbatch_options=({})\n\n",
        runs.len(),
        quoted(&here),
        quoted(&program),
        quoted(&results),
        plan_digest(runs),
        quoted(&job.time),
        quoted(&job.mem),
        job.cpus,
        list(&common_options),
        list(&selected),
        list(&job.sbatch),
    );
    Ok(head + BODY)
}

/// A word as the shell reads it back, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn the_shell_reads_every_word_back() {
        for word in ["plain", "two words", "it's", "$(id) `id` \\ \" * ? ; & \n end", "-n", ""] {
            let script = format!("printf %s {}", quoted(word));
            let Ok(output) = std::process::Command::new("bash").args(["-c", &script]).output() else { return };
            assert_eq!(String::from_utf8_lossy(&output.stdout), if word == "-n" { "-n" } else { word });
        }
    }
}
