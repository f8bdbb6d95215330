//! Folders of sentence-transformers: how `modules.json` says that hidden states become a sentence
//! embedding.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::json::read_json;
use super::weights::WeightFiles;
use crate::config::Fields;
use crate::{ConfigError, LoadError, SentencePooling};

/// The file that lists the modules.
const MODULES: &str = "modules.json";

/// What the library has called the settings of its Transformer module.
const TRANSFORMER_CONFIGS: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// The modules that make sentence embeddings out of an encoder's last hidden states, in order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct SentenceModules {
    /// How the states of a sentence become one vector; none if the folder does not say.
    pub pooling: Option<SentencePooling>,
    /// Dense layers over that vector.
    pub dense: Vec<SentenceDense>,
    /// Tokens after which a text is cut; what the encoder takes if none.
    pub max_seq_length: Option<usize>,
    /// Texts are lower-cased before they are tokenized.
    pub do_lower_case: bool,
    /// What is put before every text that names no prompt of its own.
    pub default_prompt: Option<String>,
    /// Fields that are set and not used, each with its file.
    pub unused: Vec<String>,
}

/// A dense layer over sentence embeddings.
#[derive(Clone, Debug, PartialEq)]
pub struct SentenceDense {
    /// Its configuration, for messages.
    pub path: PathBuf,
    /// `[out, in]`, row by row.
    pub weight: Vec<f32>,
    /// `[out]`; zeros if it has none.
    pub bias: Vec<f32>,
    /// Width of the vectors that it reads.
    pub in_features: usize,
    /// Width of those that it gives.
    pub out_features: usize,
    /// Takes the hyperbolic tangent of what it gives.
    pub has_tanh: bool,
}

/// An entry of `modules.json`: the last part of its type, and its folder.
struct Module {
    kind: String,
    folder: PathBuf,
}

/// The modules of a folder; none if it is not one of sentence-transformers.
fn modules(folder: &Path) -> Result<Option<Vec<Module>>, LoadError> {
    let path = folder.join(MODULES);
    if !path.exists() {
        return Ok(None);
    }
    let json = read_json(&path)?;
    let refuse = |source| LoadError::Config { path: path.clone(), source };
    let entries = json.as_array();
    let entries = entries.ok_or_else(|| refuse(ConfigError::missing("type")))?;
    let mut modules = Vec::new();
    for entry in entries {
        let fields = Fields(entry);
        let kind = fields.text("type").map_err(refuse)?;
        let inner = entry.get("path").and_then(Value::as_str).unwrap_or_default();
        if Path::new(inner)
            .components()
            .any(|part| !matches!(part, std::path::Component::Normal(_)))
        {
            let expected = "a folder beside this file";
            return Err(refuse(ConfigError::value("path", expected, format!("{inner:?}"))));
        }
        let kind = kind.rsplit('.').next().unwrap_or(kind).to_owned();
        modules.push(Module {
            kind,
            folder: if inner.is_empty() { folder.to_owned() } else { folder.join(inner) },
        });
    }
    Ok(Some(modules))
}

/// The folder of the encoder, where `modules.json` puts it into one of its own.
pub(super) fn transformer_folder(folder: &Path) -> Result<Option<PathBuf>, LoadError> {
    let modules = modules(folder)?.unwrap_or_default();
    let transformer = modules.into_iter().find(|module| module.kind == "Transformer");
    Ok(transformer.map(|module| module.folder).filter(|inner| inner != folder))
}

/// Reads how a folder of sentence-transformers makes sentence embeddings; none for another folder.
///
/// # Errors
/// If a file is missing or damaged, or a module is of a kind or has a setting that is not supported.
pub fn read_sentence_modules(folder: &Path) -> Result<Option<SentenceModules>, LoadError> {
    let Some(modules) = modules(folder)? else { return Ok(None) };
    let mut read = SentenceModules::default();
    let mut is_normalized = false;
    for module in &modules {
        let path = module.folder.join("config.json");
        match module.kind.as_str() {
            "Transformer" => read_transformer(&module.folder, &mut read)?,
            "Pooling" => {
                let pooling = pooling(&read_json(&path)?);
                let refuse = |source| LoadError::Config { path, source };
                read.pooling = Some(pooling.map_err(refuse)?);
            }
            "Dense" if !is_normalized => read.dense.push(dense(&module.folder)?),
            "Normalize" => is_normalized = true,
            // It acts in training alone.
            "Dropout" => {}
            other => {
                let expected = "Transformer, Pooling, Dense, Normalize after all Dense, or Dropout";
                let source = ConfigError::value("type", expected, format!("{other:?}"));
                return Err(LoadError::Config { path: folder.join(MODULES), source });
            }
        }
    }
    read_prompt(folder, &mut read)?;
    Ok(Some(read))
}

