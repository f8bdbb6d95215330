//! Targets: the gold labels of the rows of the logits.

use burn::tensor::{Int, Tensor};
use isogloss_kernels::cross_entropy;
use isogloss_model::ModelOutput;

/// Targets: the gold labels of the rows of the logits of a pass.
#[derive(Clone, Debug)]
pub struct RowTargets {
    /// Class indices `[n]`, one for each row of the logits; [`IGNORE_INDEX`](crate::IGNORE_INDEX)
    /// excludes a row.
    pub rows: Tensor<1, Int>,
    /// Weights and targets of [`ModelOutput::aux_logits`], in the same order.
    pub aux_logits: Vec<(f64, Tensor<1, Int>)>,
}

impl From<Tensor<1, Int>> for RowTargets {
    fn from(rows: Tensor<1, Int>) -> Self {
        Self { rows, aux_logits: Vec::new() }
    }
}

impl RowTargets {
    /// Cross-entropy of the logits plus the weighted cross-entropies of the auxiliary logits; each
    /// is the mean over the rows that have a target there.
    ///
    /// # Shapes
    /// - returns: `[1]`
    pub fn cross_entropy(&self, output: &ModelOutput, smoothing: f64) -> Tensor<1> {
        let rows = cross_entropy(output.logits.clone(), self.rows.clone(), smoothing);
        let aux_logits = output.aux_logits.iter().zip(&self.aux_logits);
        aux_logits.fold(rows, |sum, (logits, (weight, targets))| {
            sum + cross_entropy(logits.clone(), targets.clone(), smoothing) * *weight
        })
    }
}
