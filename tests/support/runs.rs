//! Synthetic dataset with recipes for it, and the outputs of runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use isogloss::device::{DeviceChoice, OpenDevice, open};
use isogloss::{Error, Event, Outcome, Plan, Results, RunFolder, RunOptions, finetune};
use isogloss_kernels::split_seed;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::copy_model;

/// Languages of the dataset; the first is the source language.
pub const LANGUAGES: [&str; 3] = ["en", "de", "xx"];

/// For each language, the phrase of each label and the words around it, from the vocabulary of
/// `tests/fixtures/tokenizer.json`.
const WORDS: [([&str; 4], [&str; 5]); 3] = [
    (["turn on", "turn off", "open door", "play music"], ["please", "the", "lamp", "room", "it"]),
    (["licht an", "licht aus", "tür bitte", "an aus"], ["das", "in", "der", "küche", "bitte"]),
    (["включи свет", "灯", "打开", "time is"], ["на", "кухне", "厨房", "warm", "stop"]),
];

/// Bilingual dictionaries, in the vocabulary of `tests/fixtures/tokenizer.json`.
const DICTIONARIES: [(&str, [(&str, &str); 8]); 2] = [
    (
        "de",
        [
            ("on", "an"),
            ("off", "aus"),
            ("lamp", "licht"),
            ("door", "tür"),
            ("please", "bitte"),
            ("the", "das"),
            ("room", "küche"),
            ("it", "der"),
        ],
    ),
    (
        "xx",
        [
            ("on", "включи"),
            ("off", "打开"),
            ("lamp", "свет"),
            ("door", "灯"),
            ("please", "на"),
            ("the", "厨房"),
            ("room", "кухне"),
            ("it", "stop"),
        ],
    ),
];

/// Number of sentence pairs for each language.
const N_PAIRS: u64 = 40;

/// Labels of the texts.
const LABELS: [&str; 4] = ["light_on", "light_off", "door", "music"];

/// Splits, with their numbers of texts.
const SPLITS: [(&str, usize); 3] = [("train", 24), ("dev", 8), ("test", 12)];

/// Workshop: temporary folder with data in three languages, a tiny BERT to start from, and runs.
pub struct Workshop {
    folder: TempDir,
}

impl Default for Workshop {
    fn default() -> Self {
        Self::new()
    }
}

