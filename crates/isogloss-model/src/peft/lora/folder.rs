//! LoRA in a folder of the `peft` library: the fields of `adapter_config.json` and the names of
//! tensors.

use serde_json::{Value, json};

use super::config::LoraConfig;
use crate::config::Fields;
use crate::family::{FamilySpec, split_leaf};
use crate::peft::target_names::Targets;
use crate::{ConfigError, EncoderConfig};

/// The value of `peft_type`.
pub(in crate::peft) const PEFT_TYPE: &str = "LORA";
/// Fields that are read.
const READ: [&str; 8] = [
    "peft_type",
    "r",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
    "layers_to_transform",
    "use_rslora",
    "init_lora_weights",
];
/// Fields that say nothing about what the tensors do to an encoder.
const WITHOUT_EFFECT: [&str; 12] = [
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "inference_mode",
    "layers_pattern",
    "megatron_core",
    "modules_to_save",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "task_type",
];
/// Starts of weights that leave the pretrained ones as they are.
const PLAIN_STARTS: [&str; 2] = ["gaussian", "eva"];

/// Reads a configuration; the names of `tensors` tell which projections a pattern stands for.
///
/// A field that is none of the above must be turned off: each version of the library adds some.
pub(in crate::peft) fn read_config(
    json: &Value,
    encoder: &EncoderConfig,
    tensors: &[&str],
) -> Result<LoraConfig, ConfigError> {
    let fields = Fields(json);
    let is_known = |name: &str| READ.iter().chain(&WITHOUT_EFFECT).any(|other| *other == name);
    let names = json.as_object().into_iter().flatten().map(|(name, _)| name);
    names.filter(|name| !is_known(name)).try_for_each(|name| fields.expect_off(name))?;
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
        tensors.iter().any(|tensor| tensor.contains(&part))
    };
    let Targets { modules, layers } = Targets::read(json, layers.as_deref(), encoder, has_tensors)?;
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

/// The fields that say what the adapter is.
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

/// The name of a parameter in a file, without the prefixes; none if `path` is not one of LoRA. It does
/// not say the adapter's own name.
pub(in crate::peft) fn tensor_name(family: &FamilySpec, path: &str) -> Option<String> {
    let (module, leaf) = split_leaf(path);
    let (projection, _) = module.split_once(".lora.")?;
    Some(format!("{}.lora_{}.weight", family.encoder_module(projection), leaf.to_uppercase()))
}

/// Whether a tensor of a file is one of LoRA.
pub(in crate::peft) fn is_tensor(name: &str) -> bool {
    name.contains(".lora_")
}
