//! Recipes: one TOML file that states every value that affects a number.
//!
//! Reading has two steps: a [`Recipe`] is what the file says, a [`Plan`] is a recipe that has been
//! checked. All faults of a file are reported at once, each with its line and column. A recipe that
//! begins with `extends = "other.toml"` says only how it differs from the other one.

mod adapter;
mod aligner;
mod check;
mod data;
mod extends;
mod faults;
mod few_shot;
mod file;
mod frozen;
mod language_adapter;
mod languages;
mod measure;
mod model;
mod monolingual;
mod objective;
mod optimizer;
mod pairs;
mod parse;
mod plan;
mod positions;
mod schema;
mod subnetworks;
mod teacher;
mod training;
mod views;

use isogloss_methods::{GuidedDropoutConfig, ScheduleConfig, UpdateConfig};
use isogloss_model::StudentConfig;
use isogloss_text::{MaskingConfig, ViewsConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use adapter::{AdapterRecipe, BottleneckRecipe, adapters};
pub use aligner::AlignerRecipe;
pub use data::{DataRecipe, Splits};
pub use few_shot::FewShotRecipe;
pub use frozen::FrozenRecipe;
pub use language_adapter::{LanguageAdapterRecipe, LanguageExchange};
pub use languages::Languages;
pub use measure::{FisherEstimator, MeasureOptions, MeasureRecipe};
pub use model::{HeadReuse, ModelRecipe};
pub use monolingual::MonolingualRecipe;
pub use objective::ObjectiveRecipe;
pub use optimizer::OptimizerRecipe;
pub use pairs::PairsRecipe;
pub use plan::Plan;
pub use schema::{recipe_schema, schema_with_required};
pub use subnetworks::{SubnetworksRecipe, UnseenLanguage};
pub use teacher::TeacherRecipe;
pub use training::TrainingRecipe;
pub use views::views;

use crate::task::{SavedScoring, TaskConfig};
use faults::RecipeFaults;

/// A recipe: every value of a run that affects a number, a table each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// The seed of everything random: new weights, the order of batches, dropout.
    pub seed: u64,
    /// The model to start from.
    pub model: ModelRecipe,
    /// The task.
    pub task: TaskConfig,
    /// The labeled examples.
    pub data: DataRecipe,
    /// An adapter or LoRA, trained in place of the whole model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterRecipe>,
    /// The language adapter under it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_adapter: Option<LanguageAdapterRecipe>,
    /// The losses, added up with their weights.
    pub objective: Vec<ObjectiveRecipe>,
    /// Parallel sentences, for objectives that align them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairsRecipe>,
    /// Text without labels, for masked language modelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monolingual: Option<MonolingualRecipe>,
    /// Token masking, for masked language modelling.
    pub masking: MaskingConfig,
    /// A recipe to pretrain by, with the same model and seed; this one goes on from its result. The path
    /// is relative to this recipe's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pretrain_recipe: Option<String>,
    /// Data augmentation: the views that objectives compare.
    pub views: ViewsConfig,
    /// A student, a smaller model made of the one to start from, is trained in its place; without a
    /// `[teacher]`, the whole one is its teacher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub student: Option<StudentConfig>,
    /// The teacher of knowledge distillation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<TeacherRecipe>,
    /// The subnetwork that each language uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnetworks: Option<SubnetworksRecipe>,
    /// The update rule: how gradients of batches become one.
    pub update: UpdateConfig,
    /// Guided dropout: rates by unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guided_dropout: Option<GuidedDropoutConfig>,
    /// The schedule of which parameters are trained when.
    pub schedule: ScheduleConfig,
    /// AdamW and its learning-rate schedule.
    pub optimizer: OptimizerRecipe,
    /// Epochs, batches, evaluation and checkpoints.
    pub training: TrainingRecipe,
    /// Measures of flatness while the model trains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<MeasureRecipe>,
    /// Few-shot fine-tuning in each target language, after training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub few_shot: Option<FewShotRecipe>,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            seed: 42,
            model: ModelRecipe::default(),
            task: TaskConfig::default(),
            data: DataRecipe::default(),
            adapter: None,
            language_adapter: None,
            objective: vec![ObjectiveRecipe::default()],
            pairs: None,
            monolingual: None,
            masking: MaskingConfig::default(),
            pretrain_recipe: None,
            views: ViewsConfig::default(),
            student: None,
            teacher: None,
            subnetworks: None,
            update: UpdateConfig::default(),
            guided_dropout: None,
            schedule: ScheduleConfig::default(),
            optimizer: OptimizerRecipe::default(),
            training: TrainingRecipe::default(),
            measure: None,
            few_shot: None,
        }
    }
}

impl Recipe {
    /// How the model that it trains is scored, here and later.
    pub fn scoring(&self) -> SavedScoring {
        let (max_length, unseen_labels) = (self.model.max_length, self.data.unseen_labels);
        SavedScoring { task: self.task.clone(), max_length, unseen_labels }
    }

    /// Adds the faults that each table has in itself.
    fn check_tables(&self, faults: &mut RecipeFaults<'_>) {
        self.model.check(faults);
        faults.add_fields(&format!("task.{}", self.task.name()), self.task.faults());
        self.data.check(faults);
        if self.objective.is_empty() {
            faults.add("objective", "name at least one");
        }
        for (index, objective) in self.objective.iter().enumerate() {
            objective.check(&format!("objective.{index}"), faults);
        }
        faults.add_fields("masking", self.masking.faults());
        faults.add_fields("views", self.views.faults());
        faults.add_fields("schedule", self.schedule.faults());
        faults.add_fields("update", self.update.faults());
        faults.add_fields(
            "guided_dropout",
            self.guided_dropout.iter().flat_map(GuidedDropoutConfig::faults),
        );
        if let Some(language_adapter) = &self.language_adapter {
            language_adapter.check(faults);
        }
        if let Some(pairs) = &self.pairs {
            pairs.check(faults);
        }
        if let Some(monolingual) = &self.monolingual {
            monolingual.check(faults);
        }
        if let Some(subnetworks) = &self.subnetworks {
            subnetworks.check(faults);
        }
        self.optimizer.check(faults);
        self.training.check(faults);
        if let Some(measure) = &self.measure {
            measure.check(faults);
        }
        if let Some(few_shot) = &self.few_shot {
            few_shot.check(faults);
        }
    }
}
