//! A tensor of a checkpoint that is edited.

/// A named tensor in memory, its values row-major.
#[derive(Clone, Debug)]
pub(super) struct StoredTensor {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}
