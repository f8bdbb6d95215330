//! A model with a head, for prediction and evaluation.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::Device;
use isogloss::methods::Subnetwork;
use isogloss::report::SUBNETWORKS;
use isogloss::text::{LabelSet, Language};
use isogloss::{Predictor, TargetKind, parse_subnetwork};
use wasm_bindgen::prelude::*;

/// Predictor with its device, and the subnetworks that its run saved.
#[derive(Debug)]
pub(crate) struct Labeler {
    pub(crate) predictor: Predictor,
    pub(crate) device: Device,
    /// Files of subnetworks, by language tag.
    pub(crate) subnetworks: BTreeMap<String, Vec<u8>>,
}

impl Labeler {
    /// The label set that the model is scored with, or the reason why it is not scored here.
    pub(crate) fn labels(&self) -> Result<LabelSet, String> {
        if self.predictor.task().target() == TargetKind::Tree {
            return Err("a parser is scored by the command line alone".to_owned());
        }
        self.predictor.labels().map_err(|error| error.to_string())
    }

    /// The language of a labeled file, by its name; `und` if the name is no language tag and all
    /// languages use the whole model.
    pub(crate) fn language(&self, name: &str) -> Result<Language, JsError> {
        match Language::from_file_name(name.as_ref()) {
            Ok(language) => Ok(language),
            Err(error) => match self.differs_by_language() {
                Some(how) => Err(JsError::new(&format!(
                    "{name}: {how}; name the file after its language, as in de.jsonl: {error}"
                ))),
                None => Ok("und".parse()?),
            },
        }
    }

    /// Whether the model was trained on pairs of texts.
    pub(crate) fn reads_pairs(&self) -> bool {
        let is_of_texts = self.predictor.task().target() == TargetKind::Class;
        is_of_texts && self.predictor.scoring().reading.columns.pair.is_some()
    }

    /// A text, or the two texts of a pair with one tab between them, if the model reads pairs.
    pub(crate) fn parts<'t>(&self, text: &'t str) -> Result<(&'t str, Option<&'t str>), JsError> {
        if !self.reads_pairs() {
            return Ok((text, None));
        }
        let parts = text.split_once('\t').filter(|(_, second)| !second.contains('\t'));
        let (first, second) = parts.ok_or_else(|| {
            JsError::new(&format!("{text:?}: expected two texts with one tab between them"))
        })?;
        Ok((first, Some(second)))
    }

    /// How the model differs for some languages, in words; `None` if it does not.
    fn differs_by_language(&self) -> Option<&'static str> {
        let has_adapter = self.predictor.scoring().language_adapter.is_some();
        if !self.subnetworks.is_empty() || has_adapter {
            return Some("languages used parts of this model in its run");
        }
        let is_centred = self.predictor.centring().is_some();
        is_centred.then_some("vectors of this model are centred by language")
    }

    /// The subnetwork that the run scored a language with; `None` if it used the whole model.
    ///
    /// # Errors
    /// If the run scored the language with another language adapter.
    pub(crate) fn subnetwork(&self, language: &Language) -> Result<Option<Subnetwork>, JsError> {
        let adapter = self.predictor.scoring().language_adapter.as_ref();
        if adapter.is_some_and(|saved| saved.source != *language) {
            return Err(JsError::new(&format!(
                "config.json: isogloss.scoring.language_adapter: the run scored {language} with \
                 another language adapter, which is not in this folder; use `isogloss evaluate`"
            )));
        }
        let Some(bytes) = self.subnetworks.get(language.as_str()) else { return Ok(None) };
        let path = PathBuf::from(format!("{SUBNETWORKS}/{language}.toml"));
        let text = std::str::from_utf8(bytes)
            .map_err(|error| JsError::new(&format!("{}: {error}", path.display())))?;
        let config = self.predictor.loaded().model.encoder.config();
        Ok(Some(parse_subnetwork(config, text, &path)?))
    }
}
