//! `config.json` of a Hugging Face folder: reading and writing of encoder configuration, task head
//! and labels.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::folder_with_base::ModelFolder;
use super::index::ADAPTER_CONFIG;
use super::json::{parse_json, read_json};
use super::model_folder::{FolderKind, base_folder};
use super::names::TIED_LM_CLASS;
use crate::config::Fields;
use crate::{
    ConfigError, EncoderConfig, HeadSpec, LmHeadKind, LoadError, ParserConfig, ParserSpec, Pooling,
    ProblemType,
};

/// Reads `config.json`, for an adapter folder of another library that of its base model; returns
/// the encoder configuration and the JSON.
///
/// # Errors
/// If it is missing, corrupt, or of an unsupported architecture.
pub fn read_config(folder: impl Into<ModelFolder>) -> Result<(EncoderConfig, Value), LoadError> {
    let folder = folder.into();
    match folder.open()? {
        FolderKind::Checkpoint(_) => read_own_config(&folder.path),
        FolderKind::Whole(path) => read_own_config(&path),
        FolderKind::Adapter { .. } => read_own_config(&base_folder(folder)?),
    }
}

/// Reads the `config.json` of the folder itself.
pub(super) fn read_own_config(folder: &Path) -> Result<(EncoderConfig, Value), LoadError> {
    let path = folder.join("config.json");
    let part = PARTS.iter().map(|name| folder.join(name)).find(|part| part.exists());
    if let (false, Some(path)) = (path.exists(), part) {
        return Err(LoadError::NoModel { path });
    }
    let names = if path.exists() { Vec::new() } else { named_adapters(folder) };
    if !names.is_empty() {
        return Err(LoadError::NamedAdapters { path: folder.to_owned(), names });
    }
    from_json(read_json(&path)?, &path)
}

/// Folders of a folder that hold an adapter each, as `save_pretrained` of peft writes those that are
/// not called `default`; sorted.
fn named_adapters(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let adapters = entries.filter(|entry| entry.path().join(ADAPTER_CONFIG).exists());
    let mut names: Vec<String> = adapters.map(|entry| entry.path().display().to_string()).collect();
    names.sort();
    names
}

/// Configurations of parts of a model that the `adapters` library saves in folders of their own.
const PARTS: [&str; 2] = ["head_config.json", "adapter_fusion_config.json"];

/// Parses the bytes of a `config.json`; `path` is used in messages.
pub(super) fn parse_config(bytes: &[u8], path: &Path) -> Result<(EncoderConfig, Value), LoadError> {
    from_json(parse_json(bytes, path)?, path)
}

fn from_json(json: Value, path: &Path) -> Result<(EncoderConfig, Value), LoadError> {
    match EncoderConfig::from_json(&json) {
        Ok(config) => Ok((config, json)),
        Err(source) => Err(LoadError::Config { path: path.to_owned(), source }),
    }
}

/// Class name in `transformers`, the first of `architectures`, or that field itself; empty without
/// one.
pub(super) fn class_name(json: &Value) -> &str {
    let first = json.pointer("/architectures/0").or_else(|| json.get("architectures"));
    first.and_then(Value::as_str).unwrap_or_default()
}

/// Function that returns the number of rows of the classifier in the weight files, if they are
/// open; its argument tells whether the head has the family's pooler.
pub(super) type ClassifierRows<'a> = &'a dyn Fn(bool) -> Option<usize>;

/// Task head that the folder was saved with, parsed from `config.json`; the weights give the number
/// of labels if the file does not.
pub(super) fn head_from_json(
    json: &Value,
    rows: ClassifierRows<'_>,
) -> Result<Option<HeadSpec>, ConfigError> {
    if let Some(entry) = json.pointer("/isogloss/parser") {
        let relations = labels(json, None)?;
        return saved_parser(entry.clone(), relations)
            .map(|spec| Some(HeadSpec::Parser(spec)))
            .map_err(|problem| ConfigError::mismatch("isogloss.parser", problem));
    }
    let class = class_name(json);
    if class.ends_with("ForTokenClassification") {
        return Ok(Some(HeadSpec::tokens(labels(json, rows(false))?)));
    }
    if !class.ends_with("ForSequenceClassification") {
        return Ok(None);
    }
    let pooling = match json.pointer("/isogloss/pooling") {
        None => Pooling::FirstToken,
        Some(found) => Pooling::deserialize(found)
            .map_err(|_| ConfigError::value("isogloss.pooling", "mean or first_token", found))?,
    };
    let labels = labels(json, rows(pooling == Pooling::FirstToken))?;
    let problem = problem_type(json, labels.len())?;
    Ok(Some(HeadSpec::Sequence { labels, pooling, problem }))
}

