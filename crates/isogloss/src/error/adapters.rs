//! Why adapters of a recipe do not go with its model.

use std::path::PathBuf;

use isogloss_model::AdapterError;
use isogloss_text::Language;

/// Why adapters of a recipe do not go with its model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdaptersError {
    /// The model has an adapter of this name.
    #[error("adapter: {model} has an adapter {name:?} already")]
    NameTaken {
        /// The model.
        model: String,
        /// The adapter.
        name: String,
    },
    /// An invertible adapter would lie above another.
    #[error("adapter.seq_bn_inv: an invertible adapter acts only under all others")]
    InvertibleAbove,
    /// An adapter that does not fit the model.
    #[error("{table}: {source}")]
    Model {
        /// `adapter` or `language_adapter`.
        table: &'static str,
        /// What does not fit.
        source: AdapterError,
    },
    /// A language adapter would lie above another adapter.
    #[error("language_adapter: the model has the adapter {name:?} already")]
    LanguageAbove {
        /// The other adapter.
        name: String,
    },
    /// A language of evaluation has no adapter.
    #[error(
        "{}: no language adapter for {language}: train one, or set language_adapter.evaluation to \
         \"source\" or \"none\"",
        folder.display()
    )]
    NoLanguageAdapter {
        /// Where it should be.
        folder: PathBuf,
        /// The language.
        language: Language,
    },
    /// The whole of a model with adapters would be trained.
    #[error("{model} has adapters: train another one above them, with [adapter]")]
    WholeModel {
        /// The model.
        model: String,
    },
}
