//! What a run folder says, read into values.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use isogloss_methods::Subnetwork;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::alignment::AlignmentReport;
use crate::subnetwork::SUBNETWORKS;

/// The log that makes a folder a run folder.
pub(super) const METRICS: &str = "metrics.jsonl";

/// Why a run folder cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file is missing or unreadable.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}:{line}: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What was expected and found.
        reason: String,
    },
}

/// One training run, as its folder tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// The run folder, usually `<recipe>/seed-<n>`.
    pub(super) dir: PathBuf,
    /// `recipe.toml`, verbatim.
    pub(super) recipe: String,
    /// `environment.json`, names and values in order of the file.
    pub(super) environment: Vec<(String, String)>,
    /// Training log by ascending step, each step once.
    pub(super) train: Vec<TrainPoint>,
    /// Evaluations during training, by ascending step.
    pub(super) dev: Vec<DevPoint>,
    /// Measures during training, by ascending step, each step once.
    pub(super) measures: Vec<MeasurePoint>,
    /// By layer, the step at which it began to learn, where a schedule opened layers.
    pub(super) opened: BTreeMap<usize, u64>,
    /// By step, the traces of the Fisher information that a schedule chose a layer by.
    pub(super) layer_traces: BTreeMap<u64, BTreeMap<String, f64>>,
    /// `results.json`; `None` while the run is not finished.
    pub(super) results: Option<Results>,
    /// `alignment.json`, as `isogloss alignment` writes it; `None` where nobody measured it.
    pub(super) alignment: Option<AlignmentReport>,
    /// How far the gradients of the languages of training agreed at the last measure.
    pub(super) conflict: Option<ConflictPoint>,
    /// The subnetworks that lie beside the model, by language.
    pub(super) subnetworks: BTreeMap<String, Subnetwork>,
    /// Whether the last line of the log was cut off and left out.
    pub(super) truncated: bool,
}

/// The cosines between the gradients of languages.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ConflictPoint {
    /// BCP-47 tags.
    pub(super) languages: Vec<String>,
    /// A row for each language.
    pub(super) cosines: Vec<Vec<f64>>,
}

/// One line of the training log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct TrainPoint {
    /// Optimizer step, from 1.
    pub(super) step: u64,
    /// Training loss since the last line.
    pub(super) loss: Option<f64>,
    /// Each objective's own loss before its weight, in the recipe's order; empty for one alone.
    #[serde(default)]
    pub(super) losses: serde_json::Map<String, serde_json::Value>,
    /// Global gradient norm before clipping.
    pub(super) grad_norm: Option<f64>,
    /// Learning rate.
    pub(super) lr: Option<f64>,
    /// Speed in tokens, padding not counted.
    pub(super) tokens_per_sec: Option<f64>,
}

/// One evaluation during training.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct DevPoint {
    /// Optimizer step, from 1.
    pub(super) step: u64,
    /// BCP-47 tag of the development set.
    pub(super) language: String,
    /// Loss on the development set.
    pub(super) loss: Option<f64>,
    /// Accuracy in 0..=1.
    pub(super) accuracy: Option<f64>,
    /// Macro-F1 in 0..=1.
    pub(super) macro_f1: Option<f64>,
    /// Span F1 in 0..=1.
    pub(super) span_f1: Option<f64>,
    /// Labeled attachment in 0..=1.
    pub(super) las: Option<f64>,
    /// Mean main score over some examples of each language that is not trained on, in 0..=1.
    pub(super) mean_target: Option<f64>,
    /// The main score of each language, where there are several; the others are their means.
    #[serde(default)]
    languages: BTreeMap<String, f64>,
}

/// The name of the points that are means over languages.
pub(super) const MEAN: &str = "mean of languages";

/// Languages of one run that are drawn each by itself, at most.
const MAX_DEV_LANGUAGES: usize = 8;

impl DevPoint {
    /// A point for each language, and one for their mean.
    fn by_language(mut self) -> Vec<Self> {
        let languages = std::mem::take(&mut self.languages);
        if languages.len() < 2 {
            return vec![self];
        }
        self.language = MEAN.to_owned();
        if languages.len() > MAX_DEV_LANGUAGES {
            return vec![self];
        }
        let of_language = |(language, score): (String, f64)| Self {
            step: self.step,
            language,
            loss: None,
            accuracy: self.accuracy.and(Some(score)),
            macro_f1: None,
            span_f1: self.span_f1.and(Some(score)),
            las: self.las.and(Some(score)),
            mean_target: None,
            languages: BTreeMap::new(),
        };
        let mut points: Vec<Self> = languages.into_iter().map(of_language).collect();
        points.push(self);
        points
    }

    /// The value of a metric by its field name.
    pub(super) fn score(&self, metric: &str) -> Option<f64> {
        match metric {
            "accuracy" => self.accuracy,
            "macro_f1" => self.macro_f1,
            "span_f1" => self.span_f1,
            "las" => self.las,
            _ => None,
        }
    }
}

/// What was measured of the model at one step.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct MeasurePoint {
    /// Optimizer step; 0 is before training.
    pub(super) step: u64,
    /// The Fisher information.
    pub(super) fisher: Option<FisherTrace>,
    /// What small steps away from the parameters cost.
    pub(super) sharpness: Option<Sharpness>,
}

/// A trace of the Fisher information, in nats per squared parameter.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct FisherTrace {
    /// `sampled`, `exact` or `empirical`.
    pub(super) estimator: String,
    /// Over all parameters.
    pub(super) trace: Option<f64>,
    /// By block: `embeddings`, `layers.0`, …, `head`.
    #[serde(default)]
    pub(super) blocks: BTreeMap<String, Option<f64>>,
}

