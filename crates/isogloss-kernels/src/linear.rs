//! Linear (fully connected) layer, `x Wᵀ + b`.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
#[cfg(feature = "flex")]
mod flex;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata};
use burn::tensor::{FloatDType, Tensor};

use crate::backends::{composed_on, on_every_backend};
use crate::dropout::float_dtype;
use crate::precision::{Precision, ScaledGradient, unscaled};
use crate::shapes::{as_row, as_rows, sum_rows, with_last_dim};

/// Linear (fully connected) layer: `x Wᵀ + b`, with PyTorch's weight layout.
///
/// # Shapes
/// - `x`: `[..., in]`
/// - `weight`: `[out, in]`
/// - `bias`: `[out]`
/// - returns: `[..., out]`
///
/// The operands of its products are rounded to half precision if
/// [`set_matmul_precision`](crate::set_matmul_precision) says so.
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Linear>::linear(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ))
}

on_every_backend! {
    differentiable

    /// Linear layer on every backend, with its gradient on autodiff backends.
    trait Linear: Backend {
        fn linear(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: FloatTensor<Self>,
        ) -> FloatTensor<Self>;
    }
}

/// Forward and backward pass of a linear layer on a backend without autodiff; the defaults compose
/// Burn's operations, a backend with a fused kernel overrides them.
pub(crate) trait LinearKernel: Backend {
    /// Operand of a matrix product in half precision. The default rounds the values, which stay in
    /// `f32`; a backend that multiplies in half precision returns a tensor of that type, and takes
    /// such tensors below.
    fn half_operand(x: FloatTensor<Self>, half: FloatDType) -> FloatTensor<Self> {
        let dtype = float_dtype::<Self>(&x);
        Self::float_cast(Self::float_cast(x, half), dtype)
    }

    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::<Self>(x, weight, bias)
    }

    /// `x Wᵀ`, without a bias.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    fn linear_product(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        composed_product::<Self>(x, weight)
    }

    fn linear_grad_input(grad: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        composed_grad_input::<Self>(grad, weight)
    }

    fn linear_grad_weight(grad: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        composed_grad_weight::<Self>(grad, x)
    }
}

composed_on!(LinearKernel: ndarray);

/// Operands of the matrix product `x Wᵀ`, rounded to the precision of products.
#[derive(Clone, Debug)]
pub(crate) struct Operands<B: Backend> {
    pub(crate) x: FloatTensor<B>,
    pub(crate) weight: FloatTensor<B>,
    precision: Precision,
}

impl<B: LinearKernel> Operands<B> {
    pub(crate) fn new(x: FloatTensor<B>, weight: FloatTensor<B>) -> Self {
        let precision = Precision::for_product::<B>(&x);
        let (x, weight) = (operand::<B>(x, precision), operand::<B>(weight, precision));
        Self { x, weight, precision }
    }
}

/// Operand of a matrix product in some precision.
fn operand<B: LinearKernel>(x: FloatTensor<B>, precision: Precision) -> FloatTensor<B> {
    match precision.half() {
        Some(half) => B::half_operand(x, half),
        None => x,
    }
}

fn composed<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> FloatTensor<B> {
    let product = composed_product::<B>(x, weight);
    let n_dims = product.shape().num_dims();
    B::float_add(product, as_row::<B>(bias, n_dims))
}

fn composed_product<B: Backend>(x: FloatTensor<B>, weight: FloatTensor<B>) -> FloatTensor<B> {
    let [n_outputs, _] = weight.shape().dims();
    let shape = with_last_dim(&x.shape(), n_outputs);
    let product = B::float_matmul(as_rows::<B>(x), B::float_transpose(weight));
    B::float_reshape(product, shape)
}

fn composed_grad_input<B: Backend>(grad: FloatTensor<B>, weight: FloatTensor<B>) -> FloatTensor<B> {
    let [_, n_inputs] = weight.shape().dims();
    let shape = with_last_dim(&grad.shape(), n_inputs);
    B::float_reshape(B::float_matmul(as_rows::<B>(grad), weight), shape)
}

fn composed_grad_weight<B: Backend>(grad: FloatTensor<B>, x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_matmul(B::float_transpose(as_rows::<B>(grad)), as_rows::<B>(x))
}

impl<B: LinearKernel> Linear for B {
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let Operands { x, weight, .. } = Operands::<Self>::new(x, weight);
        Self::linear_forward(x, weight, bias)
    }
}

impl<B: LinearKernel, C: CheckpointStrategy> Linear for Autodiff<B, C> {
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let operands = Operands::<B>::new(x.into_primitive(), weight.into_primitive());
        let (x, weight) = (operands.x.clone(), operands.weight.clone());
        let output = B::linear_forward(x, weight, bias.into_primitive());
        match LinearBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(operands, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}

#[derive(Debug)]
struct LinearBackward;

impl<B: LinearKernel> Backward<B, 3> for LinearBackward {
    /// Saved for the backward pass.
    type State = Operands<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let parents = ops.parents.map(|parent| parent.map(|parent| parent.id));
        register_gradients(parents, ops.state, grad, grads);
    }
}

/// Backward pass of a linear layer: registers the gradients of its input, weight and bias, where
/// they have a node, from that of its output.
pub(crate) fn register_gradients<B: LinearKernel>(
    [input_node, weight_node, bias_node]: [Option<NodeId>; 3],
    operands: Operands<B>,
    grad: FloatTensor<B>,
    grads: &mut Gradients,
) {
    let Operands { x, weight, precision } = operands;
    if let Some(node) = bias_node {
        grads.register::<B>(node, sum_rows::<B>(grad.clone()));
    }
    if input_node.is_none() && weight_node.is_none() {
        return;
    }
    let ScaledGradient { values, scale } = ScaledGradient::<B>::new(grad, precision);
    let grad = operand::<B>(values, precision);
    if let Some(node) = weight_node {
        let product = B::linear_grad_weight(grad.clone(), x);
        grads.register::<B>(node, unscaled::<B>(product, scale.clone()));
    }
    if let Some(node) = input_node {
        let product = B::linear_grad_input(grad, weight);
        grads.register::<B>(node, unscaled::<B>(product, scale));
    }
}
