//! Bottleneck adapter module: down projection, activation and up projection, and the residual sum
//! and layer normalization of a sublayer with a stack of adapters.

use burn::module::Module;
use burn::tensor::Tensor;
use isogloss_kernels::{Dropout, dropout, linear};

use super::config::{AdapterResidual, BottleneckConfig};
use crate::EncoderConfig;
use crate::nn::{Dense, DropoutMasks, LayerNorm};
use crate::params::Builder;
use crate::peft::activation::NonLinearity;
use crate::peft::invertible::Coupling;

/// Bottleneck adapters of one block: after attention and after the feed-forward network.
#[derive(Module, Debug)]
pub(crate) struct LayerAdapter {
    pub(crate) attention: Option<Bottleneck>,
    pub(crate) feed_forward: Option<Bottleneck>,
}

impl LayerAdapter {
    /// Builds the bottlenecks of the adapter `name` in a layer. The parameter paths are
    /// `layers.<layer>.adapters.<name>.<sublayer>.<dense>` with `attention` and `feed_forward`,
    /// `down` and `up`.
    pub(super) fn init(
        name: &str,
        layer: usize,
        config: &BottleneckConfig,
        width: usize,
        builder: &mut Builder<'_>,
    ) -> Self {
        let path = format!("layers.{layer}.adapters.{name}");
        let mut bottleneck = |sublayer: &str| {
            Bottleneck::init(&format!("{path}.{sublayer}"), config, width, builder)
        };
        Self {
            attention: config.mh_adapter.then(|| bottleneck("attention")),
            feed_forward: config.output_adapter.then(|| bottleneck("feed_forward")),
        }
    }
}

impl BottleneckConfig {
    /// Builds the modules of the adapter `name`: the bottlenecks of each layer that is not left
    /// out, and the invertible adapter if there is one.
    pub(in crate::peft) fn init(
        &self,
        name: &str,
        encoder: &EncoderConfig,
        builder: &mut Builder<'_>,
    ) -> (Vec<(usize, LayerAdapter)>, Option<Coupling>) {
        let width = encoder.hidden_size;
        let layers = (0..encoder.num_hidden_layers).filter(|n| !self.leave_out.contains(n));
        let layers = layers
            .map(|layer| (layer, LayerAdapter::init(name, layer, self, width, builder)))
            .collect();
        let coupling = self
            .inv_adapter_reduction_factor
            .map(|factor| Coupling::init(name, factor, self.non_linearity, width, builder));
        (layers, coupling)
    }
}

/// Bottleneck adapter: `scaling · (U f(D x + d) + u)`.
#[derive(Module, Debug)]
pub(crate) struct Bottleneck {
    down: Dense,
    up: Dense,
    #[module(skip)]
    wiring: Wiring,
}

/// Configuration of the forward pass.
#[derive(Clone, Copy, Debug)]
struct Wiring {
    non_linearity: NonLinearity,
    normalizes_before: bool,
    normalizes_after: bool,
    residual: AdapterResidual,
    is_parallel: bool,
    scaling: f64,
    dropout: f64,
}

impl Bottleneck {
    fn init(
        path: &str,
        config: &BottleneckConfig,
        width: usize,
        builder: &mut Builder<'_>,
    ) -> Self {
        let inner = config.bottleneck_size(width);
        let [down, up] = config.inits(width);
        Self {
            down: Dense::init_with(&format!("{path}.down"), [width, inner], down, builder),
            up: Dense::init_with(&format!("{path}.up"), [inner, width], up, builder),
            wiring: Wiring {
                non_linearity: config.non_linearity,
                normalizes_before: config.original_ln_before,
                normalizes_after: config.original_ln_after,
                residual: config.residual_before_ln,
                is_parallel: config.is_parallel,
                scaling: config.scaling,
                dropout: config.dropout,
            },
        }
    }

    fn transform(&self, x: Tensor<3>, masks: &mut DropoutMasks) -> Tensor<3> {
        let Wiring { non_linearity, scaling, dropout: rate, .. } = self.wiring;
        let inner = non_linearity.forward(self.down.forward(x));
        // Scales the weight and not the output, because it has fewer elements.
        let output = if scaling == 1.0 {
            self.up.forward(inner)
        } else {
            linear(inner, self.up.weight.val() * scaling, self.up.bias.val() * scaling)
        };
        if rate > 0.0 { dropout(output, masks.next(rate)) } else { output }
    }
}

/// End of a sublayer: dropout, adapters, residual sum and layer normalization.
pub(crate) struct SublayerEnd<'a> {
    pub(crate) norm: &'a LayerNorm,
    pub(crate) epsilon: f64,
    /// Dropout of the sublayer's output.
    pub(crate) dropout: Dropout,
}

impl SublayerEnd<'_> {
    /// Applies dropout, the adapters of `stack` in order, the residual sum with the sublayer's
    /// input `residual`, and layer normalization. All tensors are `[batch, seq, hidden]`.
    pub(crate) fn forward(
        &self,
        output: Tensor<3>,
        residual: Tensor<3>,
        stack: &[&Bottleneck],
        masks: &mut DropoutMasks,
    ) -> Tensor<3> {
        let Some(last) = stack.last() else {
            return self.norm.add(output, residual, self.epsilon, self.dropout);
        };
        let output = dropout(output, self.dropout);
        let adapted = if last.wiring.is_parallel {
            last.transform(residual.clone(), masks) + output
        } else {
            stack.iter().fold(output, |hidden, adapter| {
                self.adapt(adapter, hidden, residual.clone(), masks)
            })
        };
        if last.wiring.normalizes_after { self.normalize(adapted, residual) } else { adapted }
    }

    fn adapt(
        &self,
        adapter: &Bottleneck,
        hidden: Tensor<3>,
        residual: Tensor<3>,
        masks: &mut DropoutMasks,
    ) -> Tensor<3> {
        let input = if adapter.wiring.normalizes_before {
            self.normalize(hidden.clone(), residual.clone())
        } else {
            hidden.clone()
        };
        let around = match adapter.wiring.residual {
            AdapterResidual::BeforeLn => hidden,
            AdapterResidual::PostAdd => hidden + residual,
            AdapterResidual::AfterLn => input.clone(),
        };
        adapter.transform(input, masks) + around
    }

    fn normalize(&self, hidden: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        self.norm.add(hidden, residual, self.epsilon, Dropout::OFF)
    }
}
