//! Run options, training events (callbacks) and the outcome of a run.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use isogloss_methods::SentenceEmbedding;
use isogloss_model::{AdapterConfig, LabelRows, ModelFolder, SentenceModules};
use isogloss_text::Language;

use crate::data::pairs::PairSet;
use crate::ground::device::{DeviceInfo, OpenDevice};
use crate::tools::fisher::Measures;
use crate::{Centring, Corpus, DataReport, Results, Scores, TrimReport};

/// Options of a training run besides its plan: model folder, device, teacher, restart, stop signal.
#[derive(Clone)]
pub struct RunOptions<'a> {
    /// The folder of the model to start from.
    pub model_folder: ModelFolder,
    /// The device, without autodiff.
    pub device: Device,
    /// The properties of that device.
    pub device_info: DeviceInfo,
    /// The folder of the recipe's teacher, if it has one.
    pub teacher_folder: Option<ModelFolder>,
    /// Whether to start over, and remove an earlier run from the folder (`--fresh`).
    pub fresh: bool,
    /// Stop signal: set to `true` to end the run after its next step, with a checkpoint.
    pub stop: &'a AtomicBool,
}

impl RunOptions<'static> {
    /// Options with a model folder and a device, without a teacher or a stop signal.
    pub fn new(model_folder: impl Into<ModelFolder>, device: OpenDevice) -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Self {
            model_folder: model_folder.into(),
            device: device.device,
            device_info: device.info,
            teacher_folder: None,
            fresh: false,
            stop: &NEVER,
        }
    }
}