/// The settings of the Transformer module.
fn read_transformer(folder: &Path, read: &mut SentenceModules) -> Result<(), LoadError> {
    let paths = TRANSFORMER_CONFIGS.iter().map(|name| folder.join(name));
    let Some(path) = paths.into_iter().find(|path| path.exists()) else { return Ok(()) };
    let json = read_json(&path)?;
    let refuse = |source| LoadError::Config { path: path.clone(), source };
    let fields = Fields(&json);
    if !fields.is_absent("max_seq_length") {
        read.max_seq_length = Some(fields.size("max_seq_length").map_err(refuse)?);
    }
    read.do_lower_case = fields.bool_or("do_lower_case", false).map_err(refuse)?;
    for field in ["model_args", "tokenizer_args", "config_args"] {
        if fields.expect_off(field).is_err() {
            read.unused.push(format!("{}: field {field:?}", path.display()));
        }
    }
    Ok(())
}

/// The prompt that stands before every text.
fn read_prompt(folder: &Path, read: &mut SentenceModules) -> Result<(), LoadError> {
    let path = folder.join("config_sentence_transformers.json");
    if !path.exists() {
        return Ok(());
    }
    let json = read_json(&path)?;
    let Some(name) = json.get("default_prompt_name").and_then(Value::as_str) else {
        return Ok(());
    };
    let prompt = json.get("prompts").and_then(|prompts| prompts.get(name)).and_then(Value::as_str);
    let prompt = prompt.ok_or_else(|| {
        let source = ConfigError::mismatch("default_prompt_name", format!("no prompt {name:?}"));
        LoadError::Config { path, source }
    })?;
    read.default_prompt = (!prompt.is_empty()).then(|| prompt.to_owned());
    Ok(())
}

/// The pooling that a Pooling module's configuration says.
fn pooling(json: &Value) -> Result<SentencePooling, ConfigError> {
    let fields = Fields(json);
    if !fields.is_absent("pooling_mode") {
        let name = fields.text("pooling_mode")?;
        let expected = SentencePooling::names().join(", ");
        return SentencePooling::from_name(name)
            .ok_or_else(|| ConfigError::value("pooling_mode", expected, format!("{name:?}")));
    }
    let mut modes = Vec::new();
    for (field, mode) in SentencePooling::FIELDS {
        // The library's default where the field is absent.
        if fields.bool_or(field, mode == SentencePooling::Mean)? {
            modes.push((field, mode));
        }
    }
    let others = json.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let is_mode = |name: &&str| name.starts_with("pooling_mode_");
    let is_known = |name: &&str| SentencePooling::FIELDS.iter().any(|(field, _)| field == name);
    others.filter(is_mode).filter(|name| !is_known(name)).try_for_each(|f| fields.expect_off(f))?;
    match modes[..] {
        [(_, mode)] => Ok(mode),
        [] => Err(ConfigError::mismatch("pooling_mode_mean_tokens", "no way of pooling is on")),
        [_, (second, _), ..] => {
            let problem = format!("{} is on too: only one way of pooling is supported", modes[0].0);
            Err(ConfigError::mismatch(second, problem))
        }
    }
}

/// Reads a Dense module.
fn dense(folder: &Path) -> Result<SentenceDense, LoadError> {
    let path = folder.join("config.json");
    let json = read_json(&path)?;
    let refuse = |source| LoadError::Config { path: path.clone(), source };
    let fields = Fields(&json);
    let size = |field| match fields.size(field) {
        Ok(0) => Err(refuse(ConfigError::value(field, "a positive number", 0))),
        size => size.map_err(refuse),
    };
    let (in_features, out_features) = (size("in_features")?, size("out_features")?);
    let function = if fields.is_absent("activation_function") {
        "Tanh"
    } else {
        fields.text("activation_function").map_err(refuse)?
    };
    let has_tanh = match function.rsplit('.').next() {
        Some("Tanh") => true,
        Some("Identity") => false,
        _ => {
            let found = format!("{function:?}");
            return Err(refuse(ConfigError::value(
                "activation_function",
                "Tanh or Identity",
                found,
            )));
        }
    };
    for field in ["module_input_name", "module_output_name"] {
        fields.expect(field, "sentence_embedding").map_err(refuse)?;
    }
    let known = ["in_features", "out_features", "bias", "activation_function", "__version__"];
    let names = ["module_input_name", "module_output_name"];
    let others = json.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let mut others = others.filter(|name| !known.contains(name) && !names.contains(name));
    others.try_for_each(|name| fields.expect_off(name)).map_err(refuse)?;
    let mut files = WeightFiles::open(folder)?;
    let mut read = |name, shape: &[usize]| {
        files.read(name, shape).map_err(|fault| LoadError::Tensors { faults: vec![fault] })
    };
    let weight = read("linear.weight", &[out_features, in_features])?;
    let bias = if fields.bool_or("bias", true).map_err(refuse)? {
        read("linear.bias", &[out_features])?
    } else {
        vec![0.0; out_features]
    };
    Ok(SentenceDense { path, weight, bias, in_features, out_features, has_tanh })
}
