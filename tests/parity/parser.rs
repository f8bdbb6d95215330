//! Parity of the dependency parser with PyTorch: word states, arcs, relations, parts of speech,
//! loss and gradients, with padding and a word without a token. `tests/fixtures/make/parser.py`
//! made the expected values.

use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_methods::{
    CrossEntropyConfig, Gradients, Objective, PredictionUnits, RowTargets, StepInput, View,
    ViewOutput,
};
use isogloss_model::{
    ForwardOptions, HeadChoice, HeadSpec, LoadedModel, Model, ModelInput, ModelOutput, Words, load,
    named_parameters, save,
};
use isogloss_tests::{Fixture, assert_close, devices, difference, saved_model, values};

const N_WORDS: usize = 5;
const SEQ: usize = 9;
const TAG_WEIGHT: f64 = 0.7;

/// Relative tolerance on every device.
const TOLERANCE: f32 = 1e-5;

fn ints<const D: usize>(values: Vec<i32>, shape: [usize; D], device: &Device) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn input(fixture: &Fixture, model: &Model, device: &Device) -> ModelInput {
    let mask: Vec<u8> = fixture.ints("attention_mask").iter().map(|real| *real as u8).collect();
    let (ids, types) = (fixture.ints("input_ids"), fixture.ints("token_type_ids"));
    let input = model.encoder.config().input(&ids, &mask, &types, SEQ, device).unwrap();
    let (places, shape) = (fixture.ints("first_subwords"), [ids.len() / SEQ, N_WORDS]);
    let mask: Vec<f32> = places.iter().map(|place| f32::from(*place >= 0)).collect();
    let at_root = |value: &i32| (*value).max(0);
    let words = Words {
        first_subwords: ints(places.iter().map(at_root).collect(), shape, device),
        mask: Tensor::from_data(TensorData::new(mask, shape), device),
        heads: Some(ints(fixture.ints("heads").iter().map(at_root).collect(), shape, device)),
    };
    ModelInput { words: Some(words), ..input }
}

fn targets(fixture: &Fixture, device: &Device) -> RowTargets {
    let of = |name: &str| {
        let values = fixture.ints(name);
        let shape = [values.len()];
        ints(values, shape, device)
    };
    RowTargets {
        rows: of("heads"),
        aux_logits: vec![(1.0, of("relations")), (TAG_WEIGHT, of("tags"))],
    }
}

fn loss(output: ModelOutput, targets: RowTargets) -> Tensor<1> {
    let view = ViewOutput { output, targets: Some(targets), units: PredictionUnits::Texts };
    let step = StepInput::new(vec![(View::ORIGINAL, view)]);
    CrossEntropyConfig::default().loss(&step).unwrap()
}

/// Arc scores with a valid head, the root or a word; those of all others must be masked.
fn real_arcs(found: &[f32], expected: &[f32]) -> [Vec<f32>; 2] {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    let (real, hidden): (Vec<_>, Vec<_>) = pairs.partition(|(_, expected)| **expected > -1e8);
    assert!(hidden.iter().all(|(found, _)| **found < -1e8));
    assert_eq!(real.len(), 5 * 6 + 5 * 4 + 5 * 3, "nodes of three sentences");
    let (found, expected) = real.into_iter().unzip();
    [found, expected]
}

#[test]
fn scores_loss_and_gradients_match_pytorch() {
    let fixture = Fixture::open("parser");
    for (device_name, device) in devices() {
        let device = device.autodiff();
        let LoadedModel { model, report, .. } = saved_model("parser", &device);
        assert_eq!(report, Default::default());
        let what = |part: &str| format!("{part} on {device_name}");
        let close = |part: &str, found: &[f32], expected: &[f32]| {
            assert_close(&what(part), found, expected, TOLERANCE);
        };
        let output =
            model.forward(&input(&fixture, &model, &device), &ForwardOptions::evaluation());
        close("words", &values(output.features.clone()), &fixture.floats("words"));
        let [found, expected] = real_arcs(&values(output.logits.clone()), &fixture.floats("arcs"));
        close("arcs", &found, &expected);
        for (logits, name) in output.aux_logits.iter().zip(["relation_logits", "tag_logits"]) {
            close(name, &values(logits.clone()), &fixture.floats(name));
        }

        let loss = loss(output, targets(&fixture, &device));
        close("loss", &values(loss.clone()), &fixture.floats("loss"));
        let gradients = Gradients::from_loss(&loss, &model);
        let spec = saved_model("parser", &device).head;
        let mut n_compared = 0;
        for param in named_parameters(&model) {
            let part = format!("grad.{}", model.parameter_name(spec.as_ref(), &param.path));
            let found = gradients.get(&param.path);
            let found = values(found.unwrap_or_else(|| panic!("{}", what(&part))).clone());
            let (absolute, relative) = difference(&found, &fixture.floats(&part));
            // The exact gradient of a key's bias is zero, so only rounding is left.
            let close = relative <= TOLERANCE || absolute <= 1e-6;
            assert!(close, "{}: {relative:e} ({absolute:e})", what(&part));
            n_compared += 1;
        }
        let names = fixture.names();
        assert_eq!(n_compared, names.iter().filter(|name| name.starts_with("grad.")).count());
    }
}

