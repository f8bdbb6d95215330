//! The same numbers on every device, beside their definitions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alignment;
mod kernels;
mod no_tokens;
mod objectives;
mod subword_pooling;
mod vectors;
