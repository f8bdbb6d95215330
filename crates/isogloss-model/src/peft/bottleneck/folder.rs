//! The `adapter_config.json` of the `adapters` library.

use serde_json::Value;

use crate::config::Fields;
use crate::hf::weights::nearest;
use crate::{AdapterConfig, AdapterInit, AdapterResidual, NonLinearity};

/// Fields that are read.
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
/// Fields of functions that are not offered: they must be turned off.
const OFF: [&str; 6] =
    ["ln_before", "ln_after", "use_gating", "phm_layer", "stochastic_depth", "new_attention_norm"];
/// Fields that say nothing about an adapter whose [`OFF`] fields are off, in an encoder.
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

/// Reads the adapter's configuration out of the file's.
pub(crate) fn read_adapter_config(json: &Value) -> Result<AdapterConfig, String> {
    if json.get("peft_type").is_some() {
        return Err("a folder of the peft library, not of the adapters library".into());
    }
    let inner = json.get("config").ok_or("no field \"config\"")?;
    let object = inner.as_object();
    let object =
        object.ok_or_else(|| format!("field \"config\": expected an object, found {inner}"))?;
    let fields = Fields(inner);
    if !fields.is_absent("architecture") {
        let found = &inner["architecture"];
        return Err(format!("field \"architecture\": only bottleneck adapters, found {found}"));
    }
    let known = || READ.iter().chain(&OFF).chain(&WITHOUT_EFFECT);
    if let Some(unknown) = object.keys().find(|key| !known().any(|name| name == key)) {
        let hint = nearest(unknown, known().copied());
        let hint = hint.map(|name| format!(", the nearest is \"{name}\"")).unwrap_or_default();
        return Err(format!("field \"{unknown}\": not known{hint}"));
    }
    OFF.iter().try_for_each(|name| fields.expect_off(name))?;

    let expect_flag = |name| match fields.is_absent(name) {
        true => Err(format!("no field \"{name}\"")),
        false => fields.bool_or(name, false),
    };
    // The first versions of the library said nothing of their version, and meant something else by
    // "gelu".
    let is_first_version = json.get("version").is_none();
    Ok(AdapterConfig {
        mh_adapter: expect_flag("mh_adapter")?,
        output_adapter: expect_flag("output_adapter")?,
        reduction_factor: fields.number("reduction_factor")?,
        non_linearity: non_linearity(fields.text("non_linearity")?, is_first_version)?,
        original_ln_before: fields.bool_or("original_ln_before", false)?,
        original_ln_after: fields.bool_or("original_ln_after", true)?,
        residual_before_ln: match inner.get("residual_before_ln") {
            None | Some(Value::Bool(true)) => AdapterResidual::BeforeLn,
            Some(Value::Bool(false)) => AdapterResidual::AfterLn,
            Some(Value::String(text)) if text == "post_add" => AdapterResidual::PostAdd,
            Some(other) => {
                let expected = "expected true, false or \"post_add\"";
                return Err(format!("field \"residual_before_ln\": {expected}, found {other}"));
            }
        },
        is_parallel: fields.bool_or("is_parallel", false)?,
        scaling: fields.number_or("scaling", 1.0)?,
        dropout: fields.number_or("dropout", 0.0)?,
        init_weights: match inner.get("init_weights") {
            None => AdapterInit::Bert,
            Some(found) => serde_json::from_value(found.clone())
                .map_err(|error| format!("field \"init_weights\": {error}"))?,
        },
        leave_out: fields.layers("leave_out")?.unwrap_or_default(),
        inv_adapter_reduction_factor: invertible(inner)?,
    })
}

fn non_linearity(name: &str, is_first_version: bool) -> Result<NonLinearity, String> {
    let name = match (is_first_version, name.to_lowercase()) {
        (true, name) if name == "gelu" => "gelu_new".to_owned(),
        (true, name) if name == "gelu_orig" => "gelu".to_owned(),
        (_, name) => name,
    };
    serde_json::from_value(Value::String(name))
        .map_err(|error| format!("field \"non_linearity\": {error}"))
}

/// The reduction factor of the invertible adapter, from today's two fields or the older object.
fn invertible(config: &Value) -> Result<Option<f64>, String> {
    let older = config.get("invertible_adapter").filter(|value| !value.is_null());
    let (kind, field, holder) = match older {
        Some(older) => (older.get("block_type"), "reduction_factor", older),
        None => (config.get("inv_adapter"), "inv_adapter_reduction_factor", config),
    };
    match kind.filter(|kind| !kind.is_null()) {
        None => Ok(None),
        Some(Value::String(kind)) if kind == "nice" => Fields(holder).number(field).map(Some),
        Some(other) => {
            Err(format!("field \"inv_adapter\": only \"nice\" is supported, found {other}"))
        }
    }
}
