//! Language centring (Libovický et al. 2020): a run stores the statistics of its features in each
//! language, scores with them, and everything that reads the model does too.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use isogloss::device::{DeviceChoice, open};
use isogloss::model::{ModelFolder, load_bytes};
use isogloss::text::{Format, Language, ReadOptions, Tokenizer};
use isogloss::{
    CENTRING, Centring, CentringBy, CentringOptions, Evaluator, Event, LanguageResult, Plan,
    Prediction, Predictor, RunOptions, TextEncoder, compress, estimate_centring, finetune,
};
use isogloss_tests::Fixture;
use isogloss_tests::runs::{LANGUAGES, Workshop, plan_of};

fn tables(shop: &Workshop, fields: &str) -> String {
    format!("[centring]\npath = {:?}\n{fields}\n", shop.path("texts/{language}.txt"))
}

fn centred_plan(shop: &Workshop, fields: &str) -> Plan {
    plan_of(&shop.recipe("epochs = 3\nbatch_size = 4", &tables(shop, fields)))
}

fn stored(folder: &Path) -> Centring {
    serde_json::from_slice(&fs::read(folder.join(CENTRING)).unwrap()).unwrap()
}

/// Mean and standard deviation of each column, by the definition.
fn moments(rows: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
    let n = rows.len() as f64;
    let columns = 0..rows[0].len();
    let mean: Vec<f64> =
        columns.clone().map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / n).collect();
    let square = |i: usize| rows.iter().map(|row| (row[i] - mean[i]).powi(2)).sum::<f64>() / n;
    let deviation = columns.map(|i| square(i).sqrt()).collect();
    (mean, deviation)
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 2e-5, "{found}, expected {expected}");
    }
}

/// Mean-pooled vectors of texts, as the commands for sentence embeddings make them.
fn vectors(folder: &Path, texts: &[String]) -> Vec<Vec<f64>> {
    let encoder = TextEncoder::load(folder, &Device::flex()).unwrap();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let tokenized = encoder.tokenize(&texts).unwrap();
    let layer = encoder.n_layers() - 1;
    let encoded = encoder.encode(&tokenized, &[], &[layer]).unwrap().remove(0);
    let row = |i: usize| encoded.sentences.row(i).iter().map(|x| f64::from(*x)).collect();
    (0..texts.len()).map(row).collect()
}

/// Weight `[labels, hidden]` and bias of the classifier in a model folder.
fn classifier(folder: &Path) -> (Vec<Vec<f64>>, Vec<f64>) {
    let tensors = Fixture::read(&folder.join("model.safetensors"));
    let numbers =
        |name: &str| -> Vec<f64> { tensors.floats(name).into_iter().map(f64::from).collect() };
    let width = tensors.shape("classifier.weight")[1];
    let weight = numbers("classifier.weight").chunks(width).map(<[f64]>::to_vec).collect();
    (weight, numbers("classifier.bias"))
}

/// The largest probability of the softmax over `W z + b`.
fn best_probability((weight, bias): &(Vec<Vec<f64>>, Vec<f64>), z: &[f64]) -> f64 {
    let logits = weight.iter().zip(bias);
    let logits: Vec<f64> = logits
        .map(|(row, bias)| row.iter().zip(z).map(|(w, z)| w * z).sum::<f64>() + bias)
        .collect();
    let best = logits.iter().copied().fold(f64::MIN, f64::max);
    1.0 / logits.iter().map(|logit| (logit - best).exp()).sum::<f64>()
}

