//! Dashes along a line.

type Point = (f64, f64);

/// The parts of a line through `points` that a pattern of `on` and `off`, in points, leaves.
pub fn dashes(points: &[Point], on: f64, off: f64) -> Vec<Vec<Point>> {
    let mut parts: Vec<Vec<Point>> = vec![];
    // How much of the present part is left, and whether it is drawn.
    let (mut left, mut drawn) = (on, true);
    for ends in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (ends[0], ends[1]);
        let length = (x1 - x0).hypot(y1 - y0);
        let at = |s: f64| (x0 + (x1 - x0) * s / length, y0 + (y1 - y0) * s / length);
        let mut done = 0.0;
        if drawn {
            extend(&mut parts, (x0, y0));
        }
        while length - done > left {
            done += left;
            if drawn {
                extend(&mut parts, at(done));
                left = off;
            } else {
                parts.push(vec![at(done)]);
                left = on;
            }
            drawn = !drawn;
        }
        left -= length - done;
        if drawn {
            extend(&mut parts, (x1, y1));
        }
    }
    parts
}

fn extend(parts: &mut Vec<Vec<Point>>, point: Point) {
    match parts.last_mut() {
        Some(part) => part.push(point),
        None => parts.push(vec![point]),
    }
}

#[cfg(test)]
mod tests {
    use super::dashes;

    #[test]
    fn a_third_of_a_line_is_drawn_around_its_corner_too() {
        let parts = dashes(&[(0.0, 0.0), (7.0, 0.0), (7.0, 20.0)], 1.0, 2.0);
        let length =
            |part: &Vec<(f64, f64)>| -> f64 { part.windows(2).map(|e| (e[1].0 - e[0].0).hypot(e[1].1 - e[0].1)).sum() };
        assert_eq!(parts.len(), 9);
        assert!(parts.iter().all(|part| (length(part) - 1.0).abs() < 1e-12), "{parts:?}");
        assert_eq!(parts[2].last(), Some(&(7.0, 0.0)));
    }
}
