//! Parts of a finished model that depend on the language of a text: its language adapter (MAD-X),
//! its subnetwork and its centring.

use std::path::Path;

use burn::module::Module;
use isogloss_model::{AdapterChoice, AdapterLibrary, FeatureCentring, Model, load_adapter};
use isogloss_text::Language;

use super::Predictor;
use crate::Error;
use crate::error::ToolError;
use crate::task::Centring;
use crate::tools::subnetwork::read_saved_subnetwork;

impl Predictor {
    /// MAD-X adapter exchange: replaces the language adapter under the task adapter by that of a
    /// folder of the `adapters` library, or removes it without a folder.
    ///
    /// # Errors
    /// If the model has no language adapter, or the folder no adapter that fits.
    pub fn exchange_language_adapter(&mut self, folder: Option<&Path>) -> Result<(), Error> {
        exchange(&mut self.loaded.model, folder)?;
        // The given adapter is used for all languages.
        self.scoring.language_adapter = None;
        Ok(())
    }

    /// MAD-X adapter exchange: the model with the language adapter that its run scored a language
    /// with; `None` if the run scored the language with the model as it is.
    ///
    /// # Errors
    /// If the language adapter is not where the run found it.
    pub fn exchanged_for(&self, language: &Language) -> Result<Option<Model>, Error> {
        let Some(saved) = self.scoring.language_adapter.as_ref() else { return Ok(None) };
        if *language == saved.source {
            return Ok(None);
        }
        let folder = saved.path.as_ref().map(|path| path.path(language));
        if let Some(folder) = folder.as_ref().filter(|f| !f.join("adapter_config.json").exists()) {
            let (folder, language) = (folder.clone(), language.clone());
            return Err(ToolError::LanguageAdapterNotFound { folder, language }.into());
        }
        let mut model = self.loaded.model.clone();
        exchange(&mut model, folder.as_deref())?;
        Ok(Some(model))
    }

    /// The model that its run scored a language with, as [`exchanged_for`](Self::exchanged_for),
    /// with parameters that require gradients.
    ///
    /// # Errors
    /// As [`exchanged_for`](Self::exchanged_for).
    pub fn trainable_for(&self, language: &Language) -> Result<Model, Error> {
        let exchanged = self.exchanged_for(language)?;
        Ok(exchanged.unwrap_or_else(|| self.loaded.model.clone()).train())
    }

    /// Predicts texts of one language with the parts of the model that its run used for the
    /// language: the language adapter, the subnetwork in `folder`, that of the model, and the
    /// [centring](Centring).
    ///
    /// # Errors
    /// If the language adapter or the subnetwork cannot be read.
    pub fn for_language(mut self, folder: &Path, language: &Language) -> Result<Self, Error> {
        if let Some(model) = self.exchanged_for(language)? {
            self.loaded.model = model;
            self.scoring.language_adapter = None;
        }
        let config = self.loaded.model.encoder.config();
        let subnetwork = read_saved_subnetwork(config, folder, language)?;
        self.subnetwork = subnetwork.map(|of| of.mask(&self.device));
        self.feature_centring = self.feature_centring(language);
        Ok(self)
    }

    /// The language centring that is stored with the model, if any.
    pub fn centring(&self) -> Option<&Centring> {
        self.centring.as_ref()
    }

    /// The centring of a language's features, on the device of the model; `None` if they stay as
    /// they are.
    pub fn feature_centring(&self, language: &Language) -> Option<FeatureCentring> {
        self.centring.as_ref()?.for_language(language, &self.device)
    }

    /// Replaces the language centring by that of the bytes of a file; `path` names it in messages.
    ///
    /// # Errors
    /// If it is malformed, or of another model.
    pub fn with_centring(mut self, bytes: &[u8], path: &Path) -> Result<Self, Error> {
        let hidden_size = self.loaded.model.encoder.config().hidden_size;
        self.centring = Some(Centring::from_json(bytes, path, &self.head, hidden_size)?);
        Ok(self)
    }

    /// Leaves the features of all languages as they are.
    #[must_use]
    pub fn without_centring(mut self) -> Self {
        (self.centring, self.feature_centring) = (None, None);
        self
    }
}

/// Replaces the language adapter of a model.
fn exchange(model: &mut Model, folder: Option<&Path>) -> Result<(), Error> {
    let [language, _, ..] = model.encoder.active_adapters() else {
        return Err(ToolError::NoLanguageAdapter.into());
    };
    let language = language.clone();
    let exchanged = match folder {
        // The new adapter gets the name of the old one, and is left out of the same layers.
        Some(folder) => {
            let config = model.encoder.adapter(AdapterLibrary::Adapters, &language);
            let leave_out = config.map(|config| config.left_out().to_vec());
            let leave_out = leave_out.unwrap_or_default();
            let choice = AdapterChoice { name: Some(language), leave_out };
            load_adapter(folder, model, &choice)?;
            Ok(())
        }
        None => model.encoder.swap_active_adapter(&language, None),
    };
    Ok(exchanged.map_err(ToolError::from)?)
}
