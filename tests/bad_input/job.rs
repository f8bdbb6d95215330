//! Test run of four steps an epoch on two languages, any part of which can be damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use isogloss::device::{DeviceChoice, open};
use isogloss::{
    DataReport, Error, Event, Outcome, Plan, Predictor, Results, RunFolder, RunOptions, finetune,
};
use isogloss_model::{HeadChoice, WeightFiles, load};
use isogloss_tests::copy_model;
use tempfile::TempDir;

/// Files of the dataset; four steps an epoch.
const DATA: [(&str, &str); 4] = [
    (
        "en.train.jsonl",
        r#"{"text": "turn on the light", "label": "on"}
{"text": "light on please", "label": "on"}
{"text": "turn it on", "label": "on"}
{"text": "lamp on", "label": "on"}
{"text": "turn off the light", "label": "off"}
{"text": "light off please", "label": "off"}
{"text": "turn it off", "label": "off"}
{"text": "lamp off", "label": "off"}
"#,
    ),
    (
        "en.dev.jsonl",
        r#"{"text": "the lamp on", "label": "on"}
{"text": "the lamp off", "label": "off"}
"#,
    ),
    (
        "en.test.jsonl",
        r#"{"text": "please turn on", "label": "on"}
{"text": "please turn off", "label": "off"}
"#,
    ),
    (
        "de.test.jsonl",
        r#"{"text": "licht an", "label": "on"}
{"text": "licht aus", "label": "off"}
{"text": "das licht an bitte", "label": "on"}
"#,
    ),
];

/// Temporary folder with a model, data, and a run.
pub(crate) struct Job {
    folder: TempDir,
    /// Recipe, as TOML.
    pub(crate) recipe: String,
    /// Run folder.
    pub(crate) run: RunFolder,
    /// Whether the run starts anew instead of resuming.
    pub(crate) fresh: bool,
    /// Initial model, if it is not `model` in the folder.
    pub(crate) model: Option<PathBuf>,
}

/// Recorded events of a run.
#[derive(Debug, Default)]
pub(crate) struct RecordedEvents {
    /// Data reports of the training data and of each test set.
    pub(crate) data: Vec<DataReport>,
    /// Number of pairs without aligned words, for each language.
    pub(crate) unlinked: Vec<usize>,
    /// Losses by step.
    pub(crate) losses: Vec<f64>,
    /// Steps of the checkpoints.
    pub(crate) checkpoints: Vec<u64>,
}

impl Job {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        copy_model("xlm-roberta", &path.join("model"));
        fs::create_dir(path.join("data")).unwrap();
        for (name, lines) in DATA {
            fs::write(path.join("data").join(name), lines).unwrap();
        }
        let recipe = format!(
            "[model]\nsource = {:?}\nmax_length = 16\n\
             [data]\npath = {:?}\nsources = [\"en\"]\nlanguages = [\"de\"]\n\
             [optimizer]\nlearning_rate = 1e-3\nwarmup_ratio = 0.0\n\
             [training]\nepochs = 2\nbatch_size = 2\ncheckpoint_every = 1\nlog_every = 1\n",
            path.join("model"),
            path.join("data/{language}.{split}.jsonl"),
        );
        let run = RunFolder::new(path.join("run"));
        Self { folder, recipe, run, fresh: false, model: None }
    }

    /// A job whose run was stopped after the fifth of eight steps, with a checkpoint of step 5 and
    /// the selected model of step 4.
    pub(crate) fn stopped() -> Self {
        let job = Self::new();
        let (outcome, _) = job.run_until(Some(5));
        assert!(matches!(outcome, Ok(Outcome::Stopped { step: 5 })), "{outcome:?}");
        job
    }

    /// A path in the temporary folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces a part of the recipe.
    pub(crate) fn edit_recipe(&mut self, from: &str, to: &str) {
        assert!(self.recipe.contains(from), "no {from:?} in the recipe");
        self.recipe = self.recipe.replace(from, to);
    }

    pub(crate) fn run(&self) -> (Result<Outcome, Error>, RecordedEvents) {
        self.run_until(None)
    }

    /// Starts or resumes the run, and stops it after a step if one is given.
    pub(crate) fn run_until(
        &self,
        stop_step: Option<u64>,
    ) -> (Result<Outcome, Error>, RecordedEvents) {
        let plan = match Plan::from_toml(&self.recipe, &self.path("recipe.toml")) {
            Ok(plan) => plan,
            Err(error) => return (Err(error.into()), RecordedEvents::default()),
        };
        let device = open(DeviceChoice::Flex).unwrap();
        let stop = AtomicBool::new(false);
        let options = RunOptions {
            model_folder: self.model.clone().unwrap_or_else(|| self.path("model")).into(),
            device: device.device,
            device_info: device.info,
            teacher_folder: plan.recipe().teacher.as_ref().map(|t| t.source.as_str().into()),
            fresh: self.fresh,
            stop: &stop,
        };
        let mut told = RecordedEvents::default();
        let outcome = finetune(&plan, &self.run, &options, &mut |event| match event {
            Event::Data(corpus) => {
                told.data.push(corpus.train.report.clone());
                told.data.extend(corpus.tests.iter().map(|set| set.report.clone()));
            }
            Event::Pairs(sets) => told.unlinked.extend(sets.iter().map(|set| set.n_unlinked)),
            Event::Step { step, loss, .. } => {
                told.losses.push(loss);
                stop.store(stop_step == Some(step), Ordering::Relaxed);
            }
            Event::Checkpoint { step } => told.checkpoints.push(step),
            _ => {}
        });
        (outcome, told)
    }

    /// Resumes the run to its end.
    #[track_caller]
    pub(crate) fn finish(&self) -> Results {
        match self.run().0 {
            Ok(Outcome::Finished(results)) => *results,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn checkpoint(&self, step: u64) -> PathBuf {
        self.run.path().join(format!("checkpoints/step-{step:08}"))
    }

    /// Fails unless a checkpoint can be read: its weights, and the optimizer's moments.
    #[track_caller]
    pub(crate) fn assert_readable(&self, case: &str, step: u64) {
        let folder = self.checkpoint(step);
        let loaded = load(&folder, &HeadChoice::Saved, &Device::flex());
        let loaded = loaded.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert!(loaded.report.fresh.is_empty(), "{case}");
        let moments = WeightFiles::open(&folder.join("optimizer"));
        moments.unwrap_or_else(|error| panic!("{case}: {error}"));
    }

    /// Fails unless the selected model can be loaded and predicts.
    #[track_caller]
    pub(crate) fn assert_best_predicts(&self, case: &str) {
        let predictor = Predictor::load(self.run.best(), &Device::flex());
        let predictor = predictor.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(predictor.predict(&[("licht an", None)]).unwrap().len(), 1, "{case}");
    }
}

/// Runs `spoiled` while a file has other content, or is missing; then restores the file.
pub(crate) fn with_file<T>(path: &Path, content: Option<&[u8]>, spoiled: impl FnOnce() -> T) -> T {
    let before = fs::read(path).ok();
    let put = |content: Option<&[u8]>| match content {
        Some(bytes) => fs::write(path, bytes).unwrap(),
        None => fs::remove_file(path).unwrap(),
    };
    put(content);
    let value = spoiled();
    put(before.as_deref());
    value
}
