//! Target modules: the linear projections of a transformer block that LoRA or (IA)³ can adapt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::EncoderConfig;

/// Target module: a linear projection of a transformer block.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TargetModule {
    /// Query projection of attention.
    Query,
    /// Key projection of attention.
    Key,
    /// Value projection of attention.
    Value,
    /// Output projection of attention, from the heads to the hidden size.
    AttentionOutput,
    /// First (up) projection of the feed-forward network.
    FeedForwardUp,
    /// Second (down) projection of the feed-forward network.
    FeedForwardDown,
}

impl TargetModule {
    /// All target modules.
    pub const ALL: [Self; 6] = [
        Self::Query,
        Self::Key,
        Self::Value,
        Self::AttentionOutput,
        Self::FeedForwardUp,
        Self::FeedForwardDown,
    ];

    /// Path inside a layer.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Query => "attention.query",
            Self::Key => "attention.key",
            Self::Value => "attention.value",
            Self::AttentionOutput => "attention.output",
            Self::FeedForwardUp => "feed_forward.up",
            Self::FeedForwardDown => "feed_forward.down",
        }
    }

    /// Number of inputs and outputs in a layer; `None` if it is pruned there.
    pub(super) fn sizes(self, layer: usize, encoder: &EncoderConfig) -> Option<[usize; 2]> {
        let (width, inner) = (encoder.hidden_size, encoder.intermediate_size);
        let heads = encoder.attention_width(layer);
        let (sizes, is_there) = match self {
            Self::Query | Self::Key | Self::Value => ([width, heads], heads > 0),
            Self::AttentionOutput => ([heads, width], heads > 0),
            Self::FeedForwardUp => ([width, inner], !encoder.pruned.is_feed_forward_pruned(layer)),
            Self::FeedForwardDown => {
                ([inner, width], !encoder.pruned.is_feed_forward_pruned(layer))
            }
        };
        is_there.then_some(sizes)
    }
}
