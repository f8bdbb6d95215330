//! Parity of the tokenizer with Python's tokenizers: token ids, offsets, word ids and segment ids.

use isogloss_tests::fixtures;
use isogloss_text::Tokenizer;
use serde_json::{Value, json};

#[test]
fn encodings_match_pythons() {
    let folder = fixtures();
    let tokenizer = Tokenizer::from_file(&folder.join("tokenizer.json")).expect("a fixture");
    let json = std::fs::read_to_string(folder.join("tokenizer_cases.json")).expect("a fixture");
    let json: Value = serde_json::from_str(&json).expect("a fixture is JSON");
    let cases = json["cases"].as_array().expect("a list");
    assert!(!cases.is_empty());
    for case in cases {
        let text = case["text"].as_str().expect("a text");
        let encoded = tokenizer.encode(text, case["pair"].as_str(), 512).expect("it fits");
        assert_eq!(json!(encoded.ids), case["ids"], "{text}");
        assert_eq!(json!(encoded.offsets), case["offsets"], "{text}");
    }
}
