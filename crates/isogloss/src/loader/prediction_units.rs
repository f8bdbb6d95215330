//! Prediction units of a batch: the words of tagged and parsed texts, and their tokens.

use isogloss_methods::PredictionUnits;
use isogloss_text::{Targets, TokenBatch, Viewed};

/// Prediction units of a batch of tagged texts: each word has a row of logits, that of its first
/// subword, or those of all of its subwords if they are pooled.
pub(super) fn tagged_words(
    batch: &TokenBatch,
    viewed: &[Viewed],
    pools_subwords: bool,
) -> PredictionUnits {
    let pooled = viewed.iter().filter(|_| pools_subwords);
    PredictionUnits::Words {
        seq_len: batch.seq_len,
        first_subwords: viewed.iter().map(Viewed::first_subwords).collect(),
        switched: Vec::new(),
        subwords: pooled.map(Viewed::whole_words).collect(),
    }
}

/// Prediction units of a batch of parsed texts, each word of which has a row of logits; of other
/// batches, texts.
pub(super) fn parsed_words(batch: &TokenBatch) -> PredictionUnits {
    let Targets::Words(words) = &batch.targets else { return PredictionUnits::Texts };
    let seq_len = words.n_words;
    let row = |(word, first): (usize, &Option<u32>)| first.map(|_| word);
    let rows = words.first_subwords.chunks(seq_len);
    let first_subwords = rows.map(|words| words.iter().enumerate().map(row).collect()).collect();
    let (switched, subwords) = (Vec::new(), Vec::new());
    PredictionUnits::Words { seq_len, first_subwords, switched, subwords }
}
