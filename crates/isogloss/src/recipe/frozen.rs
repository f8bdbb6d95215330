//! The `training.frozen` table: dropout and the activation cache of frozen layers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecipeFaults;

/// The `training.frozen` table: dropout and the activation cache of frozen layers, which are the
/// embeddings and the blocks below the lowest trained one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FrozenRecipe {
    /// Whether frozen layers have dropout, as in the published methods. With `false` their hidden
    /// states never change and are cached, and passes of one text differ less from each other.
    pub dropout: bool,
    /// Memory for cached hidden states, in GiB; 1 by default, with `dropout = false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_gib: Option<f64>,
    /// Disk space for cached hidden states that do not fit into memory, in GiB; 4 by default, with
    /// `dropout = false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_gib: Option<f64>,
}

impl Default for FrozenRecipe {
    fn default() -> Self {
        Self { dropout: true, memory_gib: None, disk_gib: None }
    }
}

impl FrozenRecipe {
    /// Space for cached hidden states in memory and on disk, in GiB.
    pub(crate) fn cache_gib(&self) -> [f64; 2] {
        [self.memory_gib.unwrap_or(1.0), self.disk_gib.unwrap_or(4.0)]
    }

    pub(super) fn check(&self, faults: &mut RecipeFaults<'_>) {
        for (field, room) in [("memory_gib", self.memory_gib), ("disk_gib", self.disk_gib)] {
            let (entry, Some(room)) = (format!("training.frozen.{field}"), room) else { continue };
            faults.not_negative(&entry, room);
            if self.dropout {
                let problem = "hidden states are cached with training.frozen.dropout = false alone; \
                               frozen layers with dropout have others in each step";
                faults.add(&entry, problem);
            }
        }
    }
}
