//! Folders of adapters and of LoRA: for another model, of another kind, damaged.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use isogloss_model::{
    AdapterChoice, AdapterLibrary, BottleneckConfig, HeadChoice, LoadError, LoadedAdapter,
    LoadedPeft, Model, ModelFolder, RandomParams, load, load_adapter, load_peft, named_parameters,
    presets, save_adapter,
};
use isogloss_tests::{copy_folder, fixtures, saved_model};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use crate::folders::edit_json;
use crate::job::Job;
use crate::{assert_refused, copy_of, truncate};

fn model(family: &str) -> Model {
    saved_model(family, &Device::flex()).model
}

/// Loads an adapter; if that fails, the model must be unchanged.
fn adapter(folder: &Path, family: &str) -> Result<LoadedAdapter, LoadError> {
    let mut model = model(family);
    let n_before = named_parameters(&model).len();
    let result = load_adapter(folder, &mut model, &AdapterChoice::default());
    if result.is_err() {
        assert_eq!(named_parameters(&model).len(), n_before);
        assert!(model.encoder.adapters(AdapterLibrary::Adapters).next().is_none());
    }
    result
}

/// Loads a `peft` folder; if that fails, the model must be unchanged.
fn in_peft(folder: &Path, family: &str) -> Result<LoadedPeft, LoadError> {
    let mut model = model(family);
    let n_before = named_parameters(&model).len();
    let result = load_peft(folder, &mut model, "task");
    if result.is_err() {
        assert_eq!(named_parameters(&model).len(), n_before);
    }
    result
}

#[test]
fn a_configuration_that_makes_no_adapter_names_the_field() {
    let cases: [(&str, Value, &[&str]); 16] = [
        ("reduction_factor", json!(null), &["no field \"reduction_factor\""]),
        ("reduction_factor", json!({"default": 2}), &["\"reduction_factor\": expected a number"]),
        ("reduction_factor", json!(0), &["field \"reduction_factor\"", "found 0"]),
        ("non_linearity", json!("sine"), &["field \"non_linearity\"", "sine", "relu"]),
        ("mh_adapter", json!("yes"), &["field \"mh_adapter\": expected true or false"]),
        ("output_adapter", json!(false), &["field \"output_adapter\""]),
        ("scaling", json!("learned"), &["field \"scaling\"", "\"learned\""]),
        ("ln_after", json!(true), &["field \"ln_after\": not supported, found true"]),
        ("phm_layer", json!(true), &["field \"phm_layer\": not supported"]),
        ("use_gating", json!(true), &["field \"use_gating\": not supported"]),
        ("residual_before_ln", json!("pre"), &["field \"residual_before_ln\"", "post_add"]),
        ("inv_adapter", json!("glow"), &["field \"inv_adapter\"", "\"nice\"", "\"glow\""]),
        ("leave_out", json!([7]), &["field \"leave_out\": layer 7 of a model of 2"]),
        ("leave_out", json!("all"), &["field \"leave_out\": expected numbers of layers"]),
        ("architecture", json!("prefix_tuning"), &["field \"architecture\"", "prefix_tuning"]),
        (
            "reduction_facter",
            json!(2),
            &["\"reduction_facter\"", "nearest is \"reduction_factor\""],
        ),
    ];
    for (field, value, parts) in cases {
        let folder = copy_of("adapters/seq_bn-task");
        let path = folder.path().join("adapter_config.json");
        edit_json(&path, |json| json["config"][field] = value.clone());
        let parts = [&["adapter_config.json: "], parts].concat();
        assert_refused(&format!("{field} = {value}"), adapter(folder.path(), "bert"), &parts);
    }
    for (field, value, parts) in [
        ("hidden_size", json!(768), &["\"hidden_size\"", "made for 768, the model has 32"][..]),
        ("model_type", json!("xlm-roberta"), &["\"model_type\": expected bert", "xlm-roberta"]),
        ("model_type", json!("t5"), &["field \"model_type\"", "\"t5\""]),
        ("name", json!(null), &["no field \"name\""]),
        ("name", json!("a.b"), &["adapter name \"a.b\""]),
        ("config", json!("seq_bn"), &["field \"config\": expected an object"]),
    ] {
        let folder = copy_of("adapters/seq_bn-task");
        let path = folder.path().join("adapter_config.json");
        edit_json(&path, |json| json[field] = value.clone());
        assert_refused(&format!("{field} = {value}"), adapter(folder.path(), "bert"), parts);
    }
}

