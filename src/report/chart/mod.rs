//! Charts by plotters: the same drawing as SVG and as PNG.

mod canvas;
mod compact;
mod images;
mod lines;
mod png;
mod scale;
mod schedules;

use std::path::{Path, PathBuf};

use crate::definition::{Figure, FigureKind, Source};
use crate::gradient::Method;

use super::ReportError;
use super::results::{Results, RunResult};
use canvas::{to_png, to_svg};

/// A chart, drawn.
pub struct Chart {
    /// Where the SVG file belongs.
    pub svg: PathBuf,
    /// Where the PNG file belongs.
    pub png: PathBuf,
    /// The SVG's text.
    pub text: String,
    /// The PNG's bytes.
    pub pixels: Vec<u8>,
    /// What it shows, for readers who do not see it.
    pub description: String,
}

/// A checkpoint schedule as SVG.
///
/// # Errors
/// The backend's own.
pub fn schedule_svg(method: Method, steps: usize) -> Result<String, ReportError> {
    to_svg(&schedules::ScheduleChart::new(format!("{method}, {steps} steps"), steps, [method]))
}

/// Whether a figure of the results' experiment shows images of a run.
pub fn shows_images(results: &Results, run: &RunResult) -> bool {
    let figures = results.definition.figures.iter();
    let mut drawn = figures.filter_map(|f| if let FigureKind::Images(images) = &f.draw { Some(images) } else { None });
    drawn.any(|images| images::shown_row(images, run).is_some())
}

/// Whether a figure shows logs of steps.
pub fn shows_steps(figure: &Figure) -> bool {
    matches!(&figure.draw, FigureKind::Lines(lines) if lines.source == Source::Steps)
}

/// Draws a figure for the files `<experiment>-<figure>.<profile>.svg` and `.png` of a folder.
///
/// # Errors
/// The backend's own.
pub fn draw(figure: &Figure, results: &Results, folder: &Path) -> Result<Chart, ReportError> {
    let stem = format!("{}-{}.{}", results.definition.id, figure.id, results.profile.name());
    let (svg, png) = (folder.join(format!("{stem}.svg")), folder.join(format!("{stem}.png")));
    let both = |text, pixels, description| Chart { svg, png, text, pixels, description };
    Ok(match &figure.draw {
        FigureKind::Lines(lines) => {
            let chart = lines::LineChart::new(figure, lines, results);
            both(to_svg(&chart)?, to_png(&chart)?, chart.description())
        }
        FigureKind::Images(images) => {
            let chart = images::ImageChart::new(figure, images, results);
            both(to_svg(&chart)?, to_png(&chart)?, chart.description())
        }
        FigureKind::Schedules(drawn) => {
            let methods = drawn.methods.iter().filter_map(|name| name.as_str().parse().ok());
            let chart = schedules::ScheduleChart::new(figure.title.clone(), drawn.steps, methods);
            both(to_svg(&chart)?, to_png(&chart)?, chart.description())
        }
    })
}
