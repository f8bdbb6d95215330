//! Configuration errors of `config.json` and `adapter_config.json`.

use super::nearest::hint;

/// Configuration error: a field is missing, unknown, invalid or not supported.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Missing field.
    #[error("no field \"{field}\"")]
    Missing {
        /// Name of the field.
        field: String,
    },
    /// Unknown field.
    #[error("field \"{field}\": not known{}", hint(nearest.as_deref()))]
    Unknown {
        /// Name of the field.
        field: String,
        /// The most similar known field.
        nearest: Option<String>,
    },
    /// Value of the wrong type or out of range.
    #[error("field \"{field}\": expected {expected}, found {found}")]
    Value {
        /// Name of the field.
        field: String,
        /// Expected values.
        expected: String,
        /// The value found.
        found: String,
    },
    /// Field that turns on an unsupported feature.
    #[error("field \"{field}\": not supported, found {found}")]
    NotSupported {
        /// Name of the field.
        field: String,
        /// The value found.
        found: String,
    },
    /// Unsupported value.
    #[error("field \"{field}\": only {supported}, found {found}")]
    OnlySupported {
        /// Name of the field.
        field: String,
        /// The supported values, as in "only this is supported".
        supported: String,
        /// The value found.
        found: String,
    },
    /// Layer index out of range.
    #[error("field \"{field}\": layer {layer} of a model of {n_layers}")]
    Layer {
        /// The field's name.
        field: String,
        /// Layer index, from zero.
        layer: usize,
        /// Number of layers of the model.
        n_layers: usize,
    },
    /// Dropout rate out of range, whatever its field is called.
    #[error("{rate}: expected a rate in [0, 1), found {found}")]
    Rate {
        /// Which rate.
        rate: &'static str,
        /// The value found.
        found: f64,
    },
    /// Value that is inconsistent with other fields, the model or the weights.
    #[error("field \"{field}\": {problem}")]
    Mismatch {
        /// Name of the field.
        field: String,
        /// The inconsistency.
        problem: String,
    },
}

impl ConfigError {
    /// Creates [`Missing`](Self::Missing).
    pub(crate) fn missing(field: impl Into<String>) -> Self {
        Self::Missing { field: field.into() }
    }

    /// Creates [`Value`](Self::Value).
    pub(crate) fn value(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Value { field: field.into(), expected: expected.into(), found: found.to_string() }
    }

    /// Creates [`Mismatch`](Self::Mismatch).
    pub(crate) fn mismatch(field: impl Into<String>, problem: impl ToString) -> Self {
        Self::Mismatch { field: field.into(), problem: problem.to_string() }
    }
}
