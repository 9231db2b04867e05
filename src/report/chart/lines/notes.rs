//! The notes below a line chart.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::{Lines, Profile, Source, StudyKind};
use crate::report::chart::canvas::LINE;
use crate::report::results::{Results, matches, short};

use super::series::Point;
use super::{LineChart, Panel, Series, names, published};

impl LineChart {
    /// What a reader has to know of points and lines that are not drawn or hide each other, of thresholds and theory,
    /// and of the paper's numbers.
    pub(super) fn footnotes(&self, lines: &Lines, results: &Results) -> Vec<String> {
        let mut notes = vec![];
        if !self.zero.is_empty() {
            let names = self.zero.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect::<Vec<_>>().join("; ");
            notes.push(format!("Exactly zero everywhere, so not on the logarithmic axis: {names}."));
        }
        let points =
            || self.panels.iter().flat_map(|p| p.series.iter().flat_map(|s| &s.points).map(move |point| (p, point)));
        // A recovered state and one that is lost must not count as the same.
        let off = |(panel, p): &(&Panel, &Point)| self.x.is_off(p.x) || panel.y.is_off(p.y);
        let finite = |p: &Point| p.x.is_finite() && p.y.is_finite();
        for (are_finite, why) in [(false, "infinite or undefined"), (true, "zero or negative")] {
            let count = points().filter(off).filter(|(_, p)| finite(p) == are_finite).count();
            match count {
                0 => {}
                1 => notes.push(format!("1 point is not drawn: {why}.")),
                _ => notes.push(format!("{count} points are not drawn: {why}.")),
            }
        }
        if !self.continuous && points().any(|(panel, p)| panel.y.is_off(p.low) && !panel.y.is_off(p.y)) {
            notes.push("Bars that end at the lower edge reach zero.".into());
        }
        notes.extend(self.seeds());
        // An interval of draws is never a point.
        if lines.share.is_some() && points_of(&self.panels).any(|p| p.low == p.high) {
            notes.push("No interval where a seed has several values: they are not independent.".into());
        }
        let named = |group: &[usize]| group.iter().map(|n| self.names[*n].as_str()).collect::<Vec<_>>().join("; ");
        let everywhere = self.groups(&self.panels, identical);
        notes.extend(everywhere.iter().map(|group| format!("Identical wherever they are drawn: {}.", named(group))));
        for panel in self.panels.iter().filter(|_| !lines.panels.is_empty()) {
            let title = panel.title.as_deref().unwrap_or_default();
            let own = self.groups(std::slice::from_ref(panel), identical);
            let own = own.iter().filter(|group| !everywhere.contains(group));
            notes.extend(own.map(|group| format!("Identical in the panel \"{title}\": {}.", named(group))));
        }
        let close = self.groups(&self.panels, |panel, a, b| self.is_close(panel, a, b));
        let close = close.iter().filter(|group| !everywhere.contains(group));
        notes.extend(close.map(|group| format!("Too close to tell apart on this axis: {}.", named(group))));
        notes.extend(self.unplaced().into_iter().map(|label| format!("Dotted horizontal line: {label}.")));
        if lines.theory.is_some() {
            notes.push("Thin lines: theory.".into());
        }
        let unfinished = unfinished(lines, results);
        if !unfinished.is_empty() {
            notes.push(format!("Unfinished runs: {}.", unfinished.join("; ")));
        }
        notes.extend(published::notes(lines, &self.panels));
        if is_trial(results) {
            notes.push("The quick profile only tests that the training runs. These values decide nothing.".into());
        }
        notes
    }

