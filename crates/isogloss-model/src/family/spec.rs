//! What a family is made of: a constant of field names, tensor names and conventions.

/// What tells a family of encoders from the others: one constant a family.
///
/// Paths of parameters, such as `layers.3.attention.query.weight`, are the same in all families; the
/// names here are those of `transformers`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FamilySpec {
    /// The values of `model_type` in `config.json`, the first of them the family's own.
    pub(crate) model_types: &'static [ModelType],
    /// Fields of `config.json` that have one supported value, and that value.
    pub(crate) required: &'static [(&'static str, &'static str)],
    /// The fields of `config.json` for sizes.
    pub(crate) sizes: SizeFields,
    /// Sizes that are fields of their own and have to be the same.
    pub(crate) equal_sizes: &'static [EqualSize],
    /// Rows of the segment embedding where `config.json` does not say; none for a family without one.
    pub(crate) type_vocab_size: Option<usize>,
    /// What is added to the variance in layer normalizations.
    pub(crate) layer_norm_eps: LayerNormEps,
    /// The fields of `config.json` for rates of dropout.
    pub(crate) dropout: DropoutFields,
    /// The padding token where `config.json` does not say.
    pub(crate) pad_token_id: u32,
    /// How positions are numbered.
    pub(crate) positions: PositionRule,
    /// The prefix that a task model puts before the encoder's tensors, with its dot.
    pub(crate) prefix: &'static str,
    /// Our name and the family's of each module outside the blocks.
    pub(crate) modules: &'static [(&'static str, &'static str)],
    /// Where the blocks are, as [`block`](Self::block) has it.
    pub(crate) blocks: &'static str,
    /// Our name and the family's of each module of a block.
    pub(crate) block_modules: &'static [(&'static str, &'static str)],
    /// The modules of a block in which the `adapters` library puts bottlenecks after attention and
    /// after the feed-forward network.
    pub(crate) adapter_modules: [&'static str; 2],
    /// The way from the first token's state to the classifier.
    pub(crate) pooler: Pooler,
    /// The family's own masked-language-model head.
    pub(crate) lm_head: LmHeadNames,
}

/// A value of `model_type`, and the names of its classes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModelType {
    /// The value.
    pub(crate) name: &'static str,
    /// The start of the names of `transformers`' classes: `Bert` of `BertForTokenClassification`.
    pub(crate) class_stem: &'static str,
}

/// Fields for sizes; those that all families share are not among them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizeFields {
    pub(crate) num_hidden_layers: &'static str,
    pub(crate) hidden_size: &'static str,
    pub(crate) intermediate_size: &'static str,
    pub(crate) num_attention_heads: &'static str,
}

/// A field for a size that has to equal another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EqualSize {
    /// The field.
    pub(crate) field: &'static str,
    /// What it is where it is absent.
    pub(crate) default: usize,
    /// The other field.
    pub(crate) other: &'static str,
    /// What is not supported if they differ.
    pub(crate) otherwise: &'static str,
}

/// Where the epsilon of layer normalizations comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LayerNormEps {
    /// A field of `config.json`, and what it is where it is absent.
    Field(&'static str, f64),
    /// The architecture.
    Fixed(f64),
}

/// Fields for rates of dropout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DropoutFields {
    /// Of embeddings and of both sublayers; 0.1 where it is absent.
    pub(crate) hidden: &'static str,
    /// Of attention probabilities; 0.1 where it is absent.
    pub(crate) attention: &'static str,
    /// Before a classifier.
    pub(crate) classifier: &'static str,
    /// What that is where it is absent; none for the rate of `hidden`.
    pub(crate) classifier_default: Option<f64>,
    /// Whether a token's classifier has that rate too; it has the rate of `hidden` otherwise.
    pub(crate) classifier_is_for_tokens: bool,
}

/// How the positions of tokens are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionRule {
    /// 0, 1, 2, … whatever the tokens.
    FromZero,
    /// Real tokens are numbered from one above the number of the padding token, which is the position
    /// of padding.
    AfterPadding,
}

impl PositionRule {
    /// The position of the first real token.
    pub fn first(self, pad_token_id: u32) -> usize {
        match self {
            Self::FromZero => 0,
            Self::AfterPadding => pad_token_id as usize + 1,
        }
    }

