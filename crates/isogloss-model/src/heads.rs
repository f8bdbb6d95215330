//! Task heads: classifiers, a dependency parser, a masked-language-model head and projection heads,
//! which map hidden states to logits or embeddings.

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
