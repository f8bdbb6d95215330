//! `isogloss evaluate`: scores of a finished model on labeled files.

use std::collections::BTreeMap;

use isogloss::text::Language;
use isogloss::{
    Evaluator, LabeledSet, Results, Selection, read_saved_subnetwork, read_subnetwork_for,
};
use serde_json::json;

use super::labeled::Labeled;
use super::{End, print_if_not_centered, print_if_whole, table};
use crate::args::EvaluateArgs;
use crate::wording::{in_words, print_data_report};

pub(crate) fn run(args: &EvaluateArgs) -> anyhow::Result<End> {
    let labeled = Labeled::read(&args.model, &args.labeled)?.centered_as(&args.centring);
    let report = labeled.report();
    let Labeled { device, folder, predictor, labels, sets, splits } = labeled;
    let sources = sources(args, &predictor.scoring().sources, &sets);
    let model = &predictor.loaded().model;
    let config = model.encoder.config();
    let given = args.subnetwork.as_ref().map(|path| read_subnetwork_for(config, path));
    let given = given.transpose()?;
    let mut languages = BTreeMap::new();
    for set in &sets {
        let saved = match given {
            Some(_) => None,
            None => {
                print_if_whole(&folder, &set.language);
                read_saved_subnetwork(config, &folder, &set.language)?
            }
        };
        let exchanged = predictor.exchanged_for(&set.language)?;
        let centring = predictor.feature_centring(&set.language);
        print_if_not_centered(&predictor, &folder, &set.language);
        let evaluator = Evaluator {
            model: exchanged.as_ref().unwrap_or(model),
            task: predictor.task(),
            labels: &labels,
            batch_size: args.batch_size,
            device: &device.device,
            subnetwork: given.as_ref().or(saved.as_ref()),
            centring: centring.as_ref(),
        };
        let (result, _) = evaluator.score(set)?;
        if !args.model.json {
            eprintln!("{}: {}", set.language, in_words(&result.scores));
        }
        languages.insert(set.language.to_string(), result);
    }
    let selection = Selection { rule: "given".to_owned(), step: 0, score: 0.0 };
    let mut results = Results::new(predictor.task(), &sources, selection, languages);
    if sources.is_empty() && sets.len() == 1 {
        // Nobody says whether the language was trained on.
        (results.mean_target, results.n_targets) = (None, 0);
    }
    if args.model.json {
        let mut all = serde_json::to_value(&results)?;
        all["data"] = json!(report);
        if !splits.is_empty() {
            all["splits"] = json!(splits);
        }
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        println!("\n{}", table(&results));
        print_data_report(&report);
    }
    Ok(End::Done)
}

/// The source languages: those of the flag, else those of the model's run, else English if it is among
/// several languages; a single file does not tell whether its language was trained on.
fn sources(args: &EvaluateArgs, of_run: &[Language], sets: &[LabeledSet]) -> Vec<Language> {
    let is_scored = |source: &&Language| sets.iter().any(|set| set.language == **source);
    if !args.source.is_empty() {
        for source in args.source.iter().filter(|source| !is_scored(source)) {
            eprintln!("--source {source}: no file is of this language");
        }
        return args.source.clone();
    }
    if !of_run.is_empty() {
        return of_run.to_vec();
    }
    let english: Option<Language> = "en".parse().ok();
    let is_one_of_several = |source: &Language| sets.len() > 1 && is_scored(&source);
    english.filter(is_one_of_several).into_iter().collect()
}
