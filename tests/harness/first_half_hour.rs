//! A newcomer's first half hour, as a transcript: every command with what it prints. `ANODE_UPDATE_TRANSCRIPTS=1`
//! writes the transcript instead of comparing it.

use crate::common;

use common::{Workplace, tree};

const TRANSCRIPT: &str = "tests/transcripts/first-half-hour.txt";
const DEFINITION: &str = "experiments/anode/first.json";

/// A session: commands, edits, and what was printed.
struct Session {
    place: Workplace,
    text: String,
}

impl Session {
    /// Runs a command, given as a person types it.
    fn run(&mut self, code: i32, words: &str) {
        let arguments: Vec<&str> = words.split(' ').collect();
        let mut command = self.place.command(&arguments);
        let output = command.env("COLUMNS", "100").output().expect("it starts");
        let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{words}: {printed}");
        let folder = self.place.path("").canonicalize().expect("the project");
        let printed = printed.replace(&format!("{}/", folder.display()), "/project/");
        self.text += &format!("$ anode {words}\n{}\n", plain(&printed));
    }

    /// Replaces a part of the definition, as with an editor.
    fn edit(&mut self, from: &str, to: &str) {
        let path = self.place.path(DEFINITION);
        let text = std::fs::read_to_string(&path).expect("the definition");
        assert!(text.contains(from), "`{from}` in {text}");
        std::fs::write(path, text.replacen(from, to, 1)).expect("the definition");
        self.text += &format!("# {DEFINITION}: {from} becomes {to}\n\n");
    }
}

/// What is printed, without what differs from one machine to the next: processor, times, and the width of columns.
fn plain(printed: &str) -> String {
    let mut lines: Vec<String> = vec![];
    let mut computed = false;
    for line in printed.lines() {
        // The paragraph on the machine ends with an empty line.
        computed = if line.starts_with("Computed on:") { true } else { computed && !line.is_empty() };
        if computed {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let indent = " ".repeat(line.len() - line.trim_start().len());
        lines.push(format!("{indent}{}", words.join(" ")).trim_end().to_owned());
    }
    lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
    lines.join("\n") + "\n"
}

#[test]
fn the_first_half_hour_goes_as_written() {
    let place = Workplace::new();
    std::fs::remove_dir_all(place.path("experiments")).expect("an empty project");
    let mut session = Session { place, text: String::new() };
    session.run(2, "list");
    session.run(0, "new first --study reversibility");
    session.run(0, "list");
    session.run(0, "plan --threads 1");
    // Three mistakes.
    session.edit("\"rk4\"", "\"rk44\"");
    session.run(1, "check");
    session.edit("\"rk44\"", "\"rk4\"");
    session.edit("\"fixed\": {", "\"fixd\": {");
    session.run(1, "check");
    session.edit("\"fixd\"", "\"fixed\"");
    session.edit("{ \"column\": \"rho\" }", "{ \"column\": \"roh\" }");
    session.run(1, "check");
    session.edit("{ \"column\": \"roh\" }", "{ \"column\": \"rho\" }");
    session.run(0, "check");
    let before = tree(&session.place.path("experiments"));
    session.run(0, "run first --jobs 1");
    session.run(0, "status");
    session.run(0, "show first");
    session.run(0, "new second --like first");
    session.run(0, "run second --jobs 1");
    session.run(0, "compare first second");
    session.run(0, "report");
    session.run(0, "report --verify");
    session.run(0, "clean first second --yes");
    session.run(0, "list");
    std::fs::remove_file(session.place.path("experiments/anode/second.json")).expect("the second definition");
    assert_eq!(tree(&session.place.path("experiments")), before, "the definitions are as they were");
    assert!(std::fs::read_dir(session.place.path("results/runs/quick")).is_ok_and(|mut left| left.next().is_none()));
    if std::env::var_os("ANODE_UPDATE_TRANSCRIPTS").is_some() {
        std::fs::create_dir_all("tests/transcripts").expect("a folder");
        std::fs::write(TRANSCRIPT, &session.text).expect("the transcript");
    }
    let expected = std::fs::read_to_string(TRANSCRIPT).expect("the transcript");
    let pairs = expected.lines().zip(session.text.lines()).enumerate();
    for (number, (expected, found)) in pairs {
        assert_eq!(found, expected, "line {}:\n{}", number + 1, session.text);
    }
    assert_eq!(session.text.lines().count(), expected.lines().count(), "{}", session.text);
}
