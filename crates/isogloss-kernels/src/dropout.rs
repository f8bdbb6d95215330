//! Dropout (Srivastava et al. 2014) with a mask drawn from a seed, the same on every device.

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
use burn::tensor::{DType, FloatDType, Shape, Tensor, TensorData};

use crate::backends::{composed_on, on_every_backend};
use crate::mask::Dropout;

/// Inverted dropout: sets random elements to zero and scales the others by `1 / (1 - rate)`, so
/// that the mean is kept.
///
/// The mask depends on `dropout.seed` and the position alone. With a rate of zero the input is
/// returned unchanged.
///
/// # Shapes
/// - `x`, returns: any
///
/// # Source
/// Srivastava et al. 2014, JMLR 15, inverted.
pub fn dropout<const D: usize>(x: Tensor<D>, dropout: Dropout) -> Tensor<D> {
    if dropout.is_off() {
        return x;
    }
    Tensor::from_dispatch(<Dispatch as DropOut>::dropout(x.into_dispatch(), dropout))
}

on_every_backend! {
    differentiable

    /// Dropout on every backend, with its gradient on autodiff backends.
    trait DropOut: Backend {
        fn dropout(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self>;
    }
}

/// Dropout on a backend without autodiff; the default composes Burn's operations.
pub(crate) trait DropoutKernel: Backend {
    /// Multiplies `x` by the scaled dropout mask.
    fn drop_out(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        composed::<Self>(x, dropout)
    }
}

composed_on!(DropoutKernel: ndarray);

/// Elements of one block of a mask: the last dimension, or for a tensor of rank 4 the last two,
/// which are the score matrix of one attention head.
fn mask_block_len(shape: &Shape) -> usize {
    let dims = shape.as_slice();
    match dims.len() {
        4 => dims[2] * dims[3],
        _ => dims.last().copied().unwrap_or(1),
    }
}

/// Dropout with a mask that is drawn on the host.
fn composed<B: Backend>(x: FloatTensor<B>, dropout: Dropout) -> FloatTensor<B> {
    if dropout.is_off() {
        return x;
    }
    let shape = x.shape();
    let mask = dropout.mask(shape.num_elements(), mask_block_len(&shape));
    let mask = B::float_from_data(TensorData::new(mask, shape), &x.device());
    let mask = B::float_cast(mask, float_dtype::<B>(&x));
    B::float_mul(x, mask)
}

pub(crate) fn float_dtype<B: Backend>(x: &FloatTensor<B>) -> FloatDType {
    match x.dtype() {
        DType::F64 => FloatDType::F64,
        DType::F16 => FloatDType::F16,
        DType::BF16 => FloatDType::BF16,
        _ => FloatDType::F32,
    }
}

impl<B: DropoutKernel> DropOut for B {
    fn dropout(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        Self::drop_out(x, dropout)
    }
}

impl<B: DropoutKernel, C: CheckpointStrategy> DropOut for Autodiff<B, C> {
    fn dropout(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        match DropOutBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish(dropout, B::drop_out(x.into_primitive(), dropout))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::drop_out(x.into_primitive(), dropout)),
        }
    }
}

#[derive(Debug)]
struct DropOutBackward;

impl<B: DropoutKernel> Backward<B, 1> for DropOutBackward {
    type State = Dropout;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        if let [Some(parent)] = ops.parents {
            grads.register::<B>(parent.id, B::drop_out(grad, ops.state));
        }
    }
}
