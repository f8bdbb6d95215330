//! Which subnetwork a language uses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use isogloss_kernels::split_seed;
use isogloss_methods::{DynamicSubnetwork, DynamicSubnetworkConfig, Importance, Subnetwork};
use isogloss_report::SUBNETWORKS;
use isogloss_text::Language;

use super::{read_subnetwork, write_subnetwork};
use crate::Error;
use crate::error::{ToolError, io};
use crate::recipe::{SubnetworksRecipe, UnseenLanguage};

/// The subnetworks of a run.
#[derive(Debug)]
pub(crate) struct Subnetworks {
    of_sources: Vec<(Language, DynamicSubnetwork)>,
    dynamic: Option<DynamicSubnetworkConfig>,
    unseen: Unseen,
}

#[derive(Debug)]
enum Unseen {
    Whole,
    /// Of those that sources use now.
    Union(Subnetwork),
    Nearest {
        path: PathBuf,
        distances: Vec<(Language, Language, f64)>,
    },
    /// The most similar source of each language, by its index.
    Similar(BTreeMap<Language, usize>),
}

impl Subnetworks {
    /// Reads those of a recipe, for an encoder of so many layers and heads. `similar` is asked for the
    /// source that each unseen language is most similar to, if the recipe wants it.
    pub(crate) fn read(
        recipe: &SubnetworksRecipe,
        seed: u64,
        sources: &[Language],
        sizes: [usize; 2],
        similar: impl FnOnce() -> Result<BTreeMap<Language, usize>, Error>,
    ) -> Result<Self, Error> {
        let mut of_sources = Vec::new();
        for (at, source) in sources.iter().enumerate() {
            let path = recipe.path.with_seed(seed).path(source);
            let found = read_subnetwork(&path, sizes)?;
            let drawn = |random| found.random(split_seed(split_seed(random, seed), at as u64));
            let drawn = recipe.random.map(drawn);
            let first = DynamicSubnetwork::new(drawn.unwrap_or(found));
            of_sources.push((source.clone(), first));
        }
        let unseen = match &recipe.unseen {
            UnseenLanguage::Whole => Unseen::Whole,
            UnseenLanguage::Union => union(&of_sources),
            UnseenLanguage::Similar => Unseen::Similar(similar()?),
            UnseenLanguage::Nearest { distances } => Unseen::Nearest {
                path: distances.into(),
                distances: read_distances(distances.as_ref())?,
            },
        };
        Ok(Self { of_sources, dynamic: recipe.dynamic, unseen })
    }

    /// Those of the languages of training.
    pub(crate) fn of_sources(&self) -> impl Iterator<Item = &Subnetwork> {
        self.of_sources.iter().map(|(_, of)| of.subnetwork())
    }

    /// Whether they change while the model learns.
    pub(crate) fn are_dynamic(&self) -> bool {
        self.dynamic.is_some()
    }

    /// Takes in what batches of sources, by their indices, found to matter.
    pub(crate) fn follow(&mut self, found: Vec<(usize, Importance)>) {
        let Some(config) = self.dynamic else { return };
        for (source, found) in found {
            self.of_sources[source].1.follow(found, config);
        }
        self.refresh();
    }

    /// Lets what depends on the sources' subnetworks follow them.
    fn refresh(&mut self) {
        if let Unseen::Union(_) = self.unseen {
            self.unseen = union(&self.of_sources);
        }
    }

    /// What a checkpoint keeps: the scores of each source, if they change.
    pub(crate) fn scores(&self) -> Vec<Importance> {
        let of_sources = self.of_sources.iter().filter(|_| self.are_dynamic());
        of_sources.map(|(_, of)| of.scores().clone()).collect()
    }

    /// Goes on with the scores of a checkpoint; `false` if they are not those of these sources.
    #[must_use]
    pub(crate) fn restore(&mut self, scores: &[Importance]) -> bool {
        let n_expected = if self.are_dynamic() { self.of_sources.len() } else { 0 };
        let pairs = self.of_sources.iter_mut().zip(scores);
        let fits = scores.len() == n_expected
            && pairs.fold(true, |fits, ((_, of), scores)| of.restore(scores.clone()) && fits);
        self.refresh();
        fits
    }

    /// Writes those that languages use beside a model, a file for each.
    pub(crate) fn write<'a>(
        &self,
        folder: &Path,
        languages: impl Iterator<Item = &'a Language>,
    ) -> Result<(), Error> {
        let folder = folder.join(SUBNETWORKS);
        std::fs::create_dir_all(&folder).map_err(io(&folder))?;
        for language in languages {
            if let Some(subnetwork) = self.of(language)? {
                write_subnetwork(&folder.join(format!("{language}.toml")), subnetwork)?;
            }
        }
        Ok(())
    }

    /// Takes those of the sources that were written beside a model.
    pub(crate) fn read_written(&mut self, folder: &Path) -> Result<(), Error> {
        for (language, of) in &mut self.of_sources {
            let path = folder.join(SUBNETWORKS).join(format!("{language}.toml"));
            *of = DynamicSubnetwork::new(read_subnetwork(&path, of.subnetwork().sizes())?);
        }
        self.refresh();
        Ok(())
    }

    /// That of a language; none if it uses the whole model.
    pub(crate) fn of(&self, language: &Language) -> Result<Option<&Subnetwork>, Error> {
        if let Some((_, own)) = self.of_sources.iter().find(|(source, _)| source == language) {
            return Ok(Some(own.subnetwork()));
        }
        let (path, distances) = match &self.unseen {
            Unseen::Whole => return Ok(None),
            Unseen::Union(union) => return Ok(Some(union)),
            Unseen::Similar(sources) => {
                let source = sources.get(language).and_then(|at| self.of_sources.get(*at));
                return Ok(source.map(|(_, of)| of.subnetwork()));
            }
            Unseen::Nearest { path, distances } => (path, distances),
        };
        let between = |source: &Language| {
            let here = |(a, b, _): &&(Language, Language, f64)| {
                (a, b) == (source, language) || (a, b) == (language, source)
            };
            distances.iter().find(here).map(|(_, _, distance)| *distance)
        };
        let known = self.of_sources.iter().filter_map(|(source, of)| Some((between(source)?, of)));
        match known.min_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((_, nearest)) => Ok(Some(nearest.subnetwork())),
            None => {
                let (path, language) = (path.clone(), language.clone());
                Err(ToolError::NoDistance { path, language }.into())
            }
        }
    }
}

fn union(of_sources: &[(Language, DynamicSubnetwork)]) -> Unseen {
    let all = of_sources.iter().map(|(_, of)| of.subnetwork().clone());
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
