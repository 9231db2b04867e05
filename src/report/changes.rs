//! Rules that were changed after first results: in the section of an experiment, and all of them in a table.

use crate::definition::{Decision, Definition, RuleChange};

use super::document::{Cell, Piece};
use super::summary::ExperimentSummary;
use super::verdict::Verdict;

/// The heading of the table, and its anchor.
const CHANGES: (&str, &str) = ("Rules that were changed after first results", "changed-rules");

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
    let text = format!(
        "{} A reader who accepts no such change uses the verdict before the first one.",
        overview(definitions, answered)
    );
    let head = ["Experiment", "Date", "Change", "Verdict before", "Verdict now"].map(str::to_owned).to_vec();
    vec![
        Piece::Heading(2, CHANGES.0.into(), CHANGES.1.into()),
        Piece::Paragraph(String::new(), text),
        Piece::Table(String::new(), head, rows),
        Piece::Up,
    ]
}

/// The overview with a link to the table, for the summary.
pub fn note(definitions: &[Definition], answered: &[&ExperimentSummary]) -> Option<Piece> {
    let (text, (words, anchor)) = (overview(definitions, answered), CHANGES);
    let link = || Piece::Reference(format!("{text} All changes:"), words.to_lowercase(), format!("#{anchor}"));
    (!text.is_empty()).then(link)
}

/// How many rules were changed, and what the verdicts were before their first change and are now. Empty without
/// changes.
fn overview(definitions: &[Definition], answered: &[&ExperimentSummary]) -> String {
    let changed: Vec<&Definition> = definitions.iter().filter(|d| !d.expectation.changes.is_empty()).collect();
    if changed.is_empty() {
        return String::new();
    }
    let first = |d: &Definition| d.expectation.changes.iter().find_map(|change| change.before).map(word);
    let now = |d: &Definition| {
        let line = answered.iter().find(|line| line.told.id == d.id);
        line.map_or(Verdict::NotRun.word(), |line| &line.told.verdict)
    };
    const WORDS: [Verdict; 4] = [Verdict::Confirmed, Verdict::Contradicted, Verdict::Inconclusive, Verdict::NotRun];
    let counted = |before: &str| -> Option<String> {
        let of: Vec<&str> = changed.iter().filter(|d| first(d) == Some(before)).map(|d| now(d)).collect();
        let counts = WORDS.map(|verdict| (of.iter().filter(|now| **now == verdict.word()).count(), verdict.word()));
        let counts: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, verdict)| format!("{n} {verdict}")).collect();
        (!of.is_empty()).then(|| format!("{} were {before} and are now: {}", of.len(), counts.join(", ")))
    };
    let moves: Vec<String> = WORDS.iter().filter_map(|verdict| counted(verdict.word())).collect();
    let moves =
        if moves.is_empty() { String::new() } else { format!(" Before their first change, {}.", moves.join("; ")) };
    format!(
        "The rules of {} of {} experiments, or how they are evaluated, were changed after first results were seen.\
         {moves}",
        changed.len(),
        definitions.len()
    )
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
        assert!(table.contains("Before their first change, 1 were contradicted and are now: 1 not run."), "{table}");
        let row = "| [a](#a) | 2026-11-27 | The limit was 1. | ✗ contradicted | – not run |";
        assert!(table.contains(row), "{table}");
    }

    #[test]
    fn rules_that_stayed_as_they_were_need_no_words() {
        let definition = definition(json!([]));
        assert!(of(&definition).is_empty() && table(&[definition], &[]).is_empty());
    }
}