#[test]
fn relations_are_scored_at_any_heads_after_the_arcs() {
    let fixture = Fixture::open("parser");
    let device = Device::flex();
    let model = saved_model("parser", &device).model;
    let input = input(&fixture, &model, &device);
    let whole = model.forward(&input, &ForwardOptions::evaluation());
    let scores = model.parse(&input, &ForwardOptions::evaluation());
    assert_eq!(values(scores.arcs.clone()), values(whole.logits));
    let heads = input.words.unwrap().heads.unwrap();
    let relations = model.parser().unwrap().relations(&scores, heads);
    assert_eq!(values(relations), values(whole.aux_logits[0].clone()));
}

#[test]
fn sentences_of_any_batch_score_the_same() {
    let fixture = Fixture::open("parser");
    let device = Device::flex();
    let model = saved_model("parser", &device).model;
    let all = input(&fixture, &model, &device);
    let whole = model.forward(&all, &ForwardOptions::evaluation());
    for row in 0..3 {
        let alone = model.forward(&all.rows(row..row + 1), &ForwardOptions::evaluation());
        let part = whole.split(3).swap_remove(row);
        for (alone, part) in alone.aux_logits.iter().zip(&part.aux_logits) {
            assert_close("alone", &values(alone.clone()), &values(part.clone()), 1e-5);
        }
        assert_close("arcs", &values(alone.logits), &values(part.logits), 1e-5);
    }
}

#[test]
fn dropout_differs_by_seed_and_is_the_same_for_equal_seeds() {
    let fixture = Fixture::open("parser");
    let device = Device::flex();
    let model = saved_model("parser", &device).model;
    let input = input(&fixture, &model, &device);
    let tags =
        |seed| values(model.forward(&input, &ForwardOptions::training(seed)).aux_logits[1].clone());
    assert_eq!(tags(1), tags(1));
    assert_ne!(tags(1), tags(2));

    // Dropout uses one mask for all words of a sentence.
    let features = values(model.forward(&input, &ForwardOptions::training(1)).features);
    let width = features.len() / (3 * N_WORDS);
    let words: Vec<_> = features.chunks(width).take(N_WORDS).collect();
    let dropped = |word: &[f32]| word.iter().map(|x| *x == 0.0).collect::<Vec<_>>();
    assert!(words.iter().all(|word| dropped(word) == dropped(words[0])));
    let n_dropped = dropped(words[0]).iter().filter(|dropped| **dropped).count();
    assert!((4..width - 4).contains(&n_dropped), "{n_dropped} of {width}");
}

#[test]
fn a_saved_parser_is_read_as_it_was() {
    let device = Device::flex();
    let LoadedModel { model, head, config_json, .. } = saved_model("parser", &device);
    let Some(HeadSpec::Parser(spec)) = &head else { panic!("{head:?}") };
    assert_eq!((spec.relations.len(), spec.tags.len(), spec.config.arc_width), (4, 3, 6));
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), &model, head.as_ref(), &config_json).unwrap();
    let again = load(folder.path(), &HeadChoice::Saved, &device).unwrap();
    assert_eq!(again.head, head);
    assert_eq!(again.report, Default::default());
    let all = |model: &Model| {
        let params = named_parameters(model).into_iter();
        params.map(|p| (p.path.clone(), p.data().try_into_vec::<f32>().unwrap())).collect()
    };
    let (before, after): (Vec<_>, Vec<_>) = (all(&model), all(&again.model));
    assert_eq!(before, after);
}
