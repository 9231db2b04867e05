//! What runs will take: time, from the records of earlier runs on this processor if there are any, and memory and disk,
//! from their settings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::settings::Settings;
use crate::definition::{Profile, StudyKind};
use crate::plan::{Run, canonical};
use crate::record::{Record, Status, archive_path, environment, folders, read_archived_headers, read_header};
use crate::study::{CPU, estimate};

/// Multiply-adds that take about as long as one evaluation of a vector field without any.
const PER_EVALUATION: f64 = 200.0;

/// On a CPU, the time of a run is not estimated from runs with less work by more than this factor: opening data sets
/// and evaluating networks dominate their time.
const LARGER: f64 = 300.0;

/// What a run will take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Forecast {
    /// Seconds; `None` on a device of which nothing is known.
    pub seconds: Option<f64>,
    /// How the time is known.
    pub basis: Basis,
    /// Bytes of memory at the peak.
    pub bytes: f64,
    /// Bytes on disk at the end.
    pub disk: f64,
}

/// How the time of a run is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The same settings on this processor, with any seed.
    Same,
    /// Runs of the same network (or problem) and batch size on this processor.
    Alike,
    /// Runs of the same experiment on this processor.
    Experiment,
    /// The same settings, or runs alike, on another processor.
    Elsewhere,
    /// Runs of the same study on this processor.
    Study,
    /// The multiply-adds of the run, and a convolution timed now.
    MultiplyAdds,
    /// Nothing is known of this device.
    Unknown,
}

impl Basis {
    /// Describes in words how the time is known.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Same => "measured: the same settings on this processor",
            Self::Alike => "measured: runs of the same size on this processor",
            Self::Experiment => "measured: runs of the experiment on this processor",
            Self::Elsewhere => "rough: the same or similar runs on another processor",
            Self::Study => "rough: other runs of the study on this processor",
            Self::MultiplyAdds => "rough: multiply-adds at the speed of this processor",
            Self::Unknown => "unknown: no run was recorded on this device",
        }
    }

    /// Whether runs much like this one were timed.
    pub fn is_measured(self) -> bool {
        matches!(self, Self::Same | Self::Alike | Self::Experiment)
    }
}

/// The times of earlier runs.
#[derive(Debug, Default)]
pub struct Measured {
    /// By device, and whether they were computed on this processor.
    rates: BTreeMap<(Key, String, bool), Rate>,
    seen: BTreeSet<String>,
    processor: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Same(String),
    Alike(String),
    Experiment(String),
    Study(StudyKind),
}

#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    seconds: f64,
    work: f64,
    /// The work of the largest run.
    largest: f64,
}

impl Measured {
    /// Reads the records of some experiments in a results folder. Records that cannot be read are left out.
    pub fn read<'a>(results: &Path, experiments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found = Self { processor: environment(CPU, 1, 0.0).processor, ..Self::default() };
        let experiments: BTreeSet<&str> = experiments.into_iter().collect();
        let places = experiments.into_iter().flat_map(|experiment| Profile::ALL.map(|profile| (experiment, profile)));
        let read = |(experiment, profile): (&str, Profile)| {
            let folder = results.join("runs").join(profile.name()).join(experiment);
            let names = folders(&folder).unwrap_or_default();
            let mut records: Vec<Record> = names.iter().filter_map(|name| read_header(&folder.join(name))).collect();
            records.extend(read_archived_headers(&archive_path(results, experiment, profile)).unwrap_or_default());
            records
        };
        let records: Vec<Vec<Record>> = places.collect::<Vec<_>>().into_par_iter().map(read).collect();
        records.iter().flatten().for_each(|record| found.add(record));
        found
    }

    /// Adds the time of a run. A run that continued another one, or that several processors computed, counts for
    /// nothing: its time is not that of all its steps on one processor.
    pub fn add(&mut self, record: &Record) {
        let e = &record.environment;
        let here = e.processor == self.processor;
        let in_parts = record.continued.is_some() || record.origins.iter().any(|o| o.processor != e.processor);
        if record.status != Status::Finished || in_parts || !self.seen.insert(record.run.clone()) {
            return;
        }
        let settings = Settings::parse(record.study, &record.settings);
        let Some(work) = settings.ok().and_then(|settings| work(record.study, &settings)) else { return };
        for key in keys(&record.experiment, record.study, &record.settings) {
            let rate = self.rates.entry((key, e.device.clone(), here)).or_default();
            rate.seconds += e.seconds;
            rate.work += work;
            rate.largest = rate.largest.max(work);
        }
    }

    /// Forecasts time, memory and disk space of `run`.
    pub fn forecast(&self, run: &Run) -> Forecast {
        let bytes = estimate::estimate(run.study, &run.settings).map_or(0.0, |needed| needed.bytes);
        let disk = estimate::disk(run.study, &run.settings);
        let work = work(run.study, &run.settings);
        let [same, alike, experiment, study] = keys(&run.experiment, run.study, &run.settings);
        let places = [
            (&same, true, Basis::Same),
            (&alike, true, Basis::Alike),
            (&experiment, true, Basis::Experiment),
            (&same, false, Basis::Elsewhere),
            (&alike, false, Basis::Elsewhere),
            (&experiment, false, Basis::Elsewhere),
            (&study, true, Basis::Study),
        ];
        let known = places.into_iter().find_map(|(key, here, basis)| {
            let rate = self.rates.get(&(key.clone(), run.device.clone(), here))?;
            // On other devices there is no better estimate.
            let work = work.filter(|work| rate.largest * LARGER >= *work || run.device != CPU)?;
            (rate.work > 0.0).then(|| (work * rate.seconds / rate.work, basis))
        });
        let (seconds, basis) = match (known, work) {
            (Some((seconds, basis)), _) => (Some(seconds), basis),
            (None, Some(work)) if run.device == CPU => (Some(work / speed()), Basis::MultiplyAdds),
            _ => (None, Basis::Unknown),
        };
        Forecast { seconds, basis, bytes, disk }
    }
}

