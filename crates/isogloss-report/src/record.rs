//! Run record: a training run read from its folder (recipe, environment, log, results, alignment,
//! subnetworks).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::alignment::AlignmentReport;
use crate::heads::Heads;

mod log;
mod paths;
mod results;
#[cfg(test)]
mod tests;

use log::Line;
pub(crate) use log::{ConflictPoint, DevPoint, MEAN, MeasurePoint, TrainPoint};
use paths::{shortened, shortened_strings};
pub(crate) use results::{LanguageResult, Results};

/// Name of the training log; a folder that holds one is a run folder.
pub(crate) const METRICS: &str = "metrics.jsonl";
/// Name of the folder beside a model that holds its subnetworks, one file for each language.
pub const SUBNETWORKS: &str = "subnetworks";

/// Error in reading a run folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file is missing or unreadable.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// A file is malformed.
    #[error("{}:{line}: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The parser's message.
        reason: String,
    },
}

/// Run record: one training run, read from its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// The run folder, usually `<recipe>/seed-<n>`.
    pub(crate) dir: PathBuf,
    /// `recipe.toml`, with absolute paths shortened.
    pub(crate) recipe: String,
    /// `environment.json` as names and values, in the order of the file.
    pub(crate) environment: Vec<(String, String)>,
    /// Training log by ascending step, one entry for each step.
    pub(crate) train: Vec<TrainPoint>,
    /// Evaluations during training, by ascending step.
    pub(crate) dev: Vec<DevPoint>,
    /// Fisher information and sharpness during training, by ascending step, one entry for each
    /// step.
    pub(crate) measures: Vec<MeasurePoint>,
    /// Unfreezing steps by layer, if a schedule unfroze layers.
    pub(crate) opened: BTreeMap<usize, u64>,
    /// Fisher traces by step and block, from which a schedule chose a layer to unfreeze.
    pub(crate) layer_traces: BTreeMap<u64, BTreeMap<String, f64>>,
    /// `results.json`; `None` while the run is not finished.
    pub(crate) results: Option<Results>,
    /// `alignment.json`, as `isogloss alignment` writes it; `None` if it was not measured.
    pub(crate) alignment: Option<AlignmentReport>,
    /// Gradient conflict between the training languages at the last measurement.
    pub(crate) conflict: Option<ConflictPoint>,
    /// The subnetworks in the folder beside the model, by language.
    pub(crate) subnetworks: BTreeMap<String, Heads>,
    /// Whether the last line of the log was incomplete; it is left out then.
    pub(crate) truncated: bool,
}

impl RunRecord {
    /// Reads `recipe.toml`, `environment.json`, `metrics.jsonl` and, when there, `results.json`,
    /// `alignment.json` and the subnetworks beside the model.
    ///
    /// Unknown kinds of lines and unknown fields are ignored.
    /// An incomplete last line, as a killed run leaves it, is left out and noted on the page.
    /// If a step is logged twice, as after a resume, the later line counts.
    ///
    /// # Errors
    /// [`ReportError`] when one of the first three files is missing or any file is malformed.
    pub fn load(dir: &Path) -> Result<Self, ReportError> {
        let recipe = read(&dir.join("recipe.toml"))?;
        let recipe = shortened_strings(&String::from_utf8_lossy(&recipe));
        let environment: serde_json::Map<String, serde_json::Value> =
            parse(&dir.join("environment.json"), &read(&dir.join("environment.json"))?)?;
        let environment = environment.into_iter().flat_map(|(name, value)| facts(name, value));
        let mut record = Self {
            dir: dir.to_owned(),
            recipe,
            environment: environment.collect(),
            train: Vec::new(),
            dev: Vec::new(),
            measures: Vec::new(),
            opened: BTreeMap::new(),
            layer_traces: BTreeMap::new(),
            conflict: None,
            subnetworks: read_subnetworks(&dir.join("best"))?,
            results: parse_if_there(&dir.join("results.json"))?,
            alignment: parse_if_there(&dir.join("alignment.json"))?,
            truncated: false,
        };
        record.read_metrics(&dir.join(METRICS))?;
        Ok(record)
    }

