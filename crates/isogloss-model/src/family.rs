//! Where the families differ: the fields of `config.json`, the names of tensors, the numbering of
//! positions. Nothing outside this module knows which family a model is of.

mod added;
mod bert;
mod distilbert;
mod roberta;

use serde_json::Value;

use crate::EncoderConfig;
use crate::heads::classifier::Activation;

/// The architectures that share the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// BERT: Devlin et al. 2019, arXiv:1810.04805.
    Bert,
    /// RoBERTa and XLM-R: Liu et al. 2019, arXiv:1907.11692; Conneau et al. 2020, arXiv:1911.02116.
    Roberta,
    /// DistilBERT: Sanh et al. 2019, arXiv:1910.01108.
    DistilBert,
}

/// How positions are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionRule {
    /// 0, 1, 2, … whatever the tokens.
    FromZero,
    /// Real tokens are numbered from one above this, padding has this number.
    AfterPadding(u32),
}

impl PositionRule {
    /// The number of the first real token.
    pub fn first(self) -> usize {
        match self {
            Self::FromZero => 0,
            Self::AfterPadding(pad) => pad as usize + 1,
        }
    }
}

/// A family's own way from the first token's state to the classifier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PoolerLayout {
    pub(crate) activation: Activation,
    /// Dropout comes before the dense layer as well as after it.
    pub(crate) dropout_first: bool,
}

/// `"weight"` or `"bias"`, and what stands before it.
fn split_leaf(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or((path, ""))
}

/// A path inside block `n`: `("3", "attention.query")` of `layers.3.attention.query`.
fn split_layer(module: &str) -> Option<(&str, &str)> {
    module.strip_prefix("layers.")?.split_once('.')
}

impl Family {
    pub(crate) fn of(json: &Value) -> Result<Self, String> {
        match json.get("model_type").and_then(Value::as_str) {
            Some("bert") => Ok(Self::Bert),
            Some("roberta" | "xlm-roberta") => Ok(Self::Roberta),
            Some("distilbert") => Ok(Self::DistilBert),
            Some(other) => Err(format!(
                "field \"model_type\": expected bert, roberta, xlm-roberta or distilbert, found \"{other}\""
            )),
            None => Err("no field \"model_type\"".to_owned()),
        }
    }

    pub(crate) fn read_config(self, json: &Value) -> Result<EncoderConfig, String> {
        match self {
            Self::Bert => bert::read_config(json),
            Self::Roberta => roberta::read_config(json),
            Self::DistilBert => distilbert::read_config(json),
        }
    }

    /// How this family numbers positions.
    pub fn position_rule(self, config: &EncoderConfig) -> PositionRule {
        match self {
            Self::Bert | Self::DistilBert => PositionRule::FromZero,
            Self::Roberta => PositionRule::AfterPadding(config.pad_token_id),
        }
    }

    pub(crate) fn pooler(self) -> PoolerLayout {
        match self {
            Self::Bert => PoolerLayout { activation: Activation::Tanh, dropout_first: false },
            Self::Roberta => PoolerLayout { activation: Activation::Tanh, dropout_first: true },
            Self::DistilBert => PoolerLayout { activation: Activation::Relu, dropout_first: false },
        }
    }

    /// The fields of `config.json` for the number of blocks, the width of hidden states, the width inside
    /// feed-forward networks, and the number of heads.
    pub(crate) fn size_fields(self) -> [&'static str; 4] {
        match self {
            Self::Bert | Self::Roberta => {
                ["num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads"]
            }
            Self::DistilBert => ["n_layers", "dim", "hidden_dim", "n_heads"],
        }
    }

    /// The fields of `config.json` for rates of dropout.
    pub(crate) fn dropout_fields(self) -> [&'static str; 3] {
        match self {
            Self::Bert | Self::Roberta => {
                ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"]
            }
            Self::DistilBert => ["dropout", "attention_dropout", "seq_classif_dropout"],
        }
    }

