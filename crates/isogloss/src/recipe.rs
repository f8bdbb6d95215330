//! Recipes: one TOML file that states every value that affects a number.
//!
//! Reading has two steps: a [`Recipe`] is what the file says, a [`Plan`] is a recipe that has been
//! checked. All faults of a file are reported at once, each with its line and column.

mod check;
mod parse;

use std::path::{Path, PathBuf};

use isogloss_methods::{
    AdamWConfig, CrossEntropyConfig, GuidedDropoutConfig, LanguageSampling, LearningRateCurve,
    ObjectiveConfig, Rates, ScheduleConfig, UpdateConfig,
};
use isogloss_model::{Pooling, StudentConfig};
use isogloss_text::{
    BatchOrder, Columns, Format, Language, MaskingConfig, TagUnits, Unseen, ViewsConfig,
    languages_with_file,
};
use serde::{Deserialize, Serialize};

use crate::error::io;
use crate::{
    AdapterRecipe, FisherEstimator, LanguageAdapterRecipe, MeasureOptions, MonolingualRecipe,
    PairsRecipe, ParsingRecipe, RecipeError, RecipeFault, SubnetworksRecipe,
};

/// What a recipe file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Draws everything that is drawn: new weights, the order of batches, dropout.
    pub seed: u64,
    /// The model to start from.
    pub model: ModelRecipe,
    /// What is learned.
    pub task: Task,
    /// Where the examples are.
    pub data: DataRecipe,
    /// What is trained in place of the whole model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterRecipe>,
    /// What lies under it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_adapter: Option<LanguageAdapterRecipe>,
    /// The losses, added up with their weights.
    pub objective: Vec<ObjectiveRecipe>,
    /// Sentences and their translations, for objectives that align them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairsRecipe>,
    /// Text without labels, for masked language modelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monolingual: Option<MonolingualRecipe>,
    /// Which tokens are masked, where an objective asks for masked text.
    pub masking: MaskingConfig,
    /// A recipe to carry out first, with the same model and seed; this one goes on from its result.
    /// The path is relative to this recipe's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// How texts are seen another way, for objectives that compare views.
    pub views: ViewsConfig,
    /// A smaller model, made of the one to start from, is trained in its place; without a `[teacher]`,
    /// the whole one is its teacher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub student: Option<StudentConfig>,
    /// The finished model that objectives learn from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<TeacherRecipe>,
    /// The parts of the model that each language uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnetworks: Option<SubnetworksRecipe>,
    /// How a step's gradients become one.
    pub update: UpdateConfig,
    /// Rates of dropout by unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guided_dropout: Option<GuidedDropoutConfig>,
    /// Which parameters may change, and when.
    pub schedule: ScheduleConfig,
    /// How gradients become changes.
    pub optimizer: OptimizerRecipe,
    /// How long, and in which pieces.
    pub training: TrainingRecipe,
    /// What is measured of the model while it trains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<MeasureRecipe>,
    /// How the finished model is scored after a few examples of each other language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub few_shot: Option<FewShotRecipe>,
}

impl Default for Recipe {
    fn default() -> Self {
        let cross_entropy = ObjectiveConfig::CrossEntropy(CrossEntropyConfig::default());
        Self {
            seed: 42,
            model: ModelRecipe::default(),
            task: Task::default(),
            data: DataRecipe::default(),
            adapter: None,
            language_adapter: None,
            objective: vec![ObjectiveRecipe { weight: 1.0, method: cross_entropy }],
            pairs: None,
            monolingual: None,
            masking: MaskingConfig::default(),
            before: None,
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

/// The `[model]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelRecipe {
    /// A Hugging Face folder, or the name of a repository on the hub, `owner/name[@revision]`.
    pub source: String,
    /// How a sentence becomes a vector; not used for tagging.
    pub pooling: Pooling,
    /// Tokens after which a text is cut, specials included.
    pub max_length: usize,
    /// All rates of dropout while it is trained; the model's own by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Begins by leaving out of the vocabulary what no text of this recipe needs: the same training with
    /// a smaller table, but for the decay of rows that no text reads and for what is drawn from the
    /// whole vocabulary, as masked language modelling does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub trim: bool,
    /// Trains a model whose vocabulary was cut to a number of pieces on texts that need others too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_unknown: bool,
}

impl Default for ModelRecipe {
    fn default() -> Self {
        Self {
            source: String::new(),
            pooling: Pooling::Mean,
            max_length: 128,
            dropout: None,
            trim: false,
            allow_unknown: false,
        }
    }
}

/// The `[task]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// One label a text, or a pair of texts.
    Classification {},
    /// One BIO tag a token.
    Tagging {
        /// What carries a tag: the first subword of a word, or every subword.
        #[serde(default = "subword")]
        units: TagUnits,
    },
    /// A tree over the words of a sentence, and their parts of speech.
    Parsing(ParsingRecipe),
    /// Sentences find their translations: no labels and no head, and the held-out pairs for tests.
    Retrieval {
        /// The layer whose states are compared, counted from the embeddings' output, 0; the last by
        /// default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        layer: Option<usize>,
    },
    /// Masked tokens are guessed in held-out text: no labels and no other head.
    LanguageModeling {},
}

fn subword() -> TagUnits {
    TagUnits::Subword
}

impl Default for Task {
    fn default() -> Self {
        Self::Classification {}
    }
}

impl Task {
    /// Whether examples have labels to be learned.
    pub fn is_labeled(&self) -> bool {
        matches!(self, Self::Classification {} | Self::Tagging { .. } | Self::Parsing(_))
    }

