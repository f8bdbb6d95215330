//! The `[subnetworks]` table: language-specific subnetworks, the heads and feed-forward blocks that
//! each language uses.

use isogloss_methods::DynamicSubnetworkConfig;
use isogloss_text::LanguagePattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// The `[subnetworks]` table: language-specific subnetworks; each batch uses only the attention
/// heads and feed-forward blocks of its language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubnetworksRecipe {
    /// A subnetwork file for each source language, as `isogloss subnetwork` writes it; `{language}`
    /// stands for the language tag, `{seed}` for the recipe's seed.
    pub path: LanguagePattern,
    /// Random baseline: replaces the subnetworks by random ones of the same sizes, drawn from this
    /// seed and the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<u64>,
    /// Dynamic subnetworks: updates them during training by the importance of their units, starting
    /// from those of the files. Without it they are fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic: Option<DynamicSubnetworkConfig>,
    /// The subnetwork of languages that are not trained on.
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
    /// The union of the subnetworks of all source languages.
    Union,
    /// The subnetwork of the nearest source language. Each line of the file has the tags of two
    /// languages and their distance, separated by tabs; of equal distances, the first source of the
    /// recipe wins.
    Nearest {
        /// The file of language distances.
        distances: String,
    },
    /// The subnetwork of the source language whose texts are most similar to the language's test
    /// split, by the cosine similarity of mean sentence embeddings of the encoder before training.
    Similar,
}

impl SubnetworksRecipe {
    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        faults.path_by_language("subnetworks.path", &self.path);
        let dynamic = self.dynamic.iter().flat_map(DynamicSubnetworkConfig::faults);
        faults.add_fields("subnetworks.dynamic", dynamic);
    }
}
