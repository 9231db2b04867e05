//! A digit drawn by the program, for where MNIST is missing: a seven of soft strokes, 28 x 28.

/// Height and width.
pub const SIDE: usize = 28;

/// The drawn digit: `SIDE * SIDE` pixels in [0, 1], row by row.
pub fn drawn_digit() -> Vec<f64> {
    // Corner points of the strokes in pixels (x, y).
    const STROKES: [[(f64, f64); 2]; 2] = [[(7.0, 7.5), (20.0, 7.0)], [(20.0, 7.0), (12.5, 22.0)]];
    let ink = |x: f64, y: f64| {
        let distance = STROKES.iter().map(|s| to_segment((x, y), s[0], s[1])).fold(f64::INFINITY, f64::min);
        // Full ink within 1 pixel of the stroke, none beyond 2.
        (2.0 - distance).clamp(0.0, 1.0)
    };
    (0..SIDE * SIDE).map(|i| ink((i % SIDE) as f64, (i / SIDE) as f64)).collect()
}

fn to_segment((x, y): (f64, f64), a: (f64, f64), b: (f64, f64)) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let along = (((x - a.0) * dx + (y - a.1) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    (x - a.0 - along * dx).hypot(y - a.1 - along * dy)
}
