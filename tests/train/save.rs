//! Round trips: a saved model loads to the same logits here and, on demand, in `transformers`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use isogloss_model::{
    ForwardOptions, HeadChoice, HeadSpec, Init, LmHeadKind, LoadedModel, ModelInput, ParamSource,
    Pooling, RandomParams, Storage, StoredModel, WeightFiles, load, load_masked_lm, save,
};
use isogloss_tests::{Fixture, assert_close, fixtures, values};
use safetensors::tensor::{Dtype, TensorView};

const FAMILIES: [&str; 4] = ["bert", "xlm-roberta", "distilbert", "electra"];

/// Shape of the fixtures' batch: rows and columns.
const SHAPE: [usize; 2] = [4, 12];

/// A batch with padding, as integers.
struct Batch {
    input_ids: Vec<i32>,
    attention_mask: Vec<i32>,
    /// All zero if the family has no token types.
    token_type_ids: Vec<i32>,
}

impl Batch {
    fn from_fixture(family: &str) -> Self {
        let fixture = Fixture::open(family);
        let input_ids = fixture.ints("input_ids");
        let token_type_ids = if fixture.has("token_type_ids") {
            fixture.ints("token_type_ids")
        } else {
            vec![0; input_ids.len()]
        };
        Self { input_ids, attention_mask: fixture.ints("attention_mask"), token_type_ids }
    }

    fn input(&self, loaded: &LoadedModel, device: &Device) -> ModelInput {
        let mask: Vec<u8> = self.attention_mask.iter().map(|real| *real as u8).collect();
        let config = loaded.model.encoder.config();
        config.input(&self.input_ids, &mask, &self.token_type_ids, SHAPE[1], device).unwrap()
    }

    fn logits(&self, loaded: &LoadedModel, device: &Device) -> Vec<f32> {
        values(
            loaded.model.forward(&self.input(loaded, device), &ForwardOptions::evaluation()).logits,
        )
    }

    /// Language-model logits of every token at every position.
    fn lm_logits(&self, loaded: &LoadedModel, device: &Device) -> Vec<f32> {
        let model = &loaded.model;
        let encoded =
            model.encoder.forward(&self.input(loaded, device), &ForwardOptions::evaluation());
        let width = model.encoder.config().hidden_size;
        let states = encoded.last_hidden_state().reshape([SHAPE[0] * SHAPE[1], width]);
        values(model.masked_lm_logits(states))
    }

    /// Writes the batch and the logits beside a model, for `roundtrip.py`.
    fn write(&self, folder: &Path, logits: &[f32]) {
        let bytes = |ints: &[i32]| ints.iter().flat_map(|i| i.to_le_bytes()).collect::<Vec<_>>();
        let inputs = [
            ("input_ids", bytes(&self.input_ids)),
            ("attention_mask", bytes(&self.attention_mask)),
            ("token_type_ids", bytes(&self.token_type_ids)),
        ];
        let logit_bytes: Vec<u8> = logits.iter().flat_map(|x| x.to_le_bytes()).collect();
        let mut tensors: HashMap<_, _> = inputs
            .iter()
            .map(|(name, data)| (*name, TensorView::new(Dtype::I32, SHAPE.into(), data).unwrap()))
            .collect();
        let flat = TensorView::new(Dtype::F32, vec![logits.len()], &logit_bytes).unwrap();
        tensors.insert("logits", flat);
        safetensors::serialize_to_file(tensors, None, &folder.join("expected.safetensors"))
            .unwrap();
    }
}

