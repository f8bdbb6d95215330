//! The bottleneck itself, and the end of a block that has some.

use burn::module::Module;
use burn::tensor::Tensor;
use isogloss_kernels::{Dropout, dropout, linear};

use super::config::{AdapterConfig, AdapterResidual, NonLinearity};
use crate::encoder::{Dense, Draws, Norm};
use crate::params::Builder;

/// The adapters of one name in one layer.
#[derive(Module, Debug)]
pub(crate) struct LayerAdapter {
    pub(crate) attention: Option<Bottleneck>,
    pub(crate) feed_forward: Option<Bottleneck>,
}

impl LayerAdapter {
    /// `path` is that of the adapter in its layer.
    pub(crate) fn init(
        path: &str,
        config: &AdapterConfig,
        width: usize,
        builder: &mut Builder<'_>,
    ) -> Self {
        let mut bottleneck =
            |place: &str| Bottleneck::init(&format!("{path}.{place}"), config, width, builder);
        Self {
            attention: config.mh_adapter.then(|| bottleneck("attention")),
            feed_forward: config.output_adapter.then(|| bottleneck("feed_forward")),
        }
    }
}

/// Down, a function, up.
#[derive(Module, Debug)]
pub(crate) struct Bottleneck {
    down: Dense,
    up: Dense,
    #[module(skip)]
    wiring: Wiring,
}

/// What of a configuration the forward pass asks for.
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
    fn init(path: &str, config: &AdapterConfig, width: usize, builder: &mut Builder<'_>) -> Self {
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

    fn transform(&self, x: Tensor<3>, draws: &mut Draws) -> Tensor<3> {
        let Wiring { non_linearity, scaling, dropout: rate, .. } = self.wiring;
        let inner = non_linearity.apply(self.down.forward(x));
        // The weight has fewer elements to scale than the output.
        let output = if scaling == 1.0 {
            self.up.forward(inner)
        } else {
            linear(inner, self.up.weight.val() * scaling, self.up.bias.val() * scaling)
        };
        if rate > 0.0 { dropout(output, draws.next(rate)) } else { output }
    }
}

/// What a sublayer ends with.
pub(crate) struct BlockEnd<'a> {
    pub(crate) norm: &'a Norm,
    pub(crate) epsilon: f64,
    /// Of the sublayer's output.
    pub(crate) dropout: Dropout,
}

impl BlockEnd<'_> {
    /// Adds what the sublayer read to its output and normalizes, with the adapters of `stack`, the
    /// lowest first, in between.
    pub(crate) fn close(
        &self,
        output: Tensor<3>,
        residual: Tensor<3>,
        stack: &[&Bottleneck],
        draws: &mut Draws,
    ) -> Tensor<3> {
        let Some(last) = stack.last() else {
            return self.norm.add(output, residual, self.epsilon, self.dropout);
        };
        let output = dropout(output, self.dropout);
        let adapted = if last.wiring.is_parallel {
            last.transform(residual.clone(), draws) + output
        } else {
            stack.iter().fold(output, |hidden, adapter| {
                self.adapt(adapter, hidden, residual.clone(), draws)
            })
        };
        if last.wiring.normalizes_after { self.normalize(adapted, residual) } else { adapted }
    }

    fn adapt(
        &self,
        adapter: &Bottleneck,
        hidden: Tensor<3>,
        residual: Tensor<3>,
        draws: &mut Draws,
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
        adapter.transform(input, draws) + around
    }

    fn normalize(&self, hidden: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        self.norm.add(hidden, residual, self.epsilon, Dropout::OFF)
    }
}
