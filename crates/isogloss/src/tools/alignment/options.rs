//! Options of alignment measures.

use isogloss_text::WordForm;
use serde::{Deserialize, Serialize};

use crate::embedding::retrieval::Scoring;

/// Word pooling: how a word embedding is made of the hidden states of subwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WordPooling {
    /// That of its first subword, as the source takes it.
    #[default]
    First,
    /// The mean of its subwords.
    Mean,
}

impl WordPooling {
    /// The tokens that the vector is made of.
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
    /// The layers, 0 for the embeddings; all if there are none.
    pub layers: Vec<usize>,
    /// The pairs of sentences for retrieval, drawn from the seed; all without a number.
    pub n_sentences: Option<usize>,
    /// The pairs of words, of sentences in the order drawn; fewer if the sentences have no more.
    pub n_words: usize,
    /// Which vector a word has.
    pub word_vector: WordPooling,
    /// Words that are the same in this form on both sides are left out.
    pub form: WordForm,
    /// Takes each word of either language once, in that form.
    pub distinct_words: bool,
    /// What makes a sentence the nearest.
    pub scoring: Scoring,
    /// Draws the sentences.
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
