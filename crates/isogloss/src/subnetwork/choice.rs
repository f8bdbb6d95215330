//! Which subnetwork a language uses.

use std::path::{Path, PathBuf};

use isogloss_kernels::split_seed;
use isogloss_methods::Subnetwork;
use isogloss_text::Language;
use serde::{Deserialize, Serialize};

use super::read_subnetwork;
use crate::Error;
use crate::error::io;

/// The `[subnetworks]` table: each batch is read with the parts of the model that its language uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubnetworksRecipe {
    /// A file for each language of training, as `isogloss subnetwork` writes them; `{language}` stands
    /// for the language tag.
    pub path: String,
    /// Draws other subnetworks of the same sizes from this seed: what chance would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<u64>,
    /// What languages that are not trained on use.
    #[serde(default)]
    pub unseen: UnseenLanguage,
}

/// What a language uses that is not trained on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum UnseenLanguage {
    /// The whole model.
    #[default]
    Whole,
    /// What any language of training uses.
    Union,
    /// What the nearest language of training uses. The file has a line for each two languages, their
    /// tags and the distance between tabs; of equal ones, the first of the recipe is the nearest.
    Nearest {
        /// The file.
        distances: String,
    },
}

/// The subnetworks of a run.
#[derive(Debug)]
pub(crate) struct Subnetworks {
    of_sources: Vec<(Language, Subnetwork)>,
    unseen: Unseen,
}

#[derive(Debug)]
enum Unseen {
    Whole,
    Union(Subnetwork),
    Nearest { path: PathBuf, distances: Vec<(Language, Language, f64)> },
}

impl Subnetworks {
    /// Reads those of a recipe, for an encoder of so many layers and heads.
    pub(crate) fn read(
        recipe: &SubnetworksRecipe,
        sources: &[Language],
        sizes: [usize; 2],
    ) -> Result<Self, Error> {
        let mut of_sources = Vec::new();
        for (at, source) in sources.iter().enumerate() {
            let path = recipe.path.replace("{language}", source.as_str());
            let found = read_subnetwork(path.as_ref(), sizes)?;
            let drawn = recipe.random.map(|seed| found.random(split_seed(seed, at as u64)));
            of_sources.push((source.clone(), drawn.unwrap_or(found)));
        }
        let unseen = match &recipe.unseen {
            UnseenLanguage::Whole => Unseen::Whole,
            UnseenLanguage::Union => {
                let all = of_sources.iter().map(|(_, of)| of.clone());
                all.reduce(|union, of| union.union(&of)).map_or(Unseen::Whole, Unseen::Union)
            }
            UnseenLanguage::Nearest { distances } => Unseen::Nearest {
                path: distances.into(),
                distances: read_distances(distances.as_ref())?,
            },
        };
        Ok(Self { of_sources, unseen })
    }

    /// Those of the languages of training.
    pub(crate) fn of_sources(&self) -> impl Iterator<Item = &Subnetwork> {
        self.of_sources.iter().map(|(_, of)| of)
    }

    /// That of a language; none if it uses the whole model.
    pub(crate) fn of(&self, language: &Language) -> Result<Option<&Subnetwork>, Error> {
        if let Some((_, own)) = self.of_sources.iter().find(|(source, _)| source == language) {
            return Ok(Some(own));
        }
        let (path, distances) = match &self.unseen {
            Unseen::Whole => return Ok(None),
            Unseen::Union(union) => return Ok(Some(union)),
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
            Some((_, nearest)) => Ok(Some(nearest)),
            None => {
                let problem = format!("no distance of {language} from any language of training");
                Err(Error::Damaged { path: path.clone(), problem })
            }
        }
    }
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
                let problem = format!(
                    "line {}: expected two language tags and a distance between tabs, found {line:?}",
                    number + 1
                );
                Err(Error::Damaged { path: path.to_owned(), problem })
            }
        }
    };
    text.lines().enumerate().map(line).collect()
}
