//! Word alignment by contextual embeddings (SimAlign, AWESOME-align): words of two texts are linked
//! by the similarity of their embeddings.
//!
//! Each text is encoded on its own; the encoder needs no training for word alignment.

use std::ops::Range;

use burn::tensor::read_sync;
use isogloss_text::{Alignment, Extraction, Link, LinkUnit};
use rayon::prelude::*;

use crate::embedding::search::Vectors;
use crate::embedding::text_encoder::{TextEncoder, TokenPosition, TokenizedText};
use crate::task::DataReport;
use crate::{EncoderAlignerRecipe, Error};

/// Word aligner by the similarity of contextual embeddings (SimAlign, AWESOME-align).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncoderAligner {
    /// The layer whose hidden states are compared, 0 for the embeddings.
    pub layer: usize,
    /// How links are extracted from the similarity matrix.
    pub extraction: Extraction,
    /// The alignment unit.
    pub unit: LinkUnit,
}

impl Default for EncoderAligner {
    /// Layer 8 and softmax over subwords, as AWESOME-align has it for multilingual BERT.
    ///
    /// # Source
    /// Dou and Neubig 2021, arXiv:2101.08231, and the defaults of the authors' code.
    fn default() -> Self {
        Self { layer: 8, extraction: Extraction::softmax(), unit: LinkUnit::Subword }
    }
}

impl EncoderAligner {
    /// The aligner of a recipe.
    pub(crate) fn from_recipe(table: &EncoderAlignerRecipe) -> Self {
        Self { layer: table.layer, extraction: table.extraction, unit: table.unit }
    }

    /// Aligns the words of pairs of texts; also returns the counts of truncated texts, whose words
    /// beyond the end have no links, and of texts without a token.
    ///
    /// The similarity is the dot product for [`Extraction::Softmax`] and [`Extraction::Entmax`], the
    /// cosine for [`Extraction::MutualArgmax`], and (cosine + 1) / 2 for [`Extraction::Itermax`] and
    /// [`Extraction::MaxWeightMatching`], as in their papers. The scale of a dot product depends on
    /// the model: the softmax threshold was chosen for multilingual BERT.
    ///
    /// # Errors
    /// If the model does not have the layer, or a text cannot be encoded.
    pub fn align(
        &self,
        encoder: &TextEncoder,
        pairs: &[(&str, &str)],
    ) -> Result<(Vec<Alignment>, DataReport), Error> {
        read_sync(self.align_async(encoder, pairs))
    }

    /// Async version of [`align`](Self::align), for browsers, where reading values back from a GPU
    /// is asynchronous.
    ///
    /// # Errors
    /// As [`align`](Self::align).
    pub async fn align_async(
        &self,
        encoder: &TextEncoder,
        pairs: &[(&str, &str)],
    ) -> Result<(Vec<Alignment>, DataReport), Error> {
        let left = self.encode(encoder, pairs.iter().map(|pair| pair.0)).await?;
        let right = self.encode(encoder, pairs.iter().map(|pair| pair.1)).await?;
        let of_pair = |pair: usize| self.links(&left, &right, pair);
        let alignments = (0..pairs.len()).into_par_iter().map(of_pair).collect();
        let counts: DataReport = [left.counts, right.counts].iter().collect();
        Ok((alignments, DataReport { n: pairs.len(), ..counts }))
    }

    async fn encode(
        &self,
        encoder: &TextEncoder,
        texts: impl Iterator<Item = &str>,
    ) -> Result<Side, Error> {
        let texts = encoder.tokenize(&texts.collect::<Vec<_>>())?;
        let side = Side::from_texts(&texts);
        let vectors = encoder.encode_async(&texts, &side.tokens, &[self.layer]).await?.pop();
        // There is one layer.
        let vectors = vectors.expect("a layer for each that was asked for").tokens;
        Ok(self.with_vectors(side, vectors))
    }

    /// Aligns the words of pairs of texts by the hidden states of their tokens.
    ///
    /// # Errors
    /// If a state is not a number.
    pub(crate) fn align_states(
        &self,
        left: &WordStates<'_>,
        right: &WordStates<'_>,
    ) -> Result<Vec<Alignment>, Error> {
        let side = |states: &WordStates<'_>| {
            let (side, vectors) = Side::from_states(states)?;
            Ok::<_, Error>(self.with_vectors(side, vectors))
        };
        let (left, right) = (side(left)?, side(right)?);
        Ok((0..left.ends.len()).map(|pair| self.links(&left, &right, pair)).collect())
    }

    /// Sets the vectors of the tokens of a side, as the unit and the similarity need them.
    fn with_vectors(&self, mut side: Side, vectors: Vectors) -> Side {
        let vectors = match self.unit {
            LinkUnit::Subword => vectors,
            LinkUnit::Word => side.join_words(vectors),
        };
        side.vectors = Some(match self.extraction.compares_dot_products() {
            true => vectors,
            false => vectors.normalized(),
        });
        side
    }

    fn links(&self, left: &Side, right: &Side, pair: usize) -> Alignment {
        let (left_rows, right_rows) = (left.rows(pair), right.rows(pair));
        let (Some(a), Some(b)) = (&left.vectors, &right.vectors) else {
            return Alignment::default();
        };
        let mut similarities = Vec::with_capacity(left_rows.len() * right_rows.len());
        for i in left_rows.clone() {
            for j in right_rows.clone() {
                similarities.push(dot(a.row(i), b.row(j)));
            }
        }
        if let Extraction::Itermax { .. } | Extraction::MaxWeightMatching = self.extraction {
            similarities.iter_mut().for_each(|cosine| *cosine = 0.5 * (*cosine + 1.0));
        }
        let units = self.extraction.links(&similarities, right_rows.len());
        let word =
            |&(i, j): &Link| (left.words[left_rows.start + i], right.words[right_rows.start + j]);
        units.links().iter().map(word).collect()
    }
}

