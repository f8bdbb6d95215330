//! The `[subnetworks]` table: the heads and feed-forward blocks that each language uses.

use isogloss_methods::DynamicSubnetworkConfig;
use isogloss_text::LanguagePattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// The `[subnetworks]` table: each batch is read with the parts of the model that its language uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubnetworksRecipe {
    /// A file for each language of training, as `isogloss subnetwork` writes them; `{language}` stands
    /// for the language tag, `{seed}` for the recipe's seed.
    pub path: LanguagePattern,
    /// Draws other subnetworks of the same sizes from this seed and the recipe's: what chance would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<u64>,
    /// Draws them again while the model learns; those of the files are the beginning. Without it they
    /// stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic: Option<DynamicSubnetworkConfig>,
    /// What languages that are not trained on use.
    #[serde(default)]
    pub unseen: UnseenLanguage,
}

/// The subnetwork of a language that is not among the sources.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum UnseenLanguage {
    /// The whole model.
    #[default]
    Whole,
    /// What any language of training uses.
    Union,
    /// What the nearest language of training uses. The file has a line for each two languages, their
    /// tags and the distance between tabs; of equal ones, the first of the recipe is the nearest.
    Nearest {
        /// The file.
        distances: String,
    },
    /// What the language of training uses whose texts are most similar to those of its test split: by the
    /// cosine of the mean sentence embeddings that the encoder gives before training.
    Similar,
}

impl SubnetworksRecipe {
    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        faults.path_by_language("subnetworks.path", &self.path);
        let dynamic = self.dynamic.iter().flat_map(DynamicSubnetworkConfig::faults);
        faults.add_fields("subnetworks.dynamic", dynamic);
    }
}
