//! Charts by plotters as SVG, and as PNG from the same SVG.

mod canvas;
mod compact;
mod dashes;
mod images;
mod lines;
mod png;
mod raster;
mod reversed;
mod scale;
mod schedules;
mod story;
mod style;
mod text;
mod theme;

use std::path::{Path, PathBuf};

use crate::definition::{Figure, FigureKind, Outline, Source};
use crate::gradient::Method;

use super::ReportError;
use super::results::{Results, RunResult};
use canvas::to_svg;
use raster::to_png;
pub use reversed::ReversedBlock;
pub use theme::{dark_rules, plain};

/// A chart, drawn.
pub struct Chart {
    /// Path of the SVG file.
    pub path: PathBuf,
    /// The SVG's text.
    pub text: String,
    /// Description of the chart for readers who do not see it.
    pub description: String,
    /// The same in pieces, for a page that sets them itself; `None` for a chart that stays in one.
    pub pieces: Option<Pieces>,
}

impl Chart {
    /// The chart as a PNG file.
    ///
    /// # Errors
    /// The renderer's own.
    pub fn png(&self) -> Result<Vec<u8>, ReportError> {
        to_png(&self.text)
    }
}

/// A chart in pieces that a page can set beside or below each other.
#[derive(Clone, Debug)]
pub struct Pieces {
    /// Title.
    pub title: String,
    /// Profile, seeds, and what a point is.
    pub subtitle: String,
    /// Notes below.
    pub notes: Vec<String>,
    /// The panels, each an SVG.
    pub panels: Vec<String>,
    /// The legend, an SVG, if the panels do not have their own.
    pub legend: Option<String>,
}

/// A checkpoint schedule as SVG.
///
/// # Errors
/// The backend's own.
pub fn schedule_svg(method: Method, steps: usize) -> Result<String, ReportError> {
    to_svg(&schedules::ScheduleChart::new(format!("{}, {steps} steps", schedules::called(method)), steps, [method]))
}

/// What comes back from the ODE blocks of a network for the first image of a batch, as SVG.
///
/// # Errors
/// The backend's own.
pub fn reversal_svg(title: String, blocks: &[ReversedBlock]) -> Result<String, ReportError> {
    to_svg(&reversed::chart(title, blocks))
}

/// Whether a figure of the results' experiment shows images of a run.
pub fn shows_images(results: &Results, run: &RunResult) -> bool {
    let figures = results.definition.figures.iter();
    let mut drawn = figures.filter_map(|f| if let FigureKind::Images(images) = &f.draw { Some(images) } else { None });
    drawn.any(|images| images::shown_row(images, run).is_some())
}

/// Whether a figure shows logs of steps.
pub fn shows_steps(figure: &Figure) -> bool {
    matches!(&figure.draw, FigureKind::Lines(lines) if lines.source == Source::Steps)
}

/// Draws a figure for the file `<experiment>-<figure>.<profile>.svg` of a folder; `None` if there is too little to see:
/// no image, or a single place on the horizontal axis.
///
/// # Errors
/// The backend's own.
pub fn draw(figure: &Figure, results: &Results, folder: &Path) -> Result<Option<Chart>, ReportError> {
    let stem = format!("{}-{}.{}", results.definition.id, figure.id, results.profile.name());
    let path = folder.join(format!("{stem}.svg"));
    let chart = |text: String, description| Chart { path, text, description, pieces: None };
    Ok(match &figure.draw {
        FigureKind::Lines(lines) => {
            let drawn = lines::LineChart::new(figure, lines, results);
            if !drawn.is_worth_drawing() {
                return Ok(None);
            }
            let whole = chart(to_svg(&drawn)?, drawn.description());
            Some(Chart { pieces: Some(pieces(&drawn)?), ..whole })
        }
        FigureKind::Images(images) => {
            let drawn = images::ImageChart::new(figure, images, results);
            if !drawn.is_worth_drawing() {
                return Ok(None);
            }
            Some(chart(to_svg(&drawn)?, drawn.description()))
        }
        FigureKind::Schedules(schedules) => {
            let methods = schedules.methods.iter().filter_map(|name| name.as_str().parse().ok());
            let drawn = schedules::ScheduleChart::new(figure.title.clone(), schedules.steps, methods);
            Some(chart(to_svg(&drawn)?, drawn.description()))
        }
    })
}

pub use story::Panels;

/// Stem of the files of the figure that opens the report.
pub const STORY: &str = "story";

/// Draws the figure that opens the report; `None` without one in the outline, or without records.
///
/// # Errors
/// The backend's own.
pub fn story(outline: &Outline, panels: Panels, folder: &Path) -> Result<Option<Chart>, ReportError> {
    let Some(drawn) = story::StoryChart::new(outline, panels) else { return Ok(None) };
    let text = to_svg(&drawn)?;
    let pieces = Pieces {
        title: drawn.title().to_owned(),
        subtitle: String::new(),
        notes: vec![],
        panels: drawn.parts().map(|cell| to_svg(&cell)).collect::<Result<_, _>>()?,
        legend: None,
    };
    let (path, description) = (folder.join(format!("{STORY}.svg")), drawn.description());
    Ok(Some(Chart { path, text, description, pieces: Some(pieces) }))
}

