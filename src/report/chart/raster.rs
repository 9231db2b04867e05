//! PNG files from the SVG text itself, so that the two cannot differ. The only font is DejaVu Sans from a crate.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb::Database};

use crate::report::ReportError;

use super::canvas::drawing;
use super::png::encode;

/// Pixels of the PNG for a point of the SVG, unless a side would have more than [`MOST`].
pub const PNG_SCALE: f32 = 2.0;
/// Most pixels of a side.
const MOST: f32 = 16_000.0;

static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    Options { fontdb: Arc::new(fonts), font_family: "DejaVu Sans".into(), ..Options::default() }
});

/// An SVG drawing as a PNG file. The same text gives the same bytes.
///
/// # Errors
/// A text that is no SVG, a drawing that is too large.
pub fn to_png(svg: &str) -> Result<Vec<u8>, ReportError> {
    let (pixels, width, height) = pixels(svg)?;
    encode(&pixels, width, height)
}

/// RGB, row by row, with width and height.
pub fn pixels(svg: &str) -> Result<(Vec<u8>, u32, u32), ReportError> {
    let tree = Tree::from_str(svg, &OPTIONS).map_err(drawing)?;
    let (width, height) = (tree.size().width(), tree.size().height());
    // A long chart has fewer pixels for a point.
    let scale = PNG_SCALE.min(MOST / width.max(height));
    if scale < 1.0 {
        return Err(drawing(format!("{width} x {height} points; at most {MOST} a side")));
    }
    let (width, height) = ((width * scale).ceil(), (height * scale).ceil());
    let mut pixmap = Pixmap::new(width as u32, height as u32).ok_or_else(|| drawing("an image without pixels"))?;
    pixmap.fill(Color::WHITE);
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    // Opaque, since the page is.
    let rgb = pixmap.data().chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
    Ok((rgb, pixmap.width(), pixmap.height()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::canvas::{Canvas, Drawing, LINE, to_svg};
    use crate::report::chart::style::COLOURS;

    /// A line that goes up and down again within a fraction of a point.
    struct Spike;

    const POINTS: [(f64, f64); 5] = [(20.0, 80.0), (60.0, 80.0), (60.5, 40.0), (61.0, 80.0), (100.0, 80.0)];

    impl Drawing for Spike {
        fn size(&self) -> (f64, f64) {
            (120.0, 100.0)
        }

        fn draw(&self, canvas: &Canvas) -> Result<(), ReportError> {
            canvas.line(&POINTS, COLOURS[0].1, LINE)
        }
    }

    #[test]
    fn a_spike_stays_within_its_points_and_half_a_stroke() {
        let (rgb, width, _) = pixels(&to_svg(&Spike).unwrap()).unwrap();
        let inked = rgb.chunks(3).enumerate().filter(|(_, p)| **p != [255, 255, 255]);
        let places: Vec<(f64, f64)> = inked
            .map(|(i, _)| (f64::from(i as u32 % width) / 2.0 + 0.25, f64::from(i as u32 / width) / 2.0 + 0.25))
            .collect();
        // Half a stroke, and half a pixel's diagonal.
        let reach = LINE / 2.0 + 0.5;
        for (x, y) in &places {
            assert!(
                (20.0 - reach..=100.0 + reach).contains(x) && (40.0 - reach..=80.0 + reach).contains(y),
                "{x}, {y}"
            );
        }
        // Its tip is drawn, at the place that the points say.
        assert!(places.iter().any(|(_, y)| *y < 41.0) && places.len() > 100);
    }

    #[test]
    fn the_pixels_of_a_line_lie_along_its_points() {
        let (rgb, width, _) = pixels(&to_svg(&Spike).unwrap()).unwrap();
        let colour = |x: f64, y: f64| {
            let at = 3 * (((2.0 * y) as u32 * width + (2.0 * x) as u32) as usize);
            [rgb[at], rgb[at + 1], rgb[at + 2]]
        };
        let blue = [COLOURS[0].1.0, COLOURS[0].1.1, COLOURS[0].1.2];
        assert_eq!(colour(40.0, 80.0), blue);
        assert_eq!(colour(60.5, 60.0), blue);
        assert_eq!(colour(40.0, 70.0), [255, 255, 255]);
    }

    #[test]
    fn a_long_drawing_has_fewer_pixels_for_a_point() {
        let svg =
            |height: u32| format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"10\" height=\"{height}\"></svg>");
        let size = |height: u32| pixels(&svg(height)).map(|(_, width, height)| (width, height)).unwrap();
        assert_eq!((size(8_000), size(10_000)), ((20, 16_000), (16, 16_000)));
    }

    #[test]
    fn a_drawing_has_the_same_bytes_each_time_and_bad_ones_are_refused() {
        let svg = to_svg(&Spike).unwrap();
        assert_eq!(to_png(&svg).unwrap(), to_png(&svg).unwrap());
        assert!(to_png("no drawing").is_err());
        let huge = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1e6\" height=\"9\"></svg>";
        assert!(to_png(huge).unwrap_err().to_string().contains("at most"));
    }
}
