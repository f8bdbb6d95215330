//! The `training.frozen` table: dropout and the activation cache of frozen layers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// The `training.frozen` table: the embeddings and the blocks below the lowest that learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FrozenRecipe {
    /// Dropout acts in them as if they learned, as published methods have it. Without it their hidden
    /// states never change, and are cached.
    pub dropout: bool,
    /// Memory for those states.
    pub memory_gib: f64,
    /// Room on the disk for those that the memory does not hold.
    pub disk_gib: f64,
}

impl Default for FrozenRecipe {
    fn default() -> Self {
        Self { dropout: false, memory_gib: 1.0, disk_gib: 4.0 }
    }
}

impl FrozenRecipe {
    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        for (field, room) in [("memory_gib", self.memory_gib), ("disk_gib", self.disk_gib)] {
            if !(room >= 0.0 && room.is_finite()) {
                let problem = format!("expected a size of at least 0, found {room}");
                faults.add(&format!("training.frozen.{field}"), problem);
            }
        }
    }
}