impl Workshop {
    /// Writes the data and the model.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir(path.join("data")).unwrap();
        for (language, name) in LANGUAGES.iter().enumerate() {
            fs::write(path.join("data").join(format!("{name}.jsonl")), texts(language)).unwrap();
        }
        copy_model("bert", &path.join("model"));
        Self { folder }
    }

    /// Sets all dropout rates of the model to zero.
    #[must_use]
    pub fn without_dropout(self) -> Self {
        let path = self.path("model/config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for rate in ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"] {
            config[rate] = json!(0.0);
        }
        fs::write(&path, config.to_string()).unwrap();
        self
    }

    /// A path in the temporary folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Recipe on the dataset, as TOML; `training` goes into that table, `tables` after it.
    pub fn recipe(&self, training: &str, tables: &str) -> String {
        format!(
            "seed = 7\n\
             [model]\nsource = {model:?}\n\
             [data]\npath = {data:?}\nsources = [\"en\"]\n\
             [optimizer]\nlearning_rate = 3e-3\nadamw.weight_decay = 0.1\n\
             [training]\n{training}\n\
             {tables}\n",
            model = self.path("model"),
            data = self.path("data/{language}.jsonl"),
        )
    }

    /// Writes for two languages the parallel pairs `pairs/en-{language}.tsv`, their word alignments
    /// `links/en-{language}.align`, `dictionaries/en-{language}.txt` and `text/{language}.txt`.
    #[must_use]
    pub fn with_pairs(self) -> Self {
        for folder in ["pairs", "links", "dictionaries", "text"] {
            fs::create_dir_all(self.path(folder)).unwrap();
        }
        self.add_mask_token();
        for (language, (name, words)) in DICTIONARIES.iter().enumerate() {
            let entries = words.iter().map(|(left, right)| format!("{left}\t{right}\n"));
            let dictionary = self.path(&format!("dictionaries/en-{name}.txt"));
            fs::write(dictionary, entries.collect::<String>()).unwrap();
            let pairs = (0..N_PAIRS).map(|pair| {
                let mut chosen = words.to_vec();
                // A shuffle, and a length from 3 to 6.
                chosen.sort_by_key(|(left, _)| {
                    let letters = left.bytes().map(u64::from);
                    letters.fold(pair + 100 * language as u64, split_seed)
                });
                chosen.truncate(3 + (pair % 4) as usize);
                let (left, right): (Vec<_>, Vec<_>) = chosen.into_iter().unzip();
                format!("{}\t{}\n", left.join(" "), right.join(" "))
            });
            let pairs: String = pairs.collect();
            let right = pairs.lines().filter_map(|pair| pair.split('\t').nth(1));
            let text: String = right.map(|sentence| format!("{sentence}\n")).collect();
            fs::write(self.path(&format!("text/{name}.txt")), text).unwrap();
            let links = pairs.lines().map(|pair| {
                let n_words = pair.split('\t').next().unwrap().split(' ').count();
                let links: Vec<_> = (0..n_words).map(|word| format!("{word}-{word}")).collect();
                links.join(" ") + "\n"
            });
            fs::write(self.path(&format!("links/en-{name}.align")), links.collect::<String>())
                .unwrap();
            fs::write(self.path(&format!("pairs/en-{name}.tsv")), pairs).unwrap();
        }
        self
    }

    /// Writes the texts of the training splits without their labels, `texts/{language}.txt`; returns
    /// them by language.
    pub fn write_texts(&self) -> Vec<Vec<String>> {
        fs::create_dir_all(self.path("texts")).unwrap();
        let of_language = |language: &&str| {
            let data = fs::read_to_string(self.path(&format!("data/{language}.jsonl"))).unwrap();
            let lines = data.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let train = lines.filter(|line| line["split"] == "train");
            let texts = train.map(|line| line["text"].as_str().unwrap().to_owned());
            let texts: Vec<String> = texts.collect();
            fs::write(self.path(&format!("texts/{language}.txt")), texts.join("\n")).unwrap();
            texts
        };
        LANGUAGES.iter().map(of_language).collect()
    }

    /// Adds a mask token to the tokenizer, after the tokens it has.
    fn add_mask_token(&self) {
        let path = self.path("model/tokenizer.json");
        let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let mut mask = tokenizer["added_tokens"][0].clone();
        mask["content"] = json!("<mask>");
        mask["id"] = json!(tokenizer["model"]["vocab"].as_array().unwrap().len());
        tokenizer["added_tokens"].as_array_mut().unwrap().push(mask);
        fs::write(&path, tokenizer.to_string()).unwrap();
    }

    /// Recipe that trains on those pairs, without labels; `training` and `tables` are as in
    /// [`recipe`](Self::recipe).
    pub fn pairs_recipe(&self, training: &str, tables: &str) -> String {
        format!(
            "seed = 7\n\
             [model]\nsource = {model:?}\n\
             [task.retrieval]\n[data]\nsources = [\"en\"]\n\
             {pairs}\
             [optimizer]\nlearning_rate = 3e-3\n\
             [training]\n{training}\n\
             {tables}\n",
            model = self.path("model"),
            pairs = self.pairs_table("held_out = 12"),
        )
    }

    /// The `[pairs]` table of a recipe; `fields` are added to it.
    pub fn pairs_table(&self, fields: &str) -> String {
        let (pairs, dictionaries) =
            (self.path("pairs/en-{language}.tsv"), self.path("dictionaries/en-{language}.txt"));
        format!(
            "[pairs]\npath = {pairs:?}\nbatch_size = 6\nmax_length = 16\n\
             aligner.dictionary = {{ path = {dictionaries:?} }}\n{fields}\n"
        )
    }

    /// The plan of [`recipe`](Self::recipe).
    pub fn plan(&self, training: &str, tables: &str) -> Plan {
        plan_of(&self.recipe(training, tables))
    }

    /// The folder of the run with this name.
    pub fn run(&self, name: &str) -> RunFolder {
        RunFolder::new(self.path(name))
    }

    /// Runs a plan on flex to its end.
    pub fn finish(&self, plan: &Plan, run: &RunFolder) -> Results {
        self.finish_on(&open(DeviceChoice::Flex).unwrap(), plan, run)
    }

    /// Runs a plan to its end.
    pub fn finish_on(&self, device: &OpenDevice, plan: &Plan, run: &RunFolder) -> Results {
        match self.train(device, plan, run, None) {
            Outcome::Finished(results) => *results,
            Outcome::Stopped { step } => panic!("stopped after step {step}"),
        }
    }

    /// Fails unless a plan has the same losses on a device as on flex.
    #[track_caller]
    pub fn assert_trains_as_on_flex(&self, device: &OpenDevice, name: &str, plan: &Plan) {
        let at = &device.info.name;
        let here = self.run(&format!("{name} {at}"));
        let there = self.run(&format!("{name} flex beside {at}"));
        self.finish_on(device, plan, &here);
        self.finish(plan, &there);
        let (here, there) = (Trace::read(&here).losses(), Trace::read(&there).losses());
        assert_eq!(here.len(), there.len(), "{name} on {at}");
        for (here, there) in here.iter().zip(&there) {
            let error = (here - there).abs() / there.abs().max(1.0);
            assert!(error < 1e-3, "{name} on {at}: {here}, flex {there}");
        }
    }

    /// Resume test: fails unless a run that is stopped after these steps has the same trace as an
    /// uninterrupted one; returns that trace.
    #[track_caller]
    pub fn assert_resumes(&self, name: &str, plan: &Plan, stops: &[u64]) -> Trace {
        let whole = self.run(&format!("{name} whole"));
        self.finish(plan, &whole);
        let trace = Trace::read(&whole);
        let losses = trace.losses();
        assert!(losses.iter().all(|loss| loss.is_finite()), "{name}: {losses:?}");
        let parts = self.run(&format!("{name} in parts"));
        for stop in stops {
            self.stop_after(*stop, plan, &parts);
        }
        self.finish(plan, &parts);
        assert_eq!(Trace::read(&parts), trace, "{name}");
        trace
    }

    /// Runs a plan on flex, and stops it after an optimizer step.
    pub fn stop_after(&self, stop_step: u64, plan: &Plan, run: &RunFolder) {
        match self.train(&open(DeviceChoice::Flex).unwrap(), plan, run, Some(stop_step)) {
            Outcome::Finished(_) => panic!("not stopped"),
            Outcome::Stopped { step } => assert_eq!(step, stop_step),
        }
    }

    /// Runs a plan on flex to its end, or to its first error.
    pub fn try_finish(&self, plan: &Plan, run: &RunFolder) -> Result<Outcome, Error> {
        self.try_train(&open(DeviceChoice::Flex).unwrap(), plan, run, None)
    }

    /// Runs a plan on a device to its end, or to its first error.
    pub fn try_finish_on(
        &self,
        device: &OpenDevice,
        plan: &Plan,
        run: &RunFolder,
    ) -> Result<Outcome, Error> {
        self.try_train(device, plan, run, None)
    }

    fn train(
        &self,
        device: &OpenDevice,
        plan: &Plan,
        run: &RunFolder,
        stop_step: Option<u64>,
    ) -> Outcome {
        let outcome = self.try_train(device, plan, run, stop_step);
        outcome.unwrap_or_else(|error| panic!("{}: {error}", run.path().display()))
    }

    fn try_train(
        &self,
        device: &OpenDevice,
        plan: &Plan,
        run: &RunFolder,
        stop_step: Option<u64>,
    ) -> Result<Outcome, Error> {
        let stop = AtomicBool::new(false);
        let options = RunOptions {
            model_folder: plan.recipe().model.source.as_str().into(),
            device: device.device.clone(),
            device_info: device.info.clone(),
            teacher_folder: plan.recipe().teacher.as_ref().map(|t| t.source.as_str().into()),
            fresh: false,
            stop: &stop,
        };
        finetune(plan, run, &options, &mut |event| {
            if let Event::Step { step, .. } = event {
                stop.store(stop_step == Some(step), std::sync::atomic::Ordering::Relaxed);
            }
        })
    }
}

