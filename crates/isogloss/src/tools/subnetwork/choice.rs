//! Subnetworks of a run, and the subnetwork that each language uses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use isogloss_kernels::split_seed;
use isogloss_methods::{
    DynamicStart, Importance, MethodState, SavedState, SourceSubnetworks, StateError, StateReader,
    StepResults, Subnetwork,
};
use isogloss_model::Model;
use isogloss_report::SUBNETWORKS;
use isogloss_text::Language;

use super::{read_scored_subnetwork, read_subnetwork, write_subnetwork};
use crate::Error;
use crate::error::{ToolError, io};
use crate::recipe::{OverSeeds, SubnetworksRecipe, UnseenLanguage};

/// The subnetworks of a run.
#[derive(Debug)]
pub(crate) struct Subnetworks {
    sources: Vec<Language>,
    source_subnetworks: SourceSubnetworks,
    unseen: Unseen,
}

#[derive(Debug)]
enum Unseen {
    Whole,
    /// The union of the current subnetworks of the source languages.
    Union(Subnetwork),
    Nearest {
        path: PathBuf,
        distances: Vec<(Language, Language, f64)>,
    },
    /// The index of the most similar source language of each language.
    Similar(BTreeMap<Language, usize>),
}

impl MethodState for Subnetworks {
    fn after_step(&mut self, model: &Model, found: StepResults) {
        self.source_subnetworks.after_step(model, found);
        self.refresh();
    }

    fn save(&self) -> SavedState {
        self.source_subnetworks.save()
    }

    fn restore(
        &mut self,
        saved: &mut dyn StateReader,
        model: &Model,
        device: &Device,
    ) -> Result<(), StateError> {
        self.source_subnetworks.restore(saved, model, device)?;
        self.refresh();
        Ok(())
    }
}

impl Subnetworks {
    /// Reads the subnetworks of a recipe; `sizes` are the layers, and the heads per layer, of the
    /// encoder. `similar` returns the index of the most similar source language of each unseen
    /// language, and is called only if the recipe needs it.
    pub(crate) fn read(
        recipe: &SubnetworksRecipe,
        seed: u64,
        sources: &[Language],
        sizes: [usize; 2],
        similar: impl FnOnce() -> Result<BTreeMap<Language, usize>, Error>,
    ) -> Result<Self, Error> {
        let read = |(idx, source): (usize, &Language)| {
            let found = read_source(recipe, seed, source, sizes)?;
            let sample = |random| {
                let seed = split_seed(split_seed(random, seed), idx as u64);
                (found.0.random(seed), None)
            };
            Ok(recipe.random.map(sample).unwrap_or(found))
        };
        let found = sources.iter().enumerate().map(read).collect::<Result<Vec<_>, Error>>()?;
        let (kept, importances): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let source_subnetworks = SourceSubnetworks::new(kept, recipe.dynamic);
        let starts_important =
            recipe.dynamic.is_some_and(|dynamic| dynamic.start == DynamicStart::Importance);
        let source_subnetworks = match importances.into_iter().collect::<Option<Vec<_>>>() {
            Some(importances) if starts_important => {
                source_subnetworks.with_importances(importances)
            }
            _ => source_subnetworks,
        };
        let unseen = match &recipe.unseen {
            UnseenLanguage::Whole => Unseen::Whole,
            UnseenLanguage::Union => union(&source_subnetworks),
            UnseenLanguage::Similar => Unseen::Similar(similar()?),
            UnseenLanguage::Nearest { distances } => Unseen::Nearest {
                path: distances.into(),
                distances: read_distances(distances.as_ref())?,
            },
        };
        Ok(Self { sources: sources.to_vec(), source_subnetworks, unseen })
    }

    /// The subnetworks of the source languages.
    pub(crate) fn source_subnetworks(&self) -> impl Iterator<Item = &Subnetwork> {
        self.source_subnetworks.subnetworks()
    }

    /// Whether the subnetworks are dynamic: change during training.
    pub(crate) fn are_dynamic(&self) -> bool {
        self.source_subnetworks.are_dynamic()
    }

    /// Recomputes the union after the subnetworks of the source languages have changed.
    fn refresh(&mut self) {
        if let Unseen::Union(_) = self.unseen {
            self.unseen = union(&self.source_subnetworks);
        }
    }

