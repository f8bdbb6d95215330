//! Training on parallel sentence pairs: alone, during a task, and before one.

mod aligners;
mod buffers;

use std::fs;

use burn::tensor::Device;
use isogloss::device::{DeviceChoice, open};
use isogloss::{Error, PairLinks, PairSet, Plan, RunFolder, RunOptions, TextEncoder, finetune};
use isogloss_tests::runs::{Trace, Workshop, plan_of};
use isogloss_tests::{copy_folder, opened_devices};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

const TRAINING: &str = "batch_size = 4\nmax_steps = 6\nlog_every = 1";

/// Recipe tables of each method, with a name for messages.
fn methods(shop: &Workshop) -> Vec<(&'static str, String)> {
    let objective = |method: &str| format!("[[objective]]\nweight = 0.5\nmethod.{method}\n");
    let blocks = format!(
        "[monolingual]\npath = {:?}\nbatch_size = 3\nmax_length = 12\n",
        shop.path("text/{language}.txt")
    );
    let teacher = format!("[teacher]\nsource = {:?}\n", shop.path("model"));
    vec![
        ("info_nce", objective("info_nce = {}")),
        ("chunks", objective("info_nce = { layer = 1, chunk_size = 4 }")),
        (
            "xlco",
            objective(
                "xlco = { layer = 1, queue_size = 20, momentum = 0.9, mixup = false, masked = false }",
            ),
        ),
        (
            "projected xlco",
            objective(
                "xlco = { layer = 2, queue_size = 16, projection = true, normalized = true, \
                 mixup = false, masked = false }",
            ),
        ),
        (
            "scheduled xlco",
            objective(
                "xlco = { layer = 1, queue_size = 20, momentum = 0.9, \
                 momentum_schedule.linear = { first = 0.5, begin = 1, end = 5 } }",
            ),
        ),
        ("mixed xlco", objective("xlco = { layer = 1, queue_size = 20, momentum = 0.9 }")),
        ("tlm", objective("tlm = {}")),
        ("mmlm", objective("mmlm = {}") + &blocks),
        (
            "infoxlm",
            objective(
                "xlco = { layer = 1, queue_size = 20, weighting = \"fairseq_token_normalized\" }",
            ) + &objective("tlm = {}")
                + &objective("mmlm = {}")
                + &blocks,
        ),
        ("distillation", objective("embedding_distillation = {}") + &teacher),
        (
            "states and attention",
            objective("state_distillation = { layers = [[0, 0], [1, 2]] }")
                + &objective("attention_distillation = { layers = [[1, 2]], sides = \"left\" }")
                + "[student]\nlayers = [1]\n",
        ),
        (
            "a narrow student",
            objective("embedding_distillation = { teacher_width = 32 }")
                + &objective("state_distillation = { layers = [[1, 1]], teacher_width = 32 }")
                + "[student]\nlayers = [0]\nhidden_size = 16\nnum_attention_heads = 2\n",
        ),
        ("realign", objective("realign = {}")),
        ("weak", objective("realign.loss.contrastive = { alignment = \"weak\", projection = 0 }")),
        ("l2", objective("realign = { layer = 1, words = \"mean\", loss.l2 = {} }")),
        (
            "regularized layers",
            objective(
                "realign = { layers = [0, 2], loss.contrastive = { regularization = 0.5 }, \
                 regularized = \"tokens\" }",
            ),
        ),
        (
            "both",
            objective("realign = {}") + &objective("info_nce = {}") + "[update.sam]\nrho = 0.1\n",
        ),
    ]
}

/// Recipe that also trains on labels.
fn during(shop: &Workshop, training: &str, tables: &str) -> String {
    let pairs = shop.pairs_table("sampling.ucb = { update_every = 2 }");
    let cross_entropy = "[[objective]]\nmethod.cross_entropy = {}\n";
    shop.recipe(training, &format!("{pairs}{cross_entropy}{tables}"))
}

