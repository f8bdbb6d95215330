//! Sentence and word embeddings of an encoder, and nearest neighbours among them.

pub mod retrieval;
pub mod search;
mod sentence_pipeline;
pub(crate) mod text_encoder;
