//! Model compression: student initialization, structured pruning, vocabulary trimming and
//! quantization of a checkpoint.

mod checkpoint_edit;
mod prune;
mod quantize;
mod student;
mod tensor;
mod trim;

pub use checkpoint_edit::StoredModel;
pub use quantize::Storage;
pub use student::StudentConfig;
