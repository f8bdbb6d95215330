//! Parity of multilingual-e5-small with transformers, on twenty sentences in ten languages and
//! scripts, with and without padding. Needs the model: see `examples/corpora/README.md`.
//!
//! The committed fixture holds three vectors of each sentence; `ISOGLOSS_E5_FULL` names the file
//! that `tests/fixtures/make/e5.py --full` writes, whose hidden states are compared token by token.

use std::path::PathBuf;

use isogloss_model::{ForwardOptions, HeadChoice, load, mean_pool};
use isogloss_tests::{Fixture, devices, difference, values};
use isogloss_text::{TokenBatch, Tokenizer};

fn model_folder() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let corpora = std::env::var_os("ISOGLOSS_CORPORA").map_or(root.join("corpora"), PathBuf::from);
    let folder = corpora.join("models/multilingual-e5-small");
    if folder.join("model.safetensors").exists() {
        return Some(folder);
    }
    eprintln!("left out: {} is not there", folder.display());
    None
}

#[test]
fn last_hidden_states_match_transformers_padded_and_unpadded() {
    let Some(folder) = model_folder() else { return };
    let fixture = Fixture::open("e5");
    let full = std::env::var_os("ISOGLOSS_E5_FULL").map(|path| Fixture::read(path.as_ref()));
    let text = include_str!("../fixtures/e5_sentences.txt");
    let sentences: Vec<_> = text.lines().map(|line| line.rsplit('\t').next().unwrap()).collect();
    let tokenizer = Tokenizer::from_file(&folder.join("tokenizer.json")).unwrap();
    let rows: Vec<_> =
        sentences.iter().map(|text| tokenizer.encode(text, None, 128).unwrap().ids).collect();

    let [n, seq_len] = fixture.shape("input_ids").try_into().unwrap();
    let expected_ids = fixture.ints("input_ids");
    for (row, expected) in rows.iter().zip(expected_ids.chunks(seq_len)) {
        let ids: Vec<_> = row.iter().map(|id| *id as i32).collect();
        assert_eq!(ids, expected[..ids.len()]);
    }

    for (name, device) in devices() {
        // The software GPU takes minutes for a model of this size; other tests cover it.
        if name == "vulkan" {
            continue;
        }
        let model = load(&folder, &HeadChoice::Without, &device).unwrap().model;
        let config = model.encoder.config();
        for kind in ["padded", "unpadded"] {
            let batch_size = if kind == "padded" { n } else { 1 };
            let [mut first, mut mean, mut last] = [const { Vec::new() }; 3];
            let mut whole: Vec<Vec<f32>> = Vec::new();
            for rows in rows.chunks(batch_size) {
                let slices: Vec<_> = rows.iter().map(Vec::as_slice).collect();
                let batch = TokenBatch::from_ids(&slices, config.pad_token_id);
                let (ids, types) = (&batch.input_ids, &batch.token_type_ids);
                let input = config
                    .input(ids, &batch.attention_mask, types, batch.seq_len, &device)
                    .unwrap();
                let encoded = model.encoder.forward(&input, &ForwardOptions::evaluation());
                let hidden = encoded.last_hidden_state();
                mean.extend(values(mean_pool(hidden.clone(), input.attention_mask.clone())));
                let hidden = values(hidden);
                let width = config.hidden_size;
                for (index, row) in rows.iter().enumerate() {
                    let at = |token: usize| (index * batch.seq_len + token) * width;
                    first.extend_from_slice(&hidden[at(0)..][..width]);
                    last.extend_from_slice(&hidden[at(row.len() - 1)..][..width]);
                    whole.push(hidden[at(0)..at(row.len())].to_vec());
                }
            }
            if let Some(full) = &full {
                let expected = full.floats(&format!("{kind}.last_hidden_state"));
                let rows = expected.chunks(expected.len() / n).zip(&whole);
                let expected: Vec<f32> =
                    rows.flat_map(|(row, found)| row[..found.len()].to_vec()).collect();
                let (absolute, _) = difference(&whole.concat(), &expected);
                println!("{name}, {kind}, {} numbers: {absolute:e}", expected.len());
                assert!(absolute <= 1e-4, "{name}, {kind}, whole: {absolute:e}");
            }
            for (part, found) in [("first", first), ("mean", mean), ("last", last)] {
                let expected = fixture.floats(&format!("{kind}.{part}"));
                let (absolute, _) = difference(&found, &expected);
                println!("{name}, {kind}, {part}: largest difference {absolute:e}");
                assert!(absolute <= 1e-4, "{name}, {kind}, {part}: {absolute:e}");
            }
        }
    }
}
