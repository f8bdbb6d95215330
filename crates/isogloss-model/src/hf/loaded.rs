//! A loaded model and the choice of its task head.

use burn::tensor::Device;
use serde_json::Value;

use super::model_folder::ModelFolder;
use crate::{HeadSpec, LoadError, Model};

/// How the base of adapters is loaded.
pub(super) type LoadBase = fn(&ModelFolder, &HeadChoice, &Device) -> Result<LoadedModel, LoadError>;

/// The task head that a loaded model gets.
#[derive(Clone, Debug, PartialEq)]
pub enum HeadChoice {
    /// The one that the folder was saved with; none if it holds a bare encoder.
    Saved,
    /// None.
    Without,
    /// A new one: nothing of a saved head is taken but what `transformers` counts as the encoder's, BERT's
    /// pooler.
    New {
        /// The head.
        spec: HeadSpec,
        /// Draws its parameters.
        seed: u64,
    },
    /// One that takes what a saved head of the same kind has for it, and the rows of its last layers by the
    /// names of their labels, which `config.json` tells; what the folder lacks is drawn from the seed.
    ByName {
        /// The head.
        spec: HeadSpec,
        /// Draws the parameters and the rows that are not in the folder.
        seed: u64,
    },
    /// The saved one, with its rows in the order of these labels: it must be of the same kind and have the
    /// same labels.
    AsIs {
        /// The head.
        spec: HeadSpec,
    },
}

impl HeadChoice {
    /// The head that is asked for, if that is not left to the folder.
    pub(super) fn spec(&self) -> Option<&HeadSpec> {
        match self {
            Self::Saved | Self::Without => None,
            Self::New { spec, .. } | Self::ByName { spec, .. } | Self::AsIs { spec } => Some(spec),
        }
    }

    /// Whether rows are taken from a saved head.
    pub(super) fn matches_labels(&self) -> bool {
        matches!(self, Self::ByName { .. } | Self::AsIs { .. })
    }
}

/// A model that was read from a folder, with the folder's configuration.
#[derive(Debug)]
pub struct LoadedModel {
    /// The model.
    pub model: Model,
    /// Its head, if it has one.
    pub head: Option<HeadSpec>,
    /// The folder's `config.json`, for [`save`](crate::save).
    pub config_json: Value,
    /// What the folder says of how its head is scored, see [`save_scored`](crate::save_scored); none with
    /// another head than the saved one.
    pub scoring: Option<Value>,
    /// Parameters that were missing, tensors that were left over.
    pub report: LoadReport,
}

/// Where the rows of a new head come from, by the names of their labels; a parser's parts of speech stand
/// after its relations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelRows {
    /// Taken from the saved head, from the same place.
    pub kept: Vec<String>,
    /// Taken from the saved head, from another place.
    pub moved: Vec<String>,
    /// Drawn from the seed: the saved head has no label of this name, two of them, or no row that fits.
    pub drawn: Vec<String>,
}

/// The parameters of a model that its folder lacked, and the tensors that it had beyond them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters of the heads that were initialized anew, as a whole.
    pub fresh: Vec<String>,
    /// What became of the rows of labels, where a saved head was to give its own.
    pub rows: LabelRows,
    /// Tensors that no parameter took, such as those of a language-model head.
    pub unused: Vec<String>,
}
