//! From an adapter in a model to a folder of the `adapters` library.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::hf::save::{write_json, write_safetensors};
use crate::params::named_parameters;
use crate::{
    AdapterConfig, AdapterInit, AdapterResidual, Model, ParamLocation, ParamPart, SaveError,
};

/// Writes `adapter_config.json` and `adapter.safetensors` into `folder`, as the `adapters` library
/// does: there `load_adapter(folder, use_safetensors=True)` reads the result.
///
/// `config_json` is the `config.json` of the model, `base` the name that it is known by.
///
/// # Errors
/// If the model has no such adapter or a file cannot be written; the message names it.
pub fn save_adapter(
    folder: &Path,
    model: &Model,
    name: &str,
    config_json: &Value,
    base: Option<&str>,
) -> Result<(), SaveError> {
    let path = folder.join("adapter_config.json");
    let config = model
        .encoder
        .adapter(name)
        .map_err(|error| SaveError { path: path.clone(), source: io::Error::other(error) })?;
    let encoder = model.encoder.config();
    write_json(
        &path,
        &json!({
            "config": config_fields(config),
            "hidden_size": encoder.hidden_size,
            "model_class": format!("{}AdapterModel", encoder.family.class_stem(config_json)),
            "model_name": base,
            "model_type": config_json.get("model_type"),
            "name": name,
            "version": "adapters.1.3.0",
        }),
    )?;
    let mut params = named_parameters(model);
    params.retain(|param| {
        let part = ParamLocation::of(&param.path).map(|place| place.part);
        part == Some(ParamPart::Adapter(name)) || part == Some(ParamPart::InvertibleAdapter(name))
    });
    for param in &mut params {
        let path = param.path.trim_start_matches("encoder.");
        param.path = format!("{}{}", encoder.family.prefix(), encoder.family.encoder_key(path));
    }
    write_safetensors(&folder.join("adapter.safetensors"), params)
}

/// All fields that the library writes for a bottleneck adapter; those that are not ours are off.
fn config_fields(config: &AdapterConfig) -> Value {
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