    /// How many seeds each line has, or each place, if they differ.
    fn seeds(&self) -> Option<String> {
        let line = |s: &Series| s.points.iter().map(|p| p.count).collect::<BTreeSet<_>>();
        let differs = |panel: &Panel| panel.series.windows(2).any(|pair| line(&pair[0]) != line(&pair[1]));
        let text = |counts: &BTreeSet<usize>| match (counts.first(), counts.last()) {
            (Some(a), Some(b)) if a != b => format!("{a} to {b} seeds"),
            (Some(1), _) => "1 seed".to_owned(),
            (Some(a), _) => format!("{a} seeds"),
            _ => String::new(),
        };
        if let Some(panel) = self.panels.iter().find(|panel| differs(panel)) {
            let mut each: BTreeMap<BTreeSet<usize>, Vec<&str>> = BTreeMap::new();
            panel.series.iter().for_each(|s| each.entry(line(s)).or_default().push(&self.names[s.name]));
            let each: Vec<String> =
                each.iter().map(|(count, names)| format!("{}: {}", text(count), names.join("; "))).collect();
            return Some(each.join(". ") + ".");
        }
        // The same for all lines, but not at all places.
        let mut at: Vec<(f64, usize)> = points_of(&self.panels).map(|p| (p.x, p.count)).collect();
        at.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        at.dedup();
        if self.continuous || at.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return None;
        }
        let mut places: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        at.iter().for_each(|(x, count)| places.entry(*count).or_default().push(short(*x)));
        let most = *places.iter().max_by_key(|(_, xs)| xs.len())?.0;
        let others = places.iter().filter(|(count, _)| **count != most);
        let others: Vec<String> = others.map(|(count, xs)| format!("{count} at {}", xs.join(", "))).collect();
        (!others.is_empty()).then(|| format!("Seeds: {}, elsewhere {most}.", others.join("; ")))
    }

    /// Groups of two and more lines, of which every two are the `same` in all of `panels` that have both.
    fn groups(&self, panels: &[Panel], same: impl Fn(&Panel, &Series, &Series) -> bool) -> Vec<Vec<usize>> {
        let coincide = |one: usize, other: usize| {
            let both = |p: &Panel| {
                let find = |name| p.series.iter().find(|s| s.name == name);
                Some(same(p, find(one)?, find(other)?))
            };
            let same: Vec<bool> = panels.iter().filter_map(both).collect();
            !same.is_empty() && same.into_iter().all(|same| same)
        };
        let mut groups: Vec<Vec<usize>> = vec![];
        for name in 0..self.names.len() {
            let mut joined = false;
            for group in groups.iter_mut().filter(|group| group.iter().all(|member| coincide(*member, name))) {
                group.push(name);
                joined = true;
            }
            if !joined {
                groups.push(vec![name]);
            }
        }
        groups.retain(|group| group.len() > 1);
        groups
    }

    /// Whether the points of two lines lie on top of each other: the later line hides the earlier one.
    fn is_close(&self, panel: &Panel, one: &Series, other: &Series) -> bool {
        let h = self.axes().1;
        let near = |(a, b): (&Point, &Point)| {
            let off = [a, b].map(|p| self.x.is_off(p.x) || panel.y.is_off(p.y));
            let heights = [(a.y, b.y), (a.low, b.low), (a.high, b.high)];
            let same = |(a, b): (f64, f64)| a == b || (panel.y.place(a) - panel.y.place(b)).abs() * h < LINE;
            a.x == b.x && off[0] == off[1] && (off[0] || heights.into_iter().all(same))
        };
        one.points.len() == other.points.len() && one.points.iter().zip(&other.points).all(near)
    }
}

/// The unfinished runs that a chart of training steps shows: the name of each line, and how far its run is.
fn unfinished(lines: &Lines, results: &Results) -> Vec<String> {
    let drawn = results.unfinished_drawn().filter(|run| matches(&run.settings, &lines.filter));
    let drawn = drawn.filter(|_| lines.source == Source::Steps);
    drawn
        .map(|run| match names::named(results, &run.settings, &lines.series) {
            name if name.is_empty() => run.progress(),
            name => format!("{name}: {}", run.progress()),
        })
        .collect()
}

/// The points of all panels.
fn points_of(panels: &[Panel]) -> impl Iterator<Item = &Point> {
    panels.iter().flat_map(|p| &p.series).flat_map(|s| &s.points)
}

/// Whether two lines have the same points.
fn identical(_: &Panel, one: &Series, other: &Series) -> bool {
    one.points == other.points
}

/// Whether these are short trainings of an experiment that has longer ones.
fn is_trial(results: &Results) -> bool {
    let definition = results.definition;
    definition.study == StudyKind::Training
        && results.profile == Profile::Quick
        && definition.profiles.contains_key(&Profile::Standard)
}
