//! Training runs: their results, what they save, and how they go on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adapters;
mod centring;
mod few_shot;
mod fun;
mod joint;
mod methods;
mod pairs;
mod parsing;
mod pruned;
mod resume;
mod retrieval;
mod save;
mod saved_heads;
mod scoring;
mod sources;
mod subnetworks;
mod training;
mod trim;
mod unlabeled;
mod xtune;