fn repeats_and_resumes(recipe: impl Fn(&Workshop, &str, &str) -> String) {
    let shop = Workshop::new().with_pairs();
    for (name, tables) in methods(&shop) {
        let trace = shop.assert_resumes(name, &plan_of(&recipe(&shop, TRAINING, &tables)), &[3]);
        assert_eq!(trace.losses().len(), 6, "{name}");
    }
}

#[test]
fn every_method_trains_on_pairs_alone_and_resumes() {
    repeats_and_resumes(Workshop::pairs_recipe);
}

#[test]
fn every_method_trains_during_a_task_and_resumes() {
    repeats_and_resumes(during);
}

#[test]
fn languages_are_sampled_by_gradient_and_a_resumed_run_draws_the_same() {
    let shop = Workshop::new().with_pairs();
    let plan = |sampling: &str| {
        let recipe =
            shop.pairs_recipe("epochs = 6\nlog_every = 1", "[[objective]]\nmethod.info_nce = {}\n");
        plan_of(&recipe.replace("[pairs]\n", &format!("[pairs]\n{sampling}\n")))
    };
    let steep = "sampling.gradient = { learning_rate = 20.0 }";
    let trace = shop.assert_resumes("gradient", &plan(steep), &[2, 9, 15]);
    let run = shop.run("uniform");
    shop.finish(&plan("sampling.uniform = {}"), &run);
    let uniform = Trace::read(&run).losses();
    // The first two draws are of equal weights: there is no mean of earlier losses yet.
    let losses = trace.losses();
    assert_eq!(losses[..2], uniform[..2]);
    assert_ne!(losses, uniform);
}

#[test]
fn guided_dropout_goes_by_masked_text_where_the_recipe_says_so() {
    let shop = Workshop::new().with_pairs();
    let blocks = format!(
        "[monolingual]\npath = {:?}\nbatch_size = 3\nmax_length = 12\n",
        shop.path("text/{language}.txt")
    );
    let plan = |scores: &str| {
        let table = format!("[guided_dropout]\nn_batches = 3\nscores = \"{scores}\"\n");
        plan_of(&shop.recipe(TRAINING, &(table + &blocks)))
    };
    let masked = shop.assert_resumes("masked_lm", &plan("masked_lm"), &[3]).losses();
    let run = shop.run("task");
    shop.finish(&plan("task"), &run);
    assert_ne!(Trace::read(&run).losses(), masked);
}

#[test]
fn every_method_runs_on_every_device() {
    let shop = Workshop::new().with_pairs();
    for device in opened_devices() {
        for (name, tables) in methods(&shop) {
            let plan = plan_of(&during(&shop, "max_steps = 2\nlog_every = 1", &tables));
            shop.assert_trains_as_on_flex(&device, name, &plan);
        }
    }
}

#[test]
fn chunks_train_as_the_whole_batch_does() {
    let shop = Workshop::new().without_dropout().with_pairs();
    let losses = |name: &str, chunk: &str| {
        let objective = format!("[[objective]]\nmethod.info_nce = {{ layer = 1{chunk} }}\n");
        let run = shop.run(name);
        shop.finish(&plan_of(&shop.pairs_recipe(TRAINING, &objective)), &run);
        Trace::read(&run).losses()
    };
    let whole = losses("whole", "");
    for (found, expected) in losses("chunks", ", chunk_size = 4").iter().zip(&whole) {
        assert!((found - expected).abs() < 1e-4 * expected.abs(), "{found}, expected {expected}");
    }
    assert!(whole.last() < whole.first());
}

#[test]
fn contrast_teaches_sentences_to_find_their_translations() {
    let shop = Workshop::new().with_pairs();
    let run = shop.run("contrast");
    let objective = "[[objective]]\nmethod.info_nce = {}\n";
    let recipe = shop.pairs_recipe("epochs = 40\nmax_steps = 120", objective);
    let results = shop.finish(&plan_of(&recipe), &run);
    let mean = results.languages.values().map(|of| of.scores.get("accuracy").unwrap() / 2.0);
    let after: f64 = mean.sum();
    let trace = Trace::read(&run);
    let start = trace.metrics.iter().find(|line| line["kind"] == "dev").unwrap();
    assert_eq!(start["step"], 0);
    let before = start["accuracy"].as_f64().unwrap();
    assert!(after > 0.5 && after > before + 0.25, "{after} after, {before} before");
    let de = start["languages"]["de"].as_f64().unwrap();
    let xx = start["languages"]["xx"].as_f64().unwrap();
    assert!((before - (de + xx) / 2.0).abs() < 1e-12, "{start}");
}

