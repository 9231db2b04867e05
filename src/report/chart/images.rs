//! Image charts: a run a row, its input, output and recovered image side by side, as in ANODE's figure 1.

use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;

use crate::definition::{Figure, Images};
use crate::record::{Image, Row, cell};
use crate::report::ReportError;
use crate::report::results::{Results, RunResult, matches, shown};

use super::canvas::{Anchor, Canvas, Drawing, INK, SOFT, text_width};

const SIDE: f64 = 112.0;
const GAP: f64 = 14.0;
const HEAD: f64 = 84.0;
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
            let label = images.series.iter().filter_map(|c| row.get(c).map(cell)).collect::<Vec<_>>().join(", ");
            let called = |column: &String| {
                let metric = results.definition.metrics.iter().find(|m| m.column == *column);
                metric.map_or(column.clone(), |m| m.label.clone())
            };
            let notes = images.notes.iter().map(|c| format!("{} = {}", called(c), shown(row.get(c))));
            let find = |name: &str| run.loaded.images.iter().find(|i| i.name == name).cloned();
            let found = images.columns.iter().map(|c| find(&c.image)).collect();
            rows.push((std::iter::once(label).chain(notes).collect(), found));
        }
        Self {
            title: figure.title.clone(),
            subtitle: format!(
                "profile {}; all images in a row share one grey scale, black 0 to white 1, except the output, which has its own",
                results.profile.name()
            ),
            columns: images.columns.iter().map(|c| c.label.clone()).collect(),
            rows,
        }
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

impl Drawing for ImageChart {
    fn size(&self) -> (f64, f64) {
        let width = self.label_width() + self.columns.len() as f64 * (SIDE + GAP) + GAP;
        let text = text_width(&self.subtitle, 11.5).max(text_width(&self.title, 16.0)) + 32.0;
        (width.max(text), HEAD + self.rows.len().max(1) as f64 * (SIDE + GAP) + GAP)
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<DB>) -> Result<(), ReportError> {
        canvas.text(&self.title, (16.0, 18.0), 16.0, INK, Anchor::Left, false)?;
        canvas.text(&self.subtitle, (16.0, 39.0), 11.5, SOFT, Anchor::Left, false)?;
        if self.rows.is_empty() {
            return canvas.text("No images yet", (16.0, HEAD + 40.0), 14.0, SOFT, Anchor::Left, false);
        }
        let left = self.label_width();
        let column = |i: usize| left + i as f64 * (SIDE + GAP);
        for (i, label) in self.columns.iter().enumerate() {
            canvas.text(label, (column(i) + SIDE / 2.0, HEAD - 20.0), 12.5, INK, Anchor::Top, false)?;
        }
        for (r, (lines, images)) in self.rows.iter().enumerate() {
            let top = HEAD + r as f64 * (SIDE + GAP);
            let first = top + SIDE / 2.0 - 8.5 * (lines.len() as f64 - 1.0);
            for (n, line) in lines.iter().enumerate() {
                let colour = if n == 0 { INK } else { SOFT };
                canvas.text(line, (16.0, first + 17.0 * n as f64), 12.0, colour, Anchor::Left, false)?;
            }
            for (i, image) in images.iter().enumerate() {
                match image {
                    Some(image) => draw_image(canvas, image, (column(i), top))?,
                    None => canvas.text(
                        "none",
                        (column(i) + SIDE / 2.0, top + SIDE / 2.0),
                        12.0,
                        SOFT,
                        Anchor::Centre,
                        false,
                    )?,
                }
            }
        }
        Ok(())
    }
}

fn draw_image<DB: DrawingBackend>(canvas: &Canvas<DB>, image: &Image, (x0, y0): (f64, f64)) -> Result<(), ReportError> {
    let own_scale = image.name == "output";
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
    let (dx, dy) = (SIDE / image.width as f64, SIDE / image.height as f64);
    for (y, line) in image.pixels.chunks(image.width.max(1)).enumerate() {
        let mut x = 0;
        for run in line.chunk_by(|a, b| colour(a) == colour(b)) {
            let from = (x0 + x as f64 * dx, y0 + y as f64 * dy);
            x += run.len();
            canvas.rectangle(from, (x0 + x as f64 * dx, y0 + (y + 1) as f64 * dy), colour(&run[0]))?;
        }
    }
    let (right, bottom) = (x0 + SIDE, y0 + SIDE);
    canvas.line(&[(x0, y0), (right, y0), (right, bottom), (x0, bottom), (x0, y0)], SOFT, 1.0)
}
