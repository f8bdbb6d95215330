//! `modules.json` of sentence-transformers: pooling, dense and other modules.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use isogloss::{LayerVectors, TextEncoder, TrimOptions, trim};
use isogloss_model::{SentencePooling, read_sentence_modules, read_sentence_modules_bytes};
use isogloss_tests::{assert_close, copy_folder, copy_model, waves};
use isogloss_text::{Texts, Tokenizer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{assert_refused, write_json, write_weights};

pub(crate) const TEXTS: [&str; 2] = ["Licht aus bitte", "Wohnzimmer"];
pub(crate) const WIDTH: usize = 32;

/// Model folder of sentence-transformers with these modules after the encoder: type, folder,
/// configuration.
pub(crate) fn folder(modules: &[(&str, &str, Value)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_model("xlm-roberta", folder.path());
    add_modules(folder.path(), "", modules);
    folder
}

pub(crate) fn add_modules(folder: &Path, transformer: &str, modules: &[(&str, &str, Value)]) {
    let mut list = vec![entry("Transformer", transformer)];
    for (kind, path, config) in modules {
        list.push(entry(kind, path));
        if !config.is_null() {
            write_json(&folder.join(path).join("config.json"), config);
        }
    }
    write_json(&folder.join("modules.json"), &json!(list));
}

fn entry(kind: &str, path: &str) -> Value {
    json!({"idx": 0, "name": "0", "path": path, "type": format!("sentence_transformers.models.{kind}")})
}

/// Configuration of a Pooling module with these fields set to true.
pub(crate) fn pooling(on: &[&str]) -> Value {
    let mut json = json!({"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": false});
    on.iter().for_each(|field| json[*field] = json!(true));
    json
}

/// Sentence embeddings and token embeddings of all texts in a layer, with the numbers of tokens.
fn encode(encoder: &TextEncoder, layer: usize) -> (LayerVectors, Vec<usize>) {
    let texts = encoder.tokenize(&TEXTS).unwrap();
    let n_tokens: Vec<usize> = TEXTS.map(|text| n_tokens(encoder, text)).to_vec();
    let tokens = n_tokens.iter().enumerate().flat_map(|(text, n)| (0..*n).map(move |t| (text, t)));
    let tokens: Vec<_> = tokens.collect();
    (encoder.encode(&texts, &tokens, &[layer]).unwrap().remove(0), n_tokens)
}

/// Number of tokens of a text whose hidden states can be requested.
fn n_tokens(encoder: &TextEncoder, text: &str) -> usize {
    let text = encoder.tokenize(&[text]).unwrap();
    let last = encoder.n_layers() - 1;
    (0..).find(|n| encoder.encode(&text, &[(0, *n)], &[last]).is_err()).unwrap()
}

pub(crate) fn load(folder: &Path) -> TextEncoder {
    TextEncoder::load(folder, &Device::flex()).unwrap()
}

#[test]
fn each_way_of_pooling_is_honoured_in_both_forms() {
    // mlx-embeddings PR #63, jundot/omlx PR #2594: CLS pooling that was read as mean pooling.
    let fields = [
        ("pooling_mode_cls_token", "cls"),
        ("pooling_mode_max_tokens", "max"),
        ("pooling_mode_mean_tokens", "mean"),
        ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"),
        ("pooling_mode_weightedmean_tokens", "weightedmean"),
        ("pooling_mode_lasttoken", "lasttoken"),
    ];
    for (field, name) in fields {
        for config in [pooling(&[field]), json!({"pooling_mode": name})] {
            let folder = folder(&[("Pooling", "1_Pooling", config)]);
            let encoder = load(folder.path());
            assert_eq!(encoder.pooling().name(), name);
            let (found, n_tokens) = encode(&encoder, 2);
            let mut start = 0;
            for (text, n) in n_tokens.into_iter().enumerate() {
                let rows: Vec<&[f32]> = (start..start + n).map(|at| found.tokens.row(at)).collect();
                let what = format!("{name} of text {text}");
                assert_close(&what, found.sentences.row(text), &pooled(name, &rows), 1e-5);
                start += n;
            }
        }
    }
}

/// Reference pooling: the sentence embedding by the formula.
fn pooled(name: &str, rows: &[&[f32]]) -> Vec<f32> {
    let n = rows.len() as f32;
    let column = |at: usize| rows.iter().map(move |row| row[at]);
    let sum = |at: usize| column(at).sum::<f32>();
    let value = |at: usize| match name {
        "cls" => rows[0][at],
        "lasttoken" => rows[rows.len() - 1][at],
        "max" => column(at).fold(f32::NEG_INFINITY, f32::max),
        "mean" => sum(at) / n,
        "mean_sqrt_len_tokens" => sum(at) / n.sqrt(),
        _ => {
            let weighted = column(at).zip(1..).map(|(x, position)| x * position as f32);
            weighted.sum::<f32>() / (n * (n + 1.0) / 2.0)
        }
    };
    (0..WIDTH).map(value).collect()
}

#[test]
fn dense_layers_map_the_vectors_of_the_last_layer() {
    // text-embeddings-inference#732, PR #660; transformers.js#230: 512 of 768 dimensions.
    let (out, weight, bias) = (7, waves(7 * WIDTH, 0.3), waves(7, 1.1));
    for (function, has_bias) in
        [("torch.nn.modules.activation.Tanh", true), ("torch.nn.modules.linear.Identity", false)]
    {
        let dense = json!({"in_features": WIDTH, "out_features": out, "bias": has_bias,
            "activation_function": function});
        let mean = ("Pooling", "1_Pooling", pooling(&["pooling_mode_mean_tokens"]));
        let folder = folder(&[mean, ("Dense", "2_Dense", dense)]);
        let mut tensors = vec![("linear.weight".to_owned(), vec![out, WIDTH], weight.clone())];
        if has_bias {
            tensors.push(("linear.bias".to_owned(), vec![out], bias.clone()));
        }
        write_weights(&folder.path().join("2_Dense/model.safetensors"), tensors);
        let encoder = load(folder.path());
        let (found, n_tokens) = encode(&encoder, 2);
        let rows: Vec<&[f32]> = (0..n_tokens[0]).map(|at| found.tokens.row(at)).collect();
        let mean = pooled("mean", &rows);
        let expected: Vec<f32> = (0..out)
            .map(|row| {
                let products = weight[row * WIDTH..].iter().zip(&mean).map(|(w, x)| w * x);
                let y = products.sum::<f32>() + if has_bias { bias[row] } else { 0.0 };
                if has_bias { y.tanh() } else { y }
            })
            .collect();
        assert_close(function, found.sentences.row(0), &expected, 1e-4);
        assert_eq!(found.tokens.width(), WIDTH);
        // Embeddings of an inner layer have the encoder's width, alone or beside the last layer.
        assert_eq!(encode(&encoder, 1).0.sentences.width(), WIDTH);
        let inner = encoder.up_to_layer(1).unwrap();
        assert_eq!(encode(&inner, 1).0.sentences.width(), WIDTH);
    }
}

#[test]
fn the_old_layout_is_read_from_its_folder() {
    let plain = tempfile::tempdir().unwrap();
    copy_model("xlm-roberta", plain.path());
    let old = tempfile::tempdir().unwrap();
    copy_folder(plain.path(), &old.path().join("0_Transformer"));
    // The library wrote a config.json with only its own version in the root folder.
    write_json(&old.path().join("config.json"), &json!({"__version__": "0.2.0"}));
    add_modules(
        old.path(),
        "0_Transformer",
        &[("Pooling", "1_Pooling", pooling(&["pooling_mode_cls_token"]))],
    );
    // huggingface/sentence-transformers PR #2339: the maximum length of the folder.
    let settings = json!({"max_seq_length": 4, "do_lower_case": false});
    write_json(&old.path().join("0_Transformer/sentence_bert_config.json"), &settings);
    let (old, plain) = (load(old.path()), load(plain.path()));
    assert_eq!((old.pooling(), plain.pooling()), (SentencePooling::Cls, SentencePooling::Mean));
    assert_eq!(old.max_length(), 4);
    assert!(old.tokenize(&TEXTS).unwrap()[0].is_truncated());
    let cls = plain.with_pooling(SentencePooling::Cls);
    let old = old.with_max_length(64);
    assert_eq!(encode(&cls, 2).0.sentences.values(), encode(&old, 2).0.sentences.values());
}

#[test]
fn modules_are_read_from_bytes_as_from_a_folder() {
    let dense = json!({"in_features": WIDTH, "out_features": 3, "bias": false});
    let cls = ("Pooling", "1_Pooling", pooling(&["pooling_mode_cls_token"]));
    let folder = folder(&[cls, ("Dense", "2_Dense", dense), ("Normalize", "3_N", json!(null))]);
    let tensors = vec![("linear.weight".to_owned(), vec![3, WIDTH], waves(3 * WIDTH, 0.3))];
    write_weights(&folder.path().join("2_Dense/model.safetensors"), tensors);
    let settings = json!({"max_seq_length": 16, "do_lower_case": true});
    write_json(&folder.path().join("sentence_bert_config.json"), &settings);
    let on_disk = read_sentence_modules(folder.path()).unwrap().unwrap();
    let bytes = |name: &str| fs::read(folder.path().join(name)).ok();
    let mut in_memory = read_sentence_modules_bytes(&bytes).unwrap().unwrap();
    assert_eq!(in_memory.dense[0].path, Path::new("2_Dense/config.json"));
    in_memory.dense[0].path = on_disk.dense[0].path.clone();
    assert_eq!(in_memory, on_disk);
    // A file that is not given is named; a folder of another kind has no modules.
    for name in ["1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors"] {
        let without = |asked: &str| bytes(asked).filter(|_| asked != name);
        assert_refused(name, read_sentence_modules_bytes(&without), &[name]);
    }
    assert_eq!(read_sentence_modules_bytes(&|_| None).unwrap(), None);
}

/// Matryoshka embeddings: sentence-transformers saves `truncate_dim`, and cuts vectors by it.
#[test]
fn vectors_have_the_first_dimensions_that_the_folder_keeps() {
    let folder = folder(&[("Pooling", "1_Pooling", pooling(&["pooling_mode_mean_tokens"]))]);
    let whole = encode(&load(folder.path()), 2).0.sentences;
    let config = folder.path().join("config_sentence_transformers.json");
    write_json(&config, &json!({"truncate_dim": 3}));
    let encoder = load(folder.path());
    let cut = encode(&encoder, 2).0.sentences;
    let expected: Vec<f32> =
        whole.values().chunks(WIDTH).flat_map(|row| &row[..3]).copied().collect();
    assert_eq!((cut.width(), cut.values()), (3, &expected[..]));
    // Inner layers are whole.
    assert_eq!(encode(&encoder, 1).0.sentences.width(), WIDTH);
    write_json(&config, &json!({"truncate_dim": 2 * WIDTH}));
    assert_eq!(encode(&load(folder.path()), 2).0.sentences.values(), whole.values());
    write_json(&config, &json!({"truncate_dim": 0}));
    assert_refused("0", TextEncoder::load(folder.path(), &Device::flex()), &["truncate_dim"]);
    write_json(&config, &json!({"truncate_dim": "3"}));
    assert_refused("a text", TextEncoder::load(folder.path(), &Device::flex()), &["truncate_dim"]);
}

#[test]
fn texts_are_lower_cased_where_the_folder_says_so() {
    let folder = folder(&[]);
    let settings = json!({"max_seq_length": null, "do_lower_case": true});
    write_json(&folder.path().join("sentence_roberta_config.json"), &settings);
    let lower = load(folder.path());
    fs::remove_file(folder.path().join("modules.json")).unwrap();
    let plain = load(folder.path());
    let vectors = |encoder: &TextEncoder, text: &str| {
        let text = encoder.tokenize(&[text]).unwrap();
        encoder.encode(&text, &[], &[2]).unwrap().remove(0).sentences.values().to_vec()
    };
    assert_eq!(vectors(&lower, "LICHT aus"), vectors(&plain, "licht aus"));
    assert_ne!(vectors(&plain, "LICHT aus"), vectors(&plain, "licht aus"));
    assert_eq!(lower.max_length(), plain.max_length());
}

#[test]
fn the_default_prompt_and_arguments_are_told() {
    let folder = folder(&[]);
    let config = json!({"prompts": {"query": "query: "}, "default_prompt_name": "query",
        "similarity_fn_name": "dot"});
    write_json(&folder.path().join("config_sentence_transformers.json"), &config);
    let settings = json!({"max_seq_length": 16, "tokenizer_args": {"padding_side": "left"}});
    write_json(&folder.path().join("sentence_bert_config.json"), &settings);
    let encoder = load(folder.path());
    let modules = encoder.sentence_modules().unwrap();
    assert_eq!(modules.default_prompt.as_deref(), Some("query: "));
    let mut unused = modules.unused.clone();
    unused.sort();
    assert_eq!(unused.len(), 2, "{unused:?}");
    let [similarity, arguments] = ["similarity_fn_name\" (dot)", "tokenizer_args\""];
    assert!(
        unused[0].ends_with(&format!("config_sentence_transformers.json: field \"{similarity}"))
    );
    assert!(unused[1].ends_with(&format!("sentence_bert_config.json: field \"{arguments}")));
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let null = || json!(null);
    let mean = || ("Pooling", "1_Pooling", pooling(&["pooling_mode_mean_tokens"]));
    let dense = |change: &str, value: Value| {
        let mut json = json!({"in_features": WIDTH, "out_features": 4, "bias": true});
        json[change] = value;
        vec![mean(), ("Dense", "2_Dense", json)]
    };
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str, Value)>, &'a [&'a str]);
    let cases: Vec<Case<'_>> = vec![
        // huggingface/sentence-transformers#98: two pooling modes, concatenated.
        (
            "two",
            vec![(
                "Pooling",
                "1_Pooling",
                pooling(&["pooling_mode_cls_token", "pooling_mode_max_tokens"]),
            )],
            &["1_Pooling/config.json", "pooling_mode_max_tokens", "pooling_mode_cls_token is on"],
        ),
        // If the field is absent, the library's default is mean pooling.
        (
            "two, one by default",
            vec![("Pooling", "1_Pooling", json!({"pooling_mode_cls_token": true}))],
            &["1_Pooling/config.json", "pooling_mode_mean_tokens"],
        ),
        ("none", vec![("Pooling", "1_Pooling", pooling(&[]))], &["no way of pooling is on"]),
        (
            "another",
            vec![(
                "Pooling",
                "1_Pooling",
                pooling(&["pooling_mode_mean_tokens", "pooling_mode_attention"]),
            )],
            &["field \"pooling_mode_attention\": not supported"],
        ),
        (
            "an unknown name",
            vec![("Pooling", "1_Pooling", json!({"pooling_mode": "cls+mean"}))],
            &["field \"pooling_mode\": expected cls, ", "found \"cls+mean\""],
        ),
        ("no file", vec![("Pooling", "1_Pooling", null())], &["1_Pooling/config.json: "]),
        ("LSTM", vec![("LSTM", "1_LSTM", null())], &["modules.json: field \"type\"", "\"LSTM\""]),
        (
            "normalized first",
            vec![mean(), ("Normalize", "2_N", null()), ("Dense", "3_Dense", null())],
            &["modules.json: field \"type\"", "\"Dense\""],
        ),
        (
            "normalized tokens",
            vec![mean(), ("Normalize", "2_N", json!({"module_input_name": "token_embeddings"}))],
            &["2_N/config.json: field \"module_input_name\""],
        ),
        (
            "normalized before",
            vec![("Normalize", "2_N", null()), mean()],
            &["modules.json: field \"type\"", "Normalize before Pooling"],
        ),
        (
            "another package",
            dense("activation_function", json!("my.own.Identity")),
            &[
                "2_Dense/config.json: field \"activation_function\": expected Tanh or Identity of torch",
            ],
        ),
        ("outside", vec![("Pooling", "../1_Pooling", null())], &["modules.json: field \"path\""]),
        (
            "ReLU",
            dense("activation_function", json!("torch.nn.modules.activation.ReLU")),
            &["2_Dense/config.json: field \"activation_function\": expected Tanh or Identity"],
        ),
        (
            "residual",
            dense("use_residual", json!(true)),
            &["field \"use_residual\": not supported"],
        ),
        (
            "of tokens",
            dense("module_input_name", json!("token_embeddings")),
            &["2_Dense/config.json: field \"module_input_name\""],
        ),
        ("no weights", dense("bias", json!(true)), &["2_Dense: no weights"]),
    ];
    for (case, modules, parts) in cases {
        let folder = folder(&modules);
        assert_refused(case, TextEncoder::load(folder.path(), &Device::flex()), parts);
    }
    // Code of the folder's own, under the name of a stock module (as jinaai/jina-embeddings-v3).
    for kind in ["Transformer", "Pooling"] {
        let folder = folder(&[mean()]);
        let path = folder.path().join("modules.json");
        let json = fs::read_to_string(&path).unwrap();
        let stock = format!("sentence_transformers.models.{kind}");
        fs::write(&path, json.replace(&stock, &format!("custom_st.{kind}"))).unwrap();
        let found = format!("found \"custom_st.{kind}\"");
        let parts = ["modules.json: field \"type\": expected a class of", &found];
        assert_refused(kind, TextEncoder::load(folder.path(), &Device::flex()), &parts);
    }
    let folder = folder(&dense("in_features", json!(16)));
    let tensors = vec![
        ("linear.weight".to_owned(), vec![4, 16], waves(64, 0.0)),
        ("linear.bias".to_owned(), vec![4], waves(4, 0.0)),
    ];
    write_weights(&folder.path().join("2_Dense/model.safetensors"), tensors);
    let parts = ["2_Dense/config.json: field \"in_features\": 16, for vectors of 32 numbers"];
    assert_refused("width", TextEncoder::load(folder.path(), &Device::flex()), &parts);
}