/// Inner product, in sixteen partial sums that vectorize (SIMD).
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// Hidden states of the tokens of texts, with the tokens of each word.
pub(crate) struct WordStates<'a> {
    /// Token range in its row of each word of each text; empty for a truncated word.
    pub(crate) words: &'a [Vec<Range<usize>>],
    /// Hidden states, `[texts, seq, width]`.
    pub(crate) states: Vec<f32>,
    /// The shape of the states.
    pub(crate) shape: [usize; 3],
}

/// The alignment units of one side of all pairs, concatenated.
#[derive(Debug)]
struct Side {
    /// The tokens that belong to words.
    tokens: Vec<TokenPosition>,
    /// The index of the word of each unit.
    words: Vec<usize>,
    /// The end of each text: the index after its last unit.
    ends: Vec<usize>,
    vectors: Option<Vectors>,
    counts: DataReport,
}

impl Side {
    fn from_texts(texts: &[TokenizedText]) -> Self {
        let (mut tokens, mut words, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (at, text) in texts.iter().enumerate() {
            for word in 0..text.n_words() {
                let of_word = text.tokens(word);
                tokens.extend(of_word.iter().map(|token| (at, *token)));
                words.extend(of_word.iter().map(|_| word));
            }
            ends.push(tokens.len());
        }
        let mut counts = DataReport::from_texts(texts);
        for text in texts {
            let first = |word| text.tokens(word).first().copied();
            let first: Vec<_> = (0..text.n_words()).map(first).collect();
            counts.add_lost_words(text.encoded().count_lost(&first));
        }
        Self { tokens, words, ends, vectors: None, counts }
    }

    /// The tokens of all words, with their vectors.
    fn from_states(of: &WordStates<'_>) -> Result<(Self, Vectors), Error> {
        let [_, seq_len, width] = of.shape;
        let (mut tokens, mut words, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (text, of_text) in of.words.iter().enumerate() {
            for (word, range) in of_text.iter().enumerate() {
                tokens.extend(range.clone().map(|token| (text, token)));
                words.extend(range.clone().map(|_| word));
            }
            ends.push(tokens.len());
        }
        let rows = tokens.iter().map(|(text, token)| (text * seq_len + token) * width);
        let values = rows.flat_map(|start| of.states[start..start + width].iter().copied());
        let vectors = Vectors::new(values.collect(), width)?;
        let counts = DataReport::default();
        Ok((Self { tokens, words, ends, vectors: None, counts }, vectors))
    }

    fn rows(&self, text: usize) -> Range<usize> {
        text.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[text]
    }

    /// Mean pooling of subwords: makes each word one unit, with the mean vector of its tokens.
    fn join_words(&mut self, vectors: Vectors) -> Vectors {
        let (mut words, mut counts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for text in 0..self.ends.len() {
            for run in self.words[self.rows(text)].chunk_by(|a, b| a == b) {
                words.push(run[0]);
                counts.push(run.len());
            }
            ends.push(words.len());
        }
        (self.words, self.ends) = (words, ends);
        vectors.grouped_means(&counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_any_width_are_whole() {
        for width in [0, 1, 15, 16, 17, 40] {
            let a: Vec<f32> = (0..width).map(|i| i as f32).collect();
            let b = vec![2.0; width];
            assert_eq!(dot(&a, &b), a.iter().sum::<f32>() * 2.0);
        }
    }

    /// Two texts: words 0 (two tokens) and 2 of the first, word 0 of the second.
    fn side(values: &[f32]) -> Side {
        Side {
            tokens: vec![(0, 1), (0, 2), (0, 4), (1, 1)],
            words: vec![0, 0, 2, 0],
            ends: vec![3, 4],
            vectors: Some(Vectors::new(values.to_vec(), 2).unwrap()),
            counts: DataReport::default(),
        }
    }

    #[test]
    fn links_of_subwords_become_links_of_words() {
        let left = side(&[0.0, 1.0, 1.0, 0.0, 0.7, 0.7, 1.0, 0.0]);
        let right = side(&[0.0, 1.0, 0.7, 0.7, 1.0, 0.0, 0.0, 1.0]);
        let aligner =
            EncoderAligner { extraction: Extraction::MutualArgmax, ..EncoderAligner::default() };
        // Subwords 0-0, 1-2 and 2-1; words 0 0 2 on both sides.
        assert_eq!(aligner.links(&left, &right, 0).to_string(), "0-0 0-2 2-0");
        assert_eq!(aligner.links(&left, &right, 1).to_string(), "0-0");
    }

    #[test]
    fn words_of_several_subwords_are_joined_into_one_unit() {
        let mut joined = side(&[0.0; 8]);
        let vectors = Vectors::new(vec![0.0, 2.0, 2.0, 0.0, 5.0, 5.0, 1.0, 3.0], 2).unwrap();
        let vectors = joined.join_words(vectors);
        assert_eq!(vectors.values(), [1.0, 1.0, 5.0, 5.0, 1.0, 3.0]);
        assert_eq!((joined.words.clone(), joined.ends.clone()), (vec![0, 2, 0], vec![2, 3]));
        assert_eq!((joined.rows(0), joined.rows(1)), (0..2, 2..3));
    }
}
