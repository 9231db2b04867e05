//! Which definitions a command is about.

use std::collections::BTreeSet;
use std::str::Chars;

use serde_json::{Map, Value};

use crate::definition::{Definition, Loaded, NotRun, Outline, load_all, load_not_run, load_outline};
use crate::plan::Run;

use super::arguments::Common;
use super::error::CliError;

/// All definitions.
///
/// # Errors
/// Any that is wrong; a missing folder.
pub fn all(common: &Common) -> Result<Vec<Loaded>, CliError> {
    let (loaded, faults) = load_all(&common.experiments);
    if !faults.is_empty() {
        return Err(CliError::Definitions(faults));
    }
    if loaded.is_empty() {
        return Err(CliError::Usage(format!("{}: no experiments in this folder", common.experiments.display())));
    }
    Ok(loaded)
}

/// The definitions whose id matches a pattern.
///
/// # Errors
/// None matches; see [`all`].
pub fn matching(common: &Common, pattern: Option<&str>) -> Result<Vec<Loaded>, CliError> {
    let mut loaded = all(common)?;
    let known = ids(&loaded);
    if let Some(pattern) = pattern {
        loaded.retain(|l| glob(pattern, &l.definition.id));
        if loaded.is_empty() {
            return Err(CliError::Usage(format!("no experiment matches `{pattern}`; there are {known}")));
        }
    }
    Ok(loaded)
}

/// The definitions with these ids.
///
/// # Errors
/// An id that is not there; see [`all`].
pub fn named(common: &Common, wanted: &[String]) -> Result<Vec<Loaded>, CliError> {
    let mut loaded = all(common)?;
    if let Some(missing) = wanted.iter().find(|id| loaded.iter().all(|l| l.definition.id != **id)) {
        return Err(CliError::Usage(format!("no experiment `{missing}`; there are {}", ids(&loaded))));
    }
    loaded.retain(|l| wanted.contains(&l.definition.id));
    Ok(loaded)
}

fn ids(loaded: &[Loaded]) -> String {
    loaded.iter().map(|l| l.definition.id.as_str()).collect::<Vec<_>>().join(", ")
}

/// Experiments of the papers without results, of those that match a pattern.
///
/// # Errors
/// The file is malformed.
pub fn not_run(common: &Common, pattern: Option<&str>) -> Result<Vec<NotRun>, CliError> {
    let mut entries = load_not_run(&common.experiments).map_err(|fault| CliError::Definitions(vec![fault]))?;
    entries.retain(|e| pattern.is_none_or(|p| glob(p, &e.id)));
    Ok(entries)
}

/// The outline of the report.
///
/// # Errors
/// The file is malformed.
pub fn outline(common: &Common) -> Result<Outline, CliError> {
    load_outline(&common.experiments).map_err(|fault| CliError::Definitions(vec![fault]))
}

/// The definitions without their files.
pub fn definitions(loaded: &[Loaded]) -> Vec<Definition> {
    loaded.iter().map(|l| l.definition.clone()).collect()
}

/// The runs with one setting, written `NAME=VALUE`; `seed` counts as a setting. `known` gives a run's settings and seed.
///
/// # Errors
/// Something else than `NAME=VALUE`; a setting that no run has, or a value.
pub fn only_where<R>(
    runs: Vec<R>,
    condition: &str,
    known: impl Fn(&R) -> (&Map<String, Value>, u64),
) -> Result<Vec<R>, CliError> {
    let usage = |why: String| CliError::Usage(format!("--where {condition}: {why}"));
    let (name, value) = condition.split_once('=').ok_or_else(|| usage("allowed: NAME=VALUE".into()))?;
    let of = |run: &R| match (known(run).0.get(name), known(run).1) {
        (_, seed) if name == "seed" => Some(seed.to_string()),
        (Some(Value::String(text)), _) => Some(text.clone()),
        (other, _) => other.map(Value::to_string),
    };
    let found: BTreeSet<String> = runs.iter().filter_map(of).collect();
    if found.contains(value) || runs.is_empty() {
        return Ok(runs.into_iter().filter(|run| of(run).as_deref() == Some(value)).collect());
    }
    if found.is_empty() {
        let names: BTreeSet<&str> = runs.iter().flat_map(|run| known(run).0.keys().map(String::as_str)).collect();
        return Err(usage(format!(
            "no such setting; there are seed, {}",
            names.into_iter().collect::<Vec<_>>().join(", ")
        )));
    }
    Err(usage(format!("no run has it; there are {}", found.into_iter().collect::<Vec<_>>().join(", "))))
}

