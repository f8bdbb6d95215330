//! Tensor names of parameters in Hugging Face files.

use crate::family::FamilySpec;
use crate::{EncoderConfig, HeadSpec, LmHeadKind, Model, peft};

/// Prefix of a parser's tensor names, in all families; `transformers` has no parser.
const PARSER: &str = "parser.";

/// Tensor name of the bias of a tied masked-language-model head, in all families; it does not have
/// the prefix of any family's own head.
pub(crate) const TIED_LM_BIAS: &str = "lm_bias";

/// Python class of folders with a tied masked-language-model head.
pub(super) const TIED_LM_CLASS: &str = "TiedForMaskedLM";

/// Tensor name of an encoder parameter, including adapters, without prefixes.
pub(super) fn encoder_tensor(family: &FamilySpec, path: &str) -> String {
    peft::tensor_name(family, path).unwrap_or_else(|| family.encoder_key(path))
}

/// Full tensor name of a task head parameter.
pub(super) fn head_tensor(family: &FamilySpec, path: &str, has_dense: bool) -> String {
    let classifier = family.head_key(path, has_dense);
    classifier.unwrap_or_else(|| path.replacen("head.", PARSER, 1))
}

impl Model {
    /// Tensor name of a parameter in a Hugging Face file of this model and head, from its path.
    pub fn parameter_name(&self, head: Option<&HeadSpec>, path: &str) -> String {
        let config = self.encoder.config();
        let family = config.family.spec();
        match (self.lm_head_kind(), path.starts_with("lm_head.")) {
            (Some(LmHeadKind::Tied), true) => TIED_LM_BIAS.to_owned(),
            (Some(LmHeadKind::Own), true) => family.lm_head_key(path),
            (Some(_), false) if head.is_none() => {
                format!("{}{}", family.prefix, parameter_name(config, None, path))
            }
            _ => parameter_name(config, head, path),
        }
    }
}

/// Tensor name of a parameter in a Hugging Face file, from its path in a [`Model`] without a
/// masked-language-model head.
///
/// Adapter parameters have the names of their library, without the prefix `base_model.model.` of
/// `peft`.
pub fn parameter_name(config: &EncoderConfig, head: Option<&HeadSpec>, path: &str) -> String {
    let family = config.family.spec();
    match (path.strip_prefix("encoder."), head) {
        (Some(path), Some(_)) => format!("{}{}", family.prefix, encoder_tensor(family, path)),
        (Some(path), None) => encoder_tensor(family, path),
        (None, head) => head_tensor(family, path, head.is_some_and(HeadSpec::has_dense)),
    }
}
