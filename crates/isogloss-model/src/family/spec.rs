//! Specification of a model family: field names, tensor names and conventions of `transformers`.

/// Specification of a model family, one constant per family.
///
/// Parameter paths, such as `layers.3.attention.query.weight`, are the same in all families; the
/// names here are those of `transformers`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FamilySpec {
    /// Values of `model_type` in `config.json`; the first is the default.
    pub(crate) model_types: &'static [ModelType],
    /// Fields of `config.json` with only one supported value, and that value.
    pub(crate) required: &'static [(&'static str, &'static str)],
    /// Fields of `config.json` that must be absent or off: they turn an encoder into a decoder,
    /// whose tokens attend to earlier ones only, or to another model's states.
    pub(crate) off: &'static [&'static str],
    /// Size fields of `config.json`.
    pub(crate) sizes: SizeFields,
    /// Pairs of size fields that must be equal.
    pub(crate) equal_sizes: &'static [EqualSize],
    /// Default number of rows of the segment embedding matrix; `None` for a family without one.
    pub(crate) type_vocab_size: Option<usize>,
    /// Epsilon of layer normalization.
    pub(crate) layer_norm_eps: LayerNormEps,
    /// Dropout fields of `config.json`.
    pub(crate) dropout: DropoutFields,
    /// Default ID of the padding token.
    pub(crate) pad_token_id: u32,
    /// Numbering rule of position IDs.
    pub(crate) positions: PositionRule,
    /// Prefix of the encoder's tensors in a task model (`base_model_prefix`), with a dot.
    pub(crate) prefix: &'static str,
    /// Module names outside the blocks: path in this crate, name in `transformers`.
    pub(crate) modules: &'static [(&'static str, &'static str)],
    /// Name of the list of blocks, see [`block`](Self::block).
    pub(crate) blocks: &'static str,
    /// Module names inside a block: path in this crate, name in `transformers`.
    pub(crate) block_modules: &'static [(&'static str, &'static str)],
    /// Modules of a block where the `adapters` library puts its adapters: after attention, and
    /// after the feed-forward network.
    pub(crate) adapter_modules: [&'static str; 2],
    /// Pooler: layers from the first token's hidden state to the classifier.
    pub(crate) pooler: Pooler,
    /// Tensor names of the masked-language-model head.
    pub(crate) lm_head: LmHeadNames,
}

/// Model type: a value of `model_type` and its class names in `transformers`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModelType {
    /// Value of `model_type`.
    pub(crate) name: &'static str,
    /// Prefix of the class names in `transformers`: `Bert` of `BertForTokenClassification`.
    pub(crate) class_stem: &'static str,
}

/// Size fields whose names differ between families.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizeFields {
    pub(crate) num_hidden_layers: &'static str,
    pub(crate) hidden_size: &'static str,
    pub(crate) intermediate_size: &'static str,
    pub(crate) num_attention_heads: &'static str,
}

/// Size field that must be equal to another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EqualSize {
    /// Name of the field.
    pub(crate) field: &'static str,
    /// Default value.
    pub(crate) default: usize,
    /// Name of the other field.
    pub(crate) other: &'static str,
    /// The unsupported feature that a difference would need.
    pub(crate) otherwise: &'static str,
}

/// Epsilon of layer normalization: a field or a constant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LayerNormEps {
    /// A field of `config.json`, and its default.
    Field(&'static str, f64),
    /// A constant of the architecture.
    Fixed(f64),
}

/// Names of the dropout fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DropoutFields {
    /// Dropout of embeddings and of both sublayers; default 0.1.
    pub(crate) hidden: &'static str,
    /// Dropout of attention probabilities; default 0.1.
    pub(crate) attention: &'static str,
    /// Dropout before a classifier.
    pub(crate) classifier: &'static str,
    /// Default of `classifier`; `None` for the value of `hidden`.
    pub(crate) classifier_default: Option<f64>,
    /// Whether `classifier` is also the rate of a token classifier, which otherwise has the rate of
    /// `hidden`.
    pub(crate) classifier_is_for_tokens: bool,
}

/// Numbering rule of position IDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionRule {
    /// Absolute positions 0, 1, 2, …, for padding too (BERT).
    FromZero,
    /// Positions of real tokens start at `pad_token_id + 1`; padding has the position
    /// `pad_token_id` (RoBERTa).
    AfterPadding,
}

impl PositionRule {
    /// Position ID of the first real token.
    pub fn first(self, pad_token_id: u32) -> usize {
        match self {
            Self::FromZero => 0,
            Self::AfterPadding => pad_token_id as usize + 1,
        }
    }

    /// Position ID of each token of a sequence.
    pub(crate) fn position_ids(self, pad_token_id: u32, input_ids: &[i32]) -> Vec<i32> {
        match self {
            Self::FromZero => (0..input_ids.len() as i32).collect(),
            Self::AfterPadding => {
                let pad = pad_token_id as i32;
                let mut last = pad;
                let mut next = |id: &i32| {
                    if *id == pad {
                        return pad;
                    }
                    last += 1;
                    last
                };
                input_ids.iter().map(&mut next).collect()
            }
        }
    }
}

/// Pooler: the family's dense layer between the first token's hidden state and the classifier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pooler {
    /// Activation function after the dense layer.
    pub(crate) activation: Activation,
    /// Whether dropout is applied before the dense layer as well as after it.
    pub(crate) dropout_first: bool,
    /// Full name of the dense layer.
    pub(crate) dense: &'static str,
    /// Full name of the classifier after it.
    pub(crate) classifier: &'static str,
    /// Top-level modules of a task model that contain the two.
    pub(crate) modules: &'static [&'static str],
}

