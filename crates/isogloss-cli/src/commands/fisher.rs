//! `isogloss fisher`: Fisher information and sharpness of a finished model.

use std::collections::BTreeMap;

use isogloss::{MeasureOptions, Measures, read_saved_subnetwork};
use serde_json::json;

use super::labeled::Labeled;
use super::{End, print_if_whole};
use crate::args::FisherArgs;
use crate::wording::print_data_report;

pub(crate) fn run(args: &FisherArgs) -> anyhow::Result<End> {
    let labeled = Labeled::read(&args.model, &args.labeled)?;
    labeled.print_not_centered();
    let report = labeled.report();
    let Labeled { device, folder, predictor, sets, .. } = labeled;
    let options = MeasureOptions {
        estimator: args.estimator,
        n_examples: (args.examples > 0).then_some(args.examples),
        batch_size: args.batch_size,
        radius: args.radius,
        n_directions: args.directions,
        seed: args.seed,
    };
    for set in &sets {
        let model = predictor.trainable_for(&set.language)?;
        print_if_whole(&folder, &set.language);
        let subnetwork = read_saved_subnetwork(model.encoder.config(), &folder, &set.language)?;
        let subnetwork = subnetwork.as_ref();
        let measures = Measures::take(&model, set, subnetwork, &device.device, &options)?;
        if args.model.json {
            let line = json!({
                "language": set.language, "measures": measures, "data": set.report,
            });
            println!("{line}");
        } else {
            println!("{}", in_words(set.language.as_str(), &measures));
        }
    }
    if !args.model.json {
        print_data_report(&report);
    }
    Ok(End::Done)
}

fn in_words(language: &str, measures: &Measures) -> String {
    let fisher = &measures.fisher;
    let (n_examples, n_rows) = (measures.n_examples, measures.n_rows);
    let mut text = format!("{language}: {n_examples} examples, {n_rows} labeled rows\n");
    text.push_str(&format!("  trace of the Fisher information{:>16.4}\n", fisher.trace));
    text.push_str(&groups("by block", &fisher.blocks));
    text.push_str(&groups("by kind", &fisher.parts));
    if let Some(sharpness) = &measures.sharpness {
        let radius = sharpness.radius;
        text.push_str(&format!("  loss{:>43.4}\n", sharpness.loss));
        text.push_str(&format!("  growth at a distance of {radius}\n"));
        for (name, growth) in [
            ("random, mean", sharpness.random),
            ("random, largest", sharpness.random_max),
            ("along the gradient", sharpness.adversarial),
        ] {
            text.push_str(&format!("    {name:<29}{growth:>16.6}\n"));
        }
    }
    text
}

fn groups(title: &str, groups: &BTreeMap<String, f64>) -> String {
    let mut names: Vec<_> = groups.iter().collect();
    // Natural order: `layers.10` comes after `layers.9`.
    names.sort_by_key(|(name, _)| (name.len(), name.as_str()));
    let lines = names.iter().map(|(name, trace)| format!("    {name:<29}{trace:>16.4}\n"));
    format!("  {title}\n{}", lines.collect::<String>())
}
