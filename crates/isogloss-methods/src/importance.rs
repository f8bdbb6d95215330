//! Importance scores of attention heads and feed-forward blocks: the gradient of the mask that
//! multiplies them.
//!
//! # Source
//! Michel et al. 2019, arXiv:1905.10650; of feed-forward blocks, Prasanna et al. 2020,
//! arXiv:2005.00561.

use serde::{Deserialize, Serialize};

/// Importance scores for pruning: the mean absolute gradient of the mask of each unit (attention
/// head or feed-forward block).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Importance {
    /// Scores of attention heads, by layer and head.
    pub heads: Vec<Vec<f64>>,
    /// Scores of feed-forward blocks, by layer.
    pub feed_forward: Vec<f64>,
}

impl Importance {
    /// Number of heads of each layer, and of layers.
    pub(crate) fn sizes(&self) -> (Vec<usize>, usize) {
        (self.heads.iter().map(Vec::len).collect(), self.feed_forward.len())
    }

    /// Mean of importances of the units of one encoder; `None` of none.
    ///
    /// # Panics
    /// If they are of encoders of different sizes.
    pub fn mean(all: &[Self]) -> Option<Self> {
        let first = all.first()?;
        assert!(all.iter().all(|of| of.sizes() == first.sizes()), "importances of one encoder");
        let n = all.len() as f64;
        let mean = |value: &dyn Fn(&Self) -> f64| all.iter().map(value).sum::<f64>() / n;
        let heads = first.heads.iter().enumerate().map(|(layer, heads)| {
            (0..heads.len()).map(|head| mean(&|of| of.heads[layer][head])).collect()
        });
        let blocks = (0..first.feed_forward.len()).map(|layer| mean(&|of| of.feed_forward[layer]));
        Some(Self { heads: heads.collect(), feed_forward: blocks.collect() })
    }

    /// Normalizes the scores of heads so that layers can be compared, as Michel et al. do: divides
    /// each layer's heads by their L2 norm, then rescales all heads together to [0, 1]. Scores of
    /// feed-forward blocks are unchanged.
    #[must_use]
    pub fn normalized(mut self) -> Self {
        for heads in &mut self.heads {
            let norm = heads.iter().map(|x| x * x).sum::<f64>().sqrt();
            heads.iter_mut().for_each(|x| *x /= norm + 1e-20);
        }
        let all = || self.heads.iter().flatten().copied();
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
        let range = (high - low).max(f64::MIN_POSITIVE);
        self.heads.iter_mut().flatten().for_each(|x| *x = (*x - low) / range);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn importance(heads: [[f64; 3]; 2]) -> Importance {
        Importance { heads: heads.map(Vec::from).into(), feed_forward: vec![1.0, 1.0] }
    }

    #[test]
    fn a_mean_is_by_unit() {
        let (a, b) = (importance([[1.0; 3], [0.0; 3]]), importance([[3.0; 3], [5.0; 3]]));
        assert_eq!(Importance::mean(&[a, b]), Some(importance([[2.0; 3], [2.5; 3]])));
        assert_eq!(Importance::mean(&[]), None);
    }

    #[test]
    fn heads_of_different_layers_are_compared_by_their_share_of_the_layer() {
        let found = importance([[3.0, 4.0, 0.0], [0.03, 0.04, 0.0]]).normalized();
        let expected = [0.75, 1.0, 0.0];
        for heads in &found.heads {
            for (found, expected) in heads.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
        }
        let none = importance([[0.0; 3]; 2]).normalized();
        assert!(none.heads.iter().flatten().all(|x| *x == 0.0));
    }
}
