//! Prediction head in a folder of the `adapters` library (`head_config.json` and its weights): read
//! as the task head that computes the same.
//!
//! A static head is that of a class of `transformers`, with its tensor names. A flex head, of the
//! library's own classes, is a stack of linear layers `heads.<name>.<n>`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::adapters_library::check_base;
use super::config_json::head_from_json;
use super::json::read_json;
use super::names::head_tensor;
use super::weights::WeightFiles;
use crate::config::Fields;
use crate::family::{Activation, FamilySpec, split_leaf};
use crate::{ConfigError, EncoderConfig, HeadSpec, LoadError, LoadFault, ProblemType};

/// Configuration file of the head.
pub(super) const CONFIG: &str = "head_config.json";

/// Names of the weight file in the library.
const WEIGHTS: [&str; 2] = ["model_head.safetensors", "pytorch_model_head.bin"];

const SEQUENCE: &str = "ForSequenceClassification";
const TOKENS: &str = "ForTokenClassification";

/// Fields of a flex head that are read; any other may change what it computes.
const FIELDS: [&str; 8] = [
    "head_type",
    "num_labels",
    "layers",
    "activation_function",
    "label2id",
    "use_pooler",
    "bias",
    // Of training alone, where this project's rate is that of the model or of the recipe.
    "dropout_prob",
];

/// Prediction head of a folder, with its open weight file.
pub(super) struct AdapterHead {
    /// Specification of the task head.
    pub(super) spec: HeadSpec,
    /// Its configuration file.
    pub(super) path: PathBuf,
    /// Its weight file.
    pub(super) files: WeightFiles,
    /// Its modules.
    pub(super) modules: Modules,
}

impl AdapterHead {
    /// Whether a folder has a head.
    pub(super) fn is_in(folder: &Path) -> bool {
        [CONFIG].iter().chain(&WEIGHTS).any(|name| folder.join(name).exists())
    }

    /// Reads the head of a folder whose base model has the configuration `base`.
    ///
    /// # Errors
    /// If it computes what no task head does here; the error names the field.
    pub(super) fn read(
        folder: &Path,
        (encoder, base): &(EncoderConfig, Value),
    ) -> Result<Self, LoadError> {
        let path = folder.join(CONFIG);
        let json = read_json(&path)?;
        let refuse = |source| LoadError::AdapterHead { path: path.clone(), source };
        check_base(&json, encoder).map_err(refuse)?;
        let family = encoder.family.spec();
        let (class, problem, modules) = match json.get("config") {
            None | Some(Value::Null) => static_head(&json, base, family),
            Some(config) => flex_head(&json, config, family),
        }
        .map_err(refuse)?;
        let files = WeightFiles::open_first(folder, &WEIGHTS)?;
        let labels = match json.get("config").and_then(Value::as_object) {
            Some(config) => config,
            None => json.as_object().ok_or_else(|| refuse(ConfigError::missing("config")))?,
        };
        let tensor = format!("{}.weight", modules.classifier);
        let rows = files.shape(&tensor).and_then(|shape| shape.first().copied());
        let spec = read_labels(labels, class, problem, rows).map_err(refuse)?;
        Ok(Self { spec, path, files, modules })
    }

    /// Errors for the tensors that the head does not have.
    pub(super) fn left_over(&self) -> Vec<LoadFault> {
        let is_known =
            |tensor: &&str| self.modules.all().any(|module| module == split_leaf(tensor).0);
        let unknown = self.files.names().filter(|tensor| !is_known(tensor));
        let path = self.files.path();
        let fault = |tensor: &str| LoadFault::Unexpected {
            path: path.to_owned(),
            tensor: tensor.to_owned(),
        };
        unknown.map(fault).collect()
    }
}

/// Names of all tensors of a folder's head; none without a weight file.
pub(super) fn tensors(folder: &Path) -> Result<Vec<String>, LoadError> {
    if !WEIGHTS.iter().any(|name| folder.join(name).exists()) {
        return Ok(Vec::new());
    }
    let files = WeightFiles::open_first(folder, &WEIGHTS)?;
    Ok(files.names().map(str::to_owned).collect())
}

/// Module names of a head in its weight file.
#[derive(Clone)]
pub(super) struct Modules {
    /// Dense layer; `None` if the base model has it, or the head has none.
    dense: Option<String>,
    classifier: String,
}

impl Modules {
    fn all(&self) -> impl Iterator<Item = &String> {
        self.dense.iter().chain([&self.classifier])
    }

    /// Tensor name of a parameter of the task head; `None` for one that the base model has.
    pub(super) fn tensor(&self, path: &str) -> Option<String> {
        let (module, leaf) = split_leaf(path);
        let module = match module {
            "head.dense" => self.dense.as_ref()?,
            _ => &self.classifier,
        };
        Some(format!("{module}.{leaf}"))
    }
}