#[test]
fn vectors_are_moved_by_the_moments_of_their_language() {
    let shop = Workshop::new();
    let texts = shop.write_texts();
    for by in ["mean", "mean_and_deviation"] {
        let run = shop.run(by);
        shop.finish(&centred_plan(&shop, &format!("by = {by:?}")), &run);
        let (folder, centring) = (run.best(), stored(&run.best()));
        let of = texts.iter().map(|texts| moments(&vectors(&folder, texts)));
        let [source, target, _] = of.collect::<Vec<_>>().try_into().unwrap();
        let (de, xx): (Language, Language) = ("de".parse().unwrap(), "xx".parse().unwrap());
        assert_eq!(centring.sources, ["en".parse::<Language>().unwrap()]);
        assert_eq!(centring.languages.keys().collect::<Vec<_>>(), [&de, &xx]);
        assert_eq!(centring.languages[&de].n, 24);
        assert_close(&centring.source.mean, &source.0);
        assert_close(&centring.source.deviation, &source.1);
        assert_close(&centring.languages[&de].mean, &target.0);
        assert_close(&centring.languages[&de].deviation, &target.1);

        let head = classifier(&folder);
        let predictor = Predictor::load(folder.as_path(), &Device::flex()).unwrap();
        let predictor = predictor.for_language(&folder, &de).unwrap();
        for (text, z) in texts[1].iter().zip(vectors(&folder, &texts[1])).take(6) {
            let moved = z.iter().enumerate().map(|(i, z)| match by {
                "mean" => z - target.0[i] + source.0[i],
                _ => (z - target.0[i]) / target.1[i] * source.1[i] + source.0[i],
            });
            let expected = best_probability(&head, &moved.collect::<Vec<_>>());
            let found = predictor.predict(&[(text, None)]).unwrap().remove(0);
            let Prediction::Class { probability, .. } = found else { panic!("{found:?}") };
            assert!((probability - expected).abs() < 1e-4, "{by}: {probability}, {expected}");
            let as_is = best_probability(&head, &z);
            assert!((expected - as_is).abs() > 1e-3, "{by}: {expected}, not moved {as_is}");
        }
    }
}

/// Scores of a language as `evaluate` computes them.
fn evaluated(predictor: &Predictor, path: &Path, language: &str) -> LanguageResult {
    let options = ReadOptions::new(Format::Jsonl).with_split("test");
    let examples = predictor.task().read(path, &options).unwrap();
    let unseen = predictor.scoring().unseen_labels;
    let set = predictor.labeled_set(path, &examples, language.parse().unwrap(), unseen).unwrap();
    let (labels, device) = (predictor.labels().unwrap(), Device::flex());
    let centring = predictor.feature_centring(&set.language);
    let evaluator = Evaluator {
        model: &predictor.loaded().model,
        task: predictor.task(),
        labels: &labels,
        batch_size: 5,
        device: &device,
        subnetwork: None,
        centring: centring.as_ref(),
    };
    evaluator.score(&set).unwrap().0
}

#[test]
fn a_run_is_scored_as_its_model_is_everywhere() {
    let shop = Workshop::new();
    shop.write_texts();
    let tagging = |units: &str| format!("[task.tagging]\nunits = {units:?}\n");
    for (name, task) in
        [("texts", String::new()), ("words", tagging("word")), ("subwords", tagging("subword"))]
    {
        let tables = format!("{task}{}", tables(&shop, "by = \"mean_and_deviation\"\nlimit = 20"));
        let recipe = shop.recipe("epochs = 3\nbatch_size = 4", &tables);
        let (plan, run) = (plan_of(&recipe), shop.run(name));
        let results = shop.finish(&plan, &run);
        let device = Device::flex();
        let predictor = Predictor::load(run.best(), &device).unwrap();
        let read = |name: &str| fs::read(run.best().join(name)).unwrap();
        let loaded = load_bytes(&read("config.json"), read("model.safetensors"), &device).unwrap();
        let tokenizer = Tokenizer::from_file(&run.best().join("tokenizer.json")).unwrap();
        let from_bytes = Predictor::from_loaded(loaded, tokenizer, &device).unwrap();
        let from_bytes = from_bytes.with_centring(&read(CENTRING), CENTRING.as_ref()).unwrap();
        for language in LANGUAGES {
            let path = shop.path(&format!("data/{language}.jsonl"));
            let expected = &results.languages[language];
            assert_eq!(expected.centred, language != "en", "{name} {language}");
            assert_eq!(&evaluated(&predictor, &path, language), expected, "{name} {language}");
            assert_eq!(&evaluated(&from_bytes, &path, language), expected, "{name} {language}");
        }
        // Estimated again from the finished model, the file is the same.
        let before = read(CENTRING);
        let files = LANGUAGES.map(|language| {
            (language.parse().unwrap(), shop.path(&format!("texts/{language}.txt")))
        });
        let options = CentringOptions {
            by: CentringBy::MeanAndDeviation,
            limit: Some(20),
            batch_size: plan.recipe().training.evaluation_batch_size,
        };
        let folder = ModelFolder::from(run.best());
        fs::remove_file(run.best().join(CENTRING)).unwrap();
        estimate_centring(&folder, &files, plan.sources(), options, &device).unwrap();
        assert_eq!(read(CENTRING), before, "{name}");
        if name != "texts" {
            // A tag for each word, or each subword, of 20 texts.
            assert!(stored(&run.best()).source.n > 40, "{name}");
        }
        // A run that is stopped and resumed stores the same.
        let parts = shop.run(&format!("{name} in parts"));
        shop.stop_after(7, &plan, &parts);
        assert_eq!(shop.finish(&plan, &parts), results, "{name}");
        assert_eq!(fs::read(parts.best().join(CENTRING)).unwrap(), before, "{name}");
    }
}

