//! Sentence pooling: from the hidden states of tokens to one sentence embedding.

use burn::tensor::Tensor;

/// How the hidden states of a sentence become one vector.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Default,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The mean of the real tokens' last states, then the classifier.
    #[default]
    Mean,
    /// The first token's last state through the family's own dense layer, then the classifier: what
    /// `transformers`' sequence classification classes do.
    FirstToken,
}

/// Mean pooling: averages the hidden states of real tokens.
///
/// # Shapes
/// - `hidden`: `[batch, seq, hidden]`
/// - `attention_mask`: `[batch, seq]`
/// - returns: `[batch, hidden]`; zero for a row without real tokens
pub fn mean_pool(hidden: Tensor<3>, attention_mask: Tensor<2>) -> Tensor<2> {
    let [batch, seq, width] = hidden.dims();
    let n_tokens = attention_mask.clone().sum_dim(1).clamp_min(1.0);
    let weights = (attention_mask / n_tokens).reshape([batch, 1, seq]);
    weights.matmul(hidden).reshape([batch, width])
}
