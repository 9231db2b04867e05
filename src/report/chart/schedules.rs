//! Checkpoint schedules over time: states from left to right, time downwards, a bar for the life of each snapshot.

use plotters::style::RGBColor;

use crate::definition::value_label;
use crate::gradient::{Method, Timeline, Work, timeline};
use crate::report::ReportError;

use super::canvas::{Anchor, Canvas, Drawing, text_width};
use super::style::{COLOURS, GRID, INK, PALE, SOFT};
use super::text::shortened;

const LEFT: f64 = 46.0;
const GAP: f64 = 34.0;
const HEAD: f64 = 112.0;
const FOOT: f64 = 44.0;
/// Height of the longest schedule.
const HEIGHT: f64 = 420.0;
/// Width of a panel, between these, by its number of states.
const WIDTH: (f64, f64) = (150.0, 420.0);

/// A chart ready to be drawn.
pub struct ScheduleChart {
    title: String,
    steps: usize,
    panels: Vec<(Method, Timeline)>,
}

impl ScheduleChart {
    /// The schedules of those of `methods` that have one.
    pub fn new(title: String, steps: usize, methods: impl IntoIterator<Item = Method>) -> Self {
        let panels = methods.into_iter().filter_map(|m| Some((m, timeline(m, steps)?))).collect();
        Self { title, steps, panels }
    }

    /// A sentence for readers who do not see the chart.
    pub fn description(&self) -> String {
        let panels: Vec<String> =
            self.panels.iter().map(|(m, line)| format!("{}: {}", called(*m), counts(line))).collect();
        format!("{}: {}", self.title, panels.join("; "))
    }

    /// Every text of the chart.
    #[cfg(test)]
    pub fn texts(&self) -> Vec<String> {
        self.panels.iter().map(|(method, _)| called(*method)).chain([self.title.clone()]).collect()
    }

    /// The title, of bounded width.
    fn heading(&self) -> String {
        shortened(&self.title, 16.0, 1000.0)
    }

    fn panel_width(&self) -> f64 {
        (self.steps as f64 * 13.0).clamp(WIDTH.0, WIDTH.1)
    }

    /// Points of one unit of time, the same in all panels so that work can be compared.
    fn unit(&self) -> f64 {
        let longest = self.panels.iter().map(|(_, line)| line.duration).max().unwrap_or(1);
        (HEIGHT / longest.max(1) as f64).min(14.0)
    }

    fn bottom(&self) -> f64 {
        let longest = self.panels.iter().map(|(_, line)| line.duration).max().unwrap_or(1);
        HEAD + self.unit() * longest as f64
    }
}

/// A method as a person calls it.
pub fn called(method: Method) -> String {
    let name = method.to_string();
    value_label("method", &name).unwrap_or(name)
}

/// Plain steps and the most snapshots alive.
fn counts(line: &Timeline) -> String {
    let plain: usize = line.strokes.iter().filter(|s| s.work == Work::Plain).map(|s| s.from.abs_diff(s.to)).sum();
    let alive = |time: usize| line.lives.iter().filter(|l| l.from <= time && time < l.to).count();
    let most = (0..line.duration).map(alive).max().unwrap_or(0);
    let snapshots = if most == 1 { "snapshot" } else { "snapshots" };
    format!("{plain} plain steps, {most} {snapshots}")
}

impl Drawing for ScheduleChart {
    fn size(&self) -> (f64, f64) {
        let panels = self.panels.len().max(1) as f64;
        let width = LEFT + panels * (self.panel_width() + GAP);
        (width.max(text_width(&self.heading(), 16.0) + 32.0).max(430.0), self.bottom() + FOOT)
    }

    fn draw(&self, canvas: &Canvas) -> Result<(), ReportError> {
        canvas.text(&self.heading(), (16.0, 18.0), 16.0, INK, Anchor::Left, false)?;
        let mut x = 16.0;
        for (label, work) in [("plain step", Work::Plain), ("taped", Work::Taped), ("reversed", Work::Reversed)] {
            let (colour, width) = look(work);
            canvas.line(&[(x, 42.0), (x + 20.0, 42.0)], colour, width)?;
            canvas.text(label, (x + 26.0, 42.0), 11.5, INK, Anchor::Left, false)?;
            x += 44.0 + text_width(label, 11.5);
        }
        canvas.line(&[(x, 42.0), (x + 20.0, 42.0)], PALE, 4.0)?;
        canvas.dot((x, 42.0), 3.6, INK)?;
        canvas.text("snapshot while it lives", (x + 26.0, 42.0), 11.5, INK, Anchor::Left, false)?;
        canvas.text("time", (16.0, (HEAD + self.bottom()) / 2.0), 12.0, SOFT, Anchor::Centre, true)?;
        for (i, (method, line)) in self.panels.iter().enumerate() {
            let left = LEFT + i as f64 * (self.panel_width() + GAP);
            self.panel(canvas, left, *method, line)?;
        }
        Ok(())
    }
}

/// Colour and width of a stroke.
fn look(work: Work) -> (RGBColor, f64) {
    match work {
        Work::Plain => (COLOURS[0].1, 1.6),
        Work::Taped => (COLOURS[2].1, 3.0),
        Work::Reversed => (COLOURS[1].1, 1.6),
    }
}

impl ScheduleChart {
    fn panel(&self, canvas: &Canvas, left: f64, method: Method, line: &Timeline) -> Result<(), ReportError> {
        let x = |state: usize| left + self.panel_width() * state as f64 / self.steps.max(1) as f64;
        let y = |time: usize| HEAD + self.unit() * time as f64;
        canvas.text(&called(method), (left, 72.0), 13.0, INK, Anchor::Left, false)?;
        canvas.text(&counts(line), (left, 90.0), 11.0, SOFT, Anchor::Left, false)?;
        let end = y(line.duration);
        for state in 0..=self.steps {
            canvas.line(&[(x(state), HEAD), (x(state), end)], GRID, 0.6)?;
        }
        let every = self.steps.div_ceil(8).max(1);
        for state in (0..=self.steps).step_by(every) {
            let at = (x(state), self.bottom() + 8.0);
            canvas.text(&state.to_string(), at, 10.5, SOFT, Anchor::Top, false)?;
        }
        let middle = left + self.panel_width() / 2.0;
        canvas.text("state", (middle, self.bottom() + 24.0), 11.0, SOFT, Anchor::Top, false)?;
        for life in &line.lives {
            canvas.line(&[(x(life.state), y(life.from)), (x(life.state), y(life.to))], PALE, 4.0)?;
        }
        for stroke in &line.strokes {
            let (colour, width) = look(stroke.work);
            let after = stroke.at + stroke.from.abs_diff(stroke.to);
            canvas.line(&[(x(stroke.from), y(stroke.at)), (x(stroke.to), y(after))], colour, width)?;
        }
        for life in &line.lives {
            canvas.dot((x(life.state), y(life.from)), 3.0, INK)?;
        }
        Ok(())
    }
}
