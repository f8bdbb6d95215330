//! Model: an encoder with its task head, its masked-language-model head and its projection heads.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::{
    Encoder, EncoderConfig, ForwardOptions, Head, HeadSpec, LmHeadKind, MaskedLmHead, ModelInput,
    ParamSource, Parser, Projection, RandomParams, WordScores, mean_pool,
};

/// An encoder with a task head, unless it is used for its hidden states alone, and a
/// masked-language-model head if it learns from text without labels.
#[derive(Module, Debug)]
pub struct Model {
    /// The encoder.
    pub encoder: Encoder,
    head: Option<Head>,
    /// Projection heads over its embeddings, which a method trains beside it. They are among its
    /// parameters, and not part of the folder that [`save`](crate::save) writes.
    pub projections: Vec<Projection>,
    lm_head: Option<MaskedLmHead>,
}

/// The output of one forward pass.
#[derive(Clone, Debug)]
pub struct ModelOutput {
    /// See [`EncoderOutput::hidden_states`](crate::EncoderOutput::hidden_states).
    pub hidden_states: Vec<Tensor<3>>,
    /// `[batch, n_labels]` for sentences, `[batch * seq, n_labels]` for tokens; for a parser
    /// `[batch * n_words, n_words + 1]`, the heads of words, see [`WordScores::arcs`].
    pub logits: Tensor<2>,
    /// The inputs of the head's last layer: as many rows, `hidden` wide.
    pub features: Tensor<2>,
    /// Auxiliary logits of the same rows: a parser's relations, where [`Words::heads`](crate::Words::heads)
    /// says to which heads, then its parts of speech; none of other heads.
    pub aux_logits: Vec<Tensor<2>>,
}

/// Why a parser panics.
const NO_WORDS: &str = "an input for a parser has the positions of words";

impl ModelOutput {
    /// Splits the output for [`ModelInput::repeated`] into that of each repetition.
    pub fn split(&self, n: usize) -> Vec<Self> {
        fn part<const D: usize>(whole: &Tensor<D>, index: usize, n: usize) -> Tensor<D> {
            let n_rows = whole.dims()[0] / n;
            whole.clone().narrow(0, index * n_rows, n_rows)
        }
        let output = |index| Self {
            hidden_states: self.hidden_states.iter().map(|state| part(state, index, n)).collect(),
            logits: part(&self.logits, index, n),
            features: part(&self.features, index, n),
            aux_logits: self.aux_logits.iter().map(|logits| part(logits, index, n)).collect(),
        };
        (0..n).map(output).collect()
    }
}

impl Model {
    /// Builds a model with the parameters of `source`.
    pub fn init(
        config: &EncoderConfig,
        head: Option<&HeadSpec>,
        source: &mut dyn ParamSource,
        device: &Device,
    ) -> Self {
        Self {
            encoder: Encoder::init(config, source, device),
            head: head.map(|spec| Head::init(config, spec, source, device)),
            lm_head: None,
            projections: Vec::new(),
        }
    }

    /// The same model with new projection heads, each given by its widths, drawn from `seed`.
    #[must_use]
    pub fn with_projections(self, widths: &[Vec<usize>], seed: u64, device: &Device) -> Self {
        let mut source = RandomParams::new(seed);
        let widths = widths.iter().enumerate();
        let projections = widths
            .map(|(index, widths)| Projection::init(index, widths, &mut source, device))
            .collect();
        Self { projections, ..self }
    }

    /// The same model with a masked-language-model head, whose parameters `source` provides.
    #[must_use]
    pub fn with_lm_head(
        self,
        kind: LmHeadKind,
        source: &mut dyn ParamSource,
        device: &Device,
    ) -> Self {
        let lm_head = MaskedLmHead::init(self.encoder.config(), kind, source, device);
        Self { lm_head: Some(lm_head), ..self }
    }

    /// The form of its masked-language-model head, if it has one.
    pub fn lm_head_kind(&self) -> Option<LmHeadKind> {
        self.lm_head.as_ref().map(MaskedLmHead::kind)
    }

