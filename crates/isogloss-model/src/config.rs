//! Encoder configuration: sizes, dropout rates and pruning, read from the `config.json` of any
//! family.

mod fields;
mod pruning;
mod unused;

use serde_json::Value;

use crate::family::{EqualSize, Family, FamilySpec, LayerNormEps};
use crate::{ConfigError, PositionRule};

pub(crate) use fields::Fields;
pub use pruning::Pruning;
pub(crate) use pruning::{ATTENTION_OUTPUT_WEIGHT, HEAD_PARAMS};

use pruning::FEED_FORWARD_PARAMS;

/// Encoder configuration (sizes, dropout rates, pruning); the fields have the names of Hugging
/// Face's `BertConfig`.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    /// Model family, which sets tensor names and conventions.
    pub family: Family,
    /// Vocabulary size: rows of the token embedding matrix.
    pub vocab_size: usize,
    /// Hidden size: width of the hidden states.
    pub hidden_size: usize,
    /// Number of transformer blocks.
    pub num_hidden_layers: usize,
    /// Number of attention heads of an unpruned block; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Inner width of the feed-forward network.
    pub intermediate_size: usize,
    /// Rows of the position embedding matrix.
    pub max_position_embeddings: usize,
    /// Rows of the segment (token type) embedding matrix; zero for families without one.
    pub type_vocab_size: usize,
    /// Epsilon of layer normalization, added to the variance.
    pub layer_norm_eps: f64,
    /// Dropout rate of the embeddings and of the outputs of both sublayers.
    pub hidden_dropout_prob: f64,
    /// Dropout rate of the attention probabilities.
    pub attention_probs_dropout_prob: f64,
    /// Dropout rate before a sentence classifier.
    pub sequence_dropout_prob: f64,
    /// Dropout rate before a token classifier.
    pub token_dropout_prob: f64,
    /// ID of the padding token.
    pub pad_token_id: u32,
    /// Standard deviation of randomly initialized weights.
    pub initializer_range: f64,
    /// Pruned attention heads and feed-forward blocks.
    pub pruned: Pruning,
}

/// Upper limit on the number of blocks, above any published encoder, so that a corrupt file cannot
/// ask for millions.
const MAX_LAYERS: usize = 256;

impl EncoderConfig {
    /// Parses a `config.json`.
    ///
    /// # Errors
    /// If a field is missing, of the wrong type or not supported.
    pub fn from_json(json: &Value) -> Result<Self, ConfigError> {
        let config = Self::from_fields(family_from_json(json)?, json)?;
        config.check()?;
        let pruned =
            Pruning::from_json(json, config.num_hidden_layers, config.num_attention_heads)?;
        Ok(Self { pruned, ..config })
    }

    /// Fields of a `config.json` that are set and not used, and may change the outputs of other
    /// programs; fields that are off (null, false, zero or empty) are not among them.
    ///
    /// # Errors
    /// If the model family is missing or not supported.
    pub fn unused_fields(json: &Value) -> Result<Vec<String>, ConfigError> {
        Ok(unused::unused_fields(family_from_json(json)?.spec(), json))
    }

    /// Reads the fields by the family's names.
    fn from_fields(family: Family, json: &Value) -> Result<Self, ConfigError> {
        let FamilySpec { sizes, dropout, .. } = family.spec();
        let spec = family.spec();
        let fields = Fields(json);
        spec.required.iter().try_for_each(|(field, value)| fields.expect(field, value))?;
        let off = spec.off.iter().chain(&["quantization_config"]);
        off.into_iter().try_for_each(|field| fields.expect_off(field))?;
        for EqualSize { field, default, other, otherwise } in spec.equal_sizes {
            let (size, expected) = (fields.size_or(field, *default)?, fields.size(other)?);
            if size != expected {
                let problem =
                    format!("{size} is not \"{other}\", {expected}: {otherwise} is not supported");
                return Err(ConfigError::mismatch(*field, problem));
            }
        }
        let hidden_dropout_prob = fields.number_or(dropout.hidden, 0.1)?;
        let default = dropout.classifier_default.unwrap_or(hidden_dropout_prob);
        let sequence_dropout_prob = fields.number_or(dropout.classifier, default)?;
        let token_dropout_prob = match dropout.classifier_is_for_tokens {
            true => sequence_dropout_prob,
            false => hidden_dropout_prob,
        };
        Ok(Self {
            family,
            vocab_size: fields.size("vocab_size")?,
            hidden_size: fields.size(sizes.hidden_size)?,
            num_hidden_layers: fields.size(sizes.num_hidden_layers)?,
            num_attention_heads: fields.size(sizes.num_attention_heads)?,
            intermediate_size: fields.size(sizes.intermediate_size)?,
            max_position_embeddings: fields.size("max_position_embeddings")?,
            type_vocab_size: match spec.type_vocab_size {
                Some(default) => fields.size_or("type_vocab_size", default)?,
                None => 0,
            },
            layer_norm_eps: match spec.layer_norm_eps {
                LayerNormEps::Field(name, default) => fields.number_or(name, default)?,
                LayerNormEps::Fixed(epsilon) => epsilon,
            },
            hidden_dropout_prob,
            attention_probs_dropout_prob: fields.number_or(dropout.attention, 0.1)?,
            sequence_dropout_prob,
            token_dropout_prob,
            pad_token_id: fields.token_or("pad_token_id", spec.pad_token_id)?,
            initializer_range: fields.number_or("initializer_range", 0.02)?,
            pruned: Pruning::default(),
        })
    }

