//! Saving models to Hugging Face folders.

use std::path::Path;

use serde_json::Value;

use super::config_json::{config_with_heads, insert_scoring};
use super::json::{write_file, write_json};
use super::weights::write_safetensors;
use crate::params::named_parameters;
use crate::{HeadSpec, LmHeadKind, Model, ParamLocation, Pooling, Projection, SaveError};

/// The class with which `transformers` loads the mean-pooling head: it has none of its own.
const MEAN_POOLING_MODULE: &str = include_str!("modeling_isogloss.py");

/// The class with which it loads a tied masked-language-model head: all of its own have a layer before
/// the product, and no weights make that layer the identity.
const TIED_LM_MODULE: &str = include_str!("modeling_isogloss_lm.py");

/// Saves a model: writes `config.json`, `model.safetensors` and what else `transformers` needs into
/// `folder`.
///
/// `AutoModelForSequenceClassification` and `AutoModelForTokenClassification` load the result and
/// give the same logits; a model with [`Pooling::Mean`] needs `trust_remote_code=True` there, since
/// its class comes with the folder. Adapters are left out: [`save_adapter`](crate::save_adapter) and
/// [`save_peft`](crate::save_peft) write those.
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
    save_scored(folder, model, head, config_json, None)
}

/// As [`save`]; `scoring` says how the head is scored: what decides its scores beside the weights and the
/// tokenizer, as the caller writes it. It is the entry `scoring` of `isogloss` in `config.json`, and
/// [`LoadedModel::scoring`](crate::LoadedModel::scoring) gives it back.
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
