//! Loaded model, load report, and the choice of the task head to load.

use burn::tensor::Device;
use serde_json::Value;

use super::folder_with_base::ModelFolder;
use crate::{HeadSpec, LoadError, Model};

/// Function that loads the base model of adapters.
pub(super) type LoadBase = fn(&ModelFolder, &HeadChoice, &Device) -> Result<LoadedModel, LoadError>;

/// Task head of a loaded model: saved, new, matched by label name, or none.
#[derive(Clone, Debug, PartialEq)]
pub enum HeadChoice {
    /// The saved task head of the folder; none if the folder has an encoder only.
    Saved,
    /// As [`Saved`](Self::Saved), but none if the prediction head of an `adapters` folder is of a kind
    /// that is not read: [`LoadReport::unread_head`] says why.
    SavedIfRead,
    /// No task head.
    Without,
    /// New, randomly initialized head. Of a saved head only BERT's pooler is loaded, which is part
    /// of the encoder in `transformers`.
    New {
        /// Specification of the head.
        spec: HeadSpec,
        /// Seed of the random initialization.
        seed: u64,
    },
    /// Head with the parameters of a saved head of the same kind; the rows of its output layers are
    /// matched by the label names in `config.json`. What the folder lacks is randomly initialized.
    ByName {
        /// Specification of the head.
        spec: HeadSpec,
        /// Seed of the random initialization of missing parameters and rows.
        seed: u64,
    },
    /// The saved head, with its rows in the order of these labels; it must have the same kind and
    /// the same labels.
    AsIs {
        /// Specification of the head.
        spec: HeadSpec,
    },
}

impl HeadChoice {
    /// The requested head specification; `None` if the folder decides or there is no head.
    pub(super) fn spec(&self) -> Option<&HeadSpec> {
        match self {
            Self::Saved | Self::SavedIfRead | Self::Without => None,
            Self::New { spec, .. } | Self::ByName { spec, .. } | Self::AsIs { spec } => Some(spec),
        }
    }

    /// Whether the head is the saved one of the folder.
    pub(super) fn is_saved(&self) -> bool {
        matches!(self, Self::Saved | Self::SavedIfRead)
    }

    /// Whether rows of a saved head are matched by label name.
    pub(super) fn matches_labels(&self) -> bool {
        matches!(self, Self::ByName { .. } | Self::AsIs { .. })
    }
}

/// Loaded model, with the folder's configuration and a load report.
#[derive(Debug)]
pub struct LoadedModel {
    /// The model.
    pub model: Model,
    /// Specification of its task head, if it has one.
    pub head: Option<HeadSpec>,
    /// The folder's `config.json`, for [`save`](crate::save).
    pub config_json: Value,
    /// Scoring settings of the saved head, see [`save_scored`](crate::save_scored); `None` with
    /// another head.
    pub scoring: Option<Value>,
    /// Missing parameters and unused tensors.
    pub report: LoadReport,
}

/// Origin of the output rows of a task head, by label name; a parser's part-of-speech tags come
/// after its relations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelRows {
    /// Rows from the saved head, at the same index.
    pub kept: Vec<String>,
    /// Rows from the saved head, from another index.
    pub moved: Vec<String>,
    /// Randomly initialized rows: the saved head has no label of this name, has two, or its rows do
    /// not fit.
    pub drawn: Vec<String>,
}

/// Load report: missing parameters and unused tensors of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Missing head parameters, which were randomly initialized as a whole (`missing_keys` of
    /// PyTorch).
    pub fresh: Vec<String>,
    /// Origin of the rows of labels, if a saved head was matched by label name.
    pub rows: LabelRows,
    /// Paths of the encoder's own parameters that full modules of an adapter folder have replaced
    /// (`modules_to_save` of `peft`).
    pub replaced: Vec<String>,
    /// Unused tensors, such as those of a language-model head (`unexpected_keys` of PyTorch).
    pub unused: Vec<String>,
    /// Reason why the prediction head of an `adapters` folder is not read, if it is of a kind that no
    /// task head computes; its tensors are among the unused.
    pub unread_head: Option<String>,
}
