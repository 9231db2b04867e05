//! Where everything of a line chart stands.

use crate::report::chart::canvas::text_width;
use crate::report::chart::text::{shortened, wrapped};

use super::LineChart;

/// Space left of a panel: ticks and the axis's label.
pub const LEFT: f64 = 84.0;
/// Space below a panel: ticks and the axis's label.
pub const BELOW: f64 = 50.0;
/// Space above a panel: its title.
pub const ABOVE: f64 = 26.0;
/// Width of the strip for the paper's numbers, right of a panel.
pub const STRIP: f64 = 46.0;
/// Height of a line of the legend or of a note.
pub const LINE_HEIGHT: f64 = 17.0;
/// Size of the title.
pub const TITLE: f64 = 16.0;
/// Size of the subtitle.
pub const SMALL: f64 = 11.5;
/// Size of labels.
pub const NORMAL: f64 = 12.0;
/// Space at the sides of a chart.
pub const MARGIN: f64 = 16.0;
/// Widest entry of a legend.
const ENTRY: f64 = 540.0;

impl LineChart {
    pub(super) fn columns(&self) -> usize {
        match self.panels.len() {
            0 | 1 => 1,
            // Three beside each other have small letters on a page.
            _ => 2,
        }
    }

    /// Size of the axes of a panel.
    pub(super) fn axes(&self) -> (f64, f64) {
        // An only panel is drawn larger.
        if self.panels.len() <= 1 && !self.small { (600.0, 320.0) } else { (330.0, 250.0) }
    }

    pub(super) fn strip(&self) -> f64 {
        if self.panels.iter().any(|p| !p.published.is_empty()) { STRIP } else { 0.0 }
    }

    /// Lines of the legend below each panel.
    pub(super) fn panel_legend(&self) -> usize {
        if self.slopes { self.panels.iter().map(|p| p.series.len()).max().unwrap_or(0) } else { 0 }
    }

    /// Size of a panel with everything around it.
    pub(super) fn cell(&self) -> (f64, f64) {
        let (w, h) = self.axes();
        (LEFT + w + self.strip() + MARGIN, ABOVE + h + BELOW + self.panel_legend() as f64 * LINE_HEIGHT + 8.0)
    }

    pub(super) fn width(&self) -> f64 {
        (self.cell().0 * self.columns() as f64).max(520.0)
    }

    pub(super) fn title_lines(&self) -> Vec<String> {
        wrapped(&self.title, TITLE, self.width() - 2.0 * MARGIN, 3)
    }

    pub(super) fn subtitle_lines(&self) -> Vec<String> {
        wrapped(&self.subtitle, SMALL, self.width() - 2.0 * MARGIN, 2)
    }

    /// Height of title and subtitle.
    pub(super) fn head(&self) -> f64 {
        8.0 + 21.0 * self.title_lines().len() as f64 + 16.0 * self.subtitle_lines().len() as f64 + 8.0
    }

    pub(super) fn panel_rows(&self) -> usize {
        self.panels.len().max(1).div_ceil(self.columns())
    }

    /// The common legend: lines of entries, each with its text and its place.
    pub(super) fn legend(&self, width: f64) -> Vec<Vec<(usize, String, f64)>> {
        if self.slopes || self.names.iter().all(String::is_empty) {
            return vec![];
        }
        let mut lines: Vec<Vec<(usize, String, f64)>> = vec![vec![]];
        let mut x = 0.0;
        for i in self.drawn() {
            let name = shortened(&self.names[i], NORMAL, ENTRY.min(width - 44.0));
            let own = 46.0 + text_width(&name, NORMAL);
            if x > 0.0 && x + own > width {
                lines.push(vec![]);
                x = 0.0;
            }
            if let Some(line) = lines.last_mut() {
                line.push((i, name, x));
            }
            x += own;
        }
        lines
    }

    pub(super) fn note_lines(&self) -> Vec<String> {
        self.notes.iter().flat_map(|note| wrapped(note, 11.0, self.width() - LEFT - MARGIN, 3)).collect()
    }

    /// Width that the common legend has.
    pub(super) fn legend_width(&self) -> f64 {
        self.width() - LEFT - MARGIN
    }
}
