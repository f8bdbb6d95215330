//! Parameter-efficient fine-tuning (PEFT): bottleneck adapters, LoRA and (IA)³ in an encoder,
//! whose own parameters can stay frozen.
//!
//! Each kind of adapter has a submodule: its configuration, its module and its position in the
//! encoder, and its form in the folders of its library (`adapters` or `peft`). This file lists all
//! kinds: [`AdapterConfig`] for configurations; [`Part`], [`ProjectionPart`] and [`AdaptedDense`]
//! for the positions in an encoder.

mod activation;
mod bottleneck;
mod ia3;
mod invertible;
mod lora;
mod peft_fields;
mod projection;
mod target;
mod target_names;
mod width;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use isogloss_kernels::{gelu, linear, linear_gelu};
use serde::Serialize;
use serde_json::Value;

use crate::family::FamilySpec;
use crate::named::Named;
use crate::nn::{Dense, DropoutMasks};
use crate::params::Builder;
use crate::{AdapterError, ConfigError, EncoderConfig};

pub use activation::NonLinearity;
pub use bottleneck::{AdapterInit, AdapterResidual, BottleneckConfig};
pub(crate) use bottleneck::{Bottleneck, LayerAdapter, SublayerEnd};
pub use ia3::Ia3Config;
pub(crate) use invertible::Coupling;
pub use lora::LoraConfig;
pub use target::TargetModule;
pub(crate) use target_names::StoredShapes;

use ia3::Ia3;
use lora::Lora;
use projection::ProjectionAdapter;

/// Python library (`adapters` or `peft`) whose folder format a kind of adapter has; adapter names
/// are unique within a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterLibrary {
    /// `adapters`: its adapters take effect once they are in the encoder's active stack.
    Adapters,
    /// `peft`: all its adapters in an encoder take effect together.
    Peft,
}

/// Adapter configuration of any kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AdapterConfig {
    /// Bottleneck adapter.
    Bottleneck(BottleneckConfig),
    /// LoRA, low-rank adaptation.
    Lora(LoraConfig),
    /// (IA)³, rescaling of activations by learned vectors.
    Ia3(Ia3Config),
}

impl From<BottleneckConfig> for AdapterConfig {
    fn from(config: BottleneckConfig) -> Self {
        Self::Bottleneck(config)
    }
}

impl From<LoraConfig> for AdapterConfig {
    fn from(config: LoraConfig) -> Self {
        Self::Lora(config)
    }
}

impl From<Ia3Config> for AdapterConfig {
    fn from(config: Ia3Config) -> Self {
        Self::Ia3(config)
    }
}

impl AdapterConfig {
    /// The library of this kind of adapter.
    pub fn library(&self) -> AdapterLibrary {
        match self {
            Self::Bottleneck(_) => AdapterLibrary::Adapters,
            Self::Lora(_) | Self::Ia3(_) => AdapterLibrary::Peft,
        }
    }

