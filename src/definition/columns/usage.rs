//! The columns and values that a definition names: each must be one that a planned run can write.

use std::collections::BTreeSet;

use serde_json::Value;

use super::planned::{Planned, key};
use super::{Column, Values, When, Written, is, written};
use crate::definition::{Definition, EPOCHS_DONE, FigureKind, Filter, Outline, Profile, Range, Rule, Source, Wanted};
use crate::nearest::nearest_in_words;

/// More values than this are not listed in a message.
const FEW: usize = 8;

/// Every name in `definition` that no run of `planned` can write, with its JSON path. `settings` are the settings of
/// the study if some points are faulty, so that their columns are not fully known; else `None`.
pub fn faults(definition: &Definition, planned: &Planned, settings: Option<&[String]>) -> Vec<(String, String)> {
    let Written { rows, steps, images } = written(definition.study);
    let mut found = Found { planned, settings, faults: vec![] };
    let (rows, steps) = (Scope { own: rows, of: "rows" }, Scope { own: steps, of: "steps" });
    let of = |source| if source == Source::Steps { steps } else { rows };
    for (i, metric) in definition.metrics.iter().enumerate() {
        found.column(rows, &metric.column, &format!("metrics[{i}].column"));
    }
    for (i, number) in definition.claim.reported.iter().enumerate() {
        let at = format!("claim.reported[{i}]");
        let scope = of(number.table);
        found.numbers(scope, &number.metric, &format!("{at}.metric"));
        found.filter(scope, &number.filter, &format!("{at}.where"));
    }
    for (i, check) in definition.expectation.checks.iter().enumerate() {
        let at = format!("expectation.checks[{i}]");
        let scope = of(check.source);
        found.filter(scope, &check.filter, &format!("{at}.where"));
        found.rule(scope, &check.rule, &format!("{at}.rule"));
    }
    for (i, requirement) in definition.expectation.requires.iter().enumerate() {
        let at = format!("expectation.requires[{i}]");
        let scope = of(requirement.source);
        found.filter(scope, &requirement.filter, &format!("{at}.where"));
        found.numbers(scope, &requirement.column, &format!("{at}.column"));
    }
    for (i, figure) in definition.figures.iter().enumerate() {
        let at = format!("figures[{i}].draw");
        match &figure.draw {
            FigureKind::Lines(lines) => {
                let at = format!("{at}.lines");
                let scope = of(lines.source);
                for (axis, name) in [(&lines.x, "x"), (&lines.y, "y")] {
                    // Derived from the step, so that no run writes it.
                    if name == "x" && lines.source == Source::Steps && axis.column == EPOCHS_DONE {
                        continue;
                    }
                    found.numbers(scope, &axis.column, &format!("{at}.{name}.column"));
                }
                found.columns(scope, &lines.series, &format!("{at}.series"));
                if let Some(panel) = &lines.panel {
                    found.column(scope, panel, &format!("{at}.panel"));
                }
                found.filter(scope, &lines.filter, &format!("{at}.where"));
                for (i, panel) in lines.panels.iter().enumerate() {
                    found.filter(scope, &panel.filter, &format!("{at}.panels[{i}].where"));
                    if let Some(y) = &panel.y {
                        found.numbers(scope, y, &format!("{at}.panels[{i}].y"));
                    }
                }
                if let Some(theory) = &lines.theory {
                    found.numbers(scope, theory, &format!("{at}.theory"));
                }
                for (i, point) in lines.reference.iter().enumerate() {
                    found.filter(scope, &point.series, &format!("{at}.reference[{i}].series"));
                }
            }
            FigureKind::Images(drawn) => {
                let at = format!("{at}.images");
                for (i, column) in drawn.columns.iter().enumerate() {
                    found.image(images, &column.image, &format!("{at}.columns[{i}].image"));
                }
                found.columns(rows, &drawn.series, &format!("{at}.series"));
                found.columns(rows, &drawn.notes, &format!("{at}.notes"));
                found.filter(rows, &drawn.filter, &format!("{at}.where"));
            }
            FigureKind::Schedules(_) => {}
        }
    }
    found.faults
}

