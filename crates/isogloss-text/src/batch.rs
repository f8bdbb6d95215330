//! Batch collation: token ids and targets of examples, padded to one sequence length.

use crate::{Features, IGNORE_INDEX, Target, TextError, WordTargets};

/// Mini-batch of `n` examples: token ids, attention mask and targets, right-padded to `seq_len`
/// tokens.
///
/// # Shapes
/// - `input_ids`, `attention_mask`, `token_type_ids`: `[n, seq_len]`, row by row
/// - `targets`: `[n]` for classes, `[n, seq_len]` for tokens
/// - `indices`: `[n]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBatch {
    /// The number of examples.
    pub n: usize,
    /// The number of tokens of the longest example; at least 1, so that a batch of examples without
    /// tokens has padding.
    pub seq_len: usize,
    /// Token ids; the pad token id in padding.
    pub input_ids: Vec<i32>,
    /// Attention mask: 1 for a token, 0 for padding.
    pub attention_mask: Vec<u8>,
    /// Token type (segment) ids; 0 in padding.
    pub token_type_ids: Vec<i32>,
    /// The training targets (labels).
    pub targets: Targets,
    /// The indices of the examples in their dataset.
    pub indices: Vec<usize>,
}

/// Training targets (labels) of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// No targets, for inference and encoding.
    None,
    /// Sequence classification: one class for each example.
    Classes(Vec<i32>),
    /// Token classification: one label for each token, [`IGNORE_INDEX`] for tokens without a label
    /// and in padding.
    Tokens(Vec<i32>),
    /// Dependency parsing: a head, a relation and a part-of-speech tag for each word.
    Words(WordTargets),
}

impl Targets {
    /// Flat labels, one for each row of the logits: classes, token labels, or heads of words; empty
    /// without targets.
    pub fn rows(&self) -> &[i32] {
        match self {
            Self::None => &[],
            Self::Classes(rows) | Self::Tokens(rows) => rows,
            Self::Words(words) => &words.heads,
        }
    }
}

impl TokenBatch {
    /// Collates features into a padded batch; `indices` are those of their examples in the dataset.
    ///
    /// # Errors
    /// [`TextError::IndexCount`] if there is not one index for each feature,
    /// [`TextError::MixedTargets`] if the targets are of different kinds.
    pub fn collate(
        features: &[&Features],
        indices: Vec<usize>,
        pad_id: u32,
    ) -> Result<Self, TextError> {
        if features.len() != indices.len() {
            return Err(TextError::IndexCount {
                n_features: features.len(),
                n_indices: indices.len(),
            });
        }
        let ids: Vec<&[u32]> =
            features.iter().map(|features| features.input.ids.as_slice()).collect();
        let mut batch = Self::from_ids(&ids, pad_id);
        batch.indices = indices;
        batch.token_type_ids = padded(
            features.iter().map(|features| features.input.type_ids.iter().map(|&id| to_i32(id))),
            batch.seq_len,
            0,
        );

        let classes: Option<Vec<i32>> =
            features.iter().map(|features| features.target.class()).collect();
        let tokens: Option<Vec<&[i32]>> =
            features.iter().map(|features| features.target.tokens()).collect();
        let words: Option<Vec<&WordTargets>> =
            features.iter().map(|features| features.target.words()).collect();
        batch.targets = match (classes, tokens, words) {
            _ if features.iter().all(|features| features.target == Target::None) => Targets::None,
            (Some(classes), ..) => Targets::Classes(classes),
            (_, Some(tokens), _) => {
                let rows = tokens.into_iter().map(|labels| labels.iter().copied());
                Targets::Tokens(padded(rows, batch.seq_len, IGNORE_INDEX))
            }
            (.., Some(words)) => Targets::Words(WordTargets::joined(&words)),
            (None, None, None) => return Err(TextError::MixedTargets),
        };
        Ok(batch)
    }

    /// Gathers the labeled tokens: their flat indices, `row * seq_len + column`, and their labels.
    ///
    /// Empty for targets of other kinds.
    pub fn labeled_tokens(&self) -> (Vec<i32>, Vec<i32>) {
        let Targets::Tokens(labels) = &self.targets else { return Default::default() };
        let indexed = (0..).zip(labels.iter().copied());
        indexed.filter(|(_, label)| *label != IGNORE_INDEX).unzip()
    }

    /// Collates rows of token ids into a padded batch of one segment, without targets; an id above
    /// `i32::MAX` is clamped to it.
    ///
    /// ```
    /// use isogloss_text::TokenBatch;
    ///
    /// let batch = TokenBatch::from_ids(&[&[0, 5, 2], &[0, 2]], 1);
    /// assert_eq!((batch.n, batch.seq_len), (2, 3));
    /// assert_eq!(batch.input_ids, [0, 5, 2, 0, 2, 1]);
    /// assert_eq!(batch.attention_mask, [1, 1, 1, 1, 1, 0]);
    /// ```
    pub fn from_ids(rows: &[&[u32]], pad_id: u32) -> Self {
        let seq_len = rows.iter().map(|row| row.len().max(1)).max().unwrap_or(0);
        Self {
            n: rows.len(),
            seq_len,
            input_ids: padded(
                rows.iter().map(|row| row.iter().map(|&id| to_i32(id))),
                seq_len,
                to_i32(pad_id),
            ),
            attention_mask: padded(rows.iter().map(|row| row.iter().map(|_| 1)), seq_len, 0),
            token_type_ids: vec![0; rows.len() * seq_len],
            targets: Targets::None,
            indices: (0..rows.len()).collect(),
        }
    }
}

