//! One block: attention and a feed-forward network, each followed by its adapters, if there are
//! any, and a normalization.
//!
//! The mask of heads is applied in [`Heads`], between them and the output projection.

use burn::module::{Module, Param};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Tensor, TensorData};
use isogloss_kernels::{Dropout, attention, column_mask, gelu};

use super::{Dense, Draws, Norm};
use crate::named::Named;
use crate::params::Builder;
use crate::peft::bottleneck::module::{BlockEnd, Bottleneck, LayerAdapter};
use crate::peft::lora::config::{LoraTarget, Projection};
use crate::{EncoderConfig, Init};

#[derive(Module, Debug)]
pub(super) struct Layer {
    attention: Attention,
    attention_norm: Norm,
    /// None where it is pruned: then nothing is added to what it would read.
    feed_forward: Option<FeedForward>,
    feed_forward_norm: Norm,
    pub(super) adapters: Named<LayerAdapter>,
}

/// How one pass through a block differs from another.
pub(super) struct LayerPass<'a> {
    /// Added to the scores of each key.
    pub(super) bias: Tensor<2>,
    /// `[1, n_heads]`.
    pub(super) head_mask: Option<Tensor<2>>,
    /// `[1]`.
    pub(super) feed_forward_mask: Option<Tensor<1>>,
    /// Rates of dropout of attention's units and of the feed-forward network's.
    pub(super) units: Option<&'a [Vec<f32>; 2]>,
    /// Names of the adapters to pass through, the lowest first.
    pub(super) stack: &'a [String],
}

impl Layer {
    pub(super) fn init(config: &EncoderConfig, index: usize, builder: &mut Builder<'_>) -> Self {
        let path = format!("layers.{index}");
        let width = config.hidden_size;
        let has_feed_forward = !config.pruned.has_feed_forward(index);
        Self {
            attention: Attention::init(index, config, builder),
            attention_norm: Norm::init(&format!("{path}.attention_norm"), width, builder),
            feed_forward: has_feed_forward
                .then(|| FeedForward::init(&format!("{path}.feed_forward"), config, builder)),
            feed_forward_norm: Norm::init(&format!("{path}.feed_forward_norm"), width, builder),
            adapters: Named::new(),
        }
    }

    pub(super) fn forward(
        &self,
        hidden: Tensor<3>,
        pass: LayerPass<'_>,
        config: &EncoderConfig,
        draws: &mut Draws,
    ) -> Tensor<3> {
        let LayerPass { bias, head_mask, feed_forward_mask, units, stack } = pass;
        let epsilon = config.layer_norm_eps;
        let drop = |output: Tensor<3>, rates: Option<&Vec<f32>>, draws: &mut Draws| {
            let dropout = draws.next(config.hidden_dropout_prob);
            match rates {
                Some(rates) if draws.seed.is_some() => {
                    (drop_units(output, rates, dropout.seed), Dropout::OFF)
                }
                _ => (output, dropout),
            }
        };
        let attended = self.attention.forward(hidden.clone(), bias, head_mask, config, draws);
        let (attended, dropout) = drop(attended, units.map(|[rates, _]| rates), draws);
        let end = BlockEnd { norm: &self.attention_norm, epsilon, dropout };
        let adapters = self.adapters_of(stack, |adapter| adapter.attention.as_ref());
        let hidden = end.close(attended, hidden, &adapters, draws);
        let transformed = match (&self.feed_forward, feed_forward_mask) {
            (None, _) => Tensor::zeros(hidden.dims(), &hidden.device()),
            (Some(network), None) => network.forward(hidden.clone(), draws),
            (Some(network), Some(mask)) => {
                network.forward(hidden.clone(), draws) * mask.reshape([1, 1, 1])
            }
        };
        let (transformed, dropout) = drop(transformed, units.map(|[_, rates]| rates), draws);
        let end = BlockEnd { norm: &self.feed_forward_norm, epsilon, dropout };
        let adapters = self.adapters_of(stack, |adapter| adapter.feed_forward.as_ref());
        end.close(transformed, hidden, &adapters, draws)
    }

