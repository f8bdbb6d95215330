//! Errors of starting and resuming a run.

use std::path::PathBuf;

use isogloss_kernels::Precision;
use isogloss_methods::{AlignmentError, StateError};

/// Error of starting or resuming a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Data files that have changed since the run began.
    #[error(
        "{} since this run began: put back what was there, use another --out, or --fresh to begin again; \
         without {} the run goes on with the files as they are",
        changed.join(", "), record.display()
    )]
    OtherData {
        /// Each changed file, with the kind of change.
        changed: Vec<String>,
        /// The file of the data fingerprints.
        record: PathBuf,
    },
    /// Another precision of matrix products than the run began with.
    #[error(
        "{}: this run began with --precision {began}, not {asked}: go on with {began}, use another --out, \
         or --fresh to begin again",
        path.display()
    )]
    OtherPrecision {
        /// The record of the run's environment.
        path: PathBuf,
        /// The precision that the run began with.
        began: String,
        /// The precision of this process.
        asked: Precision,
    },
    /// A model or data file in the run folder, which `--fresh` would remove.
    #[error(
        "{}: lies in the folder of the run, {}, which --fresh empties; use another --out",
        path.display(), folder.display()
    )]
    InRun {
        /// A model or a data file.
        path: PathBuf,
        /// The folder of the run.
        folder: PathBuf,
    },
    /// `training.frozen.dropout = false` in a run without frozen layers.
    #[error(
        "training.frozen.dropout = false: no schedule of this run freezes whole layers, as \
         schedule.fixed, gradual_unfreeze, lpft and fun do, and so do adapters; schedule.freeze \
         freezes parameters by their names, and dropout stays"
    )]
    NoFrozenLayers,
    /// A run folder that another process has locked.
    #[error("{}: another process trains in this folder now; wait for it, or use another --out", path.display())]
    InUse {
        /// The run folder.
        path: PathBuf,
    },
    /// A checkpoint with another format version.
    #[error(
        "{}: a checkpoint of format {found}; this version reads format {expected}: finish the run with the \
         version that wrote it, or use --fresh to begin again",
        path.display()
    )]
    CheckpointFormat {
        /// The file.
        path: PathBuf,
        /// Its format version; 1 if it has no version number.
        found: u64,
        /// The format version of this program.
        expected: u64,
    },
    /// A checkpoint whose step does not fit the total number of steps of the run.
    #[error(
        "{}: step {step} of a run that has {total_steps} steps now: the data has changed since; use \
         another --out, or --fresh to begin again",
        path.display()
    )]
    StepBeyondRun {
        /// The file.
        path: PathBuf,
        /// Optimizer steps done.
        step: u64,
        /// Total number of steps of the run now.
        total_steps: u64,
    },
    /// A checkpoint whose labels are not those of the training data.
    #[error(
        "{}: its labels are not those of the training data, which has changed since; use another --out, \
         or --fresh to begin again",
        path.display()
    )]
    OtherLabels {
        /// The configuration of the checkpoint's model.
        path: PathBuf,
    },
    /// Optimizer state of a parameter that the model does not have.
    #[error("{}: optimizer_steps: the model has no {parameter:?}", path.display())]
    NoSuchParameter {
        /// The file.
        path: PathBuf,
        /// The path of the parameter.
        parameter: String,
    },
    /// The state of a method that does not fit this recipe.
    #[error("{}: {source}", path.display())]
    MethodState {
        /// The folder of the state.
        path: PathBuf,
        /// The error of the state.
        source: StateError,
    },
    /// The scores of dynamic subnetworks that do not fit this recipe.
    #[error(
        "{}: the scores of subnetworks are not those of this recipe; use another --out, or --fresh to \
         begin again",
        path.display()
    )]
    SubnetworkScores {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint whose unlabeled data (pairs or text) has other languages.
    #[error(
        "{}: the languages without labels have changed since; use another --out, or --fresh to begin \
         again",
        path.display()
    )]
    OtherLanguages {
        /// The file.
        path: PathBuf,
    },
    /// A teacher that cuts texts into other tokens.
    #[error(
        "{}: the teacher reads the tokens of the model that is trained, and has another tokenizer",
        path.display()
    )]
    TeacherTokenizer {
        /// The teacher's tokenizer.
        path: PathBuf,
    },
    /// A teacher whose sentence embeddings are not made from its hidden states alone.
    #[error(
        "{}: {problem}: the teacher's sentence embeddings can be distilled by these modules if no \
         objective reads its hidden states or logits too",
        path.display()
    )]
    TeacherModules {
        /// The file of the modules.
        path: PathBuf,
        /// The modules.
        problem: String,
    },
    /// A teacher without a head, whose logits are needed.
    #[error("{}: the teacher has no head; name a finished run's `best`", path.display())]
    TeacherWithoutHead {
        /// The configuration of the teacher.
        path: PathBuf,
    },
    /// A teacher with a label that the training data does not have.
    #[error("{}: the teacher's label {label:?} is not in the training data", path.display())]
    TeacherLabel {
        /// The configuration of the teacher.
        path: PathBuf,
        /// The label.
        label: String,
    },
    /// A teacher with fewer labels, or a parser with the same in another order.
    #[error(
        "{}: the teacher has {found} labels, the training data {expected}; of parsers, their order must \
         be the same too",
        path.display()
    )]
    TeacherLabels {
        /// The configuration of the teacher.
        path: PathBuf,
        /// Labels of the teacher.
        found: usize,
        /// Labels of the training data.
        expected: usize,
    },
    /// A teacher without the requested layer.
    #[error("the teacher: {source}")]
    TeacherLayer {
        /// The error of the layer.
        source: AlignmentError,
    },
    /// A damaged cache of teacher embeddings.
    #[error(
        "{}: the cache of the teacher's embeddings is damaged; remove this file to have it made again",
        path.display()
    )]
    TeacherCache {
        /// The file.
        path: PathBuf,
    },
    /// A student that cannot be initialized from the model.
    #[error("student.{problem}")]
    Student {
        /// The field and the reason.
        problem: String,
    },
    /// A schedule for a layer that the model does not have.
    #[error("schedule.fixed.layers: {layer} of a model of {n_layers} layers")]
    NoLayer {
        /// The layer.
        layer: usize,
        /// Layers of the model.
        n_layers: usize,
    },
    /// A schedule that unfreezes the embeddings of a model whose adapter is trained in place of them.
    #[error(
        "schedule.{schedule}.embeddings: the model has an adapter, which is trained in place of its \
         pretrained weights, embeddings too"
    )]
    FrozenEmbeddings {
        /// The key of the schedule.
        schedule: &'static str,
    },
    /// A prefix of parameter paths that are to be left as they are, which no parameter has.
    #[error("{key}: no parameter of the model begins with {prefix:?}")]
    NoParameter {
        /// The key of the recipe.
        key: String,
        /// The prefix.
        prefix: String,
    },
    /// Few-shot fine-tuning of a model whose parameters are all frozen.
    #[error("few_shot: the schedules leave no parameter of the model to train")]
    FrozenFewShot,
    /// A negative queue (MoCo) with at least as many keys as there are pairs.
    #[error(
        "queue_size: a queue of {queue_size} keys needs more pairs than the {n_pairs} pairs there are (with \
         mixup two for each key), or a pair is its own negative"
    )]
    NegativeQueue {
        /// Number of keys in the queue.
        queue_size: usize,
        /// Number of training pairs.
        n_pairs: usize,
    },
    /// An objective whose state never gets ready: it collects nothing from the warm-up batches.
    #[error("an objective wants more batches before the first step, and takes nothing from them")]
    WarmUpStalled,
}