    /// The options of a parser, if this is the task of one.
    pub fn parsing(&self) -> Option<&ParsingRecipe> {
        match self {
            Self::Parsing(recipe) => Some(recipe),
            _ => None,
        }
    }

    /// `classification`, `tagging`, `parsing`, `retrieval` or `language_modeling`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Classification {} => "classification",
            Self::Tagging { .. } => "tagging",
            Self::Parsing(_) => "parsing",
            Self::Retrieval { .. } => "retrieval",
            Self::LanguageModeling {} => "language_modeling",
        }
    }

    /// The score that models are chosen by.
    pub fn metric(&self) -> &'static str {
        match self {
            Self::Classification {} | Self::Retrieval { .. } | Self::LanguageModeling {} => {
                "accuracy"
            }
            Self::Tagging { .. } => "span_f1",
            Self::Parsing(_) => "las",
        }
    }
}

/// The `[data]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataRecipe {
    /// The files: `{language}` stands for a language tag, `{split}` for a split's name. Without
    /// `{split}`, a column of the file says which split a row belongs to.
    pub path: String,
    /// How the files are written; told from the extension if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// The names of fields or columns.
    pub columns: Columns,
    /// Whether TSV and CSV files begin with the names of their columns.
    pub header: bool,
    /// The names of the splits.
    pub splits: Splits,
    /// The language of training.
    pub source: Option<Language>,
    /// More languages of training; the batches of a step are each of one language.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more_sources: Vec<Language>,
    /// How the language of a batch is drawn, where there are several; in proportion to their data by
    /// default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<LanguageSampling>,
    /// The languages of evaluation; the source is always among them.
    pub languages: Languages,
    /// Leaves out languages that share fewer labels than this with the source.
    pub min_shared_labels: usize,
    /// What to do with examples whose label the source does not have.
    pub unseen_labels: Unseen,
}

impl Default for DataRecipe {
    fn default() -> Self {
        Self {
            path: String::new(),
            format: None,
            columns: Columns::default(),
            header: true,
            splits: Splits::default(),
            source: None,
            more_sources: Vec::new(),
            sampling: None,
            languages: Languages::default(),
            min_shared_labels: 0,
            unseen_labels: Unseen::default(),
        }
    }
}

/// The names of the splits in the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Splits {
    /// Trained on.
    pub train: String,
    /// Chooses the model.
    pub dev: String,
    /// Scored at the end.
    pub test: String,
}

impl Default for Splits {
    fn default() -> Self {
        Self { train: "train".into(), dev: "dev".into(), test: "test".into() }
    }
}

/// The languages of evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Languages {
    /// Every language that there is a file for.
    #[default]
    All,
    /// These.
    #[serde(untagged)]
    These(Vec<Language>),
}

impl Languages {
    /// These, or those that there is a file of `pattern` for; at least one.
    pub(crate) fn with_files(&self, pattern: &str) -> Result<Vec<Language>, crate::Error> {
        let languages = match self {
            Self::These(languages) => languages.clone(),
            Self::All => languages_with_file(pattern),
        };
        if languages.is_empty() {
            let problem = "no file for any language".to_owned();
            return Err(crate::Error::Damaged { path: pattern.into(), problem });
        }
        Ok(languages)
    }
}

