//! Ctrl-C: the first ends a run at its next step, with everything saved, the second at once.

use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code after a Ctrl-C; beside it, 0 is done, 1 failed and 2 wrong use.
pub(crate) const STOPPED: u8 = 130;

/// Set by the first Ctrl-C.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

/// Whether the command is a run, which [`STOP`] ends.
static IS_RUN: AtomicBool = AtomicBool::new(false);

/// Sets [`STOP`] at the first Ctrl-C, and ends the process at the second.
pub(crate) fn listen_for_interrupt() -> anyhow::Result<()> {
    IS_RUN.store(true, Ordering::Relaxed);
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(STOPPED));
        }
        eprintln!("\nstopping after this step; once more to stop at once");
    })?;
    Ok(())
}

/// Ends a run at its next step, as Ctrl-C does; tells whether the command is one.
pub(crate) fn stop_run() -> bool {
    let is_run = IS_RUN.load(Ordering::Relaxed);
    if is_run {
        STOP.store(true, Ordering::Relaxed);
    }
    is_run
}
