//! Linear layer on the CPU: matrix products with the weight, the bias added in the same pass.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{LinearKernel, composed, composed_grad_input, composed_grad_weight};
use crate::flex::gemm::multiply;
use crate::flex::matrix::{Matrix, Product};
use crate::flex::{Dense, from_values, is_f32};
use crate::shapes::with_last_dim;

impl LinearKernel for Flex {
    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        if !is_f32(&x) {
            return composed::<Self>(x, weight, bias);
        }
        forward(x, weight, bias)
    }

    fn linear_grad_input(grad: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        if !is_f32(&grad) {
            return composed_grad_input::<Self>(grad, weight);
        }
        grad_input(grad, weight)
    }

    fn linear_grad_weight(grad: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !is_f32(&grad) {
            return composed_grad_weight::<Self>(grad, x);
        }
        grad_weight(grad, x)
    }
}

const PARALLEL: Product = Product { scale: 1.0, accumulate: false, parallel: true };

/// View of a tensor as a matrix with contiguous rows of `n_columns` elements.
fn matrix(tensor: &Dense, n_columns: usize) -> Matrix<'_> {
    let values = tensor.values();
    Matrix::new(values, values.len() / n_columns.max(1), n_columns, n_columns)
}

fn forward(x: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> FlexTensor {
    let [n_outputs, n_inputs] = weight.shape().dims();
    let shape = with_last_dim(&x.shape(), n_outputs);
    let (x, weight, bias) = (Dense::new(x), Dense::new(weight), Dense::new(bias));
    let mut out = vec![0.0; shape.num_elements()];
    out.par_chunks_mut((64 * n_outputs).max(1)).for_each(|rows| {
        for row in rows.chunks_mut(n_outputs) {
            row.copy_from_slice(bias.values());
        }
    });
    multiply(
        &mut out,
        n_outputs,
        matrix(&x, n_inputs),
        matrix(&weight, n_inputs).transposed(),
        Product { accumulate: true, ..PARALLEL },
    );
    from_values(out, shape)
}

fn grad_input(grad: FlexTensor, weight: FlexTensor) -> FlexTensor {
    let [n_outputs, n_inputs] = weight.shape().dims();
    let shape = with_last_dim(&grad.shape(), n_inputs);
    let (grad, weight) = (Dense::new(grad), Dense::new(weight));
    let mut out = vec![0.0; shape.num_elements()];
    let (grad, weight) = (matrix(&grad, n_outputs), matrix(&weight, n_inputs));
    multiply(&mut out, n_inputs, grad, weight, PARALLEL);
    from_values(out, shape)
}

fn grad_weight(grad: FlexTensor, x: FlexTensor) -> FlexTensor {
    let last = |t: &FlexTensor| t.shape().as_slice().last().copied().unwrap_or(1);
    let (n_outputs, n_inputs) = (last(&grad), last(&x));
    let (grad, x) = (Dense::new(grad), Dense::new(x));
    let mut out = vec![0.0; n_outputs * n_inputs];
    let (grad, x) = (matrix(&grad, n_outputs).transposed(), matrix(&x, n_inputs));
    multiply(&mut out, n_inputs, grad, x, PARALLEL);
    from_values(out, [n_outputs, n_inputs].into())
}
