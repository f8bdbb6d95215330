//! Biaffine dependency parser (Dozat & Manning 2017): scores arcs and relations between words, and
//! part-of-speech tags.

use burn::module::{Module, Param};
use burn::tensor::activation::elu;
use burn::tensor::{Device, Int, Tensor};
use isogloss_kernels::{Dropout, dropout};
use serde::{Deserialize, Serialize};

use super::scalar_mix::ScalarMix;
use crate::encoder::EncoderOutput;
use crate::faults::below_one;
use crate::input::{MASKED, Words};
use crate::nn::{Dense, DropoutMasks};
use crate::params::Builder;
use crate::{EncoderConfig, Init, ParamSource};

/// Configuration of a biaffine dependency parser; the defaults are those of UDify.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParserConfig {
    /// Width of the arc representations of a word, as head and as dependent.
    pub arc_width: usize,
    /// Width of the relation representations of a word, as head and as dependent.
    pub label_width: usize,
    /// Dropout rate of the word states and of all these representations; the same units are dropped
    /// for all words of a sentence (variational dropout).
    pub dropout: f64,
    /// Layer dropout rate of the scalar mix.
    pub layer_dropout: f64,
}

impl Default for ParserConfig {
    fn default() -> Self {
        Self { arc_width: 768, label_width: 256, dropout: 0.5, layer_dropout: 0.1 }
    }
}

/// Upper limit of widths, so that a corrupt number cannot fill the memory.
const MAX_WIDTH: usize = 1 << 14;

impl ParserConfig {
    /// Validates the values; returns each invalid field with the reason.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        for (field, width) in [("arc_width", self.arc_width), ("label_width", self.label_width)] {
            if !(1..=MAX_WIDTH).contains(&width) {
                faults.push((field, format!("expected 1 to {MAX_WIDTH}, found {width}")));
            }
        }
        for (field, rate) in [("dropout", self.dropout), ("layer_dropout", self.layer_dropout)] {
            faults.extend(below_one(field, rate));
        }
        faults
    }
}

/// Parser specification: its configuration, relations and part-of-speech tags.
#[derive(Clone, Debug, PartialEq)]
pub struct ParserSpec {
    /// Parser configuration.
    pub config: ParserConfig,
    /// Dependency relations, in the order of their logits.
    pub relations: Vec<String>,
    /// Part-of-speech tags, in the order of their logits; empty for a parser without a tagger.
    pub tags: Vec<String>,
}

/// Biaffine dependency parser: scores arcs between words, their relations, and part-of-speech tags.
///
/// A word is represented by the scalar mix of its first subword's hidden states of all blocks, the
/// root by a learned vector. Arcs are scored by `h_headᵀ (U h_dep + u)`, relations by
/// `h_headᵀ (U_r h_dep + u_r) + w_rᵀ h_dep + b_r`, where each h is a dense layer with ELU over
/// the word.
///
/// # Source
/// Dozat & Manning 2017, Deep Biaffine Attention for Neural Dependency Parsing, arXiv:1611.01734,
/// §3.1. As in Kondratyuk & Straka 2019, UDify, arXiv:1904.02099, there is no recurrent network
/// after the encoder, the activation is ELU, and dropout is variational.
#[derive(Module, Debug)]
pub struct Parser {
    mix: ScalarMix,
    root: Param<Tensor<1>>,
    arc_dependent: Dense,
    arc_head: Dense,
    arc: Dense,
    label_dependent: Dense,
    label_head: Dense,
    label_bilinear: Dense,
    label_linear: Dense,
    tagger: Option<Dense>,
    #[module(skip)]
    spec: ParserSpec,
}

/// Parser output: scores of the words of a batch.
#[derive(Clone, Debug)]
pub struct WordScores {
    /// Arc logits, `[batch, n_words, n_words + 1]`: for each word, the scores of its possible
    /// heads, the root first; padding words score far below all others.
    pub arcs: Tensor<3>,
    /// Part-of-speech logits, `[batch * n_words, n_tags]`, if the parser has a tagger.
    pub tags: Option<Tensor<2>>,
    /// Word representations, `[batch, n_words, hidden]`, from which all scores are computed.
    pub words: Tensor<3>,
    /// Relation representations of the words as dependents, `[batch, n_words, label_width]`.
    label_dependents: Tensor<3>,
    /// Relation representations of the root and the words as heads,
    /// `[batch, n_words + 1, label_width]`.
    label_heads: Tensor<3>,
}

