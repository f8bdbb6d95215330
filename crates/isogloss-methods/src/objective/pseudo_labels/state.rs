//! State of pseudo-labels: the EMA teacher, and the statistics of its predictions by class.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_model::{Model, NamedParam};
use serde_json::json;

use crate::error::ObjectiveError;
use crate::momentum_encoder::MomentumEncoder;
use crate::objective::unlabeled_view::UnlabeledView;
use crate::state::{MethodState, SavedState, StateError, StateReader, StepResults};
use crate::step::StepInput;
use crate::view::Role;

/// Checkpoint key of the step count.
const STEPS: &str = "steps";
/// Checkpoint tensor of the statistics.
const STATISTICS: &str = "statistics";

/// State of pseudo-labels. The teacher starts as a copy of the student.
pub(super) struct PseudoLabelState {
    /// Name of the objective, and the view that it trains.
    objective: (&'static str, UnlabeledView),
    /// EMA momentum of the teacher; `None` if the student labels the texts.
    momentum: Option<f64>,
    /// EMA momentum of the statistics; `None` without thresholds by class.
    statistics_momentum: Option<f64>,
    teacher: MomentumEncoder,
    n_steps: u64,
    /// `[1, labels + 1]`: the moving averages of the probability of each class, then of the highest
    /// probability; `None` before the first step.
    statistics: Option<Tensor<2>>,
}

/// Thresholds of the classes, `[1, labels]`, from the statistics.
pub(super) fn thresholds(statistics: Tensor<2>) -> Tensor<2> {
    let n_labels = statistics.dims()[1] - 1;
    let by_class = statistics.clone().narrow(1, 0, n_labels);
    let highest = statistics.narrow(1, n_labels, 1);
    by_class.clone() / by_class.max_dim(1) * highest
}

/// The model that labels the texts: a moving average, if there is a momentum.
pub(super) fn teacher(momentum: Option<f64>) -> Role {
    if momentum.is_some() { Role::Momentum } else { Role::Student }
}

impl PseudoLabelState {
    pub(super) fn new(
        objective: (&'static str, UnlabeledView),
        momentum: Option<f64>,
        statistics_momentum: Option<f64>,
    ) -> Self {
        let (teacher, n_steps, statistics) = (MomentumEncoder::default(), 0, None);
        Self { objective, momentum, statistics_momentum, teacher, n_steps, statistics }
    }

    /// Moves the statistics towards those of the probabilities of a step, `[rows, labels]`.
    fn follow(&mut self, probabilities: Tensor<2>, momentum: f64) {
        let n_labels = probabilities.dims()[1];
        let highest = probabilities.clone().max_dim(1).mean_dim(0);
        let now = Tensor::cat(vec![probabilities.mean_dim(0), highest], 1);
        let first = || Tensor::full([1, n_labels + 1], 1.0 / n_labels as f64, &now.device());
        let before = self.statistics.take().unwrap_or_else(first);
        self.statistics = Some(before * momentum + now * (1.0 - momentum));
    }
}

impl MethodState for PseudoLabelState {
    fn begin(&mut self, model: &Model) {
        if self.momentum.is_some() {
            self.teacher.begin(model);
        }
    }

    fn collect(&self, input: &StepInput) -> Result<Option<Tensor<2>>, ObjectiveError> {
        if self.statistics_momentum.is_none() {
            return Ok(None);
        }
        let (name, view) = self.objective;
        let [teacher, _] = view.logits(teacher(self.momentum), input, name)?;
        Ok((teacher.dims()[0] > 0).then(|| softmax(teacher, 1)))
    }

    fn after_step(&mut self, model: &Model, found: StepResults) {
        self.n_steps += 1;
        if let (Some(momentum), false) = (self.statistics_momentum, found.collected.is_empty()) {
            self.follow(Tensor::cat(found.collected, 0), momentum);
        }
        if let Some(momentum) = self.momentum {
            let of_mean = 1.0 - 1.0 / (self.n_steps + 1) as f64;
            self.teacher.update(model, of_mean.min(momentum));
        }
    }

