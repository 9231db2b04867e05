//! Drawing on plotters' backends: lines, markers and text in points, the same for SVG and PNG.
//!
//! Text is measured and, in PNG, drawn with DejaVu Sans from a crate, so that no system font is needed.

use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontTransform, register_font};

use crate::report::ReportError;
use crate::report::text::line;

/// Points of the PNG for a point of the SVG.
const PNG_SCALE: f64 = 2.0;

/// Text colour.
pub const INK: RGBColor = RGBColor(32, 33, 36);
/// Colour of axes and notes.
pub const SOFT: RGBColor = RGBColor(95, 99, 104);
/// Colour of the grid.
pub const GRID: RGBColor = RGBColor(225, 227, 230);

/// The colours of Okabe and Ito, distinct for colour-blind readers, darkest first; yellow is left out on white.
pub const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// Shape of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A circle.
    Circle,
    /// A square.
    Square,
    /// A triangle.
    Triangle,
    /// A diamond.
    Diamond,
    /// A cross.
    Cross,
}

/// The markers in the order of use; five against seven colours, so that pairs repeat late.
pub const MARKERS: [Marker; 5] = [Marker::Circle, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::Cross];

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

/// A drawing area with a scale.
pub struct Canvas<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    scale: f64,
}

pub(super) fn drawing(error: impl std::fmt::Display) -> ReportError {
    ReportError::Drawing(error.to_string())
}

impl<DB: DrawingBackend> Canvas<'_, DB> {
    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    /// A line through points.
    pub fn line(&self, points: &[(f64, f64)], colour: RGBColor, width: f64) -> Result<(), ReportError> {
        let points: Vec<_> = points.iter().map(|&p| self.at(p)).collect();
        let style = colour.stroke_width((width * self.scale).round().max(1.0) as u32);
        self.area.draw(&PathElement::new(points, style)).map_err(drawing)
    }

    /// A filled rectangle between two corners.
    pub fn rectangle(&self, from: (f64, f64), to: (f64, f64), colour: RGBColor) -> Result<(), ReportError> {
        self.area.draw(&Rectangle::new([self.at(from), self.at(to)], colour.filled())).map_err(drawing)
    }

    /// A marker of radius `r`; open ones are filled with white, so that one below shows at its rim.
    pub fn marker(
        &self,
        shape: Marker,
        (x, y): (f64, f64),
        r: f64,
        colour: RGBColor,
        open: bool,
    ) -> Result<(), ReportError> {
        let outline: Vec<(f64, f64)> = match shape {
            Marker::Circle => {
                (0..24).map(|i| (f64::from(i) / 24.0 * std::f64::consts::TAU).sin_cos()).map(|(s, c)| (c, s)).collect()
            }
            Marker::Square => vec![(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
            Marker::Triangle => vec![(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
            Marker::Diamond => vec![(0.0, -1.3), (1.1, 0.0), (0.0, 1.3), (-1.1, 0.0)],
            Marker::Cross => {
                self.line(&[(x - r, y - r), (x + r, y + r)], colour, 1.6)?;
                return self.line(&[(x - r, y + r), (x + r, y - r)], colour, 1.6);
            }
        };
        let mut outline: Vec<(f64, f64)> = outline.into_iter().map(|(dx, dy)| (x + r * dx, y + r * dy)).collect();
        let inside = if open { WHITE } else { colour };
        let polygon: Vec<_> = outline.iter().map(|&p| self.at(p)).collect();
        self.area.draw(&Polygon::new(polygon, inside.filled())).map_err(drawing)?;
        outline.push(outline[0]);
        self.line(&outline, colour, 1.4)
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
        let mut font = FontDesc::new(FontFamily::SansSerif, size * self.scale, FontStyle::Normal);
        if upwards {
            font = font.transform(FontTransform::Rotate270);
        }
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(h, v));
        self.area.draw(&Text::new(line(text), self.at(at), style)).map_err(drawing)
    }
}

/// Width of a text in points, as [`Canvas::text`] draws it.
pub fn text_width(text: &str, size: f64) -> f64 {
    fonts();
    let font = FontDesc::new(FontFamily::SansSerif, size, FontStyle::Normal);
    let text = line(text);
    font.box_size(&text).map_or(0.6 * size * text.chars().count() as f64, |(width, _)| f64::from(width))
}

/// Registers the font once for the whole program.
fn fonts() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // A font file of a crate at a fixed version cannot be malformed; without it texts would fail to draw and say so.
        let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
    });
}

/// What can be drawn: it knows its size and draws itself on any backend.
pub trait Drawing {
    /// Width and height in points.
    fn size(&self) -> (f64, f64);

    /// Draws on a white canvas of that size.
    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<DB>) -> Result<(), ReportError>;
}

/// Largest area of a chart in square points, and its largest side: a wall of pixels helps no reader.
const MOST: (f64, f64) = (16e6, 10_000.0);

/// What stands in the place of a drawing that is too large.
struct TooLarge((f64, f64));

impl Drawing for TooLarge {
    fn size(&self) -> (f64, f64) {
        (560.0, 120.0)
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<DB>) -> Result<(), ReportError> {
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
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (width.ceil() as u32, height.ceil() as u32)).into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        drawing_of.draw(&Canvas { area: &area, scale: 1.0 })?;
        area.present().map_err(drawing)?;
    }
    // A reader's machine has other fonts than DejaVu; a list of narrow ones keeps texts within their measured width.
    let text = text.replace("font-family=\"sans-serif\"", "font-family=\"DejaVu Sans, Arial, Helvetica, sans-serif\"");
    Ok(super::compact::compact(&text))
}

/// A drawing as a PNG file.
///
/// # Errors
/// The backend's own.
pub fn to_png(drawing_of: &impl Drawing) -> Result<Vec<u8>, ReportError> {
    match too_large(drawing_of) {
        Some(instead) => png(&instead),
        None => png(drawing_of),
    }
}

fn png(drawing_of: &impl Drawing) -> Result<Vec<u8>, ReportError> {
    let (width, height) = drawing_of.size();
    let size = ((width * PNG_SCALE).ceil() as u32, (height * PNG_SCALE).ceil() as u32);
    let mut pixels = vec![0; 3 * (size.0 * size.1) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        drawing_of.draw(&Canvas { area: &area, scale: PNG_SCALE })?;
        area.present().map_err(drawing)?;
    }
    super::png::encode(&pixels, size.0, size.1)
}
