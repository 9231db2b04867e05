//! SVG in few bytes: what plotters writes, element by element, as paths with relative coordinates in groups of one
//! style. It looks the same: the same shapes lie over each other in the same order, but for those that do not touch.

mod extent;
mod parse;
mod path;
mod rectangles;

use std::fmt::Write;

use extent::Extent;
use parse::{attribute, parsed};
use path::path;
use rectangles::rectangles;

type Point = (i32, i32);

/// A shape or a text, as plotters drew it.
#[derive(Clone, Debug, PartialEq)]
enum Element {
    /// A filled rectangle: corner, size, colour.
    Rectangle(Point, Point, String),
    /// Lines of a colour and a width.
    Line(Vec<Point>, String, String),
    /// A filled polygon.
    Polygon(Vec<Point>, String),
    /// A filled polygon with an outline: points, fill, colour and width of the outline.
    Marker(Vec<Point>, String, String, String),
    /// A text: what its group says, what it says itself, and its letters.
    Text(String, String, String),
    /// Anything else, as it is.
    Other(String),
}

use Element::{Line, Marker, Other, Polygon, Rectangle, Text};

/// A drawing of plotters' SVG backend in fewer bytes.
pub fn compact(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len() / 3);
    for group in grouped(with_one_font(parsed(svg))) {
        write_group(&mut out, &group.elements);
    }
    out
}

/// States the font at the root, if all texts have the same.
fn with_one_font(mut elements: Vec<Element>) -> Vec<Element> {
    let family = |group: &str| attribute(&format!(" {group}"), "font-family").map(str::to_owned);
    let texts = || elements.iter().filter_map(|e| if let Text(group, ..) = e { Some(family(group)) } else { None });
    let Some(Some(font)) = texts().next() else { return elements };
    let root = elements.iter().position(|e| matches!(e, Other(line) if line.starts_with("<svg ")));
    let (Some(root), true) = (root, texts().all(|other| other.as_ref() == Some(&font))) else { return elements };
    let stated = format!("font-family=\"{font}\" ");
    for element in &mut elements {
        if let Text(group, ..) = element {
            *group = group.replacen(&stated, "", 1);
        }
    }
    if let Other(line) = &mut elements[root] {
        *line = line.replacen("<svg ", &format!("<svg {stated}"), 1);
    }
    elements
}

/// Elements of one style that are drawn one after another.
struct Group {
    style: Option<String>,
    elements: Vec<Element>,
    /// Where each element is.
    extents: Vec<Extent>,
    /// Where any of them is.
    around: Extent,
}

/// The furthest that an element is moved, in groups. It bounds the time.
const FURTHEST: usize = 64;

/// Puts each element into the last group of its style, if what has been drawn since does not touch it.
fn grouped(elements: Vec<Element>) -> Vec<Group> {
    let mut groups: Vec<Group> = vec![];
    for element in elements {
        let (style, extent) = (style(&element), extent(&element));
        let mut place = None;
        if let (Some(_), Some(extent)) = (&style, extent) {
            // The page and pixels stay apart, since a dark page replaces the colour of the first alone.
            let furthest = if matches!(element, Rectangle(..)) { 1 } else { FURTHEST };
            for (at, group) in groups.iter().enumerate().rev().take(furthest) {
                if group.style == style {
                    place = Some(at);
                    break;
                }
                if group.around.touches(&extent) && group.extents.iter().any(|other| other.touches(&extent)) {
                    break;
                }
            }
        }
        let extent = extent.unwrap_or(Extent::EVERYWHERE);
        match place {
            Some(at) => {
                let group = &mut groups[at];
                group.around = group.around.and(&extent);
                group.elements.push(element);
                group.extents.push(extent);
            }
            None => groups.push(Group { style, elements: vec![element], extents: vec![extent], around: extent }),
        }
    }
    groups
}

/// Where an element is, generously; `None` if it is not known.
fn extent(element: &Element) -> Option<Extent> {
    match element {
        Rectangle((x, y), (width, height), _) => Extent::of(&[(*x, *y), (x + width, y + height)], 0.0),
        Polygon(points, _) => Extent::of(points, 0.0),
        // Lines are joined round, so that they extend by half of their width; twice that is allowed for.
        Line(points, _, width) | Marker(points, _, _, width) => Extent::of(points, width.parse().ok()?),
        Text(group, own, letters) => {
            let group = format!(" {group}");
            let number = |line: &str, name| attribute(line, name)?.parse::<f64>().ok();
            let (x, y, size) = (number(own, "x")?, number(own, "y")?, number(&group, "font-size")?);
            let (length, height) = (letters.chars().count() as f64 * size, 2.0 * size);
            let (before, after) = match attribute(&group, "text-anchor") {
                _ if attribute(own, "transform").is_some() => return Some(Extent::around(x, y, length.max(height))),
                Some("end") => (length, 0.0),
                Some("middle") => (length / 2.0, length / 2.0),
                _ => (0.0, length),
            };
            Some(Extent { left: x - before, right: x + after, top: y - height, bottom: y + height })
        }
        Other(_) => None,
    }
}

