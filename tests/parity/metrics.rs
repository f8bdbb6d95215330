//! Parity of metrics with scikit-learn and seqeval.

use std::path::Path;

use isogloss::metrics::{ClassificationScores, SpanScores, spans};
use serde_json::Value;

/// Tolerance: both sides compute a few sums in double precision, perhaps in another order.
const TOLERANCE: f64 = 1e-12;

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn cases<'a>(fixture: &'a Value, key: &str) -> &'a [Value] {
    let cases = fixture[key].as_array().unwrap();
    assert!(cases.len() >= 20, "the fixture holds {} cases", cases.len());
    cases
}

fn ids(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as usize).collect()
}

fn tags(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect()
}

fn assert_close(found: f64, expected: &Value, case: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() < TOLERANCE, "expected {expected}, found {found}: {case}");
}

#[test]
fn classification_scores_equal_scikit_learn() {
    for case in cases(&fixture("classification_metrics.json"), "cases") {
        let scores =
            ClassificationScores::from_ids(&ids(&case["true"]), &ids(&case["pred"])).unwrap();
        assert_eq!(scores.labels, ids(&case["labels"]), "{case}");
        assert_close(scores.accuracy, &case["accuracy"], case);
        assert_close(scores.macro_f1, &case["macro_f1"], case);
    }
}

#[test]
fn spans_and_their_scores_equal_seqeval() {
    let fixture = fixture("seqeval.json");
    let pairs = cases(&fixture, "pairs");
    for case in pairs {
        for (side, expected) in [("true", "true_spans"), ("pred", "pred_spans")] {
            let found: Vec<Value> = spans(&tags(&case[side]))
                .iter()
                .map(|span| serde_json::json!([span.kind, span.start, span.end]))
                .collect();
            assert_eq!(&found, case[expected].as_array().unwrap(), "{case}");
        }
        let scores = SpanScores::from_tags(&[tags(&case["true"])], &[tags(&case["pred"])]).unwrap();
        assert_close(scores.precision, &case["precision"], case);
        assert_close(scores.recall, &case["recall"], case);
        assert_close(scores.f1, &case["f1"], case);
    }
    let side = |side: &str| pairs.iter().map(|case| tags(&case[side])).collect::<Vec<_>>();
    let scores = SpanScores::from_tags(&side("true"), &side("pred")).unwrap();
    let overall = &fixture["overall"];
    assert_close(scores.precision, &overall["precision"], overall);
    assert_close(scores.recall, &overall["recall"], overall);
    assert_close(scores.f1, &overall["f1"], overall);
    let types = fixture["types"].as_object().unwrap();
    assert_eq!(scores.per_type.len(), types.len());
    for (kind, expected) in types {
        let score = scores.per_type[kind];
        assert_eq!(score.n_spans as u64, expected["support"].as_u64().unwrap(), "{kind}");
        assert_close(score.precision, &expected["precision"], expected);
        assert_close(score.recall, &expected["recall"], expected);
        assert_close(score.f1, &expected["f1"], expected);
    }
}
