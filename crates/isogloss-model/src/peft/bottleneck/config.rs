//! Configuration of bottleneck adapters, with the fields of the `adapters` library 1.3.0.

use serde::{Deserialize, Serialize};

use crate::peft::activation::NonLinearity;
use crate::peft::width::bottleneck_width;
use crate::{AdapterError, EncoderConfig, Init};

/// A bottleneck adapter in every block: its sizes, and how it is wired with the block's residual sum.
///
/// With `h` the output of a sublayer, `r` what that sublayer read and `LN` the pretrained
/// normalization after it, a block without adapters gives `LN(h + r)`. With the adapters 1, …, n of
/// a stack, `a₀ = h`:
/// - `seq_bn`: `xₙ = LN(aₙ₋₁ + r)`, `aₙ = U f(D xₙ) + aₙ₋₁`
/// - `double_seq_bn`: `aₙ = U f(D aₙ₋₁) + aₙ₋₁`
/// - `par_bn`: `a₁ = scaling · U f(D r) + h`
///
/// and the block gives `LN(aₙ + r)`: all of these are the same normalization.
///
/// # Source
/// Houlsby et al. 2019, arXiv:1902.00751; Pfeiffer et al. 2020, arXiv:2005.00052 (MAD-X); He et al.
/// 2022, arXiv:2110.04366. The arrangement of residuals and normalizations is that of the `adapters`
/// library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BottleneckConfig {
    /// An adapter after attention.
    pub mh_adapter: bool,
    /// An adapter after the feed-forward network.
    pub output_adapter: bool,
    /// The hidden size divided by this, rounded down and at least one, is the bottleneck's width.
    pub reduction_factor: f64,
    /// The function `f` in the bottleneck, and in the invertible adapter.
    pub non_linearity: NonLinearity,
    /// The adapter reads `LN(h + r)` in place of `h`.
    #[serde(default)]
    pub original_ln_before: bool,
    /// The block ends with `LN(a + r)`; without it, with `a`.
    #[serde(default = "yes")]
    pub original_ln_after: bool,
    /// What is added to the adapter's output.
    #[serde(default)]
    pub residual_before_ln: AdapterResidual,
    /// The adapter reads `r`, and its output is added to the sublayer's.
    #[serde(default)]
    pub is_parallel: bool,
    /// Multiplies the adapter's output.
    #[serde(default = "one")]
    pub scaling: f64,
    /// Dropout of the adapter's output.
    #[serde(default)]
    pub dropout: f64,
    /// How new weights begin.
    #[serde(default)]
    pub init_weights: AdapterInit,
    /// Layers without this adapter, from zero. MAD-X 2.0 leaves out the last.
    #[serde(default)]
    pub leave_out: Vec<usize>,
    /// Half the hidden size divided by this is the width inside an invertible adapter after the
    /// embeddings; none is there without it.
    #[serde(default)]
    pub inv_adapter_reduction_factor: Option<f64>,
}

fn yes() -> bool {
    true
}

fn one() -> f64 {
    1.0
}

/// What is added to the output of a sequential adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterResidual {
    /// `h`, whatever the adapter reads.
    #[default]
    BeforeLn,
    /// `h + r`.
    PostAdd,
    /// What the adapter reads.
    AfterLn,
}

/// How the weights of a new adapter begin; biases are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterInit {
    /// Normal with standard deviation 0.02.
    #[default]
    Bert,
    /// Down: uniform within `1 / √hidden`; up: zero. He et al. 2022.
    MamAdapter,
    /// Normal with standard deviation 0.01, cut off at two of them.
    Houlsby,
}

/// A bottleneck wider than this many hidden states is a damaged number.
const MAX_EXPANSION: f64 = 16.0;

impl BottleneckConfig {
    /// Pfeiffer's adapter: after the feed-forward network, around the pretrained normalization.
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

    /// MAD-X's language adapter: Pfeiffer's, with an invertible adapter of reduction 2.
    pub fn seq_bn_inv(reduction_factor: f64) -> Self {
        Self { inv_adapter_reduction_factor: Some(2.0), ..Self::seq_bn(reduction_factor) }
    }

    /// Houlsby's adapters: after attention and after the feed-forward network.
    pub fn double_seq_bn(reduction_factor: f64) -> Self {
        Self {
            mh_adapter: true,
            non_linearity: NonLinearity::Swish,
            original_ln_before: false,
            ..Self::seq_bn(reduction_factor)
        }
    }

    /// He et al.'s parallel adapter beside the feed-forward network, scaled by 4.
    pub fn par_bn(reduction_factor: f64) -> Self {
        Self {
            original_ln_before: false,
            is_parallel: true,
            scaling: 4.0,
            init_weights: AdapterInit::MamAdapter,
            ..Self::seq_bn(reduction_factor)
        }
    }

    /// The same without adapters in these layers.
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

    /// How the weights of the two layers, `[down, up]`, begin.
    pub(super) fn inits(&self, hidden_size: usize) -> [Init; 2] {
        match self.init_weights {
            AdapterInit::Bert => [Init::Normal(0.02); 2],
            AdapterInit::MamAdapter => {
                [Init::Uniform(1.0 / (hidden_size as f64).sqrt()), Init::Zeros]
            }
            AdapterInit::Houlsby => [Init::TruncatedNormal(0.01); 2],
        }
    }

    /// Fails unless an adapter of this kind can be built for the encoder.
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
        if !(0.0..1.0).contains(&self.dropout) {
            return refuse("dropout", format!("expected a rate in [0, 1), found {}", self.dropout));
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
