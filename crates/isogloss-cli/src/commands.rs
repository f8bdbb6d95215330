//! One module a command, and what they share.

pub(crate) mod align;
pub(crate) mod alignment;
pub(crate) mod compress;
pub(crate) mod devices;
pub(crate) mod evaluate;
pub(crate) mod finetune;
pub(crate) mod fisher;
pub(crate) mod inspect;
mod labeled;
pub(crate) mod merge;
mod output;
pub(crate) mod predict;
pub(crate) mod prune;
pub(crate) mod recipe;
pub(crate) mod report;
pub(crate) mod retrieve;
pub(crate) mod subnetwork;
pub(crate) mod sweep;
pub(crate) mod trim;

use std::path::PathBuf;

use anyhow::Context;
use isogloss::device::open;
use isogloss::hub::ModelSource;
use isogloss::{Predictor, Results, Scores, TextEncoder};

use crate::args::{EncodingArgs, HubArgs, LanguageAdapterArgs, ModelArgs};

/// How a command ended, if it did not fail.
pub(crate) enum End {
    /// With everything done.
    Done,
    /// Early, by Ctrl-C.
    Stopped,
}

/// The folder of a model, fetched from the hub if it is not here.
pub(crate) fn model_folder(model: &str, hub: &HubArgs) -> anyhow::Result<PathBuf> {
    let source: ModelSource = model.parse()?;
    let folder = source.resolve(&hub.options());
    match source {
        ModelSource::Hub { .. } => folder.with_context(|| format!("{model}: no such folder here")),
        ModelSource::Folder(_) => Ok(folder?),
    }
}

/// Puts the language adapter that the flags name under the task's.
fn exchange_language_adapter(
    predictor: &mut Predictor,
    args: &LanguageAdapterArgs,
) -> anyhow::Result<()> {
    let Some(folder) = &args.language_adapter else { return Ok(()) };
    let folder = (folder.as_os_str() != "none").then_some(folder.as_path());
    Ok(predictor.exchange_language_adapter(folder)?)
}

/// The encoder of a model, as the flags want it.
pub(crate) fn text_encoder(
    model: &ModelArgs,
    encoding: &EncodingArgs,
) -> anyhow::Result<TextEncoder> {
    let device = open(model.device.device)?;
    let encoder = TextEncoder::load(&model_folder(&model.model, &model.hub)?, &device.device)?;
    Ok(encoder.with_batch_size(encoding.batch_size).with_max_length(encoding.max_length))
}

/// A table of scores by language, the best first, and the mean over the targets.
pub(crate) fn table(results: &Results) -> String {
    let mut rows: Vec<_> = results.languages.iter().collect();
    rows.sort_by(|a, b| b.1.scores.main().total_cmp(&a.1.scores.main()));
    let first = rows.first().map(|(_, result)| result.scores.clone()).unwrap_or_default();
    let names: Vec<&str> = first.iter().map(|(name, _)| name).collect();
    let names: Vec<&str> = names.into_iter().filter(|name| Scores::is_share(name)).collect();
    let mut text = format!("{:<10}{:>7}", "language", "n");
    for name in &names {
        text.push_str(&format!("{:>11}", Scores::title(name)));
    }
    if !results.few_shot.is_empty() {
        text.push_str(&format!("{:>11}", "few-shot"));
    }
    for (language, result) in rows {
        let scores = names.iter().filter_map(|name| result.scores.get(name));
        text.push_str(&format!("\n{language:<10}{:>7}", result.n));
        for score in scores {
            text.push_str(&format!("{:>11.2}", 100.0 * score));
        }
        if let Some(scores) = results.few_shot.get(language) {
            text.push_str(&format!("{:>11.2}", 100.0 * scores.main()));
        }
        if results.is_source(language) {
            text.push_str("  source");
        }
    }
    if let (Some(mean), Some(gap)) = (results.mean_target, results.gap) {
        let (mean, gap, n) = (100.0 * mean, 100.0 * gap, results.n_targets);
        text.push_str(&format!("\n\nmean of {n} targets {mean:.2}, transfer gap {gap:.2}"));
    }
    if let Some(mean) = results.mean_few_shot {
        text.push_str(&format!("; {:.2} after a few examples of each", 100.0 * mean));
    }
    text
}
