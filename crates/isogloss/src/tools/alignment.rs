//! Cross-lingual alignment of an encoder, layer by layer: sentence retrieval accuracy, and weak and
//! strong word alignment (Gaschi et al. 2023).
//!
//! Word alignment is measured on pairs of words that translate each other: it is the share of words
//! whose nearest neighbour by cosine is their translation. Weak alignment searches the words of the
//! other language; strong alignment searches those of the same language as well, without the word
//! itself. A word embedding is the hidden state of the word's first subword in its sentence, or the
//! mean over its subwords.
//!
//! # Source
//! Gaschi et al. 2023, Exploring the Relationship between Alignment and Cross-lingual Transfer in
//! Multilingual Transformers, arXiv:2306.02790; 1000 pairs per language, every layer. As in the
//! authors' code, `evaluate_alignment_with_cosim`, only a word's own translation counts, not
//! another occurrence of it, and on a tie the other language comes before the same one. In that
//! code the word itself stays among the candidates with a cosine of 0, which is the same unless all
//! others are negative; an older version of the code searched only the words of the same language
//! and the one translation for strong alignment.

mod options;
mod report;
mod words;

use burn::tensor::Device;
use isogloss_text::{Alignment, SentencePair};

pub use isogloss_report::{
    LanguageAlignment, LayerAlignment, LayerCorrelation, Quantity, WordAlignment,
};
pub use options::{AlignmentOptions, WordPooling};
pub use report::{AlignmentReport, match_languages, write_report};
use words::WordPairs;

use crate::Error;
use crate::embedding::retrieval::{BidirectionalAccuracy, PairTexts};
use crate::embedding::search::{Vectors, nearest, nearest_both_ways};
use crate::embedding::text_encoder::{LayerVectors, TextEncoder};
use crate::embedding::tokenized_text::TokenizedText;
use crate::ground::sample::sample_indices;
use crate::task::DataReport;

/// Weak and strong word alignment (Gaschi et al. 2023) of pairs of normalized vectors: vector n of
/// the left side is the translation of vector n of the right side.
///
/// On a tie the lowest index wins, and the other language wins over the same one.
///
/// # Panics
/// If the sides differ in number or width.
pub fn word_alignment(left: &Vectors, right: &Vectors, device: &Device) -> WordAlignment {
    assert_eq!(left.len(), right.len(), "each word has one translation");
    let across = nearest_both_ways(left, right, 1, device);
    // The nearest neighbour of a word is itself, or a word with the same vector.
    let within = [left, right].map(|side| nearest(side, side, 2, device));
    let is_weak = |side: usize, word: usize| {
        across[side].first(word).filter(|(found, _)| *found == word).map(|(_, score)| score)
    };
    let is_strong = |side: usize, word: usize| {
        let other = within[side].for_query(word).find(|(found, _)| *found != word);
        is_weak(side, word).is_some_and(|score| other.is_none_or(|(_, rival)| score >= rival))
    };
    let n = left.len();
    WordAlignment {
        weak: BidirectionalAccuracy::from_answers(
            n,
            [&|at| is_weak(0, at).is_some(), &|at| is_weak(1, at).is_some()],
        ),
        strong: BidirectionalAccuracy::from_answers(
            n,
            [&|at| is_strong(0, at), &|at| is_strong(1, at)],
        ),
    }
}

/// Cross-lingual alignment of one language, layer by layer: its texts are the right side of the
/// pairs.
///
/// `links` returns the word alignment of a pair by its index; without it only sentence retrieval is
/// measured. Only links that are one-to-one and between different words are used.
///
/// # Errors
/// If a text cannot be encoded, or a layer does not exist.
pub fn measure_alignment(
    encoder: &TextEncoder,
    pairs: &[SentencePair],
    links: Option<&dyn Fn(usize) -> Alignment>,
    options: &AlignmentOptions,
) -> Result<LanguageAlignment, Error> {
    let order = sample_indices(pairs.len(), None, options.seed);
    let n_sentences = options.n_sentences.unwrap_or(pairs.len()).min(pairs.len());
    let mut words = links.map_or_else(WordPairs::default, |links| {
        WordPairs::choose(order.iter().map(|at| (&pairs[*at], links(*at))), options)
    });
    let all_layers: Vec<usize> = (0..encoder.n_layers()).collect();
    let layers = if options.layers.is_empty() { &all_layers } else { &options.layers };

    let encoded = &order[..n_sentences.max(words.n_searched)];
    let texts: PairTexts<'_> =
        encoded.iter().map(|at| (pairs[*at].left.as_str(), pairs[*at].right.as_str())).collect();
    let sides = [encoder.tokenize(texts.left())?, encoder.tokenize(texts.right())?];
    let n_words_cut_off = words.drop_cut_off(&sides);
    let [left, right] = [0, 1].map(|side| {
        let side = Side { texts: &sides[side], words: words.on_side(side), options };
        side.encode(encoder, layers, n_sentences)
    });
    let texts: PairTexts<'_> =
        texts.left().iter().copied().zip(texts.right().iter().copied()).take(n_sentences).collect();
    let texts = texts.with_tokens([0, 1].map(|side| &sides[side][..n_sentences]));

    let counts = sides.each_ref().map(|side| DataReport::from_texts(side));
    let DataReport { n_truncated, n_without_tokens, .. } = counts.iter().collect();

    let device = encoder.device();
    let measured =
        layers.iter().zip(left?.into_iter().zip(right?)).map(|(layer, (left, right))| {
            LayerAlignment {
                layer: *layer,
                retrieval: texts.accuracy(
                    &left.sentences,
                    &right.sentences,
                    options.scoring,
                    device,
                ),
                words: (!left.tokens.is_empty())
                    .then(|| word_alignment(&left.tokens, &right.tokens, device)),
            }
        });
    Ok(LanguageAlignment {
        n_sentences,
        n_repeated: texts.n_repeated(),
        n_truncated,
        n_without_tokens,
        n_words: words.len(),
        n_searched: words.n_searched,
        n_without_words: words.n_without,
        n_words_cut_off,
        layers: measured.collect(),
    })
}

