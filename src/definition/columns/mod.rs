//! The columns that each study writes: their names, what they hold, and the settings they depend on.
//!
//! A study writes no column that is not declared here (`tests/harness/columns.rs`), so a definition can be checked
//! before it runs.

pub(super) mod counts;
pub(super) mod numerical;
mod planned;
pub(super) mod training;
mod usage;

use super::StudyKind;

pub use planned::{Planned, flat};
pub(super) use usage::{faults, outline_faults};

/// A column of `rows.csv` or `steps.csv`.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name of the column. A `#` stands for a number: `segment#.conv#.reaction`.
    pub name: &'static str,
    /// Description in one line, with the unit.
    pub about: &'static str,
    /// The values it can take.
    pub values: Values,
    /// The runs that write it.
    pub when: When,
}

/// The values that a column can take besides none.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// Numbers, including the texts `inf`, `-inf` and `NaN`.
    Numbers,
    /// True or false.
    Flags,
    /// One of these texts.
    Words(&'static [&'static str]),
    /// One of the values that this setting lists.
    Listed(&'static str),
    /// The name of a data set.
    Data,
    /// Any text.
    Text,
}

/// The runs that write a column.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Every run.
    Always,
    /// Runs that have this setting.
    Has(&'static str),
    /// Runs in which this setting has one of these values.
    Is(&'static str, &'static [&'static str]),
    /// Runs in which this setting is a list with this value.
    Lists(&'static str, &'static str),
    /// Runs that meet all of these conditions.
    All(&'static [When]),
}

/// The columns and images that the runs of a study write.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Columns of `rows.csv`.
    pub rows: &'static [Column],
    /// Columns of `steps.csv`.
    pub steps: &'static [Column],
    /// Names of images, with what they show. A `#` stands for a number.
    pub images: &'static [(&'static str, &'static str)],
}

/// The columns and images that the runs of a study write.
pub fn written(study: StudyKind) -> Written {
    study.settings().writes
}

/// These columns of `rows.csv`, and nothing else.
pub(super) const fn rows(rows: &'static [Column]) -> Written {
    Written { rows, steps: &[], images: &[] }
}

impl Column {
    /// Whether a column of a table is this one.
    pub fn is(&self, name: &str) -> bool {
        is(self.name, name)
    }

    const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }
}

/// Whether a name fits a declared one, in which `#` stands for one or more digits.
pub fn is(declared: &str, name: &str) -> bool {
    let mut rest = name;
    for (i, part) in declared.split('#').enumerate() {
        if i > 0 {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return false;
            }
            rest = &rest[digits..];
        }
        match rest.strip_prefix(part) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}

const fn column(name: &'static str, about: &'static str, values: Values) -> Column {
    Column { name, about, values, when: When::Always }
}

const fn number(name: &'static str, about: &'static str) -> Column {
    column(name, about, Values::Numbers)
}

const fn flag(name: &'static str, about: &'static str) -> Column {
    column(name, about, Values::Flags)
}

const fn words(name: &'static str, about: &'static str, words: &'static [&'static str]) -> Column {
    column(name, about, Values::Words(words))
}

const fn listed(name: &'static str, about: &'static str, setting: &'static str) -> Column {
    column(name, about, Values::Listed(setting))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_sign_stands_for_digits() {
        assert!(is("rho", "rho") && !is("rho", "rho1") && !is("rho", "rh"));
        assert!(is("t#", "t0") && is("t#", "t12") && !is("t#", "t") && !is("t#", "tx") && !is("t#", "t1x"));
        assert!(is("segment#.conv#.reaction", "segment1.conv10.reaction"));
        assert!(!is("segment#.conv#.reaction", "segment1.conv.reaction"));
    }
}