    /// Logits of every token of the vocabulary at some positions, see
    /// [`EncoderOutput::states_at`](crate::EncoderOutput::states_at).
    ///
    /// The rows are as wide as the vocabulary: give the states of masked tokens alone.
    ///
    /// # Shapes
    /// - `states`: `[n, hidden]`
    /// - returns: `[n, vocab]`, logits
    ///
    /// # Panics
    /// If the model has no masked-language-model head.
    pub fn masked_lm_logits(&self, states: Tensor<2>) -> Tensor<2> {
        let lm_head = self.lm_head.as_ref().expect("a model without this head guesses no tokens");
        let [n, width] = states.dims();
        // The matrix is that of the embeddings, below the invertible adapter.
        let states = lm_head.transform(states).reshape([1, n, width]);
        let states = self.encoder.undo_invertible_adapter(states).reshape([n, width]);
        lm_head.logits(states, self.encoder.token_embeddings())
    }

    /// Runs the encoder and the head.
    ///
    /// # Panics
    /// If the model was built without a head, or with a parser and the input has no positions of
    /// words.
    pub fn forward(&self, input: &ModelInput, options: &ForwardOptions) -> ModelOutput {
        let head = self.head.as_ref().expect("a model without a head has no logits");
        let mut masks = options.dropout_masks();
        let encoded = self.encoder.forward_with(input, options, &mut masks);
        let (features, logits, aux_logits) = match head {
            Head::Classifier(head) => {
                let features = head.features(&encoded, input, &mut masks);
                let logits = head.classify(features.clone(), options.normalized_head);
                (features, logits, Vec::new())
            }
            Head::Parser(parser) => {
                let words = input.words.as_ref().expect(NO_WORDS);
                let scores = parser.score(&encoded, words, &mut masks);
                let [batch, n_words, width] = scores.words.dims();
                let heads = words.heads.clone();
                let relations = heads.map(|heads| parser.relations(&scores, heads));
                let rows = batch * n_words;
                let features = scores.words.reshape([rows, width]);
                let logits = scores.arcs.reshape([rows, n_words + 1]);
                (features, logits, relations.into_iter().chain(scores.tags).collect())
            }
        };
        ModelOutput { hidden_states: encoded.hidden_states, logits, features, aux_logits }
    }

    /// Its parser, if that is its head.
    pub fn parser(&self) -> Option<&Parser> {
        match &self.head {
            Some(Head::Parser(parser)) => Some(parser),
            Some(Head::Classifier(_)) | None => None,
        }
    }

    /// Runs the encoder and the parser, relations aside: [`Parser::relations`] scores those once the
    /// heads are known.
    ///
    /// # Panics
    /// If the model has no parser, or the input has no positions of words.
    pub fn parse(&self, input: &ModelInput, options: &ForwardOptions) -> WordScores {
        let parser = self.parser().expect("a model without a parser has no arcs");
        let mut masks = options.dropout_masks();
        let encoded = self.encoder.forward_with(input, options, &mut masks);
        parser.score(&encoded, input.words.as_ref().expect(NO_WORDS), &mut masks)
    }

    /// The same model with another rate of dropout in its encoder and classifier; adapters, LoRA and a
    /// parser have their own. The folder that [`save`](crate::save) writes does not hold it.
    #[must_use]
    pub fn with_dropout(self, rate: f64) -> Self {
        let head = self.head.map(|head| head.with_dropout(rate));
        Self { encoder: self.encoder.with_dropout(rate), head, ..self }
    }

    /// The same model with [`ForwardOptions::normalized_head`] applied to the classifier's weight for good.
    /// A parser has no such weight.
    #[must_use]
    pub fn with_normalized_head(self) -> Self {
        let head = self.head.map(|head| match head {
            Head::Classifier(head) => Head::Classifier(head.normalized()),
            parser @ Head::Parser(_) => parser,
        });
        Self { head, ..self }
    }

    /// Sentence embeddings of a batch: the mean of the real tokens' last hidden states.
    ///
    /// # Shapes
    /// - returns: `[batch, hidden]`
    pub fn embed(&self, input: &ModelInput) -> Tensor<2> {
        let encoded = self.encoder.forward(input, &ForwardOptions::evaluation());
        mean_pool(encoded.last_hidden_state(), input.attention_mask.clone())
    }
}
