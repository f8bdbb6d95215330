//! Loading of an adapter folder of the `peft` or the `adapters` library as a model: the base model
//! with the adapter, and the task head of the folder or of the base.

use std::path::Path;

use burn::tensor::Device;
use serde_json::{Value, json};

use super::adapter_head::{self, AdapterHead};
use super::adapters_library::{AdapterChoice, load_adapter};
use super::config_json::{head_from_json, read_config};
use super::head_source::{HeadSource, with_saved_head};
use super::index::ADAPTER_CONFIG;
use super::loaded::{HeadChoice, LoadBase, LoadedModel};
use super::names::{TIED_LM_BIAS, head_tensor};
use super::peft_library::{PREFIX, WEIGHTS, load_parts};
use super::weights::WeightFiles;
use crate::peft::AdapterLibrary;
use crate::{ConfigError, EncoderConfig, HeadSpec, LoadError, LoadFault, Model};

/// Adapter name in the model for a `peft` folder, the library's default.
const NAME: &str = "default";

/// Loads the base model and the adapter of a folder with the configuration `json`.
pub(super) fn load(
    folder: &Path,
    json: &Value,
    base: &Path,
    head: &HeadChoice,
    load_base: LoadBase,
    device: &Device,
) -> Result<LoadedModel, LoadError> {
    if json.get("peft_type").is_some() {
        return load_of_peft(folder, json, base, head, load_base, device);
    }
    let mut loaded = if AdapterHead::is_in(folder) {
        load_with_head(folder, base, head, load_base, device)?
    } else {
        load_base(&base.into(), head, device)?
    };
    if let Some(name) = json.get("name").and_then(Value::as_str) {
        check_name(&loaded.model, AdapterLibrary::Adapters, name, folder, base)?;
    }
    let adapter = load_adapter(folder, &mut loaded.model, &AdapterChoice::default())?;
    let mut active = loaded.model.encoder.active_adapters().to_vec();
    active.push(adapter.name);
    let active: Vec<&str> = active.iter().map(String::as_str).collect();
    let activated = loaded.model.encoder.set_active_adapters(&active);
    let path = folder.join(ADAPTER_CONFIG);
    activated.map_err(|source| LoadError::Adapter { path, source })?;
    Ok(loaded)
}

/// Loads the base model with the prediction head of an `adapters` folder, or without a saved head.
fn load_with_head(
    folder: &Path,
    base: &Path,
    head: &HeadChoice,
    load_base: LoadBase,
    device: &Device,
) -> Result<LoadedModel, LoadError> {
    let reads = head.is_saved() || head.matches_labels();
    let read = || AdapterHead::read(folder, &read_config(base)?);
    let saved = reads.then(read).transpose();
    let (saved, unread) = match (saved, head) {
        // A head of another kind has no rows for these labels.
        (
            Err(error @ LoadError::AdapterHead { .. }),
            HeadChoice::SavedIfRead | HeadChoice::ByName { .. },
        ) => (None, Some(error.to_string())),
        (saved, _) => (saved?, None),
    };
    let base_head = match (head, &saved) {
        (HeadChoice::Saved | HeadChoice::SavedIfRead, Some(saved)) => {
            HeadChoice::New { spec: saved.spec.clone(), seed: 0 }
        }
        (HeadChoice::ByName { spec, seed }, _) => {
            HeadChoice::New { spec: spec.clone(), seed: *seed }
        }
        (HeadChoice::AsIs { spec }, _) => HeadChoice::New { spec: spec.clone(), seed: 0 },
        (HeadChoice::New { .. }, _) => head.clone(),
        _ => HeadChoice::Without,
    };
    let mut loaded = load_base(&base.into(), &base_head, device)?;
    if let (HeadChoice::ByName { spec, .. }, None) = (head, &saved) {
        loaded.report.rows.drawn.extend(spec.label_lists().concat());
    }
    loaded.report.unread_head = unread;
    let Some(mut saved) = saved else {
        loaded.report.unused.extend(adapter_head::tensors(folder)?);
        return Ok(loaded);
    };
    let source = HeadSource::new(head, Some(&saved.spec), &saved.path)?;
    if head.spec().is_some_and(|spec| spec.kind() != saved.spec.kind()) {
        loaded.report.rows = source.rows();
        loaded.report.unused.extend(adapter_head::tensors(folder)?);
        return Ok(loaded);
    }
    let faults = saved.left_over();
    if !faults.is_empty() {
        return Err(LoadError::Tensors { faults });
    }
    let AdapterHead { files, modules, .. } = &mut saved;
    loaded = with_saved_head(loaded, source, files, &|path| modules.tensor(path))?;
    if !matches!(head, HeadChoice::ByName { .. }) {
        check_complete(&mut loaded, base, "")?;
    }
    Ok(loaded)
}

/// Fails if a parameter of a saved head was randomly initialized.
fn check_complete(loaded: &mut LoadedModel, path: &Path, prefix: &str) -> Result<(), LoadError> {
    let missing = |tensor: String| LoadFault::Missing {
        path: path.to_owned(),
        tensor: format!("{prefix}{tensor}"),
        nearest: None,
    };
    let fresh = std::mem::take(&mut loaded.report.fresh);
    // A tied masked-language-model head begins with a new bias.
    let (lm_bias, of_head) = fresh.into_iter().partition(|tensor| tensor == TIED_LM_BIAS);
    loaded.report.fresh = lm_bias;
    let faults: Vec<LoadFault> = Vec::into_iter(of_head).map(missing).collect();
    if faults.is_empty() { Ok(()) } else { Err(LoadError::Tensors { faults }) }
}

