//! Why a run cannot begin or be resumed.

use std::path::PathBuf;

use isogloss_methods::{AlignmentError, StateError};

/// Why a run cannot begin or be resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A run whose data files are not what they were when it began.
    #[error(
        "{} since this run began: put back what was there, use another --out, or --fresh to begin again; \
         without {} the run goes on with the files as they are",
        changed.join(", "), record.display()
    )]
    OtherData {
        /// Each file, and what became of it.
        changed: Vec<String>,
        /// The file that tells what they were.
        record: PathBuf,
    },
    /// A run that would remove what it begins with.
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
    /// A folder that another process trains in.
    #[error("{}: another process trains in this folder now; wait for it, or use another --out", path.display())]
    InUse {
        /// The run folder.
        path: PathBuf,
    },
    /// A checkpoint of another version of this program.
    #[error(
        "{}: a checkpoint of format {found}; this version reads format {expected}: finish the run with the \
         version that wrote it, or use --fresh to begin again",
        path.display()
    )]
    CheckpointFormat {
        /// The file.
        path: PathBuf,
        /// Its format; the first had no number and counts as 1.
        found: u64,
        /// The format of this version.
        expected: u64,
    },
    /// A checkpoint of a longer run.
    #[error(
        "{}: step {step} of a run that has {total_steps} steps now: the data has changed since; use \
         another --out, or --fresh to begin again",
        path.display()
    )]
    StepBeyondRun {
        /// The file.
        path: PathBuf,
        /// Steps done.
        step: u64,
        /// Steps of the run now.
        total_steps: u64,
    },
    /// A checkpoint with another head.
    #[error(
        "{}: its labels are not those of the training data, which has changed since; use another --out, \
         or --fresh to begin again",
        path.display()
    )]
    OtherLabels {
        /// The configuration of the checkpoint's model.
        path: PathBuf,
    },
    /// A moment of a parameter that the model does not have.
    #[error("{}: optimizer_steps: the model has no {parameter:?}", path.display())]
    NoSuchParameter {
        /// The file.
        path: PathBuf,
        /// The path of the parameter.
        parameter: String,
    },
    /// The state of a method that is not that of this recipe.
    #[error("{}: {source}", path.display())]
    MethodState {
        /// The folder of the state.
        path: PathBuf,
        /// What is wrong with it.
        source: StateError,
    },
    /// The scores of dynamic subnetworks that are not those of this recipe.
    #[error(
        "{}: the scores of subnetworks are not those of this recipe; use another --out, or --fresh to \
         begin again",
        path.display()
    )]
    SubnetworkScores {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint whose pairs or text were of other languages.
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
    /// A teacher without a head, whose logits are read.
    #[error("{}: the teacher has no head; name a finished run's `best`", path.display())]
    TeacherWithoutHead {
        /// The configuration of the teacher.
        path: PathBuf,
    },
    /// A teacher with a label that is not learned.
    #[error("{}: the teacher's label {label:?} is not in the training data", path.display())]
    TeacherLabel {
        /// The configuration of the teacher.
        path: PathBuf,
        /// The label.
        label: String,
    },
    /// A teacher with fewer labels, or the same in another order.
    #[error(
        "{}: the teacher has {found} labels, the training data {expected}; their order must be the same \
         too",
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
    /// A teacher without the layer that is asked for.
    #[error("the teacher: {source}")]
    TeacherLayer {
        /// What it lacks.
        source: AlignmentError,
    },
    /// A cache of a teacher's embeddings that does not hold what was written.
    #[error(
        "{}: the cache of the teacher's embeddings is damaged; remove this file to have it made again",
        path.display()
    )]
    TeacherCache {
        /// The file.
        path: PathBuf,
    },
    /// A student that cannot be made of the model.
    #[error("student.{problem}")]
    Student {
        /// The field and the reason.
        problem: String,
    },
    /// A model with adapters, to be trained as a whole.
    #[error("{source_model} has adapters: train another one above them, with [adapter]")]
    ModelHasAdapters {
        /// The model of the recipe.
        source_model: String,
    },
    /// A schedule about a layer that the model does not have.
    #[error("schedule.fixed.layers: {layer} of a model of {n_layers} layers")]
    NoLayer {
        /// The layer.
        layer: usize,
        /// Layers of the model.
        n_layers: usize,
    },
    /// A negative queue as long as there are pairs.
    #[error(
        "queue_size: a queue of {queue_size} keys needs more pairs than the {n_pairs} pairs there are, or \
         a pair is its own negative"
    )]
    NegativeQueue {
        /// Keys of the queue.
        queue_size: usize,
        /// Pairs to train on.
        n_pairs: usize,
    },
    /// An objective's state that is never ready.
    #[error("an objective wants more batches before the first step, and takes nothing from them")]
    IdleState,
}
