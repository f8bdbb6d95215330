//! Each operation as a composition of Burn's own: the reference, and the way on backends without a
//! kernel for it.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{DType, FloatDType, Shape, TensorData};

use crate::Dropout;
use crate::dispatch::{AdamW, AttentionInputs, Compute};

const FRAC_1_SQRT_2: f64 = std::f64::consts::FRAC_1_SQRT_2;

fn float_dtype<B: Backend>(x: &FloatTensor<B>) -> FloatDType {
    match x.dtype() {
        DType::F64 => FloatDType::F64,
        DType::F16 => FloatDType::F16,
        DType::BF16 => FloatDType::BF16,
        _ => FloatDType::F32,
    }
}

/// `[..., n]` as a matrix of rows of `n`.
fn as_rows<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let shape = x.shape();
    let n_columns = shape.as_slice().last().copied().unwrap_or(1);
    let n_rows = shape.num_elements() / n_columns.max(1);
    B::float_reshape(x, Shape::new([n_rows, n_columns]))
}

/// The shape of `x` with `last` as its last dimension.
pub(crate) fn with_last_dim(shape: &Shape, last: usize) -> Shape {
    let mut dims = shape.as_slice().to_vec();
    if let Some(dim) = dims.last_mut() {
        *dim = last;
    }
    Shape::from(dims)
}

pub(crate) fn linear<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> FloatTensor<B> {
    let n_outputs = bias.shape().num_elements();
    let shape = with_last_dim(&x.shape(), n_outputs);
    let product = B::float_matmul(as_rows::<B>(x), B::float_transpose(weight));
    let output = B::float_add(product, B::float_reshape(bias, Shape::new([1, n_outputs])));
    B::float_reshape(output, shape)
}

pub(crate) fn linear_grad_input<B: Backend>(
    grad: FloatTensor<B>,
    weight: FloatTensor<B>,
) -> FloatTensor<B> {
    let [_, n_inputs] = weight.shape().dims();
    let shape = with_last_dim(&grad.shape(), n_inputs);
    B::float_reshape(B::float_matmul(as_rows::<B>(grad), weight), shape)
}

pub(crate) fn linear_grad_weight<B: Backend>(
    grad: FloatTensor<B>,
    x: FloatTensor<B>,
) -> FloatTensor<B> {
    B::float_matmul(B::float_transpose(as_rows::<B>(grad)), as_rows::<B>(x))
}

/// Adds up all rows: `[..., n]` to `[n]`.
pub(crate) fn sum_rows<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let rows = as_rows::<B>(x);
    let [_, n_columns] = rows.shape().dims();
    B::float_reshape(B::float_sum_dim(rows, 0), Shape::new([n_columns]))
}

/// `Φ(x)`, the normal distribution function.
fn normal_cdf<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let erf = B::float_erf(B::float_mul_scalar(x, FRAC_1_SQRT_2.into()));
    B::float_mul_scalar(B::float_add_scalar(erf, 1.0.into()), 0.5.into())
}

pub(crate) fn gelu<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(normal_cdf::<B>(x.clone()), x)
}

/// `grad · (Φ(x) + x φ(x))`.
pub(crate) fn gelu_backward<B: Backend>(x: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    let half_square = B::float_mul_scalar(B::float_mul(x.clone(), x.clone()), (-0.5).into());
    let density = B::float_mul_scalar(
        B::float_exp(half_square),
        (1.0 / (2.0 * std::f64::consts::PI).sqrt()).into(),
    );
    let slope = B::float_add(normal_cdf::<B>(x.clone()), B::float_mul(x, density));
    B::float_mul(grad, slope)
}

/// Elements of one block of a mask: the last dimension, or the score matrix of one head.
pub(crate) fn mask_block_len(shape: &Shape) -> usize {
    let dims = shape.as_slice();
    match dims.len() {
        4 => dims[2] * dims[3],
        _ => dims.last().copied().unwrap_or(1),
    }
}

/// Draws the mask on the host.
pub(crate) fn dropout<B: Backend>(x: FloatTensor<B>, dropout: Dropout) -> FloatTensor<B> {
    if dropout.is_off() {
        return x;
    }
    let shape = x.shape();
    let mask = dropout.mask(shape.num_elements(), mask_block_len(&shape));
    let mask = B::float_from_data(TensorData::new(mask, shape), &x.device());
    let mask = B::float_cast(mask, float_dtype::<B>(&x));
    B::float_mul(x, mask)
}

/// The centered rows of `sum`, and the reciprocal of their standard deviation.
fn standardize<B: Backend>(sum: FloatTensor<B>, epsilon: f64) -> (FloatTensor<B>, FloatTensor<B>) {
    let last = sum.shape().num_dims() - 1;
    let mean = B::float_mean_dim(sum.clone(), last);
    let centered = B::float_sub(sum, mean);
    let variance = B::float_mean_dim(B::float_mul(centered.clone(), centered.clone()), last);
    let deviation = B::float_sqrt(B::float_add_scalar(variance, epsilon.into()));
    (centered, B::float_recip(deviation))
}

/// `[hidden]` as `[1, ..., hidden]`.
fn as_row<B: Backend>(vector: FloatTensor<B>, n_dims: usize) -> FloatTensor<B> {
    let mut dims = vec![1; n_dims];
    dims[n_dims - 1] = vector.shape().num_elements();
    B::float_reshape(vector, Shape::from(dims))
}

pub(crate) fn layer_norm<B: Compute>(
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

pub(crate) fn layer_norm_backward<B: Backend>(
    sum: FloatTensor<B>,
    gamma: FloatTensor<B>,
    epsilon: f64,
    grad: FloatTensor<B>,
) -> [FloatTensor<B>; 3] {
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

/// `[batch, seq, n_heads * d]` to `[batch, n_heads, seq, d]`.
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

/// The attention probabilities before dropout, `[batch, n_heads, seq, seq]`, and the scale.
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

pub(crate) fn attention<B: Compute>(inputs: AttentionInputs<B>) -> FloatTensor<B> {
    let query = split_heads::<B>(inputs.query, inputs.n_heads);
    let key = split_heads::<B>(inputs.key, inputs.n_heads);
    let value = split_heads::<B>(inputs.value, inputs.n_heads);
    let (probs, _) = probabilities::<B>(query, key, inputs.bias);
    merge_heads::<B>(B::float_matmul(B::drop_out(probs, inputs.dropout), value))
}

pub(crate) fn attention_backward<B: Compute>(
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

pub(crate) fn sum_of_squares<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_sum(B::float_mul(x.clone(), x))
}

pub(crate) fn adamw<B: Backend>(
    param: FloatTensor<B>,
    grad: FloatTensor<B>,
    moment_1: FloatTensor<B>,
    moment_2: FloatTensor<B>,
    config: AdamW,
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
            // A product with one or zero is exact.
            B::float_add(B::float_mul(after, learns.clone()), B::float_mul(before, stays.clone()))
        })
    };
    (param, moment_1, moment_2)
}

/// One for every element of a row of `width` elements with any that is not zero, zero for others.
fn rows_with_any<B: Backend>(x: FloatTensor<B>, width: usize) -> FloatTensor<B> {
    let shape = x.shape();
    let n_rows = shape.num_elements() / width;
    let rows = B::float_reshape(B::float_abs(x), Shape::new([n_rows, width]));
    let any = B::float_sign(B::float_sum_dim(rows, 1));
    B::float_reshape(B::float_expand(any, Shape::new([n_rows, width])), shape)
}
