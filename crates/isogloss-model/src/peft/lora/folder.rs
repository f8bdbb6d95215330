//! LoRA in the folder format of the `peft` library: fields of `adapter_config.json` and tensor
//! names.

use serde_json::{Value, json};

use super::config::LoraConfig;
use crate::config::Fields;
use crate::family::{FamilySpec, split_leaf};
use crate::peft::peft_fields::expect_others_off;
use crate::peft::target_names::{StoredShapes, Targets};
use crate::{ConfigError, EncoderConfig};

/// Value of `peft_type`.
pub(in crate::peft) const PEFT_TYPE: &str = "LORA";
/// Supported fields.
const READ: [&str; 7] = [
    "r",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
    "layers_to_transform",
    "use_rslora",
    "init_lora_weights",
];
/// Ignored fields of LoRA, which do not affect the encoder's output.
const WITHOUT_EFFECT: [&str; 5] =
    ["bias", "layers_pattern", "megatron_core", "qalora_group_size", "runtime_config"];
/// Initializations (`init_lora_weights`) that leave the pretrained weights unchanged.
const PLAIN_STARTS: [&str; 2] = ["gaussian", "eva"];

/// Parses a LoRA configuration; the names of `tensors` show which projections a regular expression
/// matches.
pub(in crate::peft) fn read_config(
    json: &Value,
    encoder: &EncoderConfig,
    tensors: &StoredShapes<'_>,
) -> Result<LoraConfig, ConfigError> {
    let fields = Fields(json);
    expect_others_off(json, &[&READ, &WITHOUT_EFFECT])?;
    fields.expect("bias", "none")?;
    match json.get("init_lora_weights") {
        None | Some(Value::Bool(_)) => {}
        Some(Value::String(start)) if PLAIN_STARTS.contains(&start.as_str()) => {}
        Some(other) => {
            let problem = "it changes the pretrained weights, which are not in this folder";
            return Err(ConfigError::mismatch("init_lora_weights", format!("{other}: {problem}")));
        }
    }
    let layers = fields.layers("layers_to_transform")?;
    let has_tensors = |projection: &str| {
        let part = format!("{projection}.lora_");
        tensors.keys().any(|tensor| tensor.contains(&part))
    };
    let Targets { modules, layers } =
        Targets::read(json, "target_modules", layers.as_deref(), encoder, has_tensors)?;
    let is_everywhere = layers.len() == encoder.num_hidden_layers;
    Ok(LoraConfig {
        r: fields.size("r")?,
        lora_alpha: fields.number("lora_alpha")?,
        lora_dropout: fields.number_or("lora_dropout", 0.0)?,
        target_modules: modules,
        layers_to_transform: (!is_everywhere).then_some(layers),
        use_rslora: fields.bool_or("use_rslora", false)?,
    })
}

/// Fields of `adapter_config.json` that describe the adapter.
pub(in crate::peft) fn config_fields(config: &LoraConfig, encoder: &EncoderConfig) -> Value {
    let (modules, layers) =
        (config.target_modules.clone(), config.layers(encoder.num_hidden_layers));
    json!({
        "bias": "none",
        "fan_in_fan_out": false,
        "init_lora_weights": true,
        "layers_to_transform": config.layers_to_transform,
        "lora_alpha": config.lora_alpha,
        "lora_dropout": config.lora_dropout,
        "peft_type": PEFT_TYPE,
        "r": config.r,
        "target_modules": Targets { modules, layers }.names(encoder),
        "use_rslora": config.use_rslora,
    })
}

/// Tensor name of a LoRA parameter in a file, without prefixes and without the adapter's name;
/// `None` if `path` is not of LoRA.
pub(in crate::peft) fn tensor_name(family: &FamilySpec, path: &str) -> Option<String> {
    let (module, leaf) = split_leaf(path);
    let (projection, _) = module.split_once(".lora.")?;
    Some(format!("{}.lora_{}.weight", family.encoder_module(projection), leaf.to_uppercase()))
}
