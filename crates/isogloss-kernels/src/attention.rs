//! Multi-head attention (Vaswani et al. 2017) with dropout of the attention probabilities.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(crate) mod cube;
#[cfg(feature = "flex")]
mod flex;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata};
use burn::tensor::{Shape, Tensor};

use crate::backends::{composed_on, on_every_backend};
use crate::dropout::DropoutKernel;
use crate::mask::Dropout;

/// Multi-head scaled dot-product attention: `dropout(softmax(q kᵀ / √d + bias)) v` for each
/// head of width `d`.
///
/// The heads are concatenated along the hidden dimension, so the caller does not transpose.
///
/// # Shapes
/// - `query`, `key`, `value`, returns: `[batch, seq, n_heads * d]`
/// - `bias`: `[batch, seq]`, attention bias, added to the scores of each key; a large negative
///   number masks a key. It gets no gradient.
///
/// # Source
/// Vaswani et al. 2017, arXiv:1706.03762, §3.2. The backward pass recomputes the probabilities
/// instead of storing them, as FlashAttention: Dao et al. 2022, arXiv:2205.14135, §3.1.
pub fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    bias: Tensor<2>,
    n_heads: usize,
    dropout: Dropout,
) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as Attention>::attention(
        query.into_dispatch(),
        key.into_dispatch(),
        value.into_dispatch(),
        bias.into_dispatch(),
        n_heads,
        dropout,
    ))
}

on_every_backend! {
    differentiable

    /// Attention on every backend, with its gradient on autodiff backends.
    trait Attention: Backend {
        fn attention(
            query: FloatTensor<Self>,
            key: FloatTensor<Self>,
            value: FloatTensor<Self>,
            bias: FloatTensor<Self>,
            n_heads: usize,
            dropout: Dropout,
        ) -> FloatTensor<Self>;
    }
}

/// Inputs of attention: query, key, value, attention bias, number of heads and dropout.
pub(crate) struct AttentionInputs<B: Backend> {
    pub(crate) query: FloatTensor<B>,
    pub(crate) key: FloatTensor<B>,
    pub(crate) value: FloatTensor<B>,
    pub(crate) bias: FloatTensor<B>,
    pub(crate) n_heads: usize,
    pub(crate) dropout: Dropout,
}

impl<B: Backend> Clone for AttentionInputs<B> {
    fn clone(&self) -> Self {
        Self {
            query: self.query.clone(),
            key: self.key.clone(),
            value: self.value.clone(),
            bias: self.bias.clone(),
            ..*self
        }
    }
}

impl<B: Backend> core::fmt::Debug for AttentionInputs<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AttentionInputs")
            .field("n_heads", &self.n_heads)
            .field("dropout", &self.dropout)
            .finish_non_exhaustive()
    }
}

/// Saved by the forward pass of attention for the backward pass.
pub(crate) struct Saved<B: Backend> {
    /// The context vectors, which are the output.
    pub(crate) context: FloatTensor<B>,
    /// Log-sum-exp of the scores of each query, `[batch, n_heads, seq]`, if the kernel stores it.
    pub(crate) log_sum_exp: Option<FloatTensor<B>>,
}

impl<B: Backend> Clone for Saved<B> {
    fn clone(&self) -> Self {
        Self { context: self.context.clone(), log_sum_exp: self.log_sum_exp.clone() }
    }
}

impl<B: Backend> core::fmt::Debug for Saved<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Saved").finish_non_exhaustive()
    }
}

/// Forward and backward pass of attention on a backend without autodiff; the defaults compose
/// Burn's operations, a backend with a fused kernel overrides them.
pub(crate) trait AttentionKernel: DropoutKernel {
    /// Returns the context vectors, and what the backward pass needs beside the inputs.
    fn attention_forward(inputs: AttentionInputs<Self>) -> Saved<Self> {
        Saved { context: composed::<Self>(inputs), log_sum_exp: None }
    }

    /// Returns the gradients with respect to query, key and value.
    fn attention_backward(
        inputs: AttentionInputs<Self>,
        _saved: Saved<Self>,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        composed_backward::<Self>(inputs, grad)
    }
}

composed_on!(AttentionKernel: ndarray);

/// Splits the attention heads: `[batch, seq, n_heads * d]` to `[batch, n_heads, seq, d]`.
fn split_heads<B: Backend>(x: FloatTensor<B>, n_heads: usize) -> FloatTensor<B> {
    let [batch, seq, hidden] = x.shape().dims();
    let x = B::float_reshape(x, Shape::new([batch, seq, n_heads, hidden / n_heads]));
    B::float_swap_dims(x, 1, 2)
}

