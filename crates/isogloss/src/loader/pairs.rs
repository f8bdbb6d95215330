//! Data loader of sentence pairs: samples the language of each batch, and makes the texts that
//! objectives read.

use std::ops::Range;

use isogloss_kernels::split_seed;
use isogloss_methods::{ContrastTexts, TextView, WordLinks};
use isogloss_model::SentenceModules;
use isogloss_text::{
    Encoded, Features, Masker, SentencePair, Target, TokenBatch, Tokenizer, join_translations,
};

use super::language_epochs::LanguageEpochs;
use crate::data::pairs::{LinkedPair, PairSet};
use crate::ground::seeds;
use crate::step::batch_links;
use crate::task::DataReport;
use crate::{Error, PairsRecipe};

/// Data loader of sentence pairs; all pairs of a batch are of one language.
pub(crate) struct PairLoader {
    pub(crate) sets: Vec<PairSet>,
    pub(crate) tokenizer: Tokenizer,
    /// Maximum sequence length of a sentence, in tokens.
    pub(crate) max_length: usize,
    pub(crate) epochs: LanguageEpochs,
    masker: Option<Masker>,
    contrast: ContrastTexts,
    pad_token_id: u32,
    seed: u64,
}

/// Batch of sentence pairs.
pub(crate) struct PairBatch {
    /// The index of its language among the sets.
    pub(crate) language: usize,
    pub(crate) texts: Vec<(TextView, TokenBatch)>,
    /// The words of both sides, and their links if they were aligned before training.
    pub(crate) links: WordLinks,
    /// The pairs whose words the model is to align.
    pub(crate) to_align: Vec<SentencePair>,
}

impl PairLoader {
    pub(crate) fn new(
        sets: Vec<PairSet>,
        recipe: &PairsRecipe,
        tokenizer: &Tokenizer,
        max_length: usize,
        pad_token_id: u32,
        seed: u64,
    ) -> Self {
        let seed = split_seed(seed, seeds::PAIRS);
        let n_bytes = |pair: &LinkedPair| pair.pair.left.len() + pair.pair.right.len();
        let lengths = sets.iter().map(|set| set.train.iter().map(n_bytes).collect()).collect();
        let epochs = LanguageEpochs::new(lengths, &recipe.sampling, recipe.batch_size, seed);
        Self {
            sets,
            tokenizer: tokenizer.clone(),
            max_length,
            epochs,
            masker: None,
            contrast: ContrastTexts { mixup: false, masked: false },
            pad_token_id,
            seed,
        }
    }

    /// Sets token masking and the contrastive augmentation of pairs, where objectives ask for them.
    #[must_use]
    pub(crate) fn with_texts(
        self,
        masker: Option<Masker>,
        contrast: Option<ContrastTexts>,
    ) -> Self {
        let contrast = contrast.unwrap_or(self.contrast);
        Self { masker, contrast, ..self }
    }

    /// Batch number `number`, tokenized as these texts.
    pub(crate) fn sample(&mut self, number: u64, texts: &[TextView]) -> Result<PairBatch, Error> {
        let (language, indices) = self.epochs.sample(number);
        let seed = split_seed(self.seed, number);
        let pairs: Vec<_> = indices.iter().map(|idx| &self.sets[language].train[*idx]).collect();
        let mut batch = PairBatch {
            language,
            texts: Vec::new(),
            links: WordLinks::default(),
            to_align: Vec::new(),
        };
        let has = |text| texts.contains(&text);
        if has(TextView::PairLeft) || has(TextView::PairRight) {
            let sides = self.words(&pairs)?;
            batch.links = links(&pairs, &sides);
            if self.sets[language].aligned_in_training {
                batch.to_align = pairs.iter().map(|pair| pair.pair.clone()).collect();
            }
            let [left, right] = sides.map(|side| self.collate(plain(side)));
            batch.texts.extend([(TextView::PairLeft, left?), (TextView::PairRight, right?)]);
        }
        if has(TextView::ContrastLeft) || has(TextView::ContrastRight) {
            let [left, right] = self.contrasted(&pairs, seed)?;
            let sides = [self.collate(left)?, self.collate(right)?];
            let views = [TextView::ContrastLeft, TextView::ContrastRight];
            batch.texts.extend(views.into_iter().zip(sides));
        }
        if has(TextView::PairJoined) {
            let pairs: Vec<_> = pairs.iter().map(|pair| pair.pair.clone()).collect();
            let joined = join_translations(&self.tokenizer, &pairs, self.max_length)?;
            let joined = self.masked(joined, split_seed(seed, 2));
            batch.texts.push((TextView::PairJoined, self.collate(joined)?));
        }
        Ok(batch)
    }