#[test]
fn what_comes_before_is_a_run_of_its_own_that_the_next_one_starts_from() {
    let shop = Workshop::new().with_pairs();
    let first = shop.pairs_recipe(TRAINING, "[[objective]]\nmethod.realign = {}\n");
    fs::write(shop.path("first.toml"), first).unwrap();
    let then = shop.recipe("max_steps = 4\nlog_every = 1", "");
    fs::write(shop.path("then.toml"), format!("pretrain_recipe = \"first.toml\"\n{then}")).unwrap();
    fs::write(shop.path("alone.toml"), then).unwrap();
    let plan = |name: &str| Plan::from_file(&shop.path(name)).unwrap();

    let whole = shop.run("whole");
    shop.finish(&plan("then.toml"), &whole);
    let before = RunFolder::new(whole.path().join("pretrain"));
    assert_eq!(Trace::read(&before).losses().len(), 6);
    let alone = shop.run("alone");
    shop.finish(&plan("alone.toml"), &alone);
    assert_ne!(Trace::read(&alone).losses(), Trace::read(&whole).losses());

    // Stopped once in the first recipe, and once in the second.
    let parts = shop.run("parts");
    shop.stop_after(5, &plan("then.toml"), &parts);
    shop.stop_after(2, &plan("then.toml"), &parts);
    shop.finish(&plan("then.toml"), &parts);
    assert_eq!(Trace::read(&parts), Trace::read(&whole));

    // The results of a finished run are not those of another first recipe.
    let other =
        shop.pairs_recipe("max_steps = 2\nlog_every = 1", "[[objective]]\nmethod.realign = {}\n");
    fs::write(shop.path("first.toml"), other).unwrap();
    let options = RunOptions::new(shop.path("model"), open(DeviceChoice::Flex).unwrap());
    let again = finetune(&plan("then.toml"), &whole, &options, &mut |_| {});
    let Err(Error::OtherRecipe { path }) = again else { panic!("{again:?}") };
    assert_eq!(path, before.path());
}

#[test]
fn what_is_kept_of_a_teacher_is_what_it_says() {
    let shop = Workshop::new().with_pairs();
    let student = "[student]\nlayers = [0]\nintermediate_size = 40\n";
    let vectors = "[[objective]]\nmethod.embedding_distillation = {}\n";
    // If its hidden states are needed too, the teacher runs in each step instead of being cached.
    let states = "[[objective]]\nweight = 0.0\nmethod.state_distillation = { layers = [[1, 1]] }\n";
    let losses = |name: &str, tables: String| {
        let run = shop.run(name);
        shop.finish(&plan_of(&shop.pairs_recipe(TRAINING, &tables)), &run);
        Trace::read(&run).losses()
    };
    let kept = losses("kept", vectors.to_owned() + student);
    let live = losses("live", format!("{vectors}{states}{student}"));
    for (kept, live) in kept.iter().zip(&live) {
        assert!((kept - live).abs() < 1e-5 * live.abs(), "{kept}, expected {live}");
    }
    assert_eq!(kept.len(), 6);
}

#[test]
fn a_student_comes_near_its_teacher() {
    let shop = Workshop::new().without_dropout().with_pairs();
    let objective = "[[objective]]\nmethod.embedding_distillation = { reduction = \"batch_mean\" }\n\
                     [student]\nlayers = [1]\n";
    let run = shop.run("student");
    let recipe = shop.pairs_recipe("epochs = 20\nmax_steps = 80\nlog_every = 1", objective);
    shop.finish(&plan_of(&recipe), &run);
    let losses = Trace::read(&run).losses();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..8]), mean(&losses[72..]));
    assert!(last < 0.5 * first, "{last} after {first}");
    let left: Vec<_> = fs::read_dir(run.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name == "student" || name == "teacher.vectors"), "{left:?}");
}

