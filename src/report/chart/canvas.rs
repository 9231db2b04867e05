//! Drawing on plotters' SVG backend: lines, markers and text in points.
//!
//! Text is measured with DejaVu Sans from a crate, so that no system font is needed.

use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontTransform, register_font};

use crate::report::ReportError;
use crate::report::text::line;

use super::style::{INK, Marker, SOFT, Style};
use super::{compact, theme};

/// Units of the SVG for a point: its coordinates are whole numbers.
pub const UNITS: f64 = 4.0;
/// Width of every line that shows numbers, in points.
pub const LINE: f64 = 1.6;
/// Radius of a marker, in points.
const RADIUS: f64 = 3.6;

/// Which point of a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Left end, middle of the height.
    Left,
    /// Middle, top.
    Top,
    /// Middle of both.
    Centre,
    /// Right end, middle of the height.
    Right,
}

/// A drawing area with an origin.
pub struct Canvas<'a, 'b> {
    area: &'a DrawingArea<SVGBackend<'b>, Shift>,
    origin: (f64, f64),
}

pub(super) fn drawing(error: impl std::fmt::Display) -> ReportError {
    ReportError::Drawing(error.to_string())
}

impl Canvas<'_, '_> {
    /// This canvas with its origin moved by `to`, in points.
    pub fn moved(&self, to: (f64, f64)) -> Self {
        Self { area: self.area, origin: (self.origin.0 + to.0, self.origin.1 + to.1) }
    }

    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        (((x + self.origin.0) * UNITS).round() as i32, ((y + self.origin.1) * UNITS).round() as i32)
    }

    /// A line through points.
    pub fn line(&self, points: &[(f64, f64)], colour: RGBColor, width: f64) -> Result<(), ReportError> {
        let points: Vec<_> = points.iter().map(|&p| self.at(p)).collect();
        let style = colour.stroke_width((width * UNITS).round().max(1.0) as u32);
        self.area.draw(&PathElement::new(points, style)).map_err(drawing)
    }

    /// A dotted line through points.
    pub fn dotted(&self, points: &[(f64, f64)], colour: RGBColor, width: f64) -> Result<(), ReportError> {
        super::dashes::dashes(points, 1.5, 3.0).iter().try_for_each(|dash| self.line(dash, colour, width))
    }

    /// A filled rectangle between two corners.
    pub fn rectangle(&self, from: (f64, f64), to: (f64, f64), colour: RGBColor) -> Result<(), ReportError> {
        self.area.draw(&Rectangle::new([self.at(from), self.at(to)], colour.filled())).map_err(drawing)
    }

    /// A translucent area inside a closed outline.
    pub fn band(&self, outline: &[(f64, f64)], colour: RGBColor) -> Result<(), ReportError> {
        let outline: Vec<_> = outline.iter().map(|&p| self.at(p)).collect();
        self.area.draw(&Polygon::new(outline, colour.mix(0.18).filled())).map_err(drawing)
    }

    /// A disc of radius `r`.
    pub fn dot(&self, (x, y): (f64, f64), r: f64, colour: RGBColor) -> Result<(), ReportError> {
        let turn = |i: i32| (f64::from(i) / 16.0 * std::f64::consts::TAU).sin_cos();
        let outline: Vec<_> = (0..16).map(|i| self.at((x + r * turn(i).1, y + r * turn(i).0))).collect();
        self.area.draw(&Polygon::new(outline, colour.filled())).map_err(drawing)
    }

    /// A marker: an outline, so that markers that lie over each other all show.
    pub fn marker(&self, style: Style, (x, y): (f64, f64)) -> Result<(), ReportError> {
        let outlines: Vec<Vec<(f64, f64)>> = match style.marker {
            Marker::Circle => {
                vec![(0..=16).map(|i| (f64::from(i) / 16.0 * std::f64::consts::TAU).sin_cos()).collect()]
            }
            Marker::Square => vec![vec![(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88), (-0.88, -0.88)]],
            Marker::Triangle => vec![vec![(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8), (0.0, -1.2)]],
            Marker::Down => vec![vec![(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8), (0.0, 1.2)]],
            Marker::Diamond => vec![vec![(0.0, -1.3), (1.1, 0.0), (0.0, 1.3), (-1.1, 0.0), (0.0, -1.3)]],
            Marker::Cross => vec![vec![(-1.0, -1.0), (1.0, 1.0)], vec![(-1.0, 1.0), (1.0, -1.0)]],
            Marker::Plus => vec![vec![(-1.2, 0.0), (1.2, 0.0)], vec![(0.0, 1.2), (0.0, -1.2)]],
        };
        for outline in outlines {
            let at = |(dx, dy): (f64, f64)| (x + RADIUS * dx, y + RADIUS * dy);
            let points: Vec<(f64, f64)> = outline.into_iter().map(at).collect();
            self.line(&points, style.colour, LINE)?;
        }
        Ok(())
    }

    /// A line of text of `size` points, cut where it is longer than a reader reads; `upwards` turns it by a quarter.
    pub fn text(
        &self,
        text: &str,
        at: (f64, f64),
        size: f64,
        colour: RGBColor,
        anchor: Anchor,
        upwards: bool,
    ) -> Result<(), ReportError> {
        let (h, v) = match anchor {
            Anchor::Left => (HPos::Left, VPos::Center),
            Anchor::Top => (HPos::Center, VPos::Top),
            Anchor::Centre => (HPos::Center, VPos::Center),
            Anchor::Right => (HPos::Right, VPos::Center),
        };
        let mut font = FontDesc::new(FontFamily::SansSerif, size * UNITS, FontStyle::Normal);
        if upwards {
            font = font.transform(FontTransform::Rotate270);
        }
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(h, v));
        self.area.draw(&Text::new(line(text), self.at(at), style)).map_err(drawing)
    }

    /// Lines of text below each other, `apart` points from one to the next. Returns the height of the one after them.
    pub fn lines(
        &self,
        lines: &[String],
        (x, mut y): (f64, f64),
        size: f64,
        colour: RGBColor,
        apart: f64,
    ) -> Result<f64, ReportError> {
        for line in lines {
            self.text(line, (x, y), size, colour, Anchor::Left, false)?;
            y += apart;
        }
        Ok(y)
    }
}

