//! Errors of a student model's configuration (knowledge distillation).

/// Student configuration error: a field is inconsistent with the teacher model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct StudentError {
    /// Name of the field.
    pub field: &'static str,
    /// The inconsistency.
    pub problem: String,
}
