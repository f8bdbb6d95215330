//! Interrupted processes: a killed or interrupted run resumes to the same result, bit for bit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use isogloss::{RunFolder, RunStatus};
use isogloss_tests::runs::{Trace, Workshop};

/// 96 steps that are slow by their writing: a checkpoint after every second one, `best` after every
/// sixth at most.
const TRAINING: &str =
    "epochs = 16\nbatch_size = 4\ncheckpoint_every = 2\nlog_every = 1\nevaluation_batch_size = 1";

/// Number of kills in each test.
const KILLS: u32 = 10;

/// Command line of a run: its recipe and its output folder.
struct Program {
    recipe: PathBuf,
    out: PathBuf,
}

impl Program {
    fn new(shop: &Workshop, out: &str) -> Self {
        let recipe = shop.path("tiny.toml");
        std::fs::write(&recipe, shop.recipe(TRAINING, "")).unwrap();
        Self { recipe, out: shop.path(out) }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isogloss"));
        command.arg("finetune").arg(&self.recipe).arg("--out").arg(&self.out);
        command.args(["--device", "flex"]).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn folder(&self) -> RunFolder {
        RunFolder::new(self.out.join("tiny/seed-7"))
    }

    /// Starts the run, kills it after a delay, and returns its status.
    fn kill_after(&self, delay: Duration) -> RunStatus {
        let mut child = self.command().stderr(Stdio::null()).spawn().unwrap();
        sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();
        let status = self.folder().status().unwrap();
        let shown = match &status {
            RunStatus::New => "before the first checkpoint".to_owned(),
            RunStatus::Unfinished(step) => format!("with the checkpoint of step {step}"),
            RunStatus::Done(_) => "after its end".to_owned(),
        };
        eprintln!("killed after {} ms, {shown}", delay.as_millis());
        status
    }

    fn finish(&self) -> Trace {
        succeed(&self.command().output().unwrap());
        Trace::read(&self.folder())
    }
}

fn succeed(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Trace and duration of an uninterrupted run.
fn undisturbed() -> &'static (Trace, Duration) {
    static RUN: LazyLock<(Trace, Duration)> = LazyLock::new(|| {
        let shop = Workshop::new();
        let began = Instant::now();
        let trace = Program::new(&shop, "undisturbed").finish();
        let duration = began.elapsed();
        eprintln!("undisturbed: {} ms, {} steps", duration.as_millis(), trace.losses().len());
        (trace, duration)
    });
    &RUN
}

/// Pseudo-random number in [0, 1), the same at each call.
fn uniform(n: u32) -> f64 {
    f64::from(n.wrapping_mul(2_654_435_769) >> 8) / f64::from(1 << 24)
}

#[test]
fn a_run_killed_at_any_moment_ends_like_an_undisturbed_one() {
    let shop = Workshop::new();
    let (expected, duration) = undisturbed();
    let mut n_unfinished = 0;
    for kill in 0..KILLS {
        let share = (f64::from(kill) + uniform(kill + 1)) / f64::from(KILLS);
        let mut delay = duration.mul_f64(share);
        let program = Program::new(&shop, &format!("killed-{kill}"));
        let mut status = program.kill_after(delay);
        // The machine may be faster than during the undisturbed run.
        while let RunStatus::Done(_) = status {
            std::fs::remove_dir_all(&program.out).unwrap();
            delay /= 2;
            status = program.kill_after(delay);
        }
        n_unfinished += u32::from(matches!(status, RunStatus::Unfinished(_)));
        assert_eq!(program.finish(), *expected, "kill {kill}");
    }
    assert!(n_unfinished > 0, "every kill came before the first checkpoint");
}

#[test]
fn a_run_killed_again_and_again_ends_like_an_undisturbed_one() {
    let shop = Workshop::new();
    let (expected, duration) = undisturbed();
    let program = Program::new(&shop, "killed");
    for kill in 0..KILLS {
        if let RunStatus::Done(_) = program.kill_after(duration.mul_f64(0.2 * uniform(kill + 100)))
        {
            break;
        }
    }
    assert_eq!(program.finish(), *expected);
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let shop = Workshop::new();
    let (expected, _) = undisturbed();
    let program = Program::new(&shop, "it's interrupted");
    let child = program.command().arg("--fresh").spawn().unwrap();
    while !matches!(program.folder().status(), Ok(RunStatus::Unfinished(5..))) {
        sleep(Duration::from_millis(2));
    }
    succeed(&Command::new("kill").args(["-INT", &child.id().to_string()]).output().unwrap());
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{message}");

    let RunStatus::Unfinished(step) = program.folder().status().unwrap() else {
        panic!("no checkpoint: {message}");
    };
    let (_, hint) = message.split_once(&format!("stopped after step {step};")).unwrap();
    let (_, command) = hint.split_once("To go on:\n").unwrap();
    assert!(!command.contains("--fresh"), "{command}");
    succeed(&Command::new("sh").arg("-c").arg(command).output().unwrap());
    assert_eq!(Trace::read(&program.folder()), *expected);
}
