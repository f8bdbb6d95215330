//! Tests of link extraction against the authors' code, other programs and cases by hand.

use serde::Deserialize;

use super::Extraction;

/// Reference links of SimAlign's code and of the AWESOME-align rule, from
/// `tests/fixtures/make/word_alignment.py`, and those of `word_matching.py`.
#[derive(Deserialize)]
struct Reference<M> {
    matrices: Vec<M>,
}

/// Links of maximum weight matching by networkx, as SimAlign's code has it, and of 1.5-entmax
/// found by bisection in PyTorch.
#[derive(Deserialize)]
struct Matched {
    rows: Vec<Vec<f32>>,
    mwmf: String,
    entmax: String,
}

#[test]
fn matchings_and_sparse_links_are_those_of_the_references() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/word_matching.json");
    let bytes = std::fs::read(path).unwrap();
    let reference: Reference<Matched> = serde_json::from_slice(&bytes).unwrap();
    assert!(reference.matrices.len() > 10);
    for Matched { rows, mwmf, entmax } in reference.matrices {
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        links(Extraction::MaxWeightMatching, &rows, &mwmf);
        links(Extraction::entmax(), &rows, &entmax);
    }
}

#[test]
fn entmax_of_two_by_hand() {
    // Of two equal numbers, both are 1/2; of two that are 2 or more apart, one is 1.
    links(Extraction::entmax(), &[&[1.0, 1.0]], "0-0 0-1");
    links(Extraction::Entmax { threshold: 0.51 }, &[&[1.0, 1.0]], "");
    links(Extraction::entmax(), &[&[3.0, 1.0], &[1.0, 3.0]], "0-0 1-1");
    links(Extraction::entmax(), &[&[2.9, 1.0]], "0-0 0-1");
}

#[test]
fn a_matching_gives_up_the_best_pair_for_a_better_sum() {
    let rows: [&[f32]; 2] = [&[0.9, 0.8], &[0.8, 0.1]];
    links(Extraction::MutualArgmax, &rows, "0-0");
    links(Extraction::MaxWeightMatching, &rows, "0-1 1-0");
}

#[test]
fn options_out_of_range_are_named() {
    let fault = |extraction: Extraction| extraction.faults().into_iter().next();
    assert_eq!(
        fault(Extraction::Entmax { threshold: 1.0 }),
        Some(("entmax.threshold", "expected [0, 1), found 1".to_owned()))
    );
    assert!(fault(Extraction::Softmax { threshold: -0.1 }).is_some());
    assert!(fault(Extraction::Itermax { rounds: 0 }).is_some());
    for good in [Extraction::softmax(), Extraction::entmax(), Extraction::itermax()] {
        assert_eq!(fault(good), None);
    }
}

#[derive(Deserialize)]
struct Matrix {
    rows: Vec<Vec<f32>>,
    inter: String,
    itermax: String,
    softmax: String,
}

#[test]
fn links_are_those_of_the_authors() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/word_similarity.json");
    let reference: Reference<Matrix> =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for Matrix { rows, inter, itermax, softmax } in reference.matrices {
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        links(Extraction::MutualArgmax, &rows, &inter);
        links(Extraction::itermax(), &rows, &itermax);
        let scaled: Vec<f32> = rows.concat().iter().map(|x| 10.0 * x).collect();
        let found = Extraction::softmax().links(&scaled, rows[0].len());
        assert_eq!(found.to_string(), softmax);
    }
}

#[track_caller]
fn links(extraction: Extraction, rows: &[&[f32]], expected: &str) {
    assert_eq!(extraction.links(&rows.concat(), rows[0].len()).to_string(), expected);
}

#[test]
fn only_mutual_choices_are_linked() {
    let rows: [&[f32]; 2] = [&[0.9, 0.2], &[0.8, 0.1]];
    links(Extraction::MutualArgmax, &rows, "0-0");
}

#[test]
fn the_first_wins_a_tie() {
    links(Extraction::MutualArgmax, &[&[0.5, 0.5], &[0.5, 0.5]], "0-0");
}

#[test]
fn both_probabilities_must_pass_the_threshold() {
    // Of the first row, the second word has 1 / (1 + e^2) = 0.12; of its column, e^-4 / (1 +
    // e^-4) = 0.018.
    let rows: [&[f32]; 2] = [&[2.0, 0.0], &[-9.0, 4.0]];
    links(Extraction::Softmax { threshold: 0.017 }, &rows, "0-0 0-1 1-1");
    links(Extraction::Softmax { threshold: 0.019 }, &rows, "0-0 1-1");
}

#[test]
fn great_similarities_do_not_overflow() {
    links(Extraction::softmax(), &[&[1e30, 0.0], &[0.0, 1e30]], "0-0 1-1");
}

#[test]
fn a_second_round_links_what_is_left() {
    let rows: [&[f32]; 3] = [&[0.9, 0.8, 0.1], &[0.85, 0.5, 0.2], &[0.1, 0.3, 0.6]];
    // The first round links 0-0 and 2-2. Then 0-1 has 0.72, 1-0 has 0.765 and 1-1 has 0.5:
    // row 1 chooses column 0 and column 0 row 1, row 0 chooses column 1 and column 1 row 0.
    links(Extraction::Itermax { rounds: 1 }, &rows, "0-0 2-2");
    links(Extraction::itermax(), &rows, "0-0 0-1 1-0 2-2");
}

#[test]
fn short_texts_have_one_round() {
    let rows: [&[f32]; 2] = [&[0.9, 0.8, 0.7], &[0.6, 0.1, 0.2]];
    links(Extraction::itermax(), &rows, "0-0");
}

#[test]
fn nothing_links_nothing() {
    assert!(Extraction::softmax().links(&[], 0).is_empty());
    assert!(Extraction::MutualArgmax.links(&[], 4).is_empty());
    links(Extraction::MutualArgmax, &[&[f32::NAN]], "");
    links(Extraction::softmax(), &[&[f32::NAN]], "");
    links(Extraction::entmax(), &[&[f32::NAN]], "");
    links(Extraction::MaxWeightMatching, &[&[f32::NAN, 0.5], &[0.7, f32::NAN]], "0-1 1-0");
    links(Extraction::MaxWeightMatching, &[&[f32::NAN], &[f32::NAN]], "");
    links(Extraction::MaxWeightMatching, &[&[f32::INFINITY, 0.5], &[0.7, 0.1]], "0-0 1-1");
}
