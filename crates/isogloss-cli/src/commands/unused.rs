//! Unused files, tensors and settings of a model's folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use isogloss::model::{ConfigError, EncoderConfig, ModelFolder, read_config, tokenizer_folder};
use serde_json::Value;

use super::cross_encoder;

/// Weight files by precedence; the first that exists is loaded.
const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// Files that are loaded, that document the model, or that other programs need to read it.
const KNOWN: [&str; 21] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "modules.json",
    "config_sentence_transformers.json",
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "adapter.safetensors",
    "pytorch_adapter.bin",
    "head_config.json",
    "model_head.safetensors",
    "pytorch_model_head.bin",
    "head.safetensors",
    "isogloss.json",
    "trimmed.json",
    "centring.json",
    "modeling_isogloss.py",
    "modeling_isogloss_lm.py",
];

/// Prints one line about the fields of a model's configuration that are not used, if there are any,
/// once for each folder; `inspect` lists them with their values.
pub(super) fn tell(folder: &ModelFolder) {
    static TOLD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let is_new = TOLD.lock().is_ok_and(|mut told| told.insert(folder.path.clone()));
    // A folder that cannot be read is reported when it is loaded.
    let names = names(folder).unwrap_or_default();
    if is_new && !names.is_empty() {
        let (path, names) = (folder.path.display(), names.join(", "));
        eprintln!("{path}: unknown fields are not used: {names} (see isogloss inspect)");
    }
}

/// The unused fields of `config.json` and the unknown ones of `tokenizer_config.json`, by name.
fn names(folder: &ModelFolder) -> Option<Vec<String>> {
    let (_, config) = read_config(folder).ok()?;
    let mut names = EncoderConfig::unused_fields(&config).ok()?;
    let path = tokenizer_folder(folder).ok()?.join("tokenizer_config.json");
    if let Ok(tokenizer) = serde_json::from_slice(&std::fs::read(path).unwrap_or_default()) {
        names.extend(unknown_fields(&tokenizer).map(|(name, _)| name.clone()));
    }
    names.extend(cross_encoder::settings(&folder.path).into_iter().map(|(name, _)| name));
    Some(names)
}

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

/// Tokenizer settings that are not used here and change what the `tokenizers` library returns, and
/// those of `tokenizer.json` that `transformers` 5 replaces, see `docs/tokenizers.md`.
///
/// The side of padding is not among them: padding is masked, so it changes no result.
pub(super) fn settings(folder: &Path) -> Vec<String> {
    let read = |name: &str| -> Value {
        let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    };
    let (config, tokenizer) = (read("tokenizer_config.json"), read("tokenizer.json"));
    let mut unused = Vec::new();
    if tokenizer["truncation"].is_object() {
        unused.push("tokenizer.json: the length of truncation, which each command sets".into());
    }
    if tokenizer["padding"].is_object() {
        unused.push("tokenizer.json: padding, which each command sets".into());
    }
    unused.extend(special_tokens(&config, &read("special_tokens_map.json"), &tokenizer));
    unused.extend(rebuilt(&config, &tokenizer));
    let unknown = unknown_fields(&config);
    let unknown = unknown.map(|(name, value)| format!("tokenizer_config.json: {name} = {value}"));
    unused.extend(unknown);
    let similarity = &read("config_sentence_transformers.json")["similarity_fn_name"];
    if similarity.as_str().is_some_and(|name| name != "cosine") {
        let name = "config_sentence_transformers.json: similarity_fn_name";
        unused.push(format!("{name} = {similarity}; vectors are compared by their cosine"));
    }
    unused
}

/// Fields of a `tokenizer_config.json` that are read here, or that change no result.
const TOKENIZER_FIELDS: [&str; 42] = [
    "add_prefix_space",
    "added_tokens_decoder",
    "additional_special_tokens",
    "backend",
    "clean_up_tokenization_spaces",
    "do_basic_tokenize",
    "do_lower_case",
    "errors",
    "extra_special_tokens",
    "from_slow",
    "full_tokenizer_file",
    "init_inputs",
    "is_local",
    "keep_accents",
    "legacy",
    "local_files_only",
    "max_len",
    "max_length",
    "model_input_names",
    "model_max_length",
    "model_specific_special_tokens",
    "name_or_path",
    "never_split",
    "pad_to_multiple_of",
    "pad_token_type_id",
    "padding_side",
    "processor_class",
    "sp_model_kwargs",
    "special_tokens_map_file",
    "split_special_tokens",
    "stride",
    "strip_accents",
    "tokenize_chinese_chars",
    "tokenizer_class",
    "tokenizer_file",
    "trim_offsets",
    "truncation_side",
    "truncation_strategy",
    "unk_id",
    "use_fast",
    "vocab_file",
    "vocab_size",
];

