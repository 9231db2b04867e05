//! Runs whose data is a list of sets: which of the sets the report shows.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::definition::settings::alternatives;
use crate::record::canonical;

/// The settings and the seed of a run.
pub type PlannedRun = (Map<String, Value>, u64);

/// The runs with one set of each list as their data: of all runs with the same list, the set for which most of them are
/// recorded, and of several such sets the preferred one. So a table never mixes two sets, and needs none of them.
pub fn settle(runs: Vec<PlannedRun>, recorded: impl Fn(&Map<String, Value>, u64) -> bool) -> Vec<PlannedRun> {
    let mut counts: HashMap<String, Vec<usize>> = HashMap::new();
    let list = |settings: &Map<String, Value>| canonical(settings.get("data").unwrap_or(&Value::Null));
    for (settings, seed) in &runs {
        let of_list = counts.entry(list(settings)).or_default();
        for (place, one) in alternatives(settings).iter().enumerate() {
            of_list.resize(of_list.len().max(place + 1), 0);
            of_list[place] += usize::from(recorded(one, *seed));
        }
    }
    let chosen = |(settings, seed): PlannedRun| {
        let counts = counts.get(&list(&settings)).map(Vec::as_slice).unwrap_or_default();
        let most = counts.iter().copied().max().unwrap_or(0);
        let place = counts.iter().position(|&count| count == most).unwrap_or(0);
        (alternatives(&settings).into_iter().nth(place).unwrap_or(settings), seed)
    };
    runs.into_iter().map(chosen).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(data: Value, seed: u64) -> PlannedRun {
        (Map::from_iter([("data".to_owned(), data)]), seed)
    }

    #[test]
    fn the_set_with_most_records_is_shown_and_of_equals_the_preferred_one() {
        let both = json!(["cifar10", "cifar10-jpeg"]);
        let runs = vec![wanted(both.clone(), 0), wanted(both, 1), wanted(json!("synthetic"), 0)];
        let shown = |recorded: &[(&str, u64)]| -> Vec<Value> {
            let is =
                |settings: &Map<String, Value>, seed| recorded.iter().any(|r| settings["data"] == r.0 && seed == r.1);
            settle(runs.clone(), is).into_iter().map(|(settings, _)| settings["data"].clone()).collect()
        };
        assert_eq!(shown(&[]), ["cifar10", "cifar10", "synthetic"]);
        assert_eq!(shown(&[("cifar10-jpeg", 1)]), ["cifar10-jpeg", "cifar10-jpeg", "synthetic"]);
        assert_eq!(shown(&[("cifar10-jpeg", 1), ("cifar10", 0)]), ["cifar10", "cifar10", "synthetic"]);
        assert_eq!(
            shown(&[("cifar10-jpeg", 0), ("cifar10-jpeg", 1), ("cifar10", 0)]),
            ["cifar10-jpeg", "cifar10-jpeg", "synthetic"]
        );
    }
}