    /// See [`Encoder::attention_log_probs`](super::Encoder::attention_log_probs).
    pub(super) fn attention_log_probs(
        &self,
        hidden: Tensor<3>,
        bias: Tensor<2>,
        head_width: usize,
    ) -> Option<Tensor<4>> {
        let Attention::Heads(attention) = &self.attention else { return None };
        let [batch, seq, _] = hidden.dims();
        let heads = |projection: &Projection| {
            let rows = projection.forward(hidden.clone(), &mut Draws { seed: None, n_drawn: 0 });
            let n_heads = rows.dims()[2] / head_width;
            rows.reshape([batch, seq, n_heads, head_width]).swap_dims(1, 2)
        };
        let (query, key) = (heads(&attention.query), heads(&attention.key));
        let scores = query.matmul(key.transpose()) / (head_width as f64).sqrt();
        Some(log_softmax(scores + bias.reshape([batch, 1, 1, seq]), 3))
    }

    /// The bottlenecks that one place of this layer has for a stack; a layer that was left out of an
    /// adapter has none.
    fn adapters_of<'a>(
        &'a self,
        stack: &[String],
        place: impl Fn(&'a LayerAdapter) -> Option<&'a Bottleneck>,
    ) -> Vec<&'a Bottleneck> {
        stack.iter().filter_map(|name| self.adapters.get(name).and_then(&place)).collect()
    }

    /// None where it is pruned.
    pub(super) fn projection_mut(&mut self, target: LoraTarget) -> Option<&mut Projection> {
        let heads = match &mut self.attention {
            Attention::Heads(heads) => Some(heads),
            Attention::Bias(_) => None,
        };
        match target {
            LoraTarget::Query => heads.map(|heads| &mut heads.query),
            LoraTarget::Key => heads.map(|heads| &mut heads.key),
            LoraTarget::Value => heads.map(|heads| &mut heads.value),
            LoraTarget::AttentionOutput => heads.map(|heads| &mut heads.output),
            LoraTarget::FeedForwardUp => self.feed_forward.as_mut().map(|network| &mut network.up),
            LoraTarget::FeedForwardDown => {
                self.feed_forward.as_mut().map(|network| &mut network.down)
            }
        }
    }
}

/// Drops each unit of the last dimension at its own rate.
fn drop_units(x: Tensor<3>, rates: &[f32], seed: u64) -> Tensor<3> {
    let [batch, seq, width] = x.dims();
    let mask = TensorData::new(column_mask(rates, batch * seq, seed), [batch, seq, width]);
    let mask = Tensor::from_data(mask, &x.device());
    x * mask
}

/// The paths of parameters do not tell the variants apart.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "most layers have heads")]
enum Attention {
    Heads(Heads),
    /// All heads are pruned.
    Bias(OutputBias),
}

impl Attention {
    fn init(index: usize, config: &EncoderConfig, builder: &mut Builder<'_>) -> Self {
        let path = format!("layers.{index}.attention");
        match config.attention_width(index) {
            0 => Self::Bias(OutputBias::init(&format!("{path}.output"), config, builder)),
            inner => Self::Heads(Heads::init(&path, inner, config, builder)),
        }
    }

    /// `head_mask` is `[1, n_heads]`.
    fn forward(
        &self,
        hidden: Tensor<3>,
        bias: Tensor<2>,
        head_mask: Option<Tensor<2>>,
        config: &EncoderConfig,
        draws: &mut Draws,
    ) -> Tensor<3> {
        match self {
            Self::Heads(heads) => heads.forward(hidden, bias, head_mask, config, draws),
            Self::Bias(output) => {
                // What follows drops the same as where heads are masked.
                draws.next(config.attention_probs_dropout_prob);
                output.forward(hidden.dims())
            }
        }
    }
}

/// What the output projection of no heads adds.
#[derive(Module, Debug)]
struct OutputBias {
    output: Bias,
}

#[derive(Module, Debug)]
struct Bias {
    bias: Param<Tensor<1>>,
}

impl OutputBias {
    fn init(path: &str, config: &EncoderConfig, builder: &mut Builder<'_>) -> Self {
        let bias = builder.param(&format!("{path}.bias"), [config.hidden_size], Init::Zeros);
        Self { output: Bias { bias } }
    }

