//! From low-rank changes in a model to a folder of the `peft` library.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::read::PREFIX;
use crate::hf::save::{parameter_name, write_json, write_safetensors};
use crate::params::named_parameters;
use crate::{
    EncoderConfig, HeadSpec, LoraConfig, LoraTarget, Model, ParamLocation, ParamPart, SaveError,
};

/// Writes `adapter_config.json` and `adapter_model.safetensors` into `folder`, as the `peft` library
/// does, for a task model with the encoder of `model`.
///
/// With `head`, which is the model's own, its parameters are written too. `base` is the name or
/// folder that the pretrained model is known by.
///
/// # Errors
/// If the model has no changes of this name or a file cannot be written; the message names it.
pub fn save_lora(
    folder: &Path,
    model: &Model,
    name: &str,
    head: Option<&HeadSpec>,
    base: Option<&str>,
) -> Result<(), SaveError> {
    let path = folder.join("adapter_config.json");
    let config = model
        .encoder
        .lora(name)
        .map_err(|error| SaveError { path: path.clone(), source: io::Error::other(error) })?;
    let encoder = model.encoder.config();
    write_json(&path, &config_fields(config, encoder, head, base))?;
    let mut params = named_parameters(model);
    params.retain(|param| match ParamLocation::of(&param.path).map(|place| place.part) {
        Some(ParamPart::Lora(other)) => other == name,
        Some(ParamPart::Head) => head.is_some(),
        _ => false,
    });
    for param in &mut params {
        let key = match param.path.strip_prefix("encoder.") {
            Some(path) => {
                format!("{}{}", encoder.family.prefix(), encoder.family.encoder_key(path))
            }
            None => parameter_name(encoder, head, &param.path),
        };
        param.path = format!("{PREFIX}{key}");
    }
    write_safetensors(&folder.join("adapter_model.safetensors"), params)
}

fn config_fields(
    config: &LoraConfig,
    encoder: &EncoderConfig,
    head: Option<&HeadSpec>,
    base: Option<&str>,
) -> Value {
    json!({
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "layers_to_transform": config.layers_to_transform,
        "lora_alpha": config.lora_alpha,
        "lora_dropout": config.lora_dropout,
        "modules_to_save": head.map(|head| encoder.family.head_modules(head.has_dense())),
        "peft_type": "LORA",
        "r": config.r,
        "target_modules": target_modules(config, encoder),
        "task_type": match head {
            None => Value::Null,
            Some(HeadSpec::Sequence { .. }) => json!("SEQ_CLS"),
            Some(HeadSpec::Tokens { .. }) => json!("TOKEN_CLS"),
            Some(HeadSpec::Parser(_)) => json!("FEATURE_EXTRACTION"),
        },
        "use_rslora": config.use_rslora,
    })
}

/// Ends of names that no projection has but those that change.
fn target_modules(config: &LoraConfig, encoder: &EncoderConfig) -> Vec<String> {
    let end = |layer: usize, target: LoraTarget| {
        let module = encoder.family.encoder_module(&format!("layers.{layer}.{}", target.path()));
        let at = module.find("layer.").unwrap_or_default();
        module[at..].to_owned()
    };
    let in_block = |target| end(0, target).trim_start_matches("layer.0.").to_owned();
    let mut names = Vec::new();
    for target in &config.target_modules {
        let name = in_block(*target);
        let is_shared = LoraTarget::ALL.into_iter().any(|other| {
            !config.target_modules.contains(&other)
                && in_block(other).ends_with(&format!(".{name}"))
        });
        if is_shared {
            names.extend(config.layers(encoder.num_hidden_layers).iter().map(|i| end(*i, *target)));
        } else {
            names.push(name);
        }
    }
    names
}