/// `target_modules = "all-linear"` of peft includes the pooler, which is part of the classifier.
#[test]
fn adapters_of_a_head_or_pooler_are_refused_where_there_is_a_head() {
    for module in ["bert.pooler.dense", "classifier"] {
        let folder = copy_of("adapters/lora-head");
        let path = folder.path().join("adapter_model.safetensors");
        let name = format!("base_model.model.{module}.lora_A.weight");
        let bytes = fs::read(&path).unwrap();
        let extra = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
        let all = tensors.into_iter().chain([(name.clone(), extra)]);
        fs::write(&path, safetensors::serialize(all, None).unwrap()).unwrap();
        assert_refused(module, in_peft(folder.path(), "bert"), &[&name, "merge_and_unload"]);
        // Without a head nothing of it is computed.
        let loaded = load(fixtures().join("bert"), &HeadChoice::Without, &Device::flex());
        let mut model = loaded.unwrap().model;
        assert!(load_peft(folder.path(), &mut model, "task").unwrap().unused.contains(&name));
    }
}

#[test]
fn an_adapter_for_another_model_names_the_tensors() {
    let tensor = "bert.encoder.layer.1.output.adapters.task.adapter_down.0.weight";
    let shape =
        format!("pytorch_adapter.bin: tensor \"{tensor}\": expected shape [2, 32], found [8, 32]");
    let folder = copy_of("adapters/seq_bn-task");
    let path = folder.path().join("adapter_config.json");
    edit_json(&path, |json| json["config"]["reduction_factor"] = json!(16));
    assert_refused("another reduction", adapter(folder.path(), "bert"), &[&shape]);

    // An adapter with two more layers than the model, and a model with two more than the adapter.
    let (device, json) = (Device::flex(), json!({ "model_type": "bert" }));
    let mut random = RandomParams::new(1);
    let deep = isogloss_model::EncoderConfig { num_hidden_layers: 4, ..presets::tiny(20) };
    let mut deep = Model::init(&deep, None, &mut random, &device);
    deep.encoder.add_adapter("task", &BottleneckConfig::seq_bn(4.0), &mut random).unwrap();
    let folder = tempfile::tempdir().unwrap();
    save_adapter(folder.path(), &deep, "task", &json, None).unwrap();
    let tensor = "bert.encoder.layer.3.output.adapters.task.adapter_up.bias";
    let left = format!("adapter.safetensors: tensor \"{tensor}\": the model has no place for it");
    assert_refused("too many layers", adapter(folder.path(), "bert"), &[&left, "layer.2"]);
    let shallow = load_adapter(
        &fixtures().join("adapters/seq_bn-task"),
        &mut deep,
        &AdapterChoice::default(),
    );
    let missing = "no tensor \"bert.encoder.layer.2.output.adapters.task.adapter_down.0.weight\"";
    assert_refused(
        "too few layers",
        shallow,
        &["pytorch_adapter.bin: ", missing, "the nearest is"],
    );
}

#[test]
fn damaged_and_missing_files_are_named() {
    for (case, file) in [
        ("adapters/seq_bn-task", "pytorch_adapter.bin"),
        ("adapters/double_seq_bn-task", "adapter.safetensors"),
    ] {
        let family = if file == "pytorch_adapter.bin" { "bert" } else { "distilbert" };
        let len = fs::read(fixtures().join(case).join(file)).unwrap().len();
        for keep in [0, 7, len / 2, len - 1] {
            let folder = copy_of(case);
            truncate(&folder.path().join(file), keep);
            assert_refused(&format!("{keep} bytes"), adapter(folder.path(), family), &[file]);
        }
        let folder = copy_of(case);
        fs::remove_file(folder.path().join(file)).unwrap();
        let parts = ["no weights: expected adapter.safetensors or pytorch_adapter.bin"];
        assert_refused("no weights", adapter(folder.path(), family), &parts);
    }
    let empty = tempfile::tempdir().unwrap();
    assert_refused("no config", adapter(empty.path(), "bert"), &["adapter_config.json", "No such"]);
    assert_refused("no config", in_peft(empty.path(), "bert"), &["adapter_config.json", "No such"]);
    fs::write(empty.path().join("adapter_config.json"), "{").unwrap();
    assert_refused("no JSON", adapter(empty.path(), "bert"), &["adapter_config.json: EOF"]);
}

