//! Settings of the files beside `tokenizer.json`, which override it as in `transformers`:
//! `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`, and the model type of
//! `config.json`, which stands for the class of the tokenizer.
//!
//! `docs/tokenizers.md` says how many texts are tokenized as by `transformers`, setting by setting.

use serde_json::{Value, json};

use super::added_tokens::{self, AddedId};
use super::files::{TokenizerClass, TokenizerFiles};
use crate::TruncationSide;

/// The settings of BERT's normalizer: their names in `tokenizer_config.json` and in
/// `tokenizer.json`, and what an absent one means to a class of BERT.
const NORMALIZER: [(&str, &str, Value); 3] = [
    ("do_lower_case", "lowercase", Value::Bool(true)),
    // Null means the value of `lowercase`.
    ("strip_accents", "strip_accents", Value::Null),
    ("tokenize_chinese_chars", "handle_chinese_chars", Value::Bool(true)),
];

/// Lengths from here on mean that there is no limit, as `transformers` writes them.
const NO_LIMIT: f64 = 1e20;

/// Tokenizer settings that are not part of the `tokenizers` library's own file.
pub(super) struct Settings {
    /// Tokens with an id that the file lacks.
    pub(super) added: Vec<AddedId>,
    pub(super) splits_special_tokens: bool,
    pub(super) truncation_side: TruncationSide,
    /// Whether the model gets `token_type_ids`; without them all are zero.
    pub(super) has_type_ids: bool,
    pub(super) mask_token: Option<String>,
    pub(super) model_max_length: Option<usize>,
}

/// Applies the settings of the other files to the content of `tokenizer.json`: the normalizer,
/// the prefix space, the added tokens.
///
/// Where `transformers` 5 builds parts of a tokenizer anew and drops those of the file, the
/// file's are kept, as in `transformers` 4. `padding_side` and padding in the file are without
/// effect, because padding is masked.
pub(super) fn apply(files: &mut TokenizerFiles) -> Settings {
    let class = files.class();
    set_normalizer(files, class);
    set_byte_level(files, class);
    let added = added_tokens::add(files, class);
    let left = |side: &Value| side.as_str().is_some_and(|s| s.eq_ignore_ascii_case("left"));
    let in_file = files.tokenizer.pointer("/truncation/direction").cloned().unwrap_or_default();
    let is_left = match &files.config["truncation_side"] {
        Value::Null => left(&in_file),
        side => left(side),
    };
    let length = ["model_max_length", "max_len"].map(|key| files.config[key].as_f64());
    let length = length.into_iter().flatten().next();
    Settings {
        added,
        splits_special_tokens: files.config["split_special_tokens"] == true,
        has_type_ids: files.has_type_ids(),
        mask_token: added_tokens::named(files, "mask_token"),
        truncation_side: if is_left { TruncationSide::Left } else { TruncationSide::Right },
        model_max_length: length
            .filter(|length| (1.0..NO_LIMIT).contains(length))
            .map(|length| length as usize),
    }
}

fn set_normalizer(files: &mut TokenizerFiles, class: TokenizerClass) {
    if !matches!(class, TokenizerClass::Bert | TokenizerClass::Unknown) {
        return;
    }
    let normalizer = files.tokenizer.get_mut("normalizer");
    let Some(normalizer) = normalizer.filter(|part| part["type"] == "BertNormalizer") else {
        return;
    };
    for (setting, field, default) in NORMALIZER {
        let is_valid =
            |value: &&Value| value.is_boolean() || value.is_null() && setting == "strip_accents";
        match files.config.get(setting).filter(is_valid) {
            Some(value) => normalizer[field] = value.clone(),
            None if class == TokenizerClass::Bert => normalizer[field] = default,
            None => {}
        }
    }
}

