//! A plan in shards: together they are the whole, merged they give the same tables, and what disagrees is refused.

use crate::common;

use std::path::Path;

use anode::record::{Record, Unfinished};
use common::{Workplace, reversal, tables, training, tree};
use serde_json::json;

/// Nine runs of two studies.
fn place() -> Workplace {
    let place = Workplace::new();
    let mut many = reversal("many");
    many["fixed"].as_object_mut().expect("settings").remove("solver");
    many["grid"] = json!([{ "solver": ["euler", "rk4"] }]);
    many["seeds"] = json!([0, 1, 2, 3]);
    let mut train = training("train");
    train["fixed"]["epochs"] = json!(1);
    place.define(&many).define(&train);
    place
}

#[test]
fn four_shards_merged_are_the_whole() {
    let place = place();
    place.expect(0, &["reproduce", "--results", "whole", "--figures", "whole/figures"]);
    let shards: Vec<String> = (1..=4).map(|i| format!("shard-{i}")).collect();
    for (i, shard) in shards.iter().enumerate() {
        let which = format!("{}/4", i + 1);
        let planned = place.json(0, &["plan", "--shard", &which, "--json"]);
        let planned = planned.as_array().expect("a list").len();
        assert!((2..=3).contains(&planned), "nine runs in four shards: {planned}");
        let said = place.expect(0, &["reproduce", "--shard", &which, "--results", shard]);
        assert!(said.contains(&format!("{planned} runs finished")), "{said}");
        assert!(!place.path(shard).join("REPORT.md").exists(), "a part of the results is no report");
    }
    let names: Vec<&str> = shards.iter().map(String::as_str).collect();
    let said = place.expect(0, &[&["merge", "--results", "merged"], &names[..]].concat());
    assert!(said.starts_with("9 runs copied"), "{said}");
    place.expect(0, &["report", "--results", "merged", "--figures", "merged/figures"]);
    assert_eq!(tables(&place, "merged"), tables(&place, "whole"));
    let again = place.expect(0, &[&["merge", "--results", "merged"], &names[..]].concat());
    assert!(again.starts_with("0 runs copied") && again.contains("9 were there already"), "{again}");
    let said = place.expect(0, &["reproduce", "--results", "merged", "--figures", "merged/figures"]);
    assert!(said.contains("0 runs finished, 0 diverged, 9 were done before"), "{said}");
}

