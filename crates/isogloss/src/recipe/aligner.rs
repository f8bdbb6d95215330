//! The `pairs.aligner` table: word alignment of parallel sentences, by an aligner or from files.

use isogloss_text::{
    DictionaryRule, Extraction, FastAlignConfig, LanguagePattern, LinkUnit, Symmetrization,
    WordForm,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// Word alignment of parallel sentences: a word aligner, or files of alignments.
///
/// Only one-to-one links between words that are written differently are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    Statistical(StatisticalAlignerRecipe),
    /// Files of word alignments in Pharaoh format, `0-0 1-2`, one line for each pair, as written by
    /// `isogloss align`, fast_align and other aligners.
    Pharaoh {
        /// The files.
        path: LanguagePattern,
    },
    /// Word alignment by contextual embeddings (SimAlign, AWESOME-align) of the model that is
    /// trained; see `EncoderAligner`.
    Encoder(EncoderAlignerRecipe),
}

/// Statistical word alignment, by the names and defaults of `fast_align -d -o -v`; see
/// `FastAlignConfig`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatisticalAlignerRecipe {
    /// Number of EM iterations.
    pub iterations: usize,
    /// NULL-word probability p0: the probability that a right word translates no left word.
    pub null_probability: f64,
    /// Initial tension λ: how strongly links between words at the same relative position are
    /// favored.
    pub tension: f64,
    /// Whether to optimize the tension, from the second iteration on.
    pub optimize_tension: bool,
    /// Concentration α of the Dirichlet prior on translation probabilities (variational Bayes); 0 is
    /// maximum likelihood.
    pub variational_bayes: f64,
    /// Normalization of words before they are counted, such as lowercasing.
    pub words: WordForm,
    /// Symmetrization of the two directions.
    pub symmetrization: Symmetrization,
}

impl Default for StatisticalAlignerRecipe {
    fn default() -> Self {
        let config = FastAlignConfig::default();
        Self {
            iterations: config.iterations,
            null_probability: config.null_probability,
            tension: config.tension,
            optimize_tension: config.optimize_tension,
            variational_bayes: config.variational_bayes.unwrap_or_default(),
            words: WordForm::Bare,
            symmetrization: Symmetrization::default(),
        }
    }
}

impl StatisticalAlignerRecipe {
    /// The hyperparameters of fast_align.
    pub(crate) fn config(&self) -> FastAlignConfig {
        FastAlignConfig {
            iterations: self.iterations,
            null_probability: self.null_probability,
            tension: self.tension,
            optimize_tension: self.optimize_tension,
            variational_bayes: Some(self.variational_bayes).filter(|alpha| *alpha != 0.0),
        }
    }
}

/// Word alignment by contextual embeddings of the model that is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderAlignerRecipe {
    /// The layer whose hidden states are compared, 0 for the embeddings' output.
    pub layer: usize,
    /// How links are extracted from the similarity matrix.
    pub extraction: Extraction,
    /// The alignment unit.
    pub unit: LinkUnit,
    /// Whose hidden states are compared.
    pub model: AligningModel,
}

/// The model whose hidden states align words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AligningModel {
    /// The model that training starts from, frozen: all pairs are aligned once, before training.
    #[default]
    Initial,
    /// The model itself, as it is at each step, without dropout: the pairs of each batch are aligned
    /// anew. On a GPU each step waits for the links.
    Trained,
}

impl Default for EncoderAlignerRecipe {
    /// Layer 8 and softmax over subwords, as AWESOME-align has it for multilingual BERT.
    fn default() -> Self {
        Self {
            layer: 8,
            extraction: Extraction::softmax(),
            unit: LinkUnit::default(),
            model: AligningModel::default(),
        }
    }
}

impl AlignerRecipe {
    /// The alignment by the model itself, in each step.
    pub(crate) fn by_trained_model(&self) -> Option<&EncoderAlignerRecipe> {
        match self {
            Self::Encoder(table) if table.model == AligningModel::Trained => Some(table),
            _ => None,
        }
    }

    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        match self {
            Self::Dictionary { path, reverse_path, .. } => {
                faults.path_by_language("pairs.aligner.dictionary.path", path);
                if let Some(path) = reverse_path {
                    faults.path_by_language("pairs.aligner.dictionary.reverse_path", path);
                }
            }
            Self::Statistical(table) => {
                faults.add_fields("pairs.aligner.statistical", table.config().faults());
            }
            Self::Encoder(table) => {
                let entry = "pairs.aligner.encoder.extraction";
                faults.add_fields(entry, table.extraction.faults());
            }
            Self::Pharaoh { path } => faults.path_by_language("pairs.aligner.pharaoh.path", path),
        }
    }
}
