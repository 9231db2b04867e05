//! Ids of experiments: their form, and ids that would collide with files of the program or sections of the report.

use super::{CHOICES, NOT_RUN, OUTLINE, Profile, SCHEMA};

/// Most characters of the id of an experiment.
const MOST: usize = 100;

/// Files beside the definitions. A file of this name is not read as a definition, whatever its folder.
pub(super) const BESIDE: [&str; 4] = [SCHEMA, NOT_RUN, OUTLINE, CHOICES];

/// Start of the names of the tables with the verdicts of all experiments.
const SUMMARY: &str = "summary";

/// Anchors of the report that belong to no experiment.
const ANCHORS: [&str; 5] = ["top", "findings", "methods", "peer", "changed-rules"];

/// Whether a text has the form of the id of an experiment or a figure.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Returns what was found and what is allowed if an experiment cannot have this id.
pub fn id_fault(id: &str) -> Option<String> {
    let length = id.chars().count();
    if !is_name(id) || length > MOST {
        let found = match length {
            ..=MOST => format!("`{id}`"),
            _ => format!("`{}...` ({length} characters)", id.chars().take(MOST).collect::<String>()),
        };
        return Some(format!("{found}; allowed: at most {MOST} lower-case letters, digits and `-`"));
    }
    taken(id).map(|why| format!("`{id}`: {why}; choose another id"))
}

/// Returns what else has this id, or an anchor or table that an experiment with this id would have.
fn taken(id: &str) -> Option<String> {
    if BESIDE.iter().any(|file| file.strip_suffix(".json") == Some(id)) {
        return Some(format!("no command reads a file {id}.json as a definition"));
    }
    if id == SUMMARY {
        return Some(format!("tables/{id}.<profile>.csv contains the verdicts of all experiments"));
    }
    if ANCHORS.contains(&id) {
        return Some("the report has another section with this anchor".to_owned());
    }
    let of_profile = |profile: Profile| ["", "-computed"].map(|end| format!("-{}{end}", profile.name()));
    let end = Profile::ALL.into_iter().flat_map(of_profile).find(|end| id.ends_with(end.as_str()))?;
    Some(format!("anchors that end in `{end}` belong to the results of a profile in the report"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_other_files_and_sections_are_refused_with_the_reason() {
        for id in ["a", "anode-grad", "quick", "paper", "summary-2", "finding", "a-quick-b", "story"] {
            assert_eq!(id_fault(id), None, "{id}");
        }
        for (id, why) in [
            ("outline", "outline.json"),
            ("choices", "choices.json"),
            ("not-run", "not-run.json"),
            ("schema", "schema.json"),
            ("summary", "tables/summary.<profile>.csv"),
            ("findings", "another section"),
            ("changed-rules", "another section"),
            ("a-quick", "`-quick`"),
            ("a-standard", "`-standard`"),
            ("a-paper", "`-paper`"),
            ("a-quick-computed", "`-quick-computed`"),
        ] {
            let found = id_fault(id).expect(id);
            assert!(found.starts_with(&format!("`{id}`: ")) && found.contains(why), "{found}");
        }
    }

    #[test]
    fn an_id_has_a_form_and_a_length() {
        for id in ["", "A", "a b", "../x", "a.b", "ü"] {
            let allowed = "allowed: at most 100 lower-case letters, digits and `-`";
            assert_eq!(id_fault(id), Some(format!("`{id}`; {allowed}")));
        }
        assert_eq!(id_fault(&"a".repeat(MOST)), None);
        let found = id_fault(&"a".repeat(1000)).expect("too long");
        assert!(found.contains("(1000 characters)") && found.len() < 200, "{found}");
    }
}
