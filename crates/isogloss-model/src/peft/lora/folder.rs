//! The `adapter_config.json` of the `peft` library.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::config::Fields;
use crate::{EncoderConfig, LoraConfig, LoraTarget, WeightFiles};

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

/// Reads a configuration; `files` tell which projections a pattern stands for.
///
/// A field that is none of the above must be turned off: each version of the library adds some.
pub(crate) fn read_lora_config(
    json: &Value,
    encoder: &EncoderConfig,
    files: &WeightFiles,
) -> Result<LoraConfig, String> {
    let fields = Fields(json);
    let object = json.as_object().ok_or("expected an object")?;
    let peft_type = fields.text("peft_type")?;
    if peft_type != "LORA" {
        return Err(format!(
            "field \"peft_type\": only \"LORA\" is supported, found \"{peft_type}\""
        ));
    }
    let known = |name: &str| READ.iter().chain(&WITHOUT_EFFECT).any(|other| *other == name);
    object.keys().filter(|key| !known(key)).try_for_each(|key| fields.expect_off(key))?;
    fields.expect("bias", "none")?;
    match json.get("init_lora_weights") {
        None | Some(Value::Bool(_)) => {}
        Some(Value::String(start)) if PLAIN_STARTS.contains(&start.as_str()) => {}
        Some(other) => {
            let problem = "it changes the pretrained weights, which are not in this folder";
            return Err(format!("field \"init_lora_weights\": {other}: {problem}"));
        }
    }
    let layers = fields.layers("layers_to_transform")?;
    let places = places(json, layers.as_deref(), encoder, files)?;
    let (target_modules, layers) = as_product(&places)?;
    let is_everywhere = layers.len() == encoder.num_hidden_layers;
    Ok(LoraConfig {
        r: fields.size("r")?,
        lora_alpha: fields.number("lora_alpha")?,
        lora_dropout: fields.number_or("lora_dropout", 0.0)?,
        target_modules,
        layers_to_transform: (!is_everywhere).then_some(layers),
        use_rslora: fields.bool_or("use_rslora", false)?,
    })
}

/// The name of a projection in a task model.
pub(crate) fn projection(encoder: &EncoderConfig, layer: usize, target: LoraTarget) -> String {
    let module = encoder.family.encoder_module(&format!("layers.{layer}.{}", target.path()));
    format!("{}{module}", encoder.family.prefix())
}

/// The projections that change: those whose name ends with one of a list, or, for a pattern, those
/// that the file has.
fn places(
    json: &Value,
    layers: Option<&[usize]>,
    encoder: &EncoderConfig,
    files: &WeightFiles,
) -> Result<BTreeSet<(usize, LoraTarget)>, String> {
    let list = match json.get("target_modules") {
        Some(Value::Array(names)) => Some(names.iter().filter_map(Value::as_str)),
        Some(Value::String(_)) => None,
        other => {
            let found = other.unwrap_or(&Value::Null);
            return Err(format!("field \"target_modules\": expected names, found {found}"));
        }
    };
    let list: Option<Vec<&str>> = list.map(Iterator::collect);
    let is_chosen = |layer, target| {
        let name = projection(encoder, layer, target);
        match &list {
            Some(list) => {
                let ends = |end: &&str| {
                    name == **end || name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'))
                };
                layers.is_none_or(|layers| layers.contains(&layer)) && list.iter().any(ends)
            }
            None => {
                let bare = name.strip_prefix(encoder.family.prefix()).unwrap_or(&name);
                let part = format!("{bare}.lora_");
                files.names().any(|tensor| tensor.contains(&part))
            }
        }
    };
    let all = (0..encoder.num_hidden_layers)
        .flat_map(|layer| LoraTarget::ALL.map(|target| (layer, target)));
    let places: BTreeSet<_> = all.filter(|(layer, target)| is_chosen(*layer, *target)).collect();
    if let Some(layer) =
        layers.and_then(|layers| layers.iter().find(|layer| **layer >= encoder.num_hidden_layers))
    {
        let n_layers = encoder.num_hidden_layers;
        return Err(format!(
            "field \"layers_to_transform\": layer {layer} of a model of {n_layers}"
        ));
    }
    if places.is_empty() {
        let found = &json["target_modules"];
        return Err(format!(
            "field \"target_modules\": no projection of the model is one of {found}"
        ));
    }
    Ok(places)
}

/// The projections and the layers whose pairs these are.
fn as_product(
    places: &BTreeSet<(usize, LoraTarget)>,
) -> Result<(Vec<LoraTarget>, Vec<usize>), String> {
    let targets: BTreeSet<_> = places.iter().map(|(_, target)| *target).collect();
    let layers: BTreeSet<_> = places.iter().map(|(layer, _)| *layer).collect();
    if targets.len() * layers.len() != places.len() {
        return Err("field \"target_modules\": expected the same projections in each layer".into());
    }
    Ok((targets.into_iter().collect(), layers.into_iter().collect()))
}
