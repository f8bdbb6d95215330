//! Fields of `adapter_config.json` common to all adapters of the `peft` library.

use serde_json::Value;

use crate::ConfigError;
use crate::config::Fields;

/// Ignored fields, which do not affect the encoder's output.
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

/// Checks that all fields outside `known` and the common fields are turned off; each version of the
/// library adds some fields.
pub(super) fn expect_others_off(json: &Value, known: &[&[&str]]) -> Result<(), ConfigError> {
    let is_known = |name: &str| {
        WITHOUT_EFFECT.contains(&name) || known.iter().any(|names| names.contains(&name))
    };
    let mut names = json.as_object().into_iter().flatten().map(|(name, _)| name);
    names.try_for_each(|name| if is_known(name) { Ok(()) } else { Fields(json).expect_off(name) })
}
