//! Resume tests: stopped and crashed runs give the result of undisturbed ones, bit for bit.

use std::fs;
use std::path::Path;

use isogloss::{Plan, RunFolder, RunStatus};
use isogloss_tests::copy_folder;
use isogloss_tests::runs::{Trace, Workshop};

/// Six batches an epoch and 18 steps, checkpoints inside and at the end of epochs.
const PLAIN: &str = "epochs = 3\nbatch_size = 4\ncheckpoint_every = 4\nlog_every = 1";
/// Three steps an epoch, each of two batches; the log's lines are means over four steps.
const ACCUMULATED: &str =
    "epochs = 3\nbatch_size = 4\naccumulate = 2\ncheckpoint_every = 100\nlog_every = 4";

fn undisturbed(shop: &Workshop, plan: &Plan) -> Trace {
    let run = shop.run("undisturbed");
    shop.finish(plan, &run);
    Trace::read(&run)
}

#[test]
fn a_stopped_run_goes_on_to_the_same_end() {
    for (training, stops) in [(PLAIN, vec![1, 4, 5, 6, 11, 17]), (ACCUMULATED, vec![1, 3, 4, 5, 8])]
    {
        let shop = Workshop::new();
        let plan = shop.plan(training, "");
        let expected = undisturbed(&shop, &plan);
        for stop in stops {
            let run = shop.run(&format!("stopped-{stop}"));
            shop.stop_after(stop, &plan, &run);
            assert_eq!(run.status().unwrap(), RunStatus::Unfinished(stop));
            shop.finish(&plan, &run);
            assert_eq!(Trace::read(&run), expected, "stopped after {stop}");
        }
    }
}

#[test]
fn the_teacher_of_a_mean_teacher_goes_on_where_it_was() {
    let shop = Workshop::new();
    let objectives = "[[objective]]\nmethod.cross_entropy = {}\n\
                      [[objective]]\nweight = 5.0\nmethod.mean_teacher = { momentum = 0.6 }\n";
    let plan = shop.plan(PLAIN, objectives);
    let expected = undisturbed(&shop, &plan);
    let teacher: Vec<_> = expected
        .metrics
        .iter()
        .filter_map(|line| line["losses"]["mean_teacher"].as_f64())
        .collect();
    assert!(teacher.len() == 18 && teacher.iter().all(|loss| *loss > 0.0), "{teacher:?}");
    let run = shop.run("stopped");
    for stop in [1, 2, 6, 11] {
        shop.stop_after(stop, &plan, &run);
    }
    shop.finish(&plan, &run);
    assert_eq!(Trace::read(&run), expected);
}

#[test]
fn a_run_stopped_after_every_step_ends_the_same() {
    let shop = Workshop::new();
    let plan = shop.plan(ACCUMULATED, "[task.tagging]");
    let expected = undisturbed(&shop, &plan);
    let run = shop.run("stopped");
    for stop in 1..9 {
        shop.stop_after(stop, &plan, &run);
    }
    shop.finish(&plan, &run);
    assert_eq!(Trace::read(&run), expected);
}

/// Partially written model folder.
fn torn_folder(path: &Path) {
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("config.json"), "{\"model_type\": \"be").unwrap();
    fs::write(path.join("model.safetensors"), [9, 0, 0]).unwrap();
}

/// Simulated crash: brings a run folder into the state that it leaves.
type Crash = fn(&RunFolder);

/// Every state that a crash between moves and removals can leave.
const CRASHES: [(&str, Crash); 8] = [
    ("best moved aside, its successor not yet in place", |run| {
        let best = run.best();
        copy_folder(&best, &best.with_extension("partial"));
        fs::rename(&best, best.with_extension("old")).unwrap();
    }),
    ("best in place, the one before it half removed", |run| {
        torn_folder(&run.best().with_extension("old"));
    }),
    ("best half written", |run| torn_folder(&run.best().with_extension("partial"))),
    ("a checkpoint half written", |run| {
        torn_folder(&run.path().join("checkpoints/step-00000099.partial"));
    }),
    ("the checkpoint before half removed", |run| {
        torn_folder(&run.path().join("checkpoints/step-00000001"));
    }),
    ("files half written", |run| {
        for name in ["recipe.partial", "environment.partial", "results.partial"] {
            fs::write(run.path().join(name), "{").unwrap();
        }
    }),
    ("a line of the log half written", |run| {
        let path = run.path().join("metrics.jsonl");
        let log = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{log}{{\"kind\":\"train\",\"ste")).unwrap();
    }),
    ("some predictions written", |run| {
        fs::create_dir(run.path().join("predictions")).unwrap();
        fs::write(run.path().join("predictions/en.jsonl"), "[\"door\"]\n").unwrap();
    }),
];

#[test]
fn a_crash_between_any_two_steps_of_writing_is_recovered_from() {
    let shop = Workshop::new();
    let plan = shop.plan(&PLAIN.replace("epochs = 3", "epochs = 5"), "");
    let best_step = shop.finish(&plan, &shop.run("undisturbed")).selection.step;
    let expected = Trace::read(&shop.run("undisturbed"));
    // A later selection would hide a loss of `best`.
    let stop = best_step + 2;
    assert!(stop < 30, "best after {best_step} steps");
    let stopped = shop.run("stopped");
    shop.stop_after(stop, &plan, &stopped);
    for (index, (name, crash)) in CRASHES.iter().enumerate() {
        let run = shop.run(&format!("crash-{index}"));
        copy_folder(stopped.path(), run.path());
        crash(&run);
        assert_eq!(run.status().unwrap(), RunStatus::Unfinished(stop), "{name}");
        shop.finish(&plan, &run);
        assert_eq!(Trace::read(&run), expected, "{name}");
        let rest = run.path().read_dir().unwrap().map(|entry| entry.unwrap().path());
        let rest: Vec<_> = rest.filter(|path| path.is_dir()).collect();
        assert_eq!(rest.len(), 2, "{name}: more than best and predictions in {rest:?}");
    }
}

#[test]
fn a_crash_while_an_earlier_run_is_removed_leaves_a_new_one() {
    let shop = Workshop::new();
    let (plan, run) = (shop.plan(PLAIN, ""), shop.run("run"));
    let expected = undisturbed(&shop, &plan);
    shop.stop_after(8, &plan, &run);
    let checkpoints = run.path().join("checkpoints");
    fs::rename(&checkpoints, checkpoints.with_extension("partial")).unwrap();
    torn_folder(&checkpoints.with_extension("partial").join("step-00000008"));
    assert_eq!(run.status().unwrap(), RunStatus::New);
    shop.finish(&plan, &run);
    assert_eq!(Trace::read(&run), expected);
    assert!(!checkpoints.with_extension("partial").exists());
}

#[test]
fn checkpoints_left_beside_results_are_removed() {
    let shop = Workshop::new();
    let (plan, run) = (shop.plan(PLAIN, ""), shop.run("run"));
    shop.finish(&plan, &run);
    let checkpoints = run.path().join("checkpoints");
    torn_folder(&checkpoints.join("step-00000018"));
    shop.finish(&plan, &run);
    assert!(!checkpoints.exists());
}
