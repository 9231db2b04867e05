//! The job script on a real Slurm of one node: a task is queued again in the middle of its run, another time all tasks
//! are cancelled and submitted anew; the tables are those of one uninterrupted call. Skipped where Slurm is not
//! installed.
#![cfg(target_os = "linux")]

use crate::common;

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Workplace, tables, training, tree};
use serde_json::json;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/slurm-node.sh");

/// A Slurm that ends with the test.
struct Slurm {
    folder: tempfile::TempDir,
}

impl Slurm {
    /// `None`, with a line that says why, where it is not installed.
    fn start() -> Option<Self> {
        // Sockets need a short path.
        let folder = tempfile::Builder::new().prefix("slurm").tempdir_in("/tmp").expect("a folder");
        let output = Command::new(SCRIPT).arg("start").arg(folder.path()).output().expect("bash is there");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => Some(Self { folder }),
            Some(77) => {
                // Past the capture of the test harness: a test that was skipped should say so.
                let _ = writeln!(std::io::stderr(), "skipped the test on a real Slurm: {}", said.trim());
                None
            }
            code => panic!("exit code {code:?}: {said}"),
        }
    }

    fn call(&self, place: &Workplace, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(place.path("")).env("SLURM_CONF", self.folder.path().join("slurm.conf"));
        let output = command.output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {arguments:?}: {said}\n{}", self.logs());
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// Submits the job script; the numbers of its array and of its report.
    fn submit(&self, place: &Workplace) -> (String, String) {
        let said = self.call(place, "bash", &["job.sh"]);
        let after = |word: &str| {
            let rest = said.split(word).nth(1).expect("the script tells the number");
            rest.chars().take_while(char::is_ascii_digit).collect::<String>()
        };
        (after("as job "), after("report as job "))
    }

    fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let clock = Instant::now();
        while !holds() {
            assert!(clock.elapsed() < Duration::from_secs(240), "waited in vain until {what}\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn wait_for_end(&self, place: &Workplace) {
        self.wait_until("no job is left", || self.call(place, "squeue", &["--noheader"]).is_empty());
    }

    fn logs(&self) -> String {
        ["slurmctld.log", "slurmd.log"]
            .map(|name| std::fs::read_to_string(self.folder.path().join("log").join(name)).unwrap_or_default())
            .join("\n")
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        let _ = Command::new(SCRIPT).arg("stop").arg(self.folder.path()).status();
    }
}

/// Lines of all logs of steps below a folder.
fn steps(folder: &Path) -> usize {
    if !folder.is_dir() {
        return 0;
    }
    let logs = tree(folder).into_iter().filter(|(name, _)| name.ends_with("steps.csv"));
    logs.map(|(_, bytes)| bytes.iter().filter(|b| **b == b'\n').count()).sum()
}

#[test]
fn tasks_that_are_queued_again_or_cancelled_end_with_the_tables_of_one_call() {
    let Some(slurm) = Slurm::start() else { return };
    let place = Workplace::new();
    let mut train = training("train");
    train["fixed"]["epochs"] = json!(100);
    train["seeds"] = json!([0, 1]);
    place.define(&train);
    place.expect(0, &["reproduce", "--results", "whole", "--figures", "whole/figures", "--threads", "1"]);
    let arguments = ["plan", "--slurm", "--shards", "2", "--time", "10", "--mem", "200M", "--cpus", "1"];
    let write = |results: &str| {
        let script = place.expect(0, &[&arguments[..], &["--results", results, "--figures", results]].concat());
        place.write("job.sh", script);
    };

    write("requeued");
    let (job, _) = slurm.submit(&place);
    let first = place.path("requeued/shards/quick/1-of-2");
    slurm.wait_until("the first task has made steps", || steps(&first) > 50);
    slurm.call(&place, "scontrol", &["requeue", &format!("{job}_1")]);
    slurm.wait_until("the task was started again", || {
        slurm.call(&place, "scontrol", &["show", "job", &format!("{job}_1")]).contains("Restarts=1")
    });
    assert!(!first.join("tables").exists());
    slurm.wait_for_end(&place);
    assert_eq!(tables(&place, "requeued"), tables(&place, "whole"));
    assert!(place.path("requeued/report.html").is_file(), "the last job wrote the report");

    write("cancelled");
    let (job, report) = slurm.submit(&place);
    let both = place.path("cancelled/shards/quick");
    slurm.wait_until("tasks have made steps", || steps(&both) > 50);
    slurm.call(&place, "scancel", &[&job, &report]);
    slurm.wait_for_end(&place);
    let records = || tree(&both).iter().filter(|(name, _)| name.ends_with("run.json")).count();
    assert!(records() < 2, "cancelled before the end");
    assert!(!place.path("cancelled/tables").exists());
    let made = steps(&both);
    slurm.submit(&place);
    slurm.wait_until("a task goes on", || steps(&both) > made || records() == 2);
    slurm.wait_for_end(&place);
    assert_eq!(tables(&place, "cancelled"), tables(&place, "whole"));
}
