//! Adapters and LoRA of a recipe: adding them to a model, and exchanging language adapters for
//! evaluation (MAD-X).

use std::path::PathBuf;

use isogloss_methods::UnfreezeScope;
use isogloss_model::{
    AdapterChoice, AdapterConfig, AdapterError, AdapterLibrary, LoadedModel, Model, ModelFolder,
    RandomParams, base_model, load_adapter,
};
use isogloss_text::{Language, LanguagePattern};

use crate::Error;
use crate::error::AdaptersError;
use crate::recipe::{AdapterRecipe, LanguageAdapterRecipe, LanguageExchange, Languages, Recipe};
use crate::task::{HeldOutTable, SavedLanguageAdapter, UnlabeledTask};

/// The name of a task adapter in the model and in its folder; a language adapter has the name of
/// its language.
const TASK: &str = "task";

const LIBRARIES: [AdapterLibrary; 2] = [AdapterLibrary::Adapters, AdapterLibrary::Peft];

impl AdapterRecipe {
    /// Trainable part of a layer: the recipe's adapter or that of the model folder, or the whole
    /// layer without one.
    pub(crate) fn scope(recipe: &Recipe, model: &Model) -> UnfreezeScope {
        match (&recipe.adapter, Self::saved_adapter(recipe, model)) {
            (Some(_), _) => UnfreezeScope::Adapter(name(recipe)),
            (None, Some((name, _))) => UnfreezeScope::Adapter(name.to_owned()),
            (None, None) => UnfreezeScope::Layers,
        }
    }

    /// The adapter of the model folder, which a recipe without `[adapter]` trains further, with its
    /// name: one of `peft`, else the uppermost of the stack.
    pub(crate) fn saved_adapter<'a>(
        recipe: &Recipe,
        model: &'a Model,
    ) -> Option<(&'a str, &'a AdapterConfig)> {
        let in_peft = model.encoder.adapters(AdapterLibrary::Peft).next();
        in_peft.or_else(|| adapters(model).last()).filter(|_| recipe.adapter.is_none())
    }

    /// Checks that the adapters of a model folder can be trained further by a recipe without
    /// `[adapter]`.
    pub(crate) fn check_saved_adapter(
        recipe: &Recipe,
        loaded: &LoadedModel,
        folder: &ModelFolder,
    ) -> Result<(), Error> {
        let (model, all) = (recipe.model.source.clone(), adapters(&loaded.model));
        let all: Vec<_> = all.collect();
        if recipe.adapter.is_some() {
            return Ok(());
        }
        let Some((_, last)) = all.last() else {
            return match recipe.language_adapter {
                Some(_) => Err(AdaptersError::NoTaskAdapter { model }.into()),
                None => Ok(()),
            };
        };
        let table = AdapterRecipe::from_config(last);
        let table = table.map_or_else(|| "[adapter.seq_bn]".to_owned(), |table| table.to_toml());
        let modules = loaded.report.replaced.clone();
        let n_active = loaded.model.encoder.active_adapters().len();
        let n_peft = all.len() - n_active;
        if all.len() > 1 && modules.is_empty() {
            match (recipe.language_adapter.is_some(), SavedLanguageAdapter::read(&folder.path)?) {
                (true, _) if n_active + n_peft == 2 && n_active > 0 => return Ok(()),
                (false, Some(saved)) => return Err(without_exchange(recipe, loaded, saved).into()),
                (false, None) if n_peft == 0 => return Ok(()),
                _ => {}
            }
        }
        if all.len() > 1 {
            let names = all.iter().map(|(name, _)| format!("{name:?}")).collect();
            let base = base_model(folder)?.map_or_else(|| model.clone(), |base| base.name);
            return Err(AdaptersError::Several { model, names, base, table }.into());
        }
        if !modules.is_empty() {
            return Err(AdaptersError::ModulesToSave { model, modules, table }.into());
        }
        Ok(())
    }

    /// Adds the recipe's adapter to a model, on top of the active adapters; initialized from the
    /// seed.
    pub(crate) fn add_to(model: &mut Model, recipe: &Recipe, seed: u64) -> Result<(), Error> {
        let Some(adapter) = &recipe.adapter else { return Ok(()) };
        let (name, encoder, config) = (name(recipe), &model.encoder, adapter.config());
        if LIBRARIES.iter().any(|library| encoder.adapter(*library, &name).is_ok()) {
            let model = recipe.model.source.clone();
            return Err(AdaptersError::NameTaken { model, name }.into());
        }
        if config.is_invertible() && !encoder.active_adapters().is_empty() {
            return Err(AdaptersError::InvertibleAbove.into());
        }
        let added = add(model, &name, &config, seed);
        Ok(added.map_err(|source| AdaptersError::Model { table: "adapter", source })?)
    }
}