fn load_of_peft(
    folder: &Path,
    json: &Value,
    base: &Path,
    head: &HeadChoice,
    load_base: LoadBase,
    device: &Device,
) -> Result<LoadedModel, LoadError> {
    let saved = match head {
        HeadChoice::Saved | HeadChoice::SavedIfRead => saved_head(folder, json, base)?,
        HeadChoice::ByName { spec, .. } | HeadChoice::AsIs { spec } => {
            let saved = saved_head(folder, json, base)?;
            if let Some(saved) = saved.as_ref().filter(|saved| *saved != spec) {
                return Err(other_head(folder, saved, spec));
            }
            saved
        }
        HeadChoice::Without | HeadChoice::New { .. } => None,
    };
    let base_head = match saved {
        Some(spec) => HeadChoice::New { spec, seed: 0 },
        None => head.clone(),
    };
    let mut loaded = load_base(&base.into(), &base_head, device)?;
    check_name(&loaded.model, AdapterLibrary::Peft, NAME, folder, base)?;
    // A new head may have the shapes of the folder's head, which is for other labels.
    let takes_head = !matches!(head, HeadChoice::New { .. });
    let peft = load_parts(folder, &mut loaded.model, NAME, takes_head)?;
    let family = loaded.model.encoder.config().family.spec();
    let has_dense = loaded.head.as_ref().is_some_and(HeadSpec::has_dense);
    let (of_encoder, of_head): (Vec<String>, Vec<String>) =
        peft.replaced.into_iter().partition(|path| path.starts_with("encoder."));
    let of_head = of_head.iter().map(|path| head_tensor(family, path, has_dense));
    let of_head: Vec<String> = of_head.collect();
    loaded.report.fresh.retain(|tensor| !of_head.contains(tensor));
    loaded.report.replaced.extend(of_encoder);
    loaded.report.unused.extend(peft.unused);
    if head.is_saved() {
        check_complete(&mut loaded, folder, PREFIX)?;
    }
    Ok(loaded)
}

/// Fails if the base model has an adapter of this name, which the folder's would replace.
fn check_name(
    model: &Model,
    library: AdapterLibrary,
    name: &str,
    folder: &Path,
    base: &Path,
) -> Result<(), LoadError> {
    match model.encoder.adapter(library, name) {
        Ok(_) => Err(LoadError::AdapterInBase {
            path: folder.join(ADAPTER_CONFIG),
            base: base.to_owned(),
            name: name.to_owned(),
        }),
        Err(_) => Ok(()),
    }
}

/// Error for a `peft` folder whose head differs from the requested one; matching rows by label
/// needs a full model.
fn other_head(folder: &Path, saved: &HeadSpec, new: &HeadSpec) -> LoadError {
    let show = |head: &HeadSpec| format!("{} for {:?}", head.kind(), head.labels());
    let problem = format!(
        "its head is {}, not {}: merge the adapter into its base first, or begin with a new head",
        show(saved),
        show(new)
    );
    let source = ConfigError::mismatch("modules_to_save", problem);
    LoadError::Config { path: folder.join(ADAPTER_CONFIG), source }
}

/// Task head saved in a `peft` folder, by its `task_type`; `None` if the folder has no head.
///
/// The library stores no label names: those of the base model are used if their number matches.
fn saved_head(folder: &Path, json: &Value, base: &Path) -> Result<Option<HeadSpec>, LoadError> {
    let path = folder.join(ADAPTER_CONFIG);
    let (class, has_dense) = match json.get("task_type").and_then(Value::as_str) {
        Some("SEQ_CLS") => ("ForSequenceClassification", true),
        Some("TOKEN_CLS") => ("ForTokenClassification", false),
        None | Some("FEATURE_EXTRACTION") => return Ok(None),
        Some(other) => {
            let expected = "SEQ_CLS, TOKEN_CLS or FEATURE_EXTRACTION";
            let source = ConfigError::value("task_type", expected, format!("{other:?}"));
            return Err(LoadError::Config { path, source });
        }
    };
    let (config, base_json) = read_config(base)?;
    let Some(n_labels) = classifier_rows(folder, &config, has_dense)? else { return Ok(None) };
    let mut json = base_json;
    json["architectures"] = json!([class]);
    let n_named = json.get("id2label").and_then(Value::as_object).map(serde_json::Map::len);
    if n_named != Some(n_labels)
        && let Some(fields) = json.as_object_mut()
    {
        for field in ["id2label", "label2id", "num_labels"] {
            fields.shift_remove(field);
        }
    }
    head_from_json(&json, &|_| Some(n_labels))
        .map_err(|source| LoadError::Config { path: base.join("config.json"), source })
}

/// Number of rows of the classifier in the folder.
fn classifier_rows(
    folder: &Path,
    config: &EncoderConfig,
    has_dense: bool,
) -> Result<Option<usize>, LoadError> {
    let files = WeightFiles::open_first(folder, &WEIGHTS)?;
    let key = head_tensor(config.family.spec(), "head.classifier.weight", has_dense);
    Ok(files.shape(&format!("{PREFIX}{key}")).and_then(|shape| shape.first().copied()))
}
