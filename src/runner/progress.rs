//! What a person sees of a long run: bars on a terminal, lines elsewhere, nothing when asked to be quiet.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::definition::printable;
use crate::plan::Run;
use crate::study::Progress;

use super::forecast::{Forecast, duration};
use super::remaining::{Left, RemainingTime, Work};

/// Seconds between two reports where there is no terminal, unless [`INTERVAL_VARIABLE`] names another number.
const INTERVAL: f64 = 30.0;
/// Sets the seconds between two reports where there is no terminal.
const INTERVAL_VARIABLE: &str = "ANODE_PROGRESS_SECONDS";
/// Length of the overall bar, which moves with the work done.
const PARTS: u64 = 1000;

/// The display of a whole plan.
pub struct Display {
    bars: MultiProgress,
    total: ProgressBar,
    state: Arc<State>,
    reporter: Option<JoinHandle<()>>,
    keys: AtomicU64,
    plain: bool,
    quiet: bool,
}

/// What is known of the progress of a plan.
struct State {
    clock: Instant,
    known: Mutex<PlanProgress>,
    changed: Condvar,
}

struct PlanProgress {
    estimate: RemainingTime,
    /// Runs that have begun: name and latest message.
    running: BTreeMap<u64, (String, Option<Progress>)>,
    recorded: usize,
    runs: usize,
    finished: bool,
}

/// The line of one run.
pub struct Line {
    bar: ProgressBar,
    name: String,
    key: u64,
}

impl Display {
    /// A display for `runs`, `jobs` at a time; `forecasts` are theirs, in the same order.
    pub fn new(runs: &[Run], forecasts: &[Forecast], jobs: usize, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let shown = terminal && !quiet;
        let bars = MultiProgress::with_draw_target(if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let total = bars.add(ProgressBar::new(PARTS));
        total.set_style(style("{bar:20} {percent} %, {elapsed} elapsed{wide_msg}"));
        if shown {
            total.enable_steady_tick(Duration::from_millis(500));
        }
        let works = runs.iter().zip(forecasts).map(|(run, forecast)| (run.experiment.as_str(), work(forecast)));
        let known = PlanProgress {
            estimate: RemainingTime::new(works, jobs),
            running: BTreeMap::new(),
            recorded: 0,
            runs: runs.len(),
            finished: false,
        };
        let state = Arc::new(State { clock: Instant::now(), known: Mutex::new(known), changed: Condvar::new() });
        let report = || {
            let (state, interval) = (Arc::clone(&state), interval());
            // Without a thread, nothing is reported.
            std::thread::Builder::new().spawn(move || state.report(interval)).ok()
        };
        let reporter = if terminal || quiet { None } else { report() };
        Self { bars, total, state, reporter, keys: AtomicU64::new(0), plain: !terminal, quiet }
    }

    /// A line for a run that has begun.
    pub fn begin(&self, experiment: &str, name: &str, forecast: &Forecast) -> Line {
        let bar = self.bars.add(ProgressBar::new(0));
        bar.set_style(style("  {wide_msg} {pos}/{len}"));
        let name = printable(name);
        bar.set_message(name.clone());
        let key = self.keys.fetch_add(1, Ordering::Relaxed);
        self.change(|known, now| {
            known.estimate.begin(key, experiment, work(forecast).amount, now);
            known.running.insert(key, (name.clone(), None));
        });
        Line { bar, name, key }
    }

    /// Shows how far a run is.
    pub fn advance(&self, line: &Line, progress: &Progress) {
        line.bar.set_length(progress.total);
        line.bar.set_position(progress.done);
        line.bar.set_message(format!("{}: {}", line.name, progress.message));
        let fraction = progress.done as f64 / progress.total.max(1) as f64;
        self.change(|known, now| {
            known.estimate.advance(line.key, fraction, now);
            if let Some((_, latest)) = known.running.get_mut(&line.key) {
                *latest = Some(progress.clone());
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut PlanProgress, f64)) {
        let now = self.state.now();
        let mut known = self.state.known();
        change(&mut known, now);
        self.total.set_position((known.estimate.done() * PARTS as f64) as u64);
        self.total.set_message(format!("; {}/{} runs{}", known.recorded, known.runs, known.left(now)));
    }

    /// A run has ended: `computed` now, and `counted` as having a record.
    pub fn end(&self, run: &Line, line: &str, computed: bool, counted: bool) {
        run.bar.finish_and_clear();
        self.change(|known, now| {
            known.estimate.end(run.key, computed, now);
            known.running.remove(&run.key);
            known.recorded += usize::from(counted);
        });
        let line = printable(line);
        if self.quiet {
        } else if self.plain {
            let (recorded, runs) = {
                let known = self.state.known();
                (known.recorded, known.runs)
            };
            // Nobody may be listening; the run goes on.
            let _ = writeln!(std::io::stderr(), "[{recorded}/{runs}] {line}");
        } else {
            // The terminal may be gone; the run is not.
            let _ = self.bars.println(line);
        }
    }

    /// Something that a person should know even when asked to be quiet.
    pub fn warn(&self, line: &str) {
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stderr(), "warning: {}", printable(line));
        });
    }

