//! Filled rectangles as paths, and pictures of pixels as rows of lines.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::path::path;
use super::{Element, Point};

/// A filled rectangle: corner, size, colour.
type Filled<'a> = (Point, Point, &'a String);

/// Rectangles: pictures, and those of a colour as one path where none lies over another.
pub fn rectangles(out: &mut String, group: &[Element]) {
    let all: Vec<Filled> = group
        .iter()
        .filter_map(
            |e| if let Element::Rectangle(corner, size, fill) = e { Some((*corner, *size, fill)) } else { None },
        )
        .collect();
    let disjoint = disjoint(&all);
    let (mut rest, mut others) = (&all[..], vec![]);
    while let Some(first) = rest.first() {
        let pixels = rest.iter().take_while(|next| disjoint && in_rows(first, next)).count();
        if pixels >= PICTURE {
            filled(out, &others, false);
            others.clear();
            let (mut rows, mut shapes) = (String::new(), String::new());
            picture(&mut rows, &rest[..pixels]);
            filled(&mut shapes, &rest[..pixels], false);
            *out += if rows.len() < shapes.len() { &rows } else { &shapes };
            rest = &rest[pixels..];
        } else {
            others.push(*first);
            rest = &rest[1..];
        }
    }
    filled(out, &others, all.len() == 1);
}

/// The fewest rectangles, none over another and all in rows of one height, that are written as a picture.
const PICTURE: usize = 16;

/// Whether a rectangle is in a row of the same picture as another.
fn in_rows((first, size, _): &Filled, (corner, other, _): &Filled) -> bool {
    size.1 == other.1 && size.1 > 0 && other.0 > 0 && (corner.1 - first.1) % size.1 == 0
}

/// Whether no rectangle lies over another. An image may have millions, so pairs are not compared: the rectangles are
/// taken from top to bottom, and those that one of them can meet are found by their left edge.
fn disjoint(all: &[Filled]) -> bool {
    let mut order: Vec<&Filled> = all.iter().filter(|(_, size, _)| size.0 > 0 && size.1 > 0).collect();
    order.sort_unstable_by_key(|(corner, _, _)| corner.1);
    // Right and bottom edge by left edge. No two of them share a column.
    let mut open: BTreeMap<i32, Point> = BTreeMap::new();
    for ((left, top), (width, height), _) in order {
        while let Some((&other, &(right, bottom))) = open.range(..left + width).next_back() {
            if right <= *left {
                break;
            }
            if bottom > *top {
                return false;
            }
            open.remove(&other);
        }
        open.insert(*left, (left + width, top + height));
    }
    true
}

/// The greatest common divisor.
fn divisor(a: i32, b: i32) -> i32 {
    if b == 0 { a.abs() } else { divisor(b, a % b) }
}

/// Rows of pixels in units of a pixel's size, those of a colour as lines as wide as a pixel is high.
fn picture(out: &mut String, pixels: &[Filled]) {
    let ((x, y), (_, height), _) = pixels[0];
    let middle = f64::from(y) + f64::from(height) / 2.0;
    let width = pixels.iter().fold(0, |unit, (corner, size, _)| divisor(divisor(unit, corner.0 - x), size.0));
    let _ = write!(out, "<g fill=\"none\" transform=\"translate({x} {middle})scale({width} {height})\">");
    let mut colours: Vec<(&String, Vec<[Point; 2]>)> = vec![];
    for (corner, size, fill) in pixels {
        let (column, row, end) = ((corner.0 - x) / width, (corner.1 - y) / height, (corner.0 - x + size.0) / width);
        let place = colours.iter().position(|(colour, _)| *colour == *fill).unwrap_or_else(|| {
            colours.push((fill, vec![]));
            colours.len() - 1
        });
        let lines = &mut colours[place].1;
        match lines.last_mut() {
            Some([_, last]) if *last == (column, row) => last.0 = end,
            _ => lines.push([(column, row), (end, row)]),
        }
    }
    for (fill, lines) in colours {
        let _ = write!(out, "<path stroke=\"{}\" d=\"{}\"/>", brief(fill), path(lines.iter().map(|l| &l[..]), false));
    }
    *out += "</g>";
}

