//! SVG in few bytes: what plotters writes, element by element, as paths with relative coordinates in groups of one
//! style. It looks the same: the same shapes lie over each other in the same order, but for those that do not touch.

use std::fmt::Write;

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
    let elements = parsed(svg);
    let mut out = String::with_capacity(svg.len() / 3);
    let mut rest = &elements[..];
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|other| style(other) == style(first)).count();
        let (group, after) = rest.split_at(same.max(1));
        write_group(&mut out, group);
        rest = after;
    }
    out
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

/// Rectangles, those of a colour as one path where none lies over another.
fn rectangles(out: &mut String, group: &[Element]) {
    let all: Vec<(Point, Point, &String)> = group
        .iter()
        .filter_map(|e| if let Rectangle(corner, size, fill) = e { Some((*corner, *size, fill)) } else { None })
        .collect();
    let apart = |(a, size_a, _): &(Point, Point, &String), (b, size_b, _): &(Point, Point, &String)| {
        a.0 + size_a.0 <= b.0 || b.0 + size_b.0 <= a.0 || a.1 + size_a.1 <= b.1 || b.1 + size_b.1 <= a.1
    };
    let disjoint = all.iter().enumerate().all(|(i, one)| all[..i].iter().all(|other| apart(one, other)));
    let mut colours: Vec<(&String, Vec<[Point; 4]>)> = vec![];
    for (corner @ (x, y), (w, h), fill) in all {
        let corners = [corner, (x + w, y), (x + w, y + h), (x, y + h)];
        let known =
            colours.iter().position(|(colour, _)| *colour == fill).filter(|&at| disjoint || at + 1 == colours.len());
        match known {
            Some(at) => colours[at].1.push(corners),
            None => colours.push((fill, vec![corners])),
        }
    }
    // The page has a colour that a dark page replaces; pixels keep theirs, and are written so that no rule finds them.
    let page = group.len() == 1;
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

/// The data of a path: each list of points from its first on, closed where asked. Points that come twice are left out.
fn path<'a>(lists: impl Iterator<Item = &'a [Point]>, closed: bool) -> String {
    let mut data = String::new();
    let mut at: Option<Point> = None;
    for points in lists {
        let Some(&first) = points.first() else { continue };
        match at {
            None => step(&mut data, 'M', &[first.0, first.1]),
            Some(at) => step(&mut data, 'm', &[first.0 - at.0, first.1 - at.1]),
        }
        let (mut last, mut command) = (first, ' ');
        for &point in &points[1..] {
            let (dx, dy) = (point.0 - last.0, point.1 - last.1);
            let (next, numbers): (char, &[i32]) = match (dx, dy) {
                (0, 0) => continue,
                (dx, 0) => ('h', &[dx]),
                (0, dy) => ('v', &[dy]),
                (dx, dy) => ('l', &[dx, dy]),
            };
            // A repeated command needs no letter; of single steps only the last counts, so they have one each.
            let repeated = next == command && next == 'l';
            step(&mut data, if repeated { ' ' } else { next }, numbers);
            (last, command) = (point, next);
        }
        // Closing leads back to where the list began.
        if closed {
            data.push('z');
            last = first;
        }
        at = Some(last);
    }
    data
}

/// A command with its numbers, with a space only where a number would run into the one before.
fn step(data: &mut String, command: char, numbers: &[i32]) {
    if command != ' ' {
        data.push(command);
    }
    for (i, number) in numbers.iter().enumerate() {
        if *number >= 0 && (i > 0 || command == ' ') {
            data.push(' ');
        }
        let _ = write!(data, "{number}");
    }
}

fn parsed(svg: &str) -> Vec<Element> {
    let mut elements: Vec<Element> = vec![];
    let mut lines = svg.lines();
    while let Some(line) = lines.next() {
        let element = if line.starts_with("<text ") {
            let letters: Vec<&str> = lines.by_ref().take_while(|l| *l != "</text>").collect();
            text(line, letters.join(" "))
        } else {
            shape(line).unwrap_or_else(|| Other(line.to_owned()))
        };
        // plotters draws a marker as a polygon, then its outline.
        if let (Some(Polygon(inside, fill)), Line(outline, stroke, width)) = (elements.last(), &element)
            && outline.len() == inside.len() + 1
            && outline.starts_with(inside)
            && outline.last() == inside.first()
        {
            let marker = Marker(inside.clone(), fill.clone(), stroke.clone(), width.clone());
            elements.pop();
            elements.push(marker);
        } else {
            elements.push(element);
        }
    }
    elements
}

/// The value of an attribute.
fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let start = line.find(&format!(" {name}=\""))? + name.len() + 3;
    line[start..].split('"').next()
}

fn shape(line: &str) -> Option<Element> {
    let text = |name| attribute(line, name).map(str::to_owned);
    if attribute(line, "opacity") != Some("1") {
        return None;
    }
    let number = |name| attribute(line, name)?.parse::<i32>().ok();
    let points = || -> Option<Vec<Point>> {
        let pair = |pair: &str| pair.split_once(',').and_then(|(x, y)| Some((x.parse().ok()?, y.parse().ok()?)));
        attribute(line, "points")?.split_whitespace().map(pair).collect()
    };
    if line.starts_with("<rect ") && attribute(line, "stroke") == Some("none") {
        let (corner, size) = ((number("x")?, number("y")?), (number("width")?, number("height")?));
        Some(Rectangle(corner, size, text("fill")?))
    } else if line.starts_with("<polyline ") && attribute(line, "fill") == Some("none") {
        Some(Line(points()?, text("stroke")?, text("stroke-width")?))
    } else if line.starts_with("<polygon ") {
        Some(Polygon(points()?, text("fill")?))
    } else {
        None
    }
}

