//! The page of the report in a real browser, where there is one: no violation of axe-core's rules.
#![cfg(unix)]

use crate::common;

use std::io::Write;
use std::process::Command;

use common::{Workplace, reversal};
use serde_json::json;

#[test]
fn the_page_is_self_contained_and_accessible() {
    let place = Workplace::new();
    let mut several = reversal("several");
    several["seeds"] = json!([0, 1, 2]);
    let missing = json!([{ "id": "other", "paper": "anodev2", "title": "T", "because": "it needs a telescope" }]);
    place.define(&several).define(&reversal("one")).write("experiments/not-run.json", missing.to_string());
    place.expect(0, &["reproduce"]);
    let page = place.read("results/report.html");
    for outside in ["src=", "url(", "@import", "<link", "href=\"http", "<script"] {
        assert!(!page.contains(outside), "{outside} reaches out of the page");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/check-report.sh");
    let output = Command::new(script).arg(place.path("results/report.html")).output().expect("bash is there");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(0) => {}
        Some(77) => {
            let _ = writeln!(std::io::stderr(), "skipped the test in a browser: {}", said.trim());
        }
        code => panic!("exit code {code:?}: {said}"),
    }
}