/// The inverse of [`split_heads`].
fn merge_heads<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let [batch, n_heads, seq, width] = x.shape().dims();
    B::float_reshape(B::float_swap_dims(x, 1, 2), Shape::new([batch, seq, n_heads * width]))
}

/// Returns the attention probabilities before dropout, `[batch, n_heads, seq, seq]`, and the scale
/// `1 / √d`.
fn probabilities<B: Backend>(
    query: FloatTensor<B>,
    key: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> (FloatTensor<B>, f64) {
    let [batch, _, seq, width] = key.shape().dims();
    let scale = 1.0 / (width as f64).sqrt();
    let scores = B::float_matmul(query, B::float_swap_dims(key, 2, 3));
    let scores = B::float_mul_scalar(scores, scale.into());
    let scores = B::float_add(scores, B::float_reshape(bias, Shape::new([batch, 1, 1, seq])));
    let scores = B::float_sub(scores.clone(), B::float_max_dim(scores, 3));
    let weights = B::float_exp(scores);
    let total = B::float_sum_dim(weights.clone(), 3);
    (B::float_div(weights, total), scale)
}

fn composed<B: DropoutKernel>(inputs: AttentionInputs<B>) -> FloatTensor<B> {
    let query = split_heads::<B>(inputs.query, inputs.n_heads);
    let key = split_heads::<B>(inputs.key, inputs.n_heads);
    let value = split_heads::<B>(inputs.value, inputs.n_heads);
    let (probs, _) = probabilities::<B>(query, key, inputs.bias);
    merge_heads::<B>(B::float_matmul(B::drop_out(probs, inputs.dropout), value))
}

fn composed_backward<B: DropoutKernel>(
    inputs: AttentionInputs<B>,
    grad: FloatTensor<B>,
) -> [FloatTensor<B>; 3] {
    let query = split_heads::<B>(inputs.query, inputs.n_heads);
    let key = split_heads::<B>(inputs.key, inputs.n_heads);
    let value = split_heads::<B>(inputs.value, inputs.n_heads);
    let grad = split_heads::<B>(grad, inputs.n_heads);
    let (probs, scale) = probabilities::<B>(query.clone(), key.clone(), inputs.bias);

    let dropped = B::drop_out(probs.clone(), inputs.dropout);
    let grad_value = B::float_matmul(B::float_swap_dims(dropped, 2, 3), grad.clone());
    let grad_probs = B::float_matmul(grad, B::float_swap_dims(value, 2, 3));
    let grad_probs = B::drop_out(grad_probs, inputs.dropout);
    let weighted = B::float_mul(grad_probs, probs.clone());
    let total = B::float_sum_dim(weighted.clone(), 3);
    let grad_scores = B::float_sub(weighted, B::float_mul(probs, total));
    let grad_scores = B::float_mul_scalar(grad_scores, scale.into());
    let grad_query = B::float_matmul(grad_scores.clone(), key);
    let grad_key = B::float_matmul(B::float_swap_dims(grad_scores, 2, 3), query);
    [grad_query, grad_key, grad_value].map(merge_heads::<B>)
}

impl<B: AttentionKernel> Attention for B {
    fn attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        n_heads: usize,
        dropout: Dropout,
    ) -> FloatTensor<Self> {
        Self::attention_forward(AttentionInputs { query, key, value, bias, n_heads, dropout })
            .context
    }
}

impl<B: AttentionKernel, C: CheckpointStrategy> Attention for Autodiff<B, C> {
    fn attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        n_heads: usize,
        dropout: Dropout,
    ) -> FloatTensor<Self> {
        let nodes = [query.node(), key.node(), value.node()];
        let inputs = AttentionInputs::<B> {
            query: query.into_primitive(),
            key: key.into_primitive(),
            value: value.into_primitive(),
            bias: bias.into_primitive(),
            n_heads,
            dropout,
        };
        let saved = B::attention_forward(inputs.clone());
        let context = saved.context.clone();
        match AttentionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((inputs, saved), context),
            OpsKind::UnTracked(prep) => prep.finish(context),
        }
    }
}

#[derive(Debug)]
struct AttentionBackward;

impl<B: AttentionKernel> Backward<B, 3> for AttentionBackward {
    type State = (AttentionInputs<B>, Saved<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let (inputs, saved) = ops.state;
        let gradients = B::attention_backward(inputs, saved, grad);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}
