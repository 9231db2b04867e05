//! Peak memory of a process that computes one gradient and nothing else, as the operating system counts it.
//!
//! The program starts itself for the purpose: what runs beside a study in its own process would be counted too.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::definition::StudyKind;

use super::parts::{parsed, typed};
use super::{CPU, StudyError, estimate, memory};

/// The verb under which the program measures itself.
pub const VERB: &str = "measure-memory";

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Tells that this process is the program, which answers to `measure-memory` when it is started again. Tests and users
/// of the library are not.
pub fn this_is_the_program() {
    if let Ok(program) = std::env::current_exe() {
        PROGRAM.get_or_init(|| program);
    }
}

/// Bytes by which the peak of a fresh process rises above what it holds before the gradient; `None` where the system
/// does not tell, or where this code does not run in the program.
pub fn rise(settings: &Value, seed: u64, steps: usize) -> Option<u64> {
    let question = json!({ "settings": settings, "seed": seed, "steps": steps }).to_string();
    let mut child = Command::new(PROGRAM.get()?)
        .arg(VERB)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(question.as_bytes()).ok()?;
    let answer = child.wait_with_output().ok()?;
    String::from_utf8(answer.stdout).ok()?.trim().parse().ok()
}

/// The other end: reads the question that the memory study asks, and returns the bytes.
///
/// # Errors
/// A question that is not understood; a gradient that fails; a system without `/proc`.
pub fn measure(question: &str) -> Result<u64, StudyError> {
    let wrong = |e: serde_json::Error| StudyError::failed("question", e);
    let question: Value = serde_json::from_str(question).map_err(wrong)?;
    let mut settings = question["settings"].as_object().cloned().unwrap_or_default();
    let seed = question["seed"].as_u64().unwrap_or_default();
    let steps = question["steps"].as_u64().unwrap_or(1) as usize;
    // The program itself asks only for runs that it is making; anybody may ask here.
    settings.insert("steps".into(), json!([steps]));
    let settings = parsed(StudyKind::Memory, &settings)?;
    estimate::fits(StudyKind::Memory, &settings, CPU)?;
    let settings = typed(&settings)?;
    let unknown =
        || StudyError::failed("process memory", "the system does not tell it; it is read from /proc on Linux");
    // Once with one step: threads and buffers that every gradient needs are there before the count begins.
    memory::once(settings, seed, 1)?;
    // `5` resets the peak to what is held now (proc_pid_clear_refs).
    std::fs::write("/proc/self/clear_refs", "5").map_err(|_| unknown())?;
    let before = status("VmHWM:").ok_or_else(unknown)?;
    memory::once(settings, seed, steps)?;
    Ok(status("VmHWM:").ok_or_else(unknown)?.saturating_sub(before))
}

/// A figure of `/proc/self/status` in bytes.
fn status(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| 1024 * kib)
}
