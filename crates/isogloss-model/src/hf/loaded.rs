//! A model that was read from a folder, and the choice of its head.

use serde_json::Value;

use crate::{HeadSpec, Model};

/// Which head the model gets.
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

/// A model, and what is known about it.
#[derive(Debug)]
pub struct LoadedModel {
    /// The model.
    pub model: Model,
    /// Its head, if it has one.
    pub head: Option<HeadSpec>,
    /// The folder's `config.json`, for [`save`](crate::save).
    pub config_json: Value,
    /// What was and was not found.
    pub report: LoadReport,
}

/// What a folder had beyond and below the model's needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters of the heads that were made anew.
    pub fresh: Vec<String>,
    /// Tensors that nothing asked for, such as a language-model head.
    pub unused: Vec<String>,
}
