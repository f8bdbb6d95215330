//! Dynamic subnetworks: heads and feed-forward blocks of a language, selected again during
//! training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Subnetwork;
use crate::faults::Faults;
use crate::importance::Importance;
use crate::method::{DataNeed, Method, MethodInfo, options};

/// Dynamic subnetworks (Choenni et al. 2023): after each batch of a language, its attention heads
/// and feed-forward blocks are scored again, and as many as before are kept.
///
/// A unit's score is an exponential moving average (EMA) of its importance in the language's
/// batches, with decay `decay`. By `start`, it starts at 1 for units of the given subnetwork and at
/// 0 for others, or at the static importance that the file has. The importance of a unit is the absolute gradient of its mask, computed for masked units
/// too, at a mask of zero. Importances of heads are normalized by layer and then together, those of
/// feed-forward blocks by the largest.
///
/// # Source
/// The idea is that of Choenni et al. 2023, arXiv:2211.00106; the moving average, its decay and the
/// initial values of [`DynamicStart::Kept`] are ours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DynamicSubnetworkConfig {
    /// Decay of the moving average, in `[0, 1)`; at 0 only the last batch counts.
    pub decay: f64,
    /// Initial scores of the units.
    pub start: DynamicStart,
}

/// Initial scores of the units of dynamic subnetworks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DynamicStart {
    /// 1 for the units that the subnetwork keeps, 0 for others.
    #[default]
    Kept,
    /// The importance of each unit in the fine-tuned model that the subnetwork was found in, which
    /// `isogloss subnetwork` writes to the file, normalized as those of batches are. The units of the
    /// highest importance are kept from the first step on, as many as the subnetwork keeps.
    Importance,
}

impl Default for DynamicSubnetworkConfig {
    fn default() -> Self {
        Self { decay: 0.9, start: DynamicStart::Kept }
    }
}

impl DynamicSubnetworkConfig {
    /// Validation errors: the invalid fields and the reasons.
    pub fn faults(&self) -> Faults {
        Method::faults(self)
    }
}

impl Method for DynamicSubnetworkConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "subnetworks.dynamic",
        title: "Dynamic subnetworks",
        paper: "Choenni et al. 2023, arXiv:2211.00106",
        formula: "score ← d score + (1 - d) |∂L/∂mask|; the highest scores are kept",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let valid = (0.0..1.0).contains(&self.decay);
        let fault =
            || ("decay", format!("expected a number from 0 and below 1, found {}", self.decay));
        (!valid).then(fault).into_iter().collect()
    }
}

/// Dynamic subnetwork of a language: the scores of all units, and the units that are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicSubnetwork {
    scores: Importance,
    subnetwork: Subnetwork,
}

impl DynamicSubnetwork {
    /// Starts from a given subnetwork: scores are 1 for kept units and 0 for others.
    pub fn new(subnetwork: Subnetwork) -> Self {
        let numbers = |kept: &[bool]| kept.iter().map(|kept| f64::from(u8::from(*kept))).collect();
        let scores = Importance {
            heads: subnetwork.heads.iter().map(|layer| numbers(layer)).collect(),
            feed_forward: numbers(&subnetwork.feed_forward),
        };
        Self { scores, subnetwork }
    }

    /// Starts with the static importance of all units as scores, and as many units as before.
    ///
    /// # Panics
    /// If the importance is of an encoder of another size.
    #[must_use]
    pub fn with_importance(self, importance: Importance) -> Self {
        let (found, own) = (importance.sizes(), self.scores.sizes());
        assert_eq!(found, own, "the importance of the units of this encoder");
        let mut started = Self { scores: comparable(importance), ..self };
        started.draw();
        started
    }

    /// Current subnetwork.
    pub fn subnetwork(&self) -> &Subnetwork {
        &self.subnetwork
    }

    /// The score of each unit.
    pub fn scores(&self) -> &Importance {
        &self.scores
    }

    /// Restores the scores from a checkpoint; `false` if they are of an encoder of another size.
    #[must_use]
    pub fn restore(&mut self, scores: Importance) -> bool {
        let fits = scores.sizes() == self.scores.sizes();
        if fits {
            self.scores = scores;
            self.draw();
        }
        fits
    }

    /// Updates the scores with the importance of units in a batch of the language, and selects
    /// units again.
    pub fn update(&mut self, found: Importance, config: DynamicSubnetworkConfig) {
        let found = comparable(found);
        let average = |score: &mut f64, found: f64| {
            *score = config.decay * *score + (1.0 - config.decay) * found;
        };
        let heads = self.scores.heads.iter_mut().flatten();
        heads.zip(found.heads.iter().flatten()).for_each(|(score, x)| average(score, *x));
        let blocks = self.scores.feed_forward.iter_mut();
        blocks.zip(&found.feed_forward).for_each(|(score, x)| average(score, *x));
        self.draw();
    }

