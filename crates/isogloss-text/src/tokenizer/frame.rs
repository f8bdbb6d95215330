//! The special tokens that a tokenizer puts around a text.

use tokenizers::{Encoding, PostProcessor as _, Token};

use crate::{Encoded, TextError, Tokenizer};

/// What stands before a text and after it, and the segments of two texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    before: Vec<u32>,
    after: Vec<u32>,
    segments: [u32; 2],
}

impl Frame {
    /// Reads the frame off what the tokenizer puts around one token.
    pub(crate) fn of(tokenizer: &Tokenizer) -> Result<Self, TextError> {
        let Some(processor) = &tokenizer.post_processor else {
            return Ok(Self { before: Vec::new(), after: Vec::new(), segments: [0, 1] });
        };
        let one = || Encoding::from_tokens(vec![Token::new(0, String::new(), (0, 0))], 0);
        let process = |second: Option<Encoding>| {
            let framed = processor.process(one(), second, true);
            framed.map_err(|error| TextError::Encode {
                text: String::new(),
                reason: error.to_string(),
            })
        };
        let place = |encoding: &Encoding, text: usize| {
            encoding.get_sequence_ids().iter().position(|other| *other == Some(text)).unwrap_or(0)
        };
        let (single, pair) = (process(None)?, process(Some(one()))?);
        let (before, from_text) = single.get_ids().split_at(place(&single, 0));
        let segment =
            |text| pair.get_type_ids().get(place(&pair, text)).copied().unwrap_or_default();
        Ok(Self {
            before: before.to_vec(),
            after: from_text.get(1..).unwrap_or_default().to_vec(),
            segments: [segment(0), segment(1)],
        })
    }

    /// The ids of the tokens before and after a text.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        self.before.iter().chain(&self.after).copied()
    }

    /// The number of tokens that `n_texts` texts can have together, at least one each.
    pub(crate) fn room(&self, n_texts: usize, max_length: usize) -> Result<usize, TextError> {
        let n_special = self.before.len() + n_texts * self.after.len();
        let room = max_length.saturating_sub(n_special);
        if room < n_texts { Err(TextError::MaxLength { max_length, n_special }) } else { Ok(room) }
    }

    /// One text or two, as token ids, with the special tokens: `<s> a </s> b </s>`.
    ///
    /// The tokens have neither offsets nor words.
    pub(crate) fn around(&self, texts: &[&[u32]]) -> Encoded {
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
    use super::Frame;
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
            let framed = Frame::of(&tokenizer).unwrap().around(&[&text]);
            assert_eq!(
                (framed.ids, framed.type_ids, framed.special),
                (encoded.ids, encoded.type_ids, encoded.special)
            );
        }
    }

    #[test]
    fn two_texts_have_one_separator_between_them_and_the_segments_of_a_pair() {
        // RoBERTa's own pairs have two, `<s> a </s> </s> b </s>`.
        let frame = Frame::of(&read(BYTE_LEVEL)).unwrap();
        let pair = frame.around(&[&[3], &[4, 5]]);
        assert_eq!((pair.ids, pair.type_ids), (vec![0, 3, 1, 4, 5, 1], vec![0; 6]));
        let pair = Frame::of(&read(WORD_PIECE)).unwrap().around(&[&[3], &[4, 5]]);
        assert_eq!((pair.ids, pair.type_ids), (vec![1, 3, 2, 4, 5, 2], vec![0, 0, 0, 1, 1, 1]));
    }

    #[test]
    fn each_text_needs_room_for_a_token() {
        let frame = Frame::of(&unigram()).unwrap();
        assert_eq!((frame.room(1, 3).unwrap(), frame.room(2, 5).unwrap()), (1, 2));
        assert!(matches!(
            frame.room(2, 4),
            Err(TextError::MaxLength { max_length: 4, n_special: 3 })
        ));
        assert!(frame.room(1, 0).is_err());
    }
}
