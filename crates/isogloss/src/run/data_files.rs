//! Data fingerprint: a hash of every data file that a run reads, and of the files of its model, so that
//! the run is not resumed with others under the same recipe.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use isogloss_model::{Fingerprint, ModelFile, model_files};
use isogloss_text::{Language, LanguagePattern, TextError};

use super::event::RunOptions;
use super::folder::{DATA_FILES, RunFolder, RunStatus};
use crate::error::{RunError, io, json};
use crate::recipe::{AlignerRecipe, LanguageExchange, UnseenLanguage};
use crate::{Error, Plan};

/// How files of the model end in a record, after their names: the folder may move.
const OF_MODEL: &str = " of the model";
/// The same of the base model that adapters lie on.
const OF_BASE: &str = " of the base model";

/// Data fingerprint check: fails if a data file has changed since the run began, or the model or the
/// teacher that `options` name, with the base model of adapters. Writes the fingerprints of a new run,
/// and of an unfinished run that has none.
pub(super) fn check(plan: &Plan, run: &RunFolder, options: &RunOptions<'_>) -> Result<(), Error> {
    let path = run.path().join(DATA_FILES);
    let status = run.status()?;
    let is_done = matches!(status, RunStatus::Done(_));
    let recorded = status != RunStatus::New && path.exists();
    if !recorded && is_done {
        return Ok(());
    }
    let mut now = fingerprints(plan)?;
    let teacher = options.teacher_folder.as_ref().map(|folder| (folder, "teacher: "));
    for (folder, whose) in [(&options.model_folder, "")].into_iter().chain(teacher) {
        let files = match model_files(folder) {
            // The results of a finished run stay valid without its model.
            Err(_) if is_done => continue,
            files => files?,
        };
        for ModelFile { depth, name, path } in files {
            let of = if depth == 0 { OF_MODEL.to_owned() } else { OF_BASE.repeat(depth) };
            now.insert(format!("{whose}{name}{of}"), fingerprint(&path)?);
        }
    }
    if !recorded {
        return run.write_json(DATA_FILES, &now);
    }
    let bytes = std::fs::read(&path).map_err(io(&path))?;
    let then: BTreeMap<String, Fingerprint> =
        serde_json::from_slice(&bytes).map_err(json(&path))?;
    for of in [OF_MODEL, OF_BASE] {
        if !then.keys().any(|name| name.ends_with(of)) {
            // Of an earlier version, which recorded none.
            now.retain(|name, _| !name.ends_with(of));
        }
    }
    let mut changed: Vec<String> = Vec::new();
    for (file, fingerprint) in &then {
        match now.get(file) {
            Some(now) if now != fingerprint => changed.push(format!("{file} has changed")),
            // The results of a finished run stay valid without its data.
            None if !is_done => changed.push(format!("{file} is gone")),
            _ => {}
        }
    }
    let is_new = |file: &&String| !then.contains_key(*file);
    changed.extend(now.keys().filter(is_new).map(|file| format!("{file} is new")));
    if changed.is_empty() {
        return Ok(());
    }
    Err(RunError::OtherData { changed, record: path }.into())
}

/// The existing data files that a plan reads, in the order of their paths. Those of its
/// `pretrain_recipe` belong to a run of their own.
pub(super) fn paths(plan: &Plan) -> Result<BTreeSet<PathBuf>, Error> {
    let recipe = plan.recipe();
    let mut paths = BTreeSet::new();
    if recipe.task.is_labeled() {
        paths.extend(crate::data::paths_of(plan)?);
    }
    if let Some(pairs) = &recipe.pairs {
        let languages = pairs.languages.with_files(&pairs.path)?;
        let (also, back) = match &pairs.aligner {
            Some(AlignerRecipe::Dictionary { path, reverse_path, .. }) => {
                (Some(path), reverse_path.as_ref())
            }
            Some(AlignerRecipe::Pharaoh { path }) => (Some(path), None),
            Some(AlignerRecipe::Statistical(_) | AlignerRecipe::Encoder(_)) | None => (None, None),
        };
        for pattern in [Some(&pairs.path), also, back].into_iter().flatten() {
            paths.extend(found(pattern, &languages)?);
        }
    }
    if let Some(texts) = &recipe.monolingual {
        paths.extend(found(&texts.path, &texts.languages()?)?);
    }
    if let Some(texts) = &recipe.unlabeled {
        paths.extend(found(&texts.path, &texts.languages()?)?);
    }
    let of_source = |source| recipe.views.for_source(source, plan.sources());
    for views in plan.sources().iter().map(of_source).chain(plan.views_by_language()?) {
        if let Some(view) = &views.code_switched {
            paths.extend(found(&view.dictionaries, &view.languages)?);
        }
        if let Some(view) = &views.translated {
            paths.extend(found(&view.path, &view.languages)?);
        }
    }
    if let (Some(table), [first, others @ ..]) = (&recipe.language_adapter, plan.sources()) {
        // Checkpoints hold the adapter of the first source; a resumed run reads the others again.
        let mut languages = others.to_vec();
        if table.evaluation == LanguageExchange::Target {
            languages.extend(crate::data::languages_of(plan)?);
        }
        languages.retain(|language| language != first);
        let folders = languages.iter().map(|language| table.path.path(language));
        for folder in folders.filter(|folder| folder.is_dir()) {
            paths.extend(entries(&folder)?);
        }
    }
    if let Some(table) = &recipe.centring {
        let files = table.files(plan.sources(), std::iter::empty(), true)?;
        paths.extend(files.into_iter().map(|(_, path)| path));
    }
    if let Some(table) = &recipe.subnetworks {
        paths.extend(plan.sources().iter().flat_map(|source| table.files(recipe.seed, source)));
        if let UnseenLanguage::Nearest { distances } = &table.unseen {
            paths.insert(distances.into());
        }
    }
    // Whatever reads a missing file reports it, with the reason why it is needed.
    paths.retain(|path| path.is_file());
    Ok(paths)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(io(folder))?;
    entries.map(|entry| Ok(entry.map_err(io(folder))?.path())).collect()
}

fn found(pattern: &LanguagePattern, languages: &[Language]) -> Result<Vec<PathBuf>, TextError> {
    languages.iter().map(|language| pattern.find(language)).collect()
}

fn fingerprints(plan: &Plan) -> Result<BTreeMap<String, Fingerprint>, Error> {
    let named = |path: PathBuf| Ok((path.display().to_string(), fingerprint(&path)?));
    paths(plan)?.into_iter().map(named).collect()
}

fn fingerprint(path: &Path) -> Result<Fingerprint, Error> {
    Fingerprint::from_file(path).map_err(io(path))
}
