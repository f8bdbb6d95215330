//! Fused attention on GPUs: one CubeCL kernel forward and two backward, so that no buffer of
//! `batch × heads × seq²` exists.
//!
//! One unit, or a few that share the width of a head, works on one row: it holds the row in
//! registers, walks over tiles of the other rows in shared memory, and keeps a running softmax.
//! The forward pass stores one number per query, the log-sum-exp of its scores.
//!
//! # Source
//! FlashAttention: Dao et al. 2022, arXiv:2205.14135, alg. 1 and 4; the split into a kernel over
//! queries and one over keys as Dao 2023, arXiv:2307.08691, §3.2.

mod backward;
mod forward;
mod tile;

use burn::backend::TensorMetadata as _;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Shape;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use self::backward::{key_value_gradients, query_gradients};
use self::forward::attend;
use self::tile::Tiling;
use super::{AttentionInputs, AttentionKernel, Saved, composed, composed_backward};
use crate::cube::{is_f32, new_tensor};

impl AttentionKernel for CubeBackend {
    fn attention_forward(inputs: AttentionInputs<Self>) -> Saved<Self> {
        match Call::new(&inputs, FORWARD_BUFFERS) {
            Some(call) => call.forward(inputs),
            None => Saved { context: composed::<Self>(inputs), log_sum_exp: None },
        }
    }

    fn attention_backward(
        inputs: AttentionInputs<Self>,
        saved: Saved<Self>,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        match (Call::new(&inputs, BACKWARD_BUFFERS), saved.log_sum_exp) {
            (Some(call), Some(log_sum_exp)) => {
                call.backward(inputs, saved.context, log_sum_exp, grad)
            }
            _ => composed_backward::<Self>(inputs, grad),
        }
    }
}

/// Buffers that the forward kernel binds; with that of its sizes, these are fewer than the 8 that
/// WebGPU guarantees.
const FORWARD_BUFFERS: u32 = 6;

/// Buffers that each backward kernel binds.
const BACKWARD_BUFFERS: u32 = 9;

/// Whether the device of a tensor allows kernels of this size that bind so many buffers.
fn allows(x: &CubeTensor, tiling: Tiling, n_buffers: u32) -> bool {
    let hardware = &x.client.properties().hardware;
    hardware.max_bindings >= n_buffers
        && tiling.n_units() <= hardware.max_units_per_cube as usize
        && tiling.shared_bytes() <= hardware.max_shared_memory_size
}

/// Whether the kernels take heads of this width on the device of a tensor, in sequences of any
/// length.
pub(crate) fn takes(x: &CubeTensor, width: usize, is_training: bool) -> bool {
    let n_buffers = if is_training { BACKWARD_BUFFERS } else { FORWARD_BUFFERS };
    // A long sequence has the most units.
    let tiling = Tiling::new(width, usize::MAX, is_training);
    tiling.is_some_and(|tiling| allows(x, tiling, n_buffers))
}

/// Sizes and launch settings of one call.
struct Call {
    batch: usize,
    seq: usize,
    n_heads: usize,
    scale: f32,
    tiling: Tiling,
}

impl Call {
    /// Settings for these inputs; `None` if kernels that bind so many buffers cannot take them.
    fn new(inputs: &AttentionInputs<CubeBackend>, n_buffers: u32) -> Option<Self> {
        let tensors = [&inputs.query, &inputs.key, &inputs.value, &inputs.bias];
        let [batch, seq, hidden] = inputs.query.shape().dims();
        let width = hidden / inputs.n_heads;
        let tiling = Tiling::new(width, seq, !inputs.dropout.is_off())?;
        let fits = allows(&inputs.query, tiling, n_buffers)
            && tensors.iter().all(|tensor| is_f32(tensor))
            && batch * seq > 0;
        fits.then(|| Self {
            batch,
            seq,
            n_heads: inputs.n_heads,
            scale: 1.0 / (width as f32).sqrt(),
            tiling,
        })
    }

    fn cube_count(&self) -> CubeCount {
        let n_tiles = self.seq.div_ceil(self.tiling.n_rows);
        CubeCount::Static(n_tiles as u32, self.n_heads as u32, self.batch as u32)
    }

    fn cube_dim(&self) -> CubeDim {
        CubeDim::new_1d(self.tiling.n_units() as u32)
    }

    fn forward(&self, inputs: AttentionInputs<CubeBackend>) -> Saved<CubeBackend> {
        let [query, key, value, bias] = contiguous(&inputs);
        let context = new_tensor(&query, query.shape());
        let log_sum_exp = new_tensor(&query, Shape::new([self.batch, self.n_heads, self.seq]));
        let client = query.client.clone();
        attend::launch(
            &client,
            self.cube_count(),
            self.cube_dim(),
            query.into_buffer_arg(),
            key.into_buffer_arg(),
            value.into_buffer_arg(),
            bias.into_buffer_arg(),
            context.clone().into_buffer_arg(),
            log_sum_exp.clone().into_buffer_arg(),
            self.seq as u32,
            self.scale,
            inputs.dropout.into(),
            self.tiling,
        );
        Saved { context, log_sum_exp: Some(log_sum_exp) }
    }

    fn backward(
        &self,
        inputs: AttentionInputs<CubeBackend>,
        context: CubeTensor,
        log_sum_exp: CubeTensor,
        grad: CubeTensor,
    ) -> [CubeTensor; 3] {
        let [query, key, value, bias] = contiguous(&inputs);
        let (grad, client) = (into_contiguous(grad), query.client.clone());
        let [grad_query, grad_key, grad_value] =
            std::array::from_fn(|_| new_tensor(&query, query.shape()));
        let projection = new_tensor(&query, log_sum_exp.shape());
        query_gradients::launch(
            &client,
            self.cube_count(),
            self.cube_dim(),
            query.clone().into_buffer_arg(),
            key.clone().into_buffer_arg(),
            value.clone().into_buffer_arg(),
            bias.clone().into_buffer_arg(),
            context.into_buffer_arg(),
            log_sum_exp.clone().into_buffer_arg(),
            grad.clone().into_buffer_arg(),
            grad_query.clone().into_buffer_arg(),
            projection.clone().into_buffer_arg(),
            self.seq as u32,
            self.scale,
            inputs.dropout.into(),
            self.tiling,
        );
        key_value_gradients::launch(
            &client,
            self.cube_count(),
            self.cube_dim(),
            query.into_buffer_arg(),
            key.into_buffer_arg(),
            value.into_buffer_arg(),
            bias.into_buffer_arg(),
            log_sum_exp.into_buffer_arg(),
            projection.into_buffer_arg(),
            grad.into_buffer_arg(),
            grad_key.clone().into_buffer_arg(),
            grad_value.clone().into_buffer_arg(),
            self.seq as u32,
            self.scale,
            inputs.dropout.into(),
            self.tiling,
        );
        [grad_query, grad_key, grad_value]
    }
}

/// Query, key, value and attention bias as contiguous tensors.
fn contiguous(inputs: &AttentionInputs<CubeBackend>) -> [CubeTensor; 4] {
    [&inputs.query, &inputs.key, &inputs.value, &inputs.bias].map(|x| into_contiguous(x.clone()))
}
