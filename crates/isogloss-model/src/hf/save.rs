//! From a model to a Hugging Face folder.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use burn::tensor::{DType, TensorData};
use safetensors::tensor::{Dtype, SafeTensorError, View};
use serde_json::{Map, Value, json};

use crate::family::{TIED_LM_BIAS, TIED_LM_CLASS};
use crate::params::{NamedParam, named_parameters};
use crate::{
    EncoderConfig, HeadSpec, LmHeadKind, Model, ParamLocation, Pooling, Projection, SaveError,
};

/// Lets `transformers` load the mean-pooling head, which it has no class for.
const MEAN_POOLING_MODULE: &str = include_str!("modeling_isogloss.py");

/// Lets it load a tied masked-language-model head: none of its classes is without a layer before
/// the product, and no weights make that layer the identity.
const TIED_LM_MODULE: &str = include_str!("modeling_isogloss_lm.py");

/// Writes `config.json`, `model.safetensors` and what else `transformers` needs into `folder`.
///
/// `AutoModelForSequenceClassification` and `AutoModelForTokenClassification` load the result and
/// give the same logits; a model with [`Pooling::Mean`] needs `trust_remote_code=True` there, since
/// its class comes with the folder. Adapters and low-rank changes are left out:
/// [`save_adapter`](crate::save_adapter) and [`save_lora`](crate::save_lora) write those.
///
/// A model with a parser is one for `AutoModel`, which leaves the parser out: its sizes and parts of
/// speech are the entry `isogloss` of `config.json`, its relations the labels there.
///
/// A model with a masked-language-model head and no other is one for `AutoModelForMaskedLM`; where
/// that head is [`LmHeadKind::Tied`], its class comes with the folder too. Beside another head it
/// is stored in the same file, and `transformers` leaves it out;
/// [`load_masked_lm`](crate::load_masked_lm) reads it again.
///
/// # Errors
/// If a file cannot be written; the message names it.
pub fn save(
    folder: &Path,
    model: &Model,
    head: Option<&HeadSpec>,
    config_json: &Value,
) -> Result<(), SaveError> {
    let config = model.encoder.config();
    let json = saved_config(config, head, model.lm_head_kind(), config_json);
    write_json(&folder.join("config.json"), &json)?;
    if matches!(head, Some(HeadSpec::Sequence { pooling: Pooling::Mean, .. })) {
        write_file(&folder.join("modeling_isogloss.py"), MEAN_POOLING_MODULE.as_bytes())?;
    }
    if (head, model.lm_head_kind()) == (None, Some(LmHeadKind::Tied)) {
        write_file(&folder.join("modeling_isogloss_lm.py"), TIED_LM_MODULE.as_bytes())?;
    }
    let mut params = named_parameters(model);
    params.retain(|param| !Projection::owns(&param.path));
    params.retain(|param| !ParamLocation::of(&param.path).is_some_and(|place| place.is_added()));
    for param in &mut params {
        param.path = model.parameter_name(head, &param.path);
    }
    write_safetensors(&folder.join("model.safetensors"), params)
}

/// Writes the projections of a model, if it has any, into a folder of their own, which is made.
///
/// [`load_projections`](crate::load_projections) reads them.
///
/// # Errors
/// If the folder or its file cannot be written.
pub fn save_projections(folder: &Path, model: &Model) -> Result<(), SaveError> {
    let mut params = named_parameters(model);
    params.retain(|param| Projection::owns(&param.path));
    if params.is_empty() {
        return Ok(());
    }
    let io = |source| SaveError { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(io)?;
    write_safetensors(&folder.join("model.safetensors"), params)
}

impl Model {
    /// The name of a parameter in a Hugging Face file of this model and head, from its path.
    pub fn parameter_name(&self, head: Option<&HeadSpec>, path: &str) -> String {
        let config = self.encoder.config();
        match (self.lm_head_kind(), path.starts_with("lm_head.")) {
            (Some(LmHeadKind::Tied), true) => TIED_LM_BIAS.to_owned(),
            (Some(LmHeadKind::Own), true) => config.family.lm_head_key(path),
            (Some(_), false) if head.is_none() => {
                format!("{}{}", config.family.prefix(), parameter_name(config, None, path))
            }
            _ => parameter_name(config, head, path),
        }
    }
}

/// The name of a parameter in a Hugging Face file, from its path in a [`Model`] without a
/// masked-language-model head.
///
/// Parameters of adapters have the names of the `adapters` library, those of low-rank changes the
/// names of `peft` without its prefix `base_model.model.`.
pub fn parameter_name(config: &EncoderConfig, head: Option<&HeadSpec>, path: &str) -> String {
    let family = config.family;
    match (path.strip_prefix("encoder."), head) {
        (Some(path), Some(_)) => format!("{}{}", family.prefix(), family.encoder_key(path)),
        (Some(path), None) => family.encoder_key(path),
        (None, head) => family.head_key(path, head.is_some_and(HeadSpec::has_dense)),
    }
}

pub(crate) fn saved_config(
    config: &EncoderConfig,
    head: Option<&HeadSpec>,
    lm_head: Option<LmHeadKind>,
    original: &Value,
) -> Value {
    let mut json = original.as_object().cloned().unwrap_or_default();
    let stem = config.family.class_stem(original);
    for stale in ["auto_map", "isogloss", "torch_dtype", "num_labels", "problem_type"] {
        json.shift_remove(stale);
    }
    json.insert("dtype".into(), "float32".into());
    config.pruned.write(&mut json);
    let prefix = config.family.prefix().trim_end_matches('.');
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
        json.insert("id2label".into(), id2label.into());
        json.insert("label2id".into(), label2id.into());
    }
    Value::Object(json)
}

/// Writes tensors as `f32` safetensors; each is read from its device only when its turn comes.
///
/// # Errors
/// If the file cannot be written in full.
pub fn write_safetensors(path: &Path, params: Vec<NamedParam>) -> Result<(), SaveError> {
    let tensors = params.into_iter().map(|param| (param.path.clone(), Lazy(param)));
    write_tensors(path, tensors)
}

/// Writes tensors as they are.
pub(crate) fn write_tensors<T: View>(
    path: &Path,
    tensors: impl Iterator<Item = (String, T)>,
) -> Result<(), SaveError> {
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let io = |source| SaveError { path: path.to_owned(), source };
    // The crate moves a private file into place; whoever may read other files may read this one.
    let permissions =
        File::create(path).and_then(|file| file.metadata()).map_err(io)?.permissions();
    safetensors::serialize_to_file(tensors, Some(metadata), path).map_err(|error| match error {
        SafeTensorError::IoError(source) => io(source),
        other => io(std::io::Error::other(other)),
    })?;
    File::open(path)
        .and_then(|file| file.set_permissions(permissions).and_then(|()| file.sync_all()))
        .map_err(io)
}

pub(crate) fn write_json(path: &Path, json: &Value) -> Result<(), SaveError> {
    let pretty = serde_json::to_string_pretty(json).expect("a JSON value is printable");
    write_file(path, pretty.as_bytes())
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), SaveError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| SaveError { path: path.to_owned(), source })
}

struct Lazy(NamedParam);

impl View for Lazy {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let data: TensorData = self.0.data().convert_dtype(DType::F32);
        Cow::Owned(data.as_bytes().to_vec())
    }

    fn data_len(&self) -> usize {
        self.0.shape.iter().product::<usize>() * size_of::<f32>()
    }
}
