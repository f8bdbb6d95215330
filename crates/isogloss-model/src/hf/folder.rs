//! Loading of a full model from a Hugging Face folder: maps parameters to tensor names in the
//! weight files.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde_json::Value;

use super::config_json::{class_name, head_from_json, read_own_config, scoring_from_json};
use super::head_class::add_class;
use super::head_source::{HeadParameter, HeadSource};
use super::loaded::{HeadChoice, LoadReport, LoadedModel};
use super::names;
use super::weights::WeightFiles;
use crate::family::FamilySpec;
use crate::{
    ConfigError, EncoderConfig, HeadSpec, Init, LmHeadKind, LoadError, LoadFault, Model,
    ParamSource, RandomParams,
};

/// Folder of a full model, with its parsed configuration and open weight files.
pub(super) struct Folder {
    config_path: PathBuf,
    config: EncoderConfig,
    config_json: Value,
    head: Option<HeadSpec>,
    scoring: Option<Value>,
    source: FileParams,
}

impl Folder {
    /// Opens a folder on disk.
    pub(super) fn open(folder: &Path, head: &HeadChoice) -> Result<Self, LoadError> {
        let config = read_own_config(folder)?;
        Self::new(folder.join("config.json"), config, WeightFiles::open(folder)?, head)
    }

    /// Creates a folder from a parsed configuration, the path of its file, and open weight files.
    pub(super) fn new(
        config_path: PathBuf,
        (config, mut config_json): (EncoderConfig, Value),
        files: WeightFiles,
        choice: &HeadChoice,
    ) -> Result<Self, LoadError> {
        let refuse = |source| LoadError::Config { path: config_path.clone(), source };
        let reads_saved = choice.is_saved() || choice.matches_labels();
        if reads_saved {
            add_class(&mut config_json, &config, &files).map_err(refuse)?;
        }
        let rows = |has_dense| classifier_rows(&config, &files, has_dense);
        let read_saved = || head_from_json(&config_json, &rows).map_err(refuse);
        let saved = reads_saved.then(read_saved).transpose()?;
        let saved = saved.flatten();
        let head_source = HeadSource::new(choice, saved.as_ref(), &config_path)?;
        let mut scoring = None;
        let head = match choice {
            HeadChoice::Saved | HeadChoice::SavedIfRead => {
                scoring = scoring_from_json(&config_json).filter(|_| saved.is_some()).cloned();
                saved
            }
            other => other.spec().cloned(),
        };
        let source = FileParams {
            family: config.family.spec(),
            files,
            has_dense: head.as_ref().is_some_and(HeadSpec::has_dense),
            head: head_source,
            lm_head: LmHeadKind::Own,
            has_lm_bias: class_name(&config_json) == names::TIED_LM_CLASS,
            taken: Vec::new(),
            fresh: Vec::new(),
            faults: Vec::new(),
        };
        let mut folder = Self { config_path, config, config_json, head, scoring, source };
        folder.source.refuse(folder.config.pruned_paths());
        Ok(folder)
    }

    /// Kind of masked-language-model head: `Own` if the weight files have one, else `Tied`.
    pub(super) fn lm_head_kind(&self) -> Result<LmHeadKind, LoadError> {
        let root = self.config.family.spec().lm_head.root;
        if !self.source.files.names().any(|name| name.starts_with(root)) {
            return Ok(LmHeadKind::Tied);
        }
        if self.config_json.get("tie_word_embeddings") == Some(&Value::Bool(false)) {
            let problem = "only true is supported for a masked-language-model head, whose decoder \
                           is the embedding matrix of tokens here";
            let (path, field) = (self.config_path.clone(), "tie_word_embeddings");
            return Err(LoadError::Config { path, source: ConfigError::mismatch(field, problem) });
        }
        Ok(LmHeadKind::Own)
    }

    /// Builds the model with parameters from the weight files.
    pub(super) fn build(
        mut self,
        lm_head: Option<LmHeadKind>,
        device: &Device,
    ) -> Result<LoadedModel, LoadError> {
        let source = &mut self.source;
        let mut model = Model::init(&self.config, self.head.as_ref(), source, device);
        if let Some(kind) = lm_head {
            source.lm_head = kind;
            model = model.with_lm_head(kind, source, device);
            if kind == LmHeadKind::Own {
                let decoder = self.config.family.spec().lm_head.decoder;
                let copies = ["weight", "bias"].map(|leaf| format!("{decoder}.{leaf}"));
                source.taken.extend(copies);
            }
        }
        let report = self.source.finish()?;
        let Self { head, config_json, scoring, .. } = self;
        Ok(LoadedModel { model, head, config_json, scoring, report })
    }
}

/// Number of rows of the classifier in the weight files.
fn classifier_rows(config: &EncoderConfig, files: &WeightFiles, has_dense: bool) -> Option<usize> {
    let family = config.family.spec();
    let key = names::head_tensor(family, "head.classifier.weight", has_dense);
    let bare = key.strip_prefix(family.prefix).unwrap_or(&key);
    [&key, bare].into_iter().find_map(|name| files.shape(name)?.first().copied())
}

