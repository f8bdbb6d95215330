//! GELU activation: the Gaussian error linear unit (Hendrycks & Gimpel 2016).

#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(crate) mod cube;
#[cfg(feature = "flex")]
mod flex;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch};
use burn::tensor::Tensor;

use crate::backends::{composed_on, on_every_backend};

const FRAC_1_SQRT_2: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// GELU activation, the exact Gaussian error linear unit: `x Φ(x)`.
///
/// # Shapes
/// - `x`, returns: any
///
/// # Source
/// Hendrycks & Gimpel 2016, arXiv:1606.08415, §2. Not the tanh approximation.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Gelu>::gelu(x.into_dispatch()))
}

on_every_backend! {
    differentiable

    /// GELU on every backend, with its gradient on autodiff backends.
    trait Gelu: Backend {
        fn gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;
    }
}

/// Forward and backward pass of GELU on a backend without autodiff; the defaults compose Burn's
/// operations, a backend with a fused kernel overrides them.
pub(crate) trait GeluKernel: Backend {
    fn gelu_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::<Self>(x)
    }

    fn gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        composed_backward::<Self>(x, grad)
    }
}

composed_on!(GeluKernel: ndarray);

/// Cumulative distribution function of the standard normal distribution, `Φ(x)`.
fn normal_cdf<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let erf = B::float_erf(B::float_mul_scalar(x, FRAC_1_SQRT_2.into()));
    B::float_mul_scalar(B::float_add_scalar(erf, 1.0.into()), 0.5.into())
}

fn composed<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(normal_cdf::<B>(x.clone()), x)
}

/// Gradient of GELU: `grad · (Φ(x) + x φ(x))`.
fn composed_backward<B: Backend>(x: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    let half_square = B::float_mul_scalar(B::float_mul(x.clone(), x.clone()), (-0.5).into());
    let density = B::float_mul_scalar(
        B::float_exp(half_square),
        (1.0 / (2.0 * std::f64::consts::PI).sqrt()).into(),
    );
    let slope = B::float_add(normal_cdf::<B>(x.clone()), B::float_mul(x, density));
    B::float_mul(grad, slope)
}

impl<B: GeluKernel> Gelu for B {
    fn gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::gelu_forward(x)
    }
}

impl<B: GeluKernel, C: CheckpointStrategy> Gelu for Autodiff<B, C> {
    fn gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match GeluBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let x = x.into_primitive();
                prep.finish(x.clone(), B::gelu_forward(x))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::gelu_forward(x.into_primitive())),
        }
    }
}

#[derive(Debug)]
struct GeluBackward;

impl<B: GeluKernel> Backward<B, 1> for GeluBackward {
    type State = FloatTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        if let [Some(parent)] = ops.parents {
            grads.register::<B>(parent.id, B::gelu_grad(ops.state, grad));
        }
    }
}
