//! Zero-shot cross-lingual transfer: fine-tune multilingual text encoders in one language, use them
//! in others.
//!
//! A [`Recipe`] is the training configuration: it states every value that affects a result, in code
//! or in a TOML file. Validated, it becomes a [`Plan`]; [`finetune`] trains a plan in a
//! [`RunFolder`], and resumes it there. A [`Predictor`] labels texts with the trained model, an
//! [`Evaluator`] scores it in any language.
//!
//! ```
//! use isogloss::device::{DeviceChoice, open};
//! use isogloss::{DataRecipe, Event, ModelRecipe, Outcome, Plan, Recipe, RunFolder, RunOptions};
//! use isogloss::{TrainingRecipe, finetune};
//!
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/tiny.inc"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The folder of a Hugging Face model, and data files such as data/en.jsonl.
//! let folder = std::env::temp_dir().join("isogloss-first-run");
//! # tiny(&folder)?;
//! let (model, data) = (folder.join("model"), folder.join("data/{language}.jsonl"));
//! let plan = Plan::new(Recipe {
//!     model: ModelRecipe { source: model.display().to_string(), ..ModelRecipe::default() },
//!     data: DataRecipe {
//!         path: data.display().to_string().into(),
//!         sources: vec!["en".parse()?],
//!         ..DataRecipe::default()
//!     },
//!     training: TrainingRecipe { epochs: 5, log_every: 1, ..TrainingRecipe::default() },
//!     ..Recipe::default()
//! })?;
//!
//! let run = RunFolder::new(folder.join("run"));
//! let options = RunOptions::new(model, open(DeviceChoice::Flex)?);
//! let outcome = finetune(&plan, &run, &options, &mut |event| {
//!     if let Event::Step { step, loss, .. } = event {
//!         println!("step {step}: loss {loss:.3}");
//!     }
//! })?;
//! if let Outcome::Finished(results) = outcome {
//!     println!("zero-shot accuracy in German: {}", results.languages["de"].scores.main());
//! }
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod data;
mod device_check;
mod embedding;
mod error;
mod ground;
mod loader;
pub mod metrics;
mod recipe;
mod run;
mod step;
mod task;
mod tools;

pub use data::Corpus;
pub use data::pairs::{AlignPairs, LinkedPair, PairLinks, PairSet};
pub use device_check::{
    Check, CheckEvent, Deviation, DeviceReport, DeviceSpeed, MemoryUse, StepCurve, StepSpeed,
    check_device,
};
pub use embedding::text_encoder::{LayerVectors, TextEncoder, TokenPosition};
pub use embedding::tokenized_text::TokenizedText;
pub use embedding::{retrieval, search};
pub use error::{
    AdaptersError, DataError, EmbeddingError, Error, RecipeError, RecipeFault, RunError, ToolError,
};
pub use ground::device;
#[cfg(feature = "hub")]
pub use ground::hub;
pub use ground::sample::sample_indices;
pub use recipe::{
    AdapterRecipe, AlignerRecipe, AligningModel, BottleneckRecipe, CentringRecipe, DataRecipe,
    EncoderAlignerRecipe, FewShotRecipe, FisherEstimator, FrozenRecipe, HeadReuse,
    LanguageAdapterRecipe, LanguageExchange, Languages, MeasureOptions, MeasureRecipe, ModelRecipe,
    ModelSelection, MonolingualRecipe, ObjectiveRecipe, OptimizerRecipe, OverSeeds, PairsRecipe,
    Plan, Recipe, Splits, StatisticalAlignerRecipe, SubnetworksRecipe, TeacherRecipe,
    TrainingRecipe, UnlabeledRecipe, UnseenLanguage, adapters, after_training, recipe_schema,
    schema_with_required, views,
};
pub use run::{Event, Outcome, RunFolder, RunOptions, RunStatus, finetune};
pub use task::{
    CENTRING, Centring, CentringBy, Classification, CountInWords, DataReport, Evaluator,
    FeatureStatistics, HeldOut, HeldOutTable, LabelPredictor, LabeledSet, LabeledTask,
    LanguageModeling, LanguageResult, LearnedLabels, Parsing, PosTagging, Predictions, Results,
    Retrieval, SavedLanguageAdapter, SavedReading, SavedScoring, Scored, ScoredSplit, Scores,
    Selection, Supervision, Tagging, TargetKind, Task, TaskConfig, UnlabeledTask, tasks,
};
pub use tools::alignment;
pub use tools::compress::compress;
pub use tools::fisher::{FisherTrace, Measures, Sharpness};
pub use tools::merge::merge;
pub use tools::predict::{
    CentringOptions, EncodedTexts, LabelProbability, LabelScore, Prediction, Predictor,
    TokenPrediction, estimate_centring,
};
pub use tools::state_check::StateCheck;
pub use tools::subnetwork::{
    FoundSubnetwork, PruneOptions, PruneReport, SubnetworkSearchOptions, find_subnetwork,
    importance, parse_subnetwork, prune, read_saved_subnetwork, read_subnetwork,
    read_subnetwork_for, saved_subnetwork_path, saves_subnetworks, write_scored_subnetwork,
    write_subnetwork,
};
pub use tools::trim::{TrimOptions, TrimReport, trim};
pub use tools::word_aligner::EncoderAligner;

pub use isogloss_kernels::tune_allocator;
pub use isogloss_methods as methods;
pub use isogloss_model as model;
pub use isogloss_report as report;
pub use isogloss_report::correlation;
pub use isogloss_text as text;
pub use isogloss_text::LinkUnit;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

// Both crates define the ignore index of targets; neither depends on the other.
const _: () = assert!(isogloss_text::IGNORE_INDEX == isogloss_methods::IGNORE_INDEX);
