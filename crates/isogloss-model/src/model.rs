//! Model: an encoder with a task head, a masked-language-model head and projection heads.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::{
    Encoder, EncoderConfig, ForwardOptions, Head, HeadSpec, LmHeadKind, MaskedLmHead, ModelInput,
    ParamSource, Parser, Projection, RandomParams, WordScores, mean_pool,
};

/// Model: an encoder with an optional task head, an optional masked-language-model head for
/// training on unlabeled text, and projection heads.
#[derive(Module, Debug)]
pub struct Model {
    /// Transformer encoder.
    pub encoder: Encoder,
    head: Option<Head>,
    /// Projection heads over embeddings, which an objective trains together with the model. They
    /// are parameters of the model, but [`save`](crate::save) does not write them.
    pub projections: Vec<Projection>,
    lm_head: Option<MaskedLmHead>,
}

/// Model output of one forward pass: hidden states and logits.
#[derive(Clone, Debug)]
pub struct ModelOutput {
    /// Hidden states, see [`EncoderOutput::hidden_states`](crate::EncoderOutput::hidden_states).
    pub hidden_states: Vec<Tensor<3>>,
    /// Logits: `[batch, n_labels]` for sentences, `[batch * seq, n_labels]` for tokens; for a
    /// parser `[batch * n_words, n_words + 1]`, the arc scores of [`WordScores::arcs`].
    pub logits: Tensor<2>,
    /// Bias of a classifier's last layer, a part of every row of `logits`; `None` for other logits.
    pub bias: Option<Tensor<1>>,
    /// Features, the inputs of the head's last layer: one row per row of `logits`, `hidden` wide.
    pub features: Tensor<2>,
    /// Auxiliary logits of the same rows: a parser's dependency relations, if
    /// [`Words::heads`](crate::Words::heads) gives the heads, then its part-of-speech tags; empty
    /// for other task heads.
    pub aux_logits: Vec<Tensor<2>>,
}

/// Panic message for an input without word positions.
const NO_WORDS: &str = "an input for a parser has the positions of words";

impl ModelOutput {
    /// Splits the output of a batch from [`ModelInput::repeated`] into its `n` repetitions.
    pub fn split(&self, n: usize) -> Vec<Self> {
        fn part<const D: usize>(whole: &Tensor<D>, index: usize, n: usize) -> Tensor<D> {
            let n_rows = whole.dims()[0] / n;
            whole.clone().narrow(0, index * n_rows, n_rows)
        }
        let output = |index| Self {
            hidden_states: self.hidden_states.iter().map(|state| part(state, index, n)).collect(),
            logits: part(&self.logits, index, n),
            bias: self.bias.clone(),
            features: part(&self.features, index, n),
            aux_logits: self.aux_logits.iter().map(|logits| part(logits, index, n)).collect(),
        };
        (0..n).map(output).collect()
    }
}

impl Model {
    /// Builds a model with parameters from `source`.
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

    /// Replaces the projection heads by new ones, each given by its layer widths, initialized from
    /// `seed`.
    #[must_use]
    pub fn with_projections(self, widths: &[Vec<usize>], seed: u64, device: &Device) -> Self {
        let mut source = RandomParams::new(seed);
        let widths = widths.iter().enumerate();
        let projections = widths
            .map(|(index, widths)| Projection::init(index, widths, &mut source, device))
            .collect();
        Self { projections, ..self }
    }

    /// Adds a masked-language-model head with parameters from `source`.
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

    /// The kind of masked-language-model head, if the model has one.
    pub fn lm_head_kind(&self) -> Option<LmHeadKind> {
        self.lm_head.as_ref().map(MaskedLmHead::kind)
    }

    /// Masked-language-model logits: scores of every vocabulary token for the hidden states of
    /// [`EncoderOutput::states_at`](crate::EncoderOutput::states_at).
    ///
    /// Each row is as wide as the vocabulary, so pass the states of masked tokens only.
    ///
    /// # Shapes
    /// - `states`: `[n, hidden]`
    /// - returns: `[n, vocab]`
    ///
    /// # Panics
    /// If the model has no masked-language-model head.
    pub fn masked_lm_logits(&self, states: Tensor<2>) -> Tensor<2> {
        let lm_head = self.lm_head.as_ref().expect("a model without this head guesses no tokens");
        let [n, width] = states.dims();
        // The output matrix is the token embeddings, which lie below the invertible adapter.
        let states = lm_head.transform(states).reshape([1, n, width]);
        let states = self.encoder.inverse_invertible_adapter(states).reshape([n, width]);
        lm_head.logits(states, self.encoder.token_embeddings())
    }

    /// Forward pass of the encoder and the task head.
    ///
    /// # Panics
    /// If the model has no task head, or has a parser and the input has no word positions.
    pub fn forward(&self, input: &ModelInput, options: &ForwardOptions) -> ModelOutput {
        let head = self.head.as_ref().expect("a model without a head has no logits");
        let mut masks = options.dropout_masks();
        let encoded = self.encoder.forward_with(input, options, &mut masks);
        let (features, logits, bias, aux_logits) = match head {
            Head::Classifier(head) => {
                let features = head.features(&encoded, input, &mut masks);
                let features = match &options.centring {
                    Some(centring) => centring.apply(features),
                    None => features,
                };
                let logits = head.classify(features.clone(), options.normalized_head);
                (features, logits, Some(head.bias()), Vec::new())
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
                (features, logits, None, relations.into_iter().chain(scores.tags).collect())
            }
        };
        ModelOutput { hidden_states: encoded.hidden_states, logits, bias, features, aux_logits }
    }

    /// The dependency parser, if that is the task head.
    pub fn parser(&self) -> Option<&Parser> {
        match &self.head {
            Some(Head::Parser(parser)) => Some(parser),
            Some(Head::Classifier(_)) | None => None,
        }
    }

    /// Forward pass of the encoder and the dependency parser, without relations:
    /// [`Parser::relations`] scores those once the heads are known.
    ///
    /// # Panics
    /// If the model has no parser, or the input has no word positions.
    pub fn parse(&self, input: &ModelInput, options: &ForwardOptions) -> WordScores {
        let parser = self.parser().expect("a model without a parser has no arcs");
        let mut masks = options.dropout_masks();
        let encoded = self.encoder.forward_with(input, options, &mut masks);
        parser.score(&encoded, input.words.as_ref().expect(NO_WORDS), &mut masks)
    }

    /// Sets the dropout rate of the encoder and the classifier; adapters, LoRA and a parser keep
    /// their own rates. [`save`](crate::save) does not write the new rate.
    #[must_use]
    pub fn with_dropout(self, rate: f64) -> Self {
        let head = self.head.map(|head| head.with_dropout(rate));
        Self { encoder: self.encoder.with_dropout(rate), head, ..self }
    }

    /// Spectral normalization of the classifier's weight for good, as
    /// [`ForwardOptions::normalized_head`] does for one pass. A parser is unchanged.
    #[must_use]
    pub fn with_normalized_head(self) -> Self {
        let head = self.head.map(|head| match head {
            Head::Classifier(head) => Head::Classifier(head.normalized()),
            parser @ Head::Parser(_) => parser,
        });
        Self { head, ..self }
    }

    /// Sentence embeddings of a batch by mean pooling: the mean of the last hidden states of the
    /// real tokens.
    ///
    /// # Shapes
    /// - returns: `[batch, hidden]`
    pub fn embed(&self, input: &ModelInput) -> Tensor<2> {
        let encoded = self.encoder.forward(input, &ForwardOptions::evaluation());
        mean_pool(encoded.last_hidden_state(), input.attention_mask.clone())
    }
}
