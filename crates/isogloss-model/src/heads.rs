//! Task heads: what turns hidden states into logits.

mod classifier;
mod head;
mod masked_lm;
mod parser;
mod pooling;
mod projection;
mod scalar_mix;
mod sentence_pooling;
mod spectral_norm;

pub use classifier::Classifier;
pub use head::{Head, HeadSpec, ProblemType};
pub use masked_lm::{LmHeadKind, MaskedLmHead};
pub use parser::{Parser, ParserConfig, ParserSpec, WordScores};
pub use pooling::{Pooling, mean_pool};
pub use projection::Projection;
pub use sentence_pooling::SentencePooling;
