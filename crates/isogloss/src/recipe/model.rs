//! The `[model]` table: the pretrained encoder, its pooling and its maximum length.

use isogloss_model::Pooling;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// The `[model]` table: the pretrained model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelRecipe {
    /// A Hugging Face folder, or the name of a repository on the hub, `owner/name[@revision]`.
    pub source: String,
    /// How a sentence becomes a vector; not used for tagging.
    pub pooling: Pooling,
    /// Tokens after which a text is cut, specials included.
    pub max_length: usize,
    /// All rates of dropout while it is trained; the model's own by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Begins by leaving out of the vocabulary what no text of this recipe needs: the same training with
    /// a smaller table, but for the decay of rows that no text reads and for what is drawn from the
    /// whole vocabulary, as masked language modelling does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub trim: bool,
    /// Trains a model whose vocabulary was cut to a number of pieces on texts that need others too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_unknown: bool,
}

impl Default for ModelRecipe {
    fn default() -> Self {
        Self {
            source: String::new(),
            pooling: Pooling::Mean,
            max_length: 128,
            dropout: None,
            trim: false,
            allow_unknown: false,
        }
    }
}

impl ModelRecipe {
    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        if self.source.is_empty() {
            faults.add("model.source", "name a folder or a repository on the hub");
        }
        faults.at_least("model.max_length", self.max_length as u64, 3);
        if let Some(rate) = self.dropout {
            faults.below_one("model.dropout", rate);
        }
    }
}