/// The error of a recipe that trains a task adapter further above a language adapter, and does not
/// say how that one is exchanged for other languages, as it was in the run that made the model.
fn without_exchange(
    recipe: &Recipe,
    loaded: &LoadedModel,
    saved: SavedLanguageAdapter,
) -> AdaptersError {
    let encoder = &loaded.model.encoder;
    let config = encoder.adapter(AdapterLibrary::Adapters, saved.source.as_str());
    let table = LanguageAdapterRecipe {
        evaluation: match &saved.path {
            Some(_) => LanguageExchange::Target,
            None => LanguageExchange::None,
        },
        path: saved.path.unwrap_or_else(|| LanguagePattern::from("FOLDER/{language}")),
        leave_out: config.map(|config| config.left_out().to_vec()).unwrap_or_default(),
    };
    let (model, language) = (recipe.model.source.clone(), saved.source);
    AdaptersError::LanguageAdapter { model, language, table: table.to_toml() }
}

/// The adapters of a model with their names, the active stack last and in its order.
fn adapters(model: &Model) -> impl Iterator<Item = (&str, &AdapterConfig)> {
    let encoder = &model.encoder;
    let all = LIBRARIES.iter().rev().flat_map(|library| encoder.adapters(*library));
    let (in_stack, others): (Vec<_>, Vec<_>) = all.partition(|(name, config)| {
        config.library() == AdapterLibrary::Adapters
            && encoder.active_adapters().iter().any(|active| active == name)
    });
    let stack = encoder.active_adapters().iter();
    let stack =
        stack.filter_map(move |active| in_stack.iter().find(|(name, _)| name == active).copied());
    others.into_iter().chain(stack)
}

/// Adds an adapter to a model; one of the `adapters` library is put on top of the active stack.
fn add(
    model: &mut Model,
    name: &str,
    config: &AdapterConfig,
    seed: u64,
) -> Result<(), AdapterError> {
    model.encoder.add_adapter(name, config, &mut RandomParams::new(seed))?;
    if config.library() == AdapterLibrary::Peft {
        return Ok(());
    }
    let mut stack = model.encoder.active_adapters().to_vec();
    stack.retain(|other| other != name);
    stack.push(name.to_owned());
    model.encoder.set_active_adapters(&stack.iter().map(String::as_str).collect::<Vec<_>>())
}

impl LanguageAdapterRecipe {
    /// Adds and activates the language adapter of the (first) source language; in a model whose task adapter
    /// is trained further, it replaces the language adapter below that one.
    pub(crate) fn add_to(
        &self,
        model: &mut Model,
        source: &Language,
        is_trained_further: bool,
    ) -> Result<(), Error> {
        let has_peft = model.encoder.adapters(AdapterLibrary::Peft).next().is_some();
        let below = match model.encoder.active_adapters() {
            [] => None,
            [language] if is_trained_further && has_peft => Some(language.clone()),
            [language, task] if is_trained_further && !has_peft && task != source.as_str() => {
                Some(language.clone())
            }
            [other, ..] => return Err(AdaptersError::LanguageAbove { name: other.clone() }.into()),
        };
        self.load(model, source)?;
        let active = match below {
            None => model.encoder.set_active_adapters(&[source.as_str()]),
            Some(ref below) => model.encoder.swap_active_adapter(below, Some(source.as_str())),
        };
        active.map_err(language_adapter_error)?;
        if let Some(other) = below.filter(|below| below != source.as_str()) {
            let removed = model.encoder.remove_adapter(AdapterLibrary::Adapters, &other);
            removed.map_err(language_adapter_error)?;
        }
        Ok(())
    }

