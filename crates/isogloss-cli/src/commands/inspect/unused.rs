//! Unused files, tensors and settings of a model's folder.

use std::path::Path;

use isogloss::model::{ConfigError, EncoderConfig};
use serde_json::Value;

/// Weight files by precedence; the first that exists is loaded.
const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// Files that are loaded, that document the model, or that other programs need to read it.
const KNOWN: [&str; 15] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "modules.json",
    "config_sentence_transformers.json",
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "adapter.safetensors",
    "pytorch_adapter.bin",
    "head.safetensors",
    "isogloss.json",
    "trimmed.json",
    "modeling_isogloss.py",
    "modeling_isogloss_lm.py",
];

/// Unused files of a folder, sorted; documentation and shards are not among them.
pub(super) fn files(folder: &Path) -> std::io::Result<Vec<String>> {
    let weights = WEIGHTS.iter().find(|name| folder.join(name).exists());
    let is_for_people =
        |name: &str| name.starts_with('.') || [".md", ".txt"].iter().any(|end| name.ends_with(end));
    let is_shard = |name: &str| name.contains("-of-");
    let mut unused = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Settings of sentence-transformers, which had other names by model family.
        let is_of_sentences = name.starts_with("sentence_") && name.ends_with("_config.json");
        let is_known =
            is_of_sentences || KNOWN.contains(&name.as_str()) || weights == Some(&name.as_str());
        // `tokenizer.json` holds the vocabulary too.
        let is_file = !entry.path().is_dir();
        if is_file
            && !is_known
            && !is_shard(&name)
            && (!is_for_people(&name) || name == "vocab.txt")
        {
            unused.push(name);
        }
    }
    unused.sort();
    Ok(unused)
}

/// Unused fields of a `config.json`, with their values.
pub(super) fn fields(config: &Value) -> Result<Vec<String>, ConfigError> {
    let fields = EncoderConfig::unused_fields(config)?;
    Ok(fields.iter().map(|name| format!("config.json: {name} = {}", config[name])).collect())
}

/// Tokenizer settings that would change the output of `transformers` and are not used here.
pub(super) fn settings(folder: &Path, max_tokens: usize) -> Vec<String> {
    let read = |name: &str| -> Value {
        let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    };
    let (config, tokenizer) = (read("tokenizer_config.json"), read("tokenizer.json"));
    let mut unused = Vec::new();
    for side in ["truncation_side", "padding_side"] {
        if config[side] == "left" {
            unused.push(format!("tokenizer_config.json: {side} = \"left\""));
        }
    }
    if let Some(length) = config["model_max_length"].as_u64().filter(|n| *n < max_tokens as u64) {
        unused.push(format!("tokenizer_config.json: model_max_length = {length}"));
    }
    for part in ["truncation", "padding"] {
        if tokenizer[part].is_object() {
            unused.push(format!("tokenizer.json: {part}, which each command sets itself"));
        }
    }
    unused
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    #[test]
    fn fields_beyond_those_that_are_read_are_listed() {
        let config = json!({"model_type": "bert", "hidden_size": 8, "attention_type": "sparse"});
        assert_eq!(fields(&config).unwrap(), ["config.json: attention_type = \"sparse\""]);
    }

    #[test]
    fn files_and_settings_beyond_those_that_are_read_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let config = json!({"truncation_side": "left", "padding_side": "right",
            "model_max_length": 64});
        write("tokenizer_config.json", &config.to_string());
        // spiceai PR #13416: fixed padding that is set in the file, whatever the text.
        write("tokenizer.json", r#"{"padding": {"strategy": {"Fixed": 128}}, "truncation": null}"#);
        for name in ["config.json", "model.safetensors", "pytorch_model.bin", "README.md"] {
            write(name, "");
        }
        write("special_tokens_map.json", "{}");
        let expected = ["pytorch_model.bin", "special_tokens_map.json"];
        assert_eq!(files(folder.path()).unwrap(), expected);
        let found = settings(folder.path(), 512);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("truncation_side") && found[1].contains("model_max_length = 64"));
        assert!(found[2].starts_with("tokenizer.json: padding"));
    }
}