/// Width of a text in points, as [`Canvas::text`] draws it.
pub fn text_width(text: &str, size: f64) -> f64 {
    fonts();
    // Measured large, since widths are whole numbers.
    let font = FontDesc::new(FontFamily::SansSerif, size * UNITS, FontStyle::Normal);
    let text = line(text);
    font.box_size(&text).map_or(0.6 * size * text.chars().count() as f64, |(width, _)| f64::from(width) / UNITS)
}

/// Registers the font once for the whole program.
fn fonts() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // A font file of a crate at a fixed version cannot be malformed; without it texts would fail to draw and say
        // so.
        let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
    });
}

/// A drawing with a size.
pub trait Drawing {
    /// Width and height in points.
    fn size(&self) -> (f64, f64);

    /// Draws on a white canvas of that size.
    fn draw(&self, canvas: &Canvas) -> Result<(), ReportError>;
}

/// Largest area of a chart in square points, and its largest side: a wall of pixels helps no reader.
const MOST: (f64, f64) = (16e6, 10_000.0);

/// Replaces a drawing that is too large, whose size it holds.
struct TooLarge((f64, f64));

impl Drawing for TooLarge {
    fn size(&self) -> (f64, f64) {
        (560.0, 120.0)
    }

    fn draw(&self, canvas: &Canvas) -> Result<(), ReportError> {
        let text = format!("This chart would have {:.0} x {:.0} points, too many to draw.", self.0.0, self.0.1);
        canvas.text(&text, (16.0, 40.0), 14.0, INK, Anchor::Left, false)?;
        canvas.text("Select fewer rows with `where`.", (16.0, 70.0), 14.0, SOFT, Anchor::Left, false)
    }
}

/// The size of a drawing that is too large to be drawn.
fn too_large(drawing_of: &impl Drawing) -> Option<TooLarge> {
    fonts();
    let (width, height) = drawing_of.size();
    let fits = width * height <= MOST.0 && width.max(height) <= MOST.1;
    (!fits).then_some(TooLarge((width, height)))
}

/// A drawing as SVG.
///
/// # Errors
/// The backend's own.
pub fn to_svg(drawing_of: &impl Drawing) -> Result<String, ReportError> {
    match too_large(drawing_of) {
        Some(instead) => svg(&instead),
        None => svg(drawing_of),
    }
}

fn svg(drawing_of: &impl Drawing) -> Result<String, ReportError> {
    let (width, height) = drawing_of.size();
    let units = |points: f64| (points * UNITS).ceil() as u32;
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (units(width), units(height))).into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        drawing_of.draw(&Canvas { area: &area, origin: (0.0, 0.0) })?;
        area.present().map_err(drawing)?;
    }
    // A reader's machine has other fonts than DejaVu; a list of narrow ones keeps texts within their measured width.
    let text = text.replace("font-family=\"sans-serif\"", "font-family=\"DejaVu Sans, Arial, Helvetica, sans-serif\"");
    let text = text.replacen(
        &format!("width=\"{}\" height=\"{}\"", units(width), units(height)),
        // Mitre joins would reach far beyond the points of a jagged line.
        &format!("width=\"{}\" height=\"{}\" stroke-linejoin=\"round\"", width.ceil(), height.ceil()),
        1,
    );
    Ok(theme::themed(&compact::compact(&text)))
}
