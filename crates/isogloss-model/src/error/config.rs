//! Errors of a configuration file: `config.json` or `adapter_config.json`.

use super::nearest::hint;

/// A field of a configuration file that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No such field.
    #[error("no field \"{field}\"")]
    Missing {
        /// Its name.
        field: String,
    },
    /// A field that is not known.
    #[error("field \"{field}\": not known{}", hint(nearest.as_deref()))]
    Unknown {
        /// Its name.
        field: String,
        /// The most similar name that is known.
        nearest: Option<String>,
    },
    /// A value of another type or range.
    #[error("field \"{field}\": expected {expected}, found {found}")]
    Value {
        /// Its name.
        field: String,
        /// What it can be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A function that is turned on and not offered.
    #[error("field \"{field}\": not supported, found {found}")]
    NotSupported {
        /// Its name.
        field: String,
        /// What it is.
        found: String,
    },
    /// A value other than those that are supported.
    #[error("field \"{field}\": only {supported}, found {found}")]
    OnlySupported {
        /// Its name.
        field: String,
        /// What is supported, as in "only this is supported".
        supported: String,
        /// What it is.
        found: String,
    },
    /// A layer that the model does not have.
    #[error("field \"{field}\": layer {layer} of a model of {n_layers}")]
    Layer {
        /// The field's name.
        field: String,
        /// The layer, from zero.
        layer: usize,
        /// Layers of the model.
        n_layers: usize,
    },
    /// A rate of dropout outside its range, whatever its field is called.
    #[error("{rate}: expected a rate in [0, 1), found {found}")]
    Rate {
        /// What is dropped.
        rate: &'static str,
        /// What it is.
        found: f64,
    },
    /// A value that does not fit other fields, the model or the weights.
    #[error("field \"{field}\": {problem}")]
    Mismatch {
        /// Its name.
        field: String,
        /// What it does not fit.
        problem: String,
    },
}

impl ConfigError {
    /// A [`Missing`](Self::Missing) field.
    pub(crate) fn missing(field: impl Into<String>) -> Self {
        Self::Missing { field: field.into() }
    }

    /// A [`Value`](Self::Value) other than expected.
    pub(crate) fn value(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Value { field: field.into(), expected: expected.into(), found: found.to_string() }
    }

    /// A [`Mismatch`](Self::Mismatch).
    pub(crate) fn mismatch(field: impl Into<String>, problem: impl ToString) -> Self {
        Self::Mismatch { field: field.into(), problem: problem.to_string() }
    }
}