/// The experiments whose runs are computed on another device than the one that was asked for, in a sentence.
pub fn elsewhere(runs: &[Run], device: &str) -> Option<String> {
    let others: BTreeSet<&str> = runs.iter().filter(|r| r.device != device).map(|r| r.experiment.as_str()).collect();
    let names = others.into_iter().collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then(|| format!("computed on the CPU whatever the device, and recorded so: {names}"))
}

/// Whether `text` matches `pattern`, in which `*` stands for any characters and `?` for one. Takes at most the product
/// of their lengths, whatever the pattern.
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut text = text.chars();
    let mut parts = pattern.split('*');
    // What stands before the first `*` begins the text.
    let first = parts.next().unwrap_or_default();
    let mut rest: Vec<&str> = parts.collect();
    let Some(last) = rest.pop() else { return text.clone().count() == first.chars().count() && starts(&text, first) };
    if !starts(&text, first) {
        return false;
    }
    skip(&mut text, first.chars().count());
    // Each part between two `*` is taken where it is found first: that leaves the most text for the parts behind it.
    for part in rest {
        while !starts(&text, part) {
            if text.next().is_none() {
                return false;
            }
        }
        skip(&mut text, part.chars().count());
    }
    // What stands behind the last `*` ends the text.
    let (left, wanted) = (text.clone().count(), last.chars().count());
    if left < wanted {
        return false;
    }
    skip(&mut text, left - wanted);
    starts(&text, last)
}

/// Whether a text begins with characters, of which `?` stands for any.
fn starts(text: &Chars, characters: &str) -> bool {
    let mut text = text.clone();
    characters.chars().all(|wanted| text.next().is_some_and(|c| wanted == '?' || wanted == c))
}

fn skip(text: &mut Chars, count: usize) {
    if let Some(last) = count.checked_sub(1) {
        text.nth(last);
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs_match_whole_ids() {
        for (pattern, text, expected) in [
            ("anode-*", "anode-grad", true),
            ("*grad", "anode-grad", true),
            ("anode-?rad", "anode-grad", true),
            ("anode", "anode-grad", false),
            ("*", "", true),
            ("?", "", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*a", "a", false),
            ("*ab*", "aab", true),
            ("*?b", "ab", true),
            ("**", "", true),
            ("", "", true),
            ("", "a", false),
            ("\u{e4}*\u{f6}?", "\u{e4}\u{f6}\u{f6}\u{fc}", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_matched_without_trying_all_ways() {
        let text = "a".repeat(5_000);
        assert!(!glob(&("a*".repeat(1_000) + "b"), &text));
        assert!(glob(&("a*".repeat(1_000) + "a"), &text));
        assert!(!glob(&("*a?".repeat(1_000) + "*b*"), &text));
    }

    /// The definition of a match, tried in all ways.
    fn plain(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|n| plain(rest, &text[n..])),
            ([p, rest @ ..], [c, more @ ..]) => (*p == b'?' || p == c) && plain(rest, more),
            _ => false,
        }
    }

    proptest::proptest! {
        #[test]
        fn a_match_is_what_the_definition_says(pattern in "[ab?*]{0,7}", text in "[ab]{0,7}") {
            proptest::prop_assert_eq!(glob(&pattern, &text), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
