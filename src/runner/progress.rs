//! What a person sees of a long run: bars on a terminal, plain lines elsewhere, nothing when asked to be quiet.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::study::Progress;

/// The display of a whole plan.
pub struct Display {
    bars: MultiProgress,
    total: ProgressBar,
    plain: bool,
    quiet: bool,
}

impl Display {
    /// A display for `runs` runs.
    pub fn new(runs: u64, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let shown = terminal && !quiet;
        let bars = MultiProgress::with_draw_target(if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let total = bars.add(ProgressBar::new(runs));
        total.set_style(style("{bar:30} {pos}/{len} runs, {elapsed} gone, {eta} left"));
        if shown {
            total.enable_steady_tick(Duration::from_millis(500));
        }
        Self { bars, total, plain: !terminal, quiet }
    }

    /// A line for a run that has begun.
    pub fn begin(&self, name: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(0));
        bar.set_style(style("  {prefix} {wide_msg} {pos}/{len} {eta}"));
        bar.set_prefix(name.to_owned());
        bar
    }

    /// Shows how far a run is.
    pub fn advance(bar: &ProgressBar, progress: &Progress) {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        bar.set_message(progress.message.clone());
    }

    /// A run has ended.
    pub fn end(&self, bar: &ProgressBar, line: &str, counted: bool) {
        bar.finish_and_clear();
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
