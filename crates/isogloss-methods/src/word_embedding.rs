//! Word embeddings, pooled from the hidden states of a word's subwords, and word alignments of a
//! batch.

use std::iter::repeat_n;
use std::ops::Range;

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use isogloss_model::Projection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::AlignmentError;

/// Subword pooling: how the hidden states of a word's tokens become one word embedding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WordVector {
    /// The hidden state of the first subword.
    #[default]
    FirstSubword,
    /// The mean of the subwords' hidden states.
    Mean,
    /// The sum of the subwords' hidden states.
    Sum,
}

/// Word alignments of a batch of sentence pairs: token ranges of the words, and links between
/// translations; plain host values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WordLinks {
    /// Token range in its row of each word of each left sentence. A word without tokens, such as a
    /// truncated one, has no embedding, and its links are skipped.
    pub left_words: Vec<Vec<Range<usize>>>,
    /// Token ranges of the right sentences, likewise.
    pub right_words: Vec<Vec<Range<usize>>>,
    /// Alignment links: left and right word, both counted through all sentences of their side.
    pub links: Vec<(usize, usize)>,
}

/// Word embeddings of a batch, with at least one alignment link.
#[derive(Clone, Debug)]
pub struct WordVectors {
    /// Embeddings, `[left words + right words, width]`.
    pub(crate) vectors: Tensor<2>,
    pub(crate) n_left: usize,
    /// Rows of `vectors` by link: the left words, and their translations.
    pub(crate) linked: [Vec<i32>; 2],
}

/// Words of one side that have tokens.
struct Side {
    /// Token ranges, as rows of all hidden states of the batch.
    spans: Vec<Range<usize>>,
    /// Index in `spans` of each word; `None` for a word without tokens.
    span_of_word: Vec<Option<usize>>,
}

impl WordLinks {
    /// Pools the embeddings of all words from the hidden states of both sides, whose lengths may
    /// differ.
    ///
    /// # Shapes
    /// - `left`, `right`: `[batch, seq, hidden]`
    ///
    /// # Errors
    /// [`AlignmentError::NoLinks`] if no two words with tokens are linked. Otherwise if the words
    /// do not match such a batch.
    pub fn gather(
        &self,
        left: Tensor<3>,
        right: Tensor<3>,
        words: WordVector,
    ) -> Result<WordVectors, AlignmentError> {
        let left_side = Side::new("left", &self.left_words, &left)?;
        let right_side = Side::new("right", &self.right_words, &right)?;
        let n_left = left_side.spans.len();
        let [mut lefts, mut rights] = [Vec::new(), Vec::new()];
        for &link in &self.links {
            let spans = (left_side.span_of_word.get(link.0), right_side.span_of_word.get(link.1));
            let (Some(left), Some(right)) = spans else {
                let (n_left, n_right) =
                    (left_side.span_of_word.len(), right_side.span_of_word.len());
                return Err(AlignmentError::Link { link, n_left, n_right });
            };
            if let (Some(left), Some(right)) = (left, right) {
                lefts.push(*left as i32);
                rights.push((n_left + right) as i32);
            }
        }
        if lefts.is_empty() {
            return Err(AlignmentError::NoLinks);
        }
        let vectors = vec![left_side.vectors(left, words), right_side.vectors(right, words)];
        Ok(WordVectors { vectors: Tensor::cat(vectors, 0), n_left, linked: [lefts, rights] })
    }

    /// Pools the embeddings of the left words alone, such as those of another model.
    ///
    /// # Shapes
    /// - `left`: `[batch, seq, hidden]`
    /// - returns: `[words with tokens, hidden]`, in the order of [`WordVectors::left`]
    ///
    /// # Errors
    /// If the words do not match such a batch.
    pub fn gather_left(
        &self,
        left: Tensor<3>,
        words: WordVector,
    ) -> Result<Tensor<2>, AlignmentError> {
        Ok(Side::new("left", &self.left_words, &left)?.vectors(left, words))
    }
}

impl Side {
    fn new(
        side: &'static str,
        sentences: &[Vec<Range<usize>>],
        hidden: &Tensor<3>,
    ) -> Result<Self, AlignmentError> {
        let [batch, seq_len, _] = hidden.dims();
        if sentences.len() != batch {
            let (expected, found) = (batch, sentences.len());
            return Err(AlignmentError::Sentences { side, expected, found });
        }
        let (mut spans, mut span_of_word) = (Vec::new(), Vec::new());
        for (sentence, words) in sentences.iter().enumerate() {
            for (word, tokens) in words.iter().enumerate() {
                if tokens.end > seq_len {
                    let tokens = tokens.clone();
                    return Err(AlignmentError::Tokens { side, sentence, word, tokens, seq_len });
                }
                span_of_word.push((!tokens.is_empty()).then_some(spans.len()));
                if !tokens.is_empty() {
                    let start = sentence * seq_len;
                    spans.push(start + tokens.start..start + tokens.end);
                }
            }
        }
        Ok(Self { spans, span_of_word })
    }

    fn vectors(&self, hidden: Tensor<3>, words: WordVector) -> Tensor<2> {
        let [batch, seq_len, width] = hidden.dims();
        pool_subwords(hidden.reshape([batch * seq_len, width]), &self.spans, words)
    }
}

