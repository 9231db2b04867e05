//! The findings at the top of the report: sentences whose numbers come from the records.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::definition::{Definition, Filter, Finding, Format, Outline, Profile, Quantity, Source, Take};
use crate::record::{Row, cell as shown_cell, row};

use super::document::{Entry, Piece};
use super::results::{Results, as_number, fixed, is_empty, matches, short};
use super::seeds::CONFIDENCE;
use super::statistics::{mean, mean_interval, median};

/// Anchor of the section.
pub const ANCHOR: &str = "findings";

/// The table of [`origins`], among the report's tables.
pub const TABLE: &str = "findings.csv";

/// Values that [`origins`] lists; of more, their number.
const MOST_VALUES: usize = 60;

/// The short answers that open the report, each a paragraph. Answers whose experiments have no records are left out.
pub fn answers(outline: &Outline, numbers: &Numbers) -> Vec<Piece> {
    let one = |(at, answer): (String, &Finding)| {
        Some(Piece::Paragraph(answer.topic.clone(), filled(answer, &at, numbers).ok()?))
    };
    outline.sentences().take(outline.answers.len()).filter_map(one).collect()
}

/// The numbers of an outline's sentences, taken from the results of one experiment and profile after another.
#[derive(Default)]
pub struct Numbers(HashMap<(String, String), Result<Printed, String>>);

/// A number of a sentence.
#[derive(Clone)]
struct Printed {
    text: String,
    profile: Profile,
    /// The numbers that were reduced to it, each with its seed: cells of rows, means over steps, or differences.
    values: Vec<(String, f64)>,
}

impl Numbers {
    /// Takes the numbers that results have. Of several profiles of an experiment, the largest comes first.
    pub fn add(&mut self, outline: &Outline, results: &Results) {
        let fits = |finding: &Finding| finding.profile.is_none_or(|profile| profile == results.profile);
        if results.runs.is_empty() {
            return;
        }
        for (at, finding) in outline.sentences().filter(|(_, finding)| fits(finding)) {
            for (name, quantity) in finding.quantities.iter().filter(|(_, q)| q.experiment == results.definition.id) {
                let number = self.0.entry((at.clone(), name.clone()));
                number.or_insert_with(|| printed(quantity, finding.profile, &[results]));
            }
        }
    }
}

/// The section. Findings whose experiments have no records yet are named in a paragraph at its end. Those of
/// `experiments` have sections, to which the findings link.
pub fn findings(outline: &Outline, numbers: &Numbers, experiments: &[Definition]) -> Vec<Piece> {
    if outline.findings.is_empty() {
        return vec![];
    }
    let (mut entries, mut open) = (vec![], vec![]);
    for (at, finding) in outline.sentences().skip(outline.answers.len()) {
        match filled(finding, &at, numbers) {
            Ok(text) => {
                let anchor = |id: &String| experiments.iter().any(|one| one.id == *id).then(|| id.clone());
                let links = finding.see.iter().map(|id| (id.clone(), anchor(id))).collect();
                entries.push(Entry { lead: finding.topic.clone(), text, links });
            }
            Err(why) => open.push(format!("{} ({why})", finding.topic)),
        }
    }
    let mut pieces = vec![Piece::Heading(2, "Findings".into(), ANCHOR.into())];
    if !entries.is_empty() {
        pieces.push(Piece::Entries(entries));
        // Without numbers there is no table.
        if !origins(outline, numbers).is_empty() {
            let (text, table) = ("The rows behind each number of these sentences:", format!("tables/{TABLE}"));
            pieces.push(Piece::Reference(text.into(), table.clone(), table));
        }
    }
    if !open.is_empty() {
        pieces.push(Piece::Paragraph("Not run yet:".into(), format!("{}.", open.join("; "))));
    }
    pieces
}