/// Training event: reports the progress of a run to the callback of [`finetune`](crate::finetune).
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Training by a recipe begins: by the `pretrain_recipe` first (or it is skipped if done), then
    /// by the recipe itself. Not sent without a `pretrain_recipe`.
    Recipe {
        /// The name of the recipe.
        name: &'a str,
    },
    /// The vocabulary has been trimmed.
    Trim(&'a TrimReport),
    /// The data has been read.
    Data(&'a Corpus),
    /// The pairs have been read.
    Pairs(&'a [PairSet]),
    /// The texts without labels have been read: how many there are in each language.
    Unlabeled(&'a [(Language, usize)]),
    /// Language centring of the selected model was estimated.
    Centring(&'a Centring),
    /// The model folder has a language centring, which is of the model before training and not taken
    /// over: the recipe has no `[centring]` that estimates one.
    LostCentring {
        /// The model folder.
        model: &'a Path,
    },
    /// The model folder has subnetworks of languages, which are of the model before training and not
    /// taken over: the recipe has no `[subnetworks]`.
    LostSubnetworks {
        /// The model folder.
        model: &'a Path,
    },
    /// The teacher's folder has a language centring, which its outputs for training are made without.
    TeacherCentring {
        /// The teacher's folder.
        teacher: &'a Path,
    },
    /// The teacher's folder has subnetworks of languages, which its outputs for training are made without.
    TeacherSubnetworks {
        /// The teacher's folder.
        teacher: &'a Path,
    },
    /// Counts of what was truncated, lost and left out in all data that has been read; of a finished
    /// run, whose results are shown again, those that are stored with it, and `None` for a run of an
    /// earlier version.
    Counts(Option<&'a DataReport>),
    /// An objective trains sentence embeddings of another layer or pooling than the modules of the
    /// model folder (sentence-transformers), by which retrieval is scored.
    SentenceEmbedding {
        /// The name of the objective.
        objective: &'a str,
        /// The sentence embedding that it trains.
        trained: SentenceEmbedding,
        /// The modules of the model folder.
        modules: &'a SentenceModules,
    },
    /// The sentence embeddings of the teacher are made by the modules of its folder
    /// (sentence-transformers), which are others than the objective's layer and pooling.
    TeacherEmbedding {
        /// The modules of the teacher's folder.
        modules: &'a SentenceModules,
    },
    /// The model has been loaded or initialized.
    Model {
        /// Number of parameters.
        n_parameters: usize,
        /// Number of parameters that are trained at some step.
        n_trainable: usize,
        /// Names of the newly initialized parameters.
        fresh: &'a [String],
        /// Label rows of the head that were reused, moved or newly initialized, if the loaded model
        /// had a head; else empty.
        rows: &'a LabelRows,
        /// Reason why a prediction head of the model folder is not read, see
        /// [`LoadReport::unread_head`](isogloss_model::LoadReport::unread_head).
        unread_head: Option<&'a str>,
        /// The adapter of the model folder that is trained further, with its name, if the recipe
        /// has no `[adapter]`.
        adapter: Option<(&'a str, &'a AdapterConfig)>,
    },
    /// Training starts or resumes.
    Begin {
        /// Optimizer steps already done.
        step: u64,
        /// Total number of steps.
        total_steps: u64,
        /// Model selection criterion, in words.
        rule: &'a str,
    },
    /// Unfreezing: layers become trainable.
    Unfreeze {
        /// Optimizer steps already done.
        step: u64,
        /// Indices of the layers, from 0.
        layers: &'a [usize],
        /// Whether the embeddings become trainable too.
        embeddings: bool,
    },
    /// Frozen layers have no dropout: the recipe disables it there, so that their hidden states can
    /// be cached, where the published methods have it.
    FrozenDropout {
        /// Methods of the recipe that work by dropout, and have none in the frozen layers.
        methods: &'a [&'static str],
    },
    /// The frozen-layer cache was filled: activations of the training examples after some layers.
    FrozenCache {
        /// Number of layers cached in memory.
        in_memory: usize,
        /// Number of layers cached on disk.
        on_disk: usize,
        /// Number of layers that are not cached; their activations are recomputed.
        left_out: usize,
        /// The error that prevented caching; `None` if only the limits of the recipe did.
        problem: Option<&'a str>,
    },
    /// Cached activations of frozen layers cannot be read any more; they are recomputed.
    FrozenCacheLost {
        /// The error.
        problem: &'a str,
    },
    /// An optimizer step was done.
    Step {
        /// Optimizer steps done.
        step: u64,
        /// Total number of steps.
        total_steps: u64,
        /// Mean loss of the batches of the step.
        loss: f64,
        /// Throughput in tokens per second, without padding.
        tokens_per_sec: f64,
    },
    /// Validation: the dev sets were scored.
    Dev {
        /// Optimizer steps done.
        step: u64,
        /// Validation scores; the mean over languages if there are several.
        scores: &'a Scores,
        /// Whether this is the best model so far; without labels, the latest model always is.
        is_best: bool,
    },
    /// The Fisher information and the sharpness were measured.
    Measures {
        /// Optimizer steps done.
        step: u64,
        /// The measured values.
        measures: &'a Measures,
    },
    /// A checkpoint was saved.
    Checkpoint {
        /// Optimizer steps done.
        step: u64,
    },
    /// Test scores: a language was evaluated after training.
    Language {
        /// Language tag.
        language: &'a str,
        /// Test scores.
        scores: &'a Scores,
    },
    /// Few-shot scores: a language was evaluated after fine-tuning on a few of its examples.
    FewShot {
        /// Language tag.
        language: &'a str,
        /// Test scores.
        scores: &'a Scores,
    },
    /// Gradient conflict: the gradients of the training languages were compared.
    GradientConflict {
        /// Optimizer steps done.
        step: u64,
        /// The languages.
        languages: &'a [Language],
        /// Cosine similarity between the gradients of each pair of languages.
        cosines: &'a [Vec<f64>],
    },
}

/// Outcome of a run: finished or stopped.
#[derive(Debug)]
pub enum Outcome {
    /// The run is finished, with its results.
    Finished(Box<Results>),
    /// The stop signal ended the run after this many steps; the same call resumes it.
    Stopped {
        /// Optimizer steps done.
        step: u64,
    },
}