    /// Maximum sequence length in tokens.
    pub fn max_tokens(&self) -> usize {
        let first = self.position_rule().first(self.pad_token_id);
        self.max_position_embeddings.saturating_sub(first)
    }

    /// Numbering rule of position IDs.
    pub fn position_rule(&self) -> PositionRule {
        self.family.position_rule()
    }

    /// Number of attention heads that a block has after pruning.
    pub fn num_heads_in(&self, layer: usize) -> usize {
        let heads = 0..self.num_attention_heads;
        heads.filter(|head| !self.pruned.is_head_pruned(layer, *head)).count()
    }

    /// Width of a block's queries, keys and values after pruning.
    pub(crate) fn attention_width(&self, layer: usize) -> usize {
        self.num_heads_in(layer) * self.head_width()
    }

    /// Width of one attention head.
    pub(crate) fn head_width(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// Paths of the parameters that pruning removed.
    pub(crate) fn pruned_paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for layer in 0..self.num_hidden_layers {
            let in_layer = |path: &str| format!("layers.{layer}.{path}");
            if self.num_heads_in(layer) == 0 {
                paths.extend(HEAD_PARAMS.map(&in_layer));
                paths.push(in_layer(ATTENTION_OUTPUT_WEIGHT));
            }
            if self.pruned.is_feed_forward_pruned(layer) {
                paths.extend(FEED_FORWARD_PARAMS.map(&in_layer));
            }
        }
        paths
    }

    fn check(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_tokens()),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(ConfigError::value(*name, "a positive number", 0));
        }
        if self.num_hidden_layers > MAX_LAYERS {
            let expected = format!("at most {MAX_LAYERS}");
            let found = self.num_hidden_layers;
            return Err(ConfigError::value("num_hidden_layers", expected, found));
        }
        if self.pad_token_id as usize >= self.vocab_size {
            let (pad, n_rows) = (self.pad_token_id, self.vocab_size);
            let problem = format!("{pad} is outside a vocabulary of {n_rows}");
            return Err(ConfigError::mismatch("pad_token_id", problem));
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let (n_heads, width) = (self.num_attention_heads, self.hidden_size);
            let problem = format!("{n_heads} heads do not divide a hidden size of {width}");
            return Err(ConfigError::mismatch("num_attention_heads", problem));
        }
        let rates = [
            ("hidden dropout", self.hidden_dropout_prob),
            ("attention dropout", self.attention_probs_dropout_prob),
            ("sequence classifier dropout", self.sequence_dropout_prob),
            ("token classifier dropout", self.token_dropout_prob),
        ];
        match rates.into_iter().find(|(_, rate)| !(0.0..1.0).contains(rate)) {
            Some((rate, found)) => Err(ConfigError::Rate { rate, found }),
            None => Ok(()),
        }
    }
}

/// The model family of the field `model_type` in a `config.json` or `adapter_config.json`.
pub(crate) fn family_from_json(json: &Value) -> Result<Family, ConfigError> {
    let name = json.get("model_type").and_then(Value::as_str);
    let name = name.ok_or_else(|| ConfigError::missing("model_type"))?;
    Family::from_model_type(name).ok_or_else(|| {
        ConfigError::value("model_type", Family::all_model_types(), format!("\"{name}\""))
    })
}