/// sentence-transformers#186: a teacher whose embeddings are more than the mean of its hidden states. Expected values are those of `TextEncoder`, which reads the folder for `retrieve`.
#[test]
fn a_teacher_embeds_by_its_own_modules() {
    let shop = Workshop::new().with_pairs();
    let teacher = shop.path("teacher");
    copy_folder(&shop.path("model"), &teacher);
    let write = |name: &str, json: serde_json::Value| {
        fs::create_dir_all(teacher.join(name).parent().unwrap()).unwrap();
        fs::write(teacher.join(name), json.to_string()).unwrap();
    };
    let module = |path: &str, kind: &str| {
        let kind = format!("sentence_transformers.models.{kind}");
        json!({"idx": 0, "name": "0", "path": path, "type": kind})
    };
    let modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")];
    write("modules.json", json!(modules.map(|(path, kind)| module(path, kind))));
    write("sentence_bert_config.json", json!({"do_lower_case": true}));
    let pooling = json!({"word_embedding_dimension": 32, "pooling_mode_mean_tokens": false,
        "pooling_mode_max_tokens": true});
    write("1_Pooling/config.json", pooling);
    let activation = "torch.nn.modules.activation.Tanh";
    let dense = json!({"in_features": 32, "out_features": 16, "bias": true, "activation_function": activation});
    write("2_Dense/config.json", dense);
    let wave = |n: usize| -> Vec<u8> {
        (0..n).flat_map(|n| (0.3 * (n as f32).sin()).to_le_bytes()).collect()
    };
    let (weight, bias) = (wave(16 * 32), wave(16));
    let tensors = [
        ("linear.weight", TensorView::new(Dtype::F32, vec![16, 32], &weight).unwrap()),
        ("linear.bias", TensorView::new(Dtype::F32, vec![16], &bias).unwrap()),
    ];
    let bytes = safetensors::serialize(tensors, None).unwrap();
    fs::write(teacher.join("2_Dense/model.safetensors"), bytes).unwrap();

    let of_teacher = format!("[teacher]\nsource = {teacher:?}\n");
    let vectors = "[[objective]]\nmethod.embedding_distillation = { teacher_width = 16 }\n";
    let plan = plan_of(&shop.pairs_recipe(TRAINING, &format!("{vectors}{of_teacher}")));
    let run = shop.run("dense");
    shop.stop_after(1, &plan, &run);
    let cache = fs::read(run.path().join("teacher.vectors")).unwrap();
    let rows: Vec<f32> = cache[48..]
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    // The rows of the cache are the distinct left sentences of training, sorted.
    let pairs = PairSet::read_all(plan.recipe().pairs.as_ref().unwrap(), PairLinks::None).unwrap();
    let train = pairs.iter().flat_map(|set| &set.train);
    let mut lefts: Vec<&str> = train.map(|pair| pair.pair.left.as_str()).collect();
    lefts.sort_unstable();
    lefts.dedup();
    let encoder = TextEncoder::load(&teacher, &Device::flex()).unwrap();
    let texts = encoder.tokenize(&lefts).unwrap();
    let expected = encoder.encode(&texts, &[], &[2]).unwrap().remove(0).sentences;
    assert_eq!(rows.len(), 16 * lefts.len());
    for (found, expected) in rows.iter().zip(expected.values()) {
        assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
    }
    assert!(expected.values().iter().any(|value| value.abs() > 0.1));

    // Beside its hidden states, which have no modules.
    let states = "[[objective]]\nmethod.state_distillation = { layers = [[1, 1]] }\n";
    let plan = plan_of(&shop.pairs_recipe(TRAINING, &format!("{vectors}{states}{of_teacher}")));
    let error = shop.try_finish(&plan, &shop.run("both")).unwrap_err().to_string();
    let part = "teacher/modules.json: max pooling, 1 dense layers, lower-cased texts: ";
    assert!(error.contains(part), "{error}");
}
