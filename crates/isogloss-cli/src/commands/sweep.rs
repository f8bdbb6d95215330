//! `isogloss sweep`: several recipes with several seeds.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;
use isogloss::{Plan, Results};
use serde_json::json;

use super::End;
use super::finetune::{summary, train};
use crate::args::SweepArgs;
use crate::awake::Awake;

pub(crate) fn run(args: &SweepArgs) -> anyhow::Result<End> {
    // All recipes are checked before the first is trained.
    let plans: Vec<_> =
        args.recipes.iter().map(|path| Plan::from_file(path)).collect::<Result<_, _>>()?;
    let mut named: BTreeMap<&str, &PathBuf> = BTreeMap::new();
    for (plan, path) in plans.iter().zip(&args.recipes) {
        if let Some(other) = named.insert(plan.name(), path) {
            let (other, path, name) = (other.display(), path.display(), plan.name());
            bail!(
                "{other} and {path}: both would train in the folder {name}; give one another name"
            );
        }
    }
    // One seed of every recipe before the next seed, so that recipes can be compared early.
    let jobs: Vec<_> = (0..args.seeds)
        .flat_map(|n| plans.iter().map(move |plan| plan.clone().with_seed(plan.recipe().seed + n)))
        .collect();
    let device = args.run.device.open()?;
    let _awake = Awake::hold(args.run.allow_sleep, args.run.json);
    let mut done: BTreeMap<String, Vec<Results>> = BTreeMap::new();
    let mine = jobs.iter().enumerate().filter(|(number, _)| args.shard.has(*number));
    for (number, plan) in mine {
        let (name, seed) = (plan.name().to_owned(), plan.recipe().seed);
        if !args.run.json {
            eprintln!("\njob       {} of {}: {name}, seed {seed}", number + 1, jobs.len());
        }
        let Some(results) = train(plan, &args.run, &device, false)? else {
            return Ok(End::Stopped);
        };
        if args.run.json {
            let line =
                json!({ "event": "results", "recipe": name, "seed": seed, "results": results });
            println!("{line}");
        }
        done.entry(name).or_default().push(results);
    }
    if !args.run.json {
        for (name, results) in &done {
            println!("\n{name}, {}", summary(results));
        }
    }
    Ok(End::Done)
}