/// How much the loss grows within a radius around the parameters, in nats.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Sharpness {
    /// In the space of all parameters.
    pub(super) radius: f64,
    /// The growth along the gradient.
    pub(super) adversarial: Option<f64>,
}

/// The final evaluation of a run, as far as the page shows it.
///
/// Laxer than [`crate::Results`], so that reports of runs of other versions can be made.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Results {
    /// `classification` or `tagging`.
    pub(super) task: String,
    /// Field name of the main metric in [`LanguageResult`].
    pub(super) metric: String,
    /// The source languages, the main one first.
    pub(super) sources: Vec<String>,
    /// How the evaluated checkpoint was chosen.
    pub(super) selection: Option<Selection>,
    /// Scores by BCP-47 tag.
    pub(super) languages: BTreeMap<String, LanguageResult>,
    /// Mean of the main metric over all languages but the source.
    pub(super) mean_target: Option<f64>,
    /// The same after a few examples of each.
    #[serde(default)]
    pub(super) mean_few_shot: Option<f64>,
    /// Source score − mean target score.
    pub(super) gap: Option<f64>,
}

impl Results {
    /// The source languages.
    pub(super) fn sources(&self) -> Vec<&str> {
        self.sources.iter().map(String::as_str).collect()
    }

    /// Whether a language was trained on.
    pub(super) fn is_source(&self, language: &str) -> bool {
        self.sources().contains(&language)
    }
}

/// Which checkpoint was evaluated, and why that one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Selection {
    /// The rule in words.
    pub(super) rule: String,
    /// The step chosen.
    pub(super) step: u64,
}

/// Scores in one language; which are there depends on the task.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct LanguageResult {
    /// Number of examples scored.
    pub(super) n: usize,
    /// Number of examples that could not be scored.
    #[serde(default)]
    pub(super) left_out: usize,
    /// Number of examples scored without their end.
    #[serde(default)]
    pub(super) truncated: usize,
    /// Accuracy in 0..=1.
    pub(super) accuracy: Option<f64>,
    /// Macro-F1 in 0..=1.
    pub(super) macro_f1: Option<f64>,
    /// Span F1 in 0..=1.
    pub(super) span_f1: Option<f64>,
    /// Span precision in 0..=1.
    pub(super) precision: Option<f64>,
    /// Span recall in 0..=1.
    pub(super) recall: Option<f64>,
    /// Labeled attachment in 0..=1.
    pub(super) las: Option<f64>,
    /// Unlabeled attachment in 0..=1.
    pub(super) uas: Option<f64>,
    /// Share of right parts of speech, in 0..=1.
    pub(super) upos: Option<f64>,
}

impl LanguageResult {
    /// The value of a metric by its field name.
    pub(super) fn score(&self, metric: &str) -> Option<f64> {
        match metric {
            "accuracy" => self.accuracy,
            "macro_f1" => self.macro_f1,
            "span_f1" => self.span_f1,
            "precision" => self.precision,
            "recall" => self.recall,
            "las" => self.las,
            "uas" => self.uas,
            "upos" => self.upos,
            _ => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line {
    Train(TrainPoint),
    Dev(DevPoint),
    Measure(MeasurePoint),
    Conflict(ConflictPoint),
    Open {
        step: u64,
        layers: Vec<usize>,
        #[serde(default)]
        traces: Vec<f64>,
    },
    #[serde(other)]
    Other,
}

impl RunRecord {
    /// Reads `recipe.toml`, `environment.json`, `metrics.jsonl` and, when there, `results.json`,
    /// `alignment.json` and the subnetworks beside the model.
    ///
    /// Unknown kinds of lines and unknown fields are passed over.
    /// A last line that is cut off, as a killed run leaves it, is left out and noted on the page.
    /// Of steps logged twice, as after a resume, the later line counts.
    ///
    /// # Errors
    /// [`ReportError`] when one of the first three files is missing or any file is malformed.
    pub fn load(dir: &Path) -> Result<Self, ReportError> {
        let recipe = read(&dir.join("recipe.toml"))?;
        let recipe = String::from_utf8_lossy(&recipe).into_owned();
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

    /// Whether the run has its results.
    pub fn is_finished(&self) -> bool {
        self.results.is_some()
    }

    /// The seed, when the folder is named `seed-<n>`.
    pub fn seed(&self) -> Option<u64> {
        self.dir.file_name()?.to_str()?.strip_prefix("seed-")?.parse().ok()
    }

    /// The recipe's name: that of the folder around `seed-<n>`, else that of the run folder.
    pub fn recipe_name(&self) -> String {
        let name = self.recipe_dir().file_name().map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| "run".to_owned())
    }

    /// The folder that all seeds of this recipe lie in.
    pub(super) fn recipe_dir(&self) -> &Path {
        match self.seed() {
            Some(_) => self.dir.parent().unwrap_or(&self.dir),
            None => &self.dir,
        }
    }
}

/// Names and values of one entry; those of an object get its name in front.
fn facts(name: String, value: serde_json::Value) -> Vec<(String, String)> {
    match value {
        serde_json::Value::Null => Vec::new(),
        serde_json::Value::String(text) => vec![(name, text)],
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

/// The subnetworks beside a model, by language.
fn read_subnetworks(model: &Path) -> Result<BTreeMap<String, Subnetwork>, ReportError> {
    let folder = model.join(SUBNETWORKS);
    let mut found = BTreeMap::new();
    if !folder.exists() {
        return Ok(found);
    }
    let unreadable = |source| ReportError::Read { path: folder.clone(), source };
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
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
