//! Frozen parameters: parts of the model that are never trained.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Moment, Schedule, ScheduleMethod};
use super::scope::UnfreezeScope;
use crate::method::{Method, MethodInfo, options};

/// Frozen parameters, which are not trained from the first step to the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeConfig {
    /// Prefixes of parameter paths, such as `encoder.embeddings` or `encoder.layers.0.`.
    pub parameters: Vec<String>,
}

impl Method for FreezeConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "freeze",
        title: "Frozen parameters",
        paper: "",
        formula: "parameters whose path starts with one of these never change",
        needs: &[],
        file: file!(),
        required: &["parameters"],
        example: || options(Self { parameters: vec!["encoder.embeddings".to_owned()] }),
    };
}

impl ScheduleMethod for FreezeConfig {
    fn schedule(&self, _n_layers: usize, _scope: &UnfreezeScope, _seed: u64) -> Box<dyn Schedule> {
        Box::new(self.clone())
    }
}

impl Schedule for FreezeConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn trainable(&self, path: &str, _moment: Moment) -> bool {
        !self.parameters.iter().any(|start| path.starts_with(start.as_str()))
    }
}
