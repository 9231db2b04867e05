//! Stopping the program by signal.

use std::sync::atomic::{AtomicBool, Ordering};

use super::output::warn;

/// Set by Ctrl-C and by a polite kill.
static STOP: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C sets what is returned.
pub fn stop_on_signal() -> &'static AtomicBool {
    // A second handler is refused, which matters only where a test calls this twice in one process.
    let _ = ctrlc::set_handler(stop);
    &STOP
}

/// The first Ctrl-C asks every run to stop where it can be taken up again; the second does not wait. Files are written
/// whole or not at all, so that costs at most the work since the last checkpoint.
fn stop() {
    if STOP.swap(true, Ordering::Relaxed) {
        std::process::exit(130);
    }
    warn("anode: stopping at the next safe point; once more to stop at once");
}