/// Legacy TensorFlow name of a layer normalization parameter (`gamma`, `beta`).
fn legacy_name(key: &str) -> String {
    key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
}

/// Parameter source that reads weight files and collects all errors.
struct FileParams {
    family: &'static FamilySpec,
    files: WeightFiles,
    has_dense: bool,
    head: HeadSource,
    lm_head: LmHeadKind,
    /// Whether the weight files must have the bias of a tied masked-language-model head.
    has_lm_bias: bool,
    taken: Vec<String>,
    fresh: Vec<String>,
    faults: Vec<LoadFault>,
}

impl FileParams {
    /// Finds the tensor name of a parameter: with or without the task model's prefix, with current
    /// or legacy TensorFlow names of layer normalization parameters.
    fn find(&self, path: &str) -> String {
        if path.starts_with("head.") {
            let key = names::head_tensor(self.family, path, self.has_dense);
            let bare = key.strip_prefix(self.family.prefix).unwrap_or(&key);
            return self.first_present([key.clone(), bare.to_owned()]);
        }
        if path.starts_with("lm_head.") {
            if self.lm_head == LmHeadKind::Tied {
                return names::TIED_LM_BIAS.to_owned();
            }
            let key = self.family.lm_head_key(path);
            let other = match path {
                "lm_head.bias" => format!("{}.bias", self.family.lm_head.decoder),
                _ => legacy_name(&key),
            };
            return self.first_present([key, other]);
        }
        let key = names::encoder_tensor(self.family, path);
        let legacy = legacy_name(&key);
        let prefix = self.family.prefix;
        let candidates = [format!("{prefix}{key}"), key, format!("{prefix}{legacy}"), legacy];
        self.first_present(candidates)
    }

    /// Random initialization of an optional parameter that is missing in the weight files; `None`
    /// for all others.
    fn fresh(&self, name: &str) -> Option<RandomParams> {
        let is_new = name == names::TIED_LM_BIAS && !self.has_lm_bias && !self.files.contains(name);
        is_new.then(|| RandomParams::new(0))
    }

    /// Values of a task head parameter, from the weight files or randomly initialized.
    fn head_values(
        &mut self,
        path: &str,
        name: &str,
        shape: &[usize],
        init: Init,
    ) -> Option<Vec<f32>> {
        let key = names::head_tensor(self.family, path, self.has_dense);
        let is_encoders = key.starts_with(self.family.prefix);
        let parameter = HeadParameter { path, name, shape, is_encoders };
        // Allocates by the configuration's sizes only if the encoder's tensors have matched them.
        let random = self.head.random().filter(|_| self.faults.is_empty());
        let drawn = random.and_then(|mut random| random.take(path, shape, init));
        match self.head.read(&mut self.files, &parameter, drawn.as_deref()) {
            Ok(Some(values)) => {
                self.taken.push(name.to_owned());
                Some(values)
            }
            Ok(None) => {
                self.fresh.push(name.to_owned());
                drawn
            }
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }

    /// Records an error for each tensor of a pruned parameter; `transformers` 4 leaves empty
    /// tensors, which are accepted.
    fn refuse(&mut self, paths: Vec<String>) {
        for path in paths {
            let tensor = self.find(&path);
            match self.files.shape(&tensor) {
                None => {}
                Some(shape) if shape.contains(&0) => self.taken.push(tensor),
                Some(_) => {
                    let path = self.files.path().to_owned();
                    self.faults.push(LoadFault::Pruned { path, tensor });
                }
            }
        }
    }

    fn first_present<const N: usize>(&self, candidates: [String; N]) -> String {
        let found = candidates.iter().position(|key| self.files.contains(key)).unwrap_or(0);
        candidates.into_iter().nth(found).unwrap_or_default()
    }

    fn finish(self) -> Result<LoadReport, LoadError> {
        if !self.faults.is_empty() {
            return Err(LoadError::Tensors { faults: self.faults });
        }
        // Older files also store the position IDs.
        let is_parameter = |name: &&str| !name.ends_with("position_ids");
        let unused = self.files.names().filter(is_parameter);
        let unused = unused.filter(|name| !self.taken.iter().any(|taken| taken == name));
        let unused = unused.map(str::to_owned).collect();
        let (fresh, rows) = (self.fresh, self.head.rows());
        Ok(LoadReport { fresh, rows, unused, ..LoadReport::default() })
    }
}

impl ParamSource for FileParams {
    fn take(&mut self, path: &str, shape: &[usize], init: Init) -> Option<Vec<f32>> {
        let name = self.find(path);
        if path.starts_with("head.") {
            return self.head_values(path, &name, shape, init);
        }
        if let Some(mut random) = self.fresh(&name) {
            self.fresh.push(name);
            return if self.faults.is_empty() { random.take(path, shape, init) } else { None };
        }
        match self.files.read(&name, shape) {
            Ok(values) => {
                self.taken.push(name);
                Some(values)
            }
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }
}
