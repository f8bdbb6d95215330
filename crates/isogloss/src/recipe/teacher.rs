//! The `[teacher]` table: the teacher model of knowledge distillation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[teacher]` table: a fine-tuned model whose predictions or hidden states are distilled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeacherRecipe {
    /// A model folder with a head of the same labels, such as `runs/<recipe>/seed-42/best`, or a
    /// hub name.
    pub source: String,
}
