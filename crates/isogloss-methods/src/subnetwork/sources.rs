//! Subnetworks of the training languages: fixed, or dynamic and updated after each step.

use burn::tensor::Device;
use isogloss_model::Model;

use super::Subnetwork;
use super::dynamic::{DynamicSubnetwork, DynamicSubnetworkConfig};
use crate::importance::Importance;
use crate::state::{MethodState, SavedState, StateError, StateReader, StepResults};

/// Checkpoint key of the scores of each source language's units.
const SCORES: &str = "scores";

/// Subnetworks of the source languages, by index; fixed if there is no configuration.
#[derive(Debug)]
pub struct SourceSubnetworks {
    sources: Vec<DynamicSubnetwork>,
    config: Option<DynamicSubnetworkConfig>,
}

impl SourceSubnetworks {
    /// Starts from a given subnetwork for each source language.
    pub fn new(
        sources: impl IntoIterator<Item = Subnetwork>,
        config: Option<DynamicSubnetworkConfig>,
    ) -> Self {
        Self { sources: sources.into_iter().map(DynamicSubnetwork::new).collect(), config }
    }

    /// Starts dynamic subnetworks with the static importances of their units, by source language.
    ///
    /// # Panics
    /// If an importance is of an encoder of another size.
    #[must_use]
    pub fn with_importances(mut self, importances: Vec<Importance>) -> Self {
        let sources = self.sources.into_iter().zip(importances);
        self.sources = sources.map(|(of, importance)| of.with_importance(importance)).collect();
        self
    }

    /// Current subnetworks, by source language.
    pub fn subnetworks(&self) -> impl Iterator<Item = &Subnetwork> {
        self.sources.iter().map(DynamicSubnetwork::subnetwork)
    }

    /// Current subnetwork of a source language.
    pub fn get(&self, source: usize) -> Option<&Subnetwork> {
        self.sources.get(source).map(DynamicSubnetwork::subnetwork)
    }

    /// Configuration of dynamic subnetworks; `None` if they are fixed.
    pub fn config(&self) -> Option<DynamicSubnetworkConfig> {
        self.config
    }

    /// Whether they change during training.
    pub fn are_dynamic(&self) -> bool {
        self.config.is_some()
    }
}

impl MethodState for SourceSubnetworks {
    fn after_step(&mut self, _model: &Model, found: StepResults) {
        let Some(config) = self.config else { return };
        for (source, importance) in found.importances {
            self.sources[source].update(importance, config);
        }
    }

    fn save(&self) -> SavedState {
        if !self.are_dynamic() {
            return SavedState::default();
        }
        let scores: Vec<_> = self.sources.iter().map(DynamicSubnetwork::scores).collect();
        let scores = serde_json::to_value(scores).expect("numbers are printable as JSON");
        SavedState { values: [(SCORES.to_owned(), scores)].into(), ..SavedState::default() }
    }

    fn restore(
        &mut self,
        saved: &mut dyn StateReader,
        _model: &Model,
        _device: &Device,
    ) -> Result<(), StateError> {
        let others =
            |problem: &str| StateError::Value { name: SCORES, problem: problem.to_owned() };
        if !self.are_dynamic() {
            return Ok(());
        }
        let scores = saved.value(SCORES).ok_or_else(|| others("there are none"))?;
        let scores: Vec<Importance> =
            serde_json::from_value(scores).map_err(|error| others(&error.to_string()))?;
        if scores.len() != self.sources.len() {
            return Err(others("they are of other languages"));
        }
        for (source, scores) in self.sources.iter_mut().zip(scores) {
            if !source.restore(scores) {
                return Err(others("they are of an encoder of another size"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use isogloss_model::{RandomParams, presets};

    use super::*;
    use crate::state::tests::Saved;

    fn sources(n: usize, decay: Option<f64>) -> SourceSubnetworks {
        let config = decay.map(|decay| DynamicSubnetworkConfig { decay, ..Default::default() });
        SourceSubnetworks::new((0..n).map(|_| Subnetwork::whole(1, 2)), config)
    }

    #[test]
    fn scores_come_back_and_those_of_other_sources_are_refused() {
        let device = Device::flex();
        let source = &mut RandomParams::new(1);
        let model = Model::init(&presets::tiny(10), None, source, &device);
        let importance = Importance { heads: vec![vec![2.0, 1.0]], feed_forward: vec![3.0] };
        let found = |source| StepResults {
            importances: vec![(source, importance.clone())],
            ..StepResults::default()
        };
        let mut whole = sources(2, Some(0.5));
        whole.after_step(&model, found(1));
        let mut saved = Saved::new(&whole);
        let mut resumed = sources(2, Some(0.5));
        resumed.restore(&mut saved, &model, &device).unwrap();
        for subnetworks in [&mut whole, &mut resumed] {
            subnetworks.after_step(&model, found(0));
        }
        assert_eq!(resumed.save().values, whole.save().values);
        let error = sources(1, Some(0.5)).restore(&mut saved, &model, &device).unwrap_err();
        assert_eq!(error.to_string(), "scores: they are of other languages");
        // Fixed subnetworks save no state.
        let mut fixed = sources(2, None);
        let mut nothing = Saved::new(&fixed);
        assert!(nothing.values.is_empty());
        fixed.restore(&mut nothing, &model, &device).unwrap();
    }
}
