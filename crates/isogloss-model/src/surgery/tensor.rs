//! Tensor of a checkpoint that is edited.

/// Named tensor in memory, with row-major values.
#[derive(Clone, Debug)]
pub(super) struct StoredTensor {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}