#[test]
fn each_librarys_folder_is_told_from_the_others() {
    let lora_folder = fixtures().join("adapters/lora-head");
    assert_refused("LoRA", adapter(&lora_folder, "bert"), &["a folder of the peft library"]);
    let adapter_folder = fixtures().join("adapters/seq_bn-task");
    assert_refused(
        "adapter",
        in_peft(&adapter_folder, "bert"),
        &["not a folder of the peft library"],
    );
}

#[test]
fn faulty_lora_names_the_field_or_the_tensor() {
    let cases: [(&str, Value, &[&str]); 12] = [
        ("peft_type", json!("LOHA"), &["field \"peft_type\"", "LOHA"]),
        ("r", json!(0), &["field \"r\": expected a rank of 1"]),
        ("r", json!(8), &["lora_A.weight\": expected shape [8, 32], found [4, 32]"]),
        ("use_dora", json!(true), &["field \"use_dora\": not supported"]),
        ("bias", json!("all"), &["field \"bias\": only \"none\" is supported"]),
        ("rank_pattern", json!({"query": 2}), &["field \"rank_pattern\": not supported"]),
        ("new_trick", json!(3), &["field \"new_trick\": not supported, found 3"]),
        ("init_lora_weights", json!("pissa"), &["field \"init_lora_weights\"", "pissa"]),
        ("target_modules", json!(["c_attn"]), &["field \"target_modules\"", "c_attn"]),
        ("target_modules", json!(null), &["field \"target_modules\": expected names"]),
        ("layers_to_transform", json!([5]), &["layer 5 of a model of 2"]),
        (
            "target_modules",
            json!(["query"]),
            &["attention.self.value.lora_A.weight\": the model has no place for it"],
        ),
    ];
    for (field, value, parts) in cases {
        let folder = copy_of("adapters/lora-head");
        let path = folder.path().join("adapter_config.json");
        edit_json(&path, |json| json[field] = value.clone());
        assert_refused(&format!("{field} = {value}"), in_peft(folder.path(), "bert"), parts);
    }
    let folder = copy_of("adapters/lora-head");
    let path = folder.path().join("adapter_config.json");
    edit_json(&path, |json| json["target_modules"] = json!(["query", "value", "key"]));
    let parts =
        ["no tensor \"base_model.model.bert.encoder.layer.0.attention.self.key.lora_A.weight\""];
    assert_refused("a missing projection", in_peft(folder.path(), "bert"), &parts);
    let family = in_peft(&fixtures().join("adapters/lora-down"), "bert");
    assert_refused("another family", family, &["field \"target_modules\"", "k_lin"]);
}

#[test]
fn faulty_ia3_names_the_field_or_the_tensor() {
    let cases: [(&str, Value, &[&str]); 5] = [
        ("fan_in_fan_out", json!(true), &["field \"fan_in_fan_out\": not supported"]),
        ("exclude_modules", json!(["key"]), &["field \"exclude_modules\": not supported"]),
        ("feedforward_modules", json!(["c_attn"]), &["field \"feedforward_modules\"", "c_attn"]),
        ("feedforward_modules", json!([]), &["ia3_l\": expected shape [32, 1], found [1, 64]"]),
        (
            "target_modules",
            json!(["layer.1.attention.self.key"]),
            &["field \"target_modules\": expected the same projections in each layer"],
        ),
    ];
    for (field, value, parts) in cases {
        let folder = copy_of("adapters/ia3-default");
        let path = folder.path().join("adapter_config.json");
        edit_json(&path, |json| json[field] = value.clone());
        assert_refused(&format!("{field} = {value}"), in_peft(folder.path(), "bert"), parts);
    }
}