/// A text: its colour, size, family and anchor go to the group; its place stays.
fn text(line: &str, letters: String) -> Element {
    let given = |name: &str| attribute(line, name).map(|value| (name.to_owned(), value.to_owned()));
    let written = |(name, value): (String, String)| format!(" {name}=\"{value}\"");
    let size = attribute(line, "font-size").and_then(|s| s.parse::<f64>().ok()).map(|s| format!("{s:.2}"));
    let anchor = given("text-anchor").filter(|(_, value)| value != "start");
    let group = [given("font-family"), size.map(|s| ("font-size".to_owned(), s)), anchor, given("fill")];
    let group: String = group.into_iter().flatten().map(written).collect();
    let own: String = ["x", "y", "dy", "transform"].into_iter().filter_map(given).map(written).collect();
    Text(group.trim_start().to_owned(), own, letters.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Follows a path: the points of each of its lists.
    fn followed(data: &str) -> Vec<Vec<Point>> {
        let mut numbers: Vec<(char, Vec<i32>)> = vec![];
        let mut word = String::new();
        for c in data.chars().chain(['.']) {
            if !c.is_ascii_digit() && !word.is_empty() && word != "-" {
                let list = &mut numbers.last_mut().expect("a command").1;
                list.push(word.parse().expect("a number"));
                word.clear();
            }
            match c {
                '-' | '0'..='9' => word.push(c),
                ' ' | '.' => {}
                letter => numbers.push((letter, vec![])),
            }
        }
        let (mut lists, mut at): (Vec<Vec<Point>>, Point) = (vec![], (0, 0));
        for (command, steps) in numbers {
            match command {
                'M' => (at, lists) = ((steps[0], steps[1]), vec![vec![(steps[0], steps[1])]]),
                'm' => {
                    at = (at.0 + steps[0], at.1 + steps[1]);
                    lists.push(vec![at]);
                }
                'z' => at = lists.last().expect("a list")[0],
                _ => {
                    let pairs: Vec<Point> = match command {
                        'h' => steps.iter().map(|&dx| (dx, 0)).collect(),
                        'v' => steps.iter().map(|&dy| (0, dy)).collect(),
                        _ => steps.chunks(2).map(|s| (s[0], s[1])).collect(),
                    };
                    for (dx, dy) in pairs {
                        at = (at.0 + dx, at.1 + dy);
                        lists.last_mut().expect("a list").push(at);
                    }
                }
            }
        }
        lists
    }

    proptest! {
        #[test]
        fn a_path_goes_through_the_same_points(
            lists in prop::collection::vec(prop::collection::vec((-99..99i32, -99..99i32), 2..20), 1..6), closed: bool,
        ) {
            let distinct = |list: &Vec<Point>| {
                let mut list = list.clone();
                list.dedup();
                list
            };
            let expected: Vec<Vec<Point>> = lists.iter().map(distinct).collect();
            let data = path(lists.iter().map(|l| &l[..]), closed);
            prop_assert_eq!(followed(&data).iter().map(distinct).collect::<Vec<_>>(), expected, "{}", data);
        }
    }

    #[test]
    fn shapes_of_a_style_share_a_group_and_stay_in_order() {
        let svg = "<svg width=\"9\">\n\
            <polyline fill=\"none\" opacity=\"1\" stroke=\"#111\" stroke-width=\"1\" points=\"1,1 4,1 \"/>\n\
            <polyline fill=\"none\" opacity=\"1\" stroke=\"#111\" stroke-width=\"1\" points=\"1,2 4,5 5,7 \"/>\n\
            <polygon opacity=\"1\" fill=\"#FFF\" points=\"0,0 2,0 2,2 \"/>\n\
            <polyline fill=\"none\" opacity=\"1\" stroke=\"#111\" stroke-width=\"2\" points=\"0,0 2,0 2,2 0,0 \"/>\n\
            <text x=\"1\" y=\"2\" dy=\"0.5ex\" text-anchor=\"end\" font-family=\"F\" font-size=\"8.8709\" opacity=\"1\" fill=\"#222\">\n\
            a &lt; b\n</text>\n</svg>\n";
        assert_eq!(
            compact(svg),
            "<svg width=\"9\">\n<g fill=\"none\" stroke=\"#111\"><path d=\"M1 1h3m-3 1l3 3 1 2\"/></g>\n\
             <g fill=\"#FFF\" stroke=\"#111\" stroke-width=\"2\"><path d=\"M0 0h2v2z\"/></g>\n\
             <g font-family=\"F\" font-size=\"8.87\" text-anchor=\"end\" fill=\"#222\"><text x=\"1\" y=\"2\" dy=\"0.5ex\">a &lt; b</text></g>\n\
             </svg>\n"
        );
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