/// Fields of a `tokenizer_config.json` that no known tokenizer class has, or that name code of
/// their own, with their values, sorted by name.
fn unknown_fields(config: &Value) -> impl Iterator<Item = (&String, &Value)> {
    // Special tokens are the class's own, and in tokenizer.json.
    let is_known = |name: &str| TOKENIZER_FIELDS.contains(&name) || name.ends_with("_token");
    let fields = config.as_object().into_iter().flatten();
    let unknown = fields.filter(move |(name, value)| !value.is_null() && !is_known(name));
    let mut unknown: Vec<_> = unknown.collect();
    unknown.sort_by_key(|(name, _)| *name);
    unknown.into_iter()
}

/// Special tokens that two files contradict each other about, where those of `tokenizer.json` are
/// used, or those of `tokenizer_config.json`.
///
/// `transformers` reads no `special_tokens_map.json` beside an `added_tokens_decoder`.
fn special_tokens(config: &Value, map: &Value, tokenizer: &Value) -> Vec<String> {
    const MAP: &str = "special_tokens_map.json";
    let is_read = config["added_tokens_decoder"].is_null();
    let mut found = Vec::new();
    for (key, token) in map.as_object().into_iter().flatten() {
        let known = content(&config[key]);
        let is_other = |token: &&str| match known {
            Some(known) => known != *token,
            None => !has_added_token(tokenizer, token),
        };
        if let Some(token) = content(token).filter(|token| !is_read && is_other(token)) {
            found.push(format!(
                "{MAP}: {key} = {token:?}; it is not read beside added_tokens_decoder"
            ));
        }
    }
    for key in ["cls_token", "sep_token", "unk_token"] {
        let of_map = content(&map[key]).filter(|_| is_read).map(|token| (MAP, token));
        let of_config = content(&config[key]).map(|token| ("tokenizer_config.json", token));
        let other = of_map.or(of_config).filter(|(_, token)| !is_token_of(tokenizer, key, token));
        found.extend(
            other.map(|(file, token)| {
                format!("{file}: {key} = {token:?}; tokenizer.json has another")
            }),
        );
    }
    found
}

/// The content of a special token, which may be an object with flags.
fn content(token: &Value) -> Option<&str> {
    token.as_str().or(token["content"].as_str())
}

fn has_added_token(tokenizer: &Value, token: &str) -> bool {
    let added = tokenizer["added_tokens"].as_array();
    added.into_iter().flatten().any(|added| added["content"] == token)
}

/// Whether a `tokenizer.json` puts this token around texts, or has it for what is unknown.
fn is_token_of(tokenizer: &Value, key: &str, token: &str) -> bool {
    let model = &tokenizer["model"];
    match key {
        "unk_token" => match (&model["unk_token"], model["unk_id"].as_u64()) {
            (Value::String(known), _) => known == token,
            (_, Some(id)) => usize::try_from(id).is_ok_and(|id| model["vocab"][id][0] == token),
            // No token is unknown to the model.
            _ => true,
        },
        _ => tokenizer["post_processor"].to_string().contains(&Value::from(token).to_string()),
    }
}

