//! Guided dropout (Sharma et al. 2024): units with high Fisher information are dropped less.

use std::sync::Arc;

use burn::tensor::Device;
use isogloss_model::{Model, UnitDropout};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::faults::{Faults, at_least_one};
use crate::gradients::Gradients;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::state::{MethodState, SavedState, StateError, StateReader};

/// The value of a checkpoint that holds the rates.
const RATES: &str = "rates";

/// Guided dropout: the higher the Fisher score of a unit ranks among the units of a block's output,
/// the lower its dropout rate. The mean rate stays the model's own.
///
/// A unit's score is the sum of the diagonal Fisher information over its row of the block's output
/// matrix, estimated once before training with labels sampled from the model.
///
/// # Source
/// After Sharma et al. 2024, arXiv:2406.14005. The paper's abstract says that scores modulate the
/// rates; the mapping, [`rates`](Self::rates), is ours. They compute scores on the pre-training
/// objective, as [`GuidedDropoutScores::MaskedLm`] does; the default is the task with its new head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GuidedDropoutConfig {
    /// γ: dropout rates range from `1 + γ / 2` times the mean for the lowest score to
    /// `1 - γ / 2` times for the highest.
    pub gamma: f64,
    /// Batches that the Fisher scores are estimated on.
    pub n_batches: usize,
    /// The objective that the Fisher scores are of.
    #[serde(skip_serializing_if = "is_of_task")]
    pub scores: GuidedDropoutScores,
}

/// The objective that the Fisher scores of guided dropout are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuidedDropoutScores {
    /// The task, with its new head, on batches of its training examples.
    #[default]
    Task,
    /// Masked language modelling with the pretrained model and its language-model head, without
    /// dropout, on blocks of `[monolingual]`, as in the paper.
    MaskedLm,
}

/// Whether the objective is left out of a recipe's text.
fn is_of_task(scores: &GuidedDropoutScores) -> bool {
    *scores == GuidedDropoutScores::Task
}

impl Default for GuidedDropoutConfig {
    fn default() -> Self {
        Self { gamma: 1.0, n_batches: 20, scores: GuidedDropoutScores::Task }
    }
}

/// Upper bound of a unit's dropout rate.
const MAX_RATE: f64 = 0.5;

impl GuidedDropoutConfig {
    /// Dropout rate of each unit: `mean (1 + γ (½ - (rank + ½) / n))` within `[0, ½]`, where
    /// the lowest score has rank 0 and equal scores rank by their index.
    pub fn rates(&self, scores: &[f64], mean: f64) -> Vec<f32> {
        let n = scores.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        let mut rates = vec![0.0; n];
        for (rank, unit) in order.into_iter().enumerate() {
            let quantile = (rank as f64 + 0.5) / n as f64;
            rates[unit] = mean * (1.0 + self.gamma * (0.5 - quantile));
        }
        // Scales up the other rates by what the upper bound removes, so that the mean stays.
        for _ in 0..n {
            let now = rates.iter().map(|rate| rate.min(MAX_RATE)).sum::<f64>() / n as f64;
            if now <= 0.0 || now >= mean * (1.0 - 1e-9) {
                break;
            }
            rates.iter_mut().for_each(|rate| *rate *= mean / now);
        }
        rates.into_iter().map(|rate| rate.min(MAX_RATE) as f32).collect()
    }

    /// Dropout rates of all units of a model whose own rate is `mean`.
    fn unit_dropout(&self, scores: UnitScores, mean: f64) -> UnitDropout {
        let rates = |outputs: [Vec<f64>; 2]| outputs.map(|scores| self.rates(&scores, mean));
        UnitDropout { layers: scores.layers.into_iter().map(rates).collect() }
    }

    /// Validation errors: the invalid fields and the reasons.
    pub fn faults(&self) -> Faults {
        Method::faults(self)
    }
}

