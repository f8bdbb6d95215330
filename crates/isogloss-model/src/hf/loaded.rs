//! A loaded model and the choice of its task head.

use burn::tensor::Device;
use serde_json::Value;

use super::place::ModelFolder;
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
    /// A new one; parameters that the folder has for it are taken, others drawn from the seed.
    New {
        /// The head.
        spec: HeadSpec,
        /// Draws the parameters that are not in the folder.
        seed: u64,
    },
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
    /// Parameters that were missing, tensors that were left over.
    pub report: LoadReport,
}

/// The parameters of a model that its folder lacked, and the tensors that it had beyond them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters of the heads that were initialized anew.
    pub fresh: Vec<String>,
    /// Tensors that no parameter took, such as those of a language-model head.
    pub unused: Vec<String>,
}
