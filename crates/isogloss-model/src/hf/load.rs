//! From a Hugging Face folder to a model.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde_json::Value;

use super::adapter_only::read::load_on_base;
use crate::config::Fields;
use crate::family::{TIED_LM_BIAS, TIED_LM_CLASS};
use crate::{
    EncoderConfig, Family, HeadSpec, Init, LmHeadKind, LoadError, LoadFault, Model, ParamSource,
    ParserConfig, ParserSpec, Pooling, Projection, RandomParams, WeightFiles,
};

/// Which head the model gets.
#[derive(Clone, Debug, PartialEq)]
pub enum HeadChoice {
    /// The one that the folder was saved with; none if it holds a bare encoder.
    Saved,
    /// None.
    Without,
    /// A new one; parameters that the folder has for it are taken, others drawn from the seed.
    New {
        /// The head.
        spec: HeadSpec,
        /// Draws the parameters that are not in the folder.
        seed: u64,
    },
}

/// A model, and what is known about it.
#[derive(Debug)]
pub struct LoadedModel {
    /// The model.
    pub model: Model,
    /// Its head, if it has one.
    pub head: Option<HeadSpec>,
    /// The folder's `config.json`, for [`save`](crate::save).
    pub config_json: Value,
    /// What was and was not found.
    pub report: LoadReport,
}

/// What a folder had beyond and below the model's needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters of the heads that were made anew.
    pub fresh: Vec<String>,
    /// Tensors that nothing asked for, such as a language-model head.
    pub unused: Vec<String>,
}

/// Reads a model folder onto a device; one of adapters, together with the model that they stand on.
///
/// # Errors
/// If a file is missing or damaged, the architecture is not supported, or any tensor of the encoder
/// is missing or does not fit; all such tensors are named.
pub fn load(folder: &Path, head: &HeadChoice, device: &Device) -> Result<LoadedModel, LoadError> {
    match load_on_base(folder, head, load, device)? {
        Some(loaded) => Ok(loaded),
        None => Folder::open(folder, head)?.build(None, device),
    }
}

/// Makes a model of the bytes of a `config.json` and of a safetensors file, with the head that it was
/// saved with.
///
/// # Errors
/// As [`load`]; messages call the files `config.json` and `model.safetensors`.
pub fn load_bytes(
    config: &[u8],
    weights: Vec<u8>,
    device: &Device,
) -> Result<LoadedModel, LoadError> {
    let path = Path::new("config.json");
    let config = parse_config(config, path)?;
    let weights = WeightFiles::from_safetensors(weights, "model.safetensors".as_ref())?;
    Folder::new(path.to_owned(), config, weights, &HeadChoice::Saved)?.build(None, device)
}

/// As [`load`], with a masked-language-model head beside the other.
///
/// It is the folder's own, [`LmHeadKind::Own`], if there is any tensor of one. Otherwise it is
/// [`LmHeadKind::Tied`], with a bias of zero unless the folder was saved with one;
/// [`Model::lm_head_kind`] tells which.
///
/// # Errors
/// As [`load`]; tensors that the own head lacks are named too, and a head whose decoder is not the
/// table of token embeddings (`tie_word_embeddings`) is not supported.
pub fn load_masked_lm(
    folder: &Path,
    head: &HeadChoice,
    device: &Device,
) -> Result<LoadedModel, LoadError> {
    if let Some(loaded) = load_on_base(folder, head, load_masked_lm, device)? {
        return Ok(loaded);
    }
    let folder = Folder::open(folder, head)?;
    let kind = folder.lm_head_kind()?;
    folder.build(Some(kind), device)
}

/// A folder whose configuration is read and whose weights are open.
struct Folder {
    config_path: PathBuf,
    config: EncoderConfig,
    config_json: Value,
    head: Option<HeadSpec>,
    source: FileParams,
}

