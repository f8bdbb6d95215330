//! Fine-tune multilingual text encoders in one language, use them in others.
//!
//! A [`Recipe`] is a TOML file that states every value that affects a number. Checked, it becomes a
//! [`Plan`]; [`finetune`] carries a plan out in a run folder, and an [`Evaluator`] scores a
//! model in any language.

#![forbid(unsafe_code)]

mod adapter;
mod checkpoint;
mod data;
mod embedding;
mod environment;
mod error;
mod ground;
pub mod metrics;
mod recipe;
mod run_folder;
mod task;
mod tools;
mod train;

pub use data::Corpus;
pub use data::pairs::{LinkedPair, PairSet};
pub use embedding::text_encoder::{LayerVectors, TextEncoder, TokenPosition, TokenizedText};
pub use embedding::{retrieval, search};
pub use error::{
    AdaptersError, DataError, EmbeddingError, Error, RecipeError, RecipeFault, ToolError,
};
pub use ground::device;
#[cfg(feature = "hub")]
pub use ground::hub;
pub use ground::sample::sample_indices;
pub use recipe::{
    AdapterRecipe, AlignerRecipe, BottleneckRecipe, DataRecipe, FewShotRecipe, FisherEstimator,
    FrozenRecipe, LanguageAdapterRecipe, LanguageExchange, Languages, MeasureOptions,
    MeasureRecipe, ModelRecipe, MonolingualRecipe, ObjectiveRecipe, OptimizerRecipe, PairsRecipe,
    Plan, Recipe, Splits, SubnetworksRecipe, TeacherRecipe, TrainingRecipe, UnseenLanguage,
};
pub use run_folder::{RunFolder, RunStatus};
pub use task::{
    Classification, DataReport, Evaluator, HeldOut, HeldOutTable, LabelPredictor, LabeledSet,
    LabeledTask, LanguageModeling, LanguageResult, LearnedLabels, Parsing, Predictions, Results,
    Retrieval, Scored, Scores, Selection, Supervision, Tagging, Target, Task, TaskConfig,
    UnlabeledTask,
};
pub use tools::alignment;
pub use tools::fisher::{FisherTrace, Measures, Sharpness};
pub use tools::merge::merge;
pub use tools::predict::{EncodedTexts, Prediction, Predictor, TokenPrediction};
pub use tools::subnetwork::{
    FoundSubnetwork, PruneOptions, PruneReport, SubnetworkSearchOptions, find_subnetwork,
    importance, prune, read_subnetwork, read_subnetwork_for, write_subnetwork,
};
pub use tools::trim::{StateCheck, TrimOptions, TrimReport, compress, trim};
pub use tools::word_aligner::{EncoderAligner, LinkUnit};
pub use train::{Event, Outcome, RunOptions, finetune};

pub use isogloss_kernels::tune_allocator;
pub use isogloss_methods as methods;
pub use isogloss_model as model;
pub use isogloss_report as report;
pub use isogloss_report::correlation;
pub use isogloss_text as text;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

// The targets of a text are those of a loss, and neither crate knows the other.
const _: () = assert!(isogloss_text::IGNORE_INDEX == isogloss_methods::IGNORE_INDEX);
