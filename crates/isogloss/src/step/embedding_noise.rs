//! Embedding noise (R3F, Aghajanyan et al. 2021): random noise on token embeddings.

use burn::tensor::{Tensor, TensorData};
use isogloss_kernels::{normal, uniform};
use isogloss_methods::{EmbeddingNoise, NoiseShape};

/// Random stream of the embedding noise of a batch.
pub(super) const NOISE_DRAWS: u64 = u64::MAX;

/// Adds random noise to token embeddings; each element is drawn from the seed and its index alone.
///
/// # Shapes
/// - `embeddings`: `[batch, seq, hidden]`
/// - returns: the same
pub(super) fn add_noise(embeddings: Tensor<3>, noise: EmbeddingNoise, seed: u64) -> Tensor<3> {
    let draw = |i: u64| match noise.shape {
        NoiseShape::Uniform => (2.0 * uniform(seed, i) - 1.0) * noise.scale,
        NoiseShape::Normal => normal(seed, i) * noise.scale,
    };
    let shape = embeddings.shape();
    let values: Vec<f32> = (0..shape.num_elements() as u64).map(|i| draw(i) as f32).collect();
    let values = Tensor::from_data(TensorData::new(values, shape), &embeddings.device());
    embeddings + values
}