/// Problem type of a classifier with `n_labels` outputs. The default for one output is regression,
/// as in `transformers`.
fn problem_type(json: &Value, n_labels: usize) -> Result<ProblemType, ConfigError> {
    let field = "problem_type";
    let name = match json.get(field) {
        None | Some(Value::Null) if n_labels == 1 => return Ok(ProblemType::Regression),
        None | Some(Value::Null) => return Ok(ProblemType::SingleLabel),
        Some(name) => name,
    };
    let problem = name.as_str().and_then(ProblemType::from_name);
    match problem {
        None => Err(ConfigError::value(field, ProblemType::names().join(" or "), name)),
        Some(ProblemType::SingleLabel) if n_labels == 1 => {
            let problem = format!("{name}, and one output, which says nothing");
            Err(ConfigError::mismatch(field, problem))
        }
        Some(problem) => Ok(problem),
    }
}

/// Entry of `isogloss` in `config.json` with the scoring settings.
const SCORING: &str = "scoring";

/// Scoring settings of the task head in a `config.json`, as
/// [`save_scored`](crate::save_scored) stores them.
pub fn scoring_from_json(json: &Value) -> Option<&Value> {
    json.get("isogloss")?.get(SCORING)
}

/// Inserts the scoring settings of the task head into a `config.json`.
pub(super) fn insert_scoring(json: &mut Value, scoring: &Value) {
    if !json["isogloss"].is_object() {
        json["isogloss"] = json!({});
    }
    json["isogloss"][SCORING] = scoring.clone();
}

/// Parses the entry of a dependency parser in `config.json`.
fn saved_parser(mut entry: Value, relations: Vec<String>) -> Result<ParserSpec, String> {
    let tags = entry.as_object_mut().and_then(|entry| entry.shift_remove("tags"));
    let tags = serde_json::from_value(tags.unwrap_or_default());
    let tags = tags.map_err(|error| format!("tags: {error}"))?;
    let config: ParserConfig = serde_json::from_value(entry).map_err(|error| error.to_string())?;
    match config.faults().into_iter().next() {
        Some((field, problem)) => Err(format!("{field}: {problem}")),
        None => Ok(ParserSpec { config, relations, tags }),
    }
}

/// Upper limit of the number of labels, so that a corrupt number cannot fill the memory with names.
const MAX_LABELS: usize = 1 << 20;

/// Label names in the order of their IDs (`id2label`).
///
/// A `num_labels` beside them must be their number: `transformers` 4 goes by the names, 5 by
/// `num_labels`. Without `id2label` they are those of `label2id`, else `LABEL_0` and so on; their number is
/// `num_labels`, else the `rows` of the classifier, else two, as in `transformers`.
fn labels(json: &Value, rows: Option<usize>) -> Result<Vec<String>, ConfigError> {
    match json.get("id2label") {
        Some(Value::Object(names)) if !names.is_empty() => {
            let n_labels = Fields(json).size_or("num_labels", names.len())?;
            if n_labels != names.len() {
                let n_names = names.len();
                let problem = format!("{n_labels}, and {n_names} names in \"id2label\"");
                return Err(ConfigError::mismatch("num_labels", problem));
            }
            by_id("id2label", names.iter().map(|(id, name)| (id.as_str(), name)))
        }
        None | Some(Value::Null | Value::Object(_)) => unnamed_labels(json, rows),
        Some(other) => Err(ConfigError::value("id2label", "an object of label names", other)),
    }
}

/// Sorts label names by their IDs.
fn by_id<'a>(
    field: &str,
    entries: impl Iterator<Item = (&'a str, &'a Value)>,
) -> Result<Vec<String>, ConfigError> {
    let entries: Vec<_> = entries.collect();
    let mut labels: Vec<Option<String>> = vec![None; entries.len()];
    for (id, name) in &entries {
        let slot = id.parse::<usize>().ok().and_then(|id| labels.get_mut(id));
        let slot = slot.filter(|slot| slot.is_none());
        let unexpected = || match entries.len() {
            1 => format!("unexpected id {id:?}, where the only name has the id 0"),
            n => format!("unexpected id {id:?}, where {n} names have the ids 0 to {}", n - 1),
        };
        let slot = slot.ok_or_else(|| ConfigError::mismatch(field, unexpected()))?;
        *slot = Some(match name {
            Value::String(name) => name.clone(),
            Value::Number(_) | Value::Bool(_) => name.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(ConfigError::mismatch(field, format!("id {id} has no name")));
            }
        });
    }
    Ok(labels.into_iter().flatten().collect())
}

