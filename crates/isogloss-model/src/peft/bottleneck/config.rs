//! Bottleneck adapter configuration, with the fields of `BnConfig` of the `adapters` library 1.3.0.

use serde::{Deserialize, Serialize};

use crate::faults::below_one;
use crate::peft::activation::NonLinearity;
use crate::peft::width::bottleneck_width;
use crate::{AdapterError, EncoderConfig, Init};

/// Bottleneck adapter (Houlsby, Pfeiffer, parallel): its size, and its position relative to the
/// residual sums of the blocks.
///
/// Let `h` be the output of a sublayer, `r` its input and `LN` the pretrained layer normalization
/// after it. Without adapters, the result is `LN(h + r)`. With the adapters 1, …, n of a stack,
/// `a₀ = h`:
/// - `seq_bn`: `xₙ = LN(aₙ₋₁ + r)`, `aₙ = U f(D xₙ) + aₙ₋₁`
/// - `double_seq_bn`: `aₙ = U f(D aₙ₋₁) + aₙ₋₁`
/// - `par_bn`: `a₁ = scaling · U f(D r) + h`
///
/// and the result is `LN(aₙ + r)`, all with the same `LN`.
///
/// # Source
/// Houlsby et al. 2019, arXiv:1902.00751; Pfeiffer et al. 2020, arXiv:2005.00052 (MAD-X); He et al.
/// 2022, arXiv:2110.04366. The order of residual sums and normalizations is that of the `adapters`
/// library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BottleneckConfig {
    /// Adds an adapter after attention.
    pub mh_adapter: bool,
    /// Adds an adapter after the feed-forward network.
    pub output_adapter: bool,
    /// Reduction factor: the bottleneck's width is the hidden size divided by this, rounded down,
    /// at least one.
    pub reduction_factor: f64,
    /// Activation function `f` of the bottleneck and of the invertible adapter.
    pub non_linearity: NonLinearity,
    /// The adapter's input is `LN(h + r)` in place of `h`.
    #[serde(default)]
    pub original_ln_before: bool,
    /// The sublayer ends with `LN(a + r)`; if false, with `a`.
    #[serde(default = "yes")]
    pub original_ln_after: bool,
    /// Residual connection around the adapter.
    #[serde(default)]
    pub residual_before_ln: AdapterResidual,
    /// Parallel adapter: its input is `r`, and its output is added to the sublayer's.
    #[serde(default)]
    pub is_parallel: bool,
    /// Factor of the adapter's output.
    #[serde(default = "one")]
    pub scaling: f64,
    /// Dropout rate of the adapter's output.
    #[serde(default)]
    pub dropout: f64,
    /// Weight initialization.
    #[serde(default)]
    pub init_weights: AdapterInit,
    /// Layers without this adapter, from zero. MAD-X 2.0 leaves out the last.
    #[serde(default)]
    pub leave_out: Vec<usize>,
    /// Reduction factor of an invertible adapter after the embeddings: its inner width is half the
    /// hidden size divided by this; `None` for no invertible adapter.
    #[serde(default)]
    pub inv_adapter_reduction_factor: Option<f64>,
}

fn yes() -> bool {
    true
}

fn one() -> f64 {
    1.0
}

/// Residual connection of a sequential adapter: the tensor that is added to its output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterResidual {
    /// `h`, whatever the adapter's input is.
    #[default]
    BeforeLn,
    /// `h + r`.
    PostAdd,
    /// The adapter's input.
    AfterLn,
}

/// Weight initialization of a bottleneck adapter; biases are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterInit {
    /// Normal distribution with standard deviation 0.02.
    #[default]
    Bert,
    /// Down projection: uniform distribution in `± 1 / √hidden`; up projection: zeros. He et al.
    /// 2022.
    MamAdapter,
    /// Truncated normal distribution with standard deviation 0.01, cut at two standard deviations.
    /// Houlsby et al. 2019.
    Houlsby,
}

/// Upper limit of the bottleneck's width, as a multiple of the hidden size.
const MAX_EXPANSION: f64 = 16.0;

impl BottleneckConfig {
    /// Pfeiffer adapter (`SeqBnConfig`): after the feed-forward network, with the pretrained layer
    /// normalization before and after it.
    pub fn seq_bn(reduction_factor: f64) -> Self {
        Self {
            mh_adapter: false,
            output_adapter: true,
            reduction_factor,
            non_linearity: NonLinearity::Relu,
            original_ln_before: true,
            original_ln_after: true,
            residual_before_ln: AdapterResidual::BeforeLn,
            is_parallel: false,
            scaling: 1.0,
            dropout: 0.0,
            init_weights: AdapterInit::Bert,
            leave_out: Vec::new(),
            inv_adapter_reduction_factor: None,
        }
    }

    /// MAD-X language adapter (`SeqBnInvConfig`): a Pfeiffer adapter with an invertible adapter of
    /// reduction factor 2.
    pub fn seq_bn_inv(reduction_factor: f64) -> Self {
        Self { inv_adapter_reduction_factor: Some(2.0), ..Self::seq_bn(reduction_factor) }
    }

