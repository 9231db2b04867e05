//! Cuts a plan into shards for several machines. Every run is in exactly one shard.
//!
//! The cut depends on the plan alone, not on the records, so a shard that is started again, on any machine, has the
//! same runs.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde_json::{Map, Value};

use super::Run;
use crate::definition::StudyKind;
use crate::digest::sha256_of_parts;

/// One of the shards of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: usize,
    of: usize,
}

impl Shard {
    /// Most shards of a plan.
    pub const MOST: usize = 10_000;

    /// Shard `number`, from 1, of `of`; `None` outside 1 to `of` to [`Self::MOST`].
    pub fn new(number: usize, of: usize) -> Option<Self> {
        (1 <= number && number <= of && of <= Self::MOST).then_some(Self { number, of })
    }

    /// The runs of this shard, in the order of the plan.
    pub fn of(self, runs: Vec<Run>) -> Vec<Run> {
        let places = split(&runs, self.of);
        runs.into_iter().zip(places).filter(|(_, place)| *place == self.number - 1).map(|(run, _)| run).collect()
    }
}

impl Display for Shard {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Shard::new(i.parse().ok()?, n.parse().ok()?));
        parts.ok_or_else(|| format!("`{text}`; allowed: i/n with 1 <= i <= n <= {}, for example 2/8", Self::MOST))
    }
}

/// A digest of which runs a plan has: shards of plans that differ would miss runs, or do them twice.
pub fn plan_digest(runs: &[Run]) -> String {
    let mut keys: Vec<(&str, &str)> = runs.iter().map(key).collect();
    keys.sort_unstable();
    sha256_of_parts(keys.iter().map(|(id, experiment)| (*id, experiment.as_bytes())))[..16].to_owned()
}

/// The shard, from 0, of each run. Each study is spread evenly by itself, since costs of different studies cannot be
/// compared: dearest first, each to the shard where this study costs least so far. Runs of equal cost are dealt out in
/// the order of their ids.
fn split(runs: &[Run], shards: usize) -> Vec<usize> {
    let mut order: Vec<(usize, f64)> = runs.iter().map(|run| cost(&run.settings)).enumerate().collect();
    order.sort_by(|(a, x), (b, y)| y.total_cmp(x).then_with(|| key(&runs[*a]).cmp(&key(&runs[*b]))));
    let mut loads: BTreeMap<StudyKind, Vec<f64>> = BTreeMap::new();
    let mut counts = vec![0usize; shards];
    let mut places = vec![0; runs.len()];
    for (run, cost) in order {
        let load = loads.entry(runs[run].study).or_insert_with(|| vec![0.0; shards]);
        let least = |a: &usize, b: &usize| load[*a].total_cmp(&load[*b]).then(counts[*a].cmp(&counts[*b]));
        let place = (0..shards).min_by(least).unwrap_or(0);
        load[place] += cost;
        counts[place] += 1;
        places[run] = place;
    }
    places
}

/// Two experiments may share a run's id; their folders differ.
fn key(run: &Run) -> (&str, &str) {
    (&run.id, &run.experiment)
}

/// Settings that the work of a run is proportional to. Where none is named all runs cost the same.
const WORK: &[&str] = &["epochs", "train_images", "blocks", "steps"];