#[test]
fn a_compressed_model_keeps_its_centring() {
    let shop = Workshop::new();
    shop.write_texts();
    let run = shop.run("whole");
    shop.finish(&centred_plan(&shop, "languages = [\"de\"]"), &run);
    let out = shop.path("small");
    compress(&run.best(), isogloss::model::Storage::F16, &out).unwrap();
    assert_eq!(stored(&out), stored(&run.best()));
    assert_eq!(stored(&out).languages.len(), 1);
}

#[test]
fn a_run_without_the_texts_of_a_language_does_not_begin() {
    let shop = Workshop::new();
    shop.write_texts();
    let text = |language: &str| -> PathBuf { shop.path(&format!("texts/{language}.txt")) };
    let refused = |fields: &str| {
        let run = shop.run("refused");
        let error = shop.try_finish(&centred_plan(&shop, fields), &run).unwrap_err().to_string();
        assert!(!run.best().exists());
        error
    };
    fs::remove_file(text("xx")).unwrap();
    let error = refused("");
    assert!(error.contains("texts/xx.txt"), "{error}");
    fs::write(text("xx"), "\n\n").unwrap();
    assert!(refused("").ends_with("xx.txt: no example in this file"));
    fs::remove_file(text("en")).unwrap();
    let error = refused("languages = [\"de\"]");
    assert!(error.contains("en.txt"), "{error}");
}

/// The statistics in the model folder are of the model before training.
#[test]
fn a_centring_that_training_leaves_behind_is_told() {
    let shop = Workshop::new();
    let folder = shop.path("model");
    fs::write(folder.join(CENTRING), "{}").unwrap();
    let options = RunOptions::new(&folder, open(DeviceChoice::Flex).unwrap());
    let (plan, run, mut told) = (shop.plan("max_steps = 1", ""), shop.run("run"), Vec::new());
    finetune(&plan, &run, &options, &mut |event| {
        if let Event::LostCentring { model } = event {
            told.push(model.to_owned());
        }
    })
    .unwrap();
    assert_eq!(told, [folder]);
    assert!(!run.best().join(CENTRING).exists());
}

/// The teacher's outputs for training are those of the whole model, before centring.
#[test]
fn what_a_teacher_is_used_without_is_told() {
    let shop = Workshop::new();
    shop.finish(&shop.plan("max_steps = 1", ""), &shop.run("teacher"));
    let teacher = shop.run("teacher").best();
    fs::write(teacher.join(CENTRING), "{}").unwrap();
    fs::create_dir(teacher.join("subnetworks")).unwrap();
    fs::write(teacher.join("subnetworks/de.toml"), "").unwrap();
    let mut options = RunOptions::new(shop.path("model"), open(DeviceChoice::Flex).unwrap());
    options.teacher_folder = Some(teacher.as_path().into());
    let tables = format!(
        "[[objective]]\nmethod.cross_entropy = {{}}\n[[objective]]\nmethod.model_consistency = {{ text = \"original\" }}\n[teacher]\nsource = {teacher:?}\n"
    );
    let (plan, run, mut told) = (shop.plan("max_steps = 1", &tables), shop.run("run"), Vec::new());
    finetune(&plan, &run, &options, &mut |event| match event {
        Event::TeacherCentring { teacher } => told.push(("centring", teacher.to_owned())),
        Event::TeacherSubnetworks { teacher } => told.push(("subnetworks", teacher.to_owned())),
        _ => {}
    })
    .unwrap();
    assert_eq!(told, [("centring", teacher.clone()), ("subnetworks", teacher)]);
}