    /// Houlsby adapter (`DoubleSeqBnConfig`): after attention and after the feed-forward network.
    pub fn double_seq_bn(reduction_factor: f64) -> Self {
        Self {
            mh_adapter: true,
            non_linearity: NonLinearity::Swish,
            original_ln_before: false,
            ..Self::seq_bn(reduction_factor)
        }
    }

    /// Parallel adapter (`ParBnConfig`, He et al. 2022): parallel to the feed-forward network,
    /// scaled by 4.
    pub fn par_bn(reduction_factor: f64) -> Self {
        Self {
            original_ln_before: false,
            is_parallel: true,
            scaling: 4.0,
            init_weights: AdapterInit::MamAdapter,
            ..Self::seq_bn(reduction_factor)
        }
    }

    /// Leaves out the adapters of these layers (`leave_out`).
    #[must_use]
    pub fn leaving_out(mut self, layers: &[usize]) -> Self {
        self.leave_out.extend_from_slice(layers);
        self.leave_out.sort_unstable();
        self.leave_out.dedup();
        self
    }

    /// Width of the bottleneck.
    pub fn bottleneck_size(&self, hidden_size: usize) -> usize {
        bottleneck_width(hidden_size, self.reduction_factor)
    }

    /// Weight initialization of the two layers, `[down, up]`.
    pub(super) fn inits(&self, hidden_size: usize) -> [Init; 2] {
        match self.init_weights {
            AdapterInit::Bert => [Init::Normal(0.02); 2],
            AdapterInit::MamAdapter => {
                [Init::Uniform(1.0 / (hidden_size as f64).sqrt()), Init::Zeros]
            }
            AdapterInit::Houlsby => [Init::TruncatedNormal(0.01); 2],
        }
    }

    /// Checks that this adapter can be built for the encoder.
    pub(in crate::peft) fn check(&self, encoder: &EncoderConfig) -> Result<(), AdapterError> {
        let refuse = |field, problem| Err(AdapterError::Config { field, problem });
        let factors = [
            ("reduction_factor", Some(self.reduction_factor)),
            ("inv_adapter_reduction_factor", self.inv_adapter_reduction_factor),
        ];
        for (field, factor) in factors {
            if let Some(found) =
                factor.filter(|factor| !(1.0 / MAX_EXPANSION..1e9).contains(factor))
            {
                return refuse(
                    field,
                    format!("expected at least 1/{MAX_EXPANSION}, found {found}"),
                );
            }
        }
        if !(self.mh_adapter || self.output_adapter) {
            return refuse("output_adapter", "neither this nor \"mh_adapter\" is set".into());
        }
        if !self.scaling.is_finite() {
            return refuse("scaling", format!("expected a number, found {}", self.scaling));
        }
        if let Some((field, problem)) = below_one("dropout", self.dropout) {
            return refuse(field, problem);
        }
        if self.residual_before_ln == AdapterResidual::PostAdd && !self.original_ln_before {
            let problem = "\"post_add\" needs \"original_ln_before\"";
            return refuse("residual_before_ln", problem.into());
        }
        let n_layers = encoder.num_hidden_layers;
        if let Some(layer) = self.leave_out.iter().find(|layer| **layer >= n_layers) {
            return refuse("leave_out", format!("layer {layer} of a model of {n_layers}"));
        }
        if (0..n_layers).all(|layer| self.leave_out.contains(&layer)) {
            return refuse("leave_out", format!("no layer is left of a model of {n_layers}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets;

    #[test]
    fn the_bottleneck_is_rounded_down_and_never_empty() {
        assert_eq!(BottleneckConfig::seq_bn(16.0).bottleneck_size(768), 48);
        assert_eq!(BottleneckConfig::seq_bn(16.0).bottleneck_size(100), 6);
        assert_eq!(BottleneckConfig::seq_bn(64.0).bottleneck_size(32), 1);
        assert_eq!(BottleneckConfig::seq_bn(0.5).bottleneck_size(32), 64);
    }

    #[test]
    fn configurations_that_make_no_adapter_are_refused() {
        let encoder = presets::tiny(10);
        let fault = |config: BottleneckConfig| config.check(&encoder).map_err(|e| e.to_string());
        let plain = BottleneckConfig::seq_bn(2.0);
        assert_eq!(fault(plain.clone()), Ok(()));
        for (config, part) in [
            (BottleneckConfig { reduction_factor: 0.0, ..plain.clone() }, "\"reduction_factor\""),
            (
                BottleneckConfig { reduction_factor: f64::NAN, ..plain.clone() },
                "\"reduction_factor\"",
            ),
            (BottleneckConfig { output_adapter: false, ..plain.clone() }, "\"mh_adapter\""),
            (BottleneckConfig { dropout: 1.0, ..plain.clone() }, "[0, 1)"),
            (plain.clone().leaving_out(&[1, 2]), "layer 2 of a model of 2"),
        ] {
            let message = fault(config).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_configuration_is_read_from_what_is_written() {
        let config = BottleneckConfig::par_bn(2.0).leaving_out(&[11]);
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<BottleneckConfig>(&json).unwrap(), config);
    }
}