/// One side of the pairs: the texts of a language, and the words in them to measure.
struct Side<'a> {
    texts: &'a [TokenizedText],
    /// Positions of the words: index of the text, and index of the word in it.
    words: Vec<(usize, usize)>,
    options: &'a AlignmentOptions,
}

impl Side<'_> {
    /// Computes normalized embeddings of the first `n_sentences` sentences and of all words.
    fn encode(
        self,
        encoder: &TextEncoder,
        layers: &[usize],
        n_sentences: usize,
    ) -> Result<Vec<LayerVectors>, Error> {
        let tokens_of = |(text, word): &(usize, usize)| {
            self.options.word_vector.tokens(self.texts[*text].tokens(*word))
        };
        let tokens = self.words.iter().flat_map(|word| {
            let text = word.0;
            tokens_of(word).iter().map(move |token| (text, *token))
        });
        let tokens: Vec<_> = tokens.collect();
        let counts: Vec<usize> = self.words.iter().map(|word| tokens_of(word).len()).collect();
        let encoded = encoder.encode(self.texts, &tokens, layers)?;
        let normalized = encoded.into_iter().map(|layer| LayerVectors {
            sentences: layer.sentences.first(n_sentences).normalized(),
            tokens: layer.tokens.grouped_means(&counts).normalized(),
        });
        Ok(normalized.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(values: &[[f32; 2]]) -> Vectors {
        Vectors::new(values.concat(), 2).unwrap().normalized()
    }

    #[test]
    fn strong_alignment_needs_words_nearer_than_those_of_their_own_language() {
        // Directions in degrees: left 0, 10, 90; right 4, 40, 95.
        let at = |degrees: f32| [degrees.to_radians().cos(), degrees.to_radians().sin()];
        let left = vectors(&[at(0.0), at(10.0), at(90.0)]);
        let right = vectors(&[at(4.0), at(40.0), at(95.0)]);
        let found = word_alignment(&left, &right, &Device::flex());
        // Left: 0 finds 4; 10 finds 4, not 40; 90 finds 95. No left word is nearer to 0 than 4, nor
        // to 90 than 95.
        // Right: 4 finds 0; 40 finds 10; 95 finds 90.
        // For 40 the right word 4 is 36 away, 10 only 30.
        let third = 1.0 / 3.0;
        assert_eq!(found.weak, BidirectionalAccuracy { forward: 2.0 * third, backward: 1.0 });
        assert_eq!(found.strong, BidirectionalAccuracy { forward: 2.0 * third, backward: 1.0 });

        // A left word at 2 is nearer to 0 than 4 is.
        // For 2 itself its translation, 4, is as near as 0.
        let left = vectors(&[at(0.0), at(2.0), at(90.0)]);
        let right = vectors(&[at(3.0), at(4.5), at(95.0)]);
        let found = word_alignment(&left, &right, &Device::flex());
        // Left: 0 finds 3, but 2 is nearer; 2 finds 3, not 4.5; 90 finds 95.
        assert_eq!((found.weak.forward, found.strong.forward), (2.0 * third, third));
        // Right: 3 finds 2, not 0; 4.5 finds 2, but 3 is nearer; 95 finds 90.
        assert_eq!((found.weak.backward, found.strong.backward), (2.0 * third, third));
    }

    #[test]
    fn equal_vectors_go_to_the_other_language_and_the_lowest_index() {
        let same = vectors(&[[1.0, 0.0]; 3]);
        let found = word_alignment(&same, &same, &Device::flex());
        let first_only = BidirectionalAccuracy { forward: 1.0 / 3.0, backward: 1.0 / 3.0 };
        assert_eq!(found, WordAlignment { weak: first_only, strong: first_only });
    }

    #[test]
    fn one_pair_is_always_aligned() {
        let (left, right) = (vectors(&[[1.0, 0.0]]), vectors(&[[-1.0, 0.1]]));
        let all = BidirectionalAccuracy { forward: 1.0, backward: 1.0 };
        let found = word_alignment(&left, &right, &Device::flex());
        assert_eq!(found, WordAlignment { weak: all, strong: all });
    }

    #[test]
    fn a_word_without_tokens_has_no_first() {
        assert!(WordPooling::First.tokens(&[]).is_empty());
        assert_eq!(WordPooling::First.tokens(&[3, 4]), [3]);
        assert_eq!(WordPooling::Mean.tokens(&[3, 4]), [3, 4]);
    }
}