/// The only run folder of `small` in a results folder.
fn only_run(place: &Workplace, results: &str) -> std::path::PathBuf {
    let folder = place.path(results).join("runs/quick/small");
    let mut found: Vec<_> = std::fs::read_dir(&folder).expect("records").flatten().map(|e| e.path()).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Rewrites a file of a run and its digest, as another program would that found other numbers.
fn forge(folder: &Path, from: &str, to: &str) {
    let rows = std::fs::read_to_string(folder.join("rows.csv")).expect("rows");
    assert!(rows.contains(from), "{rows}");
    let forged = rows.replacen(from, to, 1);
    let record = std::fs::read_to_string(folder.join("run.json")).expect("a record");
    let digest = |text: &str| anode::digest::sha256(text.as_bytes());
    std::fs::write(folder.join("run.json"), record.replace(&digest(&rows), &digest(&forged))).expect("written");
    std::fs::write(folder.join("rows.csv"), forged).expect("written");
}

#[test]
fn records_that_disagree_are_refused_and_both_are_named() {
    let place = Workplace::new();
    place.define(&reversal("small"));
    for results in ["a", "b"] {
        place.expect(0, &["run", "small", "--results", results]);
    }
    place.expect(0, &["merge", "a", "b", "--results", "fine"]);
    forge(&only_run(&place, "b"), "both ways", "one way");
    for into in ["a", "fresh"] {
        let others: &[&str] = if into == "a" { &["b"] } else { &["a", "b"] };
        let said = place.expect(1, &[&["merge", "--results", into], others].concat());
        for part in ["a/runs/quick/small", "b/runs/quick/small", "both ways and one way", "nothing was merged"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    assert!(!place.path("fresh/runs").exists(), "nothing was merged");
}

#[test]
fn damage_is_refused() {
    let place = Workplace::new();
    place.define(&reversal("small"));
    place.expect(0, &["run", "small", "--results", "a"]);
    let rows = only_run(&place, "a").join("rows.csv");
    let text = std::fs::read_to_string(&rows).expect("rows");
    std::fs::write(&rows, text.replacen('1', "2", 1)).expect("written");
    let said = place.expect(3, &["merge", "a", "--results", "fresh"]);
    assert!(said.contains("rows.csv") && said.contains("digest"), "{said}");
    std::fs::write(&rows, text).expect("written");
    let folder = only_run(&place, "a");
    std::fs::rename(&folder, folder.with_file_name("0123456789abcdef")).expect("renamed");
    let said = place.expect(3, &["merge", "a", "--results", "fresh"]);
    assert!(said.contains("another place"), "{said}");
    assert!(place.expect(2, &["merge", "nowhere", "--results", "fresh"]).contains("no folder `runs`"));
    assert!(place.expect(2, &["merge", "a", "--results", "a"]).contains("into itself"));
}

#[test]
fn a_finished_record_takes_the_place_of_an_interrupted_run_and_not_the_other_way_round() {
    let place = Workplace::new();
    place.define(&reversal("small"));
    place.expect(0, &["run", "small", "--results", "done"]);
    let interrupt = |results: &str| {
        place.expect(0, &["merge", "done", "--results", results]);
        let folder = only_run(&place, results);
        let record = anode::record::read_record(&folder).expect("sound").expect("a record").record;
        let (device, continued) = (record.environment.device, record.continued);
        let Record { format, run, experiment, profile, study, settings, seed, inputs, .. } = record;
        let header = Unfinished { format, run, experiment, profile, study, settings, seed, inputs, device, continued };
        header.write(&folder).expect("written");
        std::fs::remove_file(folder.join("run.json")).expect("removed");
        std::fs::write(folder.join("checkpoint.safetensors"), "half").expect("written");
    };
    interrupt("half");
    let done = tree(&place.path("done/runs"));
    let said = place.expect(0, &["merge", "half", "--results", "done"]);
    assert!(said.starts_with("0 runs copied"), "{said}");
    assert_eq!(tree(&place.path("done/runs")), done);

    let said = place.expect(0, &["merge", "half", "done", "--results", "both"]);
    assert!(said.starts_with("1 runs copied, 0 of which are to be finished"), "{said}");
    assert_eq!(tree(&place.path("both/runs")), done);
    let said = place.expect(0, &["merge", "half", "--results", "later"]);
    assert!(said.starts_with("1 runs copied, 1 of which are to be finished"), "{said}");
    // What an interrupted merge left behind is in nobody's way.
    let folder = only_run(&place, "half");
    let leftover = folder.with_file_name(format!(".partial-{}", folder.file_name().expect("a name").to_string_lossy()));
    std::fs::create_dir_all(&leftover).expect("a folder");
    std::fs::write(leftover.join("run.json"), "{").expect("written");
    place.expect(0, &["merge", "done", "--results", "half"]);
    assert_eq!(tree(&place.path("half/runs")), done);
}

#[test]
fn a_run_that_an_interrupted_merge_moved_aside_is_moved_back() {
    let place = Workplace::new();
    place.define(&reversal("small"));
    for results in ["a", "b"] {
        place.expect(0, &["run", "small", "--results", results]);
    }
    let folder = only_run(&place, "a");
    let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
    for again in [&["run", "small", "--results", "a"][..], &["merge", "b", "--results", "a"]] {
        std::fs::rename(&folder, folder.with_file_name(format!(".partial-old-{name}"))).expect("moved");
        std::fs::write(folder.with_file_name(format!(".partial-old-{name}")).join("times.csv"), "mine")
            .expect("written");
        let said = place.expect(0, again);
        assert!(said.contains("1 were done before") || said.contains("0 runs copied"), "{said}");
        assert_eq!(std::fs::read_to_string(folder.join("times.csv")).expect("its file"), "mine");
    }
}

#[test]
fn cells_that_differ_are_compared_and_merged_under_the_same_number() {
    let place = Workplace::new();
    place.define(&reversal("small"));
    for results in ["a", "b"] {
        place.expect(0, &["run", "small", "--results", results]);
    }
    forge(&only_run(&place, "b"), "both ways", "one way");
    let merged = place.expect(1, &["merge", "b", "--results", "a"]);
    let compared = place.expect(1, &["compare", "a", "b"]);
    assert!(merged.contains(" in row 0 is ") && compared.contains(" in row 0 of rows.csv"), "{merged}{compared}");
    assert!(compared.contains("should be bit-identical differ in 1 cell") && !compared.contains("not reproduced"));
}

#[test]
fn shards_and_jobs_that_make_no_sense_are_refused() {
    let place = place();
    for (arguments, says) in [
        (&["plan", "--shard", "5/4"][..], "i/n"),
        (&["run", "many", "--shard", "0/4"], "i/n"),
        (&["plan", "--shards", "4"], "--slurm"),
        (&["plan", "--slurm", "--time", "soon"], "hours:minutes:seconds"),
        (&["plan", "--slurm", "--mem", "4GB; rm"], "whole number"),
        (&["plan", "--slurm", "--shards", "0"], "--shards"),
        (&["plan", "--slurm", "--shard", "1/2"], "cannot be used"),
        (&["plan", "--slurm", "--profile", "paper"], "no runs"),
        (&["plan", "--slurm", "--json"], "--json"),
        (&["reproduce", "--shard", "1/2", "--plan-digest", "0000"], "anode plan --slurm"),
    ] {
        let said = place.expect(2, arguments);
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}

#[test]
fn a_job_script_is_sound_bash_and_keeps_to_the_number_of_runs() {
    let place = place();
    let arguments = ["plan", "--slurm", "--shards", "100", "--results", "it's $(touch here)", "--time", "1-00:00:00"];
    let script = place.expect(0, &[&arguments[..], &["--sbatch=--partition=a b"]].concat());
    assert!(script.contains("shards=9\n"), "nine runs fill nine shards");
    place.write("job.sh", &script);
    let bash = |extra: &[&str]| {
        let output = std::process::Command::new("bash").args(extra).arg("job.sh").current_dir(place.path("")).output();
        output.expect("bash is there")
    };
    assert!(bash(&["-n"]).status.success());
    // A stand-in for sbatch that notes its arguments, one a line.
    place.write("bin/sbatch", "#!/bin/sh\nprintf '%s\\n' \"$@\" >> \"$NOTES\"\necho '7;cluster'\n");
    let submit = "chmod +x bin/sbatch; NOTES=$PWD/notes PATH=$PWD/bin:$PATH bash job.sh";
    let output =
        std::process::Command::new("bash").args(["-c", submit]).current_dir(place.path("")).output().expect("bash");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let notes = place.read("notes");
    for line in ["--array=1-9", "--dependency=afterany:7", "--time=1-00:00:00", "--partition=a b", "--requeue"] {
        assert!(notes.lines().any(|l| l == line), "{line}: {notes}");
    }
    assert!(notes.contains("--output=it's $(touch here)/shards/quick/%a-of-9.log\n"), "{notes}");
    assert!(!place.path("here").exists() && place.path("it's $(touch here)/shards/quick").is_dir());
}

#[test]
fn a_report_of_other_results_leaves_the_published_charts_as_they_are() {
    let place = Workplace::new();
    place.define(&reversal("first")).define(&reversal("second"));
    place.expect(0, &["reproduce"]);
    let charts = |folder: &str| {
        let mut names: Vec<_> = std::fs::read_dir(place.path(folder))
            .expect("a folder of charts")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .filter(|name| name.ends_with(".svg"))
            .collect();
        names.sort();
        names
    };
    let published = charts("figures");
    assert!(published.len() >= 2, "{published:?}");
    place.expect(0, &["run", "first", "--results", "other"]);
    place.expect(0, &["report", "--results", "other"]);
    assert_eq!(charts("figures"), published);
    let other = charts("other/figures");
    assert!(!other.is_empty() && other.iter().all(|name| name.starts_with("first")), "{other:?}");
    let page = place.read("other/REPORT.md");
    assert!(page.contains(&format!("](figures/{}", other[0])), "the report shows its own charts");
    let text = place.expect(2, &["figures", "--results", "other", "--where", "seed=0"]);
    assert!(text.contains("would replace the charts of all runs in other"), "{text}");
    let text = place.expect(2, &["figures", "--results", "other", "--figures", "figures", "--where", "seed=0"]);
    assert!(text.contains("would replace the charts of all runs in figures"), "{text}");
    let results = place.path("results");
    for published in ["./results", results.to_str().expect("a path in UTF-8")] {
        place.expect(0, &["report", "--results", published]);
        assert!(!place.path("results/figures").exists(), "{published} is the folder of published results");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_run_is_refused_before_anything_is_copied() {
    let place = Workplace::new();
    place.define(&reversal("a")).define(&reversal("b"));
    place.expect(0, &["run", "a", "b", "--results", "from"]);
    let refused = |says: &str| {
        let said = place.expect(3, &["merge", "from", "--results", "into"]);
        assert!(said.contains(says), "{said}");
        assert!(!place.path("into/runs/quick/a").exists(), "{said}");
    };
    for (name, says) in [("b/notes", "no id of a run"), ("\u{1b}[2J", "no id of an experiment")] {
        let folder = place.path("from/runs/quick").join(name);
        std::fs::create_dir(&folder).expect("a folder");
        refused(says);
        std::fs::remove_dir(&folder).expect("removed");
    }
    // Where the runs would go.
    std::fs::create_dir_all(place.path("into/runs/quick")).expect("a folder");
    std::fs::create_dir(place.path("elsewhere")).expect("a folder");
    let target = place.path("into/runs/quick/b");
    std::os::unix::fs::symlink(place.path("elsewhere"), &target).expect("a link");
    refused("a symbolic link");
    std::fs::remove_file(&target).expect("removed");
    let run_of_b = std::fs::read_dir(place.path("from/runs/quick/b")).expect("runs").next().expect("one").expect("one");
    std::fs::create_dir(&target).expect("a folder");
    std::fs::write(target.join(run_of_b.file_name()), "a file").expect("written");
    refused("no folder");
    assert_eq!(std::fs::read_dir(&target).expect("a folder").count(), 1, "no partial copy is left");
    std::fs::remove_dir_all(&target).expect("removed");
    place.expect(0, &["merge", "from", "--results", "into"]);
}

#[test]
fn a_log_of_any_length_that_a_record_names_is_recorded_and_merged() {
    let place = Workplace::new();
    place.define(&reversal("small"));
    place.expect(0, &["run", "small", "--results", "a"]);
    // More values than a record may have that is read as a whole.
    let header: Vec<String> = (0..256).map(|i| format!("c{i}")).collect();
    let log = format!("{}\n", header.join(",")) + &(",".repeat(255) + "\n").repeat(63_000);
    let folder = only_run(&place, "a");
    let record = std::fs::read_to_string(folder.join("run.json")).expect("a record");
    let mut record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    let write = |log: &str, record: &mut serde_json::Value| {
        std::fs::write(folder.join("steps.csv"), log).expect("written");
        record["files"]["steps.csv"] = anode::digest::sha256(log.as_bytes()).into();
        std::fs::write(folder.join("run.json"), record.to_string()).expect("written");
    };
    write(&log, &mut record);
    assert!(place.expect(0, &["plan", "--results", "a"]).contains("done"));
    place.expect(0, &["merge", "a", "--results", "b"]);
    place.expect(0, &["merge", "a", "--results", "b"]);
    write(&log.replacen(",\n", ",x\n", 1), &mut record);
    let said = place.expect(1, &["merge", "a", "--results", "b"]);
    assert!(said.contains("c255 in step 0 is nothing and x"), "{said}");
    write(&(log + &",".repeat(255) + "\n"), &mut record);
    let said = place.expect(1, &["merge", "a", "--results", "b"]);
    assert!(said.contains("one has 63000 steps, the other has more"), "{said}");
}
