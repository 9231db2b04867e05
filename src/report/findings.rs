//! The findings at the top of the report: sentences whose numbers come from the records.

use crate::definition::{Finding, Format, Outline, Quantity, Take};
use crate::record::Row;

use super::document::{Entry, Piece};
use super::results::{Results, as_number, matches, short};
use super::seeds::CONFIDENCE;
use super::statistics::mean_interval;

/// Anchor of the section.
pub const ANCHOR: &str = "findings";

/// The section. A finding whose experiments have no records yet says so instead of its sentence.
pub fn findings(outline: &Outline, results: &[&Results]) -> Vec<Piece> {
    if outline.findings.is_empty() {
        return vec![];
    }
    let entry = |finding: &Finding| Entry {
        lead: finding.topic.clone(),
        text: filled(finding, results).unwrap_or_else(|why| format!("Not measured yet ({why}).")),
        links: finding.see.iter().map(|id| (id.clone(), id.clone())).collect(),
    };
    vec![
        Piece::Heading(2, "Findings".into(), ANCHOR.into()),
        Piece::Entries(outline.findings.iter().map(entry).collect()),
    ]
}

/// The sentence with its numbers.
fn filled(finding: &Finding, results: &[&Results]) -> Result<String, String> {
    let mut text = finding.text.clone();
    for (name, quantity) in &finding.quantities {
        text = text.replace(&format!("{{{name}}}"), &printed(quantity, results)?);
    }
    Ok(text)
}

/// A quantity as text, from the largest profile that has the rows.
fn printed(quantity: &Quantity, results: &[&Results]) -> Result<String, String> {
    let own = results.iter().filter(|r| r.definition.id == quantity.experiment && !r.runs.is_empty());
    let largest = own.max_by_key(|r| r.profile).ok_or_else(|| format!("{} has no records", quantity.experiment))?;
    let rows = largest.rows();
    let rows: Vec<&Row> = rows.iter().filter(|row| matches(row, &quantity.filter)).collect();
    let column = &quantity.column;
    if rows.is_empty() {
        return Err(format!("{} has no such rows", quantity.experiment));
    }
    let cells: Option<Vec<f64>> = rows.iter().map(|row| as_number(row.get(column))).collect();
    let mut cells = cells.ok_or_else(|| format!("{}: a row has no {column}", quantity.experiment))?;
    cells.sort_by(f64::total_cmp);
    let (n, format) = (cells.len(), |x: f64| shown(x, quantity.format));
    let mean = cells.iter().sum::<f64>() / n as f64;
    Ok(match quantity.take {
        Take::Min => format(cells[0]),
        Take::Max => format(cells[n - 1]),
        Take::Mean => format(mean),
        Take::Median => format((cells[(n - 1) / 2] + cells[n / 2]) / 2.0),
        Take::Range if format(cells[0]) == format(cells[n - 1]) => format(mean),
        Take::Range => format!("{} to {}", format(cells[0]), format(cells[n - 1])),
        Take::Interval => match mean_interval(&cells, CONFIDENCE) {
            Some(interval) => format!("{} ± {}", format(interval.mean), format(interval.half)),
            None => format(mean),
        },
        Take::AtLeast(least) => format!("{} of {n}", cells.iter().filter(|x| **x >= least).count()),
    })
}

fn shown(x: f64, format: Format) -> String {
    match format {
        Format::Number => short(x),
        Format::Percent => format!("{:.1}", 100.0 * x),
        Format::WholePercent => format!("{:.0}", 100.0 * x),
        Format::Mebibytes => short(x / f64::from(1 << 20)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Map, Value};

    use crate::definition::{Definition, NotRun, Profile, Wanted, load_all, load_not_run, load_outline};
    use crate::report::{Contents, From, Inputs};

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
            figures: &results,
            others: &[],
            inputs: &NoData,
            device: None,
        };
        Results::read(definition, profile, contents, From::Archives).unwrap()
    }

    #[test]
    fn every_committed_finding_has_its_numbers_and_every_id_exists() {
        let (definitions, not_run, outline) = committed();
        let known = |id: &String| definitions.iter().any(|d| d.id == *id) || not_run.iter().any(|e| e.id == *id);
        let ids = outline.findings.iter().flat_map(|f| &f.see);
        for id in ids.chain(outline.chapters.iter().flat_map(|c| &c.experiments)).chain(outline.same_runs.keys()) {
            assert!(known(id), "{id}");
        }
        let used: Vec<&str> =
            outline.findings.iter().flat_map(|f| f.quantities.values()).map(|q| &*q.experiment).collect();
        let own = definitions.iter().filter(|d| used.contains(&d.id.as_str()));
        let results: Vec<Results> = own.flat_map(|d| Profile::ALL.map(|p| read(d, p))).collect();
        for finding in &outline.findings {
            let text = filled(finding, &results.iter().collect::<Vec<_>>()).unwrap();
            assert!(!text.contains(['{', '}']), "{text}");
        }
    }

    #[test]
    fn a_number_that_is_missing_is_never_replaced_by_another() {
        let one = |value: i32| Wanted::One(value.into());
        let quantity = |column: &str| Quantity {
            experiment: "anode-schedules".into(),
            filter: [("snapshots".to_owned(), one(1)), ("Nt".to_owned(), one(2))].into(),
            column: column.into(),
            take: Take::Max,
            format: Format::Number,
        };
        let (definitions, ..) = committed();
        let definition = definitions.iter().find(|d| d.id == "anode-schedules").unwrap();
        let found = read(definition, Profile::Standard);
        // One snapshot and two steps: the first step is replayed once.
        assert_eq!(printed(&quantity("least_plain_steps"), &[&found]).unwrap(), "1");
        assert!(printed(&quantity("no_such_column"), &[&found]).unwrap_err().contains("no_such_column"));
        assert!(printed(&quantity("least_plain_steps"), &[]).unwrap_err().contains("no records"));
    }
}
