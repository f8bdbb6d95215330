//! What can go wrong in a run.

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
    /// A faulty recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A faulty data file or tokenizer.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A faulty model folder.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A model that cannot be written.
    #[error("cannot write {0}; earlier checkpoints are untouched")]
    Save(#[from] SaveError),
    /// A model that cannot be fetched.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A device that cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A batch that the model cannot take.
    #[error("{path}: {source}", path = path.display())]
    Input {
        /// The data or tokenizer file.
        path: PathBuf,
        /// What does not fit.
        source: InputError,
    },
    /// A loss that lacks its inputs.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
    /// Predictions and labels that do not go together.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A file or folder of a run that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file that is no JSON of the expected form.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Examples, pairs or text that cannot be trained on or scored.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Adapters of a recipe that do not go with its model.
    #[error(transparent)]
    Adapters(#[from] AdaptersError),
    /// Embeddings that there are not.
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    /// What cannot be done with a finished model.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A run that cannot begin or be resumed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A text of training that a trimmed vocabulary does not cover.
    #[error(
        "{}:{line}: this text has tokens that are unknown to the model's trimmed vocabulary, as {n_texts} \
         texts of training have; trim with this file among the texts, or set model.allow_unknown = true",
        path.display()
    )]
    TrimmedAway {
        /// The file of the first such text.
        path: PathBuf,
        /// Its line.
        line: usize,
        /// The number of such texts.
        n_texts: usize,
    },
    /// Training that has left the numbers.
    #[error(
        "step {step}: {quantity} is {value} (objective {objective}); lower the learning rate or \
         check the data{hint}"
    )]
    NotFinite {
        /// The optimizer step, from 1.
        step: u64,
        /// `loss` or `gradient norm`.
        quantity: &'static str,
        /// What it was.
        value: f64,
        /// The objectives involved.
        objective: String,
        /// Where the run can be taken up again.
        hint: String,
    },
    /// A tokenizer that knows more tokens than the model.
    #[error(
        "{}: the tokenizer has {n_tokens} tokens, the model's embedding only {n_rows} rows",
        path.display()
    )]
    Vocabulary {
        /// The tokenizer file.
        path: PathBuf,
        /// Tokens of the tokenizer.
        n_tokens: usize,
        /// Rows of the embedding.
        n_rows: usize,
    },
    /// A run folder begun with another recipe.
    #[error(
        "{}: this run was begun with another recipe; use another --out, or --fresh to begin again",
        path.display()
    )]
    OtherRecipe {
        /// The run folder.
        path: PathBuf,
    },
}

/// All faults of a recipe.
#[derive(Debug, thiserror::Error)]
#[error("{}", render(path, faults))]
pub struct RecipeError {
    /// The recipe file; empty for a recipe that was built in code.
    pub path: PathBuf,
    /// In the order of the file.
    pub faults: Vec<RecipeFault>,
}

/// One fault of a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeFault {
    /// The file that it stands in, if that is not the recipe's own but one that it extends.
    pub file: Option<PathBuf>,
    /// Line and column in the file, both from 1, the column in characters; none for a recipe that was
    /// built in code.
    pub position: Option<(usize, usize)>,
    /// What is wrong.
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

/// Turns an error of JSON in `path` into an [`Error`].
pub(crate) fn json(path: impl Into<PathBuf>) -> impl FnOnce(serde_json::Error) -> Error {
    let path = path.into();
    move |source| Error::Json { path, source }
}

/// Turns a system error about `path` into an [`Error`].
pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { path, source }
}
