//! Masked language modelling (MLM): masks random tokens of an input, which are its targets (Devlin
//! et al. 2019).

use std::collections::BTreeSet;

use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::outside;
use crate::tokenizer::SpecialTokens;
use crate::{Encoded, Features, IGNORE_INDEX, Target, TextError, Tokenizer};

/// The `[masking]` table of a recipe: masked language modelling (MLM), with the masking rate and
/// the shares of mask tokens and random tokens.
///
/// ```
/// use isogloss_text::MaskingConfig;
///
/// let config: MaskingConfig = serde_json::from_str(r#"{"mask": 0.95}"#)?;
/// assert_eq!(config.faults(), [("random", "expected at most 0.05 beside mask 0.95, found 0.1".to_owned())]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MaskingConfig {
    /// The masking rate: the share of the tokens to predict, above 0.
    pub rate: f64,
    /// The share of the sampled tokens that are replaced by the mask token.
    pub mask: f64,
    /// The share of the sampled tokens that are replaced by a random token; the rest is unchanged.
    pub random: f64,
}

impl Default for MaskingConfig {
    /// The values of BERT: 15 %, of which 80 % masked, 10 % random, 10 % unchanged.
    fn default() -> Self {
        Self { rate: 0.15, mask: 0.8, random: 0.1 }
    }
}

impl MaskingConfig {
    /// Validates the configuration: the field name and the reason of each invalid value.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if !(self.rate > 0.0 && self.rate <= 1.0) {
            faults.push(("rate", format!("expected (0, 1], found {}", self.rate)));
        }
        for (field, share) in [("mask", self.mask), ("random", self.random)] {
            faults.extend(outside(field, share, 0.0..=1.0));
        }
        if faults.is_empty() && self.mask + self.random > 1.0 {
            let (mask, random) = (self.mask, self.random);
            // Rounded for the message, which would show the floating-point error of 1 - mask
            // otherwise.
            let rest = ((1.0 - mask) * 1e9).round() / 1e9;
            let reason = format!("expected at most {rest} beside mask {mask}, found {random}");
            faults.push(("random", reason));
        }
        faults
    }
}

/// Token masking for masked language modelling (MLM, Devlin et al. 2019).
///
/// Special tokens are neither masked nor used as random tokens: those that the tokenizer adds, and
/// those in the text, which include the unknown token of most tokenizers.
///
/// ```
/// use isogloss_text::{Encoded, Masker, MaskingConfig, Target, Tokenizer};
///
/// let json = r#"{"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model":
///     {"type": "WordLevel", "vocab": {"[MASK]": 0, "Licht": 1, "an": 2}, "unk_token": "[MASK]"}}"#;
/// let tokenizer = Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json".as_ref())?;
/// let all = MaskingConfig { rate: 1.0, mask: 1.0, random: 0.0 };
/// let masked = Masker::new(all, &tokenizer)?.mask(&tokenizer.encode("Licht an", None, 8)?, 3);
/// assert_eq!(masked.input.ids, [0, 0]);
/// assert_eq!(masked.target, Target::Tokens(vec![1, 2]));
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
///
/// # Source
/// Devlin et al. 2019, BERT, arXiv:1810.04805, §3.1.
/// The number of sampled tokens is that of fairseq's `mask_tokens`, with which InfoXLM was trained,
/// except that fairseq also counts special tokens.
#[derive(Debug, Clone)]
pub struct Masker {
    config: MaskingConfig,
    mask_id: u32,
    special: BTreeSet<u32>,
    /// The ids of all other tokens, sorted.
    plain: Vec<u32>,
}

impl Masker {
    /// Creates a masker with the mask token and the vocabulary of a tokenizer.
    ///
    /// # Errors
    /// [`TextError::InvalidMasking`] for the first of [`MaskingConfig::faults`],
    /// [`TextError::NoMaskToken`] for a tokenizer without a mask token.
    pub fn new(config: MaskingConfig, tokenizer: &Tokenizer) -> Result<Self, TextError> {
        if let Some((field, reason)) = config.faults().into_iter().next() {
            return Err(TextError::InvalidMasking { field, reason });
        }
        let mask_id = tokenizer.mask_id()?;
        let mut special: BTreeSet<u32> = SpecialTokens::from_tokenizer(tokenizer)?.ids().collect();
        special.extend(tokenizer.special_tokens().into_keys());
        special.insert(mask_id);
        let plain: BTreeSet<u32> = tokenizer.ids().filter(|id| !special.contains(id)).collect();
        Ok(Self { config, mask_id, special, plain: plain.into_iter().collect() })
    }

