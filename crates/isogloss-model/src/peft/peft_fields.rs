//! Fields of `adapter_config.json` that all kinds of the `peft` library have.

use serde_json::Value;

use crate::ConfigError;
use crate::config::Fields;

/// Fields that say nothing about what the tensors do to an encoder.
const WITHOUT_EFFECT: [&str; 8] = [
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "modules_to_save",
    "peft_type",
    "peft_version",
    "revision",
    "task_type",
];

/// Fails unless every field is turned off that neither a kind knows, by `known`, nor all kinds have:
/// each version of the library adds some.
pub(super) fn expect_others_off(json: &Value, known: &[&[&str]]) -> Result<(), ConfigError> {
    let is_known = |name: &str| {
        WITHOUT_EFFECT.contains(&name) || known.iter().any(|names| names.contains(&name))
    };
    let mut names = json.as_object().into_iter().flatten().map(|(name, _)| name);
    names.try_for_each(|name| if is_known(name) { Ok(()) } else { Fields(json).expect_off(name) })
}
