//! Errors of adapters that are incompatible with the recipe's model.

use std::path::PathBuf;

use isogloss_model::AdapterError;
use isogloss_text::Language;

/// Error of adapters that are incompatible with the recipe's model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdaptersError {
    /// The model already has an adapter of this name.
    #[error(
        "adapter: {model} has an adapter {name:?} already; without [adapter] that one is trained \
         further"
    )]
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
    /// A language adapter without a task adapter above it.
    #[error(
        "language_adapter: lies under the adapter of the task; {model} has none: add [adapter], or \
         begin with a model that has one"
    )]
    NoTaskAdapter {
        /// The model.
        model: String,
    },
    /// Further training of a task adapter above a language adapter, which other languages were
    /// scored without.
    #[error(
        "{model} has a task adapter above the language adapter of {language}, which was exchanged for \
         other languages (MAD-X). To train it further in the same way, add\n\n{table}"
    )]
    LanguageAdapter {
        /// The model.
        model: String,
        /// The language of its language adapter.
        language: Language,
        /// The `[language_adapter]` table of the run that made the model, TOML.
        table: String,
    },
    /// Further training of a model that has several adapters.
    #[error(
        "{model} has the adapters {}; one alone can be trained further. A new one on its base is \
         {base:?} as model.source, and\n\n{table}",
        names.join(" and ")
    )]
    Several {
        /// The model.
        model: String,
        /// Its adapters.
        names: Vec<String>,
        /// Its base model.
        base: String,
        /// The `[adapter]` table of a new adapter, TOML.
        table: String,
    },
    /// Further training of an adapter whose folder replaces modules of its base model.
    #[error(
        "{model} has modules of its own for its base (modules_to_save: {}), with which its adapter \
         cannot be trained further. Make one model of both with `isogloss merge`, or train a new \
         adapter above them:\n\n{table}",
        modules.join(", ")
    )]
    ModulesToSave {
        /// The model.
        model: String,
        /// The parameters that it replaces.
        modules: Vec<String>,
        /// The `[adapter]` table of a new adapter, TOML.
        table: String,
    },
}
