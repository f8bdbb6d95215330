//! Tools that write a smaller model of a sentence-transformers folder keep its modules.

use std::path::Path;

use isogloss::text::Texts;
use isogloss::{TrimOptions, compress, trim};
use isogloss_model::Storage;
use isogloss_tests::{assert_close, copy_folder, copy_model, waves};
use serde_json::json;
use tempfile::TempDir;

use crate::sentences::{TEXTS, WIDTH, add_modules, load, pooling};
use crate::{write_json, write_weights};

/// Number of output features of the dense layer.
const OUT: usize = 5;

/// Sentence-transformers folder with CLS pooling, a dense layer, normalization and lower-cased
/// texts of at most 6 tokens; its encoder is in the subfolder `transformer`, if that is not empty.
fn folder(transformer: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let encoder = folder.path().join(transformer);
    let plain = tempfile::tempdir().unwrap();
    copy_model("xlm-roberta", plain.path());
    copy_folder(plain.path(), &encoder);
    let cls = ("Pooling", "1_Pooling", pooling(&["pooling_mode_cls_token"]));
    let dense = ("Dense", "2_Dense", json!({"in_features": WIDTH, "out_features": OUT}));
    let normalize = ("Normalize", "3_Normalize", json!(null));
    add_modules(folder.path(), transformer, &[cls, dense, normalize]);
    let tensors = vec![
        ("linear.weight".to_owned(), vec![OUT, WIDTH], waves(OUT * WIDTH, 0.3)),
        ("linear.bias".to_owned(), vec![OUT], waves(OUT, 1.1)),
    ];
    write_weights(&folder.path().join("2_Dense/model.safetensors"), tensors);
    let settings = json!({"max_seq_length": 6, "do_lower_case": true});
    // One of the older names of this file.
    write_json(&encoder.join("sentence_xlm-roberta_config.json"), &settings);
    folder
}

/// Sentence embeddings of all texts.
fn vectors(folder: &Path) -> Vec<f32> {
    let encoder = load(folder);
    assert_eq!(encoder.max_length(), 6);
    let texts = encoder.tokenize(&TEXTS).unwrap();
    let found = encoder.encode(&texts, &[], &[2]).unwrap().remove(0).sentences;
    assert_eq!(found.width(), OUT);
    found.values().to_vec()
}

#[test]
fn a_trimmed_model_has_the_vectors_of_the_whole_one() {
    for transformer in ["", "0_Transformer"] {
        let folder = folder(transformer);
        let mut texts = Texts::default();
        TEXTS.iter().for_each(|text| texts.add_text(text));
        let out = folder.path().join("trimmed");
        let report = trim(folder.path(), &[texts], None, TrimOptions::default(), &out).unwrap();
        assert!(report.n_pieces[1] < report.n_pieces[0], "{report:?}");
        assert_eq!(vectors(&out), vectors(folder.path()), "{transformer:?}");
        // The copy has the encoder in its root folder, as the library writes it today.
        assert!(out.join("config.json").exists() && !out.join("0_Transformer").exists());
    }
}

#[test]
fn a_quantized_model_keeps_all_modules() {
    let plain = tempfile::tempdir().unwrap();
    copy_model("xlm-roberta", plain.path());
    for transformer in ["", "0_Transformer"] {
        let folder = folder(transformer);
        let whole = vectors(folder.path());
        for (storage, tolerance) in
            [(Storage::F32, 0.0), (Storage::F16, 0.01), (Storage::Int8, 0.1)]
        {
            let out = folder.path().join(format!("{storage:?}"));
            compress(folder.path(), storage, &out).unwrap();
            let found = vectors(&out);
            assert_close(&format!("{storage:?}"), &found, &whole, tolerance);
            // The encoder alone, quantized, with the modules put beside it.
            let by_hand = self::folder("");
            compress(plain.path(), storage, &plain.path().join("small")).unwrap();
            copy_folder(&plain.path().join("small"), by_hand.path());
            assert_eq!(found, vectors(by_hand.path()), "{storage:?}");
        }
    }
}