/// What sentence-transformers 6 writes into every folder is read; what changes vectors there is told.
#[test]
fn settings_of_the_encoder_that_are_not_used_are_told() {
    let folder = folder(&[("Pooling", "1_Pooling", json!({"pooling_mode": ["mean"]}))]);
    let path = folder.path().join("sentence_bert_config.json");
    let text = |output: &str| json!({"text": {"method": "forward", "method_output_name": output}});
    let mut settings = json!({
        "max_seq_length": 8, "do_lower_case": false, "transformer_task": "feature-extraction",
        "modality_config": text("last_hidden_state"), "module_output_name": "token_embeddings",
        "processing_kwargs": {},
    });
    write_json(&path, &settings);
    let unused = || read_sentence_modules(folder.path()).unwrap().unwrap().unused;
    assert_eq!(unused(), Vec::<String>::new());
    for (field, value) in [
        ("processing_kwargs", json!({"text": {"max_length": 6}})),
        ("processor_kwargs", json!({"model_max_length": 6})),
        ("config_kwargs", json!({"num_hidden_layers": 1})),
        ("modality_config", text("pooler_output")),
        ("transformer_task", json!("sequence-classification")),
    ] {
        let before = settings.clone();
        settings[field] = value;
        write_json(&path, &settings);
        assert_eq!(unused(), [format!("{}: field {field:?}", path.display())]);
        settings = before;
    }
}

/// The tokens of prompts, and of texts after them, are kept by trimming.
#[test]
fn a_trimmed_folder_reads_its_prompts_as_before() {
    let folder = folder(&[("Pooling", "1_Pooling", pooling(&["pooling_mode_mean_tokens"]))]);
    let config = json!({"prompts": {"query": "turn on the kitchen lamp: "},
        "default_prompt_name": "query"});
    write_json(&folder.path().join("config_sentence_transformers.json"), &config);
    let mut texts = Texts::default();
    TEXTS.iter().for_each(|text| texts.add_text(text));
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("trimmed");
    trim(folder.path(), &[texts], None, TrimOptions::default(), &out).unwrap();
    let prompted = |folder: &Path| {
        let encoder = load(folder).with_prompt("turn on the kitchen lamp: ").unwrap();
        encode(&encoder, 2).0.sentences
    };
    assert_eq!(prompted(&out).values(), prompted(folder.path()).values());
    let n_pieces =
        |folder: &Path| Tokenizer::from_file(&folder.join("tokenizer.json")).unwrap().vocab_size();
    assert!(n_pieces(&out) < n_pieces(folder.path()));
}