/// Every name in the answers, the findings and the story of `outline` on `definition` that no run of `planned` can
/// write, with its JSON path.
pub fn outline_faults(outline: &Outline, definition: &Definition, planned: &Planned) -> Vec<(String, String)> {
    let Written { rows, steps, .. } = written(definition.study);
    let mut found = Found { planned, settings: None, faults: vec![] };
    let (rows, steps) = (Scope { own: rows, of: "rows" }, Scope { own: steps, of: "steps" });
    let of = |source| if source == Source::Steps { steps } else { rows };
    let lacks = |profile: &Option<Profile>| {
        let profile = profile.filter(|profile| !definition.profiles.contains_key(profile))?;
        let known: Vec<&str> = definition.profiles.keys().map(|profile| profile.name()).collect();
        let (id, name) = (&definition.id, profile.name());
        Some(format!("`{name}`: {id} has no profile of this name; it has {}", known.join(", ")))
    };
    for (place, finding) in outline.sentences() {
        for (name, quantity) in finding.quantities.iter().filter(|(_, q)| q.experiment == definition.id) {
            if let Some(why) = lacks(&finding.profile) {
                found.add(&format!("{place}.profile"), why);
            }
            let at = format!("{place}.quantities.{name}");
            let scope = of(quantity.source);
            found.numbers(scope, &quantity.column, &format!("{at}.column"));
            if let Some(other) = &quantity.minus_column {
                found.numbers(scope, other, &format!("{at}.minus_column"));
            }
            found.filter(scope, &quantity.filter, &format!("{at}.where"));
            if let Some(other) = &quantity.minus {
                found.filter(scope, other, &format!("{at}.minus"));
            }
        }
    }
    for (at, panel) in outline.panels().filter(|(_, panel)| panel.experiment == definition.id) {
        if let Some(why) = lacks(&panel.profile) {
            found.add(&format!("{at}.profile"), why);
        }
        match definition.figures.iter().find(|figure| figure.id == panel.figure).map(|figure| &figure.draw) {
            Some(FigureKind::Lines(lines)) => {
                found.filter(of(lines.source), &panel.filter, &format!("{at}.where"));
            }
            Some(_) => found.add(&format!("{at}.figure"), format!("`{}` draws no lines", panel.figure)),
            None => {
                let nearest = nearest_in_words(&panel.figure, definition.figures.iter().map(|f| f.id.as_str()));
                let why = format!("`{}`: {} has no figure of this id{nearest}", panel.figure, definition.id);
                found.add(&format!("{at}.figure"), why);
            }
        }
    }
    found.faults
}

/// The tables that a name is looked up in: settings, and the columns that the study writes itself.
#[derive(Clone, Copy)]
struct Scope {
    own: &'static [Column],
    of: &'static str,
}

struct Found<'a> {
    planned: &'a Planned,
    settings: Option<&'a [String]>,
    faults: Vec<(String, String)>,
}

