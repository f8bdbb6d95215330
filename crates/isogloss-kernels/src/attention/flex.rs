//! Fused attention on the CPU, one head of one sentence at a time, so that its scores stay in the
//! processor's cache.
//!
//! Threads work on different sentences. The forward pass stores one number per query for the
//! backward pass: the log-sum-exp of its scores, the softmax normalizer.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Shape;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{AttentionInputs, AttentionKernel, Saved, composed, composed_backward};
use crate::flex::gemm::multiply;
use crate::flex::matrix::{Matrix, Product};
use crate::flex::simd::{exp, max, sum, sum_pairs, vectorized};
use crate::flex::{Dense, from_values, is_f32};
use crate::mask::Dropout;

impl AttentionKernel for Flex {
    fn attention_forward(inputs: AttentionInputs<Self>) -> Saved<Self> {
        if !is_f32(&inputs.query) {
            return Saved { context: composed::<Self>(inputs), log_sum_exp: None };
        }
        let (context, log_sum_exp) = forward(inputs);
        Saved { context, log_sum_exp: Some(log_sum_exp) }
    }

    fn attention_backward(
        inputs: AttentionInputs<Self>,
        saved: Saved<Self>,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        match saved.log_sum_exp {
            Some(log_sum_exp) => backward(inputs, log_sum_exp, grad),
            None => composed_backward::<Self>(inputs, grad),
        }
    }
}

const PLAIN: Product = Product { scale: 1.0, accumulate: false, parallel: false };

/// Sizes of one call: sequence length, number of heads, width of a head and hidden size.
#[derive(Clone, Copy)]
struct Layout {
    seq: usize,
    n_heads: usize,
    width: usize,
    hidden: usize,
}

impl Layout {
    /// The slice of head `head` in one sentence, `[seq, width]`.
    fn head(self, sentence: &[f32], head: usize) -> Matrix<'_> {
        Matrix::new(&sentence[head * self.width..], self.seq, self.width, self.hidden)
    }

    fn scores(self, values: &[f32]) -> Matrix<'_> {
        Matrix::new(values, self.seq, self.seq, self.seq)
    }

    fn scaled(self) -> Product {
        Product::scaled(1.0 / (self.width as f32).sqrt())
    }
}

/// The attention inputs as contiguous tensors.
struct Operands {
    query: Dense,
    key: Dense,
    value: Dense,
    bias: Dense,
    batch: usize,
    layout: Layout,
    dropout: Dropout,
}

impl Operands {
    fn new(inputs: AttentionInputs<Flex>) -> Self {
        let [batch, seq, hidden] = inputs.query.shape().dims();
        let n_heads = inputs.n_heads;
        Self {
            query: Dense::new(inputs.query),
            key: Dense::new(inputs.key),
            value: Dense::new(inputs.value),
            bias: Dense::new(inputs.bias),
            batch,
            layout: Layout { seq, n_heads, width: hidden / n_heads, hidden },
            dropout: inputs.dropout,
        }
    }

    fn sentence<'a>(&self, values: &'a Dense, index: usize) -> &'a [f32] {
        let len = self.layout.seq * self.layout.hidden;
        &values.values()[index * len..(index + 1) * len]
    }

    fn bias(&self, index: usize) -> &[f32] {
        &self.bias.values()[index * self.layout.seq..(index + 1) * self.layout.seq]
    }
}

fn forward(inputs: AttentionInputs<Flex>) -> (FlexTensor, FlexTensor) {
    let operands = Operands::new(inputs);
    let layout @ Layout { seq, n_heads, hidden, .. } = operands.layout;
    let mut context = vec![0.0; operands.batch * seq * hidden];
    let mut normalizers = vec![0.0; operands.batch * n_heads * seq];
    context
        .par_chunks_mut((seq * hidden).max(1))
        .zip(normalizers.par_chunks_mut((n_heads * seq).max(1)))
        .enumerate()
        .for_each_init(
            || vec![0.0; seq * seq],
            |scores, (index, (context, normalizers))| {
                let query = operands.sentence(&operands.query, index);
                let key = operands.sentence(&operands.key, index);
                let value = operands.sentence(&operands.value, index);
                let bias = operands.bias(index);
                for head in 0..n_heads {
                    let keys = layout.head(key, head).transposed();
                    multiply(scores, seq, layout.head(query, head), keys, layout.scaled());
                    let normalizers = &mut normalizers[head * seq..(head + 1) * seq];
                    vectorized(|| {
                        for (row, normalizer) in scores.chunks_mut(seq).zip(normalizers) {
                            *normalizer = softmax(row, bias);
                        }
                        if !operands.dropout.is_off() {
                            operands.dropout.apply(scores, (index * n_heads + head) as u64);
                        }
                    });
                    let context = &mut context[head * layout.width..];
                    multiply(
                        context,
                        hidden,
                        layout.scores(scores),
                        layout.head(value, head),
                        PLAIN,
                    );
                }
            },
        );
    (
        from_values(context, Shape::new([operands.batch, seq, hidden])),
        from_values(normalizers, Shape::new([operands.batch, n_heads, seq])),
    )
}