impl Parser {
    /// Builds a parser with parameters from `source`.
    pub(crate) fn init(
        config: &EncoderConfig,
        spec: &ParserSpec,
        source: &mut dyn ParamSource,
        device: &Device,
    ) -> Self {
        let mut builder = Builder { source, device };
        let width = config.hidden_size;
        let ParserConfig { arc_width, label_width, .. } = spec.config;
        let (n_relations, n_tags) = (spec.relations.len(), spec.tags.len());
        let mix = ScalarMix::init("head.mix", config.num_hidden_layers, &mut builder);
        let root = builder.param("head.root", [width], Init::Normal(1.0));
        let mut dense = |name: &str, sizes: [usize; 2], init| {
            Dense::init_with(&format!("head.{name}"), sizes, init, &mut builder)
        };
        // Glorot initialization (Glorot & Bengio 2010); the scoring layers are zero, so that all
        // heads and relations start with equal scores.
        let glorot = |[n_inputs, n_outputs]: [usize; 2]| {
            Init::Uniform((6.0 / (n_inputs + n_outputs) as f64).sqrt())
        };
        let (arc, label) = ([width, arc_width], [width, label_width]);
        Self {
            mix,
            root,
            arc_dependent: dense("arc_dependent", arc, glorot(arc)),
            arc_head: dense("arc_head", arc, glorot(arc)),
            arc: dense("arc", [arc_width, arc_width], Init::Zeros),
            label_dependent: dense("label_dependent", label, glorot(label)),
            label_head: dense("label_head", label, glorot(label)),
            label_bilinear: dense(
                "label_bilinear",
                [label_width, n_relations * label_width],
                Init::Zeros,
            ),
            label_linear: dense("label_linear", [label_width, n_relations], Init::Zeros),
            tagger: (n_tags > 0).then(|| dense("tagger", [width, n_tags], Init::Zeros)),
            spec: spec.clone(),
        }
    }

    /// The parser specification.
    pub fn spec(&self) -> &ParserSpec {
        &self.spec
    }

    /// Scores the arcs and part-of-speech tags of the words of a batch.
    ///
    /// # Panics
    /// If the encoder pass started from cached hidden states after the first block.
    pub(crate) fn score(
        &self,
        encoded: &EncoderOutput,
        words: &Words,
        masks: &mut DropoutMasks,
    ) -> WordScores {
        let ParserConfig { dropout: rate, layer_dropout, .. } = self.spec.config;
        let mixed = self.mix.forward(&encoded.hidden_states[1..], masks.next(layer_dropout));
        let [batch, _, width] = mixed.dims();
        let [_, n_words] = words.mask.dims();
        let root = self.root.val().reshape([1, 1, width]).expand([batch, 1, width]);
        let nodes = Tensor::cat(vec![root, gather_rows(mixed, words.first_subwords.clone())], 1);
        let nodes = drop_units(nodes, masks.next(rate));
        let words_alone = nodes.clone().narrow(1, 1, n_words);
        let mut represent = |words: &Tensor<3>, layer: &Dense| {
            drop_units(elu(layer.forward(words.clone()), 1.0), masks.next(rate))
        };
        let arc_dependents = represent(&words_alone, &self.arc_dependent);
        let arc_heads = represent(&nodes, &self.arc_head);
        let label_dependents = represent(&words_alone, &self.label_dependent);
        let label_heads = represent(&nodes, &self.label_head);

        let arcs = self.arc.forward(arc_dependents).matmul(arc_heads.swap_dims(1, 2));
        let is_word = words.mask.clone().reshape([batch, 1, n_words]);
        let is_node = Tensor::cat(vec![Tensor::ones([batch, 1, 1], &is_word.device()), is_word], 2);
        let arcs = arcs + (is_node - 1.0) * (-MASKED);
        let rows = words_alone.clone().reshape([batch * n_words, width]);
        let tags = self.tagger.as_ref().map(|tagger| tagger.forward(rows));
        WordScores { arcs, tags, words: words_alone, label_dependents, label_heads }
    }

    /// Relation logits of each word to its head.
    ///
    /// # Shapes
    /// - `heads`: `[batch, n_words]`, 0 for the root, else the index of a word, from 1
    /// - returns: `[batch * n_words, n_relations]`, logits
    pub fn relations(&self, scores: &WordScores, heads: Tensor<2, Int>) -> Tensor<2> {
        let [batch, n_words, width] = scores.label_dependents.dims();
        let (n_rows, n_relations) = (batch * n_words, self.spec.relations.len());
        let dependents = scores.label_dependents.clone().reshape([n_rows, width]);
        let heads = gather_rows(scores.label_heads.clone(), heads).reshape([n_rows, width, 1]);
        let bilinear = self.label_bilinear.forward(dependents.clone());
        let bilinear = bilinear.reshape([n_rows, n_relations, width]).matmul(heads);
        bilinear.reshape([n_rows, n_relations]) + self.label_linear.forward(dependents)
    }
}

/// Batched gather (`torch.gather`) of rows of each example.
///
/// # Shapes
/// - `rows`: `[batch, n, width]`
/// - `indices`: `[batch, k]`, each below n
/// - returns: `[batch, k, width]`
fn gather_rows(rows: Tensor<3>, indices: Tensor<2, Int>) -> Tensor<3> {
    let ([batch, n, width], [_, k]) = (rows.dims(), indices.dims());
    let starts = Tensor::<1, Int>::arange(0..batch as i64, &indices.device()) * n as i64;
    let indices = (indices + starts.reshape([batch, 1])).reshape([batch * k]);
    rows.reshape([batch * n, width]).select(0, indices).reshape([batch, k, width])
}

/// Variational dropout: drops the same units in all rows of an example.
fn drop_units(x: Tensor<3>, rate: Dropout) -> Tensor<3> {
    if rate.is_off() {
        return x;
    }
    let [batch, _, width] = x.dims();
    let mask = dropout(Tensor::ones([batch, 1, width], &x.device()), rate);
    x * mask
}
