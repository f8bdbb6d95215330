//! Folders of the `peft` library: the low-rank changes of one name each.

pub(crate) mod read;
pub(crate) mod write;
