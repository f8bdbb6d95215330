//! AdamW optimizer step (Loshchilov & Hutter 2019) for one parameter.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
#[cfg(feature = "flex")]
mod flex;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata};
use burn::tensor::{Shape, Tensor};

use crate::backends::{composed_on, on_every_backend};

/// Hyperparameters of one AdamW step for one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay rate of the first moment, β₁.
    pub beta_1: f64,
    /// Decay rate of the second moment, β₂.
    pub beta_2: f64,
    /// ε, added to the square root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay, multiplied by the learning rate.
    pub weight_decay: f64,
    /// Number of this step for this parameter, from 1.
    pub step: u64,
    /// Factor of the gradient, for gradient clipping by the global norm.
    pub grad_scale: f64,
    /// Lazy update, as for sparse embedding gradients: skips rows of this many elements, and their
    /// moments, where the whole gradient is zero; `None` updates all elements. It must divide the
    /// number of elements.
    pub lazy_row: Option<usize>,
}

/// Factors of an AdamW step that are the same for all elements.
pub(crate) struct AdamWFactors {
    pub(crate) keep: f64,
    pub(crate) step_size: f64,
    pub(crate) root_correction: f64,
}

impl AdamWStep {
    pub(crate) fn factors(&self) -> AdamWFactors {
        let step = self.step as f64;
        AdamWFactors {
            keep: 1.0 - self.learning_rate * self.weight_decay,
            step_size: self.learning_rate / (1.0 - self.beta_1.powf(step)),
            root_correction: (1.0 - self.beta_2.powf(step)).sqrt(),
        }
    }
}

/// AdamW step for one parameter, in place where the tensors have no other owner.
///
/// Returns the parameter and its two moments.
///
/// # Shapes
/// - all tensors: the shape of the parameter
///
/// # Source
/// Loshchilov & Hutter 2019, arXiv:1711.05101, alg. 2, with PyTorch's order of operations: decay
/// first, then `lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)`.
pub fn adamw<const D: usize>(
    param: Tensor<D>,
    grad: Tensor<D>,
    moment_1: Tensor<D>,
    moment_2: Tensor<D>,
    config: AdamWStep,
) -> [Tensor<D>; 3] {
    let (param, moment_1, moment_2) = <Dispatch as AdamWKernel>::adamw(
        param.into_dispatch(),
        grad.into_dispatch(),
        moment_1.into_dispatch(),
        moment_2.into_dispatch(),
        config,
    );
    [param, moment_1, moment_2].map(Tensor::from_dispatch)
}

on_every_backend! {
    outside_graphs

    /// AdamW step on every backend; the default composes Burn's operations.
    pub(crate) trait AdamWKernel: Backend {
        fn adamw(
            param: FloatTensor<Self>,
            grad: FloatTensor<Self>,
            moment_1: FloatTensor<Self>,
            moment_2: FloatTensor<Self>,
            config: AdamWStep,
        ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
            composed::<Self>(param, grad, moment_1, moment_2, config)
        }
    }
}

composed_on!(AdamWKernel: ndarray);

fn composed<B: Backend>(
    param: FloatTensor<B>,
    grad: FloatTensor<B>,
    moment_1: FloatTensor<B>,
    moment_2: FloatTensor<B>,
    config: AdamWStep,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let factors = config.factors();
    let before = [param.clone(), moment_1.clone(), moment_2.clone()];
    let learns = config.lazy_row.map(|width| rows_with_any::<B>(grad.clone(), width));
    let grad = B::float_mul_scalar(grad, config.grad_scale.into());
    let square = B::float_mul(grad.clone(), grad.clone());
    let moment_1 = B::float_add(
        B::float_mul_scalar(moment_1, config.beta_1.into()),
        B::float_mul_scalar(grad, (1.0 - config.beta_1).into()),
    );
    let moment_2 = B::float_add(
        B::float_mul_scalar(moment_2, config.beta_2.into()),
        B::float_mul_scalar(square, (1.0 - config.beta_2).into()),
    );
    let root = B::float_div_scalar(B::float_sqrt(moment_2.clone()), factors.root_correction.into());
    let direction =
        B::float_div(moment_1.clone(), B::float_add_scalar(root, config.epsilon.into()));
    let param = B::float_sub(
        B::float_mul_scalar(param, factors.keep.into()),
        B::float_mul_scalar(direction, factors.step_size.into()),
    );
    let Some(learns) = learns else { return (param, moment_1, moment_2) };
    let stays = B::float_add_scalar(B::float_neg(learns.clone()), 1.0.into());
    let [param, moment_1, moment_2] = {
        let mut before = before.into_iter();
        [param, moment_1, moment_2].map(|after| {
            let before = before.next().expect("three before, three after");
            // `learns` is exactly one or zero, so the sum selects one of the two without rounding.
            B::float_add(B::float_mul(after, learns.clone()), B::float_mul(before, stays.clone()))
        })
    };
    (param, moment_1, moment_2)
}

/// Mask of nonzero rows: one for the elements of each row of `width` elements that has a nonzero
/// element, zero for all others.
fn rows_with_any<B: Backend>(x: FloatTensor<B>, width: usize) -> FloatTensor<B> {
    let shape = x.shape();
    let n_rows = shape.num_elements() / width;
    let rows = B::float_reshape(B::float_abs(x), Shape::new([n_rows, width]));
    let any = B::float_sign(B::float_sum_dim(rows, 1));
    B::float_reshape(B::float_expand(any, Shape::new([n_rows, width])), shape)
}
