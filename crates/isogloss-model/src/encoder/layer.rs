//! One block: attention and a feed-forward network, each followed by its adapters, if there are
//! any, and a normalization.
//!
//! The mask of heads is applied in [`Attention`], between them and the output projection.

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Tensor, TensorData};
use isogloss_kernels::{Dropout, attention, column_mask, gelu};

use super::{Dense, Draws, Norm};
use crate::EncoderConfig;
use crate::adapter::bottleneck::{BlockEnd, Bottleneck, LayerAdapter};
use crate::lora::{LoraTarget, Projection};
use crate::named::Named;
use crate::params::Builder;

#[derive(Module, Debug)]
pub(super) struct Layer {
    attention: Attention,
    attention_norm: Norm,
    feed_forward: FeedForward,
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
        Self {
            attention: Attention::init(&format!("{path}.attention"), config, builder),
            attention_norm: Norm::init(&format!("{path}.attention_norm"), width, builder),
            feed_forward: FeedForward::init(&format!("{path}.feed_forward"), config, builder),
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
        let transformed = self.feed_forward.forward(hidden.clone(), draws);
        let transformed = match feed_forward_mask {
            Some(mask) => transformed * mask.reshape([1, 1, 1]),
            None => transformed,
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
        n_heads: usize,
    ) -> Tensor<4> {
        let [batch, seq, width] = hidden.dims();
        let head_width = width / n_heads;
        let heads = |projection: &Projection| {
            let rows = projection.forward(hidden.clone(), &mut Draws { seed: None, n_drawn: 0 });
            rows.reshape([batch, seq, n_heads, head_width]).swap_dims(1, 2)
        };
        let (query, key) = (heads(&self.attention.query), heads(&self.attention.key));
        let scores = query.matmul(key.transpose()) / (head_width as f64).sqrt();
        log_softmax(scores + bias.reshape([batch, 1, 1, seq]), 3)
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

    pub(super) fn projection_mut(&mut self, target: LoraTarget) -> &mut Projection {
        match target {
            LoraTarget::Query => &mut self.attention.query,
            LoraTarget::Key => &mut self.attention.key,
            LoraTarget::Value => &mut self.attention.value,
            LoraTarget::AttentionOutput => &mut self.attention.output,
            LoraTarget::FeedForwardUp => &mut self.feed_forward.up,
            LoraTarget::FeedForwardDown => &mut self.feed_forward.down,
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

#[derive(Module, Debug)]
struct Attention {
    query: Projection,
    key: Projection,
    value: Projection,
    output: Projection,
}

impl Attention {
    fn init(path: &str, config: &EncoderConfig, builder: &mut Builder<'_>) -> Self {
        let sizes = [config.hidden_size; 2];
        let mut dense = |name: &str| {
            Dense::init(&format!("{path}.{name}"), sizes, config.initializer_range, builder)
        };
        Self {
            query: dense("query").into(),
            key: dense("key").into(),
            value: dense("value").into(),
            output: dense("output").into(),
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
        let n_heads = config.num_attention_heads;
        let mut context = attention(
            self.query.forward(hidden.clone(), draws),
            self.key.forward(hidden.clone(), draws),
            self.value.forward(hidden, draws),
            bias,
            n_heads,
            draws.next(config.attention_probs_dropout_prob),
        );
        if let Some(mask) = head_mask {
            let [batch, seq, width] = context.dims();
            let heads = context.reshape([batch, seq, n_heads, width / n_heads]);
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
        let part = &layer.attention;
        let expected = part.forward(hidden.clone(), bias.clone(), None, &config, &mut draws);

        let probs = layer.attention_log_probs(hidden.clone(), bias, 4).exp();
        let value = part.value.forward(hidden, &mut draws);
        let value = value.reshape([2, 5, 4, 8]).swap_dims(1, 2);
        let context = probs.matmul(value).swap_dims(1, 2).reshape([2, 5, 32]);
        let found = part.output.forward(context, &mut draws);
        let difference = (found - expected.clone()).abs().max().into_scalar::<f32>();
        let scale = expected.abs().max().into_scalar::<f32>();
        assert!(difference < 1e-5 * scale, "{difference} of {scale}");
    }
}
