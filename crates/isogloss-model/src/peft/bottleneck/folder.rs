//! Bottleneck adapter in the folder format of the `adapters` library: fields of
//! `adapter_config.json` and tensor names.

use serde_json::{Value, json};

use super::config::{AdapterInit, AdapterResidual, BottleneckConfig};
use crate::ConfigError;
use crate::config::Fields;
use crate::error::nearest;
use crate::family::{FamilySpec, split_block, split_leaf};
use crate::peft::activation::NonLinearity;

/// Supported fields.
const READ: [&str; 15] = [
    "mh_adapter",
    "output_adapter",
    "reduction_factor",
    "non_linearity",
    "original_ln_before",
    "original_ln_after",
    "residual_before_ln",
    "is_parallel",
    "scaling",
    "dropout",
    "init_weights",
    "leave_out",
    "inv_adapter",
    "inv_adapter_reduction_factor",
    "invertible_adapter",
];
/// Fields of unsupported features, which must be turned off.
const OFF: [&str; 6] =
    ["ln_before", "ln_after", "use_gating", "phm_layer", "stochastic_depth", "new_attention_norm"];
/// Ignored fields, which have no effect in an encoder if the [`OFF`] fields are off.
const WITHOUT_EFFECT: [&str; 16] = [
    "adapter_residual_before_ln",
    "architecture",
    "attention_type",
    "cross_adapter",
    "init_weights_seed",
    "factorized_phm_W",
    "factorized_phm_rule",
    "hypercomplex_nonlinearity",
    "learn_phm",
    "phm_bias",
    "phm_c_init",
    "phm_dim",
    "phm_init_range",
    "phm_rank",
    "shared_W_phm",
    "shared_phm_rule",
];

/// Parses the adapter configuration from the entry `config` of the file.
pub(in crate::peft) fn read_config(json: &Value) -> Result<BottleneckConfig, ConfigError> {
    let inner = json.get("config").ok_or_else(|| ConfigError::missing("config"))?;
    let object =
        inner.as_object().ok_or_else(|| ConfigError::value("config", "an object", inner))?;
    let fields = Fields(inner);
    if !fields.is_absent("architecture") {
        return Err(ConfigError::OnlySupported {
            field: "architecture".into(),
            supported: "bottleneck adapters".into(),
            found: inner["architecture"].to_string(),
        });
    }
    let known = || READ.iter().chain(&OFF).chain(&WITHOUT_EFFECT);
    if let Some(unknown) = object.keys().find(|key| !known().any(|name| name == key)) {
        let nearest = nearest(unknown, known().copied());
        return Err(ConfigError::Unknown { field: unknown.clone(), nearest });
    }
    OFF.iter().try_for_each(|name| fields.expect_off(name))?;
    from_fields(&fields, json.get("version").is_none())
}

/// Parses the configuration from known fields.
///
/// The first versions of the library wrote no version, and their "gelu" is another function.
fn from_fields(
    fields: &Fields<'_>,
    is_first_version: bool,
) -> Result<BottleneckConfig, ConfigError> {
    let inner = fields.0;
    Ok(BottleneckConfig {
        mh_adapter: fields.bool("mh_adapter")?,
        output_adapter: fields.bool("output_adapter")?,
        reduction_factor: fields.number("reduction_factor")?,
        non_linearity: non_linearity(fields.text("non_linearity")?, is_first_version)?,
        original_ln_before: fields.bool_or("original_ln_before", false)?,
        original_ln_after: fields.bool_or("original_ln_after", true)?,
        residual_before_ln: match inner.get("residual_before_ln") {
            None | Some(Value::Bool(true)) => AdapterResidual::BeforeLn,
            Some(Value::Bool(false)) => AdapterResidual::AfterLn,
            Some(Value::String(text)) if text == "post_add" => AdapterResidual::PostAdd,
            Some(other) => {
                let expected = "true, false or \"post_add\"";
                return Err(ConfigError::value("residual_before_ln", expected, other));
            }
        },
        is_parallel: fields.bool_or("is_parallel", false)?,
        scaling: fields.number_or("scaling", 1.0)?,
        dropout: fields.number_or("dropout", 0.0)?,
        init_weights: match inner.get("init_weights") {
            None => AdapterInit::Bert,
            Some(found) => serde_json::from_value(found.clone())
                .map_err(|error| ConfigError::mismatch("init_weights", error))?,
        },
        leave_out: fields.layers("leave_out")?.unwrap_or_default(),
        inv_adapter_reduction_factor: invertible(inner)?,
    })
}

fn non_linearity(name: &str, is_first_version: bool) -> Result<NonLinearity, ConfigError> {
    let name = match (is_first_version, name.to_lowercase()) {
        (true, name) if name == "gelu" => "gelu_new".to_owned(),
        (true, name) if name == "gelu_orig" => "gelu".to_owned(),
        (_, name) => name,
    };
    serde_json::from_value(Value::String(name))
        .map_err(|error| ConfigError::mismatch("non_linearity", error))
}