/// Parses a recipe that must be valid.
#[track_caller]
pub fn plan_of(recipe: &str) -> Plan {
    Plan::from_toml(recipe, "tiny.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"))
}

/// JSON Lines of a language: texts with a label, and a slot `place` or `manner` for every word
/// outside the label's phrase.
fn texts(language: usize) -> String {
    let (phrases, around) = WORDS[language];
    let mut draws = 0;
    let mut draw = |n: usize| {
        draws += 1;
        (split_seed(language as u64, draws) % n as u64) as usize
    };
    let mut lines = String::new();
    for (split, n) in SPLITS {
        for index in 0..n {
            let (mut text, mut slots) = (phrases[index % 4].to_owned(), Vec::new());
            for _ in 0..draw(6) {
                let word = draw(around.len());
                let start = text.chars().count() + 1;
                text = format!("{text} {}", around[word]);
                let name = if word < 2 { "manner" } else { "place" };
                slots.push(json!({ "start": start, "end": text.chars().count(), "slot": name }));
            }
            let label = LABELS[index % 4];
            let line = json!({ "text": text, "label": label, "slots": slots, "split": split });
            lines.push_str(&format!("{line}\n"));
        }
    }
    lines
}

/// Trace of a run: its outputs without its speed. Equal traces mean equal runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The lines of `metrics.jsonl`.
    pub metrics: Vec<Value>,
    /// The bytes of `results.json`.
    pub results: String,
    /// The bytes of each file of `predictions/`.
    pub predictions: BTreeMap<String, String>,
}