    /// Masks a random sample of the tokens of an input; the target of a sampled token is its
    /// original id, that of all others [`IGNORE_INDEX`].
    ///
    /// Of `n` tokens that are not special, `rate · n` are sampled, with stochastic rounding, so
    /// that this is their expected number.
    /// A short input may thus be returned unchanged and without a target, so that it adds nothing
    /// to a mean over targets; this is always so for special tokens alone.
    /// The same seed gives the same result on every machine.
    pub fn mask(&self, input: &Encoded, seed: u64) -> Features {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let tokens = input.ids.iter().zip(&input.special).enumerate();
        let mut positions: Vec<usize> = tokens
            .filter(|&(_, (id, &special))| !special && !self.special.contains(id))
            .map(|(position, _)| position)
            .collect();
        let n_drawn = (self.config.rate * positions.len() as f64 + rng.random::<f64>()) as usize;
        let (drawn, _) = positions.partial_shuffle(&mut rng, n_drawn);

        let mut masked = input.clone();
        let mut targets = vec![IGNORE_INDEX; input.len()];
        for &mut position in drawn {
            let (Some(id), Some(target)) =
                (masked.ids.get_mut(position), targets.get_mut(position))
            else {
                continue;
            };
            *target = i32::try_from(*id).unwrap_or(i32::MAX);
            let draw = rng.random::<f64>();
            if draw < self.config.mask {
                *id = self.mask_id;
            } else if draw < self.config.mask + self.config.random {
                *id = self.plain.choose(&mut rng).copied().unwrap_or(*id);
            }
        }
        Features { input: masked, target: Target::Tokens(targets) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::{Masker, MaskingConfig};
    use crate::tokenizer::tests::{UNIGRAM, WORD_PIECE, read, unigram};
    use crate::{
        Encoded, Features, IGNORE_INDEX, Target, TokenBatch, Tokenizer, join_translations,
        pack_sentences, read_pairs,
    };

    /// Words 100 to 999 besides the special tokens of BERT.
    static WORDS: LazyLock<Tokenizer> = LazyLock::new(|| {
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].into_iter().enumerate();
        let added = special.clone().map(|(id, name)| {
            json!({"id": id, "content": name, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
        });
        let words = (100..1000).map(|id| (format!("w{id}"), json!(id)));
        let names = special.clone().map(|(id, name)| (name.to_owned(), json!(id)));
        let tokenizer = json!({
            "version": "1.0",
            "added_tokens": added.collect::<Vec<_>>(),
            "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": {"type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 3]},
            "model": {"type": "WordLevel", "vocab": names.chain(words).collect::<Map<_, _>>(), "unk_token": "[UNK]"},
        });
        read(&tokenizer.to_string())
    });

    fn text(n_words: usize) -> String {
        (0..n_words).map(|i| format!("w{} ", 100 + i * 37 % 900)).collect()
    }

    fn targets(features: &Features) -> &[i32] {
        match &features.target {
            Target::Tokens(targets) => targets,
            other => panic!("expected targets for tokens, found {other:?}"),
        }
    }

    fn message(config: MaskingConfig) -> String {
        Masker::new(config, &unigram()).unwrap_err().to_string()
    }

    #[test]
    fn a_tokenizer_without_a_mask_token_is_refused() {
        let error = Masker::new(MaskingConfig::default(), &read(WORD_PIECE)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this tokenizer has no mask token, neither \"<mask>\" nor \"[MASK]\"; its special tokens are [\"[CLS]\"]"
        );
        assert_eq!(unigram().mask_id().unwrap(), 13);
        assert_eq!(WORDS.mask_id().unwrap(), 4);
        let other = UNIGRAM.replace("<mask>", "[MASK]");
        assert_eq!(read(&other).mask_id().unwrap(), 13);
    }

    #[test]
    fn shares_outside_their_range_are_named() {
        let default = MaskingConfig::default();
        assert_eq!(default.faults(), []);
        assert_eq!(MaskingConfig { rate: 1.0, mask: 0.9, random: 0.1 }.faults(), []);
        assert_eq!(
            message(MaskingConfig { rate: 0.0, ..default }),
            "masking.rate: expected (0, 1], found 0"
        );
        assert_eq!(
            message(MaskingConfig { mask: 1.5, ..default }),
            "masking.mask: expected [0, 1], found 1.5"
        );
        assert_eq!(
            message(MaskingConfig { random: 0.3, ..default }),
            "masking.random: expected at most 0.2 beside mask 0.8, found 0.3"
        );
        let none = MaskingConfig { rate: f64::NAN, mask: f64::NAN, random: f64::INFINITY };
        assert_eq!(none.faults().len(), 3);
    }

    #[test]
    fn the_shares_are_those_asked_for() {
        let (tokenizer, config) = (&*WORDS, MaskingConfig::default());
        let masker = Masker::new(config, tokenizer).unwrap();
        // 21 words: 3.15 of them in the mean.
        let input = tokenizer.encode(&text(21), None, 64).unwrap();
        let (mut n_drawn, mut n_masked, mut n_random, mut n_rows) = (0, 0, 0, 0);
        for seed in 0..4000 {
            let masked = masker.mask(&input, seed);
            n_rows += 1;
            for ((&id, &before), &target) in
                masked.input.ids.iter().zip(&input.ids).zip(targets(&masked))
            {
                if target != IGNORE_INDEX {
                    n_drawn += 1;
                    n_masked += usize::from(id == 4);
                    n_random += usize::from(id != 4 && id != before);
                }
            }
        }
        let share = |n: usize, of: usize| n as f64 / of as f64;
        // Five deviations of each share.
        assert!((share(n_drawn, 21 * n_rows) - 0.15).abs() < 0.0015);
        assert!((share(n_masked, n_drawn) - 0.8).abs() < 0.02);
        // One of 900 random tokens is the one that stood there.
        assert!((share(n_random, n_drawn) - 0.1).abs() < 0.015);
    }

    #[test]
    fn random_tokens_are_all_but_special_ones() {
        let tokenizer = &*WORDS;
        let config = MaskingConfig { rate: 1.0, mask: 0.0, random: 1.0 };
        let masker = Masker::new(config, tokenizer).unwrap();
        let input = tokenizer.encode(&text(900), None, 999).unwrap();
        let mut drawn = std::collections::BTreeSet::new();
        for seed in 0..20 {
            let ids = masker.mask(&input, seed).input.ids;
            drawn.extend(ids[1..ids.len() - 1].iter().copied());
        }
        assert!(drawn.iter().all(|id| (100..1000).contains(id)));
        assert_eq!(drawn.len(), 900);
    }

    #[test]
    fn inputs_without_a_word_have_no_target() {
        let (tokenizer, config) =
            (&*WORDS, MaskingConfig { rate: 1.0, ..MaskingConfig::default() });
        let masker = Masker::new(config, tokenizer).unwrap();
        // Unknown words are special tokens here.
        for input in [
            Encoded::default(),
            tokenizer.encode("", None, 8).unwrap(),
            tokenizer.encode("[MASK] unknown", None, 8).unwrap(),
        ] {
            let masked = masker.mask(&input, 1);
            assert_eq!(masked.input, input);
            assert!(targets(&masked).iter().all(|target| *target == IGNORE_INDEX));
        }
    }

    #[test]
    fn an_input_is_masked_the_same_on_every_machine() {
        let tokenizer = &*WORDS;
        let masker = Masker::new(MaskingConfig { rate: 0.7, mask: 0.4, random: 0.4 }, tokenizer);
        let masked = masker.unwrap().mask(&tokenizer.encode(&text(6), None, 8).unwrap(), 7);
        assert_eq!(masked.input.ids, [2, 100, 137, 4, 4, 132, 285, 3]);
        assert_eq!(targets(&masked), [-100, -100, -100, 174, 211, 248, 285, -100]);
    }

    #[test]
    fn blocks_and_pairs_become_batches_with_their_labeled_tokens() {
        let tokenizer = &*WORDS;
        let config = MaskingConfig { rate: 1.0, mask: 1.0, random: 0.0 };
        let masker = Masker::new(config, tokenizer).unwrap();
        let block = pack_sentences(tokenizer, &["w100", "w101"], 8).unwrap().remove(0);
        let pairs = read_pairs("w102\tw103 w104\n".as_bytes(), "x".as_ref(), None).unwrap();
        let pair = join_translations(tokenizer, &pairs, 8).unwrap().remove(0);
        let masked = [masker.mask(&block, 1), masker.mask(&pair, 2)];
        let batch = TokenBatch::collate(&masked.each_ref(), vec![0, 1], 0).unwrap();
        assert_eq!(batch.input_ids, [2, 4, 4, 3, 0, 0, 2, 4, 3, 4, 4, 3]);
        let (positions, labels) = batch.labeled_tokens();
        assert_eq!(positions, [1, 2, 7, 9, 10]);
        assert_eq!(labels, [100, 101, 102, 103, 104]);
    }

    proptest! {
        #[test]
        fn only_drawn_tokens_change_and_none_is_special(
            n_words in 0usize..60,
            rate in 0.01f64..=1.0,
            mask in 0.0f64..=1.0,
            seed: u64,
        ) {
            let tokenizer = &*WORDS;
            let masker = Masker::new(MaskingConfig { rate, mask, random: (1.0 - mask) / 2.0 }, tokenizer).unwrap();
            let input = tokenizer.encode(&text(n_words), Some("[MASK] w100 unknown"), 99).unwrap();
            let masked = masker.mask(&input, seed);
            prop_assert_eq!(&masked, &masker.mask(&input, seed));
            let (mut n_drawn, n_maskable) = (0, n_words + 1);
            for position in 0..input.len() {
                let (before, after, target) = (input.ids[position], masked.input.ids[position], targets(&masked)[position]);
                let is_special = before < 100;
                if target == IGNORE_INDEX {
                    prop_assert_eq!(before, after);
                } else {
                    prop_assert!(!is_special);
                    prop_assert_eq!(target, i32::try_from(before).unwrap());
                    prop_assert!(after == 4 || after >= 100);
                    n_drawn += 1;
                }
            }
            let expected = rate * n_maskable as f64;
            prop_assert!((f64::from(n_drawn) - expected).abs() < 1.0 + 1e-9);
            let rest = Features { input: Encoded { ids: input.ids.clone(), ..masked.input.clone() }, target: Target::None };
            prop_assert_eq!(rest.input, input);
        }
    }
}
