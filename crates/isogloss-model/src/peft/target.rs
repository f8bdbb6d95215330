//! Target modules: the linear projections of a transformer block that an adapter may be put at.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::EncoderConfig;

/// A linear projection of a block.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TargetModule {
    /// To the queries of attention.
    Query,
    /// To its keys.
    Key,
    /// To its values.
    Value,
    /// From the heads back to the hidden size.
    AttentionOutput,
    /// Into the feed-forward network.
    FeedForwardUp,
    /// Out of it.
    FeedForwardDown,
}

impl TargetModule {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Query,
        Self::Key,
        Self::Value,
        Self::AttentionOutput,
        Self::FeedForwardUp,
        Self::FeedForwardDown,
    ];

    /// Its path inside a layer.
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

    /// Inputs and outputs in a layer; none if it is pruned there.
    pub(super) fn sizes(self, layer: usize, encoder: &EncoderConfig) -> Option<[usize; 2]> {
        let (width, inner) = (encoder.hidden_size, encoder.intermediate_size);
        let heads = encoder.attention_width(layer);
        let (sizes, is_there) = match self {
            Self::Query | Self::Key | Self::Value => ([width, heads], heads > 0),
            Self::AttentionOutput => ([heads, width], heads > 0),
            Self::FeedForwardUp => ([width, inner], !encoder.pruned.lacks_feed_forward(layer)),
            Self::FeedForwardDown => ([inner, width], !encoder.pruned.lacks_feed_forward(layer)),
        };
        is_there.then_some(sizes)
    }
}