/// An entry of `[[objective]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveRecipe {
    /// Its factor in the sum.
    #[serde(default = "one")]
    pub weight: f64,
    /// The loss: `method.<name> = { … }`.
    pub method: ObjectiveConfig,
}

fn one() -> f64 {
    1.0
}

/// The `[optimizer]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerRecipe {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// That of the head, which follows the same curve; the same by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_learning_rate: Option<f64>,
    /// Its curve after the warm-up.
    pub curve: LearningRateCurve,
    /// The share of all steps that the rate takes to grow to its peak.
    pub warmup_ratio: f64,
    /// The settings of AdamW.
    pub adamw: AdamWConfig,
}

impl Default for OptimizerRecipe {
    fn default() -> Self {
        Self {
            learning_rate: 5e-5,
            head_learning_rate: None,
            curve: LearningRateCurve::Linear,
            warmup_ratio: 0.1,
            adamw: AdamWConfig::default(),
        }
    }
}

impl OptimizerRecipe {
    /// The rates of a step in which that of the encoder is `encoder`.
    pub(crate) fn rates(&self, encoder: f64) -> Rates {
        Rates::new(encoder, self.head_learning_rate.map(|head| encoder * head / self.learning_rate))
    }
}

/// The `[training]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingRecipe {
    /// Times that every example is seen.
    pub epochs: u64,
    /// Stops after this many optimizer steps, if that is sooner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Examples of one pass through the model.
    pub batch_size: usize,
    /// Batches of one optimizer step.
    pub accumulate: u64,
    /// How batches are put together.
    pub order: BatchOrder,
    /// Examples of one pass in evaluation.
    pub evaluation_batch_size: usize,
    /// Optimizer steps between checkpoints; one is also made at the end of every epoch.
    pub checkpoint_every: u64,
    /// Optimizer steps between lines of the log.
    pub log_every: u64,
    /// Examples of each other language's test split that are scored whenever the development set is: to
    /// be watched, never to choose by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_shot: Option<usize>,
    /// What is done with the layers below the lowest that learns, where a schedule opens layers or
    /// adapters are trained; see [`FrozenRecipe`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<FrozenRecipe>,
}

impl Default for TrainingRecipe {
    fn default() -> Self {
        Self {
            epochs: 3,
            max_steps: None,
            batch_size: 32,
            accumulate: 1,
            order: BatchOrder::GroupedByLength,
            evaluation_batch_size: 64,
            checkpoint_every: 200,
            log_every: 10,
            zero_shot: None,
            frozen: None,
        }
    }
}

/// The `training.frozen` table: the embeddings and the blocks below the lowest that learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FrozenRecipe {
    /// They drop units at random as if they learned, as published methods have it. Without it they drop
    /// nothing, so that the states that leave them never change, and are kept.
    pub drops: bool,
    /// Memory for those states.
    pub memory_gib: f64,
    /// Room on the disk for those that the memory does not hold.
    pub disk_gib: f64,
}

impl FrozenRecipe {
    /// The limits, by field.
    pub(crate) fn room(&self) -> [(&'static str, f64); 2] {
        [("memory_gib", self.memory_gib), ("disk_gib", self.disk_gib)]
    }
}

impl Default for FrozenRecipe {
    fn default() -> Self {
        Self { drops: false, memory_gib: 1.0, disk_gib: 4.0 }
    }
}

/// The `[teacher]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherRecipe {
    /// A folder with a head of the same labels, such as `runs/<recipe>/seed-42/best`, or a hub name.
    pub source: String,
}

/// The `[measure]` table: the Fisher information and the sharpness on the source's dev set; of several
/// sources, the cosines between their gradients too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeasureRecipe {
    /// Optimizer steps from one measure to the next; the first and the last step are measured too.
    pub every: u64,
    /// Examples of a measure.
    pub n_examples: usize,
    /// Examples of one pass.
    pub batch_size: usize,
    /// See [`MeasureOptions::radius`].
    pub radius: f64,
    /// See [`MeasureOptions::n_directions`].
    pub n_directions: usize,
}

