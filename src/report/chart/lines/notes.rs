//! The notes below a line chart.

use std::collections::BTreeSet;

use crate::definition::{Lines, Profile, StudyKind};
use crate::report::results::Results;

use super::series::Point;
use super::{LineChart, Panel, published};

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
        let everywhere = self.coinciding(&self.panels);
        notes.extend(everywhere.iter().map(|group| format!("Identical wherever they are drawn: {}.", named(group))));
        for panel in self.panels.iter().filter(|_| !lines.panels.is_empty()) {
            let title = panel.title.as_deref().unwrap_or_default();
            let own = self.coinciding(std::slice::from_ref(panel));
            let own = own.iter().filter(|group| !everywhere.contains(group));
            notes.extend(own.map(|group| format!("Identical in the panel \"{title}\": {}.", named(group))));
        }
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

    /// Groups of two and more lines, each of which has the points of every other one in all of `panels` that have both.
    fn coinciding(&self, panels: &[Panel]) -> Vec<Vec<usize>> {
        let coincide = |one: usize, other: usize| {
            let both = |p: &Panel| {
                let find = |name| p.series.iter().position(|s| s.name == name);
                let (a, b) = (find(one)?, find(other)?);
                Some(p.series[a].points == p.series[b].points)
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
}

/// Whether these are short trainings of an experiment that has longer ones.
fn is_trial(results: &Results) -> bool {
    let definition = results.definition;
    definition.study == StudyKind::Training
        && results.profile == Profile::Quick
        && definition.profiles.contains_key(&Profile::Standard)
}