impl Found<'_> {
    fn add(&mut self, at: &str, why: String) {
        self.faults.push((at.to_owned(), why));
    }

    /// Checks the name of a column. Returns the study's own column of that name.
    fn column(&mut self, scope: Scope, name: &str, at: &str) -> Option<&'static Column> {
        if let Some(own) = scope.own.iter().find(|column| column.is(name)) {
            if let Some(why) = self.unmet(own.when) {
                self.add(at, format!("`{name}`: no planned run writes this column; it needs {why}"));
            }
            return Some(own);
        }
        if self.planned.values(name).is_some() {
            return None;
        }
        let setting = name.split('.').next().unwrap_or_default();
        match self.settings {
            Some(settings) if setting == "seed" || settings.iter().any(|s| s == setting) => {}
            _ => {
                let own = scope.own.iter().filter(|column| self.unmet(column.when).is_none());
                let known = own.map(|column| column.name).chain(self.planned.names());
                let nearest = nearest_in_words(name, known);
                self.add(at, format!("`{name}`: no planned run has this column in its {}{nearest}", scope.of));
            }
        }
        None
    }

    fn columns(&mut self, scope: Scope, names: &[String], at: &str) {
        for (i, name) in names.iter().enumerate() {
            self.column(scope, name, &format!("{at}[{i}]"));
        }
    }

    /// Checks the name of a column that must hold numbers.
    fn numbers(&mut self, scope: Scope, name: &str, at: &str) {
        let own = self.column(scope, name, at);
        let texts = match own.map(|own| own.values) {
            Some(Values::Numbers) => None,
            Some(Values::Listed(setting)) => self.texts(self.planned.listed(setting)),
            Some(Values::Flags | Values::Words(_) | Values::Data | Values::Text) => own.map(|own| own.about.to_owned()),
            None => self.texts(self.planned.values(name)),
        };
        if let Some(texts) = texts {
            let numbers = scope.own.iter().filter(|c| matches!(c.values, Values::Numbers)).map(|c| c.name);
            let nearest = nearest_in_words(name, numbers);
            self.add(at, format!("`{name}` holds no numbers ({texts}){nearest}"));
        }
    }

    /// The planned values of a setting, if they are known and none of them is a number.
    fn texts(&self, values: Option<&BTreeSet<String>>) -> Option<String> {
        let values: Vec<&str> = values?.iter().map(|key| key.trim_matches('"')).collect();
        let is_number = |text: &&str| text.parse::<f64>().is_ok();
        if self.settings.is_some() || values.is_empty() || values.iter().any(is_number) {
            return None;
        }
        let more = if values.len() > FEW { format!(" and {} more", values.len() - FEW) } else { String::new() };
        Some(values.into_iter().take(FEW).collect::<Vec<_>>().join(", ") + &more)
    }

    /// What a planned run would need for a column, if none has it.
    fn unmet(&self, when: When) -> Option<String> {
        if self.settings.is_some() {
            return None;
        }
        match when {
            When::Always => None,
            When::Has(setting) => self.planned.values(setting).is_none().then(|| format!("the setting `{setting}`")),
            When::Is(setting, any) => {
                let values = self.planned.values(setting);
                let met = values.is_some_and(|v| any.iter().any(|one| v.contains(&key(&(*one).into()))));
                (!met).then(|| format!("`{setting}` to be {}", any.join(" or ")))
            }
            When::Lists(setting, value) => {
                let met = self.planned.listed(setting).is_some_and(|v| v.contains(&key(&value.into())));
                (!met).then(|| format!("`{setting}` to name {value}"))
            }
            When::All(conditions) => conditions.iter().find_map(|condition| self.unmet(*condition)),
        }
    }

    fn filter(&mut self, scope: Scope, filter: &Filter, at: &str) {
        for (name, wanted) in filter {
            let at = format!("{at}.{name}");
            let before = self.faults.len();
            let own = self.column(scope, name, &at);
            if self.faults.len() > before {
                continue;
            }
            match wanted {
                Wanted::Range(range) => self.range(name, own, *range, &at),
                Wanted::Any(any) if any.is_empty() => self.add(&at, "[]; name at least one value".into()),
                Wanted::Any(any) => {
                    for (i, one) in any.iter().enumerate() {
                        self.value(name, own, one, &format!("{at}[{i}]"));
                    }
                }
                Wanted::One(one) => self.value(name, own, one, &at),
            }
        }
    }

    /// Checks a range that cells of a column are compared with.
    fn range(&mut self, name: &str, own: Option<&Column>, range: Range, at: &str) {
        let Range { from, to } = range;
        if from.partial_cmp(&to).is_none_or(std::cmp::Ordering::is_gt) {
            return self.add(at, format!("from {from} to {to}; allowed: `from` at most `to`"));
        }
        let planned = match own.map(|own| own.values) {
            Some(Values::Numbers) => return,
            Some(Values::Listed(setting)) => self.planned.listed(setting),
            Some(_) => return self.add(at, format!("a range; `{name}` holds no numbers")),
            None => self.planned.values(name),
        };
        let inside = |key: &String| key.parse::<f64>().is_ok_and(|x| (from..=to).contains(&x));
        if self.settings.is_none() && !planned.is_some_and(|keys| keys.iter().any(inside)) {
            self.add(at, format!("from {from} to {to}: no planned run has such a value of `{name}`"));
        }
    }

    /// Checks a value that cells of a column are compared with.
    fn value(&mut self, name: &str, own: Option<&Column>, value: &Value, at: &str) {
        let found = match value {
            Value::Object(_) | Value::Array(_) => {
                Err("a value, a list of values, or a range { \"from\": number, \"to\": number }".to_owned())
            }
            _ => match own.map(|own| own.values) {
                Some(values) => self.of_own(name, values, value),
                None => self.of_settings(name, value),
            },
        };
        if let Err(allowed) = found {
            self.add(at, format!("{}: no planned run has this value of `{name}`; allowed: {allowed}", shown(value)));
        }
    }

    /// Whether a column of the study can have a value; else what it can have.
    fn of_own(&self, name: &str, values: Values, value: &Value) -> Result<(), String> {
        let is_number = value.is_number() || value.as_str().is_some_and(|text| ["inf", "-inf", "NaN"].contains(&text));
        match values {
            _ if value.is_null() => Ok(()),
            Values::Numbers if !is_number => Err("numbers".into()),
            Values::Flags if !value.is_boolean() => Err("true, false".into()),
            Values::Text if !value.is_string() => Err("texts".into()),
            Values::Numbers | Values::Flags | Values::Text => Ok(()),
            Values::Words(words) if value.as_str().is_some_and(|text| words.contains(&text)) => Ok(()),
            Values::Words(words) => Err(words.join(", ")),
            Values::Listed(setting) => match self.planned.listed(setting) {
                Some(values) if self.settings.is_none() => one_of(values, value),
                _ => Ok(()),
            },
            Values::Data => self.of_data(name, value),
        }
    }

    /// Whether the data set of a run can have this name.
    fn of_data(&self, setting: &str, value: &Value) -> Result<(), String> {
        if self.settings.is_some() {
            return Ok(());
        }
        let mut allowed: Vec<String> = self.planned.values(setting).into_iter().flatten().cloned().collect();
        for (folder, set) in [("cifar-folder", "cifar10"), ("cifar100-folder", "cifar100")] {
            if self.planned.values(&format!("{setting}.{folder}")).is_some() {
                allowed.extend(["", "-subset", "-altered"].map(|kind| key(&format!("{set}{kind}").into())));
            }
        }
        if self.planned.values(&format!("{setting}.image-folder")).is_some() {
            if value.as_str().is_some_and(|name| name.starts_with("image-folder:")) {
                return Ok(());
            }
            allowed.push("image-folder:DIR".into());
        }
        one_of(&allowed.into_iter().collect(), value)
    }

    /// Whether a planned run has a value of a setting; else the nearest values.
    fn of_settings(&self, name: &str, value: &Value) -> Result<(), String> {
        if self.settings.is_some() {
            return Ok(());
        }
        match self.planned.values(name) {
            _ if value.is_null() && self.planned.some_lack(name) => Ok(()),
            Some(values) => one_of(values, value),
            None => Ok(()),
        }
    }

    fn image(&mut self, images: &[(&'static str, &str)], name: &str, at: &str) {
        if !images.iter().any(|(declared, _)| is(declared, name)) {
            let nearest = nearest_in_words(name, images.iter().map(|(declared, _)| *declared));
            self.add(at, format!("`{name}`: no planned run leaves an image of this name{nearest}"));
        }
    }

    fn rule(&mut self, scope: Scope, rule: &Rule, at: &str) {
        match rule {
            Rule::Within { column, .. } => self.numbers(scope, column, &format!("{at}.within.column")),
            Rule::Share { column, .. } => self.numbers(scope, column, &format!("{at}.share.column")),
            Rule::Equals { column, value } => {
                let at = format!("{at}.equals");
                let before = self.faults.len();
                let own = self.column(scope, column, &format!("{at}.column"));
                if value.is_null() {
                    self.add(&format!("{at}.value"), "null; an empty cell is no evidence: name a value".into());
                } else if self.faults.len() == before {
                    self.value(column, own, value, &format!("{at}.value"));
                }
            }
            Rule::Slope { x, y, series, .. } => {
                let at = format!("{at}.slope");
                self.numbers(scope, x, &format!("{at}.x"));
                self.numbers(scope, y, &format!("{at}.y"));
                self.columns(scope, series, &format!("{at}.series"));
            }
            Rule::Exceeds { column, greater, than, per, .. } => {
                let at = format!("{at}.exceeds");
                self.numbers(scope, column, &format!("{at}.column"));
                self.filter(scope, greater, &format!("{at}.greater"));
                self.filter(scope, than, &format!("{at}.than"));
                self.columns(scope, per, &format!("{at}.per"));
            }
            Rule::GapRatio { column, reference, greater, than, per, .. } => {
                let at = format!("{at}.gap-ratio");
                self.numbers(scope, column, &format!("{at}.column"));
                self.numbers(scope, reference, &format!("{at}.reference"));
                self.filter(scope, greater, &format!("{at}.greater"));
                self.filter(scope, than, &format!("{at}.than"));
                self.columns(scope, per, &format!("{at}.per"));
            }
            Rule::Identical { columns, per } => {
                let at = format!("{at}.identical");
                if columns.is_empty() {
                    self.add(&format!("{at}.columns"), "[]; name at least one column".into());
                }
                self.columns(scope, columns, &format!("{at}.columns"));
                self.columns(scope, per, &format!("{at}.per"));
            }
        }
    }
}

/// Whether `value` is one of the keys; else the nearest of them.
fn one_of(values: &BTreeSet<String>, value: &Value) -> Result<(), String> {
    let wanted = key(value);
    if values.contains(&wanted) {
        return Ok(());
    }
    let bare = |key: &String| key.trim_matches('"').to_owned();
    if values.len() <= FEW {
        return Err(values.iter().map(bare).collect::<Vec<_>>().join(", "));
    }
    let all: Vec<String> = values.iter().map(bare).collect();
    let nearest = nearest_in_words(&bare(&wanted), all.iter().map(String::as_str));
    Err(format!("one of {} values{nearest}", values.len()))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => other.to_string(),
    }
}
