//! What turns hidden states into logits.

use burn::module::Module;
use burn::tensor::activation::{relu, tanh};
use burn::tensor::{Device, Tensor};
use isogloss_kernels::dropout;

use crate::encoder::{Dense, Draws, EncoderOutput};
use crate::params::Builder;
use crate::{EncoderConfig, ModelInput, ParamSource};

/// How a sentence becomes one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The mean of the real tokens' last states, then the classifier.
    #[default]
    Mean,
    /// The first token's last state through the family's own dense layer, then the classifier: what
    /// `transformers`' sequence classification classes do.
    FirstToken,
}

/// A head to build.
#[derive(Clone, Debug, PartialEq)]
pub enum HeadSpec {
    /// One label a sentence.
    Sequence {
        /// Names of the labels, in the order of the logits.
        labels: Vec<String>,
        /// How the sentence becomes a vector.
        pooling: Pooling,
    },
    /// One label a token.
    Tokens {
        /// Names of the labels, in the order of the logits.
        labels: Vec<String>,
    },
}

impl HeadSpec {
    /// A head for sentences.
    pub fn sequence(labels: Vec<String>, pooling: Pooling) -> Self {
        Self::Sequence { labels, pooling }
    }

    /// A head for tokens.
    pub fn tokens(labels: Vec<String>) -> Self {
        Self::Tokens { labels }
    }

    /// Names of the labels, in the order of the logits.
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Sequence { labels, .. } | Self::Tokens { labels } => labels,
        }
    }

    /// Whether the family's dense layer comes before the classifier.
    pub(crate) fn has_dense(&self) -> bool {
        matches!(self, Self::Sequence { pooling: Pooling::FirstToken, .. })
    }
}

/// The function after a head's dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Tanh,
    Relu,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Unit {
    FirstToken { activation: Activation, dropout_first: bool },
    Mean,
    Token,
}

/// A classifier over sentences or tokens.
#[derive(Module, Debug)]
pub struct Head {
    dense: Option<Dense>,
    classifier: Dense,
    #[module(skip)]
    unit: Unit,
    #[module(skip)]
    dropout_prob: f64,
}

impl Head {
    pub(crate) fn init(
        config: &EncoderConfig,
        spec: &HeadSpec,
        source: &mut dyn ParamSource,
        device: &Device,
    ) -> Self {
        let mut builder = Builder { source, device };
        let (width, std) = (config.hidden_size, config.initializer_range);
        let (unit, dropout_prob) = match spec {
            HeadSpec::Tokens { .. } => (Unit::Token, config.token_dropout_prob),
            HeadSpec::Sequence { pooling: Pooling::Mean, .. } => {
                (Unit::Mean, config.sequence_dropout_prob)
            }
            HeadSpec::Sequence { pooling: Pooling::FirstToken, .. } => {
                let layout = config.family.pooler();
                let (activation, dropout_first) = (layout.activation, layout.dropout_first);
                (Unit::FirstToken { activation, dropout_first }, config.sequence_dropout_prob)
            }
        };
        let dense =
            spec.has_dense().then(|| Dense::init("head.dense", [width, width], std, &mut builder));
        let sizes = [width, spec.labels().len()];
        let classifier = Dense::init("head.classifier", sizes, std, &mut builder);
        Self { dense, classifier, unit, dropout_prob }
    }

    /// Returns logits `[batch, n_labels]` for sentences, `[batch * seq, n_labels]` for tokens.
    pub(crate) fn forward(
        &self,
        encoded: &EncoderOutput,
        input: &ModelInput,
        draws: &mut Draws,
    ) -> Tensor<2> {
        let hidden = encoded.last_hidden_state();
        let [batch, seq, width] = hidden.dims();
        let mut features = match self.unit {
            Unit::FirstToken { .. } => hidden.narrow(1, 0, 1).reshape([batch, width]),
            Unit::Mean => mean_pool(hidden, input.attention_mask.clone()),
            Unit::Token => hidden.reshape([batch * seq, width]),
        };
        if let (Some(dense), Unit::FirstToken { activation, dropout_first }) =
            (&self.dense, self.unit)
        {
            if dropout_first {
                features = dropout(features, draws.next(self.dropout_prob));
            }
            features = dense.forward(features);
            features = match activation {
                Activation::Tanh => tanh(features),
                Activation::Relu => relu(features),
            };
        }
        self.classifier.forward(dropout(features, draws.next(self.dropout_prob)))
    }
}

/// Averages the states of real tokens.
///
/// # Shapes
/// - `hidden`: `[batch, seq, hidden]`
/// - `attention_mask`: `[batch, seq]`
/// - returns: `[batch, hidden]`; zero for a row without real tokens
pub fn mean_pool(hidden: Tensor<3>, attention_mask: Tensor<2>) -> Tensor<2> {
    let [batch, seq, width] = hidden.dims();
    let n_tokens = attention_mask.clone().sum_dim(1).clamp_min(1.0);
    let weights = (attention_mask / n_tokens).reshape([batch, 1, seq]);
    weights.matmul(hidden).reshape([batch, width])
}