/// Sets the prefix space of a byte-level pre-tokenizer, and trimmed offsets.
fn set_byte_level(files: &mut TokenizerFiles, class: TokenizerClass) {
    let flag = |name: &str| files.config[name].as_bool();
    let prefix_space = match class {
        TokenizerClass::Backend => return,
        TokenizerClass::Unknown => flag("add_prefix_space"),
        _ => Some(flag("add_prefix_space").unwrap_or_default()),
    };
    let trim_offsets = flag("trim_offsets").unwrap_or(true);
    let Some(prefix_space) = prefix_space else { return };
    let file = &mut files.tokenizer;
    if let Some(part) = file.get_mut("pre_tokenizer").filter(|p| p["type"] == "ByteLevel") {
        part["add_prefix_space"] = json!(prefix_space);
    }
    let processor = file.get_mut("post_processor").filter(|p| p["type"] == "RobertaProcessing");
    if let Some(part) = processor.filter(|_| class == TokenizerClass::Roberta) {
        part["add_prefix_space"] = json!(prefix_space);
        part["trim_offsets"] = json!(trim_offsets);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use crate::{TextError, Tokenizer};

    fn tokenizer(config: &Value) -> Result<Tokenizer, TextError> {
        Tokenizer::from_file(&folder(config).path().join("tokenizer.json"))
    }

    /// A BERT-like tokenizer in a folder, with this `tokenizer_config.json`.
    fn folder(config: &Value) -> tempfile::TempDir {
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
        folder
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

    #[test]
    fn a_class_of_bert_has_its_defaults_where_the_config_says_nothing() {
        let config = json!({"tokenizer_class": "DistilBertTokenizerFast"});
        assert_eq!(tokens(&config, "Licht für"), ["licht", "fur"]);
        let config = json!({"tokenizer_class": "RobertaTokenizer"});
        assert_eq!(tokens(&config, "Licht für"), ["Licht", "für"]);
    }

    #[test]
    fn a_length_without_a_limit_is_none() {
        let length = |value: Value| {
            let config = json!({ "model_max_length": value });
            tokenizer(&config).unwrap().model_max_length()
        };
        assert_eq!(length(json!(64)), Some(64));
        // What transformers writes for "no limit", as a float and as an integer of 31 digits.
        assert_eq!(length(json!(1e30)), None);
        assert_eq!(length(json!(null)), None);
        assert_eq!(length(json!(0)), None);
    }

    #[test]
    fn the_resolved_file_alone_tokenizes_as_the_folder() {
        let config = json!({
            "do_lower_case": true, "additional_special_tokens": ["<ent>"],
            "added_tokens_decoder": {"9": {"content": "<e1>", "normalized": false}},
        });
        let folder = folder(&config);
        let (tokenizer, file) =
            Tokenizer::with_resolved_file(&folder.path().join("tokenizer.json")).unwrap();
        let alone = Tokenizer::from_bytes(&file, "t.json".as_ref()).unwrap();
        let text = "Licht <ent> für<e1> 开灯";
        let encode = |tokenizer: &Tokenizer| tokenizer.encode(text, None, 16).unwrap();
        assert_eq!(encode(&alone), encode(&tokenizer));
        assert_eq!(encode(&alone).ids, [3, 10, 4, 9, 7, 6]);
        let file: Value = serde_json::from_slice(&file).unwrap();
        assert_eq!(file["added_tokens"][1]["id"], 10);
    }

    #[test]
    fn the_ids_of_added_tokens_json_are_checked() {
        let folder = folder(&json!({}));
        let path = folder.path().join("tokenizer.json");
        let write = |id: u32| {
            let added = json!({ "<ent>": id }).to_string();
            fs::write(folder.path().join("added_tokens.json"), added).unwrap();
        };
        write(9);
        assert_eq!(Tokenizer::from_file(&path).unwrap().id("<ent>"), Some(9));
        write(11);
        let message = Tokenizer::from_file(&path).unwrap_err().to_string();
        assert!(message.contains("added_tokens.json: "), "{message}");
        assert!(message.contains("\"<ent>\" has the id 11, here it would be 9"), "{message}");
    }
}
