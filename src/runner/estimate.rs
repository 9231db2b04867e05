//! How long a plan will still take: from what runs of the same experiment took, and from how far the present ones are.
//!
//! Runs of one experiment are alike, runs of different ones are not: a mean over all would promise seconds where hours
//! are left. Times are seconds on any clock.

use std::collections::HashMap;

/// What is known of the time a plan takes.
pub struct Estimate {
    kinds: HashMap<String, Kind>,
    running: HashMap<u64, Running>,
    jobs: usize,
}

#[derive(Default)]
struct Kind {
    waiting: usize,
    computed: usize,
    seconds: f64,
}

struct Running {
    kind: String,
    begun: f64,
    /// When it first told how far it is, and how far: a run that is taken up again starts in the middle.
    first: Option<(f64, f64)>,
    latest: (f64, f64),
}

/// Time left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Left {
    /// About so many seconds.
    About(f64),
    /// So many seconds, and those of experiments of which nothing is known yet.
    MoreThan(f64),
}

impl Estimate {
    /// A plan of runs of these experiments, `jobs` at a time.
    pub fn new<'a>(experiments: impl Iterator<Item = &'a str>, jobs: usize) -> Self {
        let mut kinds: HashMap<String, Kind> = HashMap::new();
        experiments.for_each(|name| kinds.entry(name.to_owned()).or_default().waiting += 1);
        Self { kinds, running: HashMap::new(), jobs: jobs.max(1) }
    }

    /// A run begins.
    pub fn begin(&mut self, key: u64, experiment: &str, now: f64) {
        if let Some(kind) = self.kinds.get_mut(experiment) {
            kind.waiting = kind.waiting.saturating_sub(1);
        }
        let running = Running { kind: experiment.to_owned(), begun: now, first: None, latest: (now, 0.0) };
        self.running.insert(key, running);
    }

    /// A run tells which fraction of it is done.
    pub fn advance(&mut self, key: u64, fraction: f64, now: f64) {
        if let Some(run) = self.running.get_mut(&key) {
            run.latest = (now, fraction);
            run.first.get_or_insert(run.latest);
        }
    }

    /// A run ends. One that was done before, or that was stopped, tells nothing of the others.
    pub fn end(&mut self, key: u64, computed: bool, now: f64) {
        if let Some(run) = self.running.remove(&key).filter(|_| computed)
            && let Some(kind) = self.kinds.get_mut(&run.kind)
        {
            kind.computed += 1;
            kind.seconds += now - run.begun;
        }
    }

    /// The time left.
    pub fn left(&self, now: f64) -> Left {
        let (mut total, mut longest, mut complete) = (0.0, 0.0f64, true);
        for run in self.running.values() {
            let rest = match (run.whole(), self.mean(&run.kind)) {
                (Some(whole), _) => Some((1.0 - run.latest.1) * whole - (now - run.latest.0)),
                (None, Some(mean)) => Some(mean - (now - run.begun)),
                (None, None) => None,
            };
            complete &= rest.is_some();
            let rest = rest.unwrap_or(0.0).max(0.0);
            total += rest;
            longest = longest.max(rest);
        }
        for (name, kind) in self.kinds.iter().filter(|(_, kind)| kind.waiting > 0) {
            let mean = self.mean(name);
            complete &= mean.is_some();
            total += kind.waiting as f64 * mean.unwrap_or(0.0);
        }
        let seconds = (total / self.jobs as f64).max(longest);
        if complete { Left::About(seconds) } else { Left::MoreThan(seconds) }
    }

    /// Mean time of a run of an experiment: of those that ended, else as those that go on promise.
    fn mean(&self, kind: &str) -> Option<f64> {
        let ended = self.kinds.get(kind).filter(|kind| kind.computed > 0);
        ended.map(|kind| kind.seconds / kind.computed as f64).or_else(|| {
            let promised: Vec<f64> =
                self.running.values().filter(|r| r.kind == kind).filter_map(Running::whole).collect();
            (!promised.is_empty()).then(|| promised.iter().sum::<f64>() / promised.len() as f64)
        })
    }
}

impl Running {
    /// Seconds that the whole run takes at the pace seen so far.
    fn whole(&self) -> Option<f64> {
        let (since, from) = self.first?;
        let ((now, fraction), begun) = (self.latest, self.begun);
        match (fraction > from, fraction > 0.0 && now > begun) {
            (true, _) => Some((now - since) / (fraction - from)),
            // Told only once: it began at nothing, as far as is known.
            (false, true) => Some((now - begun) / fraction),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(left: Left) -> f64 {
        match left {
            Left::About(s) | Left::MoreThan(s) => s,
        }
    }

    #[test]
    fn a_few_long_runs_after_many_short_ones_are_not_taken_for_short() {
        let names = ["short"; 10].into_iter().chain(["long"; 4]);
        let mut estimate = Estimate::new(names, 2);
        assert_eq!(estimate.left(0.0), Left::MoreThan(0.0));
        for key in 0..10 {
            estimate.begin(key, "short", key as f64);
            estimate.end(key, true, key as f64 + 1.0);
        }
        assert_eq!(estimate.left(10.0), Left::MoreThan(0.0), "nothing is known of the long ones");
        estimate.begin(10, "long", 10.0);
        estimate.begin(11, "long", 10.0);
        assert_eq!(estimate.left(15.0), Left::MoreThan(0.0));
        estimate.advance(10, 0.1, 20.0);
        estimate.advance(11, 0.1, 20.0);
        // 90 s for each that goes on and 100 s for each that waits, two at a time.
        assert_eq!(estimate.left(20.0), Left::About(190.0));
    }

    #[test]
    fn the_last_run_is_not_shared_among_idle_jobs() {
        let mut estimate = Estimate::new(["a"].into_iter(), 8);
        estimate.begin(0, "a", 0.0);
        estimate.advance(0, 0.5, 10.0);
        assert_eq!(estimate.left(10.0), Left::About(10.0));
        assert_eq!(estimate.left(14.0), Left::About(6.0), "time passes between two reports");
        assert_eq!(estimate.left(99.0), Left::About(0.0));
    }

    #[test]
    fn a_run_taken_up_in_its_middle_is_timed_from_there() {
        let mut estimate = Estimate::new(["a", "a"].into_iter(), 1);
        estimate.begin(0, "a", 0.0);
        estimate.advance(0, 0.5, 0.0);
        estimate.advance(0, 0.6, 10.0);
        assert!((seconds(estimate.left(10.0)) - (40.0 + 100.0)).abs() < 1e-9);
    }

    #[test]
    fn runs_that_were_done_before_tell_nothing() {
        let mut estimate = Estimate::new(["a", "a", "a"].into_iter(), 1);
        estimate.begin(0, "a", 0.0);
        estimate.end(0, false, 0.001);
        assert_eq!(estimate.left(0.001), Left::MoreThan(0.0));
        estimate.begin(1, "a", 0.0);
        estimate.end(1, true, 5.0);
        assert_eq!(estimate.left(5.0), Left::About(5.0));
    }
}
