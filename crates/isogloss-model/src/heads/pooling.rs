//! Sentence pooling: combines the hidden states of tokens into one sentence embedding.

use burn::tensor::Tensor;

/// Sentence pooling of a classifier: how the hidden states of a sentence become one vector.
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
    /// Mean pooling: the mean of the last hidden states of the real tokens, then the classifier.
    #[default]
    Mean,
    /// First token (`[CLS]`) pooling: the first token's last hidden state through the dense layer
    /// of the family's pooler, then the classifier, as the sequence classification classes of
    /// `transformers`.
    FirstToken,
}

/// Mean pooling: the mean of the hidden states of the real tokens.
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