/// The attributes that a group of elements shares; `None` for one that stands alone.
fn style(element: &Element) -> Option<String> {
    match element {
        Rectangle(..) => Some("shape-rendering=\"crispEdges\"".into()),
        Line(_, stroke, width) => Some(stroked("none", stroke, width)),
        Marker(_, fill, stroke, width) => Some(stroked(fill, stroke, width)),
        Polygon(_, fill) => Some(format!("fill=\"{fill}\"")),
        Text(group, ..) => Some(group.clone()),
        Other(_) => None,
    }
}

fn stroked(fill: &str, stroke: &str, width: &str) -> String {
    let width = if width == "1" { String::new() } else { format!(" stroke-width=\"{width}\"") };
    format!("fill=\"{fill}\" stroke=\"{stroke}\"{width}")
}

fn write_group(out: &mut String, group: &[Element]) {
    let Some(style) = group.first().and_then(style) else {
        for element in group {
            if let Other(text) = element {
                *out += text;
                out.push('\n');
            }
        }
        return;
    };
    // Writing to a String cannot fail.
    let _ = write!(out, "<g {style}>");
    match &group[0] {
        Rectangle(..) => rectangles(out, group),
        Line(..) => {
            let lines = group.iter().filter_map(|e| if let Line(points, ..) = e { Some(&points[..]) } else { None });
            let _ = write!(out, "<path d=\"{}\"/>", path(lines, false));
        }
        _ => {
            for element in group {
                let _ = match element {
                    Marker(points, ..) | Polygon(points, _) => {
                        write!(out, "<path d=\"{}\"/>", path([&points[..]].into_iter(), true))
                    }
                    Text(_, own, letters) => write!(out, "<text{own}>{letters}</text>"),
                    _ => Ok(()),
                };
            }
        }
    }
    *out += "</g>\n";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_a_style_share_a_group_and_stay_in_order() {
        let svg = "<svg width=\"9\">\n\
            <polyline fill=\"none\" opacity=\"1\" stroke=\"#111\" stroke-width=\"1\" points=\"1,1 4,1 \"/>\n\
            <polyline fill=\"none\" opacity=\"1\" stroke=\"#111\" stroke-width=\"1\" points=\"1,2 4,5 5,7 \"/>\n\
            <polygon opacity=\"1\" fill=\"#FFF\" points=\"0,0 2,0 2,2 \"/>\n\
            <polyline fill=\"none\" opacity=\"1\" stroke=\"#111\" stroke-width=\"2\" points=\"0,0 2,0 2,2 0,0 \"/>\n\
            <text x=\"1\" y=\"2\" dy=\"0.5ex\" text-anchor=\"end\" font-family=\"F\" font-size=\"8.8709\" \
            opacity=\"1\" fill=\"#222\">\n\
            a &lt; b\n</text>\n</svg>\n";
        assert_eq!(
            compact(svg),
            "<svg font-family=\"F\" width=\"9\">\n\
             <g fill=\"none\" stroke=\"#111\"><path d=\"M1 1h3m-3 1l3 3 1 2\"/></g>\n\
             <g fill=\"#FFF\" stroke=\"#111\" stroke-width=\"2\"><path d=\"M0 0h2v2z\"/></g>\n\
             <g font-size=\"8.87\" text-anchor=\"end\" fill=\"#222\">\
             <text x=\"1\" y=\"2\" dy=\"0.5ex\">a &lt; b</text></g>\n\
             </svg>\n"
        );
    }

    #[test]
    fn shapes_move_past_what_they_do_not_touch_and_never_past_what_they_do() {
        let line = |y: i32, colour: &str| {
            let points = format!("0,{y} 9,{y}");
            format!(
                "<polyline fill=\"none\" opacity=\"1\" stroke=\"{colour}\" stroke-width=\"1\" points=\"{points}\"/>\n"
            )
        };
        let paths = |ys: [i32; 3]| {
            let [a, b, c] = ys;
            compact(&[line(a, "#111"), line(b, "#222"), line(c, "#111")].concat()).matches("<path").count()
        };
        assert_eq!([paths([0, 50, 100]), paths([0, 50, 52])], [2, 3]);
    }
}
