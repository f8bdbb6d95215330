//! Multi-head self-attention sublayer, with head pruning and head masks.
//!
//! [`Heads`] applies the head mask before the output projection.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use isogloss_kernels::attention;

use crate::nn::{Dense, DropoutMasks};
use crate::params::Builder;
use crate::peft::{AdaptedDense, TargetModule};
use crate::{EncoderConfig, Init};

/// Self-attention sublayer; the variant is not part of parameter paths.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "most layers have heads")]
pub(super) enum Attention {
    Heads(Heads),
    /// All heads are pruned.
    Bias(OutputBias),
}

impl Attention {
    /// Builds the attention of a layer with the heads that are not pruned.
    pub(super) fn init(layer: usize, config: &EncoderConfig, builder: &mut Builder<'_>) -> Self {
        let path = format!("layers.{layer}.attention");
        match config.attention_width(layer) {
            0 => Self::Bias(OutputBias::init(&format!("{path}.output"), config, builder)),
            inner => Self::Heads(Heads::init(&path, inner, config, builder)),
        }
    }

    /// Forward pass, `[batch, seq, hidden]` to the same shape. `bias` is the attention bias,
    /// `[batch, seq]`, added to the scores of each key; `head_mask` is `[1, n_heads]`.
    pub(super) fn forward(
        &self,
        hidden: Tensor<3>,
        bias: Tensor<2>,
        head_mask: Option<Tensor<2>>,
        config: &EncoderConfig,
        masks: &mut DropoutMasks,
    ) -> Tensor<3> {
        match self {
            Self::Heads(heads) => heads.forward(hidden, bias, head_mask, config, masks),
            Self::Bias(output) => {
                // Draws the unused mask, so that later dropout masks are the same as with all heads
                // masked.
                masks.next(config.attention_probs_dropout_prob);
                output.forward(hidden.dims())
            }
        }
    }

    /// Attention maps, see [`Encoder::attention_log_probs`](crate::Encoder::attention_log_probs).
    pub(super) fn log_probs(
        &self,
        hidden: Tensor<3>,
        bias: Tensor<2>,
        head_width: usize,
    ) -> Option<Tensor<4>> {
        let Self::Heads(attention) = self else { return None };
        let [batch, seq, _] = hidden.dims();
        let heads = |projection: &AdaptedDense| {
            let rows = projection.forward(hidden.clone(), &mut DropoutMasks::new(None));
            let n_heads = rows.dims()[2] / head_width;
            rows.reshape([batch, seq, n_heads, head_width]).swap_dims(1, 2)
        };
        let (query, key) = (heads(&attention.query), heads(&attention.key));
        let scores = query.matmul(key.transpose()) / (head_width as f64).sqrt();
        Some(log_softmax(scores + bias.reshape([batch, 1, 1, seq]), 3))
    }

    /// The linear projection `target`; `None` if all heads are pruned or it is not a projection of
    /// attention.
    pub(super) fn projection_mut(&mut self, target: TargetModule) -> Option<&mut AdaptedDense> {
        let Self::Heads(heads) = self else { return None };
        match target {
            TargetModule::Query => Some(&mut heads.query),
            TargetModule::Key => Some(&mut heads.key),
            TargetModule::Value => Some(&mut heads.value),
            TargetModule::AttentionOutput => Some(&mut heads.output),
            TargetModule::FeedForwardUp | TargetModule::FeedForwardDown => None,
        }
    }
}

/// Attention sublayer without heads: only the bias of the output projection is left.
#[derive(Module, Debug)]
pub(super) struct OutputBias {
    output: Bias,
}

/// Bias of a dense layer without its weight, `[hidden]`.
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

/// Multi-head attention with its query, key, value and output projections.
#[derive(Module, Debug)]
pub(super) struct Heads {
    query: AdaptedDense,
    key: AdaptedDense,
    value: AdaptedDense,
    output: AdaptedDense,
}

impl Heads {
    /// Builds the projections; `inner` is the width of all heads together.
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

    fn forward(
        &self,
        hidden: Tensor<3>,
        bias: Tensor<2>,
        head_mask: Option<Tensor<2>>,
        config: &EncoderConfig,
        masks: &mut DropoutMasks,
    ) -> Tensor<3> {
        let head_width = config.head_width();
        let query = self.query.forward(hidden.clone(), masks);
        let key = self.key.forward(hidden.clone(), masks);
        let value = self.value.forward(hidden, masks);
        let n_heads = query.dims()[2] / head_width;
        let dropout = masks.next(config.attention_probs_dropout_prob);
        let mut context = attention(query, key, value, bias, n_heads, dropout);
        if let Some(mask) = head_mask {
            let [batch, seq, width] = context.dims();
            let heads = context.reshape([batch, seq, n_heads, head_width]);
            context = (heads * mask.reshape([1, 1, n_heads, 1])).reshape([batch, seq, width]);
        }
        self.output.forward(context, masks)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::{RandomParams, presets};

    #[test]
    fn the_attention_map_is_what_attention_weights_values_by() {
        let (device, config) = (Device::flex(), presets::tiny(10));
        let source = &mut RandomParams::new(1);
        let mut builder = Builder { source, device: &device };
        let attention = Attention::init(0, &config, &mut builder);
        let hidden = Tensor::<3>::random([2, 5, 32], Distribution::Normal(0.0, 9.0), &device);
        let bias = Tensor::from_floats([[0.0; 5], [0.0, 0.0, 0.0, -1e9, -1e9]], &device);
        let mut masks = DropoutMasks::new(None);
        let Attention::Heads(part) = &attention else { panic!("no head is pruned") };
        let expected = part.forward(hidden.clone(), bias.clone(), None, &config, &mut masks);

        let probs = attention.log_probs(hidden.clone(), bias, 8).unwrap().exp();
        let value = part.value.forward(hidden, &mut masks);
        let value = value.reshape([2, 5, 4, 8]).swap_dims(1, 2);
        let context = probs.matmul(value).swap_dims(1, 2).reshape([2, 5, 32]);
        let found = part.output.forward(context, &mut masks);
        let difference = (found - expected.clone()).abs().max().into_scalar::<f32>();
        let scale = expected.abs().max().into_scalar::<f32>();
        assert!(difference < 1e-5 * scale, "{difference} of {scale}");
    }
}
