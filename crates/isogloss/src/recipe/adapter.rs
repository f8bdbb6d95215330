//! The `[adapter]` table: bottleneck adapters, LoRA and (IA)³, trained in place of the model.

use isogloss_methods::{MethodInfo, method_options};
use isogloss_model::{AdapterConfig, BottleneckConfig, Ia3Config, LoraConfig, TargetModule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[adapter]` table: parameter-efficient fine-tuning, which freezes the model and trains only
/// the adapter and the head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AdapterRecipe {
    /// Bottleneck adapter of Pfeiffer et al. 2021, [`BottleneckConfig::seq_bn`].
    SeqBn(BottleneckRecipe),
    /// Language adapter of MAD-X (Pfeiffer et al. 2020), [`BottleneckConfig::seq_bn_inv`].
    SeqBnInv(BottleneckRecipe),
    /// Bottleneck adapters of Houlsby et al. 2019, [`BottleneckConfig::double_seq_bn`].
    DoubleSeqBn(BottleneckRecipe),
    /// Parallel bottleneck adapter of He et al. 2022, [`BottleneckConfig::par_bn`].
    ParBn(BottleneckRecipe),
    /// LoRA: low-rank updates of projections.
    Lora(LoraConfig),
    /// (IA)³: vectors that rescale projections.
    Ia3(Ia3Config),
}

impl AdapterRecipe {
    /// The table of an adapter of this configuration, whatever its initialization; `None` if the
    /// recipe has no kind of it.
    pub(crate) fn from_config(config: &AdapterConfig) -> Option<Self> {
        let config = match config {
            AdapterConfig::Lora(config) => return Some(Self::Lora(config.clone())),
            AdapterConfig::Ia3(config) => return Some(Self::Ia3(config.clone())),
            AdapterConfig::Bottleneck(config) => config,
        };
        let kinds = [Self::SeqBn, Self::SeqBnInv, Self::DoubleSeqBn, Self::ParBn];
        let kinds = kinds.into_iter().map(|kind: fn(BottleneckRecipe) -> Self| {
            let BottleneckConfig { reduction_factor, dropout, ref leave_out, .. } = *config;
            kind(BottleneckRecipe { reduction_factor, dropout, leave_out: leave_out.clone() })
        });
        let is_it = |kind: &Self| match kind.config() {
            AdapterConfig::Bottleneck(other) => {
                BottleneckConfig { init_weights: config.init_weights, ..other } == *config
            }
            AdapterConfig::Lora(_) | AdapterConfig::Ia3(_) => false,
        };
        kinds.into_iter().find(is_it)
    }

    /// The table as it stands in a recipe, TOML.
    pub(crate) fn to_toml(&self) -> String {
        let table = toml::to_string(&std::collections::BTreeMap::from([("adapter", self)]));
        table.expect("numbers and names of an adapter are printable")
    }

    /// The adapter configuration of this table.
    pub(crate) fn config(&self) -> AdapterConfig {
        match self {
            Self::SeqBn(recipe) => recipe.config(BottleneckConfig::seq_bn),
            Self::SeqBnInv(recipe) => recipe.config(BottleneckConfig::seq_bn_inv),
            Self::DoubleSeqBn(recipe) => recipe.config(BottleneckConfig::double_seq_bn),
            Self::ParBn(recipe) => recipe.config(BottleneckConfig::par_bn),
            Self::Lora(config) => config.clone().into(),
            Self::Ia3(config) => config.clone().into(),
        }
    }
}

/// Bottleneck adapter: its width, its dropout and the layers without one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BottleneckRecipe {
    /// Reduction factor: the bottleneck's width is the hidden size divided by it.
    pub reduction_factor: f64,
    /// Dropout of the adapter's output.
    pub dropout: f64,
    /// Layers without an adapter, from zero.
    pub leave_out: Vec<usize>,
}

/// Method registry of adapters, `[adapter.<key>]`.
pub fn adapters() -> &'static [MethodInfo] {
    ADAPTERS
}

const ADAPTERS: &[MethodInfo] = &[
    MethodInfo {
        key: "seq_bn",
        title: "Bottleneck adapter after the feed-forward network",
        paper: "Pfeiffer et al. 2021, AdapterFusion, arXiv:2005.00247",
        formula: "x = LN(h + r), a = U relu(D x) + h; the block gives LN(a + r)",
        needs: &[],
        file: "crates/isogloss-model/src/peft/bottleneck/config.rs",
        required: &[],
        example: || method_options(BottleneckRecipe::default()),
    },
    MethodInfo {
        key: "seq_bn_inv",
        title: "Language adapter with an invertible adapter after the embeddings (MAD-X)",
        paper: "Pfeiffer et al. 2020, MAD-X, arXiv:2005.00052",
        formula: "seq_bn, and of the embeddings e = [e₁; e₂]: o₁ = F(e₂) + e₁, o₂ = G(o₁) + e₂",
        needs: &[],
        file: "crates/isogloss-model/src/peft/bottleneck/config.rs",
        required: &[],
        example: || method_options(BottleneckRecipe::default()),
    },
    MethodInfo {
        key: "double_seq_bn",
        title: "Bottleneck adapters after attention and after the feed-forward network",
        paper: "Houlsby et al. 2019, arXiv:1902.00751",
        formula: "a = U swish(D h) + h after both sublayers; each gives LN(a + r)",
        needs: &[],
        file: "crates/isogloss-model/src/peft/bottleneck/config.rs",
        required: &[],
        example: || method_options(BottleneckRecipe::default()),
    },
    MethodInfo {
        key: "par_bn",
        title: "Parallel bottleneck adapter beside the feed-forward network",
        paper: "He et al. 2022, arXiv:2110.04366",
        formula: "a = 4 · U relu(D r) + h; the block gives LN(a + r)",
        needs: &[],
        file: "crates/isogloss-model/src/peft/bottleneck/config.rs",
        required: &[],
        example: || method_options(BottleneckRecipe::default()),
    },
    MethodInfo {
        key: "lora",
        title: "LoRA: low-rank changes of projections",
        paper: "Hu et al. 2022, arXiv:2106.09685",
        formula: "y = W x + b + (α / r) B A x, with W as it was",
        needs: &[],
        file: "crates/isogloss-model/src/peft/lora/config.rs",
        required: &["r", "lora_alpha", "target_modules"],
        example: || {
            method_options(LoraConfig {
                r: 8,
                lora_alpha: 16.0,
                lora_dropout: 0.0,
                target_modules: vec![TargetModule::Query, TargetModule::Value],
                layers_to_transform: None,
                use_rslora: false,
            })
        },
    },
    MethodInfo {
        key: "ia3",
        title: "(IA)³: vectors that rescale what projections give or read",
        paper: "Liu et al. 2022, arXiv:2205.05638",
        formula: "y = l ⊙ (W x + b) of keys and values, y = W (l ⊙ x) + b after feed-forward's GELU",
        needs: &[],
        file: "crates/isogloss-model/src/peft/ia3.rs",
        required: &["target_modules", "feedforward_modules"],
        example: || method_options(Ia3Config::new()),
    },
];

impl Default for BottleneckRecipe {
    fn default() -> Self {
        Self { reduction_factor: 16.0, dropout: 0.0, leave_out: Vec::new() }
    }
}

impl BottleneckRecipe {
    fn config(&self, kind: fn(f64) -> BottleneckConfig) -> AdapterConfig {
        let config = kind(self.reduction_factor).leaving_out(&self.leave_out);
        BottleneckConfig { dropout: self.dropout, ..config }.into()
    }
}