/// Where each number of the sentences comes from, a row each: the experiment, the rows and the column, how they are
/// reduced, and the values of the seeds.
pub fn origins(outline: &Outline, numbers: &Numbers) -> Vec<Row> {
    let mut rows = vec![];
    for (at, finding) in outline.sentences() {
        for (name, quantity) in &finding.quantities {
            let Some(Ok(found)) = numbers.0.get(&(at.clone(), name.clone())) else { continue };
            let settings = serde_json::to_value(quantity).unwrap_or_default();
            let setting = |name: &str| match settings.get(name) {
                None | Some(Value::Null) => Value::Null,
                Some(Value::String(text)) => text.as_str().into(),
                Some(other) => other.to_string().into(),
            };
            let value =
                |(seed, x): &(String, f64)| if seed.is_empty() { x.to_string() } else { format!("{seed}: {x}") };
            let values = match found.values.len() {
                ..=MOST_VALUES => found.values.iter().map(value).collect::<Vec<_>>().join("; "),
                more => format!("{more} values"),
            };
            let mut origin = row([
                ("sentence", finding.topic.as_str().into()),
                ("name", name.as_str().into()),
                ("number", found.text.as_str().into()),
                ("experiment", quantity.experiment.as_str().into()),
                ("profile", found.profile.name().into()),
            ]);
            let told = ["source", "where", "column", "minus_column", "minus", "minus_gap", "take", "format"];
            origin.extend(told.map(|name| (name.to_owned(), setting(name))));
            origin.insert("values_by_seed".into(), values.into());
            rows.push(origin);
        }
    }
    rows
}

/// The sentence at a JSON path of the outline with its numbers.
fn filled(finding: &Finding, at: &str, numbers: &Numbers) -> Result<String, String> {
    let mut text = finding.text.clone();
    for (name, quantity) in &finding.quantities {
        let number = numbers.0.get(&(at.to_owned(), name.clone())).cloned();
        let number = number.unwrap_or_else(|| printed(quantity, finding.profile, &[]))?;
        text = text.replace(&format!("{{{name}}}"), &number.text);
    }
    Ok(text)
}

/// A quantity, from a profile, or from the largest that has records.
fn printed(quantity: &Quantity, profile: Option<Profile>, results: &[&Results]) -> Result<Printed, String> {
    let id = &quantity.experiment;
    let own = results.iter().filter(|r| r.definition.id == *id && profile.is_none_or(|p| p == r.profile));
    let largest = own.filter(|r| !r.runs.is_empty()).max_by_key(|r| r.profile);
    let largest = largest.ok_or_else(|| match profile {
        Some(profile) => format!("{id} has no records of the {} profile", profile.name()),
        None => format!("{id} has no records"),
    })?;
    let table = match quantity.source {
        Source::Rows => Cow::Borrowed(largest.rows()),
        Source::Steps => Cow::Owned(largest.steps()),
    };
    let absent = match largest.asked.saturating_sub(largest.runs.len()) {
        0 => format!("{id} has no such rows"),
        missing => format!("{id}: {missing} of {} planned runs are missing", largest.asked),
    };
    let of = |filter: &Filter| by_seed(quantity, filter, &table, &absent);
    let seeds = of(&quantity.filter)?;
    let values: Vec<(String, f64)> = match &quantity.minus {
        Some(filter) => {
            let mut gaps = differences(&seeds, &of(filter)?);
            if let Some(gap) = &quantity.minus_gap {
                let other = differences(&of(&gap.filter)?, &of(&gap.minus)?);
                gaps = gaps.into_iter().filter_map(|(s, gap)| other.get(&s).map(|other| (s, gap - other))).collect();
            }
            gaps.into_iter().collect()
        }
        None if quantity.source == Source::Steps => {
            seeds.iter().map(|(seed, cells)| (seed.clone(), mean(cells))).collect()
        }
        None => seeds.iter().flat_map(|(seed, cells)| cells.iter().map(|x| (seed.clone(), *x))).collect(),
    };
    let mut cells: Vec<f64> = values.iter().map(|(_, x)| *x).collect();
    if cells.is_empty() {
        return Err(format!("{id} has no seed in common"));
    }
    cells.sort_by(f64::total_cmp);
    let (n, format) = (cells.len(), |x: f64| shown(x, quantity.format));
    let mean = mean(&cells);
    let text = match quantity.take {
        Take::Min => format(cells[0]),
        Take::Max => format(cells[n - 1]),
        Take::Mean => format(mean),
        Take::Median => format(median(&cells)),
        Take::Range if format(cells[0]) == format(cells[n - 1]) => format(mean),
        Take::Range => format!("{} to {}", format(cells[0]), format(cells[n - 1])),
        Take::Interval => match mean_interval(&cells, CONFIDENCE) {
            Some(interval) => format!("{} ± {}", format(interval.mean), format(interval.half)),
            None => format(mean),
        },
        Take::Seeds if seeds.len() == 1 => "1 seed".into(),
        Take::Seeds => format!("{} seeds", seeds.len()),
        Take::AtLeast(least) => format!("{} of {n}", cells.iter().filter(|x| **x >= least).count()),
    };
    Ok(Printed { text, profile: largest.profile, values })
}

