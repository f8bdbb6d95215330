//! Ctrl-C: the first ends a run at its next step, with everything saved, the second at once.

use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code after a Ctrl-C; beside it, 0 is done, 1 failed and 2 wrong use.
pub(crate) const STOPPED: u8 = 130;

/// Set by the first Ctrl-C.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

/// Sets [`STOP`] at the first Ctrl-C, and ends the process at the second.
pub(crate) fn listen_for_interrupt() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(STOPPED));
        }
        eprintln!("\nstopping after this step; once more to stop at once");
    })?;
    Ok(())
}
