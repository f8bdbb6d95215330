//! Interrupts (Ctrl-C): the first stops a run after its current step, with everything saved; the
//! second exits at once.

use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code after Ctrl-C; the others are 0 for success, 1 for failure and 2 for wrong usage.
pub(crate) const STOPPED: u8 = 130;

/// Stop flag, set by the first Ctrl-C.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

/// Whether the command is a training run, which [`STOP`] stops.
static IS_RUN: AtomicBool = AtomicBool::new(false);

/// Installs the Ctrl-C handler: sets [`STOP`] at the first Ctrl-C, and exits at the second.
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

/// Stops a run after its current step, as Ctrl-C does; returns whether the command is one.
pub(crate) fn stop_run() -> bool {
    let is_run = IS_RUN.load(Ordering::Relaxed);
    if is_run {
        STOP.store(true, Ordering::Relaxed);
    }
    is_run
}
