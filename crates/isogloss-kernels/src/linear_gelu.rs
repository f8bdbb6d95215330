//! Linear layer and GELU activation in one operation, `gelu(x Wᵀ + b)`.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch};
use burn::tensor::Tensor;

use crate::backends::{composed_on, on_every_backend};
use crate::gelu::GeluKernel;
use crate::linear::{LinearKernel, Operands, register_gradients};

/// Linear layer and GELU activation: `gelu(x Wᵀ + b)`, the first half of a transformer's
/// feed-forward network.
///
/// # Shapes
/// - `x`: `[..., in]`
/// - `weight`: `[out, in]`
/// - `bias`: `[out]`
/// - returns: `[..., out]`
///
/// The same as [`gelu`](crate::gelu) of [`linear`](crate::linear). A GPU adds the bias in the kernel
/// of the activation, so that the sum is not written to memory and read again.
pub fn linear_gelu<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as LinearGelu>::linear_gelu(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ))
}

on_every_backend! {
    differentiable

    /// Linear layer and GELU on every backend, with its gradient on autodiff backends.
    trait LinearGelu: Backend {
        fn linear_gelu(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: FloatTensor<Self>,
        ) -> FloatTensor<Self>;
    }
}

/// Forward and backward pass on a backend without autodiff. The defaults are a linear layer with its
/// bias and GELU after it; a backend without a fused product and bias overrides all three.
pub(crate) trait LinearGeluKernel: LinearKernel + GeluKernel {
    /// The product that is saved for the backward pass, with the bias or without it.
    fn product(operands: &Operands<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::linear_forward(operands.x.clone(), operands.weight.clone(), bias)
    }

    /// GELU of the saved product.
    fn activate(product: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        _ = bias;
        Self::gelu_forward(product)
    }

    /// Gradient of the product with its bias, from that of the output.
    fn activate_grad(
        product: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        _ = bias;
        Self::gelu_grad(product, grad)
    }
}

composed_on!(LinearGeluKernel: ndarray);
#[cfg(feature = "flex")]
impl LinearGeluKernel for burn::backend::Flex {}

impl<B: LinearGeluKernel> LinearGelu for B {
    fn linear_gelu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let product = Self::product(&Operands::new(x, weight), bias.clone());
        Self::activate(product, bias)
    }
}

impl<B: LinearGeluKernel, C: CheckpointStrategy> LinearGelu for Autodiff<B, C> {
    fn linear_gelu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let operands = Operands::<B>::new(x.into_primitive(), weight.into_primitive());
        let bias = bias.into_primitive();
        let product = B::product(&operands, bias.clone());
        match LinearGeluBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let output = B::activate(product.clone(), bias.clone());
                prep.finish((operands, product, bias), output)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::activate(product, bias)),
        }
    }
}

#[derive(Debug)]
struct LinearGeluBackward;

impl<B: LinearGeluKernel> Backward<B, 3> for LinearGeluBackward {
    /// Saved for the backward pass: the operands, their product and the bias.
    type State = (Operands<B>, FloatTensor<B>, FloatTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let (operands, product, bias) = ops.state;
        let grad = B::activate_grad(product, bias, grad);
        let parents = ops.parents.map(|parent| parent.map(|parent| parent.id));
        register_gradients(parents, operands, grad, grads);
    }
}
