//! Subcommands: a module for each, and what they share.

pub(crate) mod align;
pub(crate) mod alignment;
pub(crate) mod centring;
pub(crate) mod compress;
mod cross_encoder;
pub(crate) mod devices;
pub(crate) mod embed;
pub(crate) mod evaluate;
pub(crate) mod finetune;
pub(crate) mod fisher;
pub(crate) mod inspect;
mod labeled;
pub(crate) mod merge;
mod merged;
pub(crate) mod new;
mod output;
pub(crate) mod predict;
pub(crate) mod prune;
pub(crate) mod recipe;
pub(crate) mod report;
pub(crate) mod retrieve;
pub(crate) mod subnetwork;
pub(crate) mod sweep;
mod text_files;
pub(crate) mod trim;
mod unused;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use isogloss::device::{OpenDevice, check_embedding_matrix};
use isogloss::hub::ModelSource;
use isogloss::model::{ModelFolder, is_adapter_folder, missing_base_model, read_config};
use isogloss::text::Language;
use isogloss::{
    CENTRING, Predictor, Results, Scores, TextEncoder, saved_subnetwork_path, saves_subnetworks,
};

use crate::args::{EncodingOptions, HubArgs, LanguageAdapterArgs, ModelArgs};

/// Outcome of a command that did not fail.
pub(crate) enum End {
    /// Everything was done.
    Done,
    /// Interrupted by Ctrl-C.
    Stopped,
}

/// Resolves a model to its folder, and the base model of an adapter-only one; downloads what is not
/// local from the hub. `--base` with a whole model is an error.
pub(crate) fn model_folder(model: &str, hub: &HubArgs) -> anyhow::Result<ModelFolder> {
    let folders = model_folders([model], hub)?;
    Ok(folders.into_iter().next().expect("one folder for one model"))
}

/// Resolves several models as [`model_folder`]; `--base` is the base of those that are adapters.
pub(crate) fn model_folders<'a>(
    models: impl IntoIterator<Item = &'a str>,
    hub: &HubArgs,
) -> anyhow::Result<Vec<ModelFolder>> {
    let models = models.into_iter().map(|model| resolve(model, hub));
    let mut folders = models.collect::<anyhow::Result<Vec<_>>>()?;
    if hub.base.is_none() {
        return Ok(folders);
    }
    for folder in &mut folders {
        if !is_adapter_folder(&*folder)? {
            folder.base = None;
        }
    }
    if let [whole, ..] = &folders[..]
        && folders.iter().all(|folder| folder.base.is_none())
    {
        bail!("--base: {} is a whole model: it needs no base", whole.path.display());
    }
    Ok(folders)
}

fn resolve(model: &str, hub: &HubArgs) -> anyhow::Result<ModelFolder> {
    let fetch = |model: &str| -> anyhow::Result<PathBuf> {
        let source: ModelSource = model.parse()?;
        let folder = source.resolve(&hub.options());
        match source {
            ModelSource::Hub { .. } => {
                folder.with_context(|| format!("{model}: no such folder here"))
            }
            ModelSource::Folder(_) => Ok(folder?),
        }
    };
    let mut folder = ModelFolder::from(fetch(model)?);
    let is_run = ["recipe.toml", "best"].iter().all(|name| folder.path.join(name).exists());
    if is_run && !folder.path.join("config.json").exists() {
        let path = folder.path.display();
        bail!("{path}: the folder of a run; its model is {}", folder.path.join("best").display());
    }
    let named = hub.base.as_deref().map(fetch).transpose();
    folder.base = named.with_context(|| "--base")?;
    if let Some(name) = missing_base_model(&folder)? {
        let base = fetch(&name).with_context(|| {
            let path = folder.path.display();
            format!("{path}: its base model {name:?} is not found: name it with --base")
        })?;
        folder.base = Some(base);
    }
    Ok(folder)
}

/// [`model_folder`] of a model whose embedding matrix fits into a buffer of the device.
fn model_folder_for(
    device: &OpenDevice,
    model: &str,
    hub: &HubArgs,
) -> anyhow::Result<ModelFolder> {
    let folder = model_folder(model, hub)?;
    unused::tell(&folder);
    // A malformed configuration passes: the loading of the model says what is wrong with it.
    if let Ok((config, _)) = read_config(&folder) {
        check_embedding_matrix(&device.info, [config.vocab_size, config.hidden_size])?;
    }
    Ok(folder)
}

