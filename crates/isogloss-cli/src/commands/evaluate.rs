//! `isogloss evaluate`.

use isogloss::{Evaluator, Selection, read_subnetwork_for};
use serde_json::json;

use super::labeled::Labeled;
use super::{End, table};
use crate::args::EvaluateArgs;
use crate::wording::{in_words, tell_data};

pub(crate) fn run(args: &EvaluateArgs) -> anyhow::Result<End> {
    let labeled = Labeled::read(&args.model, &args.labeled)?;
    let report = labeled.report();
    let Labeled { device, predictor, task, labels, sets } = labeled;
    let source = match (&args.source, sets.first()) {
        (Some(tag), _) => tag.parse()?,
        (None, Some(set)) if sets.len() == 1 => set.language.clone(),
        _ => "en".parse()?,
    };
    let selection = Selection { rule: "given".to_owned(), step: 0, score: 0.0 };
    let model = &predictor.loaded().model;
    let config = model.encoder.config();
    let subnetwork = args.subnetwork.as_ref().map(|path| read_subnetwork_for(config, path));
    let subnetwork = subnetwork.transpose()?;
    let evaluator = Evaluator {
        model,
        task: &*task,
        labels: &labels,
        batch_size: args.batch_size,
        device: &device.device,
        subnetwork: subnetwork.as_ref(),
    };
    let results = evaluator.score_all(&sets, &source, selection, &mut |set, result, _| {
        if !args.model.json {
            eprintln!("{}: {}", set.language, in_words(&result.scores));
        }
        Ok(())
    })?;
    if args.model.json {
        let mut all = serde_json::to_value(&results)?;
        all["data"] = json!(report);
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        println!("\n{}", table(&results));
        tell_data(&report);
    }
    Ok(End::Done)
}
