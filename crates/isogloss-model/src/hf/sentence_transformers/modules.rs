//! Modules of a sentence-transformers folder: pooling and dense layers.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::source::Source;
use crate::config::Fields;
use crate::{ConfigError, LoadError, SentencePooling};

/// Dense layer over sentence embeddings (`Dense` of sentence-transformers).
#[derive(Clone, Debug, PartialEq)]
pub struct SentenceDense {
    /// Path of its configuration, for messages.
    pub path: PathBuf,
    /// Weight, `[out, in]`, row-major.
    pub weight: Vec<f32>,
    /// Bias, `[out]`; zeros if it has none.
    pub bias: Vec<f32>,
    /// Number of input features.
    pub in_features: usize,
    /// Number of output features.
    pub out_features: usize,
    /// Applies tanh to the output.
    pub has_tanh: bool,
}

/// Parses the configuration of a `Pooling` module.
pub(super) fn pooling(json: &Value) -> Result<SentencePooling, ConfigError> {
    let fields = Fields(json);
    if !fields.is_absent("pooling_mode") {
        let name = match json["pooling_mode"].as_array().map(Vec::as_slice) {
            Some([Value::String(one)]) => one,
            _ => fields.text("pooling_mode")?,
        };
        let expected = SentencePooling::names().join(", ");
        return SentencePooling::from_name(name)
            .ok_or_else(|| ConfigError::value("pooling_mode", expected, format!("{name:?}")));
    }
    let mut modes = Vec::new();
    for (field, mode) in SentencePooling::FIELDS {
        // Mean pooling is the library's default if the field is absent.
        if fields.bool_or(field, mode == SentencePooling::Mean)? {
            modes.push((field, mode));
        }
    }
    let others = json.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let is_mode = |name: &&str| name.starts_with("pooling_mode_");
    let is_known = |name: &&str| SentencePooling::FIELDS.iter().any(|(field, _)| field == name);
    others.filter(is_mode).filter(|name| !is_known(name)).try_for_each(|f| fields.expect_off(f))?;
    match modes[..] {
        [(_, mode)] => Ok(mode),
        [] => Err(ConfigError::mismatch("pooling_mode_mean_tokens", "no way of pooling is on")),
        [_, (second, _), ..] => {
            let problem = format!("{} is on too: only one way of pooling is supported", modes[0].0);
            Err(ConfigError::mismatch(second, problem))
        }
    }
}

/// Reads a `Dense` module.
pub(super) fn dense(source: &Source<'_>, folder: &Path) -> Result<SentenceDense, LoadError> {
    let path = folder.join("config.json");
    let json = source.json(&path)?;
    let refuse = |source| LoadError::Config { path: path.clone(), source };
    let fields = Fields(&json);
    let size = |field| match fields.size(field) {
        Ok(0) => Err(refuse(ConfigError::value(field, "a positive number", 0))),
        size => size.map_err(refuse),
    };
    let (in_features, out_features) = (size("in_features")?, size("out_features")?);
    let function = if fields.is_absent("activation_function") {
        "Tanh"
    } else {
        fields.text("activation_function").map_err(refuse)?
    };
    // sentence-transformers loads no function of another package.
    let own = function.starts_with("torch.") || !function.contains('.');
    let has_tanh = match function.rsplit('.').next().filter(|_| own) {
        Some("Tanh") => true,
        Some("Identity") => false,
        _ => {
            let found = format!("{function:?}");
            return Err(refuse(ConfigError::value(
                "activation_function",
                "Tanh or Identity of torch",
                found,
            )));
        }
    };
    for field in ["module_input_name", "module_output_name"] {
        fields.expect(field, "sentence_embedding").map_err(refuse)?;
    }
    let known = ["in_features", "out_features", "bias", "activation_function", "__version__"];
    let names = ["module_input_name", "module_output_name"];
    let others = json.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let mut others = others.filter(|name| !known.contains(name) && !names.contains(name));
    others.try_for_each(|name| fields.expect_off(name)).map_err(refuse)?;
    let mut files = source.weights(folder)?;
    let mut read = |name, shape: &[usize]| {
        files.read(name, shape).map_err(|fault| LoadError::Tensors { faults: vec![fault] })
    };
    let weight = read("linear.weight", &[out_features, in_features])?;
    let bias = if fields.bool_or("bias", true).map_err(refuse)? {
        read("linear.bias", &[out_features])?
    } else {
        vec![0.0; out_features]
    };
    Ok(SentenceDense { path, weight, bias, in_features, out_features, has_tanh })
}
