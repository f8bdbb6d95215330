//! Configuration of the realignment losses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Realignment loss: contrastive or L2, over the embeddings of aligned words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RealignLoss {
    /// Contrastive loss of aligned words against the other words of the batch, see
    /// [`realign_contrastive`](super::realign_contrastive).
    Contrastive(ContrastiveRealignConfig),
    /// L2 loss: squared distance of aligned words, see [`realign_l2`](super::realign_l2).
    L2(L2RealignConfig),
}

/// Contrastive realignment loss, see [`realign_contrastive`](super::realign_contrastive).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContrastiveRealignConfig {
    /// Temperature T; cosines are divided by it.
    pub temperature: f64,
    /// Negatives: strong or weak alignment.
    pub alignment: AlignmentStrength,
    /// Output size of a projection head that is trained for this loss alone, with one hidden layer
    /// as wide as the model; 0 is none.
    pub projection: usize,
    /// Weight λ of the L2 regularization towards the initial model, of hidden states below the
    /// projection head; 0 needs no initial model.
    pub regularization: f64,
}

/// L2 realignment loss, see [`realign_l2`](super::realign_l2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct L2RealignConfig {
    /// Weight λ of the L2 regularization towards the initial model; 0 needs no initial model.
    pub regularization: f64,
}

/// Negatives of contrastive realignment: the words that a translation is contrasted with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlignmentStrength {
    /// Strong alignment: all words of both languages but the word itself.
    #[default]
    Strong,
    /// Weak alignment: the words of the other language.
    Weak,
}

impl Default for RealignLoss {
    fn default() -> Self {
        Self::Contrastive(ContrastiveRealignConfig::default())
    }
}

impl Default for ContrastiveRealignConfig {
    fn default() -> Self {
        Self {
            temperature: 0.1,
            alignment: AlignmentStrength::Strong,
            projection: 128,
            regularization: 0.0,
        }
    }
}

impl Default for L2RealignConfig {
    fn default() -> Self {
        Self { regularization: 1.0 }
    }
}