impl Method for GuidedDropoutConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "guided_dropout",
        title: "Guided dropout",
        paper: "Sharma et al. 2024, arXiv:2406.14005",
        formula: "rate(unit) = rate (1 + γ (½ - (rank of its Fisher information + ½) / n))",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let gamma = (!(0.0..=2.0).contains(&self.gamma))
            .then(|| ("gamma", format!("expected [0, 2], found {}", self.gamma)));
        gamma.into_iter().chain(at_least_one("n_batches", self.n_batches as u64)).collect()
    }
}

/// State of guided dropout: the dropout rate of each unit, estimated once before the first step.
#[derive(Debug)]
pub struct GuidedDropoutState {
    rates: Arc<UnitDropout>,
}

impl GuidedDropoutState {
    /// Estimates the rates of `model` from the gradients of batches with labels sampled from the model,
    /// see [`GradientSource::sampled_gradients`](crate::GradientSource::sampled_gradients).
    ///
    /// # Errors
    /// The first error of a batch.
    pub fn estimate<E>(
        config: &GuidedDropoutConfig,
        model: &Model,
        gradients: impl Iterator<Item = Result<Gradients, E>>,
    ) -> Result<Self, E> {
        let sizes = model.encoder.config();
        let mut scores = UnitScores::new(sizes.num_hidden_layers, sizes.hidden_size);
        for gradients in gradients {
            scores.add(&gradients?);
        }
        Ok(Self { rates: Arc::new(config.unit_dropout(scores, sizes.hidden_dropout_prob)) })
    }

    /// Reads the rates of `model` from a checkpoint.
    ///
    /// # Errors
    /// If there are none, or if they are the rates of a model of another size.
    pub fn restored(saved: &mut dyn StateReader, model: &Model) -> Result<Self, StateError> {
        let fault = |problem: &str| StateError::Value { name: RATES, problem: problem.to_owned() };
        let rates = saved.value(RATES).ok_or_else(|| fault("there are none"))?;
        let layers: Vec<[Vec<f32>; 2]> =
            serde_json::from_value(rates).map_err(|error| fault(&error.to_string()))?;
        let config = model.encoder.config();
        let fits = |layer: &[Vec<f32>; 2]| layer.iter().all(|r| r.len() == config.hidden_size);
        if layers.len() != config.num_hidden_layers || !layers.iter().all(fits) {
            return Err(fault("they are of an encoder of another size"));
        }
        Ok(Self { rates: Arc::new(UnitDropout { layers }) })
    }

    /// The rates, to run the model with.
    pub fn rates(&self) -> &Arc<UnitDropout> {
        &self.rates
    }
}

impl MethodState for GuidedDropoutState {
    fn save(&self) -> SavedState {
        let rates = serde_json::to_value(&self.rates.layers).expect("rates are printable as JSON");
        SavedState { values: [(RATES.to_owned(), rates)].into(), ..SavedState::default() }
    }

    fn restore(
        &mut self,
        saved: &mut dyn StateReader,
        model: &Model,
        _device: &Device,
    ) -> Result<(), StateError> {
        *self = Self::restored(saved, model)?;
        Ok(())
    }
}

/// The Fisher score of each unit of the blocks' outputs, summed over batches.
#[derive(Clone, Debug, PartialEq)]
struct UnitScores {
    /// By layer: after attention, and after the feed-forward network.
    layers: Vec<[Vec<f64>; 2]>,
}

/// Weight matrices whose rows are the output units of a block.
const OUTPUTS: [&str; 2] = ["attention.output", "feed_forward.down"];

impl UnitScores {
    /// Zero scores, for `n_layers` layers of this width.
    fn new(n_layers: usize, width: usize) -> Self {
        Self { layers: vec![[vec![0.0; width], vec![0.0; width]]; n_layers] }
    }

    /// Adds the squared gradients of each unit's row, on a batch with labels sampled from the
    /// model, see [`GradientSource::sampled_gradients`](crate::GradientSource::sampled_gradients).
    fn add(&mut self, gradients: &Gradients) {
        for (layer, outputs) in self.layers.iter_mut().enumerate() {
            for (output, scores) in OUTPUTS.iter().zip(outputs) {
                let path = format!("encoder.layers.{layer}.{output}.weight");
                add_row_squares(gradients, &path, scores);
            }
        }
    }
}

