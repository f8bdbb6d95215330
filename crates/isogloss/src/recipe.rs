//! Training configuration (recipe): one TOML file with every value that affects a result.
//!
//! Loading has two steps: a [`Recipe`] is the deserialized file, a [`Plan`] is a validated recipe.
//! Validation reports all errors of a file at once, each with its line and column. A recipe with
//! `extends = "other.toml"` inherits from the other one and states only its differences.

mod adapter;
mod aligner;
mod centring;
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
mod unlabeled;
mod views;

use isogloss_methods::{GuidedDropoutConfig, ScheduleConfig, UpdateConfig};
use isogloss_model::StudentConfig;
use isogloss_text::{MaskingConfig, ViewsConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use adapter::{AdapterRecipe, BottleneckRecipe, adapters};
pub use aligner::{AlignerRecipe, AligningModel, EncoderAlignerRecipe, StatisticalAlignerRecipe};
pub use centring::{CentringRecipe, after_training};
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
pub use subnetworks::{OverSeeds, SubnetworksRecipe, UnseenLanguage};
pub use teacher::TeacherRecipe;
pub use training::{ModelSelection, TrainingRecipe};
pub use unlabeled::UnlabeledRecipe;
pub(crate) use unlabeled::{labeled_views, unlabeled_view_faults, unlabeled_views};
pub use views::views;

use crate::task::{SavedLanguageAdapter, SavedScoring, TaskConfig};
use faults::RecipeFaults;

/// Training configuration (recipe): every value of a run that affects a result, one field for each
/// TOML table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Random seed of new weights, the order of batches, dropout and everything else that is
    /// random.
    pub seed: u64,
    /// The pretrained model to start from.
    pub model: ModelRecipe,
    /// The task, such as classification, tagging or dependency parsing.
    pub task: TaskConfig,
    /// The labeled dataset: files, languages and splits.
    pub data: DataRecipe,
    /// Parameter-efficient fine-tuning: an adapter, LoRA or (IA)³, trained in place of the whole
    /// model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterRecipe>,
    /// The language adapter (MAD-X) below the task adapter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_adapter: Option<LanguageAdapterRecipe>,
    /// The training objectives: the loss is their weighted sum.
    pub objective: Vec<ObjectiveRecipe>,
    /// Parallel corpus: sentences with their translations, for alignment objectives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairsRecipe>,
    /// Monolingual corpus: unlabeled text, for masked language modelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monolingual: Option<MonolingualRecipe>,
    /// Text of the task without labels, in any language, for consistency, pseudo-labels and entropy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlabeled: Option<UnlabeledRecipe>,
    /// Token masking, for masked language modelling.
    pub masking: MaskingConfig,
    /// Continued pretraining: the path of a recipe that is trained first, with the same model and
    /// seed; this recipe starts from its result. The path is relative to this recipe's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pretrain_recipe: Option<String>,
    /// Data augmentation: the views that objectives compare.
    pub views: ViewsConfig,
    /// Student of knowledge distillation: a smaller model made from the pretrained one and trained
    /// in its place; without a `[teacher]`, the pretrained model is its teacher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub student: Option<StudentConfig>,
    /// The teacher of knowledge distillation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<TeacherRecipe>,
    /// Language-specific subnetworks: the attention heads and feed-forward blocks that each
    /// language uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnetworks: Option<SubnetworksRecipe>,
    /// Update rule: how the gradients of the batches of a step are combined into one.
    pub update: UpdateConfig,
    /// Guided dropout: a dropout rate for each unit, by its Fisher information.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guided_dropout: Option<GuidedDropoutConfig>,
    /// Freezing and unfreezing schedule: which parameters are trained at which step.
    pub schedule: ScheduleConfig,
    /// AdamW and its learning-rate schedule.
    pub optimizer: OptimizerRecipe,
    /// Epochs, batches, evaluation and checkpoints.
    pub training: TrainingRecipe,
    /// Flatness of the loss during training: Fisher information and sharpness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<MeasureRecipe>,
    /// Few-shot fine-tuning in each target language, after training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub few_shot: Option<FewShotRecipe>,
    /// Language centring of the finished model, from unlabeled text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub centring: Option<CentringRecipe>,
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
            unlabeled: None,
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
            centring: None,
        }
    }
}

impl Recipe {
    /// Upper bound of seeds: sums of two of them stay below the largest integer of TOML, the format of
    /// resolved recipes.
    pub const MAX_SEED: u64 = 1 << 62;

    /// Evaluation settings of the trained model, which are saved with it; its texts have at most
    /// `max_length` tokens.
    pub fn scoring(&self, max_length: usize) -> SavedScoring {
        let unseen_labels = self.data.unseen_labels;
        let table = self.language_adapter.as_ref().zip(self.data.sources.first());
        let language_adapter = table.and_then(|(table, source)| {
            let path = match table.evaluation {
                LanguageExchange::Target => Some(table.path.clone()),
                LanguageExchange::None => None,
                LanguageExchange::Source => return None,
            };
            Some(SavedLanguageAdapter::new(source.clone(), path))
        });
        let (task, reading) = (self.task.clone(), self.data.reading());
        let sources = self.data.sources.clone();
        SavedScoring { task, max_length, unseen_labels, reading, language_adapter, sources }
    }

    /// Validates each table by itself and adds its errors.
    fn check_tables(&self, faults: &mut RecipeFaults<'_>) {
        if self.seed >= Self::MAX_SEED {
            faults.add("seed", format!("a number below 2^62, {}", Self::MAX_SEED));
        }
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
        if let Some(unlabeled) = &self.unlabeled {
            unlabeled.check(faults);
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
        if let Some(centring) = &self.centring {
            centring.check(faults);
        }
    }
}