/// The work of a run, to compare with runs of the same study: the product of what it grows with.
fn cost(settings: &Map<String, Value>) -> f64 {
    let size = |value: &Value| match value {
        Value::Number(n) => n.as_f64(),
        Value::Array(list) => Some(list.iter().filter_map(Value::as_f64).sum()),
        _ => None,
    };
    let stepping = settings.get("stepping").and_then(|s| s.get("steps"));
    let found = WORK.iter().filter_map(|name| settings.get(*name)).chain(stepping).filter_map(size);
    found.filter(|n| n.is_finite() && *n > 0.0).product()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::definition::Profile;
    use crate::definition::settings::Settings;
    use crate::study::Place;

    fn run(id: usize, study: StudyKind, settings: Value) -> Run {
        let Value::Object(settings) = settings else { unreachable!("settings are an object") };
        Run {
            id: format!("{id:016x}"),
            experiment: "a".into(),
            profile: Profile::Quick,
            study,
            settings: Settings::untyped(settings),
            seed: 0,
            inputs: Map::new(),
            device: "cpu".into(),
            place: Place { definition: ".".into(), data: None },
            label: String::new(),
        }
    }

    fn trainings(epochs: &[u32]) -> Vec<Run> {
        let one = |(i, e): (usize, &u32)| run(i, StudyKind::Training, json!({ "epochs": e, "steps": 2 }));
        epochs.iter().enumerate().map(one).collect()
    }

    proptest! {
        #[test]
        fn every_run_is_in_exactly_one_shard(epochs in prop::collection::vec(1u32..400, 0..60), n in 1usize..12) {
            let runs = trainings(&epochs);
            let mut found: Vec<String> = (1..=n)
                .flat_map(|i| Shard::new(i, n).unwrap().of(runs.clone()))
                .map(|run| run.id)
                .collect();
            found.sort();
            prop_assert_eq!(found, runs.iter().map(|r| r.id.clone()).collect::<Vec<_>>());
        }

        #[test]
        fn the_order_of_the_plan_does_not_move_a_run(epochs in prop::collection::vec(1u32..9, 1..40), n in 1usize..6) {
            let runs = trainings(&epochs);
            let backwards: Vec<Run> = runs.iter().rev().cloned().collect();
            let mut places = split(&backwards, n);
            places.reverse();
            prop_assert_eq!(places, split(&runs, n));
        }

        #[test]
        fn no_shard_costs_more_than_its_share_and_one_run(
            epochs in prop::collection::vec(1u32..400, 1..60),
            n in 1usize..9,
        ) {
            let costs: Vec<f64> = (1..=n)
                .map(|i| Shard::new(i, n).unwrap().of(trainings(&epochs)).iter().map(|r| cost(&r.settings)).sum())
                .collect();
            let share = costs.iter().sum::<f64>() / n as f64;
            let dearest = 2.0 * f64::from(*epochs.iter().max().unwrap());
            prop_assert!(costs.iter().all(|c| *c <= share + dearest), "{costs:?}");
        }
    }

    #[test]
    fn runs_of_unknown_cost_are_dealt_out_one_by_one() {
        let runs: Vec<Run> = (0..10).map(|i| run(i, StudyKind::Memory, json!({}))).collect();
        assert_eq!(split(&runs, 4), [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]);
    }

    #[test]
    fn one_study_does_not_crowd_out_another() {
        let mut runs = trainings(&[300, 300]);
        runs.extend((2..6).map(|i| run(i, StudyKind::Memory, json!({}))));
        let places = split(&runs, 2);
        assert_ne!(places[0], places[1]);
        assert_eq!(places[2..].iter().filter(|p| **p == 0).count(), 2);
    }

    #[test]
    fn a_long_list_of_steps_costs_its_sum() {
        assert_eq!(cost(&run(0, StudyKind::Memory, json!({ "steps": [1, 2, 4], "blocks": 3 })).settings), 21.0);
        assert_eq!(cost(&run(0, StudyKind::Reversibility, json!({ "stepping": { "steps": [5, 6] } })).settings), 11.0);
    }

    #[test]
    fn a_shard_is_written_as_i_of_n() {
        assert_eq!("2/8".parse(), Ok(Shard { number: 2, of: 8 }));
        for wrong in ["0/4", "5/4", "1", "1/", "/2", "a/b", "-1/3", "1/0", "1/10001", "1/2/3"] {
            assert!(wrong.parse::<Shard>().is_err_and(|e| e.contains(wrong)), "{wrong}");
        }
        assert_eq!(Shard::new(3, 7).map(|s| s.to_string()), Some("3/7".into()));
    }
}