#[test]
fn faults_of_adapters_and_schedules_in_recipes() {
    let adapter = "[adapter.seq_bn]\nreduction_factor = 2\n";
    for (case, tables, parts) in [
        (
            "no interval",
            format!("{adapter}[schedule.gradual_unfreeze]\nevery_steps = 0\n"),
            &["schedule.gradual_unfreeze.every_steps: expected at least 1"][..],
        ),
        (
            "no steps of the head",
            format!("{adapter}[schedule.lpft]\nsteps = 0\n"),
            &["schedule.lpft.steps: expected at least 1"],
        ),
        (
            "an invertible adapter above another",
            "[adapter.seq_bn_inv]\n[language_adapter]\npath = \"{language}\"\n".to_owned(),
            &["adapter.seq_bn_inv: an invertible adapter acts only under all others"],
        ),
        (
            "no batches",
            format!("{adapter}[schedule.fun]\nevery_steps = 2\nn_batches = 0\n"),
            &["schedule.fun.n_batches: expected at least 1"],
        ),
        (
            "more layers than there are",
            format!("{adapter}[schedule.fixed]\nlayers = [0, 12]\n"),
            &["schedule.fixed.layers: 12 of a model of 2 layers"],
        ),
        (
            "no width",
            "[adapter.seq_bn]\nreduction_factor = 0.0\n".to_owned(),
            &["adapter: ", "reduction_factor", "found 0"],
        ),
        (
            "a layer left out that is not there",
            "[adapter.seq_bn]\nleave_out = [7]\n".to_owned(),
            &["adapter: ", "layer 7 of a model of 2"],
        ),
        (
            "no rank",
            "[adapter.lora]\nr = 0\nlora_alpha = 1.0\ntarget_modules = [\"query\"]\n".to_owned(),
            &["adapter: ", "expected a rank of 1"],
        ),
        (
            "another projection for feed-forward",
            "[adapter.ia3]\ntarget_modules = [\"key\"]\nfeedforward_modules = [\"value\"]\n"
                .to_owned(),
            &["adapter: ", "\"value\" is not among \"target_modules\""],
        ),
        (
            "an unknown kind",
            "[adapter.prefix]\n".to_owned(),
            &["unknown variant `prefix`", "seq_bn"],
        ),
        (
            "a language adapter alone",
            "[language_adapter]\npath = \"{language}\"\nevaluation = \"source\"\n".to_owned(),
            &["language_adapter: lies under the adapter of the task", "has none: add [adapter]"],
        ),
        (
            "one language adapter for all",
            format!("{adapter}[language_adapter]\npath = \"en\"\n"),
            &["language_adapter.path: expected {language}"],
        ),
        (
            "no language adapter",
            format!("{adapter}[language_adapter]\npath = \"/nowhere/{{language}}\"\n"),
            &["/nowhere/de: no language adapter for de"],
        ),
        (
            "no source adapter",
            format!(
                "{adapter}[language_adapter]\npath = \"/nowhere/{{language}}\"\nevaluation = \"none\"\n"
            ),
            &["/nowhere/en/adapter_config.json"],
        ),
    ] {
        let mut job = Job::new();
        job.recipe.push_str(&tables);
        assert_refused(case, job.run().0, parts);
    }
}

#[test]
fn language_adapters_of_several_sources_are_of_their_languages() {
    let adapter =
        "[adapter.seq_bn]\nreduction_factor = 2\n[language_adapter]\npath = \"{language}\"\n";
    for (case, tables, parts) in [
        (
            "none for other languages",
            format!("{adapter}evaluation = \"none\"\n"),
            &["language_adapter.evaluation: texts of several sources go through the adapter of"][..],
        ),
        (
            "pairs",
            format!("{adapter}[pairs]\npath = \"{{language}}.tsv\"\n"),
            &["pairs: its texts come with a batch of any of the sources"],
        ),
    ] {
        let mut job = Job::new();
        job.recipe = job.recipe.replace("sources = [\"en\"]", "sources = [\"en\", \"fr\"]");
        job.recipe.push_str(&tables);
        assert_refused(case, job.run().0, parts);
    }
}

#[test]
fn a_base_that_is_gone_is_named() {
    let mut job = Job::new();
    job.recipe.push_str("[adapter.seq_bn]\nreduction_factor = 2\n");
    job.finish();
    let best = job.run.best();
    assert!(load(&best, &HeadChoice::Saved, &Device::flex()).is_ok());
    truncate(&best.join("head.safetensors"), 20);
    let loaded = load(&best, &HeadChoice::Saved, &Device::flex());
    assert_refused("a damaged head", loaded.map(|_| ()), &["head.safetensors"]);
    fs::rename(job.path("model"), job.path("elsewhere")).unwrap();
    let loaded = load(&best, &HeadChoice::Saved, &Device::flex());
    let model = job.path("model");
    assert_refused(
        "no base",
        loaded.map(|_| ()),
        &["isogloss.json: the base model", model.to_str().unwrap(), "base_folder"],
    );
}