/// What a head's configuration says: its class in `transformers`, a problem type, and its modules.
type Found = (&'static str, Option<Value>, Modules);

/// Reads the configuration of a head of `transformers`. The library does not store its problem type,
/// which is that of the base's configuration there, too.
fn static_head(json: &Value, base: &Value, family: &FamilySpec) -> Result<Found, ConfigError> {
    let stem = family.class_stem(json.get("model_type").and_then(Value::as_str));
    let found = json.get("model_class").and_then(Value::as_str).unwrap_or_default();
    let class = [SEQUENCE, TOKENS]
        .into_iter()
        .find(|class| found.strip_prefix(stem) == Some(class))
        .ok_or_else(|| {
            let expected = format!("{stem}{SEQUENCE} or {stem}{TOKENS}");
            ConfigError::value("model_class", expected, format!("{found:?}"))
        })?;
    let has_dense = class == SEQUENCE;
    let module = |path: &str| {
        let tensor = head_tensor(family, &format!("{path}.weight"), has_dense);
        split_leaf(&tensor).0.to_owned()
    };
    // What has the encoder's prefix is no part of the head in the library, such as BERT's pooler.
    let dense = Some(module("head.dense")).filter(|dense| !dense.starts_with(family.prefix));
    let dense = dense.filter(|_| has_dense);
    let problem = base.get("problem_type").cloned().filter(|_| has_dense);
    Ok((class, problem, Modules { dense, classifier: module("head.classifier") }))
}

/// Reads the configuration of a flex head.
fn flex_head(json: &Value, config: &Value, family: &FamilySpec) -> Result<Found, ConfigError> {
    let name = json.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| ConfigError::missing("name"))?;
    let fields = config.as_object();
    let fields = fields.ok_or_else(|| ConfigError::value("config", "an object", config))?;
    let value = |field: &str| fields.get(field).filter(|value| !value.is_null());
    let of = |field: &str| format!("config.{field}");
    let (class, problem) = match value("head_type").and_then(Value::as_str) {
        Some("classification") => (SEQUENCE, None),
        Some("multilabel_classification") => (SEQUENCE, Some(ProblemType::MultiLabel)),
        Some("tagging") => (TOKENS, None),
        _ => {
            let expected = "classification, multilabel_classification or tagging";
            let found = fields.get("head_type").unwrap_or(&Value::Null);
            return Err(ConfigError::value(of("head_type"), expected, found));
        }
    };
    if let Some(field) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        return Err(ConfigError::Unknown { field: of(field), nearest: None });
    }
    let expect = |field: &str, expected: Value, default: Value| {
        let found = value(field).unwrap_or(&default);
        if *found == expected {
            return Ok(());
        }
        Err(ConfigError::value(of(field), expected.to_string(), found))
    };
    expect("bias", json!(true), json!(true))?;
    let layer = |n: usize| format!("heads.{name}.{n}");
    let pooler = family.pooler;
    let modules = if class == TOKENS {
        expect("layers", json!(1), json!(1))?;
        Modules { dense: None, classifier: layer(1) }
    } else if value("use_pooler") == Some(&json!(true)) && pooler.dense.starts_with(family.prefix) {
        expect("layers", json!(1), json!(2))?;
        Modules { dense: None, classifier: layer(1) }
    } else {
        expect("use_pooler", json!(false), json!(false))?;
        expect("layers", json!(2), json!(2))?;
        let activation = match pooler.activation {
            Activation::Tanh => "tanh",
            Activation::Relu => "relu",
            Activation::Gelu => "gelu",
        };
        expect("activation_function", json!(activation), Value::Null)?;
        Modules { dense: Some(layer(1)), classifier: layer(4) }
    };
    Ok((class, problem.map(|problem| json!(problem.name())), modules))
}

/// Reads the labels of a head, `label2id` or `num_labels`, whose classifier has `rows` rows.
fn read_labels(
    fields: &Map<String, Value>,
    class: &str,
    problem: Option<Value>,
    rows: Option<usize>,
) -> Result<HeadSpec, ConfigError> {
    let label2id = fields.get("label2id").cloned().unwrap_or_default();
    let mut json =
        json!({ "architectures": [class], "label2id": label2id, "problem_type": problem });
    let n_named = json["label2id"].as_object().map(Map::len);
    let n_labels = match (fields.get("num_labels"), n_named.or(rows)) {
        (Some(Value::Null) | None, None) => return Err(ConfigError::missing("num_labels")),
        (Some(Value::Null) | None, Some(n)) => n,
        (Some(found), _) => {
            json["num_labels"] = found.clone();
            Fields(&json).size_or("num_labels", 0)?
        }
    };
    if let Some(n_named) = n_named.filter(|n_named| *n_named != n_labels) {
        let problem = format!("{n_labels}, and {n_named} names in \"label2id\"");
        return Err(ConfigError::mismatch("num_labels", problem));
    }
    let spec = head_from_json(&json, &|_| Some(n_labels))?;
    spec.ok_or_else(|| ConfigError::missing("model_class"))
}
