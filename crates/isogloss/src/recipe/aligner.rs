//! The `pairs.aligner` table: where word alignments come from.

use isogloss_text::{LanguagePattern, WordForm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// A word aligner, or files of word alignments.
///
/// Of whichever links there are, only those remain that are one to one and not of a word to itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AlignerRecipe {
    /// Bilingual dictionaries, a word and a translation a line; see `DictionaryAligner`.
    Dictionary {
        /// The files, from the left language to `{language}`.
        path: LanguagePattern,
        /// The files from `{language}` to the left language; the others, turned round, if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reverse_path: Option<LanguagePattern>,
        /// Which words count as the same.
        #[serde(default)]
        words: WordForm,
    },
    /// A model of how words are translated and moved, learnt from the pairs; see
    /// `align_both_ways`.
    Statistical {},
    /// Files of links, a line for each pair, as `isogloss align` and other aligners write them.
    Pharaoh {
        /// The files.
        path: LanguagePattern,
    },
}

impl AlignerRecipe {
    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        match self {
            Self::Dictionary { path, reverse_path, .. } => {
                faults.path_by_language("pairs.aligner.dictionary.path", path);
                if let Some(path) = reverse_path {
                    faults.path_by_language("pairs.aligner.dictionary.reverse_path", path);
                }
            }
            Self::Statistical {} => {}
            Self::Pharaoh { path } => faults.path_by_language("pairs.aligner.pharaoh.path", path),
        }
    }
}
