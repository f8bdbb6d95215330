//! Tests of subword sampling, against SentencePiece, against an enumeration of all segmentations,
//! and against the tokenizer.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::Value;
use tokenizers::Model as _;

use super::{SamplerState, SubwordSampler};
use crate::tokenizer::tests::{BYTE_LEVEL, UNIGRAM, WORD_PIECE, read, word_level};
use crate::{SubwordSamplingConfig, Tokenizer};

const N_DRAWS: usize = 20_000;

/// The standard normal quantile of 0.999.
const Z: f64 = 3.0902;

type Counts = BTreeMap<String, usize>;

pub(crate) fn fixture(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

fn sampler(tokenizer: &Tokenizer, alpha: f64, n_best: Option<usize>) -> SubwordSampler {
    let config = SubwordSamplingConfig { rate: 1.0, alpha, n_best };
    SubwordSampler::new(&config, tokenizer.model(), tokenizer.unk_id()).unwrap()
}

fn state(seed: u64) -> RefCell<SamplerState<ChaCha8Rng>> {
    SamplerState::new(ChaCha8Rng::seed_from_u64(seed))
}

/// How often a word is segmented into each list of parts, which are separated by spaces.
fn count(sampler: &SubwordSampler, word: &str, seed: u64) -> Counts {
    let state = state(seed);
    let mut counts: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    for _ in 0..N_DRAWS {
        let tokens = sampler.sample(word, &state).unwrap();
        *counts.entry(tokens.iter().map(|token| token.offsets.1).collect()).or_default() += 1;
    }
    let parts = |ends: Vec<usize>| {
        let starts = std::iter::once(&0).chain(&ends);
        let parts: Vec<&str> = starts.zip(&ends).map(|(&start, &end)| &word[start..end]).collect();
        parts.join(" ")
    };
    counts.into_iter().map(|(ends, n)| (parts(ends), n)).collect()
}

/// The value that chi-squared exceeds with a probability of 0.001, at most 4 % too high (Wilson and
/// Hilferty 1931).
fn critical(n_free: usize) -> f64 {
    let n = n_free as f64;
    n * (1.0 - 2.0 / (9.0 * n) + Z * (2.0 / (9.0 * n)).sqrt()).powi(3)
}

/// Joins the cells of which fewer than 5 are expected.
fn pooled(cells: impl IntoIterator<Item = (f64, f64, f64)>) -> Vec<(f64, f64, f64)> {
    let (mut common, rare): (Vec<_>, Vec<_>) =
        cells.into_iter().partition(|&(_, _, expected)| expected >= 5.0);
    let add = |a: (f64, f64, f64), b: (f64, f64, f64)| (a.0 + b.0, a.1 + b.1, a.2 + b.2);
    common.extend(rare.into_iter().reduce(add).filter(|&(_, _, expected)| expected > 0.0));
    common
}

/// Chi-squared of two samples of equal size, and its degrees of freedom.
fn two_samples(ours: &Counts, theirs: &Counts) -> (f64, usize) {
    let keys: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let of = |counts: &Counts, key: &String| counts.get(key).copied().unwrap_or(0) as f64;
    let cells = keys.into_iter().map(|key| (of(ours, key), of(theirs, key)));
    let cells = pooled(cells.map(|(a, b)| (a, b, (a + b) / 2.0)));
    let chi_squared = cells.iter().map(|(a, b, _)| (a - b).powi(2) / (a + b)).sum();
    (chi_squared, cells.len() - 1)
}

/// Chi-squared of a sample and the weights it should follow, and its degrees of freedom.
fn against(counts: &Counts, weights: &BTreeMap<String, f64>) -> (f64, usize) {
    let sum: f64 = weights.values().sum();
    assert!(counts.keys().all(|parts| weights.contains_key(parts)), "a cut that should not be");
    let cells = weights.iter().map(|(parts, weight)| {
        let expected = N_DRAWS as f64 * weight / sum;
        (counts.get(parts).copied().unwrap_or(0) as f64, 0.0, expected)
    });
    let cells = pooled(cells);
    let chi_squared = cells.iter().map(|(n, _, expected)| (n - expected).powi(2) / expected).sum();
    (chi_squared, cells.len() - 1)
}

/// The score of each segmentation of a word into pieces of a vocabulary.
fn all_cuts(word: &str, vocab: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    if word.is_empty() {
        return BTreeMap::from([(String::new(), 0.0)]);
    }
    let mut cuts = BTreeMap::new();
    for (piece, score) in vocab {
        if let Some(rest) = word.strip_prefix(piece.as_str()) {
            for (parts, rest_score) in all_cuts(rest, vocab) {
                let parts = format!("{piece} {parts}").trim_end().to_owned();
                cuts.insert(parts, score + rest_score);
            }
        }
    }
    cuts
}

fn vocab(json: &str) -> BTreeMap<String, f64> {
    let file: Value = serde_json::from_str(json).unwrap();
    let pieces: Vec<(String, f64)> =
        serde_json::from_value(file["model"]["vocab"].clone()).unwrap();
    pieces.into_iter().collect()
}

#[test]
fn cuts_are_as_frequent_as_those_of_sentencepiece() {
    #[derive(Deserialize)]
    struct Case {
        word: String,
        alpha: f64,
        n_best: i64,
        counts: Counts,
    }
    let mut file: Value = serde_json::from_str(&fixture("subword_sampling.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_value(file["cases"].take()).unwrap();
    let tokenizer = read(&fixture("subword_sampling_tokenizer.json"));
    let (mut total, mut total_free) = (0.0, 0);
    for (seed, case) in (0..).zip(&cases) {
        assert_eq!(case.counts.values().sum::<usize>(), N_DRAWS);
        let sampler = sampler(&tokenizer, case.alpha, usize::try_from(case.n_best).ok());
        let ours = count(&sampler, &format!("▁{}", case.word), seed);
        let (chi_squared, n_free) = two_samples(&ours, &case.counts);
        let name = format!("{} at {}: {ours:?} and {:?}", case.word, case.alpha, case.counts);
        assert!(n_free == 0 || chi_squared < critical(n_free), "{chi_squared} of {n_free}, {name}");
        total += chi_squared;
        total_free += n_free;
    }
    assert!(cases.len() == 34 && total_free > 200, "{total_free}");
    assert!(total < critical(total_free), "{total} of {total_free}");
}

#[test]
fn the_critical_values_are_those_of_the_tables() {
    for (n_free, value) in [(1, 10.828), (5, 20.515), (30, 59.703)] {
        assert!((value * 0.999..value * 1.04).contains(&critical(n_free)), "{}", critical(n_free));
    }
}

#[test]
fn cuts_are_as_frequent_as_their_scores_say() {
    let json = fixture("subword_sampling_tokenizer.json");
    let (tokenizer, vocab) = (read(&json), vocab(&json));
    let cuts = all_cuts("▁teimte", &vocab);
    assert!(cuts.len() > 8, "{cuts:?}");
    for alpha in [0.02, 0.3, 2.0] {
        let weights = |cuts: &BTreeMap<String, f64>| -> BTreeMap<String, f64> {
            cuts.iter().map(|(parts, score)| (parts.clone(), (alpha * score).exp())).collect()
        };
        let counts = count(&sampler(&tokenizer, alpha, None), "▁teimte", 5);
        let (chi_squared, n_free) = against(&counts, &weights(&cuts));
        assert!(n_free == 0 || chi_squared < critical(n_free), "{chi_squared} of {n_free}");

        let mut best: Vec<(String, f64)> = cuts.clone().into_iter().collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1));
        let best = best.into_iter().take(3).collect();
        let counts = count(&sampler(&tokenizer, alpha, Some(3)), "▁teimte", 6);
        let (chi_squared, n_free) = against(&counts, &weights(&best));
        assert!(n_free == 0 || chi_squared < critical(n_free), "{chi_squared} of {n_free}");
    }
}

#[test]
fn a_large_alpha_gives_the_tokenizers_own() {
    let tokenizer = read(&fixture("subword_sampling_tokenizer.json"));
    for word in ["▁leisänei", "▁kitätikä", "▁tqqte"] {
        for n_best in [None, Some(8)] {
            let tokens = sampler(&tokenizer, 1e3, n_best).sample(word, &state(0)).unwrap();
            let ids = tokens.iter().map(|token| (token.id, token.offsets));
            let own = tokenizer.model().tokenize(word).unwrap();
            assert!(ids.eq(own.iter().map(|token| (token.id, token.offsets))), "{word}");
        }
    }
}

#[test]
fn unknown_characters_are_one_token_or_bytes() {
    let cut = |json: &str, word: &str| {
        let tokens = sampler(&read(json), 0.3, None).sample(word, &state(0)).unwrap();
        tokens.iter().map(|token| (token.id, token.offsets)).collect::<Vec<_>>()
    };
    assert_eq!(cut(UNIGRAM, "▁äö灯"), [(4, (0, 3)), (3, (3, 7)), (10, (7, 10))]);
    let bytes = UNIGRAM
        .replace(r#""byte_fallback": false"#, r#""byte_fallback": true"#)
        .replace(r#"["e", -4.0]"#, r#"["e", -4.0], ["<0xC3>", -9.0], ["<0xA4>", -9.0]"#);
    assert_eq!(cut(&bytes, "▁ä灯"), [(4, (0, 3)), (13, (3, 5)), (14, (3, 5)), (10, (5, 8))]);
    assert_eq!(cut(&bytes, "▁ö灯"), [(4, (0, 3)), (3, (3, 5)), (10, (5, 8))]);
}

#[test]
fn an_unknown_character_scores_less_than_all_pieces() {
    // ▁W, or ▁ and an unknown character, whose score is 10 below the minimum, that of "e".
    let alpha: f64 = 0.1;
    let weights = [("▁W", (-2.0 * alpha).exp()), ("▁ W", ((-3.0 - 14.0) * alpha).exp())];
    let weights = weights.map(|(parts, weight)| (parts.to_owned(), weight)).into();
    let counts = count(&sampler(&read(UNIGRAM), alpha, None), "▁W", 2);
    let (chi_squared, n_free) = against(&counts, &weights);
    assert!(n_free == 1 && chi_squared < critical(n_free), "{chi_squared}");
}

#[test]
fn what_cannot_be_cut_is_left_to_the_tokenizer() {
    let without = UNIGRAM.replace(r#""unk_id": 3"#, r#""unk_id": null"#);
    assert!(sampler(&read(&without), 0.3, None).sample("▁ä", &state(0)).is_none());
    let huge = UNIGRAM
        .replace("\"▁\", -3.0", "\"▁\", -1.7e308")
        .replace("\"灯\", -2.0", "\"灯\", -1.7e308");
    assert!(sampler(&read(&huge), 0.9, None).sample("▁灯", &state(0)).is_none());
    assert!(sampler(&read(WORD_PIECE), 0.3, None).sample("unbekannt", &state(0)).is_none());
}

const MERGES: &str = r#"{
    "version": "1.0", "added_tokens": [],
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "abc": 5}, "merges": [["a", "b"], ["ab", "c"], ["b", "c"]]}
}"#;

#[test]
fn merges_are_skipped_as_often_as_asked() {
    let p: f64 = 0.3;
    let sampler = sampler(&read(MERGES), p, None);
    let weights = [
        ("abc", (1.0 - p).powi(2)),
        ("ab c", (1.0 - p) * p),
        ("a bc", p * (1.0 - p)),
        ("a b c", p * p),
    ];
    let weights = weights.map(|(parts, weight)| (parts.to_owned(), weight)).into();
    let (chi_squared, n_free) = against(&count(&sampler, "abc", 1), &weights);
    assert!(n_free == 3 && chi_squared < critical(n_free), "{chi_squared}");
}

#[test]
fn pieces_are_passed_over_as_often_as_asked() {
    let json = r###"{
        "version": "1.0", "added_tokens": [],
        "model": {"type": "WordPiece", "unk_token": "?", "continuing_subword_prefix": "##", "max_input_chars_per_word": 9,
            "vocab": {"?": 0, "a": 1, "ab": 2, "abc": 3, "##b": 4, "##bc": 5, "##c": 6}}
    }"###;
    let p: f64 = 0.4;
    let weights = [
        ("abc", 1.0 - p),
        ("ab c", p * (1.0 - p)),
        ("a bc", p * p * (1.0 - p)),
        ("a b c", p * p * p),
    ];
    let weights = weights.map(|(parts, weight)| (parts.to_owned(), weight)).into();
    let (chi_squared, n_free) = against(&count(&sampler(&read(json), p, None), "abc", 1), &weights);
    assert!(n_free == 3 && chi_squared < critical(n_free), "{chi_squared}");
}

