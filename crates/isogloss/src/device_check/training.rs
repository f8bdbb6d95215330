//! Checks of whole training steps: runs of a small encoder with random weights in a temporary
//! folder, one for each kind of objective, with dropout.

use std::fs;
use std::path::{Path, PathBuf};

use isogloss_kernels::split_seed;
use isogloss_model::{EncoderConfig, Model, RandomParams, save};
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use toml::Value::String as TomlString;

use crate::device::{DeviceChoice, OpenDevice, open};
use crate::error::io;
use crate::{Error, Outcome, Plan, RunFolder, RunOptions, finetune};

/// Steps of each run.
pub(super) const N_STEPS: usize = 4;

/// Tokens that are no words: padding, unknown, start, end and mask.
const SPECIAL: [&str; 5] = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"];

/// Number of words of each of the two languages, of which one translates the other.
const N_WORDS: usize = 40;

/// Sentences of each split.
const SPLITS: [(&str, u64); 3] = [("train", 32), ("dev", 4), ("test", 4)];

/// Losses and gradient norms of a run's steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StepCurve {
    /// Loss of each step.
    pub losses: Vec<f64>,
    /// Global gradient norm of each step, before clipping.
    pub gradient_norms: Vec<f64>,
}

/// Temporary folder with a model and data, in which runs are made.
pub(super) struct TrainingFolder(TempDir);