/// Multiply-adds per second of this machine, measured once.
fn speed() -> f64 {
    static SPEED: OnceLock<f64> = OnceLock::new();
    *SPEED.get_or_init(estimate::multiply_adds_per_second)
}

/// The work of a run in multiply-adds.
fn work(study: StudyKind, settings: &Settings) -> Option<f64> {
    let needed = estimate::estimate(study, settings).ok()?;
    let work = needed.multiply_adds + PER_EVALUATION * needed.evaluations;
    (work.is_finite() && work > 0.0).then_some(work)
}

/// What a run has in common with others, the closest first.
fn keys(experiment: &str, study: StudyKind, settings: &serde_json::Map<String, serde_json::Value>) -> [Key; 4] {
    let size: Vec<String> =
        ["net", "form", "width", "batch", "method", "field", "problem", "channels", "size", "dtype"]
            .iter()
            .filter_map(|name| settings.get(*name).map(|value| format!("{name}={value}")))
            .collect();
    let same = canonical(&serde_json::Value::Object(settings.clone()));
    [
        Key::Same(format!("{study:?} {same}")),
        Key::Alike(format!("{study:?} {}", size.join(" "))),
        Key::Experiment(experiment.into()),
        Key::Study(study),
    ]
}

/// What several runs will take together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Total {
    /// Runs.
    pub runs: usize,
    /// Seconds of all runs with a known time, several at a time.
    pub seconds: f64,
    /// Runs whose time is not known.
    pub unknown: usize,
    /// Runs whose time was measured on runs much like them.
    pub measured: usize,
    /// Largest memory of a run, bytes.
    pub bytes: f64,
    /// Bytes on disk.
    pub disk: f64,
}

impl Total {
    /// The sum over runs, `jobs` at a time.
    pub fn new(forecasts: &[Forecast], jobs: usize) -> Self {
        let mut total = Self::default();
        let mut longest = 0.0f64;
        for forecast in forecasts {
            total.runs += 1;
            total.seconds += forecast.seconds.unwrap_or(0.0);
            total.unknown += usize::from(forecast.seconds.is_none());
            total.measured += usize::from(forecast.basis.is_measured());
            total.bytes = total.bytes.max(forecast.bytes);
            total.disk += forecast.disk;
            longest = longest.max(forecast.seconds.unwrap_or(0.0));
        }
        total.seconds = (total.seconds / jobs.max(1) as f64).max(longest);
        total
    }

    /// In a sentence: `12 runs to compute: about 3.2 hours, up to 1.1 GB of memory per run, 20 MB on disk`.
    pub fn in_words(&self) -> String {
        let time = match (self.unknown, self.seconds) {
            (0, seconds) if seconds < 1.0 => duration(seconds),
            (0, seconds) => format!("about {}", duration(seconds)),
            (n, _) if n == self.runs => "for an unknown time".to_owned(),
            (n, seconds) => format!("about {}, and {n} runs of unknown time", duration(seconds)),
        };
        let basis = match self.runs - self.unknown - self.measured {
            0 if self.measured > 0 => " (measured on this processor)",
            0 => "",
            n if n == self.runs => " (a rough estimate)",
            _ => " (partly a rough estimate)",
        };
        format!(
            "{} runs to compute: {time}{basis}, up to {} of memory per run, {} on disk",
            self.runs,
            estimate::in_words(self.bytes),
            estimate::in_words(self.disk)
        )
    }
}

/// A time in its largest unit: `40 s`, `12 min`, `3.2 h`, `5.1 days`, `2.0 years`.
pub fn duration(seconds: f64) -> String {
    const UNITS: [(&str, f64); 5] =
        [("years", 365.25 * 86_400.0), ("days", 86_400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0)];
    let (name, unit) = UNITS.into_iter().find(|(_, unit)| seconds >= 0.995 * unit).unwrap_or(("s", 1.0));
    let count = seconds / unit;
    let digits = if count < 9.95 && name != "s" { 1 } else { 0 };
    match name {
        "s" if seconds < 0.995 => "less than 1 s".into(),
        _ if count >= 1e6 => format!("{count:.1e} {name}"),
        _ => format!("{count:.digits$} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_in_their_largest_unit() {
        for (seconds, text) in [
            (0.2, "less than 1 s"),
            (40.0, "40 s"),
            (59.9, "1.0 min"),
            (720.0, "12 min"),
            (11_520.0, "3.2 h"),
            (440_000.0, "5.1 days"),
            (6.4e7, "2.0 years"),
            (1e20, "3.2e12 years"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn the_sum_of_runs_is_shared_by_jobs_but_no_run_is_split() {
        let run = |seconds: Option<f64>| Forecast {
            seconds,
            basis: if seconds.is_some() { Basis::Alike } else { Basis::Unknown },
            bytes: 2e9,
            disk: 1e6,
        };
        let total = Total::new(&[run(Some(3600.0)), run(Some(60.0)), run(Some(60.0))], 2);
        assert_eq!((total.seconds, total.bytes, total.disk), (3600.0, 2e9, 3e6));
        let words = "3 runs to compute: about 1.0 h (measured on this processor), up to 2.0 GB of memory per run, 3.0 \
            MB on disk";
        assert_eq!(total.in_words(), words);
        let some = Total::new(&[run(Some(60.0)), run(None)], 1).in_words();
        assert!(some.contains("about 1.0 min, and 1 runs of unknown time"), "{some}");
        assert!(Total::new(&[run(None)], 1).in_words().contains("for an unknown time"));
    }
}
