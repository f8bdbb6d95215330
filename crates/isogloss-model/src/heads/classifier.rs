//! Classification head for sentences or tokens: a linear layer, after pooling and the family's
//! pooler for sentences.

use burn::module::Module;
use burn::tensor::activation::{relu, tanh};
use burn::tensor::{Device, Tensor};
use isogloss_kernels::{dropout, gelu, linear};

use super::pooling::{Pooling, mean_pool};
use super::spectral_norm::spectral_norm;
use crate::encoder::EncoderOutput;
use crate::family::Activation;
use crate::nn::{Dense, DropoutMasks};
use crate::params::Builder;
use crate::{EncoderConfig, ModelInput, ParamSource};

/// Classification head for sentences or tokens.
#[derive(Module, Debug)]
pub struct Classifier {
    dense: Option<Dense>,
    classifier: Dense,
    #[module(skip)]
    rows: Rows,
    #[module(skip)]
    dropout_prob: f64,
}

/// Input of a classifier: pooled sentences or tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rows {
    /// First token (`[CLS]`) of each sentence, through the family's pooler.
    FirstToken { activation: Activation, dropout_first: bool },
    /// Mean pooling of each sentence.
    Mean,
    /// All tokens.
    Tokens,
}

impl Classifier {
    /// Builds a sentence classifier (`ForSequenceClassification` of `transformers`).
    pub(super) fn for_sequences(
        config: &EncoderConfig,
        pooling: Pooling,
        n_labels: usize,
        source: &mut dyn ParamSource,
        device: &Device,
    ) -> Self {
        let pooler = config.family.spec().pooler;
        let rows = match pooling {
            Pooling::Mean => Rows::Mean,
            Pooling::FirstToken => Rows::FirstToken {
                activation: pooler.activation,
                dropout_first: pooler.dropout_first,
            },
        };
        Self::init(config, rows, n_labels, config.sequence_dropout_prob, source, device)
    }

    /// Builds a token classifier (`ForTokenClassification` of `transformers`).
    pub(super) fn for_tokens(
        config: &EncoderConfig,
        n_labels: usize,
        source: &mut dyn ParamSource,
        device: &Device,
    ) -> Self {
        Self::init(config, Rows::Tokens, n_labels, config.token_dropout_prob, source, device)
    }

    fn init(
        config: &EncoderConfig,
        rows: Rows,
        n_labels: usize,
        dropout_prob: f64,
        source: &mut dyn ParamSource,
        device: &Device,
    ) -> Self {
        let mut builder = Builder { source, device };
        let (width, std) = (config.hidden_size, config.initializer_range);
        let has_dense = matches!(rows, Rows::FirstToken { .. });
        let dense = has_dense.then(|| Dense::init("head.dense", [width, width], std, &mut builder));
        let classifier = Dense::init("head.classifier", [width, n_labels], std, &mut builder);
        Self { dense, classifier, rows, dropout_prob }
    }

    /// Sets the dropout rate.
    pub(super) fn with_dropout(self, rate: f64) -> Self {
        Self { dropout_prob: rate, ..self }
    }

    /// Features, the inputs of the last linear layer: `[batch, hidden]` for sentences,
    /// `[batch * seq, hidden]` for tokens.
    pub(crate) fn features(
        &self,
        encoded: &EncoderOutput,
        input: &ModelInput,
        masks: &mut DropoutMasks,
    ) -> Tensor<2> {
        let hidden = encoded.last_hidden_state();
        let [batch, seq, width] = hidden.dims();
        let mut features = match self.rows {
            Rows::FirstToken { .. } => hidden.narrow(1, 0, 1).reshape([batch, width]),
            Rows::Mean => mean_pool(hidden, input.attention_mask.clone()),
            Rows::Tokens => hidden.reshape([batch * seq, width]),
        };
        if let (Some(dense), Rows::FirstToken { activation, dropout_first }) =
            (&self.dense, self.rows)
        {
            if dropout_first {
                features = dropout(features, masks.next(self.dropout_prob));
            }
            features = dense.forward(features);
            features = match activation {
                Activation::Tanh => tanh(features),
                Activation::Relu => relu(features),
                Activation::Gelu => gelu(features),
            };
        }
        dropout(features, masks.next(self.dropout_prob))
    }

    /// Logits of the last linear layer, one row per row of `features`; `normalized` applies
    /// spectral normalization to the weight.
    pub(crate) fn classify(&self, features: Tensor<2>, normalized: bool) -> Tensor<2> {
        if !normalized {
            return self.classifier.forward(features);
        }
        let (weight, bias) = (self.classifier.weight.val(), self.classifier.bias.val());
        let norm = spectral_norm(weight.clone()).reshape([1, 1]);
        linear(features, weight / norm, bias)
    }

    /// Bias of the last linear layer.
    pub(crate) fn bias(&self) -> Tensor<1> {
        self.classifier.bias.val()
    }

    /// Spectral normalization: divides the classifier's weight by its largest singular value.
    pub(crate) fn normalized(mut self) -> Self {
        self.classifier.weight = self.classifier.weight.map(|weight| {
            let requires_grad = weight.is_require_grad();
            let weight = weight.detach();
            let norm = spectral_norm(weight.clone()).reshape([1, 1]);
            (weight / norm).detach().set_require_grad(requires_grad)
        });
        self
    }
}
