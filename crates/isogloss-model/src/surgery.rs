//! Model surgery: models made of parts of another one.

pub(crate) mod checkpoint_edit;
pub(crate) mod student;