fn add_row_squares(gradients: &Gradients, path: &str, sums: &mut [f64]) {
    let Some(gradient) = gradients.get(path) else { return };
    let n_columns = gradient.dims()[0] / sums.len();
    let rows = gradient.clone().reshape([sums.len(), n_columns]).square().sum_dim(1);
    let rows = rows.into_data().convert::<f64>().try_into_vec::<f64>();
    let rows = rows.expect("the numbers were just converted to this type");
    sums.iter_mut().zip(rows).for_each(|(sum, row)| *sum += row);
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use burn::tensor::{Int, Tensor};
    use isogloss_model::{RandomParams, presets};

    use super::*;
    use crate::state::tests::Saved;

    #[test]
    fn scores_are_the_squares_of_each_units_row() {
        let mut gradients = Gradients::default();
        let values = Tensor::<1>::from_floats([1.0, 2.0, 0.0, 3.0], &Device::flex());
        gradients.add("encoder.layers.1.feed_forward.down.weight".into(), values);
        let mut scores = UnitScores::new(2, 2);
        scores.add(&gradients);
        scores.add(&gradients);
        let none = || vec![0.0, 0.0];
        assert_eq!(scores.layers, [[none(), none()], [none(), vec![10.0, 18.0]]]);
    }

    fn mean(rates: &[f32]) -> f64 {
        rates.iter().map(|rate| f64::from(*rate)).sum::<f64>() / rates.len() as f64
    }

    #[test]
    fn important_units_are_dropped_less_and_the_mean_stays() {
        let config = GuidedDropoutConfig::default();
        let rates = config.rates(&[3.0, 1.0, 2.0, 4.0], 0.1);
        assert!(rates[3] < rates[0] && rates[0] < rates[2] && rates[2] < rates[1], "{rates:?}");
        assert!((mean(&rates) - 0.1).abs() < 1e-7);
        assert!((rates[1] - 0.1 * 1.375).abs() < 1e-7);
    }

    #[test]
    fn no_rate_passes_a_half_and_the_mean_still_stays() {
        let scores: Vec<f64> = (0..64).map(f64::from).collect();
        let rates = GuidedDropoutConfig { gamma: 2.0, ..Default::default() }.rates(&scores, 0.4);
        assert!(rates.iter().all(|rate| (0.0..=0.5).contains(rate)));
        assert!((mean(&rates) - 0.4).abs() < 1e-6, "{}", mean(&rates));
    }

    fn model(n_layers: usize) -> Model {
        let mut config = presets::tiny(10);
        config.num_hidden_layers = n_layers;
        Model::init(&config, None, &mut RandomParams::new(1), &Device::flex())
    }

    #[test]
    fn restored_rates_equal_the_estimated_ones_and_those_of_another_size_are_refused() {
        let model_of_two = model(2);
        let width = model_of_two.encoder.config().hidden_size;
        let values = Tensor::<1, Int>::arange(0..width as i64, &Device::flex()).float();
        let mut gradients = Gradients::default();
        gradients.add("encoder.layers.0.attention.output.weight".into(), values);
        let batches = [Ok::<_, Infallible>(gradients)].into_iter();
        let config = GuidedDropoutConfig::default();
        let Ok(state) = GuidedDropoutState::estimate(&config, &model_of_two, batches);
        let rates = &state.rates().layers[0][0];
        assert!(rates[0] > rates[rates.len() - 1], "{rates:?}");

        let mut saved = Saved::new(&state);
        let restored = GuidedDropoutState::restored(&mut saved, &model_of_two).unwrap();
        assert_eq!(restored.rates().layers, state.rates().layers);
        let error = GuidedDropoutState::restored(&mut saved, &model(3)).unwrap_err().to_string();
        assert_eq!(error, "rates: they are of an encoder of another size");
        saved.values.clear();
        let error = GuidedDropoutState::restored(&mut saved, &model_of_two).unwrap_err();
        assert_eq!(error.to_string(), "rates: there are none");
    }
}
