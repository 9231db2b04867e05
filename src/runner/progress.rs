//! What a person sees of a long run: bars on a terminal, plain lines elsewhere, nothing when asked to be quiet.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::plan::Run;
use crate::study::Progress;

use super::estimate::{Estimate, Left};

/// The display of a whole plan.
pub struct Display {
    bars: MultiProgress,
    total: ProgressBar,
    estimate: Mutex<Estimate>,
    clock: Instant,
    keys: AtomicU64,
    plain: bool,
    quiet: bool,
}

/// The line of one run.
pub struct Line {
    bar: ProgressBar,
    key: u64,
}

impl Display {
    /// A display for `runs`, `jobs` at a time.
    pub fn new(runs: &[Run], jobs: usize, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let shown = terminal && !quiet;
        let bars = MultiProgress::with_draw_target(if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let total = bars.add(ProgressBar::new(runs.len() as u64));
        total.set_style(style("{bar:30} {pos}/{len} runs, {elapsed} gone{msg}"));
        if shown {
            total.enable_steady_tick(Duration::from_millis(500));
        }
        let estimate = Mutex::new(Estimate::new(runs.iter().map(|run| run.experiment.as_str()), jobs));
        Self { bars, total, estimate, clock: Instant::now(), keys: AtomicU64::new(0), plain: !terminal, quiet }
    }

    /// A line for a run that has begun.
    pub fn begin(&self, experiment: &str, name: &str) -> Line {
        let bar = self.bars.add(ProgressBar::new(0));
        bar.set_style(style("  {prefix} {wide_msg} {pos}/{len}"));
        bar.set_prefix(name.to_owned());
        let key = self.keys.fetch_add(1, Ordering::Relaxed);
        self.estimated(|estimate, now| estimate.begin(key, experiment, now));
        Line { bar, key }
    }

    /// Shows how far a run is.
    pub fn advance(&self, line: &Line, progress: &Progress) {
        line.bar.set_length(progress.total);
        line.bar.set_position(progress.done);
        line.bar.set_message(progress.message.clone());
        let fraction = progress.done as f64 / progress.total.max(1) as f64;
        self.estimated(|estimate, now| estimate.advance(line.key, fraction, now));
    }

    fn estimated(&self, change: impl FnOnce(&mut Estimate, f64)) {
        let now = self.clock.elapsed().as_secs_f64();
        let mut estimate = self.estimate.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut estimate, now);
        let human = |seconds: f64| HumanDuration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        self.total.set_message(match estimate.left(now) {
            Left::About(seconds) => format!(", about {} left", human(seconds)),
            Left::MoreThan(seconds) if seconds >= 1.0 => format!(", more than {} left", human(seconds)),
            Left::MoreThan(_) => String::new(),
        });
    }

    /// A run has ended: `computed` now, and `counted` as having a record.
    pub fn end(&self, run: &Line, line: &str, computed: bool, counted: bool) {
        run.bar.finish_and_clear();
        self.estimated(|estimate, now| estimate.end(run.key, computed, now));
        if counted {
            self.total.inc(1);
        }
        if self.quiet {
        } else if self.plain {
            // Nobody may be listening; the run goes on.
            let _ =
                writeln!(std::io::stderr(), "[{}/{}] {line}", self.total.position(), self.total.length().unwrap_or(0));
        } else {
            // The terminal may be gone; the run is not.
            let _ = self.bars.println(line);
        }
    }

    /// Something that a person should know even when asked to be quiet.
    pub fn warn(&self, line: &str) {
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stderr(), "warning: {line}");
        });
    }

    /// All runs have ended.
    pub fn finish(&self) {
        self.total.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
