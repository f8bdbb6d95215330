//! The sizes of an encoder, read from any family's `config.json`.

pub(crate) mod pruning;

use serde_json::Value;

use crate::{Family, Pruning};

/// What an encoder is made of; the fields have Hugging Face's BERT names.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    /// Whose tensor names and conventions.
    pub family: Family,
    /// Rows of the token embedding.
    pub vocab_size: usize,
    /// Width of a hidden state.
    pub hidden_size: usize,
    /// Transformer blocks.
    pub num_hidden_layers: usize,
    /// Attention heads of a block of which none is gone; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward network.
    pub intermediate_size: usize,
    /// Rows of the position embedding.
    pub max_position_embeddings: usize,
    /// Rows of the segment embedding; zero for families without one.
    pub type_vocab_size: usize,
    /// Added to the variance in every layer normalization.
    pub layer_norm_eps: f64,
    /// Dropout of embeddings and of both sublayers.
    pub hidden_dropout_prob: f64,
    /// Dropout of attention probabilities.
    pub attention_probs_dropout_prob: f64,
    /// Dropout before a sentence's classifier.
    pub sequence_dropout_prob: f64,
    /// Dropout before a token's classifier.
    pub token_dropout_prob: f64,
    /// The token that fills up a batch.
    pub pad_token_id: u32,
    /// Standard deviation of new weights.
    pub initializer_range: f64,
    /// The heads and feed-forward blocks that it does not have.
    pub pruned: Pruning,
}

/// Above any published encoder: a damaged number must not ask for millions of blocks.
const MAX_LAYERS: usize = 256;

impl EncoderConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// A sentence naming the field that is missing, of the wrong type or not supported.
    pub fn from_json(json: &Value) -> Result<Self, String> {
        let config = Family::of(json)?.read_config(json)?;
        config.check()?;
        Ok(Self { pruned: Pruning::read(json, &config)?, ..config })
    }

    /// Tokens that one sequence can have.
    pub fn max_tokens(&self) -> usize {
        self.max_position_embeddings.saturating_sub(self.family.position_rule(self).first())
    }

    fn check(&self) -> Result<(), String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_tokens()),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(format!("field \"{name}\": expected a positive number"));
        }
        if self.num_hidden_layers > MAX_LAYERS {
            let found = self.num_hidden_layers;
            return Err(format!(
                "field \"num_hidden_layers\": expected at most {MAX_LAYERS}, found {found}"
            ));
        }
        if self.pad_token_id as usize >= self.vocab_size {
            return Err(format!(
                "field \"pad_token_id\": {} is outside a vocabulary of {}",
                self.pad_token_id, self.vocab_size
            ));
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err(format!(
                "field \"num_attention_heads\": {} heads do not divide a hidden size of {}",
                self.num_attention_heads, self.hidden_size
            ));
        }
        let rates = [
            ("hidden dropout", self.hidden_dropout_prob),
            ("attention dropout", self.attention_probs_dropout_prob),
            ("sequence classifier dropout", self.sequence_dropout_prob),
            ("token classifier dropout", self.token_dropout_prob),
        ];
        match rates.iter().find(|(_, rate)| !(0.0..1.0).contains(rate)) {
            Some((name, rate)) => Err(format!("{name}: expected a rate in [0, 1), found {rate}")),
            None => Ok(()),
        }
    }
}

/// Typed access to the fields of a `config.json`.
pub(crate) struct Fields<'a>(pub(crate) &'a Value);

impl Fields<'_> {
    pub(crate) fn size(&self, name: &str) -> Result<usize, String> {
        let value = self.0.get(name).ok_or_else(|| format!("no field \"{name}\""))?;
        let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
        size.filter(|size| *size <= 1 << 31)
            .ok_or_else(|| format!("field \"{name}\": expected a count, found {value}"))
    }

    pub(crate) fn size_or(&self, name: &str, default: usize) -> Result<usize, String> {
        if self.is_absent(name) { Ok(default) } else { self.size(name) }
    }

    pub(crate) fn number_or(&self, name: &str, default: f64) -> Result<f64, String> {
        if self.is_absent(name) {
            return Ok(default);
        }
        let value = &self.0[name];
        value.as_f64().ok_or_else(|| format!("field \"{name}\": expected a number, found {value}"))
    }

    pub(crate) fn token_or(&self, name: &str, default: u32) -> Result<u32, String> {
        let id = self.size_or(name, default as usize)?;
        u32::try_from(id).map_err(|_| format!("field \"{name}\": expected a token id, found {id}"))
    }

    pub(crate) fn bool_or(&self, name: &str, default: bool) -> Result<bool, String> {
        if self.is_absent(name) {
            return Ok(default);
        }
        let value = &self.0[name];
        let flag = value.as_bool();
        flag.ok_or_else(|| format!("field \"{name}\": expected true or false, found {value}"))
    }

    pub(crate) fn number(&self, name: &str) -> Result<f64, String> {
        if self.is_absent(name) {
            return Err(format!("no field \"{name}\""));
        }
        self.number_or(name, 0.0)
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str, String> {
        let value = self.0.get(name).ok_or_else(|| format!("no field \"{name}\""))?;
        value.as_str().ok_or_else(|| format!("field \"{name}\": expected a text, found {value}"))
    }

    /// Numbers of layers; none if the field is absent.
    pub(crate) fn layers(&self, name: &str) -> Result<Option<Vec<usize>>, String> {
        if self.is_absent(name) {
            return Ok(None);
        }
        let value = &self.0[name];
        let fault = || format!("field \"{name}\": expected numbers of layers, found {value}");
        let layer = |value: &Value| {
            let layer = value.as_u64().and_then(|layer| usize::try_from(layer).ok());
            layer.ok_or_else(fault)
        };
        match value {
            Value::Array(values) => values.iter().map(layer).collect::<Result<_, _>>().map(Some),
            single => Ok(Some(vec![layer(single)?])),
        }
    }

    /// Fails unless the field is absent or turned off: null, false, zero or empty.
    pub(crate) fn expect_off(&self, name: &str) -> Result<(), String> {
        let value = self.0.get(name).unwrap_or(&Value::Null);
        let is_off = match value {
            Value::Null => true,
            Value::Bool(flag) => !flag,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(values) => values.is_empty(),
            Value::Object(fields) => fields.is_empty(),
        };
        if is_off { Ok(()) } else { Err(format!("field \"{name}\": not supported, found {value}")) }
    }

    /// Fails unless the field is absent or has this value.
    pub(crate) fn expect(&self, name: &str, supported: &str) -> Result<(), String> {
        match self.0.get(name).filter(|value| !value.is_null()) {
            None => Ok(()),
            Some(Value::String(value)) if value == supported => Ok(()),
            Some(value) => {
                Err(format!("field \"{name}\": only \"{supported}\" is supported, found {value}"))
            }
        }
    }

    pub(crate) fn is_absent(&self, name: &str) -> bool {
        self.0.get(name).is_none_or(Value::is_null)
    }
}
