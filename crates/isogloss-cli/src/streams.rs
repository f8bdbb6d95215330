//! Standard output and standard error of the process: the macros that print.
//!
//! The macros replace those of the standard library, which panic if a write fails. A broken pipe on
//! the standard output ends the command silently, as it ends other programs in a pipe; on the
//! standard error the notes are lost, and the work goes on.

use std::fmt;
use std::io::{self, ErrorKind, Write as _};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::interrupt::stop_run;

/// Exit code on a broken pipe: the one that shells report for a process killed by SIGPIPE.
pub(crate) const EXIT_BROKEN_PIPE: u8 = 141;

static OUTPUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Prints to the standard output.
macro_rules! print {
    ($($text:tt)*) => { $crate::streams::write_output(format_args!($($text)*)) };
}

/// Prints a line to the standard output.
macro_rules! println {
    ($($text:tt)*) => { $crate::streams::write_output(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints a line to the standard error.
macro_rules! eprintln {
    ($($text:tt)*) => { $crate::streams::write_note(format_args!("{}\n", format_args!($($text)*))) };
}

/// Writes to the standard output, and flushes.
pub(crate) fn write_output(text: fmt::Arguments<'_>) {
    if is_output_closed() {
        return;
    }
    let mut output = io::stdout().lock();
    if let Err(error) = output.write_fmt(text).and_then(|()| output.flush()) {
        drop(output);
        if !check_broken_pipe(&error) {
            eprintln!("error: standard output: {error}");
            exit(1);
        }
    }
}

/// Writes to the standard error, and ignores errors.
pub(crate) fn write_note(text: fmt::Arguments<'_>) {
    // In one write, so that it does not mix with the output of other processes.
    _ = io::stderr().lock().write_all(text.to_string().as_bytes());
}

/// Whether an error is a broken pipe. If so, the command ends: at once, or for a run after its next
/// step, with everything saved.
pub(crate) fn check_broken_pipe(error: &io::Error) -> bool {
    let is_gone = error.kind() == ErrorKind::BrokenPipe;
    if is_gone {
        OUTPUT_CLOSED.store(true, Ordering::Relaxed);
        if !stop_run() {
            exit(i32::from(EXIT_BROKEN_PIPE));
        }
    }
    is_gone
}

/// Whether the reader of the standard output has closed the pipe.
pub(crate) fn is_output_closed() -> bool {
    OUTPUT_CLOSED.load(Ordering::Relaxed)
}