impl Folder {
    fn open(folder: &Path, head: &HeadChoice) -> Result<Self, LoadError> {
        let config = read_config(folder)?;
        Self::new(folder.join("config.json"), config, WeightFiles::open(folder)?, head)
    }

    fn new(
        config_path: PathBuf,
        (config, config_json): (EncoderConfig, Value),
        files: WeightFiles,
        head: &HeadChoice,
    ) -> Result<Self, LoadError> {
        let problem = |problem| LoadError::Config { path: config_path.clone(), problem };
        let (head, fresh_head) = match head {
            HeadChoice::Without => (None, None),
            HeadChoice::New { spec, seed } => (Some(spec.clone()), Some(RandomParams::new(*seed))),
            HeadChoice::Saved => (saved_head(&config_json).map_err(problem)?, None),
        };
        let source = FileParams {
            family: config.family,
            files,
            has_dense: head.as_ref().is_some_and(HeadSpec::has_dense),
            fresh_head,
            lm_head: LmHeadKind::Own,
            has_lm_bias: class(&config_json) == TIED_LM_CLASS,
            taken: Vec::new(),
            fresh: Vec::new(),
            faults: Vec::new(),
        };
        let mut folder = Self { config_path, config, config_json, head, source };
        folder.source.refuse(folder.config.pruned_paths());
        Ok(folder)
    }

    fn lm_head_kind(&self) -> Result<LmHeadKind, LoadError> {
        let root = self.config.family.lm_head_root();
        if !self.source.files.names().any(|name| name.starts_with(root)) {
            return Ok(LmHeadKind::Tied);
        }
        if self.config_json.get("tie_word_embeddings") == Some(&Value::Bool(false)) {
            let problem = "field \"tie_word_embeddings\": only true is supported for a \
                           masked-language-model head, whose decoder is the table of token \
                           embeddings here";
            let path = self.config_path.clone();
            return Err(LoadError::Config { path, problem: problem.into() });
        }
        Ok(LmHeadKind::Own)
    }

    fn build(
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
                let decoder = self.config.family.lm_decoder();
                let copies = ["weight", "bias"].map(|leaf| format!("{decoder}.{leaf}"));
                source.taken.extend(copies);
            }
        }
        let report = self.source.finish()?;
        Ok(LoadedModel { model, head: self.head, config_json: self.config_json, report })
    }
}

/// Reads the projections that [`save_projections`](crate::save_projections) wrote; none without the
/// folder.
///
/// # Errors
/// If the file is damaged, or a layer does not take what the one before it gives.
pub fn load_projections(folder: &Path, device: &Device) -> Result<Vec<Projection>, LoadError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut files = WeightFiles::open(folder)?;
    let mut projections = Vec::new();
    loop {
        let index = projections.len();
        let (mut widths, mut weights) = (Vec::new(), Vec::new());
        while let Some(shape) = files.shape(&Projection::path(index, weights.len())) {
            let [n_outputs, n_inputs] = [0, 1].map(|dim| shape.get(dim).copied().unwrap_or(1));
            if widths.is_empty() {
                widths.push(n_inputs);
            }
            let expected = [n_outputs, widths[widths.len() - 1]];
            let values = files.read(&Projection::path(index, weights.len()), &expected);
            weights.push(values.map_err(|fault| LoadError::Tensors { faults: vec![fault] })?);
            widths.push(n_outputs);
        }
        if weights.is_empty() {
            return Ok(projections);
        }
        let mut source = InOrder(weights.into_iter());
        projections.push(Projection::init(index, &widths, &mut source, device));
    }
}

/// Gives parameters the values that were read for them.
struct InOrder(std::vec::IntoIter<Vec<f32>>);

impl ParamSource for InOrder {
    fn take(&mut self, _path: &str, _shape: &[usize], _init: Init) -> Option<Vec<f32>> {
        self.0.next()
    }
}

