//! Sequence packing: blocks of running text for masked language modelling (MLM), and concatenated
//! translation pairs for translation language modelling (TLM).

use tokenizers::parallelism::MaybeParallelRefIterator as _;

use crate::tokenizer::{Encoder, SpecialTokens};
use crate::{Encoded, SentencePair, TextError, Tokenizer, TruncationSide};

/// Sequence packing (FULL-SENTENCES of RoBERTa): packs sentences into blocks of at most
/// `max_length` tokens, each with the special tokens of one text.
///
/// Sentences stay in order and whole: one that no longer fits begins the next block.
/// Only a sentence that is longer than a block is split, into as many blocks as it needs, so no
/// token is lost.
/// There is no separator between two sentences; a sentence without tokens is skipped.
/// The tokens of a block have neither offsets nor word ids.
///
/// ```
/// use isogloss_text::{Tokenizer, pack_sentences};
///
/// let json = r#"{"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"},
///     "post_processor": {"type": "BertProcessing", "cls": ["[CLS]", 0], "sep": ["[SEP]", 1]},
///     "model": {"type": "WordLevel", "vocab": {"[CLS]": 0, "[SEP]": 1, "Licht": 2, "an": 3}, "unk_token": "[SEP]"}}"#;
/// let tokenizer = Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json".as_ref())?;
/// let blocks = pack_sentences(&tokenizer, &["Licht", "Licht an", "an an"], 5)?;
/// assert_eq!(blocks[0].ids, [0, 2, 2, 3, 1]);
/// assert_eq!(blocks[1].ids, [0, 3, 3, 1]);
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
///
/// # Errors
/// [`TextError::MaxLength`] if the special tokens leave no room for text, [`TextError::Encode`] if
/// the tokenizer refuses a sentence.
///
/// # Source
/// Liu et al. 2019, RoBERTa, arXiv:1907.11692, §4.2, full sentences, without its separator between
/// documents; InfoXLM packs so for its multilingual masked language modelling (Chi et al. 2021,
/// arXiv:2007.07834).
pub fn pack_sentences<S: AsRef<str> + Sync>(
    tokenizer: &Tokenizer,
    sentences: &[S],
    max_length: usize,
) -> Result<Vec<Encoded>, TextError> {
    let special = SpecialTokens::from_tokenizer(tokenizer)?;
    let room = special.room(1, max_length)?;
    let token_ids = |sentence: &S| Encoder::new(tokenizer).token_ids(sentence.as_ref());
    let tokenized = sentences.maybe_par_iter().map(token_ids).collect::<Result<Vec<_>, _>>()?;

    let (mut blocks, mut block) = (Vec::new(), Vec::new());
    for piece in tokenized.iter().flat_map(|ids| ids.chunks(room)) {
        if block.len() + piece.len() > room {
            blocks.push(special.surround(&[&block]));
            block.clear();
        }
        block.extend_from_slice(piece);
    }
    if !block.is_empty() {
        blocks.push(special.surround(&[&block]));
    }
    Ok(blocks)
}

/// Inputs of translation language modelling (TLM): concatenates each sentence and its translation
/// to at most `max_length` tokens, `<s> left </s> right </s>`.
///
/// There is one separator between them even if the tokenizer puts two between the texts of a pair,
/// as XLM-R's does.
/// If both do not fit, the longer one is truncated until they have similar lengths, then both, each
/// on the tokenizer's truncation side.
/// The tokens have neither offsets nor word ids.
///
/// ```
/// use isogloss_text::{Tokenizer, join_translations, read_pairs};
///
/// let json = r#"{"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"},
///     "post_processor": {"type": "RobertaProcessing", "cls": ["<s>", 0], "sep": ["</s>", 1], "trim_offsets": true, "add_prefix_space": false},
///     "model": {"type": "WordLevel", "vocab": {"<s>": 0, "</s>": 1, "on": 2, "an": 3}, "unk_token": "</s>"}}"#;
/// let tokenizer = Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json".as_ref())?;
/// let pairs = read_pairs("on\tan an an\n".as_bytes(), "en-de.tsv".as_ref(), None)?;
/// let inputs = join_translations(&tokenizer, &pairs, 6)?;
/// assert_eq!(inputs[0].ids, [0, 2, 1, 3, 3, 1]);
/// assert_eq!(inputs[0].n_truncated, 1);
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
///
/// # Errors
/// [`TextError::MaxLength`] if the special tokens leave no room for a token of each sentence,
/// [`TextError::Encode`] if the tokenizer refuses one.
///
/// # Source
/// Translation language modelling of Conneau & Lample 2019, arXiv:1901.07291, §3.4, in the form of
/// InfoXLM (Chi et al. 2021, arXiv:2007.07834): position ids continue in the translation, and there
/// are no language embeddings.
pub fn join_translations(
    tokenizer: &Tokenizer,
    pairs: &[SentencePair],
    max_length: usize,
) -> Result<Vec<Encoded>, TextError> {
    let special = SpecialTokens::from_tokenizer(tokenizer)?;
    let room = special.room(2, max_length)?;
    let side = tokenizer.truncation_side();
    let join = |pair: &SentencePair| {
        let encoder = Encoder::new(tokenizer);
        let (left, right) = (encoder.token_ids(&pair.left)?, encoder.token_ids(&pair.right)?);
        let [n_left, n_right] = fair_lengths([left.len(), right.len()], room);
        let joined = special.surround(&[kept(&left, n_left, side), kept(&right, n_right, side)]);
        let n_truncated = left.len() + right.len() - n_left - n_right;
        Ok(Encoded { n_truncated, truncation_side: side, ..joined })
    };
    pairs.maybe_par_iter().map(join).collect()
}