    /// What `model_type` is in messages.
    pub(crate) fn model_types(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::Roberta => "roberta or xlm-roberta",
            Self::DistilBert => "distilbert",
        }
    }

    /// The prefix that a task model puts before the encoder's tensors.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert.",
            Self::Roberta => "roberta.",
            Self::DistilBert => "distilbert.",
        }
    }

    /// The start of the names of `transformers`' classes: `Bert` of `BertForTokenClassification`.
    pub(crate) fn class_stem(self, json: &Value) -> &'static str {
        match (self, json.get("model_type").and_then(Value::as_str)) {
            (Self::Bert, _) => "Bert",
            (Self::Roberta, Some("xlm-roberta")) => "XLMRoberta",
            (Self::Roberta, _) => "Roberta",
            (Self::DistilBert, _) => "DistilBert",
        }
    }

    /// The name of an encoder's parameter in a Hugging Face file, without the prefix.
    ///
    /// Adapters have the names of the `adapters` library, low-rank changes those of `peft`, which do
    /// not say the change's own name.
    pub(crate) fn encoder_key(self, path: &str) -> String {
        let (module, leaf) = split_leaf(path);
        if let Some((projection, _)) = module.split_once(".lora.") {
            let projection = self.encoder_module(projection);
            return format!("{projection}.lora_{}.weight", leaf.to_uppercase());
        }
        format!("{}.{leaf}", self.encoder_module(module))
    }

    /// The same for a module.
    pub(crate) fn encoder_module(self, module: &str) -> String {
        if let Some(module) = added::adapter_module(self, module) {
            return module;
        }
        match self {
            Self::Bert | Self::Roberta => bert::encoder_module(module),
            Self::DistilBert => distilbert::encoder_module(module),
        }
    }

    /// What else an adapter's tensor may be called in a file, by its name today.
    pub(crate) fn earlier_adapter_keys(self, key: &str) -> Vec<String> {
        added::earlier_names(key)
    }

    /// The full name of a head's parameter in a Hugging Face file; `transformers` has no parser, whose
    /// names are ours.
    pub(crate) fn head_key(self, path: &str, has_dense: bool) -> String {
        let (module, leaf) = split_leaf(path);
        if !matches!(module, "head.dense" | "head.classifier") {
            return path.replacen("head.", PARSER, 1);
        }
        let module = match (self, module) {
            (Self::Bert, "head.dense") => "bert.pooler.dense",
            (Self::Roberta, "head.dense") => "classifier.dense",
            (Self::Roberta, _) if has_dense => "classifier.out_proj",
            (Self::DistilBert, "head.dense") => "pre_classifier",
            _ => "classifier",
        };
        format!("{module}.{leaf}")
    }

    /// The start of the names of a masked-language-model head's tensors, and of no others.
    pub(crate) fn lm_head_root(self) -> &'static str {
        match self {
            Self::Bert => "cls.predictions.",
            Self::Roberta => "lm_head.",
            Self::DistilBert => "vocab_",
        }
    }

    /// The full name of a parameter of a family's own masked-language-model head.
    pub(crate) fn lm_head_key(self, path: &str) -> String {
        let (module, leaf) = split_leaf(path);
        let module = match (self, module) {
            (Self::Bert, "lm_head.transform.dense") => "cls.predictions.transform.dense",
            (Self::Bert, "lm_head.transform.norm") => "cls.predictions.transform.LayerNorm",
            (Self::Bert, _) => "cls.predictions",
            (Self::Roberta, "lm_head.transform.dense") => "lm_head.dense",
            (Self::Roberta, "lm_head.transform.norm") => "lm_head.layer_norm",
            (Self::Roberta, _) => "lm_head",
            (Self::DistilBert, "lm_head.transform.dense") => "vocab_transform",
            (Self::DistilBert, "lm_head.transform.norm") => "vocab_layer_norm",
            (Self::DistilBert, _) => "vocab_projector",
        };
        format!("{module}.{leaf}")
    }

    /// The name of the product with the token table: files may store that table, and the bias, once
    /// more under it.
    pub(crate) fn lm_decoder(self) -> &'static str {
        match self {
            Self::Bert => "cls.predictions.decoder",
            Self::Roberta => "lm_head.decoder",
            Self::DistilBert => "vocab_projector",
        }
    }

    /// The modules of a task model that a head's parameters belong to.
    pub(crate) fn head_modules(self, has_dense: bool) -> &'static [&'static str] {
        match (self, has_dense) {
            (Self::Bert, true) => &["classifier", "pooler"],
            (Self::DistilBert, true) => &["classifier", "pre_classifier"],
            _ => &["classifier"],
        }
    }
}

/// The start of the names of a parser's tensors, in all families.
const PARSER: &str = "parser.";

/// The name of a tied masked-language-model head's bias, in all families; outside every
/// [`Family::lm_head_root`].
pub(crate) const TIED_LM_BIAS: &str = "lm_bias";

/// The class that comes with folders whose masked-language-model head is tied.
pub(crate) const TIED_LM_CLASS: &str = "TiedForMaskedLM";
