//! Model surgery: smaller models made of parts of another one.

mod checkpoint_edit;
mod prune;
mod quantize;
mod student;
mod tensor;
mod trim;

pub use checkpoint_edit::StoredModel;
pub use quantize::Storage;
pub use student::StudentConfig;
