//! Target modules of a `peft` folder: module names in fields such as `target_modules`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::target::TargetModule;
use crate::{ConfigError, EncoderConfig};

/// Shapes of the tensors of a file, by name.
pub(crate) type StoredShapes<'a> = BTreeMap<&'a str, Vec<usize>>;

/// Target projections of an adapter: `modules` in each of `layers`.
pub(super) struct Targets {
    pub(super) modules: Vec<TargetModule>,
    pub(super) layers: Vec<usize>,
}

impl Targets {
    /// Parses a `field` such as `target_modules`: the projections whose name ends with an entry of
    /// the list, or, if it is a regular expression, those for which `has_tensors` finds tensors in
    /// the file.
    pub(super) fn read(
        json: &Value,
        field: &str,
        layers: Option<&[usize]>,
        encoder: &EncoderConfig,
        has_tensors: impl Fn(&str) -> bool,
    ) -> Result<Self, ConfigError> {
        let list = match json.get(field) {
            Some(Value::Array(names)) => Some(names.iter().filter_map(Value::as_str)),
            Some(Value::String(_)) => None,
            other => {
                let found = other.unwrap_or(&Value::Null);
                return Err(ConfigError::value(field, "names", found));
            }
        };
        let list: Option<Vec<&str>> = list.map(Iterator::collect);
        let is_chosen = |layer, target| {
            let name = projection_name(encoder, layer, target);
            match &list {
                Some(list) => {
                    let ends = |end: &&str| {
                        let rest = name.strip_suffix(*end);
                        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                    };
                    layers.is_none_or(|layers| layers.contains(&layer)) && list.iter().any(ends)
                }
                None => {
                    let prefix = encoder.family.spec().prefix;
                    has_tensors(name.strip_prefix(prefix).unwrap_or(&name))
                }
            }
        };
        let n_layers = encoder.num_hidden_layers;
        let all = (0..n_layers).flat_map(|n| TargetModule::ALL.map(|target| (n, target)));
        let chosen: BTreeSet<_> = all.filter(|(n, target)| is_chosen(*n, *target)).collect();
        let is_outside = |layer: &&usize| **layer >= n_layers;
        if let Some(layer) = layers.and_then(|layers| layers.iter().find(is_outside)) {
            let (field, layer) = ("layers_to_transform".to_owned(), *layer);
            return Err(ConfigError::Layer { field, layer, n_layers });
        }
        if chosen.is_empty() {
            let problem = format!("no projection of the model is one of {}", json[field]);
            return Err(ConfigError::mismatch(field, problem));
        }
        Self::from_pairs(field, &chosen)
    }

    /// Splits (layer, module) pairs into modules and layers; fails unless all layers have the same
    /// modules.
    fn from_pairs(
        field: &str,
        pairs: &BTreeSet<(usize, TargetModule)>,
    ) -> Result<Self, ConfigError> {
        let modules: BTreeSet<_> = pairs.iter().map(|(_, target)| *target).collect();
        let layers: BTreeSet<_> = pairs.iter().map(|(layer, _)| *layer).collect();
        if modules.len() * layers.len() != pairs.len() {
            let problem = "expected the same projections in each layer";
            return Err(ConfigError::mismatch(field, problem));
        }
        Ok(Self { modules: modules.into_iter().collect(), layers: layers.into_iter().collect() })
    }

    /// Value of the field: suffixes of module names that match no other projection.
    pub(super) fn names(&self, encoder: &EncoderConfig) -> Vec<String> {
        let end = |layer: usize, target: TargetModule| {
            let module = format!("layers.{layer}.{}", target.path());
            let module = encoder.family.spec().encoder_module(&module);
            let start = module.find("layer.").unwrap_or_default();
            module[start..].to_owned()
        };
        let in_block = |target| end(0, target).trim_start_matches("layer.0.").to_owned();
        let mut names = Vec::new();
        for target in &self.modules {
            let name = in_block(*target);
            let is_shared = TargetModule::ALL.into_iter().any(|other| {
                !self.modules.contains(&other) && in_block(other).ends_with(&format!(".{name}"))
            });
            if is_shared {
                names.extend(self.layers.iter().map(|layer| end(*layer, *target)));
            } else {
                names.push(name);
            }
        }
        names
    }
}

/// Module name of a projection in a task model of `transformers`.
fn projection_name(encoder: &EncoderConfig, layer: usize, target: TargetModule) -> String {
    let family = encoder.family.spec();
    let module = family.encoder_module(&format!("layers.{layer}.{}", target.path()));
    format!("{}{module}", family.prefix)
}
