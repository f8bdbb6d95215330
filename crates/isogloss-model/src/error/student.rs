//! Errors of a student's configuration.

/// A field of a student's configuration that does not fit its teacher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct StudentError {
    /// Its name.
    pub field: &'static str,
    /// What it does not fit.
    pub problem: String,
}
