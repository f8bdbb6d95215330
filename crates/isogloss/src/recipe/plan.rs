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
    pretrain: Option<Box<Plan>>,
}

impl Plan {
    /// Reads and checks a recipe file, and its `pretrain_recipe`.
    ///
    /// # Errors
    /// If it cannot be read, or with all its faults.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let mut plan = Self::from_one_file(path)?;
        if let Some(pretrain) = &plan.recipe.pretrain_recipe {
            let path = path.with_file_name(pretrain);
            let pretrain = Self::from_one_file(&path)?;
            if pretrain.recipe.pretrain_recipe.is_some() {
                let problem = "pretrain_recipe: the recipe to pretrain by has none of its own";
                let fault = RecipeFault { line: 1, column: 1, problem: problem.into() };
                return Err(RecipeError { path, faults: vec![fault] }.into());
            }
            let model = plan.recipe.model.source.clone();
            plan.pretrain = Some(Box::new(pretrain.with_model(model).with_seed(plan.recipe.seed)));
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

    /// Checks the text of a recipe; `path` names it in messages and gives the run its name. Its
    /// `pretrain_recipe` is not read.
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
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        Ok(Self { name: name.unwrap_or_default(), recipe, pretrain: None })
    }

    /// The same plan with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.recipe.seed = seed;
        self.pretrain = self.pretrain.map(|pretrain| Box::new(pretrain.with_seed(seed)));
        self
    }

    /// The same plan from another model.
    #[must_use]
    pub fn with_model(mut self, source: String) -> Self {
        self.pretrain = self.pretrain.map(|pretrain| Box::new(pretrain.with_model(source.clone())));
        self.recipe.model.source = source;
        self
    }

    /// The recipe file's name without its extension.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The plan to pretrain by, with the same model and seed.
    pub fn pretrain(&self) -> Option<&Self> {
        self.pretrain.as_deref()
    }

    /// The checked recipe, every default filled in.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The main source language.
    pub fn source(&self) -> &Language {
        &self.sources()[0]
    }

    /// The source languages, at least one.
    pub fn sources(&self) -> &[Language] {
        &self.recipe.data.sources
    }

    /// The recipe as TOML, every default written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.recipe).expect("a recipe has no value that TOML lacks")
    }
}
