//! Files of a tokenizer's folder, and the class of `transformers` that they are read by.

use std::path::Path;

use serde_json::Value;

use crate::TextError;
use crate::source::read_bytes;

/// Tokenizer classes with BERT's normalizer, whose settings come from `tokenizer_config.json`.
const BERT: [&str; 11] = [
    "BertTokenizer",
    "DistilBertTokenizer",
    "ElectraTokenizer",
    "ConvBertTokenizer",
    "FunnelTokenizer",
    "LayoutLMTokenizer",
    "LxmertTokenizer",
    "MobileBertTokenizer",
    "RealmTokenizer",
    "RetriBertTokenizer",
    "SqueezeBertTokenizer",
];

/// Tokenizer classes with RoBERTa's post-processor.
const ROBERTA: [&str; 3] = ["RobertaTokenizer", "LongformerTokenizer", "BartTokenizer"];

/// Classes of the tokenizers of model types.
const MODEL_TYPES: [(&str, &str); 5] = [
    ("bert", "BertTokenizer"),
    ("distilbert", "DistilBertTokenizer"),
    ("electra", "ElectraTokenizer"),
    ("roberta", "RobertaTokenizer"),
    ("xlm-roberta", "XLMRobertaTokenizer"),
];

/// Tokenizer classes that use `tokenizer.json` unchanged.
const AS_IT_IS: [&str; 2] = ["PreTrainedTokenizer", "TokenizersBackend"];

/// Tokenizer classes whose `model_input_names` lack `token_type_ids`, where no file lists them: the
/// second text of a pair has no segment of its own. `TokenizersBackend` is written by `transformers`
/// 5, which has no other class for the `PreTrainedTokenizerFast` of 4, whose second text has one.
const WITHOUT_TYPE_IDS: [&str; 8] = [
    "BartTokenizer",
    "CamembertTokenizer",
    "DistilBertTokenizer",
    "LongformerTokenizer",
    "MPNetTokenizer",
    "RobertaTokenizer",
    "TokenizersBackend",
    "XLMRobertaTokenizer",
];

/// Vocabulary files of tokenizers that are not in the `tokenizers` library's format.
const VOCABULARIES: [&str; 5] =
    ["vocab.txt", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model", "vocab.json"];

/// Tokenizer class of `transformers`, by what it changes of `tokenizer.json`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenizerClass {
    /// With BERT's normalizer.
    Bert,
    /// With RoBERTa's post-processor.
    Roberta,
    /// Any other that has settings of its own.
    Other,
    /// None: the file is used unchanged.
    Backend,
    /// Unknown, because no file names it: only what is written is applied.
    Unknown,
}

/// The files of a tokenizer's folder, parsed; an absent one is null.
#[derive(Clone)]
pub(super) struct TokenizerFiles {
    pub(super) tokenizer: Value,
    pub(super) config: Value,
    pub(super) special_tokens_map: Value,
    pub(super) added_tokens: Value,
    model_config: Value,
}

impl TokenizerFiles {
    /// Parses a `tokenizer.json` that has no files beside it.
    pub(super) fn alone(bytes: &[u8], path: &Path) -> Result<Self, TextError> {
        let tokenizer = parse(bytes, path)?;
        let [config, special_tokens_map, added_tokens, model_config] = [const { Value::Null }; 4];
        Ok(Self { tokenizer, config, special_tokens_map, added_tokens, model_config })
    }

    /// Reads a `tokenizer.json` and the files beside it.
    pub(super) fn read(path: &Path) -> Result<Self, TextError> {
        let beside = |name: &str| {
            let beside = path.with_file_name(name);
            let is_there = beside.exists() && path != beside;
            is_there.then(|| read_bytes(&beside)).transpose()
        };
        let vocabulary = VOCABULARIES.iter().find(|name| path.with_file_name(name).exists());
        if let (false, Some(name)) = (path.exists(), vocabulary) {
            let reason = format!(
                "there is none, and {name} alone does not say how texts are tokenized: \
                 AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) of transformers writes it"
            );
            return Err(TextError::Tokenizer { path: path.to_owned(), reason });
        }
        Self::parse(&read_bytes(path)?, path, beside)
    }

    /// Parses a `tokenizer.json` and the files beside it, whose content `read` gives by name.
    pub(super) fn parse(
        tokenizer: &[u8],
        path: &Path,
        read: impl Fn(&str) -> Result<Option<Vec<u8>>, TextError>,
    ) -> Result<Self, TextError> {
        let json = |name: &str| match read(name)? {
            Some(bytes) => parse(&bytes, &path.with_file_name(name)),
            None => Ok(Value::Null),
        };
        Ok(Self {
            config: json("tokenizer_config.json")?,
            special_tokens_map: json("special_tokens_map.json")?,
            added_tokens: json("added_tokens.json")?,
            model_config: json("config.json")?,
            ..Self::alone(tokenizer, path)?
        })
    }

    /// The class of the tokenizer, which `tokenizer_config.json` names, else `config.json`.
    pub(super) fn class(&self) -> TokenizerClass {
        match self.class_name() {
            None => TokenizerClass::Unknown,
            Some(name) if AS_IT_IS.contains(&name) => TokenizerClass::Backend,
            Some(name) if BERT.contains(&name) => TokenizerClass::Bert,
            Some(name) if ROBERTA.contains(&name) => TokenizerClass::Roberta,
            Some(_) => TokenizerClass::Other,
        }
    }

    /// Whether the model gets `token_type_ids`, which `model_input_names` says, else the class.
    pub(super) fn has_type_ids(&self) -> bool {
        match self.config["model_input_names"].as_array() {
            Some(names) => names.iter().any(|name| name == "token_type_ids"),
            None => self.class_name().is_none_or(|name| !WITHOUT_TYPE_IDS.contains(&name)),
        }
    }

    /// The name of the class, without `Fast`.
    fn class_name(&self) -> Option<&str> {
        let files = [&self.config, &self.model_config];
        let named = files.into_iter().find_map(|file| file["tokenizer_class"].as_str());
        let model_type = self.model_config["model_type"].as_str();
        let of_type = MODEL_TYPES.iter().find(|(name, _)| Some(*name) == model_type);
        let name = named.or(of_type.map(|(_, class)| *class))?;
        Some(name.strip_suffix("Fast").unwrap_or(name))
    }
}

fn parse(bytes: &[u8], path: &Path) -> Result<Value, TextError> {
    serde_json::from_slice(bytes)
        .map_err(|error| TextError::Tokenizer { path: path.to_owned(), reason: error.to_string() })
}
