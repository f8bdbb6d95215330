//! Parity of masked-language-model heads with transformers, for each family: logits, loss and
//! gradients, with those of the tied token embeddings. `tests/fixtures/make/masked_lm.py` made the
//! expected values.

use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_methods::{Gradients, cross_entropy};
use isogloss_model::{
    ForwardOptions, HeadChoice, LmHeadKind, LoadedModel, Model, RandomParams, WeightFiles, load,
    load_masked_lm, named_parameters,
};
use isogloss_tests::{Fixture, assert_close, devices, difference, fixtures, values};
use safetensors::tensor::{Dtype, TensorView};

const FAMILIES: [&str; 4] = ["bert", "xlm-roberta", "distilbert", "electra"];

/// Relative tolerance on every device.
const TOLERANCE: f32 = 1e-5;

fn integers(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Logits at the labeled (masked) positions, and their labels.
fn guess(
    model: &Model,
    fixture: &Fixture,
    family: &str,
    device: &Device,
) -> (Tensor<2>, Tensor<1, Int>) {
    let part = |name: &str| fixture.ints(&format!("{family}.{name}"));
    let ids = part("input_ids");
    let mask: Vec<u8> = part("attention_mask").iter().map(|real| *real as u8).collect();
    let has_segments = fixture.has(&format!("{family}.token_type_ids"));
    let types = if has_segments { part("token_type_ids") } else { vec![0; ids.len()] };
    let input = model.encoder.config().input(&ids, &mask, &types, 8, device).unwrap();
    let labeled = (0..).zip(part("labels")).filter(|(_, label)| *label != -100);
    let (places, labels) = labeled.unzip();
    let encoded = model.encoder.forward(&input, &ForwardOptions::evaluation());
    let logits = model.masked_lm_logits(encoded.states_at(integers(places, device)));
    (logits, integers(labels, device))
}

fn open(family: &str, device: &Device) -> LoadedModel {
    load_masked_lm(fixtures().join(format!("{family}-lm")), &HeadChoice::Saved, device).unwrap()
}

/// Model with a tied head in place of its own, which is ignored.
fn open_tied(family: &str, device: &Device) -> Model {
    let folder = fixtures().join(format!("{family}-lm"));
    let loaded = load(&folder, &HeadChoice::Saved, device).unwrap();
    assert_eq!(loaded.report.unused.len(), 5, "{family}: an unused head");
    loaded.model.with_lm_head(LmHeadKind::Tied, &mut RandomParams::new(1), device)
}

#[test]
fn logits_loss_and_gradients_match_transformers() {
    let fixture = Fixture::open("masked_lm");
    for (device_name, device) in devices() {
        for family in FAMILIES {
            let device = device.clone().autodiff();
            let own = open(family, &device);
            assert_eq!(own.model.lm_head_kind(), Some(LmHeadKind::Own));
            assert_eq!((own.head, own.report), (None, Default::default()));
            for (prefix, model) in [("", own.model), ("tied.", open_tied(family, &device))] {
                let name = |part: &str| format!("{family}.{prefix}{part}");
                let what = |part: &str| format!("{} on {device_name}", name(part));
                let (logits, labels) = guess(&model, &fixture, family, &device);
                assert_eq!(logits.dims(), [7, 60]);
                let expected = fixture.floats(&name("logits"));
                assert_close(&what("logits"), &values(logits.clone()), &expected, TOLERANCE);
                let loss = cross_entropy(logits, labels, 0.0);
                let expected = fixture.floats(&name("loss"));
                assert_close(&what("loss"), &values(loss.clone()), &expected, TOLERANCE);

                let gradients = Gradients::from_loss(&loss, &model);
                let mut n_compared = 0;
                for param in named_parameters(&model) {
                    let part = format!("grad.{}", model.parameter_name(None, &param.path));
                    let found = gradients.get(&param.path);
                    let found = values(found.unwrap_or_else(|| panic!("{}", what(&part))).clone());
                    if fixture.has(&name(&part)) {
                        let expected = fixture.floats(&name(&part));
                        let (absolute, relative) = difference(&found, &expected);
                        // The exact gradient of a key's bias is zero, so only rounding is left.
                        let close = relative <= TOLERANCE || absolute <= 1e-6;
                        assert!(close, "{}: {relative:e} ({absolute:e})", what(&part));
                        n_compared += 1;
                    }
                }
                let start = name("grad.");
                let n_expected = fixture.names().iter().filter(|n| n.starts_with(&start)).count();
                assert_eq!(n_compared, n_expected, "{}", what("number of gradients"));
            }
        }
    }
}

#[test]
fn a_folder_without_a_head_gets_a_tied_one() {
    let device = Device::flex();
    for family in FAMILIES {
        let folder = fixtures().join(family);
        let loaded = load_masked_lm(&folder, &HeadChoice::Saved, &device).unwrap();
        assert_eq!(loaded.model.lm_head_kind(), Some(LmHeadKind::Tied));
        assert!(loaded.head.is_some(), "the other head stays");
        assert_eq!(loaded.report.fresh, ["lm_bias"]);
        assert_eq!(loaded.report.unused, Vec::<String>::new());
        let bias = named_parameters(&loaded.model).pop().unwrap();
        assert_eq!(bias.data().try_into_vec::<f32>().unwrap(), [0.0; 120]);
    }
}

/// Older checkpoints name the layer normalization otherwise, and store the tied tensors twice or
/// only under the decoder's name.
#[test]
fn older_names_of_a_head_are_known() {
    let (fixture, device) = (Fixture::open("masked_lm"), Device::flex());
    for (family, renamed, decoder, table) in [
        (
            "bert",
            [
                ("transform.LayerNorm.weight", "transform.LayerNorm.gamma"),
                ("transform.LayerNorm.bias", "transform.LayerNorm.beta"),
                ("predictions.bias", "predictions.decoder.bias"),
            ]
            .as_slice(),
            "cls.predictions.decoder.weight",
            "bert.embeddings.word_embeddings.weight",
        ),
        (
            "xlm-roberta",
            &[("lm_head.bias", "lm_head.decoder.bias")],
            "lm_head.decoder.weight",
            "roberta.embeddings.word_embeddings.weight",
        ),
        (
            "distilbert",
            &[],
            "vocab_projector.weight",
            "distilbert.embeddings.word_embeddings.weight",
        ),
        (
            "electra",
            &[("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")],
            "generator_lm_head.weight",
            "electra.embeddings.word_embeddings.weight",
        ),
    ] {
        let from = fixtures().join(format!("{family}-lm"));
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(from.join("config.json"), folder.path().join("config.json")).unwrap();
        let mut files = WeightFiles::open(&from).unwrap();
        let names: Vec<String> = files.names().map(str::to_owned).collect();
        let mut tensors = Vec::new();
        for name in names {
            let shape = files.shape(&name).unwrap();
            let floats = files.read(&name, &shape).unwrap();
            let bytes: Vec<u8> = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
            if name == table {
                tensors.push((decoder.to_owned(), shape.clone(), bytes.clone()));
            }
            let other = renamed.iter().find(|(now, _)| name.ends_with(now));
            let name = other.map_or(name.clone(), |(now, before)| name.replace(now, before));
            tensors.push((name, shape, bytes));
        }
        let views = tensors.iter().map(|(name, shape, bytes)| {
            (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
        });
        let file = folder.path().join("model.safetensors");
        safetensors::serialize_to_file(views, None, &file).unwrap();

        let loaded = load_masked_lm(folder.path(), &HeadChoice::Saved, &device).unwrap();
        assert_eq!(loaded.report, Default::default(), "{family}");
        let (logits, _) = guess(&loaded.model, &fixture, family, &device);
        let expected = fixture.floats(&format!("{family}.logits"));
        assert_close(family, &values(logits), &expected, 1e-5);
    }
}