/// huggingface/transformers#25222, hiyouga/LlamaFactory#1912, QwenLM/Qwen3#80: a base model that is
/// stored as a path.
#[test]
fn a_run_that_is_moved_finds_its_base() {
    let mut job = Job::new();
    job.recipe.push_str("[adapter.seq_bn]\nreduction_factor = 2\n");
    job.finish();
    let index = job.run.best().join("isogloss.json");
    let json: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    assert_eq!(json["base_folder"], json!("../../model"));
    let opens = |best: &Path| load(best, &HeadChoice::Saved, &Device::flex()).map(|_| ());

    // The run is moved together with its model.
    let moved = tempfile::tempdir().unwrap();
    copy_folder(&job.path("."), &moved.path().join("deep/er"));
    let hidden = job.path("hidden");
    fs::rename(job.path("model"), &hidden).unwrap();
    opens(&moved.path().join("deep/er/run/best")).unwrap();
    fs::rename(&hidden, job.path("model")).unwrap();

    // The run is moved alone.
    let alone = tempfile::tempdir().unwrap();
    copy_folder(&job.run.best(), &alone.path().join("best"));
    opens(&alone.path().join("best")).unwrap();

    // The base is in neither place: the error names both.
    fs::rename(job.path("model"), &hidden).unwrap();
    let absolute = job.path("model").display().to_string();
    let parts = ["best/../../model, nor in ", absolute.as_str(), "set \"base_folder\""];
    assert_refused("gone", opens(&alone.path().join("best")), &parts);

    // The format of earlier versions: one absolute path, or one that a user has set.
    let path = alone.path().join("best/isogloss.json");
    edit_json(&path, |json| {
        json["base_folder"] = json!(hidden);
        json.as_object_mut().unwrap().remove("base_folder_absolute");
    });
    opens(&alone.path().join("best")).unwrap();
}

/// Another model of the same shape stands where the base was.
#[test]
fn a_base_with_other_files_is_refused_unless_it_is_given() {
    let mut job = Job::new();
    job.recipe.push_str("[adapter.seq_bn]\nreduction_factor = 2\n");
    job.finish();
    let (best, base) = (job.run.best(), job.path("model"));
    let opens = |folder: ModelFolder| load(folder, &HeadChoice::Saved, &Device::flex());
    opens(best.clone().into()).unwrap();
    for file in ["tokenizer.json", "config.json", "model.safetensors"] {
        let path = base.join(file);
        let before = fs::read(&path).unwrap();
        let mut bytes = before.clone();
        match file {
            "model.safetensors" => *bytes.last_mut().unwrap() ^= 1,
            _ => bytes.push(b'\n'),
        }
        fs::write(&path, bytes).unwrap();
        let trained = format!("isogloss.json: the adapters were trained on another {file}");
        assert_refused(file, opens(best.clone().into()).map(|_| ()), &[&trained, "--base"]);
        let given = ModelFolder { path: best.clone(), base: Some(base.clone()) };
        opens(given).unwrap();
        if file != "model.safetensors" {
            fs::write(&path, before).unwrap();
        }
    }

    // A folder of an earlier version tells nothing of its base.
    edit_json(&best.join("isogloss.json"), |json| {
        json.as_object_mut().unwrap().remove("base_files").unwrap();
    });
    opens(best.into()).unwrap();
}

#[cfg(unix)]
#[test]
fn a_second_adapter_of_a_name_is_refused() {
    let mut job = Job::new();
    job.recipe.push_str("[adapter.seq_bn]\nreduction_factor = 2\n");
    job.finish();
    let mut second = Job::new();
    fs::remove_dir_all(second.path("model")).unwrap();
    std::os::unix::fs::symlink(job.run.best(), second.path("model")).unwrap();
    second.recipe.push_str("[adapter.seq_bn]\nreduction_factor = 2\n");
    assert_refused(
        "another",
        second.run().0,
        &["has an adapter \"task\" already", "without [adapter]"],
    );

    // A base model that is its own base.
    let path = job.run.best().join("isogloss.json");
    edit_json(&path, |json| json["base_folder"] = json!("."));
    let loaded = load(job.run.best(), &HeadChoice::Saved, &Device::flex());
    assert_refused("a circle", loaded.map(|_| ()), &["isogloss.json: a base stands on another"]);
}
