//! Charts by plotters: the same drawing as SVG and as PNG.

mod canvas;
mod images;
mod lines;
mod scale;

use std::path::{Path, PathBuf};

use crate::definition::{Figure, FigureKind};
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
    };
    write_atomically(&svg, text.as_bytes())?;
    Ok(Chart { svg, png, text, description })
}
