//! Texts of which the tokenizer leaves no token: attention over their padding alone, its gradients,
//! and predictions for a batch of nothing else.

use std::fs;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use isogloss::model::{Encoder, EncoderConfig, ForwardOptions, ModelInput};
use isogloss::text::Format;
use isogloss::{Evaluator, Predictor, TextEncoder};
use isogloss_tests::runs::Workshop;
use isogloss_tests::{assert_close, devices, saved_model, tensor, values, waves};
use serde_json::{Value, json};

const SEQ_LEN: usize = 5;

/// A text of three tokens, and one of none.
fn input(config: &EncoderConfig, mask: [u8; 2 * SEQ_LEN], device: &Device) -> ModelInput {
    let (ids, types) = ([7; 2 * SEQ_LEN], [0; 2 * SEQ_LEN]);
    config.input(&ids, &mask, &types, SEQ_LEN, device).unwrap()
}

const MASK: [u8; 2 * SEQ_LEN] = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0];

fn hidden_states(encoder: &Encoder, input: &ModelInput, embeddings: Tensor<3>) -> Tensor<3> {
    let input = input.with_embeddings(embeddings);
    encoder.forward(&input, &ForwardOptions::evaluation()).hidden_states.pop().unwrap()
}

#[test]
fn gradients_of_a_text_without_tokens_meet_finite_differences() {
    let flex = saved_model("bert", &Device::flex()).model.encoder;
    let (config, n) = (flex.config().clone(), 2 * SEQ_LEN * flex.config().hidden_size);
    let shape = [2, SEQ_LEN, config.hidden_size];
    let (embeddings, weights) = (waves(n, 0.3), waves(n, 1.1));
    let loss = |values_of: Vec<f32>| -> f64 {
        let device = Device::flex();
        let embeddings = tensor(values_of, shape, &device);
        let states = values(hidden_states(&flex, &input(&config, MASK, &device), embeddings));
        states.iter().zip(&weights).map(|(x, weight)| f64::from(*x) * f64::from(*weight)).sum()
    };
    let places: Vec<usize> = (0..n).step_by(13).collect();
    let moved = |at: usize, h: f32| {
        let mut embeddings = embeddings.clone();
        embeddings[at] += h;
        loss(embeddings)
    };
    const H: f32 = 1e-2;
    let slope = |at: &usize| ((moved(*at, H) - moved(*at, -H)) / (2.0 * f64::from(H))) as f32;
    let expected: Vec<f32> = places.iter().map(slope).collect();
    for (name, device) in devices() {
        let encoder = saved_model("bert", &device).model.train().encoder;
        let device = device.autodiff();
        let leaf = tensor(embeddings.clone(), shape, &device).require_grad();
        let states = hidden_states(&encoder, &input(&config, MASK, &device), leaf.clone());
        let grads = (states * tensor(weights.clone(), shape, &device)).sum().backward();
        let gradient = values(leaf.grad(&grads).unwrap());
        let found: Vec<f32> = places.iter().map(|at| gradient[*at]).collect();
        assert_close(name, &found, &expected, 2e-3);
    }
}

#[test]
fn a_text_without_tokens_attends_to_all_of_its_padding() {
    for (name, device) in devices() {
        let encoder = saved_model("bert", &device).model.encoder;
        let config = encoder.config();
        let shape = [2, SEQ_LEN, config.hidden_size];
        let embeddings = tensor(waves(shape.iter().product(), 0.3), shape, &device);
        let of = |mask| hidden_states(&encoder, &input(config, mask, &device), embeddings.clone());
        let all_real = [1, 1, 1, 0, 0, 1, 1, 1, 1, 1];
        assert_eq!(values(of(MASK)), values(of(all_real)), "{name}");
    }
}

#[test]
fn a_batch_of_texts_without_tokens_is_predicted_scored_and_embedded() {
    let shop = Workshop::new();
    let folder = shop.path("model");
    let path = folder.join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    tokenizer["post_processor"] = Value::Null;
    let only_latin = json!({ "type": "Replace", "pattern": { "Regex": "[^a-z]" }, "content": "" });
    tokenizer["normalizer"] = only_latin;
    fs::write(&path, tokenizer.to_string()).unwrap();
    let data = shop.path("empty.jsonl");
    fs::write(&data, "{\"text\": \"灯\", \"label\": \"ask\"}\n".repeat(3)).unwrap();
    for (name, device) in devices() {
        let predictor = Predictor::load(folder.as_path(), &device).unwrap();
        assert_eq!(predictor.tokenizer().encode("灯", None, 8).unwrap().len(), 0);
        let found = predictor.predict(&[("灯", None), ("灯", None), ("turn on", None)]).unwrap();
        let alone = predictor.predict(&[("灯", None)]).unwrap();
        assert_eq!((found.len(), alone.len()), (3, 1), "{name}");
        let options = predictor.scoring().reading.options(Format::Jsonl);
        let examples = predictor.task().read(&data, &options).unwrap();
        let unseen = predictor.scoring().unseen_labels;
        let language = "zh".parse().unwrap();
        let set = predictor.labeled_set(&data, &examples, language, unseen).unwrap();
        let evaluator = Evaluator {
            model: &predictor.loaded().model,
            task: predictor.task(),
            labels: &predictor.labels().unwrap(),
            batch_size: 2,
            device: &device,
            subnetwork: None,
            centring: None,
        };
        let (result, _) = evaluator.score(&set).unwrap();
        assert_eq!(result.n, 3, "{name}");
        let encoder = TextEncoder::load(folder.as_path(), &device).unwrap();
        let texts = encoder.tokenize(&["灯", "灯"]).unwrap();
        let last = encoder.n_layers() - 1;
        let vectors = encoder.encode(&texts, &[], &[last]).unwrap().remove(0).sentences;
        assert_eq!(vectors.row(0), vectors.row(1), "{name}");
    }
}