    fn statistics(&self) -> Option<Tensor<2>> {
        self.statistics.clone()
    }

    fn momentum_encoder(&self) -> Option<&Model> {
        self.teacher.model()
    }

    fn save(&self) -> SavedState {
        let mut tensors = self.teacher.parameters().unwrap_or_default();
        let statistics = self.statistics.clone();
        tensors.extend(statistics.map(|of| NamedParam::new(STATISTICS.to_owned(), of)));
        SavedState { tensors, values: [(STEPS.to_owned(), json!(self.n_steps))].into() }
    }

    fn restore(
        &mut self,
        saved: &mut dyn StateReader,
        model: &Model,
        device: &Device,
    ) -> Result<(), StateError> {
        let n_steps = saved.value(STEPS).and_then(|steps| steps.as_u64());
        let problem = || "expected a number of steps".to_owned();
        self.n_steps =
            n_steps.ok_or_else(|| StateError::Value { name: STEPS, problem: problem() })?;
        if let Some(shape) = saved.shape(STATISTICS) {
            let &[1, width] = shape.as_slice() else {
                return Err(StateError::NoMatrix { name: STATISTICS });
            };
            let values = TensorData::new(saved.tensor(STATISTICS, &shape)?, [1, width]);
            self.statistics = Some(Tensor::from_data(values, device));
        }
        if self.momentum.is_some() {
            self.teacher.restore(saved, model)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use isogloss_model::{HeadSpec, Pooling, RandomParams, presets};

    use super::*;
    use crate::state::tests::Saved;

    fn model(seed: u64) -> Model {
        let head = HeadSpec::sequence(["a", "b"].map(String::from).to_vec(), Pooling::Mean);
        let source = &mut RandomParams::new(seed);
        Model::init(&presets::tiny(20), Some(&head), source, &Device::flex())
    }

    fn state(momentum: Option<f64>) -> PseudoLabelState {
        let objective = ("pseudo_labels", UnlabeledView::default());
        PseudoLabelState::new(objective, momentum, Some(0.5))
    }

    fn step(state: &mut PseudoLabelState, seed: u64, rows: [[f32; 2]; 2]) {
        // Two batches of a text each.
        let collected = rows.map(|row| Tensor::<2>::from_floats([row], &Device::flex())).to_vec();
        state.after_step(&model(seed), StepResults { collected, ..StepResults::default() });
    }

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    #[test]
    fn a_class_that_is_rarely_predicted_needs_less_confidence() {
        let mut state = state(None);
        state.begin(&model(0));
        step(&mut state, 0, [[0.9, 0.1], [0.7, 0.3]]);
        // Means 0.8, 0.2 and 0.8, halfway from ½: 0.65, 0.35 and 0.65.
        let statistics = state.statistics().unwrap();
        for (found, expected) in values(statistics.clone()).iter().zip([0.65, 0.35, 0.65]) {
            assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
        }
        for (found, expected) in values(thresholds(statistics)).iter().zip([0.65, 0.35]) {
            assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
        }
    }

    #[test]
    fn a_restored_state_goes_on_as_if_nothing_had_been() {
        for momentum in [None, Some(0.9)] {
            let mut whole = state(momentum);
            whole.begin(&model(0));
            step(&mut whole, 1, [[0.9, 0.1], [0.4, 0.6]]);
            let (mut saved, mut resumed) = (Saved::new(&whole), state(momentum));
            resumed.restore(&mut saved, &model(3), &Device::flex()).unwrap();
            for state in [&mut whole, &mut resumed] {
                step(state, 2, [[0.2, 0.8], [0.3, 0.7]]);
            }
            assert_eq!(Saved::new(&resumed), Saved::new(&whole));
            assert_eq!(saved.tensors.len() > 1, momentum.is_some());
        }
    }
}
