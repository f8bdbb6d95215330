//! Tests of training, against synthetic translations and against Thot's implementation of
//! fast_align.

use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::ThreadPoolBuilder;
use serde::Deserialize;

use super::{FastAlign, FastAlignConfig, Prior, Table, align_bidirectional, expect};
use crate::align::tests::alignment;
use crate::{Alignment, AlignmentScores, Bitext, GoldAlignment, Symmetrization, WordForm};

/// Reference results of Thot, from `tests/fixtures/make/word_alignment.py`.
#[derive(Deserialize)]
struct Reference {
    pairs: Vec<ReferencePair>,
    forward_model: ReferenceModel,
    backward_model: ReferenceModel,
    likelihood_model: ReferenceModel,
}

#[derive(Deserialize)]
struct ReferencePair {
    left: String,
    right: String,
    gold: String,
    tied: bool,
    forward: String,
    backward: String,
    intersection: String,
    union: String,
    grow_diag: String,
    grow_diag_final: String,
    grow_diag_final_and: String,
}

#[derive(Deserialize)]
struct ReferenceModel {
    tension: f64,
    translations: Vec<(String, String, f64)>,
}

fn reference() -> Reference {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/word_alignment.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn bitext(reference: &Reference) -> Bitext {
    let pairs = reference.pairs.iter().map(|pair| (&pair.left, &pair.right));
    Bitext::from_pairs(pairs, WordForm::Verbatim)
}

#[track_caller]
fn agrees(aligner: &FastAlign, model: &ReferenceModel) {
    // Thot uses single precision, whose rounding affects its tension after three times eight steps.
    assert!(
        (aligner.tension() - model.tension).abs() < 1e-4,
        "{} {}",
        aligner.tension(),
        model.tension
    );
    for (source, target, expected) in &model.translations {
        let found = aligner.translation_probability(source, target);
        assert!((found - expected).abs() < 1e-5, "{source} {target}: {found} {expected}");
    }
}

#[test]
fn models_are_those_of_thot() {
    let reference = reference();
    let bitext = bitext(&reference);
    let config = FastAlignConfig::default();
    agrees(&config.train(&bitext), &reference.forward_model);
    agrees(&config.train(&bitext.reversed()), &reference.backward_model);
    let config = FastAlignConfig { variational_bayes: None, ..config };
    agrees(&config.train(&bitext), &reference.likelihood_model);
}

#[test]
fn links_are_those_of_thot() {
    let reference = reference();
    let bitext = bitext(&reference);
    let config = FastAlignConfig::default();
    let forward = config.train(&bitext);
    let backward = config.train(&bitext.reversed());
    let clear: Vec<_> = reference.pairs.iter().filter(|pair| !pair.tied).collect();
    assert!(clear.len() > 60);
    for pair in clear {
        assert_eq!(forward.align(&pair.left, &pair.right).to_string(), pair.forward);
        assert_eq!(backward.align(&pair.right, &pair.left).reversed().to_string(), pair.backward);
    }
}

#[test]
fn joined_links_are_those_of_thot() {
    let reference = reference();
    let bitext = bitext(&reference);
    for symmetrization in [
        Symmetrization::Intersection,
        Symmetrization::Union,
        Symmetrization::GrowDiag,
        Symmetrization::GrowDiagFinal,
        Symmetrization::GrowDiagFinalAnd,
    ] {
        let expected = |pair: &ReferencePair| match symmetrization {
            Symmetrization::Intersection => pair.intersection.clone(),
            Symmetrization::Union => pair.union.clone(),
            Symmetrization::GrowDiag => pair.grow_diag.clone(),
            Symmetrization::GrowDiagFinal => pair.grow_diag_final.clone(),
            Symmetrization::GrowDiagFinalAnd => pair.grow_diag_final_and.clone(),
        };
        let found = align_bidirectional(&FastAlignConfig::default(), &bitext, symmetrization);
        let clear = found.iter().zip(&reference.pairs).filter(|(_, pair)| !pair.tied);
        for (found, pair) in clear {
            assert_eq!(found.to_string(), expected(pair), "{symmetrization:?}: {}", pair.left);
        }
    }
}

#[test]
fn eighty_sentences_show_most_of_their_links() {
    let reference = reference();
    let bitext = bitext(&reference);
    let found =
        align_bidirectional(&FastAlignConfig::default(), &bitext, Symmetrization::GrowDiagFinalAnd);
    assert!(error_rate(&found, reference.pairs.iter().map(|pair| alignment(&pair.gold))) < 0.15);
}

fn error_rate(found: &[Alignment], gold: impl Iterator<Item = Alignment>) -> f64 {
    let gold: Vec<_> = gold.map(|sure| GoldAlignment::new(sure, Alignment::default())).collect();
    AlignmentScores::new(found.iter().zip(&gold)).error_rate
}

/// Synthetic parallel sentences: word k translates word k, and neighbours are sometimes swapped.
fn planted(n_pairs: usize, n_words: u32, seed: u64) -> (Vec<(String, String)>, Vec<Alignment>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut pair = || {
        let words: Vec<u32> =
            (0..rng.random_range(3..15)).map(|_| rng.random_range(0..n_words)).collect();
        let mut order: Vec<usize> = (0..words.len()).collect();
        for idx in 1..order.len() {
            if rng.random_bool(0.3) {
                order.swap(idx - 1, idx);
            }
        }
        let left: Vec<String> = words.iter().map(|word| format!("l{word}")).collect();
        let right: Vec<String> = order.iter().map(|&idx| format!("r{}", words[idx])).collect();
        let links = order.iter().enumerate().map(|(right, &left)| (left, right)).collect();
        ((left.join(" "), right.join(" ")), links)
    };
    (0..n_pairs).map(|_| pair()).unzip()
}

#[test]
fn planted_translations_are_found() {
    let (pairs, gold) = planted(600, 120, 1);
    let bitext = Bitext::from_pairs(pairs, WordForm::Bare);
    let found =
        align_bidirectional(&FastAlignConfig::default(), &bitext, Symmetrization::GrowDiagFinalAnd);
    let error_rate = error_rate(&found, gold.into_iter());
    assert!(error_rate < 0.01, "{error_rate}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (pairs, _) = planted(700, 50, 2);
    let bitext = Bitext::from_pairs(pairs, WordForm::Verbatim);
    let train = |n_threads| {
        let pool = ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| FastAlignConfig::default().train(&bitext))
    };
    let (one, three) = (train(1), train(3));
    assert_eq!(one.iterations(), three.iterations());
    assert_eq!(one.tension().to_bits(), three.tension().to_bits());
    let probability = |aligner: &FastAlign, word: u32| {
        aligner.translation_probability(&format!("l{word}"), &format!("r{word}")).to_bits()
    };
    for word in 0..50 {
        assert_eq!(probability(&one, word), probability(&three, word));
    }
}

#[test]
fn training_on_nothing_links_by_position() {
    for pairs in [vec![], vec![("", "x"), ("a", ""), ("", "")]] {
        let bitext = Bitext::from_pairs(pairs, WordForm::Verbatim);
        let config = FastAlignConfig { tension: 9.0, ..Default::default() };
        let aligner = config.train(&bitext);
        assert_eq!(aligner.tension(), 9.0);
        assert_eq!(aligner.align("a b", "p q").to_string(), "0-0 1-1");
        assert_eq!(aligner.align("", "x y").to_string(), "");
        assert!(
            align_bidirectional(&config, &bitext, Symmetrization::Union)
                .iter()
                .all(Alignment::is_empty)
        );
    }
}

#[test]
fn all_faults_are_named() {
    let config = FastAlignConfig {
        iterations: 0,
        null_probability: f64::NAN,
        tension: 0.0,
        variational_bayes: Some(-1.0),
        ..Default::default()
    };
    let faults = config.faults();
    let fields: Vec<_> = faults.iter().map(|(field, _)| *field).collect();
    assert_eq!(fields, ["iterations", "null_probability", "tension", "variational_bayes"]);
    assert_eq!(faults[0].1, "expected at least 1, found 0");
    assert_eq!(FastAlignConfig::default().faults(), []);
}

#[test]
fn a_config_has_defaults_and_no_other_fields() {
    let config = |json| serde_json::from_str::<FastAlignConfig>(json);
    assert_eq!(config("{}").unwrap(), FastAlignConfig::default());
    assert_eq!(config(r#"{"variational_bayes": null}"#).unwrap().variational_bayes, None);
    assert!(config(r#"{"tensoin": 2}"#).is_err());
}

proptest! {
    #[test]
    fn each_right_word_is_counted_as_one_link(
        pairs in prop::collection::vec(("[a-e]( [a-e]){0,6}", "[v-z]( [v-z]){0,6}"), 1..20),
        null_probability in 0.0f64..0.9,
    ) {
        let bitext = Bitext::from_pairs(pairs, WordForm::Verbatim);
        let table = Table::new(&bitext.left, &bitext.right);
        expect(&bitext, &Prior { null_probability, tension: 4.0 }, &table);
        prop_assert!((table.n_links() - bitext.n_right_words() as f64).abs() < 1e-9);
    }

    #[test]
    fn the_likelihood_never_falls(
        pairs in prop::collection::vec(("[a-e]( [a-e]){0,6}", "[v-z]( [v-z]){0,6}"), 1..20),
        null_probability in 0.0f64..0.9,
    ) {
        let config = FastAlignConfig {
            iterations: 9,
            null_probability,
            optimize_tension: false,
            variational_bayes: None,
            ..Default::default()
        };
        let aligner = config.train(&Bitext::from_pairs(pairs.clone(), WordForm::Verbatim));
        let likelihoods: Vec<f64> = aligner.iterations().iter().map(|pass| pass.log_likelihood).collect();
        for pass in likelihoods.windows(2) {
            // Rounding of counts and sums.
            prop_assert!(pass[1] >= pass[0] - 1e-9 * pass[0].abs(), "{:?}", likelihoods);
        }
    }

    #[test]
    fn translations_of_a_word_sum_to_one(
        pairs in prop::collection::vec(("[a-e]( [a-e]){0,6}", "[v-z]( [v-z]){0,6}"), 1..20),
    ) {
        let config = FastAlignConfig { variational_bayes: None, ..Default::default() };
        let aligner = config.train(&Bitext::from_pairs(pairs.clone(), WordForm::Verbatim));
        for left in ["a", "b", "c", "d", "e"] {
            let sum: f64 = ["v", "w", "x", "y", "z"]
                .iter()
                .map(|right| aligner.translation_probability(left, right))
                .sum();
            let known = pairs.iter().any(|pair| pair.0.contains(left));
            prop_assert!((sum - f64::from(u8::from(known))).abs() < 1e-12);
        }
    }
}