/// Settings by which `transformers` 5 replaces parts of `tokenizer.json`, which are used here as in
/// `transformers` 4.
fn rebuilt(config: &Value, tokenizer: &Value) -> Vec<String> {
    let class = config["tokenizer_class"].as_str().unwrap_or_default();
    let class = class.strip_suffix("Fast").unwrap_or(class);
    let part_type = |part: &str| tokenizer[part]["type"].as_str();
    let mut found = Vec::new();
    let has_segments = tokenizer["post_processor"].to_string().contains("\"type_id\":1");
    if class == "PreTrainedTokenizer" && has_segments && config["model_input_names"].is_null() {
        found.push(format!(
            "tokenizer_config.json: {class}Fast without model_input_names, for which transformers 5 \
             gives the second text of a pair no segment of its own"
        ));
    }
    if class == "XLMRobertaTokenizer" {
        if part_type("normalizer").is_some_and(|kind| kind != "Precompiled") {
            found.push(format!(
                "tokenizer_config.json: {class}, which leaves out the normalizer in transformers 5"
            ));
        }
        let pre_tokenizers = tokenizer["pre_tokenizer"]["pretokenizers"].as_array();
        let is_of_class = pre_tokenizers.is_some_and(|parts| {
            matches!(parts.as_slice(), [split, metaspace]
                if split["type"] == "WhitespaceSplit" && metaspace["type"] == "Metaspace")
        });
        if !is_of_class {
            found.push(format!(
                "tokenizer_config.json: {class}, which has another pre-tokenizer in transformers 5"
            ));
        }
    }
    found
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
    fn unknown_fields_of_a_tokenizer_and_other_similarities_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, json: Value| {
            fs::write(folder.path().join(name), json.to_string()).unwrap();
        };
        write(
            "tokenizer_config.json",
            json!({"do_lower_case": true, "unk_token": "[UNK]", "do_foo": 1, "auto_map": {"a": "b"}}),
        );
        write("config_sentence_transformers.json", json!({"similarity_fn_name": "dot"}));
        let expected = [
            "tokenizer_config.json: auto_map = {\"a\":\"b\"}",
            "tokenizer_config.json: do_foo = 1",
            "config_sentence_transformers.json: similarity_fn_name = \"dot\"; vectors are compared by \
             their cosine",
        ];
        assert_eq!(settings(folder.path()), expected);
    }

    #[test]
    fn special_tokens_that_files_contradict_each_other_about_are_listed() {
        let tokenizer = json!({"added_tokens": [{"content": "[MASK]"}],
            "post_processor": {"type": "BertProcessing", "cls": ["[CLS]", 1], "sep": ["[SEP]", 2]},
            "model": {"unk_token": "[UNK]", "vocab": {"[UNK]": 0}}});
        let found = |config: Value, map: Value| special_tokens(&config, &map, &tokenizer);
        let known = json!({"cls_token": "[CLS]", "sep_token": {"content": "[SEP]"},
            "unk_token": "[UNK]", "mask_token": "[MASK]"});
        assert_eq!(found(known.clone(), known.clone()), [""; 0]);
        let other = json!({"cls_token": "<s>", "unk_token": {"content": "<unk>"}});
        let of_map = [
            "special_tokens_map.json: cls_token = \"<s>\"; tokenizer.json has another",
            "special_tokens_map.json: unk_token = \"<unk>\"; tokenizer.json has another",
        ];
        assert_eq!(found(known.clone(), other.clone()), of_map);
        let of_config = of_map.map(|line| line.replace("special_tokens_map", "tokenizer_config"));
        assert_eq!(found(other, json!({})), of_config);
        // Beside an added_tokens_decoder the map is not read.
        let decoder = json!({"added_tokens_decoder": {}, "cls_token": "[CLS]"});
        let map = json!({"cls_token": "<s>", "mask_token": "<mask>", "sep_token": "[SEP]"});
        let not_read = |key: &str, token: &str| {
            format!(
                "special_tokens_map.json: {key} = {token:?}; it is not read beside added_tokens_decoder"
            )
        };
        let expected = [
            not_read("cls_token", "<s>"),
            not_read("mask_token", "<mask>"),
            not_read("sep_token", "[SEP]"),
        ];
        assert_eq!(found(decoder, map), expected);
        let unigram = json!({"model": {"unk_id": 1, "vocab": [["<s>", 0.0], ["<unk>", 0.0]]}});
        assert!(
            is_token_of(&unigram, "unk_token", "<unk>")
                && !is_token_of(&unigram, "unk_token", "<s>")
        );
    }

    #[test]
    fn a_class_whose_segments_differ_by_version_is_listed() {
        let template =
            json!({"post_processor": {"pair": [{"Sequence": {"id": "B", "type_id": 1}}]}});
        let class = json!({"tokenizer_class": "PreTrainedTokenizerFast"});
        let found = rebuilt(&class, &template);
        assert!(found.len() == 1 && found[0].contains("without model_input_names"), "{found:?}");
        let mut named = class.clone();
        named["model_input_names"] = json!(["input_ids", "token_type_ids"]);
        assert_eq!(rebuilt(&named, &template), [""; 0]);
        assert_eq!(rebuilt(&class, &json!({})), [""; 0]);
        assert_eq!(rebuilt(&json!({"tokenizer_class": "TokenizersBackend"}), &template), [""; 0]);
    }

    #[test]
    fn files_and_settings_beyond_those_that_are_read_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let config = json!({"truncation_side": "left", "padding_side": "left",
            "model_max_length": 64, "cls_token": "[MASK]", "sep_token": "</s>",
            "tokenizer_class": "XLMRobertaTokenizerFast"});
        write("tokenizer_config.json", &config.to_string());
        // spiceai PR #13416: fixed padding that is set in the file, whatever the text.
        let tokenizer = json!({"padding": {"strategy": {"Fixed": 128}}, "truncation": null,
            "normalizer": {"type": "NFKC"}, "pre_tokenizer": {"type": "Metaspace"},
            "post_processor": {"cls": ["<s>", 0], "sep": ["</s>", 2]}});
        write("tokenizer.json", &tokenizer.to_string());
        for name in ["config.json", "model.safetensors", "pytorch_model.bin", "README.md"] {
            write(name, "");
        }
        write("special_tokens_map.json", "{}");
        assert_eq!(files(folder.path()).unwrap(), ["pytorch_model.bin"]);
        let found = settings(folder.path());
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with("tokenizer.json: padding"));
        assert!(found[1].contains("cls_token = \"[MASK]\""));
        assert!(found[2].contains("normalizer") && found[3].contains("pre-tokenizer"));
    }
}