    fn forward(&self, shape: [usize; 3]) -> Tensor<3> {
        let bias = self.output.bias.val();
        Tensor::zeros(shape, &bias.device()) + bias.reshape([1, 1, shape[2]])
    }
}

#[derive(Module, Debug)]
struct Heads {
    query: Projection,
    key: Projection,
    value: Projection,
    output: Projection,
}

impl Heads {
    /// `inner` is the width of all heads together.
    fn init(path: &str, inner: usize, config: &EncoderConfig, builder: &mut Builder<'_>) -> Self {
        let (width, std) = (config.hidden_size, config.initializer_range);
        let mut dense =
            |name: &str, sizes| Dense::init(&format!("{path}.{name}"), sizes, std, builder).into();
        Self {
            query: dense("query", [width, inner]),
            key: dense("key", [width, inner]),
            value: dense("value", [width, inner]),
            output: dense("output", [inner, width]),
        }
    }

    /// `head_mask` is `[1, n_heads]`.
    fn forward(
        &self,
        hidden: Tensor<3>,
        bias: Tensor<2>,
        head_mask: Option<Tensor<2>>,
        config: &EncoderConfig,
        draws: &mut Draws,
    ) -> Tensor<3> {
        let head_width = config.head_width();
        let query = self.query.forward(hidden.clone(), draws);
        let key = self.key.forward(hidden.clone(), draws);
        let value = self.value.forward(hidden, draws);
        let n_heads = query.dims()[2] / head_width;
        let dropout = draws.next(config.attention_probs_dropout_prob);
        let mut context = attention(query, key, value, bias, n_heads, dropout);
        if let Some(mask) = head_mask {
            let [batch, seq, width] = context.dims();
            let heads = context.reshape([batch, seq, n_heads, head_width]);
            context = (heads * mask.reshape([1, 1, n_heads, 1])).reshape([batch, seq, width]);
        }
        self.output.forward(context, draws)
    }
}

#[derive(Module, Debug)]
struct FeedForward {
    up: Projection,
    down: Projection,
}

impl FeedForward {
    fn init(path: &str, config: &EncoderConfig, builder: &mut Builder<'_>) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let std = config.initializer_range;
        Self {
            up: Dense::init(&format!("{path}.up"), [width, inner], std, builder).into(),
            down: Dense::init(&format!("{path}.down"), [inner, width], std, builder).into(),
        }
    }

    fn forward(&self, hidden: Tensor<3>, draws: &mut Draws) -> Tensor<3> {
        let inner = gelu(self.up.forward(hidden, draws));
        self.down.forward(inner, draws)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::{RandomParams, presets};

    #[test]
    fn what_tokens_look_at_is_what_attention_takes() {
        let (device, config) = (Device::flex(), presets::tiny(10));
        let source = &mut RandomParams::new(1);
        let mut builder = Builder { source, device: &device };
        let layer = Layer::init(&config, 0, &mut builder);
        let hidden = Tensor::<3>::random([2, 5, 32], Distribution::Normal(0.0, 9.0), &device);
        let bias = Tensor::from_floats([[0.0; 5], [0.0, 0.0, 0.0, -1e9, -1e9]], &device);
        let mut draws = Draws { seed: None, n_drawn: 0 };
        let Attention::Heads(part) = &layer.attention else { panic!("no head is pruned") };
        let expected = part.forward(hidden.clone(), bias.clone(), None, &config, &mut draws);

        let probs = layer.attention_log_probs(hidden.clone(), bias, 8).unwrap().exp();
        let value = part.value.forward(hidden, &mut draws);
        let value = value.reshape([2, 5, 4, 8]).swap_dims(1, 2);
        let context = probs.matmul(value).swap_dims(1, 2).reshape([2, 5, 32]);
        let found = part.output.forward(context, &mut draws);
        let difference = (found - expected.clone()).abs().max().into_scalar::<f32>();
        let scale = expected.abs().max().into_scalar::<f32>();
        assert!(difference < 1e-5 * scale, "{difference} of {scale}");
    }
}