impl WordTargets {
    /// Collates and pads the parsing targets of several sentences.
    fn joined(sentences: &[&Self]) -> Self {
        let n_words = sentences.iter().map(|sentence| sentence.n_words).max().unwrap_or(0);
        let ids = |list: fn(&Self) -> &[i32]| {
            padded(sentences.iter().map(|one| list(one).iter().copied()), n_words, IGNORE_INDEX)
        };
        let first_subwords = sentences.iter().map(|one| one.first_subwords.iter().copied());
        Self {
            n_words,
            first_subwords: padded(first_subwords, n_words, None),
            heads: ids(|one| &one.heads),
            relations: ids(|one| &one.relations),
            tags: ids(|one| &one.tags),
        }
    }
}

impl Target {
    fn class(&self) -> Option<i32> {
        match self {
            Self::Class(class) => Some(to_i32(*class)),
            Self::None | Self::Tokens(_) | Self::Words(_) => None,
        }
    }

    fn tokens(&self) -> Option<&[i32]> {
        match self {
            Self::Tokens(labels) => Some(labels),
            Self::None | Self::Class(_) | Self::Words(_) => None,
        }
    }

    fn words(&self) -> Option<&WordTargets> {
        match self {
            Self::Words(words) => Some(words),
            Self::None | Self::Class(_) | Self::Tokens(_) => None,
        }
    }
}

/// Pads or truncates each row to `seq_len`, and concatenates the rows.
fn padded<T: Copy>(
    rows: impl Iterator<Item = impl Iterator<Item = T>>,
    seq_len: usize,
    pad: T,
) -> Vec<T> {
    rows.flat_map(|row| row.chain(std::iter::repeat(pad)).take(seq_len)).collect()
}

fn to_i32(id: u32) -> i32 {
    i32::try_from(id).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Targets, TokenBatch};
    use crate::{Encoded, Features, IGNORE_INDEX, Target, TextError};

    fn features(ids: &[u32], target: Target) -> Features {
        let type_ids = vec![1; ids.len()];
        Features { input: Encoded { ids: ids.to_vec(), type_ids, ..Encoded::default() }, target }
    }

    #[test]
    fn labels_are_padded_with_the_ignored_index() {
        let (long, short) = (
            features(&[5, 6, 7], Target::Tokens(vec![-100, 2, 3])),
            features(&[8], Target::Tokens(vec![4])),
        );
        let batch = TokenBatch::collate(&[&short, &long], vec![9, 3], 1).unwrap();
        assert_eq!(batch.input_ids, [8, 1, 1, 5, 6, 7]);
        assert_eq!(batch.token_type_ids, [1, 0, 0, 1, 1, 1]);
        assert_eq!(
            batch.targets,
            Targets::Tokens(vec![4, IGNORE_INDEX, IGNORE_INDEX, IGNORE_INDEX, 2, 3])
        );
        assert_eq!(batch.indices, [9, 3]);
        assert_eq!(batch.labeled_tokens(), (vec![0, 4, 5], vec![4, 2, 3]));
    }

    #[test]
    fn classes_are_one_each() {
        let (a, b) = (features(&[5], Target::Class(3)), features(&[6], Target::Class(0)));
        assert_eq!(
            TokenBatch::collate(&[&a, &b], vec![0, 1], 1).unwrap().targets,
            Targets::Classes(vec![3, 0])
        );
        let batch = TokenBatch::collate(&[&a], vec![0], 1).unwrap();
        assert_eq!(batch.labeled_tokens(), (vec![], vec![]));
    }

    #[test]
    fn features_that_do_not_belong_together_are_refused() {
        let (a, b) = (features(&[5], Target::Class(3)), features(&[6], Target::None));
        assert!(matches!(
            TokenBatch::collate(&[&a, &b], vec![0, 1], 1),
            Err(TextError::MixedTargets)
        ));
        assert!(matches!(
            TokenBatch::collate(&[&a], vec![], 1),
            Err(TextError::IndexCount { n_features: 1, n_indices: 0 })
        ));
    }

    #[test]
    fn an_empty_batch_is_empty() {
        let batch = TokenBatch::collate(&[], vec![], 1).unwrap();
        assert_eq!((batch.n, batch.seq_len, batch.targets), (0, 0, Targets::None));
    }

    #[test]
    fn texts_without_tokens_have_padding() {
        let batch = TokenBatch::from_ids(&[&[], &[]], 7);
        assert_eq!((batch.n, batch.seq_len), (2, 1));
        assert_eq!((batch.input_ids, batch.attention_mask), (vec![7, 7], vec![0, 0]));
    }

    proptest! {
        #[test]
        fn the_mask_tells_tokens_from_padding(rows in prop::collection::vec(prop::collection::vec(0u32..9, 0..6), 0..5)) {
            let slices: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
            let batch = TokenBatch::from_ids(&slices, 99);
            prop_assert_eq!(batch.input_ids.len(), batch.n * batch.seq_len);
            prop_assert_eq!(batch.attention_mask.len(), batch.input_ids.len());
            prop_assert_eq!(batch.seq_len, rows.iter().map(|row| row.len().max(1)).max().unwrap_or(0));
            for (idx, row) in rows.iter().enumerate() {
                let row_range = idx * batch.seq_len..(idx + 1) * batch.seq_len;
                let (ids, mask) = (&batch.input_ids[row_range.clone()], &batch.attention_mask[row_range]);
                let tokens: Vec<u32> = ids.iter().take(row.len()).map(|&id| u32::try_from(id).unwrap()).collect();
                prop_assert_eq!(&tokens, row);
                prop_assert!(ids.iter().skip(row.len()).all(|&id| id == 99));
                prop_assert_eq!(mask.iter().map(|&one| usize::from(one)).sum::<usize>(), row.len());
                prop_assert!(mask.is_sorted_by(|a, b| a >= b));
            }
        }
    }
}
