//! Word dropout: masks whole words at random, a regularization of parsers (UDify, Kondratyuk and
//! Straka 2019).

use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::Encoded;

/// Word dropout: replaces all tokens of each word by the mask token with the probability `rate`, in
/// place.
///
/// Special tokens belong to no word and are unchanged.
/// The same seed masks the same words on every machine.
///
/// # Source
/// Kondratyuk and Straka 2019, UDify, arXiv:1904.02099, with a rate of 0.2.
pub fn drop_words(input: &mut Encoded, rate: f64, mask_id: u32, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut is_dropped = BTreeMap::new();
    for (id, word) in input.ids.iter_mut().zip(&input.word_ids) {
        let Some(word) = word else { continue };
        if *is_dropped.entry(*word).or_insert_with(|| rng.random::<f64>() < rate) {
            *id = mask_id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::drop_words;
    use crate::Encoded;

    fn input(n_words: u32) -> Encoded {
        let words = (0..n_words).flat_map(|word| [Some(word), Some(word)]);
        let word_ids: Vec<_> = [None].into_iter().chain(words).chain([None]).collect();
        let ids = (0..).take(word_ids.len()).collect();
        Encoded { ids, word_ids, ..Encoded::default() }
    }

    #[test]
    fn words_are_hidden_whole_and_in_their_share() {
        let mut hidden = input(5000);
        drop_words(&mut hidden, 0.2, 99_999, 3);
        let masked: Vec<bool> = hidden.ids.iter().map(|id| *id == 99_999).collect();
        assert!(!masked[0] && !masked[10_001], "special tokens");
        assert!(masked[1..10_001].chunks(2).all(|word| word[0] == word[1]));
        let n_hidden = masked.iter().filter(|masked| **masked).count() / 2;
        assert!((900..1100).contains(&n_hidden), "{n_hidden} of 5000");

        let mut again = input(5000);
        drop_words(&mut again, 0.2, 99_999, 3);
        assert_eq!(again, hidden);
        drop_words(&mut again, 0.0, 0, 4);
        assert_eq!(again, hidden);
    }
}
