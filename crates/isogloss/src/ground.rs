//! What all rooms stand on: files and folders that survive a crash.

pub(crate) mod tokenizer_files;
