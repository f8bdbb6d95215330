//! Low-rank changes of a projection's weight: `y = W x + b + (α / r) B A x`, with `W` as it was.
//! [`Encoder::add_lora`](crate::Encoder::add_lora) puts them into a model.
//!
//! # Source
//! Hu et al. 2022, arXiv:2106.09685, §4.1. Names of fields and the start of the weights are those of
//! the `peft` library: `A` uniform within `1 / √in`, which is its Kaiming-uniform draw with
//! `a = √5`, and `B` zero, so that training starts from the model as it is.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use isogloss_kernels::{dropout, linear};
use serde::{Deserialize, Serialize};

use crate::encoder::{Dense, Draws};
use crate::named::Named;
use crate::params::Builder;
use crate::{AdapterError, EncoderConfig, Init};

/// Which projections change, and how much they can.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// The rank.
    pub r: usize,
    /// The symbol α: the change is multiplied by `lora_alpha / r`.
    pub lora_alpha: f64,
    /// Dropout of what `A` reads.
    #[serde(default)]
    pub lora_dropout: f64,
    /// Which projections.
    pub target_modules: Vec<LoraTarget>,
    /// Which layers, from zero; all without it.
    #[serde(default)]
    pub layers_to_transform: Option<Vec<usize>>,
    /// Divides `lora_alpha` by the root of the rank in place of the rank. Kalajdzievski 2023,
    /// arXiv:2312.03732.
    #[serde(default)]
    pub use_rslora: bool,
}

/// A projection of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoraTarget {
    /// To the queries of attention.
    Query,
    /// To its keys.
    Key,
    /// To its values.
    Value,
    /// From the heads back to the hidden size.
    AttentionOutput,
    /// Into the feed-forward network.
    FeedForwardUp,
    /// Out of it.
    FeedForwardDown,
}

impl LoraTarget {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Query,
        Self::Key,
        Self::Value,
        Self::AttentionOutput,
        Self::FeedForwardUp,
        Self::FeedForwardDown,
    ];

    /// Its path inside a layer.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Query => "attention.query",
            Self::Key => "attention.key",
            Self::Value => "attention.value",
            Self::AttentionOutput => "attention.output",
            Self::FeedForwardUp => "feed_forward.up",
            Self::FeedForwardDown => "feed_forward.down",
        }
    }

    /// Inputs and outputs in a layer; none if it is pruned there.
    pub(crate) fn sizes(self, layer: usize, encoder: &EncoderConfig) -> Option<[usize; 2]> {
        let (width, inner) = (encoder.hidden_size, encoder.intermediate_size);
        let heads = encoder.attention_width(layer);
        let (sizes, is_there) = match self {
            Self::Query | Self::Key | Self::Value => ([width, heads], heads > 0),
            Self::AttentionOutput => ([heads, width], heads > 0),
            Self::FeedForwardUp => ([width, inner], !encoder.pruned.has_feed_forward(layer)),
            Self::FeedForwardDown => ([inner, width], !encoder.pruned.has_feed_forward(layer)),
        };
        is_there.then_some(sizes)
    }
}

impl LoraConfig {
    /// As Hu et al. have it: queries and values, with `lora_alpha` equal to the rank.
    pub fn new(r: usize) -> Self {
        Self {
            r,
            lora_alpha: r as f64,
            lora_dropout: 0.0,
            target_modules: vec![LoraTarget::Query, LoraTarget::Value],
            layers_to_transform: None,
            use_rslora: false,
        }
    }

    /// The factor of `B A`.
    pub fn scaling(&self) -> f64 {
        let r = self.r as f64;
        self.lora_alpha / if self.use_rslora { r.sqrt() } else { r }
    }

    /// The layers that change.
    pub(crate) fn layers(&self, n_layers: usize) -> Vec<usize> {
        self.layers_to_transform.clone().unwrap_or_else(|| (0..n_layers).collect())
    }

