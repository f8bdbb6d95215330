//! What turns hidden states into logits.

use burn::module::Module;
use burn::tensor::activation::{relu, tanh};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_kernels::{dropout, linear};

use crate::encoder::{Dense, Draws, EncoderOutput};
use crate::params::Builder;
use crate::{EncoderConfig, ModelInput, ParamSource, Parser, ParserSpec};

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
    /// A head and a relation a word.
    Parser(ParserSpec),
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

    /// Names of the labels, in the order of the logits; a parser's are its relations.
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Sequence { labels, .. } | Self::Tokens { labels } => labels,
            Self::Parser(spec) => &spec.relations,
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

/// What stands on the encoder.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a model has one head")]
pub enum Head {
    /// For sentences and tokens.
    Classifier(Classifier),
    /// For words.
    Parser(Parser),
}

impl Head {
    pub(crate) fn init(
        config: &EncoderConfig,
        spec: &HeadSpec,
        source: &mut dyn ParamSource,
        device: &Device,
    ) -> Self {
        let (labels, unit, dropout_prob) = match spec {
            HeadSpec::Parser(spec) => {
                return Self::Parser(Parser::init(config, spec, source, device));
            }
            HeadSpec::Tokens { labels } => (labels, Unit::Token, config.token_dropout_prob),
            HeadSpec::Sequence { pooling: Pooling::Mean, labels } => {
                (labels, Unit::Mean, config.sequence_dropout_prob)
            }
            HeadSpec::Sequence { pooling: Pooling::FirstToken, labels } => {
                let layout = config.family.pooler();
                let (activation, dropout_first) = (layout.activation, layout.dropout_first);
                let unit = Unit::FirstToken { activation, dropout_first };
                (labels, unit, config.sequence_dropout_prob)
            }
        };
        let mut builder = Builder { source, device };
        let (width, std) = (config.hidden_size, config.initializer_range);
        let dense =
            spec.has_dense().then(|| Dense::init("head.dense", [width, width], std, &mut builder));
        let sizes = [width, labels.len()];
        let classifier = Dense::init("head.classifier", sizes, std, &mut builder);
        Self::Classifier(Classifier { dense, classifier, unit, dropout_prob })
    }

    /// The same head with another rate of dropout; a parser keeps its own.
    pub(crate) fn with_dropout(self, rate: f64) -> Self {
        match self {
            Self::Classifier(head) => Self::Classifier(Classifier { dropout_prob: rate, ..head }),
            Self::Parser(_) => self,
        }
    }
}

/// A classifier over sentences or tokens.
#[derive(Module, Debug)]
pub struct Classifier {
    dense: Option<Dense>,
    classifier: Dense,
    #[module(skip)]
    unit: Unit,
    #[module(skip)]
    dropout_prob: f64,
}

impl Classifier {
    /// What the classifier is given: `[batch, hidden]` for sentences, `[batch * seq, hidden]` for
    /// tokens.
    pub(crate) fn features(
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
        dropout(features, draws.next(self.dropout_prob))
    }

    /// Returns logits, a row for each of `features`; `normalized` divides the weight by its largest
    /// singular value.
    pub(crate) fn classify(&self, features: Tensor<2>, normalized: bool) -> Tensor<2> {
        if !normalized {
            return self.classifier.forward(features);
        }
        let (weight, bias) = (self.classifier.weight.val(), self.classifier.bias.val());
        let norm = spectral_norm(weight.clone()).reshape([1, 1]);
        linear(features, weight / norm, bias)
    }

    /// Divides the classifier's weight by its largest singular value.
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

/// Rounds of power iteration: they bring two singular values that differ by a tenth apart by a
/// factor of 10⁸.
const N_POWER_ITERATIONS: usize = 100;

/// The largest singular value of a matrix, `[1]`, differentiable.
///
/// The singular vectors u and v are found on the host, without gradient: `d(uᵀ W v)` is then the
/// derivative of the singular value.
fn spectral_norm(weight: Tensor<2>) -> Tensor<1> {
    let [n_rows, n_columns] = weight.dims();
    let values = weight.clone().detach().into_data().convert::<f64>().try_into_vec::<f64>();
    let values = values.expect("the numbers were just converted to this type");
    let rows: Vec<&[f64]> = values.chunks(n_columns).collect();
    let normalize = |mut vector: Vec<f64>| {
        let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|x| *x /= norm.max(f64::MIN_POSITIVE));
        vector
    };
    let mut u = normalize((0..n_rows).map(|i| 1.0 + (i as f64).sin()).collect());
    let mut v = Vec::new();
    for _ in 0..N_POWER_ITERATIONS {
        v = vec![0.0; n_columns];
        for (row, u) in rows.iter().zip(&u) {
            v.iter_mut().zip(*row).for_each(|(v, w)| *v += u * w);
        }
        v = normalize(v);
        u = normalize(
            rows.iter().map(|row| row.iter().zip(&v).map(|(w, v)| w * v).sum()).collect(),
        );
    }
    let vector = |values: Vec<f64>, shape| {
        let values: Vec<f32> = values.into_iter().map(|x| x as f32).collect();
        Tensor::<2>::from_data(TensorData::new(values, shape), &weight.device())
    };
    let (u, v) = (vector(u, [n_rows, 1]), vector(v, [1, n_columns]));
    (weight * u * v).sum()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spectral_norm_of_a_scaled_rotation_and_its_gradient() {
        // Singular values 3 and 1, turned by 30 degrees: the gradient is u vᵀ.
        let (sin, cos) = (0.5f32, 3f32.sqrt() / 2.0);
        let device = Device::flex().autodiff();
        let weight = [[3.0 * cos, -sin], [3.0 * sin, cos]];
        let weight = Tensor::<2>::from_floats(weight, &device).require_grad();
        let norm = spectral_norm(weight.clone());
        let gradients = norm.backward();
        assert!((norm.into_scalar::<f32>() - 3.0).abs() < 1e-5);
        let gradient = weight.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
        for (found, expected) in gradient.iter().zip([cos, 0.0, sin, 0.0]) {
            assert!((found - expected).abs() < 1e-5, "{gradient:?}");
        }
    }
}
