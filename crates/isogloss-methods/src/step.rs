//! What the trainer hands to an objective: the outputs of a step's passes, labels and pairs.

mod input;
mod row_targets;
mod sentences;
mod view_output;

pub use input::{PairInput, StepInput};
pub use row_targets::RowTargets;
pub use sentences::Sentences;
pub(crate) use view_output::matched_logits;
pub use view_output::{PredictionUnits, ViewOutput};