    /// All runs have ended.
    pub fn finish(&self) {
        self.state.known().finished = true;
        self.state.changed.notify_all();
        self.total.finish_and_clear();
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.finish();
        if let Some(reporter) = self.reporter.take() {
            let _ = reporter.join();
        }
    }
}

impl State {
    fn now(&self) -> f64 {
        self.clock.elapsed().as_secs_f64()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, PlanProgress> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line for every run that is computed, again and again until all have ended.
    fn report(&self, interval: Duration) {
        loop {
            let mut known = self.known();
            let begun = Instant::now();
            while !known.finished && begun.elapsed() < interval {
                let rest = interval.saturating_sub(begun.elapsed());
                known = self.changed.wait_timeout(known, rest).unwrap_or_else(PoisonError::into_inner).0;
            }
            if known.finished {
                return;
            }
            let lines = known.lines(self.now());
            // Whoever reads may be slow, and must not hold up the runs.
            drop(known);
            for line in lines {
                // Nobody may be listening; the runs go on.
                let _ = writeln!(std::io::stderr(), "{line}");
            }
        }
    }
}

impl PlanProgress {
    /// The time left of the plan, as the end of a line.
    fn left(&self, now: f64) -> String {
        match self.estimate.left(now) {
            Left::About(seconds) => format!(", about {} left", duration(seconds)),
            Left::MoreThan(seconds) if seconds >= 1.0 => format!(", more than {} left", duration(seconds)),
            Left::MoreThan(_) => String::new(),
        }
    }

    /// One line for each run: how far it is, and how far the plan is.
    fn lines(&self, now: f64) -> Vec<String> {
        let whole = format!("{:.0} % of all work done{}", 100.0 * self.estimate.done(), self.left(now));
        let line = |(key, (name, progress)): (&u64, &(String, Option<Progress>))| {
            let left = self.estimate.left_of(*key, now).map(|s| format!(", about {} left", duration(s)));
            let at = match progress {
                Some(p) => format!("{}/{} {}", p.done, p.total, p.message),
                None => "started".to_owned(),
            };
            format!("[{}/{}] {name}: {at}{} ({whole})", self.recorded, self.runs, left.unwrap_or_default())
        };
        self.running.iter().map(line).collect()
    }
}

/// The work of a run as the bar counts it. A run of unknown time counts as a minute.
fn work(forecast: &Forecast) -> Work {
    Work { amount: forecast.seconds.unwrap_or(60.0).max(1e-3), measured: forecast.basis.is_measured() }
}

fn interval() -> Duration {
    const LEAST: f64 = 0.05;
    let named = std::env::var_os(INTERVAL_VARIABLE).filter(|value| !value.is_empty());
    let seconds = named.map_or(INTERVAL, |value| {
        let number = value.to_str().and_then(|seconds| seconds.parse::<f64>().ok()).filter(|s| *s > 0.0);
        number.unwrap_or_else(|| {
            let value = printable(&value.to_string_lossy());
            let why = format!("`{value}`; allowed: a number of seconds above 0. It is {INTERVAL}");
            let _ = writeln!(std::io::stderr(), "warning: {INTERVAL_VARIABLE}: {why}");
            INTERVAL
        })
    });
    let seconds = seconds.max(LEAST);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
