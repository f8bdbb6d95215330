//! Layer normalization fused with dropout and the residual sum: `LayerNorm(dropout(x) + residual)`.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
#[cfg(feature = "flex")]
mod flex;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata};
use burn::tensor::Tensor;

use crate::backends::{composed_on, on_every_backend};
use crate::dropout::DropoutKernel;
use crate::mask::Dropout;
use crate::shapes::{as_row, sum_rows};

/// Layer normalization of `dropout(x) + residual` over the last dimension, as it ends every
/// sublayer of a post-norm transformer block.
///
/// # Shapes
/// - `x`, `residual`, returns: `[..., hidden]`
/// - `gamma`, `beta`: `[hidden]`
///
/// # Source
/// Ba et al. 2016, arXiv:1607.06450, eq. 4; biased variance, `epsilon` inside the root, as PyTorch.
pub fn dropout_add_layer_norm<const D: usize>(
    x: Tensor<D>,
    residual: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
    dropout: Dropout,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as LayerNorm>::dropout_add_layer_norm(
        x.into_dispatch(),
        residual.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        epsilon,
        dropout,
    ))
}

on_every_backend! {
    differentiable

    /// Layer normalization on every backend, with its gradient on autodiff backends.
    trait LayerNorm: Backend {
        fn dropout_add_layer_norm(
            x: FloatTensor<Self>,
            residual: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            beta: FloatTensor<Self>,
            epsilon: f64,
            dropout: Dropout,
        ) -> FloatTensor<Self>;
    }
}

/// Saved by the forward pass of layer normalization for the backward pass.
pub(crate) struct Saved<B: Backend> {
    /// The sum before normalization, `[..., hidden]`.
    pub(crate) sum: FloatTensor<B>,
    /// Mean and reciprocal standard deviation of each row of the sum, `[rows, 2]`, if the kernel
    /// stores them.
    pub(crate) moments: Option<FloatTensor<B>>,
    pub(crate) gamma: FloatTensor<B>,
    pub(crate) epsilon: f64,
    /// Dropout of `x`.
    pub(crate) dropout: Dropout,
}

impl<B: Backend> Clone for Saved<B> {
    fn clone(&self) -> Self {
        Self {
            sum: self.sum.clone(),
            moments: self.moments.clone(),
            gamma: self.gamma.clone(),
            ..*self
        }
    }
}

impl<B: Backend> core::fmt::Debug for Saved<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Saved")
            .field("epsilon", &self.epsilon)
            .field("dropout", &self.dropout)
            .finish_non_exhaustive()
    }
}

/// Forward and backward pass of layer normalization on a backend without autodiff; the defaults
/// compose Burn's operations, a backend with a fused kernel overrides them.
pub(crate) trait LayerNormKernel: DropoutKernel {
    /// Returns the normalized output alone, without a backward pass.
    fn layer_norm_output(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dropout: Dropout,
    ) -> FloatTensor<Self> {
        Self::layer_norm_forward(x, residual, gamma, beta, epsilon, dropout).0
    }

    /// Returns the normalized output and what the backward pass needs.
    fn layer_norm_forward(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dropout: Dropout,
    ) -> (FloatTensor<Self>, Saved<Self>) {
        let (output, sum) = composed::<Self>(x, residual, gamma.clone(), beta, epsilon, dropout);
        (output, Saved { sum, moments: None, gamma, epsilon, dropout })
    }

    /// Returns the gradients with respect to x, the residual, gamma and beta.
    fn layer_norm_backward(saved: Saved<Self>, grad: FloatTensor<Self>) -> [FloatTensor<Self>; 4] {
        let dropout = saved.dropout;
        with_dropped::<Self>(composed_backward::<Self>(saved, grad), dropout)
    }
}

composed_on!(LayerNormKernel: ndarray);

/// Adds the gradient of x, which is that of the sum after dropout, to those of the sum, gamma and
/// beta.
fn with_dropped<B: DropoutKernel>(
    [grad_sum, grad_gamma, grad_beta]: [FloatTensor<B>; 3],
    dropout: Dropout,
) -> [FloatTensor<B>; 4] {
    [B::drop_out(grad_sum.clone(), dropout), grad_sum, grad_gamma, grad_beta]
}

/// Returns the centered rows of `sum` and the reciprocal of their standard deviation.
fn standardize<B: Backend>(sum: FloatTensor<B>, epsilon: f64) -> (FloatTensor<B>, FloatTensor<B>) {
    let last = sum.shape().num_dims() - 1;
    let mean = B::float_mean_dim(sum.clone(), last);
    let centered = B::float_sub(sum, mean);
    let variance = B::float_mean_dim(B::float_mul(centered.clone(), centered.clone()), last);
    let deviation = B::float_sqrt(B::float_add_scalar(variance, epsilon.into()));
    (centered, B::float_recip(deviation))
}

fn composed<B: DropoutKernel>(
    x: FloatTensor<B>,
    residual: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f64,
    dropout: Dropout,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let sum = B::float_add(B::drop_out(x, dropout), residual);
    let n_dims = sum.shape().num_dims();
    let (centered, reciprocal) = standardize::<B>(sum.clone(), epsilon);
    let normalized = B::float_mul(centered, reciprocal);
    let scaled = B::float_mul(normalized, as_row::<B>(gamma, n_dims));
    (B::float_add(scaled, as_row::<B>(beta, n_dims)), sum)
}

fn composed_backward<B: Backend>(saved: Saved<B>, grad: FloatTensor<B>) -> [FloatTensor<B>; 3] {
    let Saved { sum, gamma, epsilon, .. } = saved;
    let n_dims = sum.shape().num_dims();
    let last = n_dims - 1;
    let (centered, reciprocal) = standardize::<B>(sum, epsilon);
    let normalized = B::float_mul(centered, reciprocal.clone());

    let grad_gamma = sum_rows::<B>(B::float_mul(grad.clone(), normalized.clone()));
    let grad_beta = sum_rows::<B>(grad.clone());

    let grad = B::float_mul(grad, as_row::<B>(gamma, n_dims));
    let mean = B::float_mean_dim(grad.clone(), last);
    let projection = B::float_mean_dim(B::float_mul(grad.clone(), normalized.clone()), last);
    let grad = B::float_sub(B::float_sub(grad, mean), B::float_mul(normalized, projection));
    [B::float_mul(grad, reciprocal), grad_gamma, grad_beta]
}

impl<B: LayerNormKernel> LayerNorm for B {
    fn dropout_add_layer_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dropout: Dropout,
    ) -> FloatTensor<Self> {
        Self::layer_norm_output(x, residual, gamma, beta, epsilon, dropout)
    }
}

impl<B: LayerNormKernel, C: CheckpointStrategy> LayerNorm for Autodiff<B, C> {
    fn dropout_add_layer_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dropout: Dropout,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), residual.node(), gamma.node(), beta.node()];
        let (output, saved) = B::layer_norm_forward(
            x.into_primitive(),
            residual.into_primitive(),
            gamma.into_primitive(),
            beta.into_primitive(),
            epsilon,
            dropout,
        );
        match LayerNormBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(saved, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}

#[derive(Debug)]
struct LayerNormBackward;

impl<B: LayerNormKernel> Backward<B, 4> for LayerNormBackward {
    type State = Saved<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 4>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let gradients = B::layer_norm_backward(ops.state, grad);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}
