//! Errors of this crate.

mod adapters;
mod data;
mod embedding;
mod run;
mod tool;

use std::fmt;
use std::path::PathBuf;

use isogloss_methods::ObjectiveError;
use isogloss_model::{InputError, LoadError, SaveError};
use isogloss_text::TextError;

use crate::ground::device::DeviceError;
#[cfg(feature = "hub")]
use crate::ground::hub::HubError;
use crate::metrics::MetricError;

pub use adapters::AdaptersError;
pub use data::DataError;
pub use embedding::EmbeddingError;
pub use run::RunError;
pub use tool::ToolError;

/// Any error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An invalid recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// An invalid data file or tokenizer.
    #[error(transparent)]
    Text(#[from] TextError),
    /// An invalid model folder.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A model that cannot be saved.
    #[error("cannot write {0}; earlier checkpoints are untouched")]
    Save(#[from] SaveError),
    /// A model that cannot be resolved or downloaded (Hugging Face Hub).
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A device that cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A batch that is not a valid input of the model.
    #[error("{path}: {source}", path = path.display())]
    Input {
        /// The data or tokenizer file.
        path: PathBuf,
        /// The input error.
        source: InputError,
    },
    /// An objective (loss) without an input that it needs.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
    /// Predictions and labels that do not match.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A file or folder of a run that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },
    /// A JSON file with a syntax error or an unexpected structure.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The JSON error.
        source: serde_json::Error,
    },
    /// Invalid training or evaluation data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Adapters of a recipe that are incompatible with its model.
    #[error(transparent)]
    Adapters(#[from] AdaptersError),
    /// Embeddings that cannot be computed.
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    /// An operation that is not possible with a finished model.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A run that cannot start or be resumed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A training text with tokens that are missing from a trimmed vocabulary.
    #[error(
        "{}:{line}: this text has tokens that are unknown to the model's trimmed vocabulary, as {n_texts} \
         texts of training have; trim with this file among the texts, or set model.allow_unknown = true",
        path.display()
    )]
    TokensTrimmed {
        /// The file of the first such text.
        path: PathBuf,
        /// The line of that text.
        line: usize,
        /// The number of such texts.
        n_texts: usize,
    },
    /// Diverged training: a loss or gradient norm that is not finite (NaN or infinity).
    #[error(
        "step {step}: {quantity} is {value} (objective {objective}); lower the learning rate or \
         check the data{hint}"
    )]
    NotFinite {
        /// The optimizer step, from 1.
        step: u64,
        /// `loss` or `gradient norm`.
        quantity: &'static str,
        /// Its value.
        value: f64,
        /// The objectives involved.
        objective: String,
        /// The end of the message: names the checkpoint from which the run can be resumed, if any.
        hint: String,
    },
    /// An output of a model, a score or a vector, that is not finite (NaN or infinity).
    #[error("{text}: the model computes {value}, which is no finite number{cause}")]
    OutputNotFinite {
        /// The text, or the file of it.
        text: String,
        /// The value.
        value: f32,
        /// The end of the message: the precision, if that overflows easily.
        cause: &'static str,
    },
    /// A device that failed in training: it was lost, its driver reset it or it ran out of memory.
    #[error(
        "step {step} on {device}: {problem}; if memory ran out, lower training.batch_size and raise \
         training.accumulate{hint}"
    )]
    DeviceFailed {
        /// The optimizer step, from 1, or one of the few before it.
        step: u64,
        /// The device with its number.
        device: String,
        /// The error message of the driver or of Burn.
        problem: String,
        /// The end of the message: names the checkpoint from which the run can be resumed, if any.
        hint: String,
    },
    /// A tokenizer with more tokens than the embedding matrix has rows.
    #[error(
        "{}: the tokenizer has {n_tokens} tokens, the model's embedding only {n_rows} rows",
        path.display()
    )]
    Vocabulary {
        /// The tokenizer file.
        path: PathBuf,
        /// Tokens of the tokenizer.
        n_tokens: usize,
        /// Rows of the embedding matrix.
        n_rows: usize,
    },
    /// A run folder that belongs to another recipe.
    #[error(
        "{}: this run was begun with another recipe; use another --out, or --fresh to begin again",
        path.display()
    )]
    OtherRecipe {
        /// The run folder.
        path: PathBuf,
    },
}

/// All errors of a recipe.
#[derive(Debug, thiserror::Error)]
#[error("{}", render(path, faults))]
pub struct RecipeError {
    /// The recipe file; empty for a recipe that was built in code.
    pub path: PathBuf,
    /// The errors, in the order of the file.
    pub faults: Vec<RecipeFault>,
}

/// One error of a recipe, with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeFault {
    /// The file with the error, if it is not the recipe itself but a file that it extends.
    pub file: Option<PathBuf>,
    /// Line and column in the file, both from 1, the column in characters; `None` for a recipe that
    /// was built in code.
    pub position: Option<(usize, usize)>,
    /// The error message.
    pub problem: String,
}

fn render(path: &std::path::Path, faults: &[RecipeFault]) -> String {
    let line = |fault: &RecipeFault| match fault.file.is_some() || path.as_os_str().is_empty() {
        true => fault.to_string(),
        false => format!("{}:{fault}", path.display()),
    };
    faults.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl fmt::Display for RecipeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
        }
        match self.position {
            Some((line, column)) => write!(f, "{line}:{column}: {}", self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

/// Converts a JSON error in `path` into an [`Error`].
pub(crate) fn json(path: impl Into<PathBuf>) -> impl FnOnce(serde_json::Error) -> Error {
    let path = path.into();
    move |source| Error::Json { path, source }
}

/// Converts an I/O error at `path` into an [`Error`].
pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { path, source }
}