#[test]
fn a_tokenizer_says_what_cannot_be_drawn_with_it() {
    let message = |tokenizer: &Tokenizer, alpha, n_best| {
        let config = SubwordSamplingConfig { rate: 1.0, alpha, n_best };
        SubwordSampler::new(&config, tokenizer.model(), tokenizer.unk_id()).unwrap_err().to_string()
    };
    assert_eq!(
        message(&word_level(), 0.3, None),
        "views.subword_sampled: a WordLevel tokenizer has no subwords to draw from"
    );
    assert_eq!(
        message(&read(MERGES), 2.0, None),
        "views.subword_sampled.alpha: expected a probability with a BPE tokenizer, above 0 and at most 1, found 2"
    );
    assert_eq!(
        message(&read(WORD_PIECE), 0.5, Some(8)),
        "views.subword_sampled.n_best: not with a WordPiece tokenizer, whose subwords have no scores"
    );
}

proptest! {
    #[test]
    fn without_dropout_words_are_cut_as_the_tokenizer_does(word in "[aus Ġ]{1,12}|[abc]{1,24}|[lichter打开灯]{1,9}", seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for json in [MERGES, BYTE_LEVEL, WORD_PIECE] {
            let tokenizer = read(json);
            let tokens = match sampler(&tokenizer, 0.5, None).model {
                super::Model::Bpe(merges) => merges.sample(&word, 0.0, &mut rng),
                super::Model::WordPiece(pieces) => pieces.sample(&word, 0.0, &mut rng),
                super::Model::Unigram(_) => unreachable!(),
            };
            if let Some(tokens) = tokens {
                let own = tokenizer.model().tokenize(&word).unwrap();
                prop_assert!(tokens.iter().map(|t| (t.id, t.offsets)).eq(own.iter().map(|t| (t.id, t.offsets))), "{:?}", tokens);
            }
        }
    }

    #[test]
    fn tokens_follow_each_other_to_the_end_of_the_word(
        word in "\\PC{1,12}|[Lichtauseo🎵\u{301}打开灯▁]{1,24}",
        alpha in 0.01..1.0,
        n_best in prop::option::of(2usize..9),
        seed: u64,
    ) {
        let drawn = [
            sampler(&read(UNIGRAM), alpha, n_best).sample(&word, &state(seed)),
            sampler(&read(WORD_PIECE), alpha, None).sample(&word, &state(seed)),
        ];
        for tokens in drawn.into_iter().flatten() {
            let parts: Vec<&str> = tokens.iter().map(|t| &word[t.offsets.0..t.offsets.1]).collect();
            prop_assert_eq!(parts.concat(), word.as_str());
        }
    }
}