/// Heads of each kind, with label names that need escaping or sorting.
fn heads() -> [(&'static str, HeadSpec); 3] {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let classes = names(&["свет \"вкл\"", "10", "2", "light off"]);
    [
        ("first-token", HeadSpec::sequence(classes.clone(), Pooling::FirstToken)),
        ("mean", HeadSpec::sequence(classes, Pooling::Mean)),
        ("tokens", HeadSpec::tokens(names(&["O", "B-place", "I-place"]))),
    ]
}

/// Random initialization of every parameter, biases included.
struct Drawn(RandomParams);

impl ParamSource for Drawn {
    fn take(&mut self, path: &str, shape: &[usize], _init: Init) -> Option<Vec<f32>> {
        self.0.take(path, shape, Init::Normal(0.3))
    }
}

/// Loads a fixture's model with a masked-language-model head, and the task head that is chosen.
fn masked_lm(family: &str, head: &HeadChoice, kind: LmHeadKind, device: &Device) -> LoadedModel {
    let loaded = load(fixtures().join(family), head, device).unwrap();
    let model = loaded.model.with_lm_head(kind, &mut Drawn(RandomParams::new(7)), device);
    LoadedModel { model, ..loaded }
}

/// Output folder of the models: the one that `ISOGLOSS_WRITE_ROUNDTRIP` names, else a temporary
/// one.
fn target() -> (PathBuf, Option<tempfile::TempDir>) {
    match std::env::var_os("ISOGLOSS_WRITE_ROUNDTRIP") {
        Some(folder) => (folder.into(), None),
        None => {
            let folder = tempfile::tempdir().unwrap();
            (folder.path().to_owned(), Some(folder))
        }
    }
}

#[test]
fn saved_models_load_to_bit_equal_logits_and_the_same_labels() {
    let (target, _temporary) = target();
    let device = Device::flex();
    for family in FAMILIES {
        let batch = Batch::from_fixture(family);
        for (name, spec) in heads() {
            let folder = target.join(format!("{family}-{name}"));
            std::fs::create_dir_all(&folder).unwrap();
            let new = HeadChoice::New { spec: spec.clone(), seed: 5 };
            let model = load(fixtures().join(family), &new, &device).unwrap();
            let expected = batch.logits(&model, &device);
            save(&folder, &model.model, Some(&spec), &model.config_json).unwrap();
            batch.write(&folder, &expected);

            let again = load(&folder, &HeadChoice::Saved, &device).unwrap();
            let what = folder.display();
            assert_eq!(again.head.as_ref(), Some(&spec), "{what}");
            assert_eq!(again.report.fresh, Vec::<String>::new(), "{what}");
            let unused: Vec<_> = again.report.unused.iter().collect();
            assert!(unused.is_empty(), "{what}: {unused:?}");
            assert!(batch.logits(&again, &device) == expected, "{what}: other logits");

            // Saving a loaded model again gives the same bytes.
            let second = target.join(format!("{family}-{name}-again"));
            std::fs::create_dir_all(&second).unwrap();
            save(&second, &again.model, again.head.as_ref(), &again.config_json).unwrap();
            for file in ["config.json", "model.safetensors"] {
                let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
                assert!(read(&folder) == read(&second), "{what}: {file} differs");
            }
            std::fs::remove_dir_all(&second).unwrap();
        }
    }
}

#[test]
fn another_kind_of_head_leaves_nothing_of_the_one_before() {
    let target = tempfile::tempdir().unwrap();
    let device = Device::flex();
    for family in FAMILIES {
        for (first_name, first) in heads() {
            let start = load(
                fixtures().join(family),
                &HeadChoice::New { spec: first.clone(), seed: 5 },
                &device,
            )
            .unwrap();
            let folder = target.path().join(format!("{family}-{first_name}"));
            std::fs::create_dir_all(&folder).unwrap();
            save(&folder, &start.model, Some(&first), &start.config_json).unwrap();
            for (second_name, second) in heads() {
                let choice = HeadChoice::New { spec: second.clone(), seed: 6 };
                let other = load(&folder, &choice, &device).unwrap();
                let end = target.path().join(format!("{family}-{first_name}-{second_name}"));
                std::fs::create_dir_all(&end).unwrap();
                save(&end, &other.model, Some(&second), &other.config_json).unwrap();
                let end = load(&end, &HeadChoice::Saved, &device).unwrap();
                assert_eq!(end.head.as_ref(), Some(&second), "{family}: {first_name}");
                let mean = second_name == "mean";
                for key in ["auto_map", "isogloss"] {
                    assert_eq!(end.config_json.get(key).is_some(), mean, "{key}");
                }
            }
        }
    }
}

#[test]
fn saved_masked_lms_load_to_bit_equal_logits() {
    let (target, _temporary) = target();
    let device = Device::flex();
    for family in FAMILIES {
        let batch = Batch::from_fixture(family);
        for (name, kind) in [("own-lm", LmHeadKind::Own), ("tied-lm", LmHeadKind::Tied)] {
            let folder = target.join(format!("{family}-{name}"));
            std::fs::create_dir_all(&folder).unwrap();
            let model = masked_lm(family, &HeadChoice::Without, kind, &device);
            let expected = batch.lm_logits(&model, &device);
            save(&folder, &model.model, None, &model.config_json).unwrap();
            batch.write(&folder, &expected);

            let again = load_masked_lm(&folder, &HeadChoice::Saved, &device).unwrap();
            let what = folder.display();
            assert_eq!(again.model.lm_head_kind(), Some(kind), "{what}");
            assert_eq!((&again.head, &again.report), (&None, &Default::default()), "{what}");
            assert!(batch.lm_logits(&again, &device) == expected, "{what}: other logits");

            // Loaded without its head and saved again, the model has nothing left of the head.
            let bare = load(&folder, &HeadChoice::Saved, &device).unwrap();
            assert_eq!(bare.model.lm_head_kind(), None);
            let second = tempfile::tempdir().unwrap();
            save(second.path(), &bare.model, None, &bare.config_json).unwrap();
            let bare = load(second.path(), &HeadChoice::Saved, &device).unwrap();
            assert_eq!(bare.report, Default::default(), "{what}");
            assert_eq!(bare.config_json.get("auto_map"), None, "{what}");
        }
    }
}

#[test]
fn a_masked_lm_head_is_kept_beside_another() {
    let target = tempfile::tempdir().unwrap();
    let device = Device::flex();
    for family in FAMILIES {
        let batch = Batch::from_fixture(family);
        for (name, spec) in heads() {
            for kind in [LmHeadKind::Own, LmHeadKind::Tied] {
                let new = HeadChoice::New { spec: spec.clone(), seed: 5 };
                let model = masked_lm(family, &new, kind, &device);
                let folder = target.path().join(format!("{family}-{name}-{kind:?}"));
                std::fs::create_dir_all(&folder).unwrap();
                save(&folder, &model.model, Some(&spec), &model.config_json).unwrap();

                let again = load_masked_lm(&folder, &HeadChoice::Saved, &device).unwrap();
                let what = folder.display();
                assert_eq!(again.model.lm_head_kind(), Some(kind), "{what}");
                assert_eq!(again.head.as_ref(), Some(&spec), "{what}");
                assert_eq!(again.report, Default::default(), "{what}");
                assert!(batch.logits(&again, &device) == batch.logits(&model, &device), "{what}");
                let expected = batch.lm_logits(&model, &device);
                assert!(batch.lm_logits(&again, &device) == expected, "{what}");
            }
        }
    }
}

/// Saves a model with a task head and a language-model head to a temporary folder.
fn whole(family: &str) -> (tempfile::TempDir, LoadedModel) {
    let device = Device::flex();
    let spec = HeadSpec::sequence(vec!["a".into(), "b".into()], Pooling::Mean);
    let choice = HeadChoice::New { spec, seed: 3 };
    let loaded = load_masked_lm(fixtures().join(family), &choice, &device).unwrap();
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), &loaded.model, loaded.head.as_ref(), &loaded.config_json).unwrap();
    (folder, loaded)
}

