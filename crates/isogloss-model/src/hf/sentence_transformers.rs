//! sentence-transformers folders: reads pooling, dense layers and settings from `modules.json`.

mod modules;
mod source;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

pub use self::modules::SentenceDense;
use self::modules::{dense, pooling};
use self::source::Source;
use super::json::read_json;
use crate::config::Fields;
use crate::{ConfigError, LoadError, SentencePooling};

/// File with the list of modules.
const MODULES: &str = "modules.json";

/// Entry of a module with what only isogloss knows of it; sentence-transformers passes over it.
const OWN: &str = "isogloss";

/// File names that the library has used for the settings of its `Transformer` module.
const TRANSFORMER_CONFIGS: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// Sentence embedding pipeline of a sentence-transformers folder: pooling, dense layers and text
/// settings.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct SentenceModules {
    /// Sentence pooling; `None` if the folder has no `Pooling` module.
    pub pooling: Option<SentencePooling>,
    /// Layer whose hidden states are pooled, counted from the embeddings' output, 0; `None` for the
    /// last, which sentence-transformers itself always pools. It is the entry `isogloss.layer` of the
    /// `Transformer` module in `modules.json`.
    pub layer: Option<usize>,
    /// Dense layers over the pooled vector, in order.
    pub dense: Vec<SentenceDense>,
    /// Maximum sequence length in tokens, to which a text is truncated; `None` for the encoder's
    /// maximum.
    pub max_seq_length: Option<usize>,
    /// Lowercases texts before tokenization.
    pub do_lower_case: bool,
    /// Number of dimensions of the embedding that are kept, the first ones (`truncate_dim`, Matryoshka
    /// embeddings); `None` for all.
    pub truncate_dim: Option<usize>,
    /// Scales embeddings to length 1, after the dense layers (a `Normalize` module).
    pub is_normalized: bool,
    /// Prompts by name, such as `query`; one of them is put before a text.
    pub prompts: BTreeMap<String, String>,
    /// Default prompt, put before every text without its own prompt.
    pub default_prompt: Option<String>,
    /// Leaves the tokens of the prompt, and the special token before it, out of the pooling
    /// (`include_prompt: false`).
    pub pools_without_prompt: bool,
    /// Fields that are set but ignored, each with its file.
    pub unused: Vec<String>,
}

/// Entry of `modules.json`: the last part of its type, its folder, and the layer that is pooled.
struct Module {
    kind: String,
    folder: PathBuf,
    layer: Option<usize>,
}

/// Reads the modules of a folder; `None` if it is not of sentence-transformers.
fn modules(source: &Source<'_>) -> Result<Option<Vec<Module>>, LoadError> {
    let folder = source.folder();
    let path = folder.join(MODULES);
    if !source.has(&path) {
        return Ok(None);
    }
    let json = source.json(&path)?;
    let refuse = |source| LoadError::Config { path: path.clone(), source };
    let entries = json.as_array().ok_or_else(|| refuse(ConfigError::missing("type")))?;
    let mut modules = Vec::new();
    for entry in entries {
        let fields = Fields(entry);
        let kind = fields.text("type").map_err(refuse)?;
        let inner = entry.get("path").and_then(Value::as_str).unwrap_or_default();
        let other = |field, expected, found: &str| {
            refuse(ConfigError::value(field, expected, format!("{found:?}")))
        };
        if !Path::new(inner).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(other("path", "a folder beside this file", inner));
        }
        // A class of the folder's own code may compute anything, whatever its name.
        if kind.split('.').next() != Some("sentence_transformers") {
            return Err(other("type", "a class of sentence_transformers", kind));
        }
        let own = Fields(entry.get(OWN).unwrap_or(&Value::Null));
        let layer = (!own.is_absent("layer")).then(|| own.size("layer"));
        modules.push(Module {
            kind: kind.rsplit('.').next().unwrap_or(kind).to_owned(),
            layer: layer.transpose().map_err(refuse)?,
            folder: if inner.is_empty() { folder.to_owned() } else { folder.join(inner) },
        });
    }
    Ok(Some(modules))
}

/// Files of a sentence-transformers folder beside its encoder, for a copy of the folder that has the
/// encoder in its root.
#[derive(Clone, Debug, PartialEq)]
pub struct SentenceModuleFiles {
    /// `modules.json`, with the `Transformer` module in the root folder.
    pub modules_json: Value,
    /// Folders of the other modules, relative to the folder.
    pub folders: Vec<PathBuf>,
    /// Settings of the `Transformer` module, if it has any.
    pub settings: Option<PathBuf>,
}

