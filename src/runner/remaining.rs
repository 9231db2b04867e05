//! How long a plan will still take: from what runs of the same experiment took per unit of work, and from how far the
//! present ones are.
//!
//! Runs of one experiment are alike, runs of different ones are not: a mean over all would promise seconds where hours
//! are left. Times are seconds on any clock.

use std::collections::HashMap;

/// The work of a run before it is begun.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Amount of work in forecast seconds, so that the work of experiments can be added.
    pub amount: f64,
    /// Whether the forecast was measured on this machine, and can stand for a time until there is a better one.
    pub measured: bool,
}

/// Estimates the remaining time of a plan from the runs that ended and the progress of the others.
pub struct RemainingTime {
    kinds: HashMap<String, Kind>,
    running: HashMap<u64, Running>,
    jobs: usize,
    all: f64,
    ended: f64,
}

#[derive(Default)]
struct Kind {
    /// Work that has not begun.
    waiting: f64,
    runs: usize,
    /// Work of the runs that ended, and their seconds.
    computed: f64,
    seconds: f64,
    measured: bool,
}

struct Running {
    kind: String,
    work: f64,
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
    /// At least so many seconds, because the time of some experiments is not known yet.
    MoreThan(f64),
}

impl RemainingTime {
    /// A plan of runs of these experiments, `jobs` at a time.
    pub fn new<'a>(runs: impl Iterator<Item = (&'a str, Work)>, jobs: usize) -> Self {
        let mut kinds: HashMap<String, Kind> = HashMap::new();
        let mut all = 0.0;
        for (name, work) in runs {
            let kind = kinds.entry(name.to_owned()).or_insert_with(|| Kind { measured: true, ..Kind::default() });
            kind.waiting += work.amount;
            kind.runs += 1;
            kind.measured &= work.measured;
            all += work.amount;
        }
        Self { kinds, running: HashMap::new(), jobs: jobs.max(1), all, ended: 0.0 }
    }

    /// A run begins.
    pub fn begin(&mut self, key: u64, experiment: &str, work: f64, now: f64) {
        if let Some(kind) = self.kinds.get_mut(experiment) {
            kind.runs = kind.runs.saturating_sub(1);
            // Rounding must not leave work that nobody does.
            kind.waiting = if kind.runs == 0 { 0.0 } else { (kind.waiting - work).max(0.0) };
        }
        let running = Running { kind: experiment.to_owned(), work, begun: now, first: None, latest: (now, 0.0) };
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
        let Some(run) = self.running.remove(&key) else { return };
        self.ended += run.work;
        if computed && let Some(kind) = self.kinds.get_mut(&run.kind) {
            kind.computed += run.work;
            kind.seconds += now - run.begun;
        }
    }

    /// The share of the work that is done, from 0 to 1.
    pub fn done(&self) -> f64 {
        let running: f64 = self.running.values().map(|run| run.work * run.latest.1).sum();
        if self.all > 0.0 { ((self.ended + running) / self.all).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The time left.
    pub fn left(&self, now: f64) -> Left {
        let (mut total, mut longest, mut complete) = (0.0, 0.0f64, true);
        for run in self.running.values() {
            let rest = self.rest(run, now);
            complete &= rest.is_some();
            let rest = rest.unwrap_or(0.0);
            total += rest;
            longest = longest.max(rest);
        }
        for (name, kind) in self.kinds.iter().filter(|(_, kind)| kind.runs > 0) {
            let rate = self.rate(name);
            complete &= rate.is_some();
            total += kind.waiting * rate.unwrap_or(0.0);
        }
        let seconds = (total / self.jobs as f64).max(longest);
        if complete { Left::About(seconds) } else { Left::MoreThan(seconds) }
    }

    /// The time left of a run that has begun.
    pub fn left_of(&self, key: u64, now: f64) -> Option<f64> {
        self.rest(self.running.get(&key)?, now)
    }

    fn rest(&self, run: &Running, now: f64) -> Option<f64> {
        let rest = match (run.whole(), self.rate(&run.kind)) {
            (Some(whole), _) => (1.0 - run.latest.1) * whole - (now - run.latest.0),
            (None, Some(rate)) => rate * run.work - (now - run.begun),
            (None, None) => return None,
        };
        Some(rest.max(0.0))
    }

    /// Seconds per unit of work of an experiment: of its runs that ended, else as those that go on promise, else as
    /// earlier runs on this machine took.
    fn rate(&self, kind: &str) -> Option<f64> {
        let known = self.kinds.get(kind)?;
        if known.computed > 0.0 {
            return Some(known.seconds / known.computed);
        }
        let promised = self.running.values().filter(|run| run.kind == kind);
        let (seconds, work) = promised
            .filter_map(|run| Some((run.whole()?, run.work)))
            .fold((0.0, 0.0), |(seconds, work), (s, w)| (seconds + s, work + w));
        if work > 0.0 { Some(seconds / work) } else { known.measured.then_some(1.0) }
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

    /// A run of one unit of work, of which nothing is known.
    fn one(name: &str) -> (&str, Work) {
        (name, Work { amount: 1.0, measured: false })
    }

    #[test]
    fn work_is_what_counts_and_not_the_number_of_runs() {
        let work = |amount| Work { amount, measured: false };
        let mut estimate = RemainingTime::new([("a", work(1.0)), ("a", work(9.0)), ("b", work(10.0))].into_iter(), 1);
        estimate.begin(0, "a", 1.0, 0.0);
        estimate.end(0, true, 2.0);
        assert_eq!(estimate.done(), 0.05);
        assert_eq!(estimate.left(2.0), Left::MoreThan(18.0), "2 s for one unit, and nothing is known of b");
        estimate.begin(1, "a", 9.0, 2.0);
        estimate.advance(1, 0.5, 12.0);
        assert_eq!((estimate.done(), estimate.left_of(1, 12.0)), (0.275, Some(10.0)));
        let known = RemainingTime::new([("a", Work { amount: 30.0, measured: true })].into_iter(), 1);
        assert_eq!(known.left(0.0), Left::About(30.0), "as earlier runs took");
    }

    fn seconds(left: Left) -> f64 {
        match left {
            Left::About(s) | Left::MoreThan(s) => s,
        }
    }

    #[test]
    fn a_few_long_runs_after_many_short_ones_are_not_taken_for_short() {
        let names = ["short"; 10].into_iter().chain(["long"; 4]);
        let mut estimate = RemainingTime::new(names.map(one), 2);
        assert_eq!(estimate.left(0.0), Left::MoreThan(0.0));
        for key in 0..10 {
            estimate.begin(key, "short", 1.0, key as f64);
            estimate.end(key, true, key as f64 + 1.0);
        }
        assert_eq!(estimate.left(10.0), Left::MoreThan(0.0), "nothing is known of the long ones");
        estimate.begin(10, "long", 1.0, 10.0);
        estimate.begin(11, "long", 1.0, 10.0);
        assert_eq!(estimate.left(15.0), Left::MoreThan(0.0));
        estimate.advance(10, 0.1, 20.0);
        estimate.advance(11, 0.1, 20.0);
        // 90 s for each that goes on and 100 s for each that waits, two at a time.
        assert_eq!(estimate.left(20.0), Left::About(190.0));
    }

    #[test]
    fn the_last_run_is_not_shared_among_idle_jobs() {
        let mut estimate = RemainingTime::new(["a"].into_iter().map(one), 8);
        estimate.begin(0, "a", 1.0, 0.0);
        estimate.advance(0, 0.5, 10.0);
        assert_eq!(estimate.left(10.0), Left::About(10.0));
        assert_eq!(estimate.left(14.0), Left::About(6.0), "time passes between two reports");
        assert_eq!(estimate.left(99.0), Left::About(0.0));
    }

    #[test]
    fn a_run_taken_up_in_its_middle_is_timed_from_there() {
        let mut estimate = RemainingTime::new(["a", "a"].into_iter().map(one), 1);
        estimate.begin(0, "a", 1.0, 0.0);
        estimate.advance(0, 0.5, 0.0);
        estimate.advance(0, 0.6, 10.0);
        assert!((seconds(estimate.left(10.0)) - (40.0 + 100.0)).abs() < 1e-9);
    }

    #[test]
    fn runs_that_were_done_before_tell_nothing() {
        let mut estimate = RemainingTime::new(["a", "a", "a"].into_iter().map(one), 1);
        estimate.begin(0, "a", 1.0, 0.0);
        estimate.end(0, false, 0.001);
        assert_eq!(estimate.left(0.001), Left::MoreThan(0.0));
        estimate.begin(1, "a", 1.0, 0.0);
        estimate.end(1, true, 5.0);
        assert_eq!(estimate.left(5.0), Left::About(5.0));
    }
}