    /// The position of each token of a sequence.
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

/// A family's own layer between the first token's state and the classifier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pooler {
    /// The function after the dense layer.
    pub(crate) activation: Activation,
    /// Dropout comes before the dense layer as well as after it.
    pub(crate) dropout_first: bool,
    /// The dense layer's full name.
    pub(crate) dense: &'static str,
    /// The full name of the classifier behind it.
    pub(crate) classifier: &'static str,
    /// The modules of a task model that hold the two.
    pub(crate) modules: &'static [&'static str],
}

/// The function after a pooler's dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Tanh,
    Relu,
    Gelu,
}

/// Full names in a masked-language-model head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LmHeadNames {
    /// The start of the names of its tensors, and of no others.
    pub(crate) root: &'static str,
    /// The dense layer before the product with the token embeddings.
    pub(crate) dense: &'static str,
    /// The layer normalization behind it.
    pub(crate) norm: &'static str,
    /// The module of the bias.
    pub(crate) bias: &'static str,
    /// The module of the product: files may store the embedding matrix, and the bias, once more under
    /// it.
    pub(crate) decoder: &'static str,
}

/// The classifier of a task model, but for one [behind a pooler](Pooler::classifier).
const CLASSIFIER: &str = "classifier";

impl FamilySpec {
    /// The values of `model_type` in a sentence.
    pub(crate) fn model_type_names(&self) -> String {
        alternatives(&self.model_types.iter().map(|of| of.name).collect::<Vec<_>>())
    }

    /// The start of the names of `transformers`' classes for a value of `model_type`.
    pub(crate) fn class_stem(&self, model_type: Option<&str>) -> &'static str {
        let own = self.model_types.iter().find(|of| Some(of.name) == model_type);
        own.or(self.model_types.first()).map_or("", |of| of.class_stem)
    }

    /// The fields of `config.json` for rates of dropout, all of them.
    pub(crate) fn dropout_fields(&self) -> [&'static str; 3] {
        [self.dropout.hidden, self.dropout.attention, self.dropout.classifier]
    }

    /// The family's name of a module inside block `n`, `{blocks}.n.{module}`.
    pub(crate) fn block(&self, n: &str, module: &str) -> String {
        format!("{}.{n}.{module}", self.blocks)
    }

    /// The name of an encoder's module in a Hugging Face file, without the prefix.
    pub(crate) fn encoder_module(&self, module: &str) -> String {
        match split_block(module) {
            Some((n, module)) => self.block(n, find(self.block_modules, module)),
            None => find(self.modules, module).to_owned(),
        }
    }

    /// The name of an encoder's parameter in a Hugging Face file, without the prefix.
    pub(crate) fn encoder_key(&self, path: &str) -> String {
        let (module, leaf) = split_leaf(path);
        format!("{}.{leaf}", self.encoder_module(module))
    }

    /// The full name of a classifier's parameter in a Hugging Face file; none for a path that is not
    /// one of `head.dense` or `head.classifier`.
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

    /// The modules of a task model that a classifier's parameters belong to.
    pub(crate) fn head_modules(&self, has_dense: bool) -> &'static [&'static str] {
        if has_dense { self.pooler.modules } else { &[CLASSIFIER] }
    }

    /// The full name of a parameter of the family's own masked-language-model head.
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

/// `a`, `a or b`, `a, b or c`.
pub(super) fn alternatives(names: &[&str]) -> String {
    match names {
        [others @ .., one, last] => {
            let others: String = others.iter().map(|name| format!("{name}, ")).collect();
            format!("{others}{one} or {last}")
        }
        _ => names.concat(),
    }
}

/// The other name of a pair; the name itself if there is none.
fn find<'a>(names: &[(&str, &'a str)], name: &'a str) -> &'a str {
    names.iter().find(|(ours, _)| *ours == name).map_or(name, |(_, theirs)| theirs)
}

/// What stands before the last step of a path, and that step: `"weight"` or `"bias"`.
pub(crate) fn split_leaf(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or((path, ""))
}

/// A path inside block `n`: `("3", "attention.query")` of `layers.3.attention.query`.
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