/// Finds the module files of a sentence-transformers folder; `None` for other folders.
///
/// # Errors
/// If `modules.json` is corrupt.
pub fn sentence_module_files(folder: &Path) -> Result<Option<SentenceModuleFiles>, LoadError> {
    let source = Source::Folder(folder);
    let Some(modules) = modules(&source)? else { return Ok(None) };
    let mut modules_json = read_json(&folder.join(MODULES))?;
    let (mut folders, mut settings) = (Vec::new(), None);
    for (at, module) in modules.iter().enumerate() {
        if module.kind == "Transformer" {
            modules_json[at]["path"] = "".into();
            settings = settings_file(&source, &module.folder);
        } else if let Ok(inner) = module.folder.strip_prefix(folder) {
            folders.push(inner.to_owned());
        }
    }
    folders.retain(|inner| !inner.as_os_str().is_empty());
    Ok(Some(SentenceModuleFiles { modules_json, folders, settings }))
}

impl SentenceModuleFiles {
    /// Sets the layer that is pooled, in `modules_json`; `None` for the last.
    pub fn set_layer(&mut self, layer: Option<usize>) {
        for module in self.modules_json.as_array_mut().into_iter().flatten() {
            let kind = module.get("type").and_then(Value::as_str).unwrap_or_default();
            let is_encoder = kind.rsplit('.').next() == Some("Transformer");
            match (module.as_object_mut().filter(|_| is_encoder), layer) {
                (Some(of), Some(n)) => _ = of.insert(OWN.to_owned(), json!({ "layer": n })),
                (Some(of), None) => _ = of.remove(OWN),
                (None, _) => {}
            }
        }
    }
}

/// Settings file of the `Transformer` module in a folder.
fn settings_file(source: &Source<'_>, folder: &Path) -> Option<PathBuf> {
    TRANSFORMER_CONFIGS.iter().map(|name| folder.join(name)).find(|path| source.has(path))
}

/// Folder of the `Transformer` module, if `modules.json` lists a subfolder for it.
pub(super) fn transformer_folder(folder: &Path) -> Result<Option<PathBuf>, LoadError> {
    let modules = modules(&Source::Folder(folder))?.unwrap_or_default();
    let transformer = modules.into_iter().find(|module| module.kind == "Transformer");
    Ok(transformer.map(|module| module.folder).filter(|inner| inner != folder))
}

/// Sentence embedding pipeline of a sentence-transformers folder; `None` for other folders.
///
/// # Errors
/// If a file is missing or corrupt, or the type or a setting of a module is not supported.
pub fn read_sentence_modules(folder: &Path) -> Result<Option<SentenceModules>, LoadError> {
    read_modules(&Source::Folder(folder))
}

