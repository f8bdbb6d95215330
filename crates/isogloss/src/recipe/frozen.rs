//! The `training.frozen` table: dropout and the activation cache of frozen layers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// The `training.frozen` table: dropout and the activation cache of frozen layers, which are the
/// embeddings and the blocks below the lowest trained one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FrozenRecipe {
    /// Whether frozen layers have dropout, as in published methods. Without it their hidden states
    /// never change, and are cached.
    pub dropout: bool,
    /// Memory for cached hidden states, in GiB.
    pub memory_gib: f64,
    /// Disk space for cached hidden states that do not fit into memory, in GiB.
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
            faults.not_negative(&format!("training.frozen.{field}"), room);
        }
    }
}
