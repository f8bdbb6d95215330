//! AdamW optimizer step (Loshchilov & Hutter 2019) for many parameters at once.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::backend::tensor::{BoolTensor, FloatTensor};
use burn::backend::{Backend, TensorMetadata, get_device_settings};
use burn::tensor::{Shape, Slice, Tensor};

use crate::backends::{composed_on, on_backend_of};

/// Hyperparameters of one AdamW step, the same for some parameters.
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
    /// Number of this step for these parameters, from 1.
    pub step: u64,
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

/// A parameter, its gradient and its two moments, each flattened to one dimension, `[n]`.
#[derive(Clone, Debug)]
pub struct AdamWParam {
    /// Values of the parameter.
    pub values: Tensor<1>,
    /// Gradient of the parameter.
    pub gradient: Tensor<1>,
    /// First moment: the running mean of the gradient.
    pub moment_1: Tensor<1>,
    /// Second moment: the running mean of the squared gradient.
    pub moment_2: Tensor<1>,
}

/// AdamW step for some parameters, in place where the tensors have no other owner.
///
/// Returns the values of each parameter and its two moments. The gradients are multiplied by the
/// factor in `clip`, the result of [`clip_by_global_norm`](crate::clip_by_global_norm); if the norm
/// is not finite, nothing changes.
///
/// # Shapes
/// - `clip`: `[2]`
///
/// # Source
/// Loshchilov & Hutter 2019, arXiv:1711.05101, alg. 2, with PyTorch's order of operations: decay
/// first, then `lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)`.
pub fn adamw(params: Vec<AdamWParam>, clip: Tensor<1>, config: AdamWStep) -> Vec<[Tensor<1>; 3]> {
    if params.is_empty() {
        return Vec::new();
    }
    let mut lists: [Vec<_>; 5] = std::array::from_fn(|_| Vec::new());
    for param in params {
        let AdamWParam { values, gradient, moment_1, moment_2 } = param;
        for (list, tensor) in lists.iter_mut().zip([values, gradient, moment_1, moment_2]) {
            list.push(tensor.into_dispatch());
        }
    }
    lists[4].push(clip.into_dispatch());
    let [values, moments_1, moments_2] = on_backend_of!(lists, B => {
        let [values, gradients, moments_1, moments_2, clip] = lists;
        let clip = clip.into_iter().next().expect("one tensor");
        B::adamw(Params { values, gradients, moments_1, moments_2 }, clip, config)
    });
    let moments = moments_1.into_iter().zip(moments_2);
    let all = values
        .into_iter()
        .zip(moments)
        .map(|(values, (first, second))| [values, first, second].map(Tensor::from_dispatch));
    all.collect()
}

/// Parameters with their gradients and moments.
pub(crate) struct Params<B: Backend> {
    pub(crate) values: Vec<FloatTensor<B>>,
    pub(crate) gradients: Vec<FloatTensor<B>>,
    pub(crate) moments_1: Vec<FloatTensor<B>>,
    pub(crate) moments_2: Vec<FloatTensor<B>>,
}

/// Values and moments of parameters after a step.
type Stepped<B> = [Vec<FloatTensor<B>>; 3];

/// AdamW step on a backend; the default composes Burn's operations.
pub(crate) trait AdamWKernel: Backend {
    fn adamw(params: Params<Self>, clip: FloatTensor<Self>, config: AdamWStep) -> Stepped<Self> {
        params.one_by_one(|param| composed::<Self>(param, clip.clone(), config))
    }
}

composed_on!(AdamWKernel: ndarray);

/// One parameter: its values, gradient and two moments.
pub(crate) type Param<B> = [FloatTensor<B>; 4];

impl<B: Backend> Params<B> {
    /// Takes the step of each parameter alone.
    fn one_by_one(self, mut step: impl FnMut(Param<B>) -> [FloatTensor<B>; 3]) -> Stepped<B> {
        let moments = self.moments_1.into_iter().zip(self.moments_2);
        let params = self.values.into_iter().zip(self.gradients).zip(moments);
        let mut after: Stepped<B> = std::array::from_fn(|_| Vec::new());
        for ((values, gradient), (moment_1, moment_2)) in params {
            let stepped = step([values, gradient, moment_1, moment_2]);
            for (list, tensor) in after.iter_mut().zip(stepped) {
                list.push(tensor);
            }
        }
        after
    }
}

pub(crate) fn composed<B: Backend>(
    [param, grad, moment_1, moment_2]: Param<B>,
    clip: FloatTensor<B>,
    config: AdamWStep,
) -> [FloatTensor<B>; 3] {
    let factors = config.factors();
    let before = [param.clone(), moment_1.clone(), moment_2.clone()];
    let factor = B::float_slice(clip, &[Slice::from(1..2)]);
    let stays = stays::<B>(grad.clone(), factor.clone(), config.lazy_row);
    let grad = B::float_mul(grad, factor);
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
    let mut before = before.into_iter();
    [param, moment_1, moment_2].map(|after| {
        let before = before.next().expect("three before, three after");
        B::float_mask_where(after, stays.clone(), before)
    })
}

/// Mask of the elements that stay as they are: all if the clip factor is negative, and those in
/// rows of `lazy_row` elements whose gradient is zero.
fn stays<B: Backend>(
    grad: FloatTensor<B>,
    factor: FloatTensor<B>,
    lazy_row: Option<usize>,
) -> BoolTensor<B> {
    let (shape, dtype) = (grad.shape(), get_device_settings::<B>(&grad.device()).bool_dtype);
    let all = B::bool_expand(B::float_lower_elem(factor, 0.0.into(), dtype), shape.clone());
    let Some(width) = lazy_row else { return all };
    let n_rows = shape.num_elements() / width;
    let rows = B::float_reshape(B::float_abs(grad), Shape::new([n_rows, width]));
    let is_zero = B::float_equal_elem(B::float_sum_dim(rows, 1), 0.0.into(), dtype);
    let is_zero = B::bool_expand(is_zero, Shape::new([n_rows, width]));
    B::bool_or(all, B::bool_reshape(is_zero, shape))
}
