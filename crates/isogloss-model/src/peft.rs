//! Parameter-efficient fine-tuning (PEFT): adapters that are put into an encoder, whose own parameters
//! may stay as they are.
//!
//! A kind of adapter is a folder here: its configuration, its module and where that goes in an encoder,
//! its fields and tensors in a folder of the library that it comes from. This file is the one table of
//! all kinds: [`AdapterConfig`] for configurations, [`Part`], [`ProjectionPart`] and [`AdaptedDense`]
//! for the points of an encoder that adapters are put at.

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
use isogloss_kernels::linear;
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

/// The library whose folders hold a kind of adapter; names of adapters are unique within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterLibrary {
    /// `adapters`: adapters that act once they are on the encoder's active stack.
    Adapters,
    /// `peft`: adapters that act wherever they are, all at once.
    Peft,
}

/// The configuration of an adapter of any kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AdapterConfig {
    /// A bottleneck adapter.
    Bottleneck(BottleneckConfig),
    /// Low-rank adaptation.
    Lora(LoraConfig),
    /// (IA)³.
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
    /// The library whose folders hold such an adapter.
    pub fn library(&self) -> AdapterLibrary {
        match self {
            Self::Bottleneck(_) => AdapterLibrary::Adapters,
            Self::Lora(_) | Self::Ia3(_) => AdapterLibrary::Peft,
        }
    }

    /// What such an adapter is called in listings, and in the paths of its parameters if it is one of
    /// the `peft` library: `layers.<n>.<projection>.<kind>.<name>.<leaf>`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bottleneck(_) => "bottleneck",
            Self::Lora(_) => "lora",
            Self::Ia3(_) => "ia3",
        }
    }

    /// Its size in a few words.
    pub fn size(&self) -> String {
        match self {
            Self::Bottleneck(config) => format!("reduction {}", config.reduction_factor),
            Self::Lora(config) => format!("rank {}", config.r),
            Self::Ia3(config) => format!("{} vectors a layer", config.target_modules.len()),
        }
    }

    /// Layers that are left without it, beyond those that are pruned, from zero.
    pub fn left_out(&self) -> &[usize] {
        match self {
            Self::Bottleneck(config) => &config.leave_out,
            Self::Lora(_) | Self::Ia3(_) => &[],
        }
    }

    /// Whether it has a part after the embeddings, which acts under all other adapters alone.
    pub fn is_invertible(&self) -> bool {
        matches!(self, Self::Bottleneck(config) if config.inv_adapter_reduction_factor.is_some())
    }

    /// Whether it acts beside a sublayer and cannot be stacked.
    pub fn is_parallel(&self) -> bool {
        matches!(self, Self::Bottleneck(config) if config.is_parallel)
    }

    /// Builds the modules of the adapter `name`, each with the point of the encoder that it is put at.
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

    /// Reads the configuration in a folder of the `adapters` library.
    pub(crate) fn read_adapters(json: &Value) -> Result<BottleneckConfig, ConfigError> {
        bottleneck::read_config(json)
    }

    /// Reads the configuration in a folder of the `peft` library that has these tensors.
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

    /// The fields that say in a folder what the adapter is.
    pub(crate) fn folder_fields(&self, encoder: &EncoderConfig) -> Value {
        match self {
            Self::Bottleneck(config) => bottleneck::config_fields(config),
            Self::Lora(config) => lora::config_fields(config, encoder),
            Self::Ia3(config) => ia3::config_fields(config, encoder),
        }
    }

    /// Whether a parameter of an encoder is one of the adapter `name` of this kind.
    pub(crate) fn owns(&self, name: &str, path: &str) -> bool {
        match self.library() {
            AdapterLibrary::Adapters => path.contains(&format!("adapters.{name}.")),
            AdapterLibrary::Peft => path.contains(&format!(".{}.{name}.", self.kind())),
        }
    }
}

/// The name of an adapter's parameter in a file, without prefixes; none if `path` is of no adapter.
pub(crate) fn tensor_name(family: &FamilySpec, path: &str) -> Option<String> {
    bottleneck::tensor_name(family, path)
        .or_else(|| lora::tensor_name(family, path))
        .or_else(|| ia3::tensor_name(family, path))
}

/// Names that earlier versions of the `adapters` library gave to the same tensor.
pub(crate) fn earlier_tensor_names(name: &str) -> Vec<String> {
    bottleneck::earlier_tensor_names(name)
}

/// The values of `peft_type` that are read.
const PEFT_TYPES: [&str; 2] = [lora::PEFT_TYPE, ia3::PEFT_TYPE];

/// A module of an adapter, and the point of the encoder that it is put at.
pub(crate) enum Part {
    /// After the embeddings.
    Embeddings(Coupling),
    /// At the ends of both sublayers of a block.
    Sublayers(usize, LayerAdapter),
    /// At a projection of a block.
    Projection(usize, TargetModule, ProjectionPart),
}

/// A module of an adapter at a projection, of any kind.
pub(crate) enum ProjectionPart {
    Lora(Lora),
    Ia3(Ia3),
}

/// The parts of an adapter at projections.
fn at_projections<T>(
    modules: Vec<(usize, TargetModule, T)>,
    kind: fn(T) -> ProjectionPart,
) -> Vec<Part> {
    let part = |(layer, target, module)| Part::Projection(layer, target, kind(module));
    modules.into_iter().map(part).collect()
}

/// A dense layer of a block, and the adapters that are put at it.
///
/// The field of a kind has its [name](AdapterConfig::kind), which is a step of its parameters' paths.
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
    /// The adapters of all kinds.
    fn adapters(&self) -> impl Iterator<Item = &dyn ProjectionAdapter> {
        let lora = self.lora.values().map(|lora| lora as &dyn ProjectionAdapter);
        lora.chain(self.ia3.values().map(|ia3| ia3 as &dyn ProjectionAdapter))
    }

    /// Puts an adapter at the layer, in place of one of the same name.
    pub(crate) fn insert(&mut self, name: &str, adapter: ProjectionPart) {
        self.remove(name);
        match adapter {
            ProjectionPart::Lora(lora) => self.lora.insert(name, lora),
            ProjectionPart::Ia3(ia3) => self.ia3.insert(name, ia3),
        }
    }

    /// Removes the adapter of a name.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Box<dyn ProjectionAdapter>> {
        let lora = self.lora.remove(name).map(|lora| Box::new(lora) as Box<dyn ProjectionAdapter>);
        let ia3 = self.ia3.remove(name).map(|ia3| Box::new(ia3) as Box<dyn ProjectionAdapter>);
        lora.or(ia3)
    }

    /// The layer's output as all adapters change it, `[batch, seq, out]`.
    pub(crate) fn forward(&self, x: Tensor<3>, masks: &mut DropoutMasks) -> Tensor<3> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        if self.adapters().next().is_none() {
            return linear(x, weight, bias);
        }
        let x = self.adapters().fold(x, |x, adapter| adapter.input(x));
        let output = linear(x.clone(), weight, bias);
        self.adapters().fold(output, |output, adapter| adapter.output(output, &x, masks))
    }

    /// Merges the adapter `name` into weight and bias for good.
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

/// A parameter with other values, which is trained if it was before.
fn replaced<const D: usize>(param: Param<Tensor<D>>, values: Tensor<D>) -> Param<Tensor<D>> {
    param.map(|old| values.detach().set_require_grad(old.is_require_grad()))
}