    /// Writes the subnetwork of each language to the model folder, one file each.
    pub(crate) fn write<'a>(
        &self,
        folder: &Path,
        languages: impl Iterator<Item = &'a Language>,
    ) -> Result<(), Error> {
        let folder = folder.join(SUBNETWORKS);
        std::fs::create_dir_all(&folder).map_err(io(&folder))?;
        for language in languages {
            if let Some(subnetwork) = self.for_language(language)? {
                write_subnetwork(&folder.join(format!("{language}.toml")), subnetwork)?;
            }
        }
        Ok(())
    }

    /// Reads the subnetworks of the source languages from the model folder.
    pub(crate) fn reload_saved(&mut self, folder: &Path) -> Result<(), Error> {
        let read = |(language, subnetwork): (&Language, &Subnetwork)| {
            let path = folder.join(SUBNETWORKS).join(format!("{language}.toml"));
            read_subnetwork(&path, subnetwork.sizes())
        };
        let written = self.sources.iter().zip(self.source_subnetworks.subnetworks());
        let written = written.map(read).collect::<Result<Vec<_>, Error>>()?;
        self.source_subnetworks = SourceSubnetworks::new(written, self.source_subnetworks.config());
        self.refresh();
        Ok(())
    }

    /// The subnetwork of a language; `None` if it uses the whole model.
    pub(crate) fn for_language(&self, language: &Language) -> Result<Option<&Subnetwork>, Error> {
        let source_idx = self.sources.iter().position(|source| source == language);
        if let Some(own) = source_idx.and_then(|idx| self.source_subnetworks.get(idx)) {
            return Ok(Some(own));
        }
        let (path, distances) = match &self.unseen {
            Unseen::Whole => return Ok(None),
            Unseen::Union(union) => return Ok(Some(union)),
            Unseen::Similar(sources) => {
                return Ok(sources.get(language).and_then(|idx| self.source_subnetworks.get(*idx)));
            }
            Unseen::Nearest { path, distances } => (path, distances),
        };
        let between = |source: &Language| {
            let here = |(a, b, _): &&(Language, Language, f64)| {
                (a, b) == (source, language) || (a, b) == (language, source)
            };
            distances.iter().find(here).map(|(_, _, distance)| *distance)
        };
        let sources = self.sources.iter().zip(self.source_subnetworks.subnetworks());
        let known = sources.filter_map(|(source, of)| Some((between(source)?, of)));
        match known.min_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((_, nearest)) => Ok(Some(nearest)),
            None => {
                let (path, language) = (path.clone(), language.clone());
                Err(ToolError::NoDistance { path, language }.into())
            }
        }
    }
}

/// Reads the subnetwork of a source language, or combines those of several seeds; with the
/// importance of its units if the recipe starts from it.
fn read_source(
    recipe: &SubnetworksRecipe,
    seed: u64,
    source: &Language,
    sizes: [usize; 2],
) -> Result<(Subnetwork, Option<Importance>), Error> {
    let (mut kept, mut importances) = (Vec::new(), Vec::new());
    for path in recipe.files(seed, source) {
        let found = read_scored_subnetwork(&path, sizes)?;
        kept.push(found.subnetwork);
        if recipe.dynamic.is_some_and(|dynamic| dynamic.start == DynamicStart::Importance) {
            importances.push(found.importance.ok_or(ToolError::NoImportance { path })?);
        }
    }
    let all = match recipe.over_seeds {
        OverSeeds::Majority => Subnetwork::majority(&kept),
        OverSeeds::Union => {
            let (first, others) = kept.split_first().expect("a recipe names at least one seed");
            others.iter().fold(first.clone(), |union, of| union.union(of))
        }
    };
    Ok((all, Importance::mean(&importances)))
}

fn union(source_subnetworks: &SourceSubnetworks) -> Unseen {
    let all = source_subnetworks.subnetworks().cloned();
    all.reduce(|union, of| union.union(&of)).map_or(Unseen::Whole, Unseen::Union)
}

fn read_distances(path: &Path) -> Result<Vec<(Language, Language, f64)>, Error> {
    let text = std::fs::read_to_string(path).map_err(io(path))?;
    let line = |(number, line): (usize, &str)| {
        let fields: Vec<&str> = line.split('\t').collect();
        let parsed = match fields.as_slice() {
            [a, b, distance] => a.parse().ok().zip(b.parse().ok()).zip(distance.parse().ok()),
            _ => None,
        };
        match parsed {
            Some(((a, b), distance)) if f64::is_finite(distance) => Ok((a, b, distance)),
            _ => {
                let (path, found) = (path.to_owned(), line.to_owned());
                Err(ToolError::Distance { path, line: number + 1, found }.into())
            }
        }
    };
    text.lines().enumerate().map(line).collect()
}
