//! Featurization: converts examples to token ids and label ids, with one module per task.

mod classification;
mod featurize;
mod parsing;
mod tagging;

pub(crate) use classification::classification;
pub use classification::featurize_classification;
pub(crate) use featurize::FeaturizedExample;
pub use featurize::{
    FeatureOptions, Features, Featurized, LostWord, SpanMisfits, TruncationReport, Unseen,
};
pub use parsing::{ParseLabels, featurize_parsing};
pub(crate) use tagging::tagging;
pub use tagging::{TagUnits, featurize_tagging};
