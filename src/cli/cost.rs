//! What a plan takes, before it is run: said, and asked about if it is long.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use crate::plan::Run;
use crate::record::read_header;
use crate::runner::{Basis, Forecast, Measured, Total};

use super::arguments::Common;
use super::error::CliError;
use super::output::{is_confirmed, print, warn};

/// A shorter plan is not worth a line, in seconds.
const WORTH_SAYING: f64 = 10.0;
/// From here on it is said how a plan is continued after an interruption, in seconds.
const LONG: f64 = 30.0 * 60.0;
/// From here on the user is asked, in seconds.
const VERY_LONG: f64 = 12.0 * 3600.0;

/// What the runs of a plan take.
pub struct Cost {
    /// Each run that has no record in `runs/`, with what it takes.
    pub to_compute: Vec<(String, Forecast)>,
    /// All of them together.
    pub total: Total,
    jobs: usize,
}

impl Cost {
    /// Forecasts the runs that have no record in `runs/`, `jobs` at a time.
    pub fn new(common: &Common, runs: &[Run], jobs: usize) -> Self {
        let recorded = |run: &Run| {
            let header = read_header(&run.folder(&common.results));
            header.is_some_and(|r| r.run == run.id && !r.status.is_failure())
        };
        let left: Vec<&Run> = runs.iter().filter(|run| !recorded(run)).collect();
        if left.is_empty() {
            return Self { to_compute: vec![], total: Total::default(), jobs };
        }
        let measured = Measured::read(&common.results, left.iter().map(|run| run.experiment.as_str()));
        let to_compute: Vec<(String, Forecast)> =
            left.iter().map(|run| (run.id.clone(), measured.forecast(run))).collect();
        let forecasts: Vec<Forecast> = to_compute.iter().map(|(_, forecast)| *forecast).collect();
        Self { total: Total::new(&forecasts, jobs), to_compute, jobs }
    }

    /// The sum, how it is known, and how a long plan is continued.
    pub fn lines(&self) -> Vec<String> {
        if self.to_compute.is_empty() {
            return vec!["nothing to compute".into()];
        }
        let at_once = if self.jobs > 1 { format!(", {} runs at a time", self.jobs) } else { String::new() };
        let mut lines = vec![self.total.in_words() + &at_once];
        let mut bases: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, forecast) in &self.to_compute {
            *bases.entry(forecast.basis.in_words()).or_default() += 1;
        }
        lines.extend(bases.iter().map(|(words, runs)| format!("  time of {runs} runs {words}")));
        if self.total.seconds >= LONG {
            lines.push("  Ctrl-C stops; the same command resumes; `anode status` shows the progress".into());
        }
        lines
    }

    /// Says what the plan takes and asks if it takes more than half a day.
    ///
    /// # Errors
    /// The answer is not yes; there is nobody to ask, and `yes` is not set.
    pub fn announce(&self, common: &Common, yes: bool) -> Result<(), CliError> {
        let unknown = self.total.unknown > 0;
        let tell = || self.lines().iter().for_each(|line| warn(&format!("anode: {line}")));
        if !common.quiet && (self.total.seconds >= WORTH_SAYING || unknown) {
            tell();
        }
        if self.total.seconds < VERY_LONG || yes {
            return Ok(());
        }
        let refuse = || {
            let time = crate::runner::duration(self.total.seconds);
            CliError::Usage(format!(
                "these runs take about {time}; add --yes to start them, or choose fewer with ids, --where, --shard or \
                 another --profile"
            ))
        };
        if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            return Err(refuse());
        }
        if common.quiet {
            tell();
        }
        warn("Start them? Type yes:");
        if is_confirmed()? { Ok(()) } else { Err(refuse()) }
    }
}

/// Prints the sum of a plan.
pub fn print_total(cost: &Cost) {
    print("");
    cost.lines().iter().for_each(|line| print(line));
}

/// Whether the time of a forecast was measured on runs much like it.
pub fn mark(basis: Basis) -> &'static str {
    if basis.is_measured() { "" } else { "~" }
}
