//! The code of docs/python.md runs on the committed results.

use std::process::Command;

/// The Python blocks of a page, in order.
fn blocks(page: &str) -> Vec<&str> {
    let parts = page.split("```python\n").skip(1);
    parts.map(|part| part.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn the_code_of_the_page_on_python_runs() {
    let page = std::fs::read_to_string("docs/python.md").expect("the page");
    let blocks = blocks(&page);
    assert_eq!(blocks.len(), 4, "tables, records, digests, models");
    let python = std::env::var("ANODE_PYTHON").unwrap_or_else(|_| "python3".into());
    let run = |code: &str| Command::new(&python).args(["-c", code]).output();
    let packages = run("import pandas, safetensors, numpy");
    if !packages.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {python} with pandas, safetensors and numpy is not here; ANODE_PYTHON names another one");
        return;
    }
    let output = run(&blocks.join("\n")).expect("it started before");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    for part in ["mean", "reverse-time", "finished", "resnet4"] {
        assert!(text.contains(part), "`{part}` in {text}");
    }
}