    /// Keeps the units of the highest scores, as many as before.
    fn draw(&mut self) {
        let [n_layers, n_heads] = self.subnetwork.sizes();
        let (n_kept, n_blocks) = (self.subnetwork.n_heads(), self.subnetwork.n_feed_forward());
        let whole = Subnetwork::whole(n_layers, n_heads);
        let mut drawn = whole.without_heads(&self.scores, n_layers * n_heads - n_kept);
        for _ in n_blocks..n_layers {
            drawn = drawn.without_feed_forward(&self.scores);
        }
        self.subnetwork = drawn;
    }
}

/// Importances that different layers and batches can be compared by: heads normalized by layer and
/// then together, feed-forward blocks divided by the largest.
fn comparable(importance: Importance) -> Importance {
    let mut found = importance.normalized();
    let largest = found.feed_forward.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    found.feed_forward.iter_mut().for_each(|x| *x /= largest);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(of: &DynamicSubnetwork) -> (Vec<Vec<bool>>, Vec<bool>) {
        (of.subnetwork().heads().to_vec(), of.subnetwork().feed_forward().to_vec())
    }

    #[test]
    fn heads_that_come_to_matter_take_the_place_of_those_that_cease_to() {
        let few = Importance {
            heads: vec![vec![1.0, 0.0], vec![0.0, 1.0]],
            feed_forward: vec![1.0, 0.0],
        };
        let given = Subnetwork::whole(2, 2).without_heads(&few, 2).without_feed_forward(&few);
        let mut dynamic = DynamicSubnetwork::new(given.clone());
        assert_eq!(dynamic.subnetwork(), &given);

        // Only the first head of the second layer matters, and the second block.
        let found = || Importance {
            heads: vec![vec![0.0, 0.0], vec![2.0, 0.0]],
            feed_forward: vec![0.0, 3.0],
        };
        let config = DynamicSubnetworkConfig { decay: 0.5, ..Default::default() };
        dynamic.update(found(), config);
        // All scores are ½: of equal ones, the last are pruned.
        assert_eq!(dynamic.scores().heads, [[0.5, 0.0], [0.5, 0.5]]);
        assert_eq!(dynamic.scores().feed_forward, [0.5, 0.5]);
        assert_eq!(
            marks(&dynamic),
            (vec![vec![true, false], vec![true, false]], vec![true, false])
        );
        dynamic.update(found(), config);
        assert_eq!(dynamic.scores().heads, [[0.25, 0.0], [0.75, 0.25]]);
        assert_eq!(
            marks(&dynamic),
            (vec![vec![true, false], vec![true, false]], vec![false, true])
        );

        let mut resumed = DynamicSubnetwork::new(given);
        assert!(resumed.restore(dynamic.scores().clone()));
        assert_eq!(resumed, dynamic);
        let of_another = Importance { heads: vec![vec![1.0; 2]; 3], feed_forward: vec![1.0; 3] };
        assert!(!resumed.restore(of_another));
        assert_eq!(resumed, dynamic);
    }

    #[test]
    fn scores_start_at_the_static_importance() {
        let kept = Importance { heads: vec![vec![1.0, 0.0]; 2], feed_forward: vec![1.0, 1.0] };
        let given = Subnetwork::whole(2, 2).without_heads(&kept, 2);
        // Lengths 5 and 10: shares 0.6, 0.8 and 1, 0, rescaled by their range.
        let importance = Importance {
            heads: vec![vec![3.0, 4.0], vec![10.0, 0.0]],
            feed_forward: vec![1.0, 4.0],
        };
        let mut dynamic = DynamicSubnetwork::new(given).with_importance(importance);
        assert_eq!(dynamic.subnetwork().heads(), [[false, true], [true, false]]);
        assert_eq!(dynamic.scores().feed_forward, [0.25, 1.0]);
        for (found, expected) in dynamic.scores().heads.concat().iter().zip([0.6, 0.8, 1.0, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
        }
        // A batch in which all heads of a layer matter alike: the static order decides.
        let equal = Importance { heads: vec![vec![1.0; 2]; 2], feed_forward: vec![1.0; 2] };
        dynamic.update(equal, DynamicSubnetworkConfig::default());
        assert_eq!(dynamic.subnetwork().heads(), [[false, true], [true, false]]);
    }

    #[test]
    fn a_decay_is_below_one() {
        assert!(DynamicSubnetworkConfig { decay: 1.0, ..Default::default() }.faults().len() == 1);
        assert!(
            DynamicSubnetworkConfig { decay: f64::NAN, ..Default::default() }.faults().len() == 1
        );
        assert!(DynamicSubnetworkConfig { decay: 0.0, ..Default::default() }.faults().is_empty());
    }
}
