//! Validated training configuration (plan): a recipe without errors, the only thing that can be
//! trained.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use isogloss_methods::Objective;
use isogloss_text::{Language, ViewsConfig};

use super::file::RecipeFile;
use super::positions::Positions;
use super::{Recipe, RecipeFaults, check, extends, labeled_views, parse, unlabeled_views};
use crate::error::io;
use crate::{Error, RecipeError, RecipeFault};

/// Validated training configuration: a recipe without errors, the only input of
/// [`finetune`](crate::finetune).
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    name: String,
    recipe: Recipe,
    pretrain: Option<Box<Plan>>,
    objectives: Vec<AddedObjective>,
}

/// Custom objective, added in code.
#[derive(Clone)]
struct AddedObjective {
    weight: f64,
    method: Arc<dyn Objective>,
}

impl Plan {
    /// Validates a recipe that was built in code. The path of its `pretrain_recipe` is relative to
    /// the current folder, as are all its other paths.
    ///
    /// # Errors
    /// All validation errors of the recipe, or of its `pretrain_recipe`.
    pub fn new(recipe: Recipe) -> Result<Self, Error> {
        let name = "recipe".to_owned();
        let plan = Self::checked(recipe, name, Vec::new(), &Positions::default(), Path::new(""))?;
        plan.with_pretrain(Path::new(""))
    }