/// Activation function of a pooler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Tanh,
    Relu,
    Gelu,
}

/// Full names of the modules of a masked-language-model head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LmHeadNames {
    /// Prefix of all its tensor names, and of no others.
    pub(crate) root: &'static str,
    /// Dense layer before the product with the token embeddings.
    pub(crate) dense: &'static str,
    /// Layer normalization after it.
    pub(crate) norm: &'static str,
    /// Module of the bias.
    pub(crate) bias: &'static str,
    /// Decoder, the product with the tied embedding matrix; files may store that matrix and the
    /// bias a second time under this name.
    pub(crate) decoder: &'static str,
}

/// Name of the classifier of a task model, except for one [after a pooler](Pooler::classifier).
const CLASSIFIER: &str = "classifier";

impl FamilySpec {
    /// The values of `model_type`, joined for a message: "a, b or c".
    pub(crate) fn model_type_names(&self) -> String {
        alternatives(&self.model_types.iter().map(|of| of.name).collect::<Vec<_>>())
    }

    /// Prefix of the class names in `transformers` for a value of `model_type`.
    pub(crate) fn class_stem(&self, model_type: Option<&str>) -> &'static str {
        let own = self.model_types.iter().find(|of| Some(of.name) == model_type);
        own.or(self.model_types.first()).map_or("", |of| of.class_stem)
    }

    /// All dropout fields of `config.json`.
    pub(crate) fn dropout_fields(&self) -> [&'static str; 3] {
        [self.dropout.hidden, self.dropout.attention, self.dropout.classifier]
    }

    /// Name of a module inside block `n`, `{blocks}.n.{module}`.
    pub(crate) fn block(&self, n: &str, module: &str) -> String {
        format!("{}.{n}.{module}", self.blocks)
    }

    /// Name of an encoder module in a Hugging Face file, without the prefix.
    pub(crate) fn encoder_module(&self, module: &str) -> String {
        match split_block(module) {
            Some((n, module)) => self.block(n, find(self.block_modules, module)),
            None => find(self.modules, module).to_owned(),
        }
    }

    /// Tensor name of an encoder parameter in a Hugging Face file, without the prefix.
    pub(crate) fn encoder_key(&self, path: &str) -> String {
        let (module, leaf) = split_leaf(path);
        format!("{}.{leaf}", self.encoder_module(module))
    }

    /// Full tensor name of a classifier parameter in a Hugging Face file; `None` for a path outside
    /// `head.dense` and `head.classifier`.
    pub(crate) fn head_key(&self, path: &str, has_dense: bool) -> Option<String> {
        let (module, leaf) = split_leaf(path);
        let module = match module {
            "head.dense" => self.pooler.dense,
            "head.classifier" if has_dense => self.pooler.classifier,
            "head.classifier" => CLASSIFIER,
            _ => return None,
        };
        Some(format!("{module}.{leaf}"))
    }

    /// Top-level modules of a task model that contain the classifier's parameters.
    pub(crate) fn head_modules(&self, has_dense: bool) -> &'static [&'static str] {
        if has_dense { self.pooler.modules } else { &[CLASSIFIER] }
    }

    /// Full tensor name of a parameter of the masked-language-model head.
    pub(crate) fn lm_head_key(&self, path: &str) -> String {
        let (module, leaf) = split_leaf(path);
        let module = match module {
            "lm_head.transform.dense" => self.lm_head.dense,
            "lm_head.transform.norm" => self.lm_head.norm,
            _ => self.lm_head.bias,
        };
        format!("{module}.{leaf}")
    }
}

/// Joins names for a message: `a`, `a or b`, `a, b or c`.
pub(super) fn alternatives(names: &[&str]) -> String {
    match names {
        [others @ .., one, last] => {
            let others: String = others.iter().map(|name| format!("{name}, ")).collect();
            format!("{others}{one} or {last}")
        }
        _ => names.concat(),
    }
}

/// Looks up the `transformers` name of a module; returns the name itself if it is not in the list.
fn find<'a>(names: &[(&str, &'a str)], name: &'a str) -> &'a str {
    names.iter().find(|(ours, _)| *ours == name).map_or(name, |(_, theirs)| theirs)
}

/// Splits a parameter path into the module and the leaf, `"weight"` or `"bias"`.
pub(crate) fn split_leaf(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or((path, ""))
}

/// Splits the path of a block's module: `layers.3.attention.query` into `("3", "attention.query")`.
pub(crate) fn split_block(module: &str) -> Option<(&str, &str)> {
    module.strip_prefix("layers.")?.split_once('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_skip_padding() {
        let ids = PositionRule::AfterPadding.position_ids(1, &[0, 7, 8, 2, 1, 1]);
        assert_eq!(ids, [2, 3, 4, 5, 1, 1]);
        assert_eq!(PositionRule::FromZero.position_ids(1, &[0, 7, 1]), [0, 1, 2]);
    }

    #[test]
    fn alternatives_are_a_sentence() {
        assert_eq!(alternatives(&["a"]), "a");
        assert_eq!(alternatives(&["a", "b"]), "a or b");
        assert_eq!(alternatives(&["a", "b", "c", "d"]), "a, b, c or d");
    }
}
