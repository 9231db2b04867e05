//! The notes below a line chart.

use std::collections::BTreeSet;

use crate::definition::{Lines, Profile, StudyKind};
use crate::report::chart::canvas::LINE;
use crate::report::results::Results;

use super::series::Point;
use super::{LineChart, Panel, Series, published};

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
        notes.extend(
            close.map(|group| format!("Closer than a line is wide wherever they are drawn: {}.", named(group))),
        );
        notes.extend(self.unplaced().into_iter().map(|label| format!("Dotted horizontal line: {label}.")));
        if lines.theory.is_some() {
            notes.push("Thin lines: theory.".into());
        }
        notes.extend(published::notes(lines, &self.panels));
        if is_trial(results) {
            notes.push("The quick profile only tests that the training runs. These values decide nothing.".into());
        }
        notes
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
            a.x == b.x && off[0] == off[1] && (off[0] || (panel.y.place(a.y) - panel.y.place(b.y)).abs() * h < LINE)
        };
        one.points.len() == other.points.len() && one.points.iter().zip(&other.points).all(near)
    }
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