/// Pools the rows of each word's subwords, such as their hidden states or logits: one gather of the
/// rows, and for mean and sum one scatter-add by word.
///
/// # Shapes
/// - `rows`: `[tokens, width]`
/// - `words`: the rows of each word, at least one
/// - returns: `[words, width]`
pub(crate) fn pool_subwords(
    rows: Tensor<2>,
    words: &[Range<usize>],
    pooling: WordVector,
) -> Tensor<2> {
    let (device, dtype, width) = (rows.device(), rows.dtype(), rows.dims()[1]);
    let select = |tokens: Vec<i32>| rows.select(0, indices(tokens, &device));
    if pooling == WordVector::FirstSubword || words.is_empty() {
        return select(words.iter().map(|tokens| tokens.start as i32).collect());
    }
    let tokens = words.iter().cloned().flatten().map(|token| token as i32).collect();
    let word_of_token = words.iter().enumerate();
    let word_of_token =
        word_of_token.flat_map(|(word, tokens)| repeat_n(word as i32, tokens.len())).collect();
    let word_of_token = indices(word_of_token, &device);
    let sums = Tensor::<2>::zeros([words.len(), width], (&device, dtype));
    let sums = sums.select_assign(0, word_of_token, select(tokens), IndexingUpdateOp::Add);
    if pooling == WordVector::Sum {
        return sums;
    }
    let lengths: Vec<f32> = words.iter().map(|tokens| tokens.len() as f32).collect();
    let lengths = TensorData::new(lengths, [words.len(), 1]);
    sums / Tensor::<2>::from_data(lengths, (&device, dtype))
}

impl WordVectors {
    /// Applies a projection head to the embeddings.
    #[must_use]
    pub fn projected(self, projection: &Projection) -> Self {
        Self { vectors: projection.forward(self.vectors), ..self }
    }

    /// Embeddings of all left words, `[left words, width]`.
    pub fn left(&self) -> Tensor<2> {
        self.vectors.clone().narrow(0, 0, self.n_left)
    }

    /// Number of alignment links: the weight of this batch in a mean over batches.
    pub fn n_links(&self) -> usize {
        self.linked[0].len()
    }

    /// Number of words of both sides.
    pub fn n_words(&self) -> usize {
        self.vectors.dims()[0]
    }

    /// Embeddings of the linked words of the left and of the right side, each `[links, width]`.
    pub(crate) fn pairs(&self) -> [Tensor<2>; 2] {
        let device = self.vectors.device();
        self.linked.clone().map(|rows| self.vectors.clone().select(0, indices(rows, &device)))
    }
}

/// Row indices as an integer tensor, `[n]`.
pub(crate) fn indices(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows of three tokens, one number each: 0, 1, 2 and 10, 11, 12.
    fn states() -> Tensor<3> {
        let rows = [[[0.0], [1.0], [2.0]], [[10.0], [11.0], [12.0]]];
        Tensor::from_floats(rows, &Device::flex())
    }

    fn numbers(vectors: Tensor<2>) -> Vec<f32> {
        vectors.into_data().try_into_vec().unwrap()
    }

    fn links(links: &[(usize, usize)]) -> WordLinks {
        WordLinks {
            left_words: vec![vec![0..1, 1..3], vec![1..3]],
            // The first word was truncated.
            right_words: vec![vec![0..0, 2..3], vec![0..3]],
            links: links.to_vec(),
        }
    }

    #[test]
    fn words_are_their_first_token_or_the_sum_or_mean_of_all() {
        for (words, expected) in [
            (WordVector::FirstSubword, [0.0, 1.0, 11.0, 2.0, 10.0]),
            (WordVector::Sum, [0.0, 3.0, 23.0, 2.0, 33.0]),
            (WordVector::Mean, [0.0, 1.5, 11.5, 2.0, 11.0]),
        ] {
            let links = links(&[(1, 1)]);
            let gathered = links.gather(states(), states(), words).unwrap();
            assert_eq!(numbers(gathered.vectors.clone()), expected, "{words:?}");
            assert_eq!(numbers(gathered.left()), expected[..3]);
            assert_eq!(numbers(links.gather_left(states(), words).unwrap()), expected[..3]);
            assert_eq!((gathered.n_words(), gathered.n_links()), (5, 1));
        }
    }

    #[test]
    fn links_of_words_without_tokens_are_left_out() {
        let gathered = links(&[(0, 0), (2, 2), (1, 1)]);
        let gathered = gathered.gather(states(), states(), WordVector::FirstSubword).unwrap();
        assert_eq!(gathered.pairs().map(numbers), [vec![11.0, 1.0], vec![10.0, 2.0]]);
    }

    #[test]
    fn a_batch_without_links_is_told_apart() {
        for links in [links(&[]), links(&[(0, 0), (2, 0)]), WordLinks::default()] {
            let states = Tensor::zeros([links.left_words.len(), 3, 1], &Device::flex());
            let found = links.gather(states.clone(), states, WordVector::Mean);
            assert_eq!(found.map(|_| ()), Err(AlignmentError::NoLinks));
        }
    }

    #[test]
    fn words_of_another_batch_are_refused() {
        let error = |links: WordLinks| {
            links.gather(states(), states(), WordVector::Mean).unwrap_err().to_string()
        };
        let fewer = WordLinks { right_words: vec![Vec::new()], ..links(&[]) };
        assert_eq!(error(fewer), "right words: expected 2 sentences, found 1");
        let beyond = WordLinks { left_words: vec![vec![0..1, 2..4], Vec::new()], ..links(&[]) };
        let expected = "left sentence 0, word 1: expected tokens within 0..3, found 2..4";
        assert_eq!(error(beyond), expected);
        assert_eq!(error(links(&[(0, 3)])), "link 0-3: expected words below 3 and 3");
    }
}
