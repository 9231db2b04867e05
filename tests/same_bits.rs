//! Same seed, same bits: for any number of threads and jobs, across kills, and nothing is computed twice.

mod common;

use std::time::{Duration, Instant};

use common::{Workplace, gradient, reversal, training, tree};
use rand::{Rng, SeedableRng};
use serde_json::json;

fn everything() -> Workplace {
    let place = Workplace::new();
    let mut two = training("training");
    two["grid"] = json!([{ "method": ["full", "anode", "reverse-time"] }]);
    two["fixed"].as_object_mut().unwrap().remove("method");
    let mut digit = reversal("digit");
    digit["grid"] = json!([{ "problem": [
        { "kind": "convolution", "activation": "relu", "std": 0.5, "kernel": 3, "picture": "drawn" },
        { "kind": "matrix-relu", "n": 20, "sign": -1, "normalise": "spectral" }
    ] }]);
    digit["fixed"].as_object_mut().unwrap().remove("problem");
    digit["seeds"] = json!([0, 1]);
    place.define(&two).define(&digit).define(&gradient("gradient"));
    place
}

#[test]
fn tables_do_not_depend_on_threads_or_jobs() {
    let (one, two) = (everything(), everything());
    one.expect(0, &["reproduce", "--threads", "1", "--jobs", "1"]);
    two.expect(0, &["reproduce", "--threads", "2", "--jobs", "3"]);
    let (a, b) = (tree(&one.path("results/tables")), tree(&two.path("results/tables")));
    assert_eq!(a.len(), 5, "three experiments, means over seeds where there are several, and the summary");
    for ((name, a), (other, b)) in a.iter().zip(&b) {
        assert!(name == other && a == b, "{name}");
    }
    for (name, bytes) in tree(&one.path("figures")) {
        assert!(bytes == std::fs::read(two.path("figures").join(&name)).unwrap(), "figure {name}");
    }
}

#[test]
fn a_finished_run_is_never_repeated_and_reports_repeat_to_the_byte() {
    let place = everything();
    place.expect(0, &["reproduce"]);
    let before = tree(&place.path("results"));
    let text = place.expect(0, &["reproduce"]);
    assert!(text.contains("0 runs finished") && text.contains("8 were done before"), "{text}");
    place.expect(0, &["report"]);
    assert!(tree(&place.path("results")) == before);
}

fn lines(place: &Workplace) -> usize {
    let folder = place.path("results/runs/quick/train");
    let steps = std::fs::read_dir(folder).ok().and_then(|mut d| d.next()).and_then(Result::ok);
    steps.and_then(|e| std::fs::read_to_string(e.path().join("steps.csv")).ok()).map_or(0, |t| t.lines().count())
}

/// Starts a training and ends it with `end` once a random number of further steps is logged.
#[cfg(unix)]
fn disturbed(end: fn(&mut std::process::Child), times: usize) {
    let undisturbed = Workplace::new();
    undisturbed.define(&training("train")).expect(0, &["reproduce"]);
    let place = Workplace::new();
    place.define(&training("train"));
    // The moments differ from call to call; that none of them matters is the point.
    let mut rng = rand_chacha::ChaCha8Rng::from_entropy();
    let mut stopped = 0;
    for _ in 0..times {
        let target = lines(&place) + rng.gen_range(2..14);
        let mut child = place.command(&["reproduce", "--quiet"]).spawn().expect("the program starts");
        let patience = Instant::now();
        while lines(&place) < target && child.try_wait().expect("a child").is_none() {
            assert!(patience.elapsed() < Duration::from_secs(120), "no progress");
            std::thread::sleep(Duration::from_millis(rng.gen_range(1..6)));
        }
        end(&mut child);
        stopped += usize::from(!child.wait().expect("a child").success());
    }
    assert!(stopped > 0, "at least one call was stopped half way");
    place.expect(0, &["reproduce"]);
    assert!(tree(&place.path("results/tables")) == tree(&undisturbed.path("results/tables")));
    let steps = |place: &Workplace| std::fs::read(place.run_folder("train").join("steps.csv")).unwrap();
    assert!(steps(&place) == steps(&undisturbed), "every step's numbers too");
    let first = |bytes: Vec<u8>| -> Vec<String> {
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| line.split(',').next().unwrap().to_owned()).collect()
    };
    let times = std::fs::read(place.run_folder("train").join("times.csv")).unwrap();
    assert_eq!(first(times), first(steps(&place)), "every step is timed once");
}

#[cfg(unix)]
#[test]
fn a_training_killed_at_three_random_moments_ends_with_the_same_bits() {
    disturbed(|child| child.kill().expect("a kill"), 3);
}

#[cfg(unix)]
#[test]
fn a_training_that_is_asked_to_stop_ends_cleanly_and_goes_on() {
    disturbed(
        |child| {
            let asked = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            asked.expect("kill is there");
            let code = child.wait().expect("a child").code();
            assert!(matches!(code, Some(130 | 0)), "{code:?}");
        },
        2,
    );
}

#[test]
fn two_processes_do_not_write_one_results_folder() {
    let place = Workplace::new();
    // Long enough to be at work however slowly the second process starts.
    let mut long = training("train");
    long["fixed"]["epochs"] = json!(500);
    place.define(&long);
    let mut first = place.command(&["reproduce", "--quiet"]).spawn().expect("the program starts");
    let patience = Instant::now();
    while lines(&place) < 2 {
        assert!(patience.elapsed() < Duration::from_secs(120), "no progress");
        std::thread::sleep(Duration::from_millis(5));
    }
    let text = place.expect(3, &["reproduce"]);
    assert!(text.contains("is writing these results"), "{text}");
    first.kill().expect("a kill");
    first.wait().expect("a child");
}
