//! Sentence embeddings, nearest neighbors and word alignments are the same on every device and in
//! every batch composition.

use std::fs;

use burn::tensor::Device;
use isogloss::alignment::{AlignmentOptions, WordPooling, measure_alignment};
use isogloss::search::{Vectors, nearest_both_ways, nearest_by_margin};
use isogloss::{EncoderAligner, LayerVectors, LinkUnit, TextEncoder};
use isogloss_model::{ForwardOptions, HeadChoice, load};
use isogloss_tests::{assert_close, copy_model, devices, fixtures, values, waves};
use isogloss_text::{
    Alignment, Extraction, TokenBatch, Tokenizer, read_gold_alignments, read_pairs,
};
use tempfile::TempDir;

/// A tiny model with a tokenizer.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_model("xlm-roberta", folder.path());
    folder
}

fn encoder(device: &Device) -> TextEncoder {
    TextEncoder::load(folder().path(), device).unwrap()
}

const TEXTS: [&str; 4] = ["Licht aus", "aus", "(Licht), bitte Wohnzimmer aus", "Licht Licht"];

/// Hidden states of layers, with those of all tokens in another order than the texts have.
fn encode(encoder: &TextEncoder, layers: &[usize]) -> Vec<LayerVectors> {
    let texts = encoder.tokenize(&TEXTS).unwrap();
    let mut tokens: Vec<_> = texts
        .iter()
        .enumerate()
        .flat_map(|(at, text)| {
            let of_words = (0..text.n_words()).flat_map(|word| text.tokens(word).to_vec());
            of_words.map(move |token| (at, token)).collect::<Vec<_>>()
        })
        .collect();
    // Another order than the texts have.
    tokens.reverse();
    encoder.encode(&texts, &tokens, layers).unwrap()
}

#[test]
fn vectors_are_those_of_the_model_whatever_shares_their_batch() {
    let folder = folder();
    let tokenizer = Tokenizer::from_file(&folder.path().join("tokenizer.json")).unwrap();
    let model = load(folder.path(), &HeadChoice::Without, &Device::flex()).unwrap().model;
    let config = model.encoder.config();
    // Each text alone, without padding.
    let (mut sentences, mut tokens) = (Vec::new(), Vec::new());
    for text in TEXTS {
        let encoded = tokenizer.encode(text, None, 64).unwrap();
        let batch = TokenBatch::from_ids(&[&encoded.ids], config.pad_token_id);
        let (ids, types) = (&batch.input_ids, &batch.token_type_ids);
        let device = Device::flex();
        let input =
            config.input(ids, &batch.attention_mask, types, batch.seq_len, &device).unwrap();
        let hidden =
            model.encoder.forward(&input, &ForwardOptions::evaluation()).hidden_states[1].clone();
        let rows: Vec<Vec<f32>> =
            values(hidden).chunks(config.hidden_size).map(<[f32]>::to_vec).collect();
        let mean = |column: usize| rows.iter().map(|r| r[column]).sum::<f32>() / rows.len() as f32;
        sentences.extend((0..config.hidden_size).map(mean));
        let spans = tokenizer.spans(&encoded, text);
        let chars: Vec<char> = text.chars().collect();
        for (place, (start, end)) in spans.into_iter().enumerate() {
            if chars[start..end].iter().any(|c| c.is_alphanumeric()) {
                tokens.push(rows[place].clone());
            }
        }
    }
    tokens.reverse();
    for (name, device) in devices() {
        for batch_size in [1, 3, 64] {
            let encoder = encoder(&device).with_batch_size(batch_size);
            let found = &encode(&encoder, &[0, 1])[1];
            let what = |what: &str| format!("{name}, batches of {batch_size}: {what}");
            assert_close(&what("sentences"), found.sentences.values(), &sentences, 1e-4);
            assert_close(&what("tokens"), found.tokens.values(), &tokens.concat(), 1e-4);
        }
    }
}

#[test]
fn layers_above_the_one_wanted_do_not_change_it() {
    let encoder = encoder(&Device::flex());
    let whole = encode(&encoder, &[1]);
    let cut = encoder.up_to_layer(1).unwrap();
    assert_eq!(cut.n_layers(), 2);
    assert_eq!(whole[0].tokens, encode(&cut, &[1])[0].tokens);
    let error = cut.check_layer(2).unwrap_err().to_string();
    assert_eq!(error, "no layer 2: the model has layers 0 (the embeddings) to 1");
    let texts = cut.tokenize(&TEXTS).unwrap();
    let message = |tokens: &[(usize, usize)], layers: &[usize]| {
        cut.encode(&texts, tokens, layers).unwrap_err().to_string()
    };
    assert_eq!(message(&[(1, 99)], &[0]), "text 1 has no token 99");
    assert_eq!(message(&[(9, 0)], &[0]), "text 9 has no token 0");
    assert!(message(&[], &[5]).starts_with("no layer 5"));
}

