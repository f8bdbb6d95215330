//! Inputs of the objectives in a training step: model outputs of the views, labels, sentence pairs.

mod input;
mod row_targets;
mod sentences;
mod view_output;

pub use input::{PairInput, StepInput};
pub use row_targets::RowTargets;
pub use sentences::Sentences;
pub use view_output::{PredictionUnits, ViewOutput};
pub(crate) use view_output::{WordComparison, matched_logits, pooled_logits};
