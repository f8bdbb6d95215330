//! `isogloss subnetwork`: the heads of a finished model that each language needs.

use anyhow::{Context, bail};
use isogloss::methods::{ScoredSubnetwork, Subnetwork};
use isogloss::report::head_overlap;
use isogloss::{
    DataReport, Evaluator, LabeledSet, SubnetworkSearchOptions, find_subnetwork,
    saved_subnetwork_path, write_scored_subnetwork,
};
use serde_json::json;

use super::End;
use super::labeled::{Labeled, Splits};
use crate::args::SubnetworkArgs;
use crate::wording::print_data_report;

pub(crate) fn run(args: &SubnetworkArgs) -> anyhow::Result<End> {
    let labeled = Labeled::read(&args.model, &args.labeled)?;
    labeled.print_not_centered();
    let saved = |set: &LabeledSet| saved_subnetwork_path(&labeled.folder, &set.language);
    if let Some(path) = labeled.sets.iter().find_map(saved) {
        bail!(
            "{}: a subnetwork that the model's run used for this language; a search begins with all \
             heads, which were not trained together for it. Search in a model that was trained \
             without [subnetworks]",
            path.display()
        );
    }
    let scored = Splits::from_args(&args.labeled);
    let split = args.importance_split.as_deref().map_or(scored, Splits::Named);
    let (train, _) = labeled.sets_of(&args.labeled, split)?;
    // Examples that are both scored and measured on count once.
    let is_same = split == scored;
    let reports = |train: &LabeledSet, dev: &LabeledSet| -> DataReport {
        let measured = (!is_same).then_some(&train.report);
        measured.into_iter().chain([&dev.report]).collect()
    };
    let options = SubnetworkSearchOptions {
        threshold: args.threshold,
        share: args.share,
        feed_forward: args.feed_forward,
        batch_size: args.batch_size,
    };
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let mut all: Vec<(String, Subnetwork)> = Vec::new();
    for (dev, train) in labeled.sets.iter().zip(&train) {
        let exchanged = labeled.predictor.exchanged_for(&dev.language)?;
        let evaluator = Evaluator {
            model: exchanged.as_ref().unwrap_or(&labeled.predictor.loaded().model),
            task: labeled.task(),
            labels: &labeled.labels,
            batch_size: args.batch_size,
            device: &labeled.device.device,
            subnetwork: None,
            centring: None,
        };
        let pruned = find_subnetwork(&evaluator, train, dev, options)?;
        let scored = ScoredSubnetwork {
            subnetwork: pruned.subnetwork.clone(),
            importance: Some(pruned.importance),
        };
        write_scored_subnetwork(&args.out.join(format!("{}.toml", dev.language)), &scored)?;
        let rounds: Vec<_> = pruned.rounds.iter().map(|(heads, blocks, score)| {
            json!({ "heads": heads, "feed_forward": blocks, "score": score })
        }).collect();
        if args.model.json {
            println!(
                "{}",
                json!({
                    "language": dev.language, "rounds": rounds, "subnetwork": pruned.subnetwork,
                    "data": reports(train, dev),
                })
            );
        } else {
            let whole = pruned.rounds.first().map_or(f64::NAN, |(_, _, score)| *score);
            let kept = &pruned.subnetwork;
            let at = pruned.rounds.iter().find(|(heads, ..)| *heads == kept.n_heads());
            let score = at.map_or(f64::NAN, |(_, _, score)| *score);
            let [n_layers, n_heads] = kept.sizes();
            println!(
                "{}: {} of {} heads and {} of {n_layers} feed-forward blocks, {:.2} of {:.2}",
                dev.language,
                kept.n_heads(),
                n_layers * n_heads,
                kept.n_feed_forward(),
                100.0 * score,
                100.0 * whole
            );
        }
        all.push((dev.language.to_string(), pruned.subnetwork));
    }
    if !args.model.json {
        if all.len() > 1 {
            println!("\n{}", overlaps(&all));
        }
        let all = train.iter().zip(&labeled.sets).map(|(train, dev)| reports(train, dev));
        print_data_report(&all.collect::<Vec<_>>().iter().collect());
    }
    Ok(End::Done)
}

/// Jaccard overlap of the heads of each two languages, as a table.
fn overlaps(all: &[(String, Subnetwork)]) -> String {
    let mut text = format!("{:<10}", "overlap");
    all.iter().for_each(|(language, _)| text.push_str(&format!("{language:>8}")));
    for (language, a) in all {
        text.push_str(&format!("\n{language:<10}"));
        all.iter().for_each(|(_, b)| {
            text.push_str(&format!("{:>8.2}", head_overlap(a.heads(), b.heads(), None)))
        });
    }
    text
}