/// The differences of the means of each seed that both sides have.
fn differences(a: &BTreeMap<String, Vec<f64>>, b: &BTreeMap<String, Vec<f64>>) -> BTreeMap<String, f64> {
    a.iter().filter_map(|(seed, cells)| Some((seed.clone(), mean(cells) - mean(b.get(seed)?)))).collect()
}

/// The cells of the rows that fit a filter, by seed; `absent` where there are none.
fn by_seed(
    quantity: &Quantity,
    filter: &Filter,
    table: &[Row],
    absent: &str,
) -> Result<BTreeMap<String, Vec<f64>>, String> {
    let (id, column) = (&quantity.experiment, &quantity.column);
    let filled = |row: &&Row| quantity.source == Source::Rows || !is_empty(row.get(column));
    let rows: Vec<&Row> = table.iter().filter(|row| matches(row, filter)).filter(filled).collect();
    if rows.is_empty() {
        return Err(absent.to_owned());
    }
    let mut found: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in rows {
        let cell = |column: &str| as_number(row.get(column)).ok_or_else(|| format!("{id}: a row has no {column}"));
        let less = quantity.minus_column.as_deref().map_or(Ok(0.0), cell)?;
        let seed = row.get("seed").map(shown_cell).unwrap_or_default();
        found.entry(seed).or_default().push(cell(column)? - less);
    }
    Ok(found)
}