fn pieces(chart: &lines::LineChart) -> Result<Pieces, ReportError> {
    let (title, subtitle, notes) = chart.words();
    Ok(Pieces {
        title: title.to_owned(),
        subtitle: subtitle.to_owned(),
        notes: notes.to_vec(),
        panels: chart.parts().map(|panel| to_svg(&panel)).collect::<Result<_, _>>()?,
        legend: chart.own_legend().map(|legend| to_svg(&legend)).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value};

    use crate::definition::{Definition, Outline, Profile, StoryPanel, all_labels, load_all, load_outline};
    use crate::report::results::RecordSource;
    use crate::report::{Contents, Inputs};

    /// No input can be read, so that every record with a fitting id counts.
    #[derive(Debug)]
    struct NoInputs;

    impl Inputs for NoInputs {
        fn digests(&self, _: &Definition, _: &Map<String, Value>, _: bool) -> Option<Map<String, Value>> {
            None
        }
    }

    /// Names that are no words of English: a reader must not meet them.
    fn raw(name: &str) -> bool {
        let abbreviations =
            ["euler", "heun", "relu", "rk", "ode", "sqnxt", "alexnet", "rda", "f32", "f64", "dtype", "vjps"];
        // `reverse-time` is also what a sentence calls that gradient.
        (name.contains(['_', '.', '-', ':']) && name != "reverse-time") || abbreviations.contains(&name)
    }

    #[test]
    fn no_chart_of_the_papers_shows_a_raw_name_or_more_than_six_lines_in_a_panel() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (loaded, faults) = load_all(&root.join("experiments"));
        assert!(faults.is_empty(), "{faults:?}");
        let labels = all_labels();
        let raw: Vec<&str> =
            labels.iter().map(|(column, value, _)| value.unwrap_or(column)).filter(|n| raw(n)).collect();
        let mut seen = 0;
        let definitions: Vec<Definition> = loaded.into_iter().map(|one| one.definition).collect();
        let contents = Contents {
            experiments: &definitions,
            not_run: &[],
            outline: &Outline::default(),
            results: &root.join("results"),
            output: &root.join("results"),
            figures: &root.join("figures"),
            others: &[],
            whole: true,
            inputs: &NoInputs,
            device: None,
        };
        for definition in &definitions {
            for profile in [Profile::Standard, Profile::Quick] {
                let results = Results::read(definition, profile, contents, RecordSource::Archives).unwrap();
                if results.runs.is_empty() {
                    continue;
                }
                for figure in &definition.figures {
                    let (texts, most) = match &figure.draw {
                        FigureKind::Lines(lines) => {
                            let chart = lines::LineChart::new(figure, lines, &results);
                            (chart.texts(), chart.most_series())
                        }
                        FigureKind::Images(images) => (images::ImageChart::new(figure, images, &results).texts(), 0),
                        FigureKind::Schedules(drawn) => {
                            let methods = drawn.methods.iter().filter_map(|name| name.as_str().parse().ok());
                            (schedules::ScheduleChart::new(figure.title.clone(), drawn.steps, methods).texts(), 0)
                        }
                    };
                    let at = format!("{}-{} {}", definition.id, figure.id, profile.name());
                    assert!(most <= lines::MOST_SERIES, "{at}: {most} lines in a panel");
                    for text in &texts {
                        let word = |w: &str| w.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
                        let found = text.split_whitespace().map(word).find(|w| raw.contains(&w.as_str()));
                        assert!(found.is_none(), "{at}: `{}` in `{text}`", found.unwrap_or_default());
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen > 100, "{seen} texts");
        let outline = load_outline(&root.join("experiments")).unwrap();
        let panels = || outline.story.iter().flat_map(|story| &story.panels).flat_map(StoryPanel::choices);
        for panel in panels() {
            let own = definitions.iter().find(|d| d.id == panel.experiment).expect(&panel.experiment);
            let figure = own.figures.iter().find(|f| f.id == panel.figure).expect(&panel.figure);
            assert!(matches!(figure.draw, FigureKind::Lines(_)), "{}", panel.title);
        }
        let mut drawn = Panels::default();
        for own in definitions.iter().filter(|d| panels().any(|panel| panel.experiment == d.id)) {
            for profile in Profile::ALL.into_iter().rev() {
                drawn.add(&outline, &Results::read(own, profile, contents, RecordSource::Archives).unwrap());
            }
        }
        let drawn = story::StoryChart::new(&outline, drawn).unwrap();
        assert_eq!(drawn.cells().len(), 4, "each panel has records");
        for cell in drawn.cells() {
            assert!((1..=lines::MOST_SERIES).contains(&cell.series()));
            let texts = cell.texts().join(" ");
            assert!(!raw.iter().any(|name| texts.split_whitespace().any(|word| word == *name)), "{texts}");
        }
    }
}