    /// Adds the language adapters of the sources after the first, which
    /// [`add_to`](Self::add_to) has added, beside the active stack; returns the names of all by
    /// source, none for a single source.
    pub(crate) fn add_sources(
        &self,
        model: &mut Model,
        sources: &[Language],
    ) -> Result<Vec<String>, Error> {
        let [_, others @ ..] = sources else { return Ok(Vec::new()) };
        if others.is_empty() {
            return Ok(Vec::new());
        }
        for source in others {
            self.load(model, source)?;
        }
        Ok(sources.iter().map(ToString::to_string).collect())
    }

    /// The model as it is saved: with the language adapter of the first source alone.
    pub(crate) fn without_sources(mut model: Model, names: &[String]) -> Result<Model, Error> {
        for name in names.iter().skip(1) {
            let removed = model.encoder.remove_adapter(AdapterLibrary::Adapters, name);
            removed.map_err(language_adapter_error)?;
        }
        Ok(model)
    }

    /// Fails if a target language needs a language adapter and has none.
    pub(crate) fn check_languages<'a>(
        &self,
        source: &Language,
        mut targets: impl Iterator<Item = &'a Language>,
    ) -> Result<(), Error> {
        let is_missing = |language: &&Language| {
            *language != source && !self.folder(language).join("adapter_config.json").exists()
        };
        let missing = match self.evaluation {
            LanguageExchange::Target => targets.find(is_missing),
            LanguageExchange::Source | LanguageExchange::None => None,
        };
        let Some(language) = missing else { return Ok(()) };
        let (folder, language) = (self.folder(language), language.clone());
        Err(AdaptersError::NoLanguageAdapter { folder, language }.into())
    }

    /// MAD-X adapter exchange: the model with the language adapter of a language, or without one,
    /// as the recipe says; `None` if it is evaluated as it was trained.
    pub(crate) fn exchanged(
        &self,
        model: &Model,
        source: &Language,
        language: &Language,
    ) -> Result<Option<Model>, Error> {
        if language == source || self.evaluation == LanguageExchange::Source {
            return Ok(None);
        }
        let mut model = model.clone();
        let to = match self.evaluation {
            LanguageExchange::Target => {
                let all = AdapterLibrary::Adapters;
                if model.encoder.adapter(all, language.as_str()).is_err() {
                    self.load(&mut model, language)?;
                }
                Some(language.as_str())
            }
            LanguageExchange::Source | LanguageExchange::None => None,
        };
        let exchanged = model.encoder.swap_active_adapter(source.as_str(), to);
        exchanged.map_err(language_adapter_error)?;
        Ok(Some(model))
    }

    fn load(&self, model: &mut Model, language: &Language) -> Result<(), Error> {
        let (name, leave_out) = (Some(language.to_string()), self.leave_out.clone());
        let choice = AdapterChoice { name, leave_out };
        load_adapter(&self.folder(language), model, &choice)?;
        Ok(())
    }

    fn folder(&self, language: &Language) -> PathBuf {
        self.path.path(language)
    }
}

/// Converts an adapter error into one about `[language_adapter]`.
fn language_adapter_error(source: AdapterError) -> AdaptersError {
    AdaptersError::Model { table: "language_adapter", source }
}

/// The name of a recipe's adapter: the language for monolingual language modelling, else [`TASK`].
fn name(recipe: &Recipe) -> String {
    let held_out = recipe.task.unlabeled().map(UnlabeledTask::held_out);
    let language = match (held_out, recipe.monolingual.as_ref().map(|of| &of.languages)) {
        (Some(HeldOutTable::Monolingual), Some(Languages::Listed(languages))) => languages.first(),
        _ => None,
    };
    language.map_or_else(|| TASK.to_owned(), ToString::to_string)
}
