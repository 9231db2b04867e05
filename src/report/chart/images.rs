//! Image charts: one row per run, with its input, output and recovered image side by side, as in ANODE's figure 1.

use plotters::style::RGBColor;

use crate::definition::{Figure, Images};
use crate::record::{Image, Row};
use crate::report::ReportError;
use crate::report::results::{Results, RunResult, matches};
use crate::report::text;

use super::canvas::{Anchor, Canvas, Drawing, UNITS, text_width};
use super::lines::{named, value_name};
use super::style::{INK, SOFT};
use super::text::wrapped;

const SIDE: f64 = 112.0;
const GAP: f64 = 14.0;
/// The image with a separate scale.
const OUTPUT: &str = "output";
/// Colour of pixels that are not finite.
const BROKEN: RGBColor = RGBColor(213, 94, 0);
/// Grey levels: few enough that runs of equal pixels become one rectangle, more than an eye tells apart here.
const LEVELS: f64 = 63.0;

/// A chart ready to be drawn.
pub struct ImageChart {
    title: String,
    subtitle: String,
    columns: Vec<String>,
    rows: Vec<(Vec<String>, Vec<Option<Image>>)>,
}

/// The row beside the images of a run, where the figure shows them.
pub fn shown_row(images: &Images, run: &RunResult) -> Option<Row> {
    let row: Row = run.settings.clone().into_iter().chain(run.loaded.rows.last()?.clone()).collect();
    matches(&row, &images.filter).then_some(row)
}

impl ImageChart {
    /// The chart of a figure over results.
    pub fn new(figure: &Figure, images: &Images, results: &Results) -> Self {
        let mut rows = vec![];
        for run in &results.runs {
            let Some(row) = shown_row(images, run) else { continue };
            let label = named(results, &row, &images.series);
            let notes = images.notes.iter().map(|c| value_name(results, &row, c));
            let find = |name: &str| run.loaded.images.iter().find(|i| i.name == name).cloned();
            let found = images.columns.iter().map(|c| find(&c.image)).collect();
            rows.push((std::iter::once(label).chain(notes).collect(), found));
        }
        Self {
            title: figure.title.clone(),
            subtitle: format!("{}; {}", text::profile(results.profile), scale_note(images)),
            columns: images.columns.iter().map(|c| c.label.clone()).collect(),
            rows,
        }
    }

    /// A chart of these rows: the lines beside the images, and an image for each column.
    pub fn of(
        title: String,
        subtitle: String,
        columns: Vec<String>,
        rows: Vec<(Vec<String>, Vec<Option<Image>>)>,
    ) -> Self {
        Self { title, subtitle, columns, rows }
    }

    /// Every text of the chart.
    #[cfg(test)]
    pub fn texts(&self) -> Vec<String> {
        let rows = self.rows.iter().flat_map(|(lines, _)| lines);
        [&self.title, &self.subtitle].into_iter().chain(&self.columns).chain(rows).cloned().collect()
    }

    /// Whether there is something to see.
    pub fn is_worth_drawing(&self) -> bool {
        self.rows.iter().any(|(_, images)| images.iter().any(Option::is_some))
    }

    fn width(&self) -> f64 {
        (self.label_width() + self.columns.len() as f64 * (SIDE + GAP) + GAP).max(520.0)
    }

    fn head(&self) -> f64 {
        let lines = wrapped(&self.title, 16.0, self.width() - 32.0, 3).len() as f64;
        let notes = wrapped(&self.subtitle, 11.5, self.width() - 32.0, 3).len() as f64;
        40.0 + 21.0 * lines + 16.0 * notes
    }

    fn label_width(&self) -> f64 {
        self.rows.iter().flat_map(|(lines, _)| lines).map(|l| text_width(l, 12.0)).fold(80.0, f64::max) + 2.0 * GAP
    }

    /// A sentence for readers who do not see the chart.
    pub fn description(&self) -> String {
        let rows = self.rows.iter().map(|(lines, _)| lines.join(", ")).collect::<Vec<_>>().join("; ");
        format!("{}: columns {}; rows: {rows}", self.title, self.columns.join(", "))
    }
}