    pub(crate) fn check(&self, encoder: &EncoderConfig) -> Result<(), AdapterError> {
        let refuse = |field, problem| Err(AdapterError::Config { field, problem });
        let max = encoder.hidden_size.max(encoder.intermediate_size);
        if !(1..=max).contains(&self.r) {
            return refuse("r", format!("expected a rank of 1 to {max}, found {}", self.r));
        }
        if !self.lora_alpha.is_finite() {
            return refuse("lora_alpha", format!("expected a number, found {}", self.lora_alpha));
        }
        if !(0.0..1.0).contains(&self.lora_dropout) {
            let problem = format!("expected a rate in [0, 1), found {}", self.lora_dropout);
            return refuse("lora_dropout", problem);
        }
        if self.target_modules.is_empty() {
            return refuse("target_modules", "no projection is named".into());
        }
        let n_layers = encoder.num_hidden_layers;
        match self.layers(n_layers).iter().find(|layer| **layer >= n_layers) {
            Some(layer) => {
                refuse("layers_to_transform", format!("layer {layer} of a model of {n_layers}"))
            }
            None => Ok(()),
        }
    }
}

/// The two factors of a change.
#[derive(Module, Debug)]
pub(crate) struct Lora {
    /// `[r, in]`.
    a: Param<Tensor<2>>,
    /// `[out, r]`.
    b: Param<Tensor<2>>,
    #[module(skip)]
    scaling: f64,
    #[module(skip)]
    dropout: f64,
}

impl Lora {
    pub(crate) fn init(
        path: &str,
        config: &LoraConfig,
        [n_inputs, n_outputs]: [usize; 2],
        builder: &mut Builder<'_>,
    ) -> Self {
        let bound = 1.0 / (n_inputs as f64).sqrt();
        let (a, b) = (format!("{path}.a"), format!("{path}.b"));
        Self {
            a: builder.param(&a, [config.r, n_inputs], Init::Uniform(bound)),
            b: builder.param(&b, [n_outputs, config.r], Init::Zeros),
            scaling: config.scaling(),
            dropout: config.lora_dropout,
        }
    }

    fn forward(&self, x: Tensor<3>, draws: &mut Draws) -> Tensor<3> {
        let x = if self.dropout > 0.0 { dropout(x, draws.next(self.dropout)) } else { x };
        // The factor has fewer elements to scale than the output.
        let (a, b) = (self.a.val(), self.b.val() * self.scaling);
        let device = a.device();
        let no_bias = |weight: &Tensor<2>| Tensor::zeros([weight.dims()[0]], &device);
        let (bias_a, bias_b) = (no_bias(&a), no_bias(&b));
        linear(linear(x, a, bias_a), b, bias_b)
    }

    /// `(α / r) B A`, outside any graph.
    fn delta(&self) -> Tensor<2> {
        self.b.val().detach().matmul(self.a.val().detach()) * self.scaling
    }
}

/// A linear layer of a block, with its changes.
#[derive(Module, Debug)]
pub(crate) struct Projection {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    pub(crate) lora: Named<Lora>,
}

impl From<Dense> for Projection {
    fn from(dense: Dense) -> Self {
        Self { weight: dense.weight, bias: dense.bias, lora: Named::new() }
    }
}

impl Projection {
    pub(crate) fn forward(&self, x: Tensor<3>, draws: &mut Draws) -> Tensor<3> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        let mut changes = self.lora.values().peekable();
        if changes.peek().is_none() {
            return linear(x, weight, bias);
        }
        let output = linear(x.clone(), weight, bias);
        changes.fold(output, |output, lora| output + lora.forward(x.clone(), draws))
    }

    /// Adds the change of this name to the weight and drops it.
    pub(crate) fn merge(&mut self, name: &str) {
        let Some(lora) = self.lora.remove(name) else {
            return;
        };
        let weight = self.weight.clone();
        self.weight = weight.map(|weight| {
            let requires_grad = weight.is_require_grad();
            (weight.detach() + lora.delta()).detach().set_require_grad(requires_grad)
        });
    }
}
