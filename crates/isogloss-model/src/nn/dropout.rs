//! Dropout masks of one forward pass, each a function of the pass's seed and of how many were drawn
//! before it.

use isogloss_kernels::{Dropout, split_seed};

/// Hands out the dropout masks of a forward pass in the order of the operations that drop.
pub(crate) struct DropoutMasks {
    seed: Option<u64>,
    n_drawn: u64,
}

impl DropoutMasks {
    /// The masks of a seed; without one, nothing is dropped.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self { seed, n_drawn: 0 }
    }

    /// Whether nothing is dropped.
    pub(crate) fn is_off(&self) -> bool {
        self.seed.is_none()
    }

    /// The mask of the next operation, which drops at this rate.
    pub(crate) fn next(&mut self, rate: f64) -> Dropout {
        self.n_drawn += 1;
        match self.seed {
            Some(seed) => Dropout { rate: rate as f32, seed: split_seed(seed, self.n_drawn) },
            None => Dropout::OFF,
        }
    }
}