    /// Distinct left sentences of all pairs, tokenized by this tokenizer and by the other one.
    pub(crate) fn distinct_left(
        &self,
        other: &Tokenizer,
        modules: Option<&SentenceModules>,
    ) -> Result<[Vec<Encoded>; 2], Error> {
        let pairs = self.sets.iter().flat_map(|set| &set.train);
        let mut lefts: Vec<&str> = pairs.map(|pair| pair.pair.left.as_str()).collect();
        lefts.sort_unstable();
        lefts.dedup();
        let words = |left: &str| left.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let sentences: Vec<_> = lefts.iter().map(|left| words(left)).collect();
        let own = self.tokenizer.encode_words_batch(&sentences, self.max_length)?;
        let max_length = modules.and_then(|modules| modules.max_seq_length);
        let max_length = max_length.unwrap_or(usize::MAX).min(self.max_length);
        let others = match modules.is_some_and(|modules| modules.do_lower_case) {
            true => lefts.iter().map(|left| words(&left.to_lowercase())).collect(),
            false => sentences,
        };
        Ok([own, other.encode_words_batch(&others, max_length)?])
    }

    /// Counts of all pairs: how many there are, their truncated sentences and those without a token,
    /// and the tokens of the longest.
    pub(crate) fn counts(&self) -> Result<DataReport, Error> {
        let trained = self.sets.iter().flat_map(|set| set.train.iter().map(|of| &of.pair));
        let held_out = self.sets.iter().flat_map(|set| &set.held_out);
        let texts: Vec<_> = trained.chain(held_out).flat_map(|of| [&of.left, &of.right]).collect();
        let mut counts = DataReport::default();
        for some in texts.chunks(1 << 12) {
            let words = |text: &&String| text.split_whitespace().map(str::to_owned).collect();
            let sentences: Vec<Vec<String>> = some.iter().map(words).collect();
            let encoded = self.tokenizer.encode_words_batch(&sentences, self.max_length)?;
            counts.add(&DataReport::from_encodings(&encoded));
        }
        Ok(DataReport { n: texts.len() / 2, ..counts })
    }

    /// Tokenizes both sides, split into words at whitespace.
    fn words(&self, pairs: &[&LinkedPair]) -> Result<[Vec<Encoded>; 2], Error> {
        let encode = |side: fn(&SentencePair) -> &str| {
            let words = |pair: &&LinkedPair| -> Vec<String> {
                side(&pair.pair).split_whitespace().map(str::to_owned).collect()
            };
            let sentences: Vec<_> = pairs.iter().map(words).collect();
            self.tokenizer.encode_words_batch(&sentences, self.max_length)
        };
        Ok([encode(|pair| &pair.left)?, encode(|pair| &pair.right)?])
    }

