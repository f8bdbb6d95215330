//! Uniform sampling of languages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::SamplingRule;
use crate::method::{Method, MethodInfo, options};

/// Uniform sampling: draws all languages with the same probability.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UniformSamplingConfig {}

impl Method for UniformSamplingConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "uniform",
        title: "Uniform sampling",
        paper: "",
        formula: "p(language) = 1/n",
        needs: &[],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };
}

impl SamplingRule for UniformSamplingConfig {
    fn temperature(&self) -> f64 {
        1.0
    }
}
