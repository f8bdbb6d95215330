//! Numbers beside those of PyTorch, transformers, peft, adapters and other references.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adapters;
mod e5;
mod encoders;
mod fisher;
mod learning_rates;
mod masked_lm;
mod metrics;
mod parser;
mod tokenizer;
mod tokenizer_matrix;
