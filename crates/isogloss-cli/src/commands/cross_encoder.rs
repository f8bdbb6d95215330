//! Settings of cross-encoders of sentence-transformers.

use std::path::Path;

use serde_json::Value;

/// Settings of sentence-transformers for the whole folder.
const LIBRARY_CONFIG: &str = "config_sentence_transformers.json";

/// Settings of a cross-encoder of sentence-transformers that change its scores there: the function over
/// the logits, and the default prompt.
pub(super) fn settings(folder: &Path) -> Vec<(String, Value)> {
    let bytes = std::fs::read(folder.join(LIBRARY_CONFIG)).unwrap_or_default();
    let json: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if json["model_type"] != "CrossEncoder" {
        return Vec::new();
    }
    let fields =
        ["activation_fn", "default_prompt_name"].map(|name| (name.to_owned(), &json[name]));
    let is_set = |value: &Value| value.as_str().is_some_and(|text| !text.ends_with("Identity"));
    let set = fields.into_iter().filter(|(_, value)| is_set(value));
    set.map(|(name, value)| (name, value.clone())).collect()
}

/// Unused settings of a cross-encoder, with their values.
pub(super) fn unused(folder: &Path) -> Vec<String> {
    let settings = settings(folder).into_iter();
    settings.map(|(name, value)| format!("{LIBRARY_CONFIG}: {name} = {value}")).collect()
}
