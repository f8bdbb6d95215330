//! Saving of models to Hugging Face folders.

use std::path::Path;

use serde_json::Value;

use super::config_json::{config_with_heads, insert_scoring};
use super::json::{write_file, write_json};
use super::weights::write_safetensors;
use crate::params::named_parameters;
use crate::{HeadSpec, LmHeadKind, Model, ParamLocation, Pooling, Projection, SaveError};

/// Python class with which `transformers` loads the mean-pooling classifier (`trust_remote_code`).
const MEAN_POOLING_MODULE: &str = include_str!("modeling_isogloss.py");

/// Python class with which `transformers` loads a tied masked-language-model head; its own classes
/// have a transform before the product, which no weights turn into the identity.
const TIED_LM_MODULE: &str = include_str!("modeling_isogloss_lm.py");

/// Saves a model to a Hugging Face folder: writes `config.json`, `model.safetensors` and the Python
/// classes that `transformers` needs.
///
/// `AutoModelForSequenceClassification` and `AutoModelForTokenClassification` load the result and
/// give the same logits; a model with [`Pooling::Mean`] needs `trust_remote_code=True` there,
/// because its class is in the folder. Adapters are not saved:
/// [`save_adapter`](crate::save_adapter) and [`save_peft`](crate::save_peft) write those.
///
/// `AutoModel` loads a model with a parser, without the parser: the parser's configuration and
/// part-of-speech tags are in the entry `isogloss` of `config.json`, its relations are the labels.
///
/// `AutoModelForMaskedLM` loads a model with a masked-language-model head and no task head; for
/// [`LmHeadKind::Tied`] the class is in the folder too. With a task head, the masked-language-model
/// head is in the same file and `transformers` ignores it;
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
    save_scored(folder, model, head, config_json, None)
}

/// [`save`] with scoring settings: JSON of the caller with all that decides the head's scores
/// besides weights and tokenizer. It is stored in the entry `isogloss.scoring` of `config.json` and
/// returned in [`LoadedModel::scoring`](crate::LoadedModel::scoring).
///
/// # Errors
/// As [`save`].
pub fn save_scored(
    folder: &Path,
    model: &Model,
    head: Option<&HeadSpec>,
    config_json: &Value,
    scoring: Option<&Value>,
) -> Result<(), SaveError> {
    let config = model.encoder.config();
    let mut json = config_with_heads(config, head, model.lm_head_kind(), config_json);
    if let Some(scoring) = scoring {
        insert_scoring(&mut json, scoring);
    }
    write_json(&folder.join("config.json"), &json)?;
    if matches!(head, Some(HeadSpec::Sequence { pooling: Pooling::Mean, .. })) {
        write_file(&folder.join("modeling_isogloss.py"), MEAN_POOLING_MODULE.as_bytes())?;
    }
    if (head, model.lm_head_kind()) == (None, Some(LmHeadKind::Tied)) {
        write_file(&folder.join("modeling_isogloss_lm.py"), TIED_LM_MODULE.as_bytes())?;
    }
    let mut params = named_parameters(model);
    params.retain(|param| !Projection::owns(&param.path));
    let is_added = |path: &str| ParamLocation::from_path(path).is_some_and(|at| at.is_added());
    params.retain(|param| !is_added(&param.path));
    for param in &mut params {
        param.path = model.parameter_name(head, &param.path);
    }
    write_safetensors(&folder.join("model.safetensors"), params)
}
