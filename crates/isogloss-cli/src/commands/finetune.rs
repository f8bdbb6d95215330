//! `isogloss finetune`: training by a recipe, and evaluation in every language.

use std::sync::atomic::Ordering;

use anyhow::bail;
use isogloss::device::OpenDevice;
use isogloss::metrics::MeanStd;
use isogloss::{Outcome, Plan, Results, RunFolder, RunOptions, finetune};
use serde_json::json;

use super::{End, model_folders, table, unused};
use crate::args::{FinetuneArgs, RunArgs};
use crate::awake::Awake;
use crate::interrupt::STOP;
use crate::streams::is_output_closed;
use crate::watch::Watch;
use crate::wording::print_data_report;

pub(crate) fn run(args: &FinetuneArgs) -> anyhow::Result<End> {
    carry_out(args, Plan::from_file(&args.recipe)?)
}

/// `isogloss distill`: knowledge distillation, as `finetune` for recipes with a student.
pub(crate) fn distill(args: &FinetuneArgs) -> anyhow::Result<End> {
    let plan = Plan::from_file(&args.recipe)?;
    if plan.recipe().student.is_none() {
        bail!("{}: no table [student], the smaller model to train", args.recipe.display());
    }
    carry_out(args, plan)
}

fn carry_out(args: &FinetuneArgs, mut plan: Plan) -> anyhow::Result<End> {
    if let Some(model) = &args.model {
        plan = plan.with_model(model.clone());
    }
    if let Some(seed) = args.seed {
        plan = plan.with_seed(seed);
    }
    let device = args.run.device.open()?;
    let _awake = Awake::hold(args.run.allow_sleep, args.run.json);
    let first = plan.recipe().seed;
    let mut all = Vec::new();
    for seed in first..first + args.seeds {
        let plan = plan.clone().with_seed(seed);
        let Some(results) = train(&plan, &args.run, &device, args.fresh)? else {
            return Ok(End::Stopped);
        };
        if args.run.json {
            println!("{}", json!({ "event": "results", "seed": seed, "results": results }));
        } else {
            println!("\n{} seed {seed}\n\n{}\n", plan.name(), table(&results));
        }
        all.push(results);
    }
    if all.len() > 1 && !args.run.json {
        println!("{}", summary(&all));
    }
    Ok(End::Done)
}

/// Trains one plan in its run folder; `None` if it was interrupted.
pub(crate) fn train(
    plan: &Plan,
    args: &RunArgs,
    device: &OpenDevice,
    fresh: bool,
) -> anyhow::Result<Option<Results>> {
    // The reader of the output can go away between two runs.
    if STOP.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let seed = plan.recipe().seed;
    let folder = RunFolder::new(args.out.join(plan.name()).join(format!("seed-{seed}")));
    let mut watch = Watch::new(args.json, &device.info);
    if !args.json {
        let adapter = device.info.adapter.as_deref().unwrap_or("this computer's processor");
        watch.line(&format!("run       {}", folder.path().display()));
        watch.line(&format!("device    {}, {adapter}", device.info.name));
    }
    let teacher = plan.recipe().teacher.as_ref().map(|teacher| teacher.source.as_str());
    let sources = [plan.recipe().model.source.as_str()].into_iter().chain(teacher);
    let folders = model_folders(sources, &args.hub)?;
    folders.iter().for_each(unused::tell);
    let mut folders = folders.into_iter();
    let options = RunOptions {
        model_folder: folders.next().expect("a folder for the model"),
        teacher_folder: folders.next(),
        device: device.device.clone(),
        device_info: device.info.clone(),
        fresh,
        stop: &STOP,
    };
    let outcome = finetune(plan, &folder, &options, &mut |event| watch.event(&event))?;
    watch.end_bar();
    match (args.json, watch.report()) {
        (true, report) => println!("{}", json!({ "event": "counts", "data": report })),
        (false, Some(report)) => print_data_report(report),
        (false, None) => {
            eprintln!("counts    of an earlier version, which stored none with its results");
        }
    }
    match outcome {
        Outcome::Finished(results) => Ok(Some(*results)),
        Outcome::Stopped { .. } if is_output_closed() => Ok(None),
        Outcome::Stopped { step } => {
            eprintln!("stopped after step {step}; everything is saved. To go on:");
            eprintln!("  {}", this_command());
            Ok(None)
        }
    }
}

/// The command line as it was called, quoted for a shell, without `--fresh`.
fn this_command() -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_=+./:,@%".contains(c);
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let words = words.filter(|word| word != "--fresh").map(|word| {
        let plain = !word.is_empty() && word.chars().all(is_plain);
        if plain { word } else { format!("'{}'", word.replace('\'', "'\\''")) }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Mean and standard deviation over seeds, as text.
pub(crate) fn summary(all: &[Results]) -> String {
    let line = |name: &str, values: Vec<f64>| {
        let Some(stats) = MeanStd::from_values(&values) else { return String::new() };
        let std = stats.std.map_or(String::new(), |std| format!(" ± {:.2}", 100.0 * std));
        format!("{name:<14}{:.2}{std}", 100.0 * stats.mean)
    };
    let main = |results: &Results| {
        let score = |source: &String| Some(results.languages.get(source)?.scores.main());
        let scores: Vec<f64> = results.sources.iter().filter_map(score).collect();
        MeanStd::from_values(&scores).map(|stats| stats.mean)
    };
    let lines = [
        line("source", all.iter().filter_map(main).collect()),
        line("mean target", all.iter().filter_map(|results| results.mean_target).collect()),
        line("transfer gap", all.iter().filter_map(|results| results.gap).collect()),
        line("few-shot", all.iter().filter_map(|results| results.mean_few_shot).collect()),
    ];
    let lines = lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    format!("over {} seeds (mean ± standard deviation)\n{lines}", all.len())
}