    /// Pairs for contrastive learning as in InfoXLM (Chi et al. 2021): which language is on the
    /// left is drawn for each text. With mixup, every two pairs are concatenated,
    /// `<s> first </s> second </s>`, the two sentences of a side in random order. As in the authors'
    /// data, no pair is in two texts, and the last one of an odd number is left out; a pair alone is
    /// not mixed.
    fn contrasted(&self, pairs: &[&LinkedPair], seed: u64) -> Result<[Vec<Features>; 2], Error> {
        let flips =
            |text: usize, what: u64| split_seed(split_seed(seed, text as u64), what) % 2 == 1;
        let mixes = self.contrast.mixup && pairs.len() > 1;
        // Batches can be in the order of lengths: the twos are drawn, and the pair that is left out.
        let mut order = pairs.to_vec();
        if mixes {
            let mut numbered: Vec<_> = order.into_iter().enumerate().collect();
            numbered.sort_by_key(|(at, _)| split_seed(split_seed(seed, u64::MAX), *at as u64));
            order = numbered.into_iter().map(|(_, pair)| pair).collect();
        }
        let texts = order.chunks_exact(if mixes { 2 } else { 1 });
        let sides = texts.clone().enumerate().map(|(at, text)| {
            let (pair, next) = (&text[0].pair, &text[text.len() - 1].pair);
            let mix = |first, second, what| match mixes && flips(at, what) {
                true => [second, first],
                false => [first, second],
            };
            let sides = (mix(&*pair.left, &*next.left, 0), mix(&*pair.right, &*next.right, 1));
            if flips(at, 2) { (sides.1, sides.0) } else { sides }
        });
        let (left, right): (Vec<_>, Vec<_>) = sides.unzip();
        let encode = |side: Vec<[&str; 2]>, what| {
            let encoded = if mixes {
                let texts = side.iter().zip(texts.clone());
                let mixed = texts.map(|([first, second], text)| SentencePair {
                    left: (*first).to_owned(),
                    right: (*second).to_owned(),
                    origin: text[0].pair.origin.clone(),
                });
                let mixed: Vec<_> = mixed.collect();
                join_translations(&self.tokenizer, &mixed, self.max_length)?
            } else {
                let texts: Vec<_> = side.iter().map(|[text, _]| (*text, None)).collect();
                self.tokenizer.encode_batch(&texts, self.max_length)?
            };
            Ok::<_, Error>(match self.contrast.masked {
                true => self.masked(encoded, split_seed(seed, what)),
                false => plain(encoded),
            })
        };
        Ok([encode(left, 0)?, encode(right, 1)?])
    }

    fn masked(&self, texts: Vec<Encoded>, seed: u64) -> Vec<Features> {
        let Some(masker) = &self.masker else { return plain(texts) };
        let texts = texts.iter().zip(0..);
        texts.map(|(text, row)| masker.mask(text, split_seed(seed, row))).collect()
    }

    fn collate(&self, side: Vec<Features>) -> Result<TokenBatch, Error> {
        let indices = (0..side.len()).collect();
        let side: Vec<_> = side.iter().collect();
        Ok(TokenBatch::collate(&side, indices, self.pad_token_id)?)
    }
}

fn plain(texts: Vec<Encoded>) -> Vec<Features> {
    texts.into_iter().map(|input| Features { input, target: Target::None }).collect()
}

/// Word alignment of a batch: the token ranges of each word, and the links between them.
fn links(pairs: &[&LinkedPair], [left, right]: &[Vec<Encoded>; 2]) -> WordLinks {
    let side = |text: fn(&SentencePair) -> &str, encoded: &[Encoded]| -> Vec<Vec<Range<usize>>> {
        let sentences = pairs.iter().zip(encoded);
        sentences.map(|(pair, encoded)| word_tokens(text(&pair.pair), encoded)).collect()
    };
    let left_words = side(|pair| &pair.left, left);
    let right_words = side(|pair| &pair.right, right);
    let words = WordLinks { left_words, right_words, links: Vec::new() };
    batch_links(words, pairs.iter().map(|pair| &pair.links))
}