/// Reads the sentence embedding pipeline from the bytes of files, which are asked for by their path
/// in the folder, such as `1_Pooling/config.json`; `None` without a `modules.json`.
///
/// # Errors
/// As [`read_sentence_modules`].
pub fn read_sentence_modules_bytes(
    read: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> Result<Option<SentenceModules>, LoadError> {
    read_modules(&Source::Bytes(read))
}

fn read_modules(source: &Source<'_>) -> Result<Option<SentenceModules>, LoadError> {
    let folder = source.folder();
    let Some(modules) = modules(source)? else { return Ok(None) };
    let mut read = SentenceModules::default();
    for module in &modules {
        let path = module.folder.join("config.json");
        match module.kind.as_str() {
            "Transformer" => {
                read.layer = module.layer;
                read_transformer(source, &module.folder, &mut read)?;
            }
            "Pooling" => {
                let json = source.json(&path)?;
                let refuse = |source| LoadError::Config { path: path.clone(), source };
                read.pooling = Some(pooling(&json).map_err(refuse)?);
                let includes = Fields(&json).bool_or("include_prompt", true);
                read.pools_without_prompt = !includes.map_err(refuse)?;
            }
            "Dense" if !read.is_normalized => read.dense.push(dense(source, &module.folder)?),
            "Normalize" if read.pooling.is_none() => {
                let source = ConfigError::mismatch("type", "Normalize before Pooling".to_owned());
                return Err(LoadError::Config { path: folder.join(MODULES), source });
            }
            "Normalize" => {
                check_normalize(source, &path)?;
                read.is_normalized = true;
            }
            // Dropout has an effect in training only.
            "Dropout" => {}
            other => {
                let expected = "Transformer, Pooling, Dense, Normalize after all Dense, or Dropout";
                let source = ConfigError::value("type", expected, format!("{other:?}"));
                return Err(LoadError::Config { path: folder.join(MODULES), source });
            }
        }
    }
    read_prompt(source, &mut read)?;
    Ok(Some(read))
}

/// Fails unless a `Normalize` module scales sentence embeddings.
fn check_normalize(source: &Source<'_>, path: &Path) -> Result<(), LoadError> {
    if !source.has(path) {
        return Ok(());
    }
    let json = source.json(path)?;
    let refuse = |source| LoadError::Config { path: path.to_owned(), source };
    let mut fields = ["module_input_name", "module_output_name"].into_iter();
    fields.try_for_each(|field| Fields(&json).expect(field, "sentence_embedding")).map_err(refuse)
}

/// Settings of a `Transformer` module that are always so here, as sentence-transformers 6 writes them.
fn as_here() -> [(&'static str, Value); 3] {
    let text = json!({ "method": "forward", "method_output_name": "last_hidden_state" });
    [
        ("transformer_task", json!("feature-extraction")),
        ("modality_config", json!({ "text": text })),
        ("module_output_name", json!("token_embeddings")),
    ]
}

/// Reads the settings of the `Transformer` module.
fn read_transformer(
    source: &Source<'_>,
    folder: &Path,
    read: &mut SentenceModules,
) -> Result<(), LoadError> {
    let Some(path) = settings_file(source, folder) else { return Ok(()) };
    let json = source.json(&path)?;
    let refuse = |source| LoadError::Config { path: path.clone(), source };
    let fields = Fields(&json);
    read.max_seq_length = fields.optional_size("max_seq_length").map_err(refuse)?;
    read.do_lower_case = fields.bool_or("do_lower_case", false).map_err(refuse)?;
    let is_read = |name: &str| ["max_seq_length", "do_lower_case", "__version__"].contains(&name);
    let is_as_here = |name: &str, value: &Value| as_here().contains(&(name, value.clone()));
    for (name, value) in json.as_object().into_iter().flatten() {
        let is_off = fields.expect_off(name).is_ok();
        if !is_read(name) && !is_off && !is_as_here(name, value) {
            read.unused.push(format!("{}: field {name:?}", path.display()));
        }
    }
    Ok(())
}

/// Reads the prompts, the dimensions that are kept, and whether vectors are compared by their
/// cosine, as here.
fn read_prompt(source: &Source<'_>, read: &mut SentenceModules) -> Result<(), LoadError> {
    let path = source.folder().join("config_sentence_transformers.json");
    if !source.has(&path) {
        return Ok(());
    }
    let json = source.json(&path)?;
    let similarity = json.get("similarity_fn_name").and_then(Value::as_str);
    if let Some(name) = similarity.filter(|name| *name != "cosine") {
        let field = format!("{}: field \"similarity_fn_name\" ({name})", path.display());
        read.unused.push(field);
    }
    let refuse = |source| LoadError::Config { path: path.clone(), source };
    read.truncate_dim = Fields(&json).optional_size("truncate_dim").map_err(refuse)?;
    if read.truncate_dim == Some(0) {
        return Err(refuse(ConfigError::value("truncate_dim", "a positive number", 0)));
    }
    // Names that sentence-transformers itself adds, without a text of their own.
    read.prompts = ["query", "document"].map(|name| (name.to_owned(), String::new())).into();
    for (name, prompt) in json["prompts"].as_object().into_iter().flatten() {
        let field = || format!("prompts.{name}");
        let prompt =
            prompt.as_str().ok_or_else(|| refuse(ConfigError::value(field(), "a text", prompt)))?;
        read.prompts.insert(name.clone(), prompt.to_owned());
    }
    let Some(name) = json["default_prompt_name"].as_str() else { return Ok(()) };
    let prompt = read.prompts.get(name).ok_or_else(|| {
        refuse(ConfigError::mismatch("default_prompt_name", format!("no prompt {name:?}")))
    })?;
    read.default_prompt = Some(prompt.clone()).filter(|prompt| !prompt.is_empty());
    Ok(())
}