/// What a folder's `config.json` says, understood and as it is.
///
/// # Errors
/// If it is missing, damaged, or of an architecture that is not supported.
pub fn read_config(folder: &Path) -> Result<(EncoderConfig, Value), LoadError> {
    let path = folder.join("config.json");
    let of_adapter = folder.join("adapter_config.json");
    if !path.exists() && of_adapter.exists() {
        let problem =
            "this folder holds what was added to a model, not a model: \"load_adapter\" or \
                       \"load_lora\" puts it into the one that it was made for"
                .to_owned();
        return Err(LoadError::Config { path: of_adapter, problem });
    }
    parse_config(&read_bytes(&path)?, &path)
}

fn parse_config(bytes: &[u8], path: &Path) -> Result<(EncoderConfig, Value), LoadError> {
    let json = parse_json(bytes, path)?;
    match EncoderConfig::from_json(&json) {
        Ok(config) => Ok((config, json)),
        Err(problem) => Err(LoadError::Config { path: path.to_owned(), problem }),
    }
}

pub(crate) fn read_json(path: &Path) -> Result<Value, LoadError> {
    parse_json(&read_bytes(path)?, path)
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|source| LoadError::Io { path: path.to_owned(), source })
}

fn parse_json(bytes: &[u8], path: &Path) -> Result<Value, LoadError> {
    serde_json::from_slice(bytes)
        .map_err(|error| LoadError::Config { path: path.to_owned(), problem: error.to_string() })
}

/// The class of `transformers` that the folder was saved from.
fn class(json: &Value) -> &str {
    json.pointer("/architectures/0").and_then(Value::as_str).unwrap_or_default()
}

/// The head that `config.json` says the folder was saved with.
pub(crate) fn saved_head(json: &Value) -> Result<Option<HeadSpec>, String> {
    if let Some(entry) = json.pointer("/isogloss/parser") {
        let relations = labels(json)?;
        return saved_parser(entry.clone(), relations)
            .map(|spec| Some(HeadSpec::Parser(spec)))
            .map_err(|problem| format!("field \"isogloss.parser\": {problem}"));
    }
    let class = class(json);
    if class.ends_with("ForTokenClassification") {
        return Ok(Some(HeadSpec::tokens(labels(json)?)));
    }
    if !class.ends_with("ForSequenceClassification") {
        return Ok(None);
    }
    let pooling = match json.pointer("/isogloss/pooling").and_then(Value::as_str) {
        Some("mean") => Pooling::Mean,
        _ => Pooling::FirstToken,
    };
    Ok(Some(HeadSpec::sequence(labels(json)?, pooling)))
}

/// The parser of these relations that an entry of `config.json` describes.
fn saved_parser(mut entry: Value, relations: Vec<String>) -> Result<ParserSpec, String> {
    let tags = entry.as_object_mut().and_then(|entry| entry.shift_remove("tags"));
    let tags = serde_json::from_value(tags.unwrap_or_default());
    let tags = tags.map_err(|error| format!("tags: {error}"))?;
    let config: ParserConfig = serde_json::from_value(entry).map_err(|error| error.to_string())?;
    match config.faults().into_iter().next() {
        Some((field, problem)) => Err(format!("{field}: {problem}")),
        None => Ok(ParserSpec { config, relations, tags }),
    }
}

/// Above any real number of labels: a damaged number must not fill the memory with names.
const MAX_LABELS: usize = 1 << 20;

/// Label names in the order of their ids; two unnamed ones if there are none, as `transformers`.
fn labels(json: &Value) -> Result<Vec<String>, String> {
    let names = match json.get("id2label") {
        Some(Value::Object(names)) if !names.is_empty() => names,
        None | Some(Value::Null) => {
            let n_labels = Fields(json).size_or("num_labels", 2)?;
            if !(1..=MAX_LABELS).contains(&n_labels) {
                return Err(format!(
                    "field \"num_labels\": expected 1 to {MAX_LABELS}, found {n_labels}"
                ));
            }
            return Ok((0..n_labels).map(|id| format!("LABEL_{id}")).collect());
        }
        Some(_) => return Err("field \"id2label\": expected an object of label names".into()),
    };
    let mut labels = vec![String::new(); names.len()];
    for (id, name) in names {
        let slot = id.parse::<usize>().ok().and_then(|id| labels.get_mut(id));
        let slot = slot.ok_or_else(|| format!("field \"id2label\": unexpected id {id:?}"))?;
        let name = name.as_str();
        name.ok_or_else(|| format!("field \"id2label\": id {id} has no name"))?.clone_into(slot);
    }
    Ok(labels)
}

