//! The `[subnetworks]` table: language-specific subnetworks, the heads and feed-forward blocks that
//! each language uses.

use std::path::PathBuf;

use isogloss_methods::{DynamicStart, DynamicSubnetworkConfig};
use isogloss_text::{Language, LanguagePattern};
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
    /// Seeds whose files are combined, in place of `{seed}` in the path: masks differ much from seed
    /// to seed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<u64>,
    /// How the subnetworks of `seeds` are combined.
    #[serde(default, skip_serializing_if = "is_majority")]
    pub over_seeds: OverSeeds,
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

/// Combination of the subnetworks of a language over seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverSeeds {
    /// The units that more than half of the subnetworks keep.
    #[default]
    Majority,
    /// The units that any of the subnetworks keeps.
    Union,
}

/// Whether the combination is left out of a recipe's text.
fn is_majority(over_seeds: &OverSeeds) -> bool {
    *over_seeds == OverSeeds::Majority
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
    /// The files of a source language: one, or one for each of several seeds.
    pub(crate) fn files(&self, seed: u64, source: &Language) -> Vec<PathBuf> {
        let seeds = if self.seeds.is_empty() { vec![seed] } else { self.seeds.clone() };
        seeds.into_iter().map(|seed| self.path.with_seed(seed).path(source)).collect()
    }

    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        faults.path_by_language("subnetworks.path", &self.path);
        if !self.seeds.is_empty() && !self.path.as_str().contains(LanguagePattern::SEED) {
            faults.add("subnetworks.path", "expected {seed}, which stands for each of seeds");
        }
        if self.over_seeds != OverSeeds::Majority && self.seeds.is_empty() {
            faults.add("subnetworks.over_seeds", "name the seeds in subnetworks.seeds");
        }
        for (index, seed) in self.seeds.iter().enumerate() {
            if self.seeds[..index].contains(seed) {
                faults.add(
                    "subnetworks.seeds",
                    format!("expected each seed once, found {seed} twice"),
                );
                break;
            }
        }
        let starts_important =
            self.dynamic.is_some_and(|dynamic| dynamic.start == DynamicStart::Importance);
        if self.random.is_some() && starts_important {
            let problem = "random subnetworks have no importance; leave one of them out";
            faults.add("subnetworks.dynamic.start", problem);
        }
        let dynamic = self.dynamic.iter().flat_map(DynamicSubnetworkConfig::faults);
        faults.add_fields("subnetworks.dynamic", dynamic);
    }
}
