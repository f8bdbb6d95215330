//! Options of alignment measures.

use isogloss_text::WordForm;
use serde::{Deserialize, Serialize};

use crate::embedding::retrieval::Scoring;

/// Word pooling: how a word embedding is made of the hidden states of subwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WordPooling {
    /// The hidden state of the first subword, as in Gaschi et al. 2023.
    #[default]
    First,
    /// Mean pooling over the subwords.
    Mean,
}

impl WordPooling {
    /// The tokens of a word that are pooled.
    pub(super) fn tokens(self, of_word: &[usize]) -> &[usize] {
        match self {
            Self::First => &of_word[..of_word.len().min(1)],
            Self::Mean => of_word,
        }
    }
}

/// Options of alignment measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlignmentOptions {
    /// The layers to measure, 0 for the embeddings; all if empty.
    pub layers: Vec<usize>,
    /// Number of sentence pairs for retrieval, sampled by the seed; `None` for all.
    pub n_sentences: Option<usize>,
    /// Number of word pairs, from the sentences in the sampled order; fewer if the sentences have
    /// no more.
    pub n_words: usize,
    /// Word pooling.
    pub word_vector: WordPooling,
    /// Word normalization: word pairs that are identical in this form are left out.
    pub form: WordForm,
    /// Whether each word of either language is used at most once, in that form.
    pub distinct_words: bool,
    /// The similarity score of sentence retrieval.
    pub scoring: Scoring,
    /// The random seed of the sentence sample.
    pub seed: u64,
}

impl Default for AlignmentOptions {
    fn default() -> Self {
        Self {
            layers: Vec::new(),
            n_sentences: Some(500),
            n_words: 1000,
            word_vector: WordPooling::First,
            form: WordForm::Bare,
            distinct_words: false,
            scoring: Scoring::Cosine,
            seed: 42,
        }
    }
}
