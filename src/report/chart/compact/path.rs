//! The data of paths, with relative coordinates.

use std::fmt::Write;

use super::Point;

/// The data of a path: each list of points from its first on, closed where asked. Points that come twice are left out.
pub fn path<'a>(lists: impl Iterator<Item = &'a [Point]>, closed: bool) -> String {
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
}