impl Trace {
    /// Reads the folder of a finished run.
    pub fn read(run: &RunFolder) -> Self {
        let read = |path: &Path| {
            fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let metrics = read(&run.path().join("metrics.jsonl"));
        let metrics = metrics.lines().map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            for time in ["tokens_per_sec", "seconds"] {
                line.as_object_mut().unwrap().remove(time);
            }
            line
        });
        // A task without labels writes no predictions.
        let predictions = fs::read_dir(run.path().join("predictions"));
        let predictions = predictions.into_iter().flatten().map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), read(&entry.path()))
        });
        Self {
            metrics: metrics.collect(),
            results: read(&run.path().join("results.json")),
            predictions: predictions.collect(),
        }
    }

    /// The losses of all optimizer steps.
    pub fn losses(&self) -> Vec<f64> {
        let train = self.metrics.iter().filter(|line| line["kind"] == "train");
        train.map(|line| line["loss"].as_f64().unwrap()).collect()
    }
}

/// Entries in the folder of a finished run.
pub const FINISHED: [&str; 8] = [
    "best",
    "data.json",
    "environment.json",
    "lock",
    "metrics.jsonl",
    "predictions",
    "recipe.toml",
    "results.json",
];

/// The names of the files in a run's folder, sorted.
pub fn entries(run: &RunFolder) -> Vec<String> {
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let entries = fs::read_dir(run.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| name(entry.unwrap())).collect();
    names.sort();
    names
}
