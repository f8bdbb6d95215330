//! Settings of `tokenizer_config.json`, which override those of `tokenizer.json`, as in
//! `transformers`.

use serde_json::{Value, json};

/// The settings of BERT's normalizer: their names in `tokenizer_config.json` and in
/// `tokenizer.json`.
const NORMALIZER: [(&str, &str); 3] = [
    ("do_lower_case", "lowercase"),
    ("strip_accents", "strip_accents"),
    ("tokenize_chinese_chars", "handle_chinese_chars"),
];

/// Tokenizer classes that use the normalizer of `tokenizer.json` unchanged.
const AS_IT_IS: [&str; 2] = ["PreTrainedTokenizer", "TokenizersBackend"];

/// Applies a `tokenizer_config.json` to the content of a `tokenizer.json`: overrides the settings
/// of a BERT normalizer, and adds tokens that the file lacks.
/// Returns those tokens with their ids.
///
/// Absent fields change nothing.
pub(super) fn apply(config: &Value, file: &mut Value) -> Vec<(String, u64)> {
    let class = config.get("tokenizer_class").and_then(Value::as_str).unwrap_or_default();
    let normalizer = file.get_mut("normalizer").filter(|part| part["type"] == "BertNormalizer");
    if let Some(normalizer) = normalizer.filter(|_| !AS_IT_IS.iter().any(|c| class.starts_with(c)))
    {
        for (setting, field) in NORMALIZER {
            // `strip_accents` may be null, which means the value of `lowercase`.
            let value = config.get(setting).filter(|value| value.is_boolean() || value.is_null());
            if let Some(value) = value.filter(|v| v.is_boolean() || setting == "strip_accents") {
                normalizer[field] = value.clone();
            }
        }
    }
    add_tokens(config, file)
}

fn add_tokens(config: &Value, file: &mut Value) -> Vec<(String, u64)> {
    let Some(Value::Object(decoder)) = config.get("added_tokens_decoder") else {
        return Vec::new();
    };
    if !file["added_tokens"].is_array() {
        file["added_tokens"] = json!([]);
    }
    let Some(tokens) = file["added_tokens"].as_array_mut() else { return Vec::new() };
    let mut added = Vec::new();
    for (id, token) in decoder {
        let (Ok(id), Some(content)) = (id.parse(), token["content"].as_str()) else { continue };
        if tokens.iter().all(|known| known["content"] != content) {
            added.push((content.to_owned(), id));
            let flag = |name: &str| token[name].as_bool().unwrap_or_default();
            tokens.push(json!({
                "id": id, "content": content, "single_word": flag("single_word"),
                "lstrip": flag("lstrip"), "rstrip": flag("rstrip"),
                "normalized": flag("normalized"), "special": flag("special"),
            }));
        }
    }
    // The tokenizer assigns ids beyond the vocabulary in the order of the list.
    tokens.sort_by_key(|token| token["id"].as_u64());
    added
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use crate::{TextError, Tokenizer};

    /// A BERT-like tokenizer in a folder, with this `tokenizer_config.json`.
    fn tokenizer(config: &Value) -> Result<Tokenizer, TextError> {
        let vocab = ["[UNK]", "[CLS]", "Licht", "licht", "für", "fur", "灯", "开", "开灯"];
        let vocab: Value = (0..).zip(vocab).map(|(id, t)| (t.to_owned(), json!(id))).collect();
        let file = json!({
            "version": "1.0", "added_tokens": [],
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "lowercase": false,
                "strip_accents": false, "handle_chinese_chars": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "model": {"type": "WordPiece", "vocab": vocab, "unk_token": "[UNK]",
                "continuing_subword_prefix": "##", "max_input_chars_per_word": 100},
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        fs::write(&path, file.to_string()).unwrap();
        fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
        Tokenizer::from_file(&path)
    }

    fn tokens(config: &Value, text: &str) -> Vec<String> {
        let tokenizer = tokenizer(config).unwrap();
        let ids = tokenizer.encode(text, None, 16).unwrap().ids;
        ids.into_iter().map(|id| tokenizer.token(id).unwrap()).collect()
    }

    #[test]
    fn settings_of_the_normalizer_are_laid_over_the_file() {
        let text = "Licht für 开灯";
        let cases: [(Value, &[&str]); 5] = [
            (json!({}), &["Licht", "für", "开", "灯"]),
            // vllm#11184, transformers#10650: the settings of the two files disagree.
            (json!({"do_lower_case": true}), &["licht", "für", "开", "灯"]),
            (json!({"do_lower_case": true, "strip_accents": null}), &["licht", "fur", "开", "灯"]),
            (json!({"tokenize_chinese_chars": false}), &["Licht", "für", "开灯"]),
            (
                json!({"do_lower_case": true, "tokenizer_class": "PreTrainedTokenizerFast"}),
                &["Licht", "für", "开", "灯"],
            ),
        ];
        for (config, expected) in cases {
            assert_eq!(tokens(&config, text), expected, "{config}");
        }
    }

    // onnxruntime-extensions PR #890: tokens that only tokenizer_config.json has.
    #[test]
    fn added_tokens_that_the_file_lacks_are_added_under_their_ids() {
        let token = |content: &str| json!({"content": content, "special": true});
        let config = json!({"added_tokens_decoder": {"1": token("[CLS]"), "9": token("<ent>")}});
        assert_eq!(tokens(&config, "<ent> Licht"), ["<ent>", "Licht"]);
        assert_eq!(tokenizer(&config).unwrap().id("<ent>"), Some(9));
        assert_eq!(tokenizer(&config).unwrap().vocab_size(), 10);
        let config = json!({"added_tokens_decoder": {"12": token("<ent>")}});
        let message = tokenizer(&config).unwrap_err().to_string();
        assert!(message.contains("tokenizer_config.json"), "{message}");
        assert!(message.contains("added token \"<ent>\" has the id 12, here it would be 9"));
    }
}