fn shown(x: f64, format: Format) -> String {
    match format {
        Format::Number => short(x),
        Format::Percent => fixed(100.0 * x, 1),
        Format::WholePercent => fixed(100.0 * x, 0),
        Format::Mebibytes => short(x / f64::from(1 << 20)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Map;

    use crate::definition::{NotRun, Wanted, load_all, load_not_run, load_outline};
    use crate::report::html::html;
    use crate::report::markdown::markdown;
    use crate::report::{Contents, Inputs, RecordSource};

    use super::*;

    /// A machine without data sets, such as a fresh clone.
    #[derive(Debug)]
    struct NoData;

    impl Inputs for NoData {
        fn digests(&self, _: &Definition, _: &Map<String, Value>, _: bool) -> Option<Map<String, Value>> {
            None
        }
    }

    fn committed() -> (Vec<Definition>, Vec<NotRun>, Outline) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
        let (loaded, faults) = load_all(&folder);
        assert!(faults.is_empty());
        let definitions = loaded.into_iter().map(|l| l.definition).collect();
        (definitions, load_not_run(&folder).unwrap(), load_outline(&folder).unwrap())
    }

    fn read<'a>(definition: &'a Definition, profile: Profile) -> Results<'a> {
        let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        let contents = Contents {
            experiments: &[],
            not_run: &[],
            outline: &Outline::default(),
            results: &results,
            output: &results,
            figures: &results,
            others: &[],
            whole: true,
            inputs: &NoData,
            device: None,
        };
        Results::read(definition, profile, contents, RecordSource::Archives).unwrap()
    }

    #[test]
    fn every_committed_finding_has_its_numbers_and_every_id_exists() {
        let (definitions, not_run, outline) = committed();
        let known = |id: &String| definitions.iter().any(|d| d.id == *id) || not_run.iter().any(|e| e.id == *id);
        let ids = outline.sentences().flat_map(|(_, f)| &f.see);
        for id in ids.chain(outline.chapters.iter().flat_map(|c| &c.experiments)).chain(outline.same_runs.keys()) {
            assert!(known(id), "{id}");
        }
        let own = definitions.iter().filter(|d| outline.mentions(&d.id));
        let results: Vec<Results> = own.flat_map(|d| Profile::ALL.map(|p| read(d, p))).collect();
        let mut numbers = Numbers::default();
        results.iter().rev().for_each(|results| numbers.add(&outline, results));
        let mut filled_in = 0;
        for (at, finding) in outline.sentences() {
            match filled(finding, &at, &numbers) {
                Ok(text) => assert!(!text.contains(['{', '}']), "{text}"),
                // Only records that are missing leave a finding out: other faults are those of the outline.
                Err(why) => {
                    let of = |r: &&Results| finding.quantities.values().any(|q| q.experiment == r.definition.id);
                    let missing = results.iter().filter(of).any(|r| !r.is_empty() && r.runs.len() < r.asked);
                    assert!(why.contains("has no records") || missing, "{}: {why}", finding.topic);
                    continue;
                }
            }
            filled_in += 1;
        }
        assert!(filled_in >= 5, "{filled_in} findings");
        // The gap at one step in finding 8, recomputed from its origin.
        let rows = origins(&outline, &numbers);
        let gap = rows.iter().find(|row| row["sentence"] == "Smaller gaps with more steps" && row["name"] == "one");
        let gap = gap.expect("the gap with one step");
        let values = gap["values_by_seed"].as_str().unwrap().split("; ").map(|text| text.split_once(": ").unwrap());
        let values: Vec<f64> = values.map(|(_, x)| x.parse().unwrap()).collect();
        let interval = mean_interval(&values, CONFIDENCE).unwrap();
        let format = |x: f64| shown(x, Format::Percent);
        assert_eq!(gap["number"], format!("{} ± {}", format(interval.mean), format(interval.half)));
        assert_eq!((&gap["experiment"], &gap["profile"]), (&"anode-reverse-steps".into(), &"standard".into()));
        assert!(gap["where"].as_str().unwrap().contains("\"steps\":1"), "{gap:?}");
    }

    #[test]
    fn a_number_that_is_missing_is_never_replaced_by_another() {
        let one = |value: i32| Wanted::One(value.into());
        let quantity = |column: &str| Quantity {
            experiment: "anode-schedules".into(),
            filter: [("snapshots".to_owned(), one(1)), ("Nt".to_owned(), one(2))].into(),
            source: Source::Rows,
            column: column.into(),
            minus_column: None,
            minus: None,
            minus_gap: None,
            take: Take::Max,
            format: Format::Number,
        };
        let (definitions, ..) = committed();
        let definition = definitions.iter().find(|d| d.id == "anode-schedules").unwrap();
        let found = read(definition, Profile::Standard);
        // One snapshot and two steps: the first step is replayed once.
        assert_eq!(printed(&quantity("least_plain_steps"), None, &[&found]).unwrap().text, "1");
        let failed = |column: &str, profile, results: &[&Results]| printed(&quantity(column), profile, results).err();
        assert!(failed("no_such_column", None, &[&found]).unwrap().contains("no_such_column"));
        let missing = |profile, results: &[&Results]| failed("least_plain_steps", profile, results).unwrap();
        assert!(missing(None, &[]).contains("no records"));
        assert!(missing(Some(Profile::Paper), &[&found]).contains("no records of the paper profile"));
    }

    #[test]
    fn findings_link_only_sections_and_tables_that_there_are() {
        let (definitions, ..) = committed();
        let finding = Finding {
            topic: "T".into(),
            text: "No number.".into(),
            profile: None,
            quantities: BTreeMap::new(),
            see: vec!["anode-grad".into(), "elsewhere".into()],
        };
        let outline = Outline { findings: vec![finding], ..Outline::default() };
        let pieces = findings(&outline, &Numbers::default(), &definitions);
        let (text, page) = (markdown(&pieces), html("A title", &pieces));
        assert!(text.contains("([anode-grad](#anode-grad), elsewhere)"), "{text}");
        assert!(page.contains("(<a href=\"#anode-grad\">anode-grad</a>, elsewhere)"), "{page}");
        assert!(!text.contains(TABLE) && !page.contains(TABLE), "{text}");
    }

    #[test]
    fn quantities_that_round_to_zero_have_no_minus_sign() {
        assert_eq!(shown(-0.0004, Format::Percent), "0.0");
        assert_eq!((shown(-0.004, Format::WholePercent), shown(-0.0, Format::Number)), ("0".into(), "0".into()));
        assert_eq!((shown(-0.0006, Format::Percent), shown(-0.0, Format::Mebibytes)), ("-0.1".into(), "0".into()));
    }
}