    fn read_metrics(&mut self, path: &Path) -> Result<(), ReportError> {
        let bytes = read(path)?;
        let mut train = BTreeMap::new();
        let mut dev = BTreeMap::new();
        let mut measures = BTreeMap::new();
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').enumerate().peekable();
        while let Some((at, line)) = lines.next() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice(line) {
                Ok(Line::Train(point)) => drop(train.insert(point.step, point)),
                Ok(Line::Dev(point)) => {
                    let points = point.by_language().into_iter();
                    dev.extend(points.map(|point| ((point.step, point.language.clone()), point)));
                }
                Ok(Line::Measure(point)) => drop(measures.insert(point.step, point)),
                Ok(Line::Conflict(point)) => self.conflict = Some(point),
                Ok(Line::Open { step, layers, traces }) => {
                    self.opened.extend(layers.into_iter().map(|layer| (layer, step)));
                    let blocks = traces.into_iter().enumerate();
                    let blocks = blocks.map(|(layer, trace)| (format!("layers.{layer}"), trace));
                    self.layer_traces.insert(step, blocks.collect());
                }
                Ok(Line::Other) => {}
                Err(_) if lines.peek().is_none() && !line.ends_with(b"\n") => self.truncated = true,
                Err(error) => {
                    let (path, reason) = (path.to_owned(), error.to_string());
                    return Err(ReportError::Parse { path, line: at + 1, reason });
                }
            }
        }
        self.train = train.into_values().collect();
        self.dev = dev.into_values().collect();
        self.measures = measures.into_values().collect();
        Ok(())
    }

    /// The run folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the run is finished: it has `results.json`.
    pub fn is_finished(&self) -> bool {
        self.results.is_some()
    }

    /// The seed, if the folder is named `seed-<n>`.
    pub fn seed(&self) -> Option<u64> {
        self.dir.file_name()?.to_str()?.strip_prefix("seed-")?.parse().ok()
    }

    /// The seed that the run's recipe has.
    pub fn recipe_seed(&self) -> Option<u64> {
        let recipe: toml::Table = toml::from_str(&self.recipe).ok()?;
        recipe.get("seed")?.as_integer()?.try_into().ok()
    }

    /// The recipe's name: that of the folder around `seed-<n>`, else that of the run folder.
    pub fn recipe_name(&self) -> String {
        let name = self.recipe_dir().file_name().map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| "run".to_owned())
    }

    /// The folder that holds all seeds of this recipe.
    pub(crate) fn recipe_dir(&self) -> &Path {
        match self.seed() {
            Some(_) => self.dir.parent().unwrap_or(&self.dir),
            None => &self.dir,
        }
    }
}

/// Flattens a JSON entry into names and values; an object's name becomes the prefix of its fields.
fn facts(name: String, value: serde_json::Value) -> Vec<(String, String)> {
    match value {
        serde_json::Value::Null => Vec::new(),
        serde_json::Value::String(text) => vec![(name, shortened(&text))],
        serde_json::Value::Object(inner) => inner
            .into_iter()
            .flat_map(|(key, value)| facts(format!("{name} {key}"), value))
            .collect(),
        other => vec![(name, other.to_string())],
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ReportError> {
    fs::read(path).map_err(|source| ReportError::Read { path: path.to_owned(), source })
}

fn parse_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ReportError> {
    if path.exists() { parse(path, &read(path)?).map(Some) } else { Ok(None) }
}

/// Reads the subnetworks beside a model, by language.
fn read_subnetworks(model: &Path) -> Result<BTreeMap<String, Heads>, ReportError> {
    let folder = model.join(SUBNETWORKS);
    let mut found = BTreeMap::new();
    if !folder.exists() {
        return Ok(found);
    }
    let unreadable = |source| ReportError::Read { path: folder.clone(), source };
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let Some(language) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let text = String::from_utf8_lossy(&read(&path)?).into_owned();
        let subnetwork = toml::from_str(&text).map_err(|error| ReportError::Parse {
            path: path.clone(),
            line: error.span().map_or(1, |span| text[..span.start].lines().count().max(1)),
            reason: error.message().to_owned(),
        })?;
        found.insert(language.to_owned(), subnetwork);
    }
    Ok(found)
}

fn parse<'a, T: Deserialize<'a>>(path: &Path, bytes: &'a [u8]) -> Result<T, ReportError> {
    serde_json::from_slice(bytes).map_err(|error| ReportError::Parse {
        path: path.to_owned(),
        line: error.line(),
        reason: error.to_string(),
    })
}
