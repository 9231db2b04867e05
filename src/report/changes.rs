//! Rules that were changed after first results: in the section of an experiment, and all of them in a table.

use crate::definition::{Decision, Definition, RuleChange};

use super::document::{Cell, Piece};
use super::summary::ExperimentSummary;
use super::verdict::Verdict;

/// The heading of the table, and its anchor.
pub const CHANGES: (&str, &str) = ("Rules that were changed after first results", "changed-rules");

fn word(decision: Decision) -> &'static str {
    Verdict::from(decision).word()
}

/// The changes of one rule.
pub fn of(definition: &Definition) -> Vec<Piece> {
    let changes = &definition.expectation.changes;
    let one = |change: &RuleChange| {
        let before = change.before.map_or_else(String::new, |d| format!(" The verdict before was {}.", word(d)));
        format!("{}: {}{before}", change.date, change.change)
    };
    let lead = Piece::Paragraph("Changes of the rule after first results:".into(), String::new());
    if changes.is_empty() { vec![] } else { vec![lead, Piece::List(changes.iter().map(one).collect())] }
}

/// The changes of all rules, with the verdicts before and now. `answered` has the line of each experiment under its
/// largest profile.
pub fn table(definitions: &[Definition], answered: &[&ExperimentSummary]) -> Vec<Piece> {
    let row = |definition: &Definition| {
        let now =
            answered.iter().find(|line| line.told.id == definition.id).map_or("not run", |line| &line.told.verdict);
        let one = |change: &RuleChange| {
            vec![
                Cell::Link(definition.id.clone(), definition.id.clone()),
                Cell::Text(change.date.clone()),
                Cell::Text(change.change.clone()),
                change.before.map_or_else(|| Cell::Text("–".into()), |d| Cell::Verdict(word(d).into())),
                Cell::Verdict(now.to_owned()),
            ]
        };
        definition.expectation.changes.iter().map(one).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<Cell>> = definitions.iter().flat_map(row).collect();
    if rows.is_empty() {
        return vec![];
    }
    let changed = definitions.iter().filter(|d| !d.expectation.changes.is_empty()).count();
    let text = format!(
        "The rules of {changed} of {} experiments, or how they are evaluated, were changed after first results were \
         seen. A reader who accepts no such change uses the verdict before the first one.",
        definitions.len()
    );
    let head = ["Experiment", "Date", "Change", "Verdict before", "Verdict now"].map(str::to_owned).to_vec();
    vec![
        Piece::Heading(2, CHANGES.0.into(), CHANGES.1.into()),
        Piece::Paragraph(String::new(), text),
        Piece::Table(String::new(), head, rows),
        Piece::Up,
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::report::markdown::markdown;

    fn definition(changes: Value) -> Definition {
        serde_json::from_value(json!({
            "id": "a", "title": "T", "paper": "anode", "analysis": "A", "study": "training", "grid": [{}], "seeds": [0],
            "claim": { "text": "C", "source": "S" }, "profiles": { "quick": {} }, "metrics": [], "figures": [],
            "expectation": { "text": "E", "checks": [], "changes": changes }
        }))
        .unwrap()
    }

    #[test]
    fn changes_are_listed_in_their_section_and_in_one_table_with_the_verdicts() {
        let changed = definition(json!([
            { "date": "2026-11-27", "change": "The limit was 1.", "before": "contradicted" },
            { "date": "2026-11-28", "change": "The limit was 2." }
        ]));
        let section = markdown(&of(&changed));
        assert!(section.contains("2026-11-27: The limit was 1. The verdict before was contradicted."), "{section}");
        assert!(section.contains("- 2026-11-28: The limit was 2.\n"), "{section}");
        let table = markdown(&table(&[changed, definition(json!([]))], &[]));
        assert!(table.contains("The rules of 1 of 2 experiments"), "{table}");
        let row = "| [a](#a) | 2026-11-27 | The limit was 1. | ✗ contradicted | – not run |";
        assert!(table.contains(row), "{table}");
    }

    #[test]
    fn rules_that_stayed_as_they_were_need_no_words() {
        let definition = definition(json!([]));
        assert!(of(&definition).is_empty() && table(&[definition], &[]).is_empty());
    }
}