/// Reduction factor of the invertible adapter, from the two current fields or the older object.
fn invertible(config: &Value) -> Result<Option<f64>, ConfigError> {
    let older = config.get("invertible_adapter").filter(|value| !value.is_null());
    let (kind, field, holder) = match older {
        Some(older) => (older.get("block_type"), "reduction_factor", older),
        None => (config.get("inv_adapter"), "inv_adapter_reduction_factor", config),
    };
    match kind.filter(|kind| !kind.is_null()) {
        None => Ok(None),
        Some(Value::String(kind)) if kind == "nice" => Fields(holder).number(field).map(Some),
        Some(other) => Err(ConfigError::OnlySupported {
            field: "inv_adapter".into(),
            supported: "\"nice\" is supported".into(),
            found: other.to_string(),
        }),
    }
}

/// All fields that the library writes for a bottleneck adapter; unsupported features are off.
pub(in crate::peft) fn config_fields(config: &BottleneckConfig) -> Value {
    json!({
        "adapter_residual_before_ln": false,
        "cross_adapter": false,
        "dropout": config.dropout,
        "factorized_phm_W": true,
        "factorized_phm_rule": false,
        "hypercomplex_nonlinearity": "glorot-uniform",
        "init_weights": match config.init_weights {
            AdapterInit::Bert => "bert",
            AdapterInit::MamAdapter => "mam_adapter",
            AdapterInit::Houlsby => "houlsby",
        },
        "init_weights_seed": null,
        "inv_adapter": config.inv_adapter_reduction_factor.map(|_| "nice"),
        "inv_adapter_reduction_factor": config.inv_adapter_reduction_factor,
        "is_parallel": config.is_parallel,
        "learn_phm": true,
        "leave_out": config.leave_out,
        "ln_after": false,
        "ln_before": false,
        "mh_adapter": config.mh_adapter,
        "non_linearity": config.non_linearity,
        "original_ln_after": config.original_ln_after,
        "original_ln_before": config.original_ln_before,
        "output_adapter": config.output_adapter,
        "phm_bias": true,
        "phm_c_init": "normal",
        "phm_dim": 4,
        "phm_init_range": 0.0001,
        "phm_layer": false,
        "phm_rank": 1,
        "reduction_factor": config.reduction_factor,
        "residual_before_ln": match config.residual_before_ln {
            AdapterResidual::BeforeLn => json!(true),
            AdapterResidual::PostAdd => json!("post_add"),
            AdapterResidual::AfterLn => json!(false),
        },
        "scaling": config.scaling,
        "shared_W_phm": false,
        "shared_phm_rule": true,
        "stochastic_depth": 0.0,
        "use_gating": false,
    })
}

/// Tensor name of a bottleneck adapter parameter in a file, without the model's prefix; `None` if
/// `path` is not of a bottleneck adapter.
pub(in crate::peft) fn tensor_name(family: &FamilySpec, path: &str) -> Option<String> {
    let (module, leaf) = split_leaf(path);
    Some(format!("{}.{leaf}", module_name(family, module)?))
}

fn module_name(family: &FamilySpec, module: &str) -> Option<String> {
    if let Some(rest) = module.strip_prefix("invertible_adapters.") {
        let (name, half, dense) = three_steps(rest)?;
        let index = if dense == "down" { 0 } else { 2 };
        return Some(format!("invertible_adapters.{name}.{}.{index}", half.to_uppercase()));
    }
    let (layer, rest) = split_block(module)?;
    let (name, sublayer, dense) = three_steps(rest.strip_prefix("adapters.")?)?;
    let [after_attention, after_feed_forward] = family.adapter_modules;
    let parent = if sublayer == "attention" { after_attention } else { after_feed_forward };
    let dense = if dense == "down" { "adapter_down.0" } else { "adapter_up" };
    Some(family.block(layer, &format!("{parent}.adapters.{name}.{dense}")))
}

fn three_steps(path: &str) -> Option<(&str, &str, &str)> {
    let mut steps = path.split('.');
    Some((steps.next()?, steps.next()?, steps.next()?))
}

/// Names of the same tensor in earlier versions of the library.
pub(in crate::peft) fn earlier_tensor_names(name: &str) -> Vec<String> {
    if name.starts_with("invertible_adapters.") {
        return vec![name.replace("invertible_adapters.", "invertible_lang_adapters.")];
    }
    ["attention_text_task", "attention_text_lang", "layer_text_task", "layer_text_lang"]
        .map(|kind| name.replace(".adapters.", &format!(".{kind}_adapters.")))
        .to_vec()
}
