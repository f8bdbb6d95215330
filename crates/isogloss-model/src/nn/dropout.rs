//! Dropout masks of one forward pass, each seeded by the seed of the pass and a counter.

use isogloss_kernels::{Dropout, split_seed};

/// Generator of the dropout masks of a forward pass, in the order of the dropout operations.
pub(crate) struct DropoutMasks {
    seed: Option<u64>,
    n_drawn: u64,
}

impl DropoutMasks {
    /// Masks of a seed; `None` turns dropout off.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self { seed, n_drawn: 0 }
    }

    /// Whether dropout is off.
    pub(crate) fn is_off(&self) -> bool {
        self.seed.is_none()
    }

    /// The mask of the next dropout operation, at this rate.
    pub(crate) fn next(&mut self, rate: f64) -> Dropout {
        self.n_drawn += 1;
        match self.seed {
            Some(seed) => Dropout { rate: rate as f32, seed: split_seed(seed, self.n_drawn) },
            None => Dropout::OFF,
        }
    }
}