/// Token range of each word between whitespace; empty for a truncated word.
fn word_tokens(text: &str, encoded: &Encoded) -> Vec<Range<usize>> {
    let mut words = vec![0..0; text.split_whitespace().count()];
    for (token, word) in encoded.word_ids.iter().enumerate() {
        let Some(range) = word.and_then(|word| words.get_mut(word as usize)) else { continue };
        let start = if range.start == range.end { token } else { range.start };
        *range = start..token + 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use isogloss_text::{Alignment, read_pairs};

    use super::*;

    /// Pairs of one-word sentences with the token ids 2, 3, 4 on the left and 5, 6, 7 on the right;
    /// `<s>` is 0 and `</s>` 1.
    fn stream(mixup: bool, batch_size: usize) -> PairLoader {
        let json = r#"{"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": {"type": "BertProcessing", "cls": ["<s>", 0], "sep": ["</s>", 1]},
            "model": {"type": "WordLevel", "unk_token": "</s>", "vocab":
            {"<s>": 0, "</s>": 1, "one": 2, "two": 3, "three": 4, "eins": 5, "zwei": 6, "drei": 7}}}"#;
        let tokenizer = Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json".as_ref()).unwrap();
        let text = "one\teins\ntwo\tzwei\nthree\tdrei\n";
        let pairs = read_pairs(text.as_bytes(), "en-de.tsv".as_ref(), None).unwrap();
        let linked = |pair| LinkedPair { pair, links: Alignment::default() };
        let set = PairSet {
            language: "de".parse().unwrap(),
            path: "en-de.tsv".into(),
            train: pairs.into_iter().map(linked).collect(),
            held_out: Vec::new(),
            n_unlinked: 0,
            aligned_in_training: false,
        };
        let recipe = PairsRecipe { batch_size, ..PairsRecipe::default() };
        PairLoader::new(vec![set], &recipe, &tokenizer, 64, 1, 7)
            .with_texts(None, Some(ContrastTexts { mixup, masked: false }))
    }

    /// The tokens of both sides of every pair of some batches.
    fn sampled(mut stream: PairLoader) -> BTreeSet<[Vec<i32>; 2]> {
        let views = [TextView::ContrastLeft, TextView::ContrastRight];
        let mut found = BTreeSet::new();
        for number in 0..200 {
            let texts = stream.sample(number, &views).unwrap().texts;
            let [left, right] = [0, 1].map(|side| {
                let (_, batch) = &texts[side];
                let rows = batch
                    .input_ids
                    .chunks(batch.seq_len)
                    .zip(batch.attention_mask.chunks(batch.seq_len));
                let real = |(ids, mask): (&[i32], &[u8])| {
                    ids.iter()
                        .zip(mask)
                        .filter(|(_, real)| **real != 0)
                        .map(|(id, _)| *id)
                        .collect()
                };
                rows.map(real).collect::<Vec<Vec<i32>>>()
            });
            found.extend(left.into_iter().zip(right).map(|(left, right)| [left, right]));
        }
        found
    }

    #[test]
    fn mixed_pairs_translate_each_other_in_every_order_and_direction() {
        let found = sampled(stream(true, 3));
        for [left, right] in &found {
            let [&[0, a, 1, b, 1], &[0, c, 1, d, 1]] = [&left[..], &right[..]] else {
                panic!("{left:?} {right:?}")
            };
            let translated = |word: i32| if word < 5 { word + 3 } else { word - 3 };
            assert!(a != b && (a < 5) == (b < 5), "two sentences of one language: {left:?}");
            let expected = BTreeSet::from([translated(a), translated(b)]);
            assert_eq!(BTreeSet::from([c, d]), expected, "{left:?} {right:?}");
        }
        // Three twos of pairs, two orders on each side, two directions.
        assert_eq!(found.len(), 3 * 2 * 2 * 2);
    }

    #[test]
    fn no_pair_is_mixed_twice_in_a_batch() {
        let views = [TextView::ContrastLeft, TextView::ContrastRight];
        for (batch_size, n_texts) in [(3, 1), (2, 1), (1, 1)] {
            let mut stream = stream(true, batch_size);
            for number in 0..20 {
                let batch = stream.sample(number, &views).unwrap();
                let n: Vec<_> = batch.texts.iter().map(|(_, text)| text.n).collect();
                assert_eq!(n, [n_texts; 2], "a batch of {batch_size}");
            }
        }
        let mut stream = stream(false, 3);
        assert_eq!(stream.sample(0, &views).unwrap().texts[0].1.n, 3);
    }

    #[test]
    fn a_pair_alone_is_not_mixed_and_pairs_without_mixup_go_both_ways() {
        let alone = sampled(stream(true, 1));
        assert_eq!(alone, sampled(stream(false, 3)));
        assert_eq!(alone.len(), 3 * 2);
        assert!(alone.contains(&[vec![0, 2, 1], vec![0, 5, 1]]));
        assert!(alone.contains(&[vec![0, 5, 1], vec![0, 2, 1]]));
    }
}
