//! Transformer block (post-norm): attention and a feed-forward network, each followed by its
//! adapters, if there are any, and a layer normalization of the residual sum.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use isogloss_kernels::{Dropout, column_mask};

use super::attention::Attention;
use crate::EncoderConfig;
use crate::named::Named;
use crate::nn::{Dense, DropoutMasks, LayerNorm};
use crate::params::Builder;
use crate::peft::{AdaptedDense, Bottleneck, LayerAdapter, SublayerEnd, TargetModule};

/// Transformer block.
#[derive(Module, Debug)]
pub(super) struct Layer {
    pub(super) attention: Attention,
    attention_norm: LayerNorm,
    /// Feed-forward network; `None` if it is pruned, then its output is zero.
    feed_forward: Option<FeedForward>,
    feed_forward_norm: LayerNorm,
    pub(super) adapters: Named<LayerAdapter>,
}

/// Options of the forward pass through one block.
pub(super) struct LayerOptions<'a> {
    /// Attention bias, added to the scores of each key, `[batch, seq]`.
    pub(super) bias: Tensor<2>,
    /// Head mask, `[1, n_heads]`.
    pub(super) head_mask: Option<Tensor<2>>,
    /// Mask of the feed-forward network, `[1]`.
    pub(super) feed_forward_mask: Option<Tensor<1>>,
    /// Dropout rates per unit of the outputs of attention and of the feed-forward network.
    pub(super) unit_rates: Option<&'a [Vec<f32>; 2]>,
    /// Names of the active adapters, in the order of the forward pass.
    pub(super) stack: &'a [String],
}

impl Layer {
    /// Builds block `index`, from zero.
    pub(super) fn init(config: &EncoderConfig, index: usize, builder: &mut Builder<'_>) -> Self {
        let path = format!("layers.{index}");
        let width = config.hidden_size;
        let has_feed_forward = !config.pruned.is_feed_forward_pruned(index);
        Self {
            attention: Attention::init(index, config, builder),
            attention_norm: LayerNorm::init(&format!("{path}.attention_norm"), width, builder),
            feed_forward: has_feed_forward
                .then(|| FeedForward::init(&format!("{path}.feed_forward"), config, builder)),
            feed_forward_norm: LayerNorm::init(
                &format!("{path}.feed_forward_norm"),
                width,
                builder,
            ),
            adapters: Named::new(),
        }
    }

    /// Forward pass, `[batch, seq, hidden]` to the same shape.
    pub(super) fn forward(
        &self,
        hidden: Tensor<3>,
        options: LayerOptions<'_>,
        config: &EncoderConfig,
        masks: &mut DropoutMasks,
    ) -> Tensor<3> {
        let LayerOptions { bias, head_mask, feed_forward_mask, unit_rates, stack } = options;
        let epsilon = config.layer_norm_eps;
        let drop = |output: Tensor<3>, rates: Option<&Vec<f32>>, masks: &mut DropoutMasks| {
            let dropout = masks.next(config.hidden_dropout_prob);
            match rates {
                Some(rates) if !masks.is_off() => {
                    (drop_units(output, rates, dropout.seed), Dropout::OFF)
                }
                _ => (output, dropout),
            }
        };
        let attended = self.attention.forward(hidden.clone(), bias, head_mask, config, masks);
        let (attended, dropout) = drop(attended, unit_rates.map(|[rates, _]| rates), masks);
        let end = SublayerEnd { norm: &self.attention_norm, epsilon, dropout };
        let adapters = self.bottlenecks(stack, |adapter| adapter.attention.as_ref());
        let hidden = end.forward(attended, hidden, &adapters, masks);
        let transformed = match (&self.feed_forward, feed_forward_mask) {
            (None, _) => Tensor::zeros(hidden.dims(), &hidden.device()),
            (Some(network), None) => network.forward(hidden.clone(), masks),
            (Some(network), Some(mask)) => {
                network.forward(hidden.clone(), masks) * mask.reshape([1, 1, 1])
            }
        };
        let (transformed, dropout) = drop(transformed, unit_rates.map(|[_, rates]| rates), masks);
        let end = SublayerEnd { norm: &self.feed_forward_norm, epsilon, dropout };
        let adapters = self.bottlenecks(stack, |adapter| adapter.feed_forward.as_ref());
        end.forward(transformed, hidden, &adapters, masks)
    }

    /// Bottleneck adapters of a stack after one sublayer; an adapter that leaves this layer out
    /// (`leave_out`) has none here.
    fn bottlenecks<'a>(
        &'a self,
        stack: &[String],
        sublayer: impl Fn(&'a LayerAdapter) -> Option<&'a Bottleneck>,
    ) -> Vec<&'a Bottleneck> {
        stack.iter().filter_map(|name| self.adapters.get(name).and_then(&sublayer)).collect()
    }

    /// The linear projection `target`; `None` if it is pruned.
    pub(super) fn projection_mut(&mut self, target: TargetModule) -> Option<&mut AdaptedDense> {
        match target {
            TargetModule::FeedForwardUp => {
                self.feed_forward.as_mut().map(|network| &mut network.up)
            }
            TargetModule::FeedForwardDown => {
                self.feed_forward.as_mut().map(|network| &mut network.down)
            }
            attention => self.attention.projection_mut(attention),
        }
    }
}

/// Dropout with one rate per unit of the last dimension.
fn drop_units(x: Tensor<3>, rates: &[f32], seed: u64) -> Tensor<3> {
    let [batch, seq, width] = x.dims();
    let mask = TensorData::new(column_mask(rates, batch * seq, seed), [batch, seq, width]);
    let mask = Tensor::from_data(mask, &x.device());
    x * mask
}

/// Position-wise feed-forward network: `W₂ gelu(W₁ x + b₁) + b₂`.
#[derive(Module, Debug)]
struct FeedForward {
    up: AdaptedDense,
    down: AdaptedDense,
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

    fn forward(&self, hidden: Tensor<3>, masks: &mut DropoutMasks) -> Tensor<3> {
        let inner = self.up.forward_gelu(hidden, masks);
        self.down.forward(inner, masks)
    }
}