    /// Name of the kind, for listings; part of the parameter paths of adapters of the `peft`
    /// library: `layers.<n>.<projection>.<kind>.<name>.<leaf>`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bottleneck(_) => "bottleneck",
            Self::Lora(_) => "lora",
            Self::Ia3(_) => "ia3",
        }
    }

    /// Size as text for listings: reduction factor, rank or number of vectors.
    pub fn size(&self) -> String {
        match self {
            Self::Bottleneck(config) => format!("reduction {}", config.reduction_factor),
            Self::Lora(config) => format!("rank {}", config.r),
            Self::Ia3(config) => format!("{} vectors a layer", config.target_modules.len()),
        }
    }

    /// Layers without this adapter (`leave_out`), from zero, in addition to pruned ones.
    pub fn left_out(&self) -> &[usize] {
        match self {
            Self::Bottleneck(config) => &config.leave_out,
            Self::Lora(_) | Self::Ia3(_) => &[],
        }
    }

    /// Whether it has an invertible adapter after the embeddings, which is used only if the adapter
    /// is the first of the active stack.
    pub fn is_invertible(&self) -> bool {
        matches!(self, Self::Bottleneck(config) if config.inv_adapter_reduction_factor.is_some())
    }

    /// Whether it is a parallel adapter, which cannot be stacked.
    pub fn is_parallel(&self) -> bool {
        matches!(self, Self::Bottleneck(config) if config.is_parallel)
    }

    /// Builds the modules of the adapter `name`, each with its position in the encoder.
    pub(crate) fn init(
        &self,
        name: &str,
        encoder: &EncoderConfig,
        builder: &mut Builder<'_>,
    ) -> Result<Vec<Part>, AdapterError> {
        match self {
            Self::Bottleneck(config) => {
                config.check(encoder)?;
                let (layers, coupling) = config.init(name, encoder, builder);
                let layers = layers.into_iter().map(|(layer, part)| Part::Sublayers(layer, part));
                Ok(layers.chain(coupling.map(Part::Embeddings)).collect())
            }
            Self::Lora(config) => {
                config.check(encoder)?;
                Ok(at_projections(config.init(name, encoder, builder)?, ProjectionPart::Lora))
            }
            Self::Ia3(config) => {
                config.check()?;
                Ok(at_projections(config.init(name, encoder, builder)?, ProjectionPart::Ia3))
            }
        }
    }

    /// Parses the configuration of a folder of the `adapters` library.
    pub(crate) fn read_adapters(json: &Value) -> Result<BottleneckConfig, ConfigError> {
        bottleneck::read_config(json)
    }

    /// Parses the configuration of a folder of the `peft` library with these tensors.
    pub(crate) fn read_peft(
        json: &Value,
        encoder: &EncoderConfig,
        tensors: &StoredShapes<'_>,
    ) -> Result<Self, ConfigError> {
        match crate::config::Fields(json).text("peft_type")? {
            lora::PEFT_TYPE => lora::read_config(json, encoder, tensors).map(Self::Lora),
            ia3::PEFT_TYPE => ia3::read_config(json, encoder, tensors).map(Self::Ia3),
            other => {
                let expected = format!("\"{}\"", PEFT_TYPES.join("\" or \""));
                Err(ConfigError::value("peft_type", expected, format!("\"{other}\"")))
            }
        }
    }

    /// Fields of `adapter_config.json` that describe the adapter.
    pub(crate) fn folder_fields(&self, encoder: &EncoderConfig) -> Value {
        match self {
            Self::Bottleneck(config) => bottleneck::config_fields(config),
            Self::Lora(config) => lora::config_fields(config, encoder),
            Self::Ia3(config) => ia3::config_fields(config, encoder),
        }
    }

    /// Whether the parameter at `path` belongs to the adapter `name` of this kind.
    pub(crate) fn owns(&self, name: &str, path: &str) -> bool {
        match self.library() {
            AdapterLibrary::Adapters => path.contains(&format!("adapters.{name}.")),
            AdapterLibrary::Peft => path.contains(&format!(".{}.{name}.", self.kind())),
        }
    }
}

/// Tensor name of an adapter parameter in a file, without prefixes; `None` if `path` is not of an
/// adapter.
pub(crate) fn tensor_name(family: &FamilySpec, path: &str) -> Option<String> {
    bottleneck::tensor_name(family, path)
        .or_else(|| lora::tensor_name(family, path))
        .or_else(|| ia3::tensor_name(family, path))
}

/// Names of the same tensor in earlier versions of the `adapters` library.
pub(crate) fn earlier_tensor_names(name: &str) -> Vec<String> {
    bottleneck::earlier_tensor_names(name)
}

/// Supported values of `peft_type`.
const PEFT_TYPES: [&str; 2] = [lora::PEFT_TYPE, ia3::PEFT_TYPE];