#[test]
fn neighbors_are_the_same_on_every_device() {
    let side = |n: usize, phase: f32| Vectors::new(waves(n * 24, phase), 24).unwrap().normalized();
    let (left, right) = (side(70, 0.0), side(130, 0.5));
    let cosine = nearest_both_ways(&left, &right, 4, &Device::flex());
    let margin = nearest_by_margin(&left, &right, 1, &Device::flex());
    for (name, device) in devices() {
        let found = [
            nearest_both_ways(&left, &right, 4, &device),
            nearest_by_margin(&left, &right, 1, &device),
        ];
        for (found, expected) in found.into_iter().flatten().zip(cosine.iter().chain(&margin)) {
            assert_eq!(found.len(), expected.len());
            for query in 0..found.len() {
                for (found, expected) in found.for_query(query).zip(expected.for_query(query)) {
                    assert_eq!(found.0, expected.0, "{name}: {query}");
                    assert!((found.1 - expected.1).abs() < 1e-5, "{name}: {query}");
                }
            }
        }
    }
}

#[test]
fn words_find_themselves_on_every_device() {
    let pairs: Vec<_> = TEXTS.iter().map(|text| (*text, *text)).collect();
    for (name, device) in devices() {
        let encoder = encoder(&device);
        for unit in [LinkUnit::Subword, LinkUnit::Word] {
            for extraction in [Extraction::MutualArgmax, Extraction::itermax()] {
                let aligner = EncoderAligner { layer: 1, extraction, unit };
                let (found, counts) = aligner.align(&encoder, &pairs).unwrap();
                let found: Vec<String> = found.iter().map(Alignment::to_string).collect();
                let expected = ["0-0 1-1", "0-0", "0-0 1-1 2-2 3-3", "0-0 1-1"];
                assert_eq!(found, expected, "{name}, {unit:?}, {extraction:?}");
                assert_eq!((counts.n, counts.n_truncated), (pairs.len(), 0));
            }
        }
        // The two special tokens leave room for one token.
        let short = encoder.with_max_length(3);
        let aligner = EncoderAligner { layer: 0, ..EncoderAligner::default() };
        let (found, counts) = aligner.align(&short, &pairs).unwrap();
        assert!(found.iter().all(|links| links.len() <= 1));
        assert!(counts.n_truncated > 0);
    }
}

#[test]
fn equal_sides_are_aligned_and_every_pair_is_accounted_for() {
    let text = "Licht aus\tlicht aus\naus an\tan aus\nbitte\tBitte an\n";
    let pairs = read_pairs(text.as_bytes(), "en-de.tsv".as_ref(), None).unwrap();
    // In the first pair the words are equal but for case; the third has no link.
    let links = |at: usize| Alignment::parse(["0-0", "0-0 1-1", ""][at], 2, 2).unwrap();
    for word_vector in [WordPooling::First, WordPooling::Mean] {
        let options = AlignmentOptions { word_vector, ..AlignmentOptions::default() };
        let encoder = encoder(&Device::flex());
        let found = measure_alignment(&encoder, &pairs, Some(&links), &options).unwrap();
        assert_eq!((found.n_sentences, found.n_searched), (3, 3));
        assert_eq!((found.n_words, found.n_without_words, found.n_words_cut_off), (2, 2, 0));
        let layers: Vec<usize> = found.layers.iter().map(|layer| layer.layer).collect();
        assert_eq!(layers, (0..encoder.n_layers()).collect::<Vec<_>>());
        assert!(found.layers.iter().all(|layer| layer.words.is_some()));
        let without = measure_alignment(&encoder, &pairs, None, &options).unwrap();
        assert_eq!((without.n_words, without.n_searched), (0, 0));
        assert!(without.layers.iter().all(|layer| layer.words.is_none()));
    }
}

#[test]
fn the_gold_links_fit_their_pairs() {
    let folder = fixtures().join("gold_alignment");
    let open = |name: &str| fs::File::open(folder.join(name)).unwrap();
    let pairs = read_pairs(open("en-de.tsv"), "en-de.tsv".as_ref(), None).unwrap();
    let n_words = |text: &str| text.split_whitespace().count();
    let n_words: Vec<_> = pairs.iter().map(|p| (n_words(&p.left), n_words(&p.right))).collect();
    let gold = read_gold_alignments(open("en-de.gold"), "en-de.gold".as_ref(), &n_words).unwrap();
    let n_sure: usize = gold.iter().map(|gold| gold.sure().len()).sum();
    let n_possible: usize = gold.iter().map(|gold| gold.possible().len()).sum();
    assert_eq!((pairs.len(), n_sure, n_possible), (40, 253, 304));
    // Every word has a sure or a possible link.
    for (gold, (n_left, n_right)) in gold.iter().zip(n_words) {
        let links = gold.possible().links();
        assert!((0..n_left).all(|word| links.iter().any(|link| link.0 == word)));
        assert!((0..n_right).all(|word| links.iter().any(|link| link.1 == word)));
    }
}