fn stored(
    folder: &Path,
    rows: Option<&[u32]>,
    storage: Storage,
) -> (tempfile::TempDir, LoadedModel) {
    let out = tempfile::tempdir().unwrap();
    StoredModel::read(folder, rows).unwrap().write(out.path(), storage).unwrap();
    let loaded = load_masked_lm(out.path(), &HeadChoice::Saved, &Device::flex()).unwrap();
    (out, loaded)
}

#[test]
fn fewer_rows_of_the_vocabulary_leave_every_bit_of_the_rest() {
    let device = Device::flex();
    for family in FAMILIES {
        let (folder, before) = whole(family);
        let batch = Batch::from_fixture(family);
        let mut rows: Vec<u32> = batch.input_ids.iter().map(|id| id.cast_unsigned()).collect();
        rows.extend(0..=before.model.encoder.config().pad_token_id);
        rows.sort_unstable();
        rows.dedup();
        let (_out, after) = stored(folder.path(), Some(&rows), Storage::F32);
        let (n_before, n_after) =
            [&before, &after].map(|of| of.model.encoder.config().vocab_size).into();
        assert_eq!((n_after, n_after < n_before), (rows.len(), true), "{family}");
        let place = |id: &i32| rows.binary_search(&id.cast_unsigned()).unwrap() as i32;
        let trimmed = Batch {
            input_ids: batch.input_ids.iter().map(place).collect(),
            attention_mask: batch.attention_mask.clone(),
            token_type_ids: batch.token_type_ids.clone(),
        };
        assert_eq!(trimmed.logits(&after, &device), batch.logits(&before, &device), "{family}");
        let (of_all, of_kept) =
            (batch.lm_logits(&before, &device), trimmed.lm_logits(&after, &device));
        let kept =
            of_all.chunks(n_before).flat_map(|place| rows.iter().map(|row| place[*row as usize]));
        assert_close(family, &of_kept, &kept.collect::<Vec<_>>(), 1e-6);
    }
}

#[test]
fn padding_keeps_its_number() {
    let (folder, _) = whole("xlm-roberta");
    let error = StoredModel::read(folder.path(), Some(&[1, 2])).unwrap_err().to_string();
    assert!(error.ends_with("the padding token is number 1, and must stay so"), "{error}");
    let error = StoredModel::read(folder.path(), Some(&[0, 1, 1 << 20])).unwrap_err().to_string();
    assert!(error.contains("token 1048576 is outside the vocabulary of "), "{error}");
}

#[test]
fn smaller_numbers_are_near_the_ones_they_stand_for() {
    for family in FAMILIES {
        let (folder, _) = whole(family);
        let mut before = WeightFiles::open(folder.path()).unwrap();
        for (storage, bits) in [(Storage::F16, 11), (Storage::Int8, 8)] {
            let (out, _) = stored(folder.path(), None, storage);
            let mut after = WeightFiles::open(out.path()).unwrap();
            let names: Vec<String> = before.names().map(str::to_owned).collect();
            assert_eq!(after.names().collect::<Vec<_>>(), names);
            for name in names {
                let shape = before.shape(&name).unwrap();
                let [a, b] =
                    [&mut before, &mut after].map(|files| files.read(&name, &shape).unwrap());
                let width = if shape.len() == 2 { shape[1] } else { 1 };
                for (a, b) in a.chunks(width).zip(b.chunks(width)) {
                    let largest = a.iter().fold(0f32, |max, x| max.max(x.abs()));
                    // Half a quantization step of the row's largest value, and the resolution of
                    // f16.
                    let step = largest * 2f32.powi(1 - bits) * 1.02 + 2f32.powi(-24);
                    let far = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    assert!(far <= step / 2.0 + 1e-9, "{family} {name}: {far} beyond {step}");
                }
            }
        }
    }
}