/// Module of an adapter and its position in the encoder.
pub(crate) enum Part {
    /// Invertible adapter after the embeddings.
    Embeddings(Coupling),
    /// Bottleneck adapters after the sublayers of a block.
    Sublayers(usize, LayerAdapter),
    /// Adapter of a linear projection of a block.
    Projection(usize, TargetModule, ProjectionPart),
}

/// Module of an adapter of a linear projection, of any kind.
pub(crate) enum ProjectionPart {
    Lora(Lora),
    Ia3(Ia3),
}

/// Wraps the modules of an adapter of projections as parts.
fn at_projections<T>(
    modules: Vec<(usize, TargetModule, T)>,
    kind: fn(T) -> ProjectionPart,
) -> Vec<Part> {
    let part = |(layer, target, module)| Part::Projection(layer, target, kind(module));
    modules.into_iter().map(part).collect()
}

/// Dense layer of a block with its adapters (LoRA or (IA)³).
///
/// The fields are named by [`AdapterConfig::kind`], which is part of the parameter paths.
#[derive(Module, Debug)]
pub(crate) struct AdaptedDense {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    lora: Named<Lora>,
    ia3: Named<Ia3>,
}

impl From<Dense> for AdaptedDense {
    fn from(dense: Dense) -> Self {
        Self { weight: dense.weight, bias: dense.bias, lora: Named::new(), ia3: Named::new() }
    }
}

impl AdaptedDense {
    /// All adapters of the layer.
    fn adapters(&self) -> impl Iterator<Item = &dyn ProjectionAdapter> {
        let lora = self.lora.values().map(|lora| lora as &dyn ProjectionAdapter);
        lora.chain(self.ia3.values().map(|ia3| ia3 as &dyn ProjectionAdapter))
    }

    /// Adds an adapter, replacing one of the same name.
    pub(crate) fn insert(&mut self, name: &str, adapter: ProjectionPart) {
        self.remove(name);
        match adapter {
            ProjectionPart::Lora(lora) => self.lora.insert(name, lora),
            ProjectionPart::Ia3(ia3) => self.ia3.insert(name, ia3),
        }
    }

    /// Removes the adapter of this name.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Box<dyn ProjectionAdapter>> {
        let lora = self.lora.remove(name).map(|lora| Box::new(lora) as Box<dyn ProjectionAdapter>);
        let ia3 = self.ia3.remove(name).map(|ia3| Box::new(ia3) as Box<dyn ProjectionAdapter>);
        lora.or(ia3)
    }

    /// Forward pass of the layer with all its adapters, `[batch, seq, out]`.
    pub(crate) fn forward(&self, x: Tensor<3>, masks: &mut DropoutMasks) -> Tensor<3> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        if self.adapters().next().is_none() {
            return linear(x, weight, bias);
        }
        let x = self.adapters().fold(x, |x, adapter| adapter.input(x));
        let output = linear(x.clone(), weight, bias);
        self.adapters().fold(output, |output, adapter| adapter.output(output, &x, masks))
    }

    /// Forward pass with GELU after it, `[batch, seq, out]`.
    pub(crate) fn forward_gelu(&self, x: Tensor<3>, masks: &mut DropoutMasks) -> Tensor<3> {
        if self.adapters().next().is_none() {
            return linear_gelu(x, self.weight.val(), self.bias.val());
        }
        gelu(self.forward(x, masks))
    }

    /// Merges the adapter `name` into weight and bias, and removes it.
    pub(crate) fn merge(&mut self, name: &str) {
        let Some(adapter) = self.remove(name) else {
            return;
        };
        let (weight, bias) = (self.weight.val().detach(), self.bias.val().detach());
        let (weight, bias) = adapter.merge(weight, bias);
        self.weight = replaced(self.weight.clone(), weight);
        self.bias = replaced(self.bias.clone(), bias);
    }
}

/// Replaces the values of a parameter and keeps its `require_grad`.
fn replaced<const D: usize>(param: Param<Tensor<D>>, values: Tensor<D>) -> Param<Tensor<D>> {
    param.map(|old| values.detach().set_require_grad(old.is_require_grad()))
}
