//! A plan: a recipe that has been checked, the only thing that can be trained.

use std::path::{Path, PathBuf};

use isogloss_text::Language;

use super::{Faults, Recipe, check, parse};
use crate::error::io;
use crate::{Error, RecipeError, RecipeFault};

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
    pub fn from_file(path: &Path) -> Result<Self, Error> {
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

    fn from_one_file(path: &Path) -> Result<Self, Error> {
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
        let (recipe, faults, positions) = parse::recipe(text);
        let Some(recipe) = recipe else { return Err(error(faults)) };
        let mut faults = Faults::new(&positions, faults);
        recipe.check_tables(&mut faults);
        check::check(&recipe, &mut faults);
        let faults = faults.into_sorted();
        if !faults.is_empty() {
            return Err(error(faults));
        }
        let sources = recipe.data.source.iter().chain(&recipe.data.more_sources).cloned().collect();
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        Ok(Self { name: name.unwrap_or_default(), recipe, sources, before: None })
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
