//! The `pairs.aligner` table: word alignment of parallel sentences, by an aligner or from files.

use isogloss_text::{DictionaryRule, LanguagePattern, WordForm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// Word alignment of parallel sentences: a word aligner, or files of alignments.
///
/// Only one-to-one links between words that are written differently are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AlignerRecipe {
    /// Bilingual dictionaries, with a word and a translation on each line; see `DictionaryAligner`.
    Dictionary {
        /// The files, from the left language to `{language}`.
        path: LanguagePattern,
        /// The files from `{language}` to the left language; if absent, those of `path` are
        /// inverted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reverse_path: Option<LanguagePattern>,
        /// Normalization of words before they are looked up, such as lowercasing.
        #[serde(default)]
        words: WordForm,
        /// Back-translation rule: which word of the left sentence a translation must lead back to,
        /// the word itself (`"mutual"`) or, as in the code of Gaschi et al., exactly one of any
        /// (`"authors_code"`). With one dictionary and its inverse both are the same.
        #[serde(default)]
        rule: DictionaryRule,
    },
    /// Statistical word alignment (fast_align, Dyer et al. 2013), trained on the pairs; see
    /// `align_bidirectional`.
    Statistical {},
    /// Files of word alignments in Pharaoh format, `0-0 1-2`, one line for each pair, as written by
    /// `isogloss align`, fast_align and other aligners.
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