/// Label names without `id2label`.
fn unnamed_labels(json: &Value, rows: Option<usize>) -> Result<Vec<String>, ConfigError> {
    if let Some(Value::Object(ids)) = json.get("label2id")
        && !ids.is_empty()
        && rows.is_none_or(|rows| rows == ids.len())
    {
        let entries: Vec<_> =
            ids.iter().map(|(name, id)| (id.to_string(), Value::from(name.as_str()))).collect();
        return by_id("label2id", entries.iter().map(|(id, name)| (id.as_str(), name)));
    }
    let n_labels = Fields(json).size_or("num_labels", rows.unwrap_or(2))?;
    if !(1..=MAX_LABELS).contains(&n_labels) {
        let expected = format!("1 to {MAX_LABELS}");
        return Err(ConfigError::value("num_labels", expected, n_labels));
    }
    Ok((0..n_labels).map(|id| format!("LABEL_{id}")).collect())
}

/// Builds the `config.json` of a model with these heads from the `config.json` of the original
/// model.
pub(super) fn config_with_heads(
    config: &EncoderConfig,
    head: Option<&HeadSpec>,
    lm_head: Option<LmHeadKind>,
    original: &Value,
) -> Value {
    let mut json = original.as_object().cloned().unwrap_or_default();
    let family = config.family.spec();
    let stem = family.class_stem(original.get("model_type").and_then(Value::as_str));
    for stale in ["auto_map", "isogloss", "torch_dtype", "num_labels", "problem_type"] {
        json.shift_remove(stale);
    }
    json.insert("dtype".into(), "float32".into());
    config.pruned.write(&mut json);
    let prefix = family.prefix.trim_end_matches('.');
    if lm_head.is_some() {
        json.insert("tie_word_embeddings".into(), true.into());
    }
    let class = match head {
        None => match lm_head {
            None => format!("{stem}Model"),
            Some(LmHeadKind::Own) => format!("{stem}ForMaskedLM"),
            Some(LmHeadKind::Tied) => {
                let path = format!("modeling_isogloss_lm.{TIED_LM_CLASS}");
                json.insert("auto_map".into(), json!({ "AutoModelForMaskedLM": path }));
                json.insert("isogloss".into(), json!({ "prefix": prefix }));
                TIED_LM_CLASS.to_owned()
            }
        },
        Some(HeadSpec::Parser(spec)) => {
            let mut parser = json!(spec.config);
            parser["tags"] = json!(spec.tags);
            json.insert("isogloss".into(), json!({ "parser": parser }));
            format!("{stem}Model")
        }
        Some(HeadSpec::Tokens { .. }) => format!("{stem}ForTokenClassification"),
        Some(HeadSpec::Sequence { pooling: Pooling::FirstToken, .. }) => {
            format!("{stem}ForSequenceClassification")
        }
        Some(HeadSpec::Sequence { pooling: Pooling::Mean, .. }) => {
            let class = "MeanPoolingForSequenceClassification";
            let path = format!("modeling_isogloss.{class}");
            let dropout = config.sequence_dropout_prob;
            json.insert("auto_map".into(), json!({ "AutoModelForSequenceClassification": path }));
            json.insert(
                "isogloss".into(),
                json!({ "pooling": "mean", "prefix": prefix, "dropout": dropout }),
            );
            class.to_owned()
        }
    };
    json.insert("architectures".into(), json!([class]));
    if let Some(spec) = head {
        let names = || spec.labels().iter().enumerate();
        let id2label: Map<_, _> = names().map(|(id, name)| (id.to_string(), json!(name))).collect();
        let label2id: Map<_, _> = names().map(|(id, name)| (name.clone(), json!(id))).collect();
        if spec.problem() != ProblemType::SingleLabel {
            json.insert("problem_type".into(), spec.problem().name().into());
        }
        json.insert("id2label".into(), id2label.into());
        json.insert("label2id".into(), label2id.into());
    }
    Value::Object(json)
}
