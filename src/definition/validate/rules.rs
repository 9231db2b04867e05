//! Faults of what an experiment expects: its checks, its requirements and the changes of its rule.

use super::Faults;
use crate::definition::{Check, Expectation, Need, Requirement, Rule, RuleChange, SourceTag};

/// Faults of what an experiment expects.
pub(super) fn expectation(expectation: &Expectation, faults: &mut Faults) {
    checks(&expectation.checks, faults);
    requires(&expectation.requires, faults);
    changes(&expectation.changes, faults);
}

fn checks(checks: &[Check], faults: &mut Faults) {
    if checks.is_empty() {
        faults.add("expectation.checks", "empty; a claim needs at least one check");
    }
    for (i, check) in checks.iter().enumerate() {
        let at = format!("expectation.checks[{i}].rule");
        match &check.rule {
            Rule::Within { min: None, max: None, .. } | Rule::Share { min: None, max: None, .. } => {
                faults.add(at, "neither `min` nor `max`; name at least one")
            }
            Rule::Within { min: Some(min), max: Some(max), .. }
            | Rule::Share { min: Some(min), max: Some(max), .. }
            | Rule::Slope { min, max, .. }
                if min > max =>
            {
                faults.add(at, format!("min {min} is above max {max}"));
            }
            Rule::Exceeds { confidence: Some(level), .. } if !(0.0 < *level && *level < 1.0) => {
                faults.add(at, format!("confidence {level}; allowed: above 0, below 1"));
            }
            Rule::Share { at_least, .. } if !(0.0 < *at_least && *at_least <= 1.0) => {
                faults.add(at, format!("at_least {at_least}; allowed: above 0, at most 1"));
            }
            Rule::GapRatio { at_most, .. } if !at_most.is_finite() => {
                faults.add(at, format!("at_most {at_most}; allowed: finite numbers"));
            }
            Rule::Slope { over: [from, to], .. } if !(0.0 < *from && from < to) => {
                faults.add(at, format!("over [{from}, {to}]; a log-log fit needs 0 < from < to"));
            }
            _ => {}
        }
    }
}

fn requires(requires: &[Requirement], faults: &mut Faults) {
    for (i, requirement) in requires.iter().enumerate() {
        let at = format!("expectation.requires[{i}]");
        if requirement.name.trim().is_empty() {
            faults.add(format!("{at}.name"), "empty; a reader needs it");
        }
        if let Need::Reported { source, below, .. } = requirement.need {
            if !matches!(source, SourceTag::S | SourceTag::F) {
                let why = format!("{source:?}; allowed: S (a source that was read), F (a published figure)");
                faults.add(format!("{at}.need.reported.source"), why);
            }
            if !(below.is_finite() && below >= 0.0) {
                faults.add(format!("{at}.need.reported.below"), format!("{below}; allowed: finite numbers from 0"));
            }
        }
    }
}

fn changes(changes: &[RuleChange], faults: &mut Faults) {
    for (i, RuleChange { date, change, .. }) in changes.iter().enumerate() {
        if !is_day(date) {
            let why = format!("`{date}`; allowed: a day of the calendar as YYYY-MM-DD, such as 2026-11-27");
            faults.add(format!("expectation.changes[{i}].date"), why);
        }
        if change.trim().is_empty() {
            faults.add(format!("expectation.changes[{i}].change"), "empty; say what was changed and why");
        }
    }
}

/// Whether a text is a day of the Gregorian calendar, `YYYY-MM-DD`.
fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let &[year, month, day] = parts.as_slice() else { return false };
    let number = |part: &str, digits: usize| {
        let sound = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<u32>().ok().filter(|_| sound)
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else {
        return false;
    };
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::is_day;

    #[test]
    fn only_days_of_the_calendar_are_days() {
        for day in ["2026-11-30", "2024-02-29", "2000-02-29", "1999-12-31", "2026-01-01"] {
            assert!(is_day(day), "{day}");
        }
        for text in [
            "",
            "-",
            "--",
            "2026-11",
            "2026-11-31",
            "2026-02-29",
            "1900-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "26-11-30",
            "2026-1-30",
            "2026-11-3",
            "2026/11/30",
            "30-11-2026",
            "+026-11-30",
            "2026-11-30 ",
            "2026-11-30-",
            "2026-11-30T00:00:00Z",
            "yesterday",
            "２０２６-11-30",
        ] {
            assert!(!is_day(text), "{text}");
        }
    }
}
