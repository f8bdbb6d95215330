//! Errors of adapters that are incompatible with the recipe's model.

use std::path::PathBuf;

use isogloss_model::AdapterError;
use isogloss_text::Language;

/// Error of adapters that are incompatible with the recipe's model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdaptersError {
    /// The model already has an adapter of this name.
    #[error("adapter: {model} has an adapter {name:?} already")]
    NameTaken {
        /// The model.
        model: String,
        /// The adapter.
        name: String,
    },
    /// An invertible adapter would be stacked on another adapter.
    #[error("adapter.seq_bn_inv: an invertible adapter acts only under all others")]
    InvertibleAbove,
    /// An adapter that does not fit the model.
    #[error("{table}: {source}")]
    Model {
        /// `adapter` or `language_adapter`.
        table: &'static str,
        /// The adapter error.
        source: AdapterError,
    },
    /// A language adapter would be stacked on another adapter.
    #[error("language_adapter: the model has the adapter {name:?} already")]
    LanguageAbove {
        /// The other adapter.
        name: String,
    },
    /// A test language without a language adapter.
    #[error(
        "{}: no language adapter for {language}: train one, or set language_adapter.evaluation to \
         \"source\" or \"none\"",
        folder.display()
    )]
    NoLanguageAdapter {
        /// The folder where it is expected.
        folder: PathBuf,
        /// The language.
        language: Language,
    },
    /// Full fine-tuning of a model that has adapters.
    #[error("{model} has adapters: train another one above them, with [adapter]")]
    WholeModel {
        /// The model.
        model: String,
    },
}