/// Softmax of `row + bias` in place; returns the log-sum-exp, the logarithm of the normalizer.
#[inline(always)]
fn softmax(row: &mut [f32], bias: &[f32]) -> f32 {
    for (score, bias) in row.iter_mut().zip(bias) {
        *score += bias;
    }
    let highest = max(row);
    for score in row.iter_mut() {
        *score = exp(*score - highest);
    }
    let total = sum(row);
    let reciprocal = 1.0 / total;
    for score in row.iter_mut() {
        *score *= reciprocal;
    }
    highest + total.ln()
}

fn backward(
    inputs: AttentionInputs<Flex>,
    normalizers: FlexTensor,
    grad: FlexTensor,
) -> [FlexTensor; 3] {
    let operands = Operands::new(inputs);
    let layout @ Layout { seq, n_heads, hidden, .. } = operands.layout;
    let (normalizers, grad) = (Dense::new(normalizers), Dense::new(grad));
    let len = operands.batch * seq * hidden;
    let mut grads = [vec![0.0; len], vec![0.0; len], vec![0.0; len]];
    let [grad_query, grad_key, grad_value] = &mut grads;
    let sentence_len = (seq * hidden).max(1);
    grad_query
        .par_chunks_mut(sentence_len)
        .zip(grad_key.par_chunks_mut(sentence_len))
        .zip(grad_value.par_chunks_mut(sentence_len))
        .enumerate()
        .for_each_init(
            || (vec![0.0; seq * seq], vec![0.0; seq * seq]),
            |(probs, scratch), (index, ((grad_query, grad_key), grad_value))| {
                let query = operands.sentence(&operands.query, index);
                let key = operands.sentence(&operands.key, index);
                let value = operands.sentence(&operands.value, index);
                let grad = operands.sentence(&grad, index);
                let bias = operands.bias(index);
                for head in 0..n_heads {
                    let offset = head * layout.width;
                    let block = (index * n_heads + head) as u64;
                    let normalizers = &normalizers.values()[block as usize * seq..][..seq];
                    let grads = layout.head(grad, head);

                    let keys = layout.head(key, head);
                    multiply(
                        probs,
                        seq,
                        layout.head(query, head),
                        keys.transposed(),
                        layout.scaled(),
                    );
                    vectorized(|| {
                        for (row, normalizer) in probs.chunks_mut(seq).zip(normalizers) {
                            for (score, bias) in row.iter_mut().zip(bias) {
                                *score = exp(*score + bias - normalizer);
                            }
                        }
                        scratch.copy_from_slice(probs);
                        if !operands.dropout.is_off() {
                            operands.dropout.apply(scratch, block);
                        }
                    });
                    let dropped = layout.scores(scratch).transposed();
                    multiply(&mut grad_value[offset..], hidden, dropped, grads, PLAIN);

                    let values = layout.head(value, head).transposed();
                    multiply(scratch, seq, grads, values, PLAIN);
                    vectorized(|| {
                        if !operands.dropout.is_off() {
                            operands.dropout.apply(scratch, block);
                        }
                        for (grad, probs) in scratch.chunks_mut(seq).zip(probs.chunks(seq)) {
                            let total = sum_pairs(grad, probs, |a, b| a * b);
                            for (grad, prob) in grad.iter_mut().zip(probs) {
                                *grad = prob * (*grad - total);
                            }
                        }
                    });
                    let scores = layout.scores(scratch);
                    let queries = layout.head(query, head);
                    multiply(&mut grad_query[offset..], hidden, scores, keys, layout.scaled());
                    let scores = scores.transposed();
                    multiply(&mut grad_key[offset..], hidden, scores, queries, layout.scaled());
                }
            },
        );
    grads.map(|grad| from_values(grad, Shape::new([operands.batch, seq, hidden])))
}