/// The `n` tokens of a text that truncation keeps, the last ones if it cuts on the left.
fn kept<T>(tokens: &[T], n: usize, side: TruncationSide) -> &[T] {
    match side {
        TruncationSide::Right => &tokens[..n],
        TruncationSide::Left => &tokens[tokens.len() - n..],
    }
}

/// Longest-first truncation: the lengths of two texts that are truncated to `room` in total,
/// neither below half of it.
fn fair_lengths([n_left, n_right]: [usize; 2], room: usize) -> [usize; 2] {
    let n_left = n_left.min(room.saturating_sub(n_right).max(room.div_ceil(2)));
    [n_left, n_right.min(room - n_left)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{fair_lengths, join_translations, pack_sentences};
    use crate::tokenizer::tests::{BYTE_LEVEL, UNIGRAM, WORD_PIECE, read, unigram, word_level};
    use crate::{SentencePair, TextError, read_pairs};

    fn pairs(data: &str) -> Vec<SentencePair> {
        read_pairs(data.as_bytes(), "x.tsv".as_ref(), None).unwrap()
    }

    #[test]
    fn sentences_stay_whole_unless_a_block_is_too_short_for_them() {
        // ▁Licht is 5, ▁aus 8.
        let sentences = ["Licht aus", "aus", "Licht Licht Licht aus aus", "aus"];
        let blocks = pack_sentences(&unigram(), &sentences, 6).unwrap();
        let ids: Vec<_> = blocks.iter().map(|block| block.ids.as_slice()).collect();
        assert_eq!(ids, [&[0, 5, 8, 8, 2][..], &[0, 5, 5, 5, 8, 2], &[0, 8, 8, 2]]);
        assert_eq!(blocks[2].special, [true, false, false, true]);
    }

    #[test]
    fn a_length_without_room_is_refused() {
        let error = |max_length| pack_sentences(&unigram(), &["aus"], max_length).unwrap_err();
        assert!(matches!(error(2), TextError::MaxLength { max_length: 2, n_special: 2 }));
        assert!(matches!(error(0), TextError::MaxLength { .. }));
        let error = join_translations(&unigram(), &pairs("aus\taus\n"), 4).unwrap_err();
        assert!(matches!(error, TextError::MaxLength { max_length: 4, n_special: 3 }));
    }

    #[test]
    fn a_pair_is_joined_with_the_segments_of_its_tokenizer() {
        let joined = join_translations(&unigram(), &pairs("Licht aus\tWohn\n"), 16).unwrap();
        assert_eq!(joined[0].ids, [0, 5, 8, 2, 6, 7, 2]);
        assert_eq!(joined[0].type_ids, [0, 0, 0, 0, 1, 1, 1]);
        assert_eq!(joined[0].special, [true, false, false, true, false, false, true]);
    }

    #[test]
    fn a_pair_is_cut_on_the_side_of_its_tokenizer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, UNIGRAM).unwrap();
        let cut = |side: &str| {
            let config = format!(r#"{{"truncation_side": "{side}"}}"#);
            std::fs::write(folder.path().join("tokenizer_config.json"), config).unwrap();
            let tokenizer = crate::Tokenizer::from_file(&path).unwrap();
            let joined = join_translations(&tokenizer, &pairs("aus\tLicht aus aus Licht\n"), 6);
            let joined = joined.unwrap().remove(0);
            assert_eq!(joined.n_truncated, 2);
            joined.ids
        };
        // ▁Licht is 5, ▁aus 8; the longer text is cut to what three special tokens leave.
        assert_eq!(cut("right"), [0, 8, 2, 5, 8, 2]);
        assert_eq!(cut("left"), [0, 8, 2, 8, 5, 2]);
    }

    proptest! {
        #[test]
        fn no_token_is_lost_or_moved(
            sentences in prop::collection::vec("[Lichtause灯🎵 ]{0,24}", 0..12),
            max_length in 3usize..20,
        ) {
            for tokenizer in [unigram(), read(WORD_PIECE), read(BYTE_LEVEL), word_level()] {
                let plain = |encoded: &crate::Encoded| -> Vec<u32> {
                    let tokens = encoded.ids.iter().zip(&encoded.special);
                    tokens.filter(|(_, special)| !**special).map(|(id, _)| *id).collect()
                };
                let blocks = pack_sentences(&tokenizer, &sentences, max_length).unwrap();
                prop_assert!(blocks.iter().all(|block| block.len() <= max_length));
                prop_assert!(blocks.iter().all(|block| !plain(block).is_empty()));
                let expected: Vec<u32> = sentences
                    .iter()
                    .flat_map(|sentence| plain(&tokenizer.encode(sentence, None, 999).unwrap()))
                    .collect();
                prop_assert_eq!(blocks.iter().flat_map(plain).collect::<Vec<_>>(), expected);
            }
        }

        #[test]
        fn both_sides_of_a_pair_are_cut_fairly(lengths in [0usize..40, 0usize..40], room in 2usize..40) {
            let [left, right] = fair_lengths(lengths, room);
            prop_assert!(left <= lengths[0] && right <= lengths[1]);
            prop_assert_eq!(left + right, room.min(lengths[0] + lengths[1]));
            prop_assert!(left >= lengths[0].min(room / 2) && right >= lengths[1].min(room / 2));
        }
    }
}
