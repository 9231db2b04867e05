//! What the commands that look at plans and records print, from the command line.

mod common;

use std::path::Path;
use std::time::{Duration, SystemTime};

use common::{Workplace, reversal, training};
use serde_json::{Value, json};

/// Standard output of a call as JSON.
fn json_of(place: &Workplace, arguments: &[&str]) -> Value {
    let output = place.run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn archived_records_count_as_recorded() {
    let place = Workplace::new();
    let mut two = reversal("two");
    two["seeds"] = json!([0, 1]);
    place.define(&two).expect(0, &["reproduce"]);
    assert_eq!(json_of(&place, &["plan", "--json"])[0]["state"], "done");
    std::fs::remove_dir_all(place.path("results/runs")).expect("records");
    assert_eq!(json_of(&place, &["list", "--json"])[0]["profiles"][0]["recorded"], 2);
    let plan = json_of(&place, &["plan", "--json"]);
    assert_eq!((&plan[1]["state"], &plan[1]["done"]), (&json!("archived"), &json!(true)));
    // Another setting is another run.
    two["fixed"]["dtype"] = json!("f32");
    place.define(&two);
    assert_eq!(json_of(&place, &["plan", "--json"])[0]["state"], "to do");
    // A damaged archive is reported and counts as empty.
    place.write("results/records/two.quick.tar.gz", "no archive");
    let text = place.expect(0, &["list"]);
    assert!(text.contains("two.quick.tar.gz: not an archive of records") && text.contains("0/2"), "{text}");
}

/// Twenty images a file in the format of CIFAR-10, all with the byte `shade`, modified an hour ago.
fn cifar(place: &Workplace, shade: u8) {
    let hour = SystemTime::now() - Duration::from_secs(3600);
    let whole =
        Duration::from_secs(hour.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs() / 7200 * 7200);
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        let record = |i: usize| [vec![(i % 10) as u8], vec![shade; 3072]].concat();
        let path = format!("data/own/{name}.bin");
        place.write(&path, (0..20).flat_map(record).collect::<Vec<u8>>());
        let file = std::fs::File::options().write(true).open(place.path(&path)).expect("a file");
        file.set_modified(SystemTime::UNIX_EPOCH + whole).expect("a file system with times");
    }
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn images_are_read_once_for_all_plans_and_checked_before_a_run() {
    let place = Workplace::new();
    let mut own = training("own");
    own["fixed"]["data"] = json!({ "cifar-folder": "own" });
    own["fixed"]["epochs"] = json!(1);
    place.define(&own);
    cifar(&place, 3);
    let id = |place: &Workplace| json_of(place, &["plan", "--json"])[0]["run"].clone();
    let first = id(&place);
    assert_eq!(files(&place.path(".cache/digests")), 1);
    assert_eq!(id(&place), first);
    // Other bytes of the same size and time: the plan does not see it, the run does.
    cifar(&place, 4);
    assert_eq!(id(&place), first);
    let text = place.expect(1, &["run", "own"]);
    assert!(text.contains("changed while their size and modification time stayed the same"), "{text}");
    place.expect(0, &["run", "own"]);
    assert_ne!(id(&place), first);
    // A cache that cannot be read or written changes nothing.
    std::fs::remove_dir_all(place.path(".cache")).expect("a cache");
    place.write(".cache", "no folder");
    assert_ne!(id(&place), first);
}