/// Rectangles, those of a colour as one path where none lies over another.
fn filled(out: &mut String, all: &[Filled], page: bool) {
    let disjoint = disjoint(all);
    let mut colours: Vec<(&String, Vec<[Point; 4]>)> = vec![];
    for &(corner @ (x, y), (w, h), fill) in all {
        let corners = [corner, (x + w, y), (x + w, y + h), (x, y + h)];
        let known =
            colours.iter().position(|(colour, _)| *colour == fill).filter(|&at| disjoint || at + 1 == colours.len());
        match known {
            Some(at) => colours[at].1.push(corners),
            None => colours.push((fill, vec![corners])),
        }
    }
    // The page has a colour that a dark page replaces; pixels keep theirs, and are written so that no rule finds them.
    for (fill, corners) in colours {
        let fill = if page { fill.clone() } else { brief(fill) };
        let _ = write!(out, "<path fill=\"{fill}\" d=\"{}\"/>", path(corners.iter().map(|c| &c[..]), true));
    }
}

/// A colour in three digits where it has them, in small letters.
fn brief(colour: &str) -> String {
    let bytes = colour.as_bytes();
    let digits: Vec<char> = match bytes.len() {
        7 if (1..7).step_by(2).all(|i| bytes[i] == bytes[i + 1]) => [1, 3, 5].map(|i| char::from(bytes[i])).to_vec(),
        _ => colour.chars().skip(1).collect(),
    };
    format!("#{}", digits.into_iter().collect::<String>().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::compact;
    use super::*;
    use crate::report::chart::raster::pixels;

    #[test]
    fn a_picture_has_the_same_pixels_as_its_rectangles() {
        let colour = |x: i32, y: i32| ["#000000", "#FFFFFF", "#3366CC"][((x * x + 2 * y) % 3) as usize];
        let mut plotted = String::new();
        for (x, y) in (0..7).flat_map(|y| (0..9).map(move |x| (x, y))) {
            let place = format!("x=\"{}\" y=\"{}\" width=\"4\" height=\"6\"", 3 + 4 * x, 5 + 6 * y);
            plotted += &format!("<rect {place} opacity=\"1\" fill=\"{}\" stroke=\"none\"/>\n", colour(x, y));
        }
        let root = "<svg width=\"45\" height=\"55\" xmlns=\"http://www.w3.org/2000/svg\">\n";
        let drawn = compact(&format!("{root}{plotted}</svg>\n"));
        assert!(drawn.contains("translate(3 8)scale(4 6)") && drawn.matches("<path").count() == 3, "{drawn}");
        let before = format!("{root}<g shape-rendering=\"crispEdges\">{plotted}</g></svg>\n");
        assert_eq!(pixels(&drawn).expect("pixels"), pixels(&before).expect("pixels"));
        // One rectangle over another is no picture.
        let twice = plotted.replacen("x=\"7\"", "x=\"3\"", 1);
        assert!(!compact(&twice.lines().take(16).map(|l| format!("{l}\n")).collect::<String>()).contains("scale"));
    }

    /// The definition, pair by pair.
    #[test]
    fn rectangles_are_disjoint_if_no_two_of_them_overlap() {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut found = [0, 0];
        for _ in 0..2_000 {
            let count = random.gen_range(1..7);
            let fill = "#000".to_owned();
            let mut number = |most: i32| random.gen_range(0..most);
            let all: Vec<Filled> =
                (0..count).map(|_| ((number(8), number(8)), (number(4), number(4)), &fill)).collect();
            let area = |(_, size, _): &Filled| size.0 * size.1;
            let apart = |(a, s, _): &Filled, (b, t, _): &Filled| {
                a.0 + s.0 <= b.0 || b.0 + t.0 <= a.0 || a.1 + s.1 <= b.1 || b.1 + t.1 <= a.1
            };
            let pairs = all.iter().enumerate().flat_map(|(i, one)| all[..i].iter().map(move |other| (one, other)));
            let expected = pairs.clone().all(|(a, b)| area(a) * area(b) == 0 || apart(a, b));
            assert_eq!(disjoint(&all), expected, "{all:?}");
            found[usize::from(expected)] += 1;
        }
        assert!(found.iter().all(|count| *count > 100), "{found:?}");
    }

    #[test]
    fn rectangles_of_a_colour_are_one_path_only_where_none_covers_another() {
        let rect = |x: i32, w: i32, fill: &str| {
            format!(
                "<rect x=\"{x}\" y=\"0\" width=\"{w}\" height=\"2\" opacity=\"1\" fill=\"{fill}\" stroke=\"none\"/>\n"
            )
        };
        let paths = |svg: &str| compact(svg).matches("<path").count();
        assert_eq!(paths(&[rect(0, 2, "#000"), rect(2, 2, "#FFF"), rect(4, 2, "#000")].concat()), 2);
        assert_eq!(paths(&[rect(0, 6, "#000"), rect(2, 2, "#FFF"), rect(4, 2, "#000")].concat()), 3);
    }
}
