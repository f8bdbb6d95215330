//! Special tokens (`[CLS]`, `[SEP]`): the template of a tokenizer's post-processor, applied to
//! token ids.

use tokenizers::{Encoding, PostProcessor as _, Token};

use crate::{Encoded, TextError, Tokenizer};

/// Special tokens template: the tokens before and after a text, and the token type (segment) ids of
/// a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpecialTokens {
    before: Vec<u32>,
    after: Vec<u32>,
    segments: [u32; 2],
}

impl SpecialTokens {
    /// Derives the template from the post-processor's output for a text and a pair of one token
    /// each.
    ///
    /// # Errors
    /// [`TextError::Encode`] if the post-processor fails.
    pub(crate) fn from_tokenizer(tokenizer: &Tokenizer) -> Result<Self, TextError> {
        let segments = |[first, second]: [u32; 2]| match tokenizer.has_type_ids {
            true => [first, second],
            false => [0, 0],
        };
        let Some(processor) = &tokenizer.post_processor else {
            let segments = segments([0, 1]);
            return Ok(Self { before: Vec::new(), after: Vec::new(), segments });
        };
        let one = || Encoding::from_tokens(vec![Token::new(0, String::new(), (0, 0))], 0);
        let process = |second: Option<Encoding>| {
            let framed = processor.process(one(), second, true);
            framed.map_err(|error| TextError::Encode {
                text: String::new(),
                reason: error.to_string(),
            })
        };
        let text_start = |encoding: &Encoding, text: usize| {
            encoding.get_sequence_ids().iter().position(|other| *other == Some(text)).unwrap_or(0)
        };
        let (single, pair) = (process(None)?, process(Some(one()))?);
        let (before, from_text) = single.get_ids().split_at(text_start(&single, 0));
        let segment =
            |text| pair.get_type_ids().get(text_start(&pair, text)).copied().unwrap_or_default();
        Ok(Self {
            before: before.to_vec(),
            after: from_text.get(1..).unwrap_or_default().to_vec(),
            segments: segments([segment(0), segment(1)]),
        })
    }

    /// The ids of the tokens before and after a text.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        self.before.iter().chain(&self.after).copied()
    }

    /// Token budget: the number of tokens that `n_texts` texts can have in total besides special
    /// tokens, at least one each.
    ///
    /// # Errors
    /// [`TextError::MaxLength`] if there is less room than one token for each text.
    pub(crate) fn room(&self, n_texts: usize, max_length: usize) -> Result<usize, TextError> {
        let n_special = self.before.len() + n_texts * self.after.len();
        let room = max_length.saturating_sub(n_special);
        if room < n_texts { Err(TextError::MaxLength { max_length, n_special }) } else { Ok(room) }
    }

    /// Adds special tokens to one text or two: `<s> a </s> b </s>`.
    ///
    /// The tokens have neither offsets nor word ids.
    pub(crate) fn surround(&self, texts: &[&[u32]]) -> Encoded {
        let mut encoded = Encoded::default();
        let mut push = |ids: &[u32], segment: u32, is_special: bool| {
            encoded.ids.extend_from_slice(ids);
            let n_tokens = encoded.ids.len();
            encoded.type_ids.resize(n_tokens, segment);
            encoded.special.resize(n_tokens, is_special);
            encoded.offsets.resize(n_tokens, (0, 0));
            encoded.word_ids.resize(n_tokens, None);
        };
        push(&self.before, self.segments[0], true);
        for (text, segment) in texts.iter().zip(self.segments) {
            push(text, segment, false);
            push(&self.after, segment, true);
        }
        encoded
    }
}

#[cfg(test)]
mod tests {
    use super::SpecialTokens;
    use crate::TextError;
    use crate::tokenizer::tests::{BYTE_LEVEL, WORD_PIECE, read, unigram, word_level};

    #[test]
    fn one_text_is_framed_as_the_tokenizer_frames_it() {
        for tokenizer in [unigram(), read(WORD_PIECE), read(BYTE_LEVEL), word_level()] {
            let encoded = tokenizer.encode("Licht aus 灯", None, 16).unwrap();
            let text: Vec<u32> = encoded
                .ids
                .iter()
                .zip(&encoded.special)
                .filter_map(|(id, special)| (!special).then_some(*id))
                .collect();
            let framed = SpecialTokens::from_tokenizer(&tokenizer).unwrap().surround(&[&text]);
            assert_eq!(
                (framed.ids, framed.type_ids, framed.special),
                (encoded.ids, encoded.type_ids, encoded.special)
            );
        }
    }

    #[test]
    fn two_texts_have_one_separator_between_them_and_the_segments_of_a_pair() {
        // RoBERTa's own pairs have two, `<s> a </s> </s> b </s>`.
        let special = SpecialTokens::from_tokenizer(&read(BYTE_LEVEL)).unwrap();
        let pair = special.surround(&[&[3], &[4, 5]]);
        assert_eq!((pair.ids, pair.type_ids), (vec![0, 3, 1, 4, 5, 1], vec![0; 6]));
        let pair =
            SpecialTokens::from_tokenizer(&read(WORD_PIECE)).unwrap().surround(&[&[3], &[4, 5]]);
        assert_eq!((pair.ids, pair.type_ids), (vec![1, 3, 2, 4, 5, 2], vec![0, 0, 0, 1, 1, 1]));
    }

    #[test]
    fn each_text_needs_room_for_a_token() {
        let special = SpecialTokens::from_tokenizer(&unigram()).unwrap();
        assert_eq!((special.room(1, 3).unwrap(), special.room(2, 5).unwrap()), (1, 2));
        assert!(matches!(
            special.room(2, 4),
            Err(TextError::MaxLength { max_length: 4, n_special: 3 })
        ));
        assert!(special.room(1, 0).is_err());
    }
}