/// What black and white mean.
fn scale_note(images: &Images) -> &'static str {
    if images.columns.iter().any(|c| c.image == OUTPUT) {
        "grey scale: 0 black, 1 white, values outside are clipped; the output has its own scale from its minimum to \
         its maximum"
    } else {
        "grey scale: 0 black, 1 white, values outside are clipped"
    }
}

impl Drawing for ImageChart {
    fn size(&self) -> (f64, f64) {
        (self.width(), self.head() + self.rows.len().max(1) as f64 * (SIDE + GAP) + GAP)
    }

    fn draw(&self, canvas: &Canvas) -> Result<(), ReportError> {
        let title = wrapped(&self.title, 16.0, self.width() - 32.0, 3);
        let y = canvas.lines(&title, (16.0, 18.0), 16.0, INK, 21.0)?;
        let subtitle = wrapped(&self.subtitle, 11.5, self.width() - 32.0, 3);
        canvas.lines(&subtitle, (16.0, y), 11.5, SOFT, 16.0)?;
        let left = self.label_width();
        let column = |i: usize| left + i as f64 * (SIDE + GAP);
        for (i, label) in self.columns.iter().enumerate() {
            let place = (column(i) + SIDE / 2.0, self.head() - 20.0);
            canvas.text(label, place, 12.5, INK, Anchor::Top, false)?;
        }
        for (r, (lines, images)) in self.rows.iter().enumerate() {
            let top = self.head() + r as f64 * (SIDE + GAP);
            let first = top + SIDE / 2.0 - 8.5 * (lines.len() as f64 - 1.0);
            for (n, line) in lines.iter().enumerate() {
                let colour = if n == 0 { INK } else { SOFT };
                canvas.text(line, (16.0, first + 17.0 * n as f64), 12.0, colour, Anchor::Left, false)?;
            }
            for (i, image) in images.iter().enumerate() {
                let middle = (column(i) + SIDE / 2.0, top + SIDE / 2.0);
                match image {
                    Some(image) => draw_image(canvas, image, (column(i), top))?,
                    None => canvas.text("none", middle, 12.0, SOFT, Anchor::Centre, false)?,
                }
            }
        }
        Ok(())
    }
}

fn draw_image(canvas: &Canvas, image: &Image, (x0, y0): (f64, f64)) -> Result<(), ReportError> {
    let own_scale = image.name == OUTPUT;
    let finite = || image.pixels.iter().flatten().copied();
    let (low, high) = if own_scale {
        finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)))
    } else {
        (0.0, 1.0)
    };
    let level = |x: f64| ((x - low) / (high - low).max(1e-300)).clamp(0.0, 1.0) * LEVELS;
    let colour = |pixel: &Option<f64>| match pixel {
        Some(x) => {
            let grey = (level(*x).round() / LEVELS * 255.0).round() as u8;
            RGBColor(grey, grey, grey)
        }
        None => BROKEN,
    };
    // Pixels of one size in whole units of the drawing, in the middle of the place.
    let whole = |pixels: usize| {
        let side = (SIDE * UNITS / pixels.max(1) as f64).floor() / UNITS;
        if side > 0.0 { side } else { SIDE / pixels.max(1) as f64 }
    };
    let (dx, dy) = (whole(image.width), whole(image.height));
    let (across, down) = (dx * image.width as f64, dy * image.height as f64);
    let centred = |from: f64, length: f64| from + ((SIDE - length) / 2.0 * UNITS).floor() / UNITS;
    let (x0, y0) = (centred(x0, across), centred(y0, down));
    for (y, line) in image.pixels.chunks(image.width.max(1)).enumerate() {
        let mut x = 0;
        for run in line.chunk_by(|a, b| colour(a) == colour(b)) {
            let from = (x0 + x as f64 * dx, y0 + y as f64 * dy);
            x += run.len();
            canvas.rectangle(from, (x0 + x as f64 * dx, y0 + (y + 1) as f64 * dy), colour(&run[0]))?;
        }
    }
    let (right, bottom) = (x0 + across, y0 + down);
    canvas.line(&[(x0, y0), (right, y0), (right, bottom), (x0, bottom), (x0, y0)], SOFT, 1.0)
}