impl Default for MeasureRecipe {
    fn default() -> Self {
        let options = MeasureOptions::default();
        Self {
            every: 100,
            n_examples: 128,
            batch_size: options.batch_size,
            radius: options.radius,
            n_directions: options.n_directions,
        }
    }
}

impl MeasureRecipe {
    pub(crate) fn options(&self, seed: u64) -> MeasureOptions {
        MeasureOptions {
            estimator: FisherEstimator::Sampled,
            n_examples: Some(self.n_examples),
            batch_size: self.batch_size,
            radius: self.radius,
            n_directions: self.n_directions,
            seed,
        }
    }
}

/// The `[few_shot]` table: besides zero-shot, each language that is not trained on is scored by a copy of
/// the model that took some steps of plain descent on a few of its examples, all of them in each step,
/// without dropout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FewShotRecipe {
    /// Examples of the language, drawn from its training split by the recipe's seed.
    pub n_support: usize,
    /// Steps of descent.
    pub steps: usize,
    /// Their learning rate.
    pub learning_rate: f64,
    /// That of the head; the same by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_learning_rate: Option<f64>,
}

impl Default for FewShotRecipe {
    /// As many examples and steps as Langedijk et al. 2022, arXiv:2104.04736; the rate is that of the
    /// inner steps of first-order MAML here.
    fn default() -> Self {
        Self { n_support: 20, steps: 20, learning_rate: 1e-3, head_learning_rate: None }
    }
}

/// A recipe without faults: the only thing that can be trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    name: String,
    recipe: Recipe,
    /// The languages of training, at least one.
    sources: Vec<Language>,
    before: Option<Box<Plan>>,
}

impl Plan {
    /// Reads and checks a recipe file, and the one that it wants to be carried out before.
    ///
    /// # Errors
    /// If it cannot be read, or with all its faults.
    pub fn from_file(path: &Path) -> Result<Self, crate::Error> {
        let mut plan = Self::from_one_file(path)?;
        if let Some(before) = &plan.recipe.before {
            let path = path.with_file_name(before);
            let before = Self::from_one_file(&path)?;
            if before.recipe.before.is_some() {
                let problem = "before: a recipe that comes before another has none of its own";
                let fault = RecipeFault { line: 1, column: 1, problem: problem.into() };
                return Err(RecipeError { path, faults: vec![fault] }.into());
            }
            let model = plan.recipe.model.source.clone();
            plan.before = Some(Box::new(before.with_model(model).with_seed(plan.recipe.seed)));
        }
        Ok(plan)
    }

    fn from_one_file(path: &Path) -> Result<Self, crate::Error> {
        let bytes = std::fs::read(path).map_err(io(path))?;
        let text = String::from_utf8(bytes).map_err(|error| RecipeError {
            path: path.to_owned(),
            faults: vec![parse::not_utf8(&error)],
        })?;
        Ok(Self::from_toml(&text, path)?)
    }

    /// Checks the text of a recipe; `path` names it in messages and gives the run its name. What is to
    /// come before it is not read.
    ///
    /// # Errors
    /// All faults of the recipe.
    pub fn from_toml(text: &str, path: &Path) -> Result<Self, RecipeError> {
        let error = |faults| RecipeError { path: PathBuf::from(path), faults };
        let (recipe, faults, places) = parse::recipe(text);
        let Some(recipe) = recipe else { return Err(error(faults)) };
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        check::plan(name.unwrap_or_default(), recipe, faults, &places).map_err(error)
    }

    /// The same plan with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.recipe.seed = seed;
        self.before = self.before.map(|before| Box::new(before.with_seed(seed)));
        self
    }

    /// The same plan from another model.
    #[must_use]
    pub fn with_model(mut self, source: String) -> Self {
        self.before = self.before.map(|before| Box::new(before.with_model(source.clone())));
        self.recipe.model.source = source;
        self
    }

    /// The recipe file's name without its extension.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The plan to carry out before this one, with the same model and seed.
    pub fn before(&self) -> Option<&Self> {
        self.before.as_deref()
    }

    /// The checked recipe, every default filled in.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The language of training, or the first of them.
    pub fn source(&self) -> &Language {
        &self.sources[0]
    }

    /// The languages of training.
    pub fn sources(&self) -> &[Language] {
        &self.sources
    }

    /// The recipe as TOML, every default written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.recipe).expect("a recipe has no value that TOML lacks")
    }
}