/// Exchanges the language adapter below the task adapter for the one that the flags name.
fn exchange_language_adapter(
    predictor: &mut Predictor,
    args: &LanguageAdapterArgs,
) -> anyhow::Result<()> {
    let Some(folder) = &args.language_adapter else { return Ok(()) };
    let folder = (folder.as_os_str() != "none").then_some(folder.as_path());
    Ok(predictor.exchange_language_adapter(folder)?)
}

/// Loads the text encoder of a model, with pooling and truncation from the flags, else from its
/// folder. Settings of the folder that the flags override or this program does not use are printed.
pub(crate) fn text_encoder(
    model: &ModelArgs,
    options: &EncodingOptions,
) -> anyhow::Result<TextEncoder> {
    let device = model.device.open()?;
    let folder = model_folder_for(&device, &model.model, &model.hub)?;
    let mut encoder = TextEncoder::load(&folder, &device.device)?;
    let modules = encoder.sentence_modules().cloned();
    let (pooling, max_length) = (encoder.pooling(), encoder.max_length());
    let default = modules.is_none().then_some(options.default_max_length.min(max_length));
    let chosen = options.max_length.or(default);
    if let Some(chosen) = chosen {
        encoder = encoder.with_max_length(chosen);
    }
    if let Some(chosen) = options.pooling {
        encoder = encoder.with_pooling(chosen);
    }
    if let Some(modules) = modules {
        let name = folder.path.display();
        if encoder.pooling() != pooling {
            let (flag, says) = (encoder.pooling().name(), pooling.name());
            eprintln!("{name}: --pooling {flag} in place of {says}, which modules.json says");
        }
        if encoder.max_length() != max_length {
            let flag = encoder.max_length();
            eprintln!(
                "{name}: --max-length {flag} in place of {max_length}, which the folder says"
            );
        }
        if modules.pooling.is_none() && options.pooling.is_none() {
            eprintln!("{name}: modules.json has no Pooling: the mean of all tokens is taken");
        }
        modules.unused.iter().for_each(|unused| eprintln!("{unused} is not used"));
    }
    Ok(encoder.with_batch_size(options.batch_size))
}

/// The text encoder of a command about parallel text, which puts no prompt before texts.
fn encoder_without_prompt(
    model: &ModelArgs,
    options: &EncodingOptions,
) -> anyhow::Result<TextEncoder> {
    let encoder = text_encoder(model, options)?;
    let prompt = encoder.sentence_modules().and_then(|modules| modules.default_prompt.as_ref());
    if let Some(prompt) = prompt {
        eprintln!("{}: the default prompt {prompt:?} is not put before texts", model.model);
    }
    Ok(encoder)
}

/// The encoder up to the layer of sentence embeddings, and that layer: of the flag, else saved with
/// the model, else the last.
fn up_to_layer(encoder: TextEncoder, given: Option<usize>) -> anyhow::Result<(TextEncoder, usize)> {
    let (last, saved) = (encoder.n_layers() - 1, encoder.sentence_layer());
    let layer = given.unwrap_or(saved);
    match given {
        Some(layer) if saved != last && layer != saved => {
            eprintln!("--layer {layer} in place of {saved}, which is saved with the model");
        }
        None if saved != last => eprintln!("layer {saved}, which is saved with the model"),
        _ => {}
    }
    let n_dense = encoder.sentence_modules().map_or(0, |modules| modules.dense.len());
    if layer < last && n_dense > 0 {
        eprintln!("layer {layer} is not the last: the dense layers of modules.json are left out");
    }
    Ok((encoder.up_to_layer(layer)?, layer))
}

/// Table of scores by language, the best first, and the mean over the target languages.
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
        if result.centred {
            text.push_str("  centred");
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

/// Prints that a language has no centring in a model that has one of others.
fn print_if_not_centered(predictor: &Predictor, folder: &Path, language: &Language) {
    if predictor.centring().is_some_and(|centring| !centring.has(language)) {
        let path = folder.join(CENTRING);
        eprintln!("{}: not of {language}, whose vectors stay as they are", path.display());
    }
}

/// Prints that a language has no subnetwork in a model that has some of others.
fn print_if_whole(folder: &Path, language: &Language) {
    if saves_subnetworks(folder) && saved_subnetwork_path(folder, language).is_none() {
        eprintln!("{}: no subnetwork of {language}, which uses the whole model", folder.display());
    }
}