impl TrainingFolder {
    /// Writes the model, and labeled, parallel and running text.
    pub(super) fn new() -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(io(std::env::temp_dir()))?;
        let this = Self(folder);
        this.write_model()?;
        for language in ["en", "de"] {
            let labeled = SPLITS.iter().flat_map(|(split, n)| {
                (0..*n).map(move |i| {
                    let (text, label) =
                        (sentence(language, split, i), ["even", "odd"][i as usize % 2]);
                    format!("{}\n", json!({ "text": text, "label": label, "split": split }))
                })
            });
            this.write(&format!("{language}.jsonl"), labeled.collect())?;
        }
        let pairs = (0..40).map(|i| [sentence("en", "train", i), sentence("de", "train", i)]);
        this.write("en-de.tsv", pairs.map(|[en, de]| format!("{en}\t{de}\n")).collect())?;
        let text = (0..60).map(|i| format!("{}\n", sentence("de", "train", i)));
        this.write("de.txt", text.collect())?;
        Ok(this)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: String) -> Result<(), Error> {
        let path = self.path(name);
        fs::write(&path, text).map_err(io(path))
    }

    fn write_model(&self) -> Result<(), Error> {
        let folder = self.path("model");
        fs::create_dir(&folder).map_err(io(&folder))?;
        self.write("model/tokenizer.json", tokenizer().to_string())?;
        let config = json!({
            "model_type": "bert", "vocab_size": SPECIAL.len() + 2 * N_WORDS, "hidden_size": 64,
            "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
            "max_position_embeddings": 32, "type_vocab_size": 2, "pad_token_id": 0,
            "hidden_act": "gelu", "position_embedding_type": "absolute", "layer_norm_eps": 1e-12,
            "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        });
        let parsed = EncoderConfig::from_json(&config).expect("the configuration above is valid");
        let device = open(DeviceChoice::Flex)?.device;
        let model = Model::init(&parsed, None, &mut RandomParams::new(1), &device);
        Ok(save(&folder, &model, None, &config)?)
    }

    /// The recipe of each objective, with its name.
    pub(super) fn recipes(&self) -> [(&'static str, String); 4] {
        let path = |name: &str| TomlString(self.path(name).display().to_string()).to_string();
        let (model, labeled) = (path("model"), path("{language}.jsonl"));
        let (parallel, running) = (path("en-{language}.tsv"), path("{language}.txt"));
        let head = format!("seed = 7\n[model]\nsource = {model}\n");
        let classify = format!("{head}[data]\npath = {labeled}\nsources = [\"en\"]\n");
        let unlabeled = |task: &str| format!("{head}[task.{task}]\n[data]\nsources = [\"en\"]\n");
        let languages = "languages = [\"de\"]\nmax_length = 16\nheld_out = 8\n";
        let pairs = format!("[pairs]\npath = {parallel}\nbatch_size = 8\n{languages}");
        let text = format!("[monolingual]\npath = {running}\nbatch_size = 4\n{languages}");
        let objective = |method: &str| format!("[[objective]]\nmethod.{method}\n");
        let training = format!(
            "[optimizer]\nlearning_rate = 1e-3\n\
             [training]\nmax_steps = {N_STEPS}\nepochs = {N_STEPS}\nbatch_size = 8\nlog_every = 1\n"
        );
        let cross_entropy = objective("cross_entropy = {}");
        let recipes = [
            ("cross-entropy", classify.clone() + &cross_entropy),
            (
                "consistency",
                classify + &cross_entropy + &objective("consistency = { view = \"second_pass\" }"),
            ),
            ("InfoNCE", unlabeled("retrieval") + &pairs + &objective("info_nce = {}")),
            ("masked LM", unlabeled("language_modeling") + &text + &objective("mmlm = {}")),
        ];
        recipes.map(|(name, recipe)| (name, recipe + &training))
    }

    /// Trains by a recipe on a device, in a new folder.
    pub(super) fn train(&self, recipe: &str, device: &OpenDevice) -> Result<StepCurve, Error> {
        let plan = Plan::from_toml(recipe, Path::new("check.toml"))?;
        let folder = tempfile::tempdir_in(self.0.path()).map_err(io(self.0.path()))?;
        let run = RunFolder::new(folder.path().join("run"));
        let options = RunOptions::new(self.path("model"), device.clone());
        let outcome = finetune(&plan, &run, &options, &mut |_| {})?;
        debug_assert!(matches!(outcome, Outcome::Finished(_)), "nothing stops it");
        let path = run.metrics();
        let log = fs::read_to_string(&path).map_err(io(path))?;
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut curve = StepCurve::default();
        for line in lines.filter(|line| line["kind"] == "train") {
            curve.losses.extend(line["loss"].as_f64());
            curve.gradient_norms.extend(line["grad_norm"].as_f64());
        }
        Ok(curve)
    }
}

/// Sentence of 3 to 10 words; sentence `i` of one language translates that of the other.
fn sentence(language: &str, split: &str, i: u64) -> String {
    let seed = split_seed(split.len() as u64, i);
    let n_words = 3 + seed % 8;
    let word = |at: u64| format!("{language}{}", split_seed(seed, at) % N_WORDS as u64);
    (0..n_words).map(word).collect::<Vec<_>>().join(" ")
}

/// Word-level tokenizer of all words of both languages.
fn tokenizer() -> Value {
    let words = ["en", "de"]
        .iter()
        .flat_map(|language| (0..N_WORDS).map(move |word| format!("{language}{word}")));
    let tokens = SPECIAL.iter().map(ToString::to_string).chain(words);
    let vocab: serde_json::Map<_, _> =
        tokens.zip(0..).map(|(token, id)| (token, json!(id))).collect();
    let added = (0..SPECIAL.len()).map(|id| {
        json!({
            "id": id, "content": SPECIAL[id], "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true,
        })
    });
    let special = |name: &str| json!({ "SpecialToken": { "id": name, "type_id": 0 } });
    let text = |id: &str| json!({ "Sequence": { "id": id, "type_id": 0 } });
    let ids = |id: usize| json!({ "id": SPECIAL[id], "ids": [id], "tokens": [SPECIAL[id]] });
    json!({
        "version": "1.0",
        "added_tokens": added.collect::<Vec<_>>(),
        "pre_tokenizer": { "type": "Whitespace" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("<s>"), text("A"), special("</s>")],
            "pair": [special("<s>"), text("A"), special("</s>"), text("B"), special("</s>")],
            "special_tokens": { "<s>": ids(2), "</s>": ids(3) },
        },
        "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "<unk>" },
    })
}
