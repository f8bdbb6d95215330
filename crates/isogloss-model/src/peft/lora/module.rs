//! LoRA module: the low-rank update of one linear projection.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use isogloss_kernels::{dropout, linear};

use super::config::LoraConfig;
use crate::nn::DropoutMasks;
use crate::params::Builder;
use crate::peft::projection::{ProjectionAdapter, build_at};
use crate::peft::target::TargetModule;
use crate::{AdapterError, EncoderConfig, Init};

impl LoraConfig {
    /// Builds the LoRA modules of the adapter `name`, one per target projection that is not pruned.
    /// The parameter paths are `layers.<layer>.<projection>.lora.<name>.a` (`[r, in]`) and `b`
    /// (`[out, r]`).
    pub(in crate::peft) fn init(
        &self,
        name: &str,
        encoder: &EncoderConfig,
        builder: &mut Builder<'_>,
    ) -> Result<Vec<(usize, TargetModule, Lora)>, AdapterError> {
        let layers = self.layers(encoder.num_hidden_layers);
        build_at(&self.target_modules, layers, encoder, |path, _, sizes| {
            Lora::init(&format!("{path}.lora.{name}"), self, sizes, builder)
        })
    }
}

/// LoRA module of one projection: the factors `A` and `B` of the low-rank update.
#[derive(Module, Debug)]
pub(crate) struct Lora {
    /// Factor `A`, `[r, in]`.
    a: Param<Tensor<2>>,
    /// Factor `B`, `[out, r]`.
    b: Param<Tensor<2>>,
    #[module(skip)]
    scaling: f64,
    #[module(skip)]
    dropout: f64,
}

impl Lora {
    fn init(
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

    /// Low-rank update of the output: `(α / r) B A x`, `[batch, seq, out]`.
    fn forward(&self, x: Tensor<3>, masks: &mut DropoutMasks) -> Tensor<3> {
        let x = if self.dropout > 0.0 { dropout(x, masks.next(self.dropout)) } else { x };
        // Scales `B` and not the output, because it has fewer elements.
        let (a, b) = (self.a.val(), self.b.val() * self.scaling);
        let device = a.device();
        let no_bias = |weight: &Tensor<2>| Tensor::zeros([weight.dims()[0]], &device);
        let (bias_a, bias_b) = (no_bias(&a), no_bias(&b));
        linear(linear(x, a, bias_a), b, bias_b)
    }

    /// Low-rank update of the weight: `(α / r) B A`, not differentiable.
    fn delta(&self) -> Tensor<2> {
        self.b.val().detach().matmul(self.a.val().detach()) * self.scaling
    }
}

impl ProjectionAdapter for Lora {
    fn output(&self, output: Tensor<3>, x: &Tensor<3>, masks: &mut DropoutMasks) -> Tensor<3> {
        output + self.forward(x.clone(), masks)
    }

    fn merge(&self, weight: Tensor<2>, bias: Tensor<1>) -> (Tensor<2>, Tensor<1>) {
        (weight + self.delta(), bias)
    }
}
