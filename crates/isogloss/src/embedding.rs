//! Sentence and token embeddings of an encoder, and nearest-neighbour search among them.

pub mod retrieval;
pub mod search;
pub(crate) mod sentence_pipeline;
pub(crate) mod text_encoder;
pub(crate) mod tokenized_text;
