//! LoRA configuration, with the fields of `LoraConfig` of the `peft` library.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::faults::below_one;
use crate::peft::target::TargetModule;
use crate::{AdapterError, EncoderConfig};

/// LoRA, low-rank adaptation of linear projections: `y = W x + b + (α / r) B A x`, with the
/// pretrained `W` and `b`.
///
/// `A` is initialized uniformly within `± 1 / √in`, which is `peft`'s Kaiming-uniform
/// initialization with `a = √5`, and `B` with zeros, so that training starts from the pretrained
/// model.
///
/// # Source
/// Hu et al. 2022, LoRA, arXiv:2106.09685, §4.1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank of the update.
    pub r: usize,
    /// Scaling α: the product `B A` is multiplied by `lora_alpha / r`.
    pub lora_alpha: f64,
    /// Dropout rate of the input of `A`.
    #[serde(default)]
    pub lora_dropout: f64,
    /// Target projections.
    pub target_modules: Vec<TargetModule>,
    /// Target layers, from zero; all layers by default.
    #[serde(default)]
    pub layers_to_transform: Option<Vec<usize>>,
    /// Rank-stabilized LoRA: divides `lora_alpha` by the square root of the rank in place of the
    /// rank. Kalajdzievski 2023, arXiv:2312.03732.
    #[serde(default)]
    pub use_rslora: bool,
}

impl LoraConfig {
    /// LoRA of Hu et al. 2022: query and value projections, with `lora_alpha` equal to the rank.
    pub fn new(r: usize) -> Self {
        Self {
            r,
            lora_alpha: r as f64,
            lora_dropout: 0.0,
            target_modules: vec![TargetModule::Query, TargetModule::Value],
            layers_to_transform: None,
            use_rslora: false,
        }
    }

    /// Scaling factor of `B A`.
    pub fn scaling(&self) -> f64 {
        let r = self.r as f64;
        self.lora_alpha / if self.use_rslora { r.sqrt() } else { r }
    }

    /// The target layers.
    pub(super) fn layers(&self, n_layers: usize) -> Vec<usize> {
        self.layers_to_transform.clone().unwrap_or_else(|| (0..n_layers).collect())
    }

    /// Checks that this LoRA can be built for the encoder.
    pub(in crate::peft) fn check(&self, encoder: &EncoderConfig) -> Result<(), AdapterError> {
        let refuse = |field, problem| Err(AdapterError::Config { field, problem });
        let max = encoder.hidden_size.max(encoder.intermediate_size);
        if !(1..=max).contains(&self.r) {
            return refuse("r", format!("expected a rank of 1 to {max}, found {}", self.r));
        }
        if !self.lora_alpha.is_finite() {
            return refuse("lora_alpha", format!("expected a number, found {}", self.lora_alpha));
        }
        if let Some((field, problem)) = below_one("lora_dropout", self.lora_dropout) {
            return refuse(field, problem);
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
