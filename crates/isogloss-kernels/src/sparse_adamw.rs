//! AdamW step for an embedding matrix with a sparse gradient, that of some of its rows.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
#[cfg(feature = "flex")]
mod flex;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, TensorMetadata};
use burn::tensor::{IndexingUpdateOp, Int, Shape, Tensor};

use crate::adamw::AdamWStep;
use crate::adamw::composed as dense_step;
use crate::backends::{composed_on, on_every_backend};

/// An embedding matrix with the gradient of some of its rows, and its two moments.
#[derive(Clone, Debug)]
pub struct SparseAdamWParam {
    /// Values of the matrix, flattened, `[vocab * hidden]`.
    pub values: Tensor<1>,
    /// Gradient of the rows that have one, `[n, hidden]`.
    pub gradient: Tensor<2>,
    /// These rows, each once and ascending, `[n]`.
    pub rows: Tensor<1, Int>,
    /// First moment, flattened: the running mean of the gradient.
    pub moment_1: Tensor<1>,
    /// Second moment, flattened: the running mean of the squared gradient.
    pub moment_2: Tensor<1>,
}

/// AdamW step for an embedding matrix with a sparse gradient, in place where its tensors have no
/// other owner.
///
/// It is the step of [`adamw`](crate::adamw) with a gradient of zero in all other rows, which is
/// never made. A lazy step, see [`AdamWStep::lazy_row`], does not touch those rows; its row must be
/// that of the matrix.
///
/// Returns the values and the two moments. The gradient is multiplied by the factor in `clip`, the
/// result of [`clip_by_global_norm`](crate::clip_by_global_norm); if the norm is not finite,
/// nothing changes.
///
/// # Shapes
/// - `clip`: `[2]`
///
/// # Source
/// That of [`adamw`](crate::adamw); lazy steps are those of TensorFlow's `LazyAdam` and PyTorch's
/// `SparseAdam`.
pub fn sparse_adamw(param: SparseAdamWParam, clip: Tensor<1>, config: AdamWStep) -> [Tensor<1>; 3] {
    let SparseAdamWParam { values, gradient, rows, moment_1, moment_2 } = param;
    let (values, moment_1, moment_2) = <Dispatch as SparseAdamW>::sparse_adamw(
        values.into_dispatch(),
        gradient.into_dispatch(),
        rows.into_dispatch(),
        moment_1.into_dispatch(),
        moment_2.into_dispatch(),
        clip.into_dispatch(),
        config,
    );
    [values, moment_1, moment_2].map(Tensor::from_dispatch)
}

on_every_backend! {
    outside_graphs

    /// AdamW step with a sparse gradient on every backend; the default composes Burn's operations,
    /// with a dense gradient.
    pub(crate) trait SparseAdamW: Backend {
        fn sparse_adamw(
            values: FloatTensor<Self>,
            gradient: FloatTensor<Self>,
            rows: IntTensor<Self>,
            moment_1: FloatTensor<Self>,
            moment_2: FloatTensor<Self>,
            clip: FloatTensor<Self>,
            config: AdamWStep,
        ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
            let param = Param { values, gradient, rows, moment_1, moment_2 };
            composed::<Self>(param, clip, config)
        }
    }
}

composed_on!(SparseAdamW: ndarray);

/// The matrix, its sparse gradient and its moments.
pub(crate) struct Param<B: Backend> {
    pub(crate) values: FloatTensor<B>,
    pub(crate) gradient: FloatTensor<B>,
    pub(crate) rows: IntTensor<B>,
    pub(crate) moment_1: FloatTensor<B>,
    pub(crate) moment_2: FloatTensor<B>,
}

/// Values and moments after a step.
pub(crate) type Stepped<B> = (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>);

fn composed<B: Backend>(param: Param<B>, clip: FloatTensor<B>, config: AdamWStep) -> Stepped<B> {
    let Param { values, gradient, rows, moment_1, moment_2 } = param;
    let ([_, width], device) = (gradient.shape().dims(), gradient.device());
    let n = values.shape().num_elements();
    let dense = B::float_zeros(Shape::new([n / width, width]), &device, gradient.dtype().into());
    let dense = B::float_select_assign(dense, 0, rows, gradient, IndexingUpdateOp::Add);
    let dense = B::float_reshape(dense, Shape::new([n]));
    let [values, moment_1, moment_2] =
        dense_step::<B>([values, dense, moment_1, moment_2], clip, config);
    (values, moment_1, moment_2)
}