/// The name that TensorFlow gave to a normalization's parameter.
fn legacy_name(key: &str) -> String {
    key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
}

/// Takes parameters from files and gathers what does not fit.
struct FileParams {
    family: Family,
    files: WeightFiles,
    has_dense: bool,
    fresh_head: Option<RandomParams>,
    lm_head: LmHeadKind,
    /// The bias of a tied masked-language-model head must be there.
    has_lm_bias: bool,
    taken: Vec<String>,
    fresh: Vec<String>,
    faults: Vec<LoadFault>,
}

impl FileParams {
    /// The name of the parameter in these files: with or without the task model's prefix, with
    /// today's or TensorFlow's names of a normalization's parameters.
    fn find(&self, path: &str) -> String {
        if path.starts_with("head.") {
            let key = self.family.head_key(path, self.has_dense);
            let bare = key.strip_prefix(self.family.prefix()).unwrap_or(&key);
            return self.first_present([key.clone(), bare.to_owned()]);
        }
        if path.starts_with("lm_head.") {
            if self.lm_head == LmHeadKind::Tied {
                return TIED_LM_BIAS.to_owned();
            }
            let key = self.family.lm_head_key(path);
            let other = match path {
                "lm_head.bias" => format!("{}.bias", self.family.lm_decoder()),
                _ => legacy_name(&key),
            };
            return self.first_present([key, other]);
        }
        let key = self.family.encoder_key(path);
        let legacy = legacy_name(&key);
        let prefix = self.family.prefix();
        let candidates = [format!("{prefix}{key}"), key, format!("{prefix}{legacy}"), legacy];
        self.first_present(candidates)
    }

    /// What draws a parameter that these files need not have, and have not.
    fn fresh(&self, path: &str, name: &str, shape: &[usize]) -> Option<RandomParams> {
        if path.starts_with("head.") {
            // A head for other labels may stand in the folder; only one that fits is taken.
            return self.fresh_head.filter(|_| self.files.shape(name).as_deref() != Some(shape));
        }
        let is_new = name == TIED_LM_BIAS && !self.has_lm_bias && !self.files.contains(name);
        is_new.then(|| RandomParams::new(0))
    }

    /// Notes what must not be there; `transformers` 4 leaves tensors without elements.
    fn refuse(&mut self, paths: Vec<String>) {
        for path in paths {
            let tensor = self.find(&path);
            match self.files.shape(&tensor) {
                None => {}
                Some(shape) if shape.contains(&0) => self.taken.push(tensor),
                Some(_) => {
                    let path = self.files.path().to_owned();
                    self.faults.push(LoadFault::FoundSubnetwork { path, tensor });
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
        // Older files store the position numbers beside the parameters.
        let is_parameter = |name: &&str| !name.ends_with("position_ids");
        let unused = self.files.names().filter(is_parameter);
        let unused = unused.filter(|name| !self.taken.iter().any(|taken| taken == name));
        Ok(LoadReport { fresh: self.fresh, unused: unused.map(str::to_owned).collect() })
    }
}

impl ParamSource for FileParams {
    fn take(&mut self, path: &str, shape: &[usize], init: Init) -> Option<Vec<f32>> {
        let name = self.find(path);
        if let Some(mut random) = self.fresh(path, &name, shape) {
            self.fresh.push(name);
            // The sizes of a configuration are trusted once the encoder's tensors have them.
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
