//! Added tokens of the files beside `tokenizer.json`, and special tokens that only those name.

use serde_json::{Map, Value, json};

use super::files::{TokenizerClass, TokenizerFiles};

/// Named special tokens, in the order in which `transformers` adds those that are missing.
const NAMED: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// Lists of special tokens without names: of `transformers` 4, and of 5.
const UNNAMED: [&str; 2] = ["additional_special_tokens", "extra_special_tokens"];

/// Special tokens of BERT's classes, where no file names others.
const BERT: [(&str, &str); 5] = [
    ("unk_token", "[UNK]"),
    ("sep_token", "[SEP]"),
    ("pad_token", "[PAD]"),
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
];

/// An added token with the id that a file gives it.
pub(super) struct AddedId {
    pub(super) token: String,
    pub(super) id: u64,
    /// The name of the file.
    pub(super) file: &'static str,
}

/// Adds tokens that `tokenizer.json` lacks, and sets the flags of those that it has.
/// Returns the tokens that another file has under an id.
///
/// `special_tokens_map.json` and `added_tokens.json` are used only without an
/// `added_tokens_decoder`. The named tokens that a class has by default are added if the vocabulary
/// has them; `transformers` adds them without a row of the embedding matrix too.
pub(super) fn add(files: &mut TokenizerFiles, class: TokenizerClass) -> Vec<AddedId> {
    let TokenizerFiles { tokenizer: file, config, special_tokens_map, added_tokens, .. } = files;
    let mut config = config.as_object().cloned().unwrap_or_default();
    let decoder = config.remove("added_tokens_decoder");
    if !file.is_object() || !file["added_tokens"].is_array() && !file["added_tokens"].is_null() {
        return Vec::new();
    }
    let in_vocabulary = names(&file["model"]["vocab"], class);
    let mut tokens = file["added_tokens"].as_array().cloned().unwrap_or_default();
    let mut added = Vec::new();
    if let Some(Value::Object(decoder)) = decoder {
        for (id, token) in decoder {
            let (Ok(id), Some(content)) = (id.parse::<u64>(), token["content"].as_str()) else {
                continue;
            };
            match tokens.iter_mut().find(|known| known["content"] == content) {
                Some(known) => *known = entry(&known["id"].clone(), content, &token, false),
                None => {
                    tokens.push(entry(&json!(id), content, &token, false));
                    let (token, file) = (content.to_owned(), "tokenizer_config.json");
                    added.push(AddedId { token, id, file });
                }
            }
        }
    } else {
        override_with(&mut config, special_tokens_map);
        let special = special_tokens(&config);
        for (content, id) in added_tokens.as_object().into_iter().flatten() {
            if tokens.iter().all(|known| known["content"] != **content) {
                let is_special = special.iter().any(|(name, _)| name == content);
                let flags = json!({ "special": is_special, "normalized": !is_special });
                tokens.push(entry(id, content, &flags, is_special));
                if let Some(id) = id.as_u64() {
                    let token = content.clone();
                    added.push(AddedId { token, id, file: "added_tokens.json" });
                }
            }
        }
    }
    let defaults = BERT.into_iter().filter(|(key, token)| {
        let is_default = config.get(*key).is_none_or(Value::is_null);
        class == TokenizerClass::Bert && is_default && in_vocabulary.iter().any(|n| n == token)
    });
    let defaults = defaults.map(|(_, token)| (token.to_owned(), Value::Null));
    for (content, flags) in special_tokens(&config).into_iter().chain(defaults) {
        if !content.is_empty() && tokens.iter().all(|known| known["content"] != *content) {
            // The next free id, or that of the vocabulary.
            tokens.push(entry(&json!(u32::MAX), &content, &flags, true));
        }
    }
    // The tokenizer assigns ids beyond the vocabulary in the order of the list.
    tokens.sort_by_key(|token| token["id"].as_u64());
    if !tokens.is_empty() {
        file["added_tokens"] = json!(tokens);
    }
    added
}

/// The content of a named special token in the files beside `tokenizer.json`, as [`add`] takes it.
pub(super) fn named(files: &TokenizerFiles, key: &str) -> Option<String> {
    let TokenizerFiles { config, special_tokens_map, .. } = files;
    let content = |token: &Value| token.as_str().or(token["content"].as_str()).map(str::to_owned);
    let of_map = content(&special_tokens_map[key]);
    of_map.filter(|_| config["added_tokens_decoder"].is_null()).or_else(|| content(&config[key]))
}

/// The pieces of the vocabulary that a class may name as special tokens.
fn names(vocab: &Value, class: TokenizerClass) -> Vec<&'static str> {
    if class != TokenizerClass::Bert {
        return Vec::new();
    }
    let has = |token: &str| vocab.get(token).is_some();
    BERT.into_iter().map(|(_, token)| token).filter(|token| has(token)).collect()
}

/// Overrides the tokens of the configuration by those of `special_tokens_map.json`; lists are
/// joined.
fn override_with(config: &mut Map<String, Value>, special_tokens_map: &Value) {
    for (key, value) in special_tokens_map.as_object().into_iter().flatten() {
        match (config.get_mut(key), value) {
            (Some(Value::Array(known)), Value::Array(more)) => {
                let fresh: Vec<Value> =
                    more.iter().filter(|t| !known.contains(t)).cloned().collect();
                known.extend(fresh);
            }
            _ => drop(config.insert(key.clone(), value.clone())),
        }
    }
}

/// The special tokens of a configuration in their order, each with its flags.
fn special_tokens(config: &Map<String, Value>) -> Vec<(String, Value)> {
    let named = NAMED.iter().filter_map(|key| config.get(*key));
    let unnamed = UNNAMED.iter().filter_map(|key| config.get(*key)).flat_map(|list| match list {
        Value::Array(tokens) => tokens.iter().collect(),
        Value::Object(tokens) => tokens.values().collect(),
        _ => Vec::new(),
    });
    let token = |token: &Value| match token {
        Value::String(content) => Some((content.clone(), Value::Null)),
        _ => Some((token["content"].as_str()?.to_owned(), token.clone())),
    };
    named.chain(unnamed).filter_map(token).collect()
}

/// An entry of `added_tokens` with these flags; an absent one is false.
fn entry(id: &Value, content: &str, flags: &Value, is_special: bool) -> Value {
    let flag = |name: &str| flags[name].as_bool().unwrap_or_default();
    json!({
        "id": id, "content": content, "single_word": flag("single_word"),
        "lstrip": flag("lstrip"), "rstrip": flag("rstrip"),
        "normalized": flag("normalized"), "special": is_special || flag("special"),
    })
}
