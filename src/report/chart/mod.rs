//! Charts by plotters: the same drawing as SVG and as PNG.

mod canvas;
mod images;
mod lines;
mod scale;
mod schedules;

use std::path::{Path, PathBuf};

use crate::definition::{Figure, FigureKind};
use crate::gradient::Method;
use crate::record::write_atomically;

use super::ReportError;
use super::results::Results;
use canvas::{to_svg, write_png};

/// A chart that was written.
pub struct Chart {
    /// The SVG file.
    pub svg: PathBuf,
    /// The PNG file.
    pub png: PathBuf,
    /// The SVG's text.
    pub text: String,
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

/// Draws a figure and writes `<experiment>-<figure>.<profile>.svg` and `.png`.
///
/// # Errors
/// The folder cannot be written.
pub fn write_chart(figure: &Figure, results: &Results, folder: &Path) -> Result<Chart, ReportError> {
    let stem = format!("{}-{}.{}", results.definition.id, figure.id, results.profile.name());
    let (svg, png) = (folder.join(format!("{stem}.svg")), folder.join(format!("{stem}.png")));
    let (text, description) = match &figure.draw {
        FigureKind::Lines(lines) => {
            let chart = lines::LineChart::new(figure, lines, results);
            write_png(&chart, &png)?;
            (to_svg(&chart)?, chart.description())
        }
        FigureKind::Images(images) => {
            let chart = images::ImageChart::new(figure, images, results);
            write_png(&chart, &png)?;
            (to_svg(&chart)?, chart.description())
        }
        FigureKind::Schedules(drawn) => {
            let methods = drawn.methods.iter().filter_map(|name| name.as_str().parse().ok());
            let chart = schedules::ScheduleChart::new(figure.title.clone(), drawn.steps, methods);
            write_png(&chart, &png)?;
            (to_svg(&chart)?, chart.description())
        }
    };
    write_atomically(&svg, text.as_bytes())?;
    Ok(Chart { svg, png, text, description })
}
