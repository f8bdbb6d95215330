//! Parity of prediction heads in folders of the `adapters` library: static heads of `transformers`
//! and flex heads give the library's logits. `tests/fixtures/make/adapter_heads.py` made them.

use isogloss_model::{HeadChoice, HeadSpec, LoadedModel, ModelFolder, Pooling, ProblemType, load};
use isogloss_tests::{Fixture, assert_close, devices, fixtures, values};

use super::{TOLERANCE, forward};

/// Folder of the head, and family of its base.
const CASES: [(&str, &str); 8] = [
    ("static-sequence", "xlm-roberta"),
    ("static-pooler", "bert"),
    ("static-tokens", "distilbert"),
    ("flex-classification", "xlm-roberta"),
    ("flex-dense", "bert"),
    ("flex-pooler", "bert"),
    ("flex-multilabel", "electra"),
    ("flex-tagging", "distilbert"),
];

/// Labels and problem type that the fixture script gave to a head.
fn expected_head(case: &str) -> HeadSpec {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match case {
        "static-tokens" | "flex-tagging" => HeadSpec::tokens(names(&["O", "B-place", "I-place"])),
        "flex-multilabel" => HeadSpec::Sequence {
            labels: names(&["thank", "greet", "ask"]),
            pooling: Pooling::FirstToken,
            problem: ProblemType::MultiLabel,
        },
        _ => {
            let labels: &[&str] = match case {
                "static-sequence" => &["greet", "ask", "order", "thank", "leave"],
                "flex-pooler" => &["LABEL_0", "LABEL_1", "LABEL_2"],
                _ => &["thank", "greet", "ask"],
            };
            HeadSpec::sequence(names(labels), Pooling::FirstToken)
        }
    }
}

/// Logits of real tokens, or of the text.
fn real(logits: Vec<f32>, family: &str, n_labels: usize) -> Vec<f32> {
    let mask = Fixture::open(family).ints("attention_mask");
    if logits.len() != mask.len() * n_labels {
        return logits;
    }
    let rows = logits.chunks(n_labels).zip(mask).filter(|(_, real)| *real == 1);
    rows.flat_map(|(row, _)| row.to_vec()).collect()
}

#[test]
fn heads_of_the_adapters_library_give_its_logits() {
    let fixture = Fixture::open("adapter_heads");
    for (device_name, device) in devices() {
        for (case, family) in CASES {
            let path = fixtures().join("adapter_heads").join(case);
            let folder = ModelFolder { path, base: Some(fixtures().join(family)) };
            let check = |loaded: LoadedModel| {
                assert_eq!(loaded.head.as_ref(), Some(&expected_head(case)), "{case}");
                assert!(loaded.report.fresh.is_empty() && loaded.report.unread_head.is_none());
                let found = values(forward(family, &loaded, &device).logits);
                let expected = fixture.floats(&format!("{case}.logits"));
                let n_labels = expected_head(case).labels().len();
                let [found, expected] =
                    [found, expected].map(|logits| real(logits, family, n_labels));
                assert_close(&format!("{case} on {device_name}"), &found, &expected, TOLERANCE);
            };
            check(load(&folder, &HeadChoice::Saved, &device).unwrap());
            let spec = expected_head(case);
            check(load(&folder, &HeadChoice::AsIs { spec: spec.clone() }, &device).unwrap());
            let by_name = load(&folder, &HeadChoice::ByName { spec, seed: 1 }, &device).unwrap();
            assert_eq!(by_name.report.rows.kept, expected_head(case).labels());
            check(by_name);
        }
    }
}