    /// Reads and validates a recipe file, the recipes it extends, and its `pretrain_recipe`.
    ///
    /// # Errors
    /// If a file cannot be read, or with all validation errors.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::from_one_file(path)?.with_pretrain(folder)
    }

    /// Parses and validates the text of a recipe; `path` names it in messages and gives the run its
    /// name. Its `pretrain_recipe` is not read, and it cannot extend another recipe.
    ///
    /// # Errors
    /// All validation errors of the recipe.
    pub fn from_toml(text: &str, path: &Path) -> Result<Self, RecipeError> {
        Self::from_files(vec![RecipeFile::new(text)], path)
    }

    /// Parses and validates a recipe together with the recipes that it extends.
    fn from_files(files: Vec<RecipeFile>, path: &Path) -> Result<Self, RecipeError> {
        let (recipe, faults, positions) = parse::recipe(files);
        let Some(recipe) = recipe else { return Err(RecipeError { path: path.into(), faults }) };
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        Self::checked(recipe, name.unwrap_or_default(), faults, &positions, path)
    }

    /// Validates a parsed recipe; `found` are the errors of parsing.
    fn checked(
        recipe: Recipe,
        name: String,
        found: Vec<RecipeFault>,
        positions: &Positions,
        path: &Path,
    ) -> Result<Self, RecipeError> {
        let mut faults = RecipeFaults::new(positions, found);
        recipe.check_tables(&mut faults);
        check::check(&recipe, &mut faults);
        match faults.into_sorted() {
            faults if faults.is_empty() => {
                Ok(Self { name, recipe, pretrain: None, objectives: Vec::new() })
            }
            faults => Err(RecipeError { path: PathBuf::from(path), faults }),
        }
    }

    fn from_one_file(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(io(path))?;
        let error = |faults| RecipeError { path: path.to_owned(), faults };
        let file = RecipeFile::from_bytes(None, bytes, 0).map_err(|fault| error(vec![fault]))?;
        Ok(Self::from_files(extends::chain(path, file).map_err(error)?, path)?)
    }

    /// Reads the pretraining recipe, whose path is relative to `folder`.
    fn with_pretrain(mut self, folder: &Path) -> Result<Self, Error> {
        let Some(pretrain) = &self.recipe.pretrain_recipe else { return Ok(self) };
        let path = folder.join(pretrain);
        let pretrain = Self::from_one_file(&path)?;
        if pretrain.recipe.pretrain_recipe.is_some() {
            let problem = "pretrain_recipe: the recipe to pretrain by has none of its own";
            let fault = RecipeFault { file: None, position: Some((1, 1)), problem: problem.into() };
            return Err(RecipeError { path, faults: vec![fault] }.into());
        }
        let model = self.recipe.model.source.clone();
        self.pretrain = Some(Box::new(pretrain.with_model(model).with_seed(self.recipe.seed)));
        Ok(self)
    }

    /// Adds a custom objective, implemented in code: `weight` is its factor in the sum of all
    /// losses.
    ///
    /// ```
    /// use burn::tensor::Tensor;
    /// use burn::tensor::activation::log_softmax;
    /// use isogloss::device::{DeviceChoice, open};
    /// use isogloss::methods::{Needs, Objective, ObjectiveError, StepInput, View};
    /// use isogloss::{DataRecipe, ModelRecipe, Plan, Recipe, RunFolder, RunOptions, finetune};
    ///
    /// /// Entropy minimization: `−Σ p log p` of the predictions (Grandvalet and Bengio 2004).
    /// struct Entropy;
    ///
    /// impl Objective for Entropy {
    ///     fn name(&self) -> &'static str {
    ///         "entropy"
    ///     }
    ///
    ///     fn needs(&self) -> Needs {
    ///         Needs::views([View::ORIGINAL])
    ///     }
    ///
    ///     fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
    ///         let logits = input.view(View::ORIGINAL, self.name())?.output.logits.clone();
    ///         let log_probs = log_softmax(logits, 1);
    ///         Ok(-(log_probs.clone().exp() * log_probs).sum_dim(1).mean())
    ///     }
    /// }
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/tiny.inc"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let folder = temporary.path();
    /// # tiny(folder)?;
    /// # let (model, data) = (folder.join("model"), folder.join("data/{language}.jsonl"));
    /// # let recipe = Recipe {
    /// #     model: ModelRecipe { source: model.display().to_string(), ..ModelRecipe::default() },
    /// #     data: DataRecipe {
    /// #         path: data.display().to_string().into(),
    /// #         sources: vec!["en".parse()?],
    /// #         ..DataRecipe::default()
    /// #     },
    /// #     ..Recipe::default()
    /// # };
    /// // With `recipe`, `model` and `folder` as on the front page of this crate.
    /// let plan = Plan::new(recipe)?.with_objective(0.1, Box::new(Entropy))?;
    /// let options = RunOptions::new(model, open(DeviceChoice::Flex)?);
    /// finetune(&plan, &RunFolder::new(folder.join("run")), &options, &mut |_| ())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the recipe lacks an input of the objective, such as a view or a teacher, or if the weight
    /// is negative.
    pub fn with_objective(
        mut self,
        weight: f64,
        objective: Box<dyn Objective>,
    ) -> Result<Self, RecipeError> {
        let positions = Positions::default();
        let mut faults = RecipeFaults::new(&positions, Vec::new());
        faults.not_negative(&format!("the weight of {}", objective.name()), weight);
        check::added_objective(&self.recipe, &*objective, &self.objectives(), &mut faults);
        let faults = faults.into_sorted();
        if !faults.is_empty() {
            return Err(RecipeError { path: PathBuf::new(), faults });
        }
        self.objectives.push(AddedObjective { weight, method: objective.into() });
        Ok(self)
    }

    /// The same plan with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.recipe.seed = seed;
        self.pretrain = self.pretrain.map(|pretrain| Box::new(pretrain.with_seed(seed)));
        self
    }

    /// The same plan with another pretrained model.
    #[must_use]
    pub fn with_model(mut self, source: String) -> Self {
        self.pretrain = self.pretrain.map(|plan| Box::new(plan.with_model(source.clone())));
        self.recipe.model.source = source;
        self
    }

    /// The recipe file's name without its extension; `recipe` for one that was built in code.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pretraining plan, with the same model and seed.
    pub fn pretrain(&self) -> Option<&Self> {
        self.pretrain.as_deref()
    }

    /// The checked recipe, every default filled in.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The objectives with their weights: those of the recipe, then those added in code.
    pub fn objectives(&self) -> Vec<(f64, Arc<dyn Objective>)> {
        let of_recipe = self.recipe.objective.iter().map(|o| (o.weight, o.method.init().into()));
        let added = self.objectives.iter().map(|added| (added.weight, added.method.clone()));
        of_recipe.chain(added).collect()
    }

    /// The data augmentation of each language whose texts objectives read in other views: of the
    /// sources, then of texts without labels.
    pub(crate) fn views_by_language(&self) -> Result<Vec<ViewsConfig>, Error> {
        let objectives = self.objectives().into_iter();
        let read: Vec<_> =
            objectives.flat_map(|(_, objective)| objective.needs().texts()).collect();
        let (views, sources) = (&self.recipe.views, self.sources());
        let labeled = labeled_views(views, &read);
        let mut all: Vec<_> =
            sources.iter().map(|source| labeled.for_source(source, sources)).collect();
        let Some(table) = &self.recipe.unlabeled else { return Ok(all) };
        let (views, languages) = (unlabeled_views(views, &read), table.languages()?);
        all.extend(languages.iter().map(|language| views.for_source(language, &languages)));
        Ok(all)
    }

    /// The main source language.
    pub fn source(&self) -> &Language {
        &self.sources()[0]
    }

    /// The source languages, at least one.
    pub fn sources(&self) -> &[Language] {
        &self.recipe.data.sources
    }

    /// Serializes the recipe as TOML, with every default; objectives that were added in code are
    /// listed in comments, so that a run is not resumed with different ones.
    pub fn to_toml(&self) -> String {
        let mut text =
            toml::to_string(&self.recipe).expect("a recipe has no value that TOML lacks");
        for AddedObjective { weight, method } in &self.objectives {
            text +=
                &format!("# objective added by the program: {}, weight {weight}\n", method.name());
        }
        text
    }
}

impl fmt::Debug for AddedObjective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} * {}", self.weight, self.method.name())
    }
}

impl PartialEq for AddedObjective {
    /// Compares weights, and objectives by pointer: the behavior of an objective cannot be
    /// compared.
    fn eq(&self, other: &Self) -> bool {
        self.weight == other.weight && Arc::ptr_eq(&self.method, &other.method)
    }
}
