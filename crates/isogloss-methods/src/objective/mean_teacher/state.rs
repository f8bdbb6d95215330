//! State of mean teacher: the EMA teacher, and the number of its updates.

use burn::tensor::Device;
use isogloss_model::Model;
use serde_json::json;

use crate::momentum_encoder::MomentumEncoder;
use crate::momentum_schedule::MomentumSchedule;
use crate::state::{MethodState, SavedState, StateError, StateReader, StepResults};

/// Checkpoint key of the step count.
const STEPS: &str = "steps";

/// State of mean teacher. The teacher starts as a copy of the student.
pub(super) struct MeanTeacherState {
    /// EMA momentum α, see [`MeanTeacherConfig`](super::MeanTeacherConfig).
    momentum: f64,
    schedule: MomentumSchedule,
    teacher: MomentumEncoder,
    n_steps: u64,
}

impl MeanTeacherState {
    pub(super) fn new(momentum: f64, schedule: MomentumSchedule) -> Self {
        Self { momentum, schedule, teacher: MomentumEncoder::default(), n_steps: 0 }
    }
}

impl MethodState for MeanTeacherState {
    fn begin(&mut self, model: &Model) {
        self.teacher.begin(model);
    }

    fn after_step(&mut self, model: &Model, _found: StepResults) {
        self.n_steps += 1;
        let of_mean = 1.0 - 1.0 / (self.n_steps + 1) as f64;
        let momentum = self.schedule.at(self.momentum, self.n_steps);
        self.teacher.update(model, of_mean.min(momentum));
    }

    fn momentum_encoder(&self) -> Option<&Model> {
        self.teacher.model()
    }

    fn save(&self) -> SavedState {
        let tensors = self.teacher.parameters().unwrap_or_default();
        SavedState { tensors, values: [(STEPS.to_owned(), json!(self.n_steps))].into() }
    }

    fn restore(
        &mut self,
        saved: &mut dyn StateReader,
        model: &Model,
        _device: &Device,
    ) -> Result<(), StateError> {
        let n_steps = saved.value(STEPS).and_then(|steps| steps.as_u64());
        let problem = || "expected a number of steps".to_owned();
        self.n_steps =
            n_steps.ok_or_else(|| StateError::Value { name: STEPS, problem: problem() })?;
        self.teacher.restore(saved, model)
    }
}

#[cfg(test)]
mod tests {
    use isogloss_model::{HeadSpec, Pooling, RandomParams, presets};

    use super::*;
    use crate::state::tests::Saved;

    /// A model with a head of three labels.
    fn model(seed: u64) -> Model {
        let head = HeadSpec::sequence(["a", "b", "c"].map(String::from).to_vec(), Pooling::Mean);
        let source = &mut RandomParams::new(seed);
        Model::init(&presets::tiny(20), Some(&head), source, &Device::flex())
    }

    fn begun() -> MeanTeacherState {
        let mut state = MeanTeacherState::new(0.6, MomentumSchedule::Constant);
        state.begin(&model(0));
        state
    }

    /// All parameters of the state, by name.
    fn tensors(state: &MeanTeacherState) -> Vec<(String, Vec<f32>)> {
        let saved = Saved::new(state).tensors.into_iter();
        saved.map(|(name, (_, values))| (name, values)).collect()
    }

    #[test]
    fn two_steps_are_the_mean_first_and_momentum_then() {
        let of = |seed| {
            let mut state = MeanTeacherState::new(0.6, MomentumSchedule::Constant);
            state.begin(&model(seed));
            tensors(&state)
        };
        let [first, second, third] = [of(0), of(1), of(2)];
        let mut state = begun();
        state.after_step(&model(1), StepResults::default());
        state.after_step(&model(2), StepResults::default());
        let found = tensors(&state);
        assert!(found.iter().any(|(name, _)| name.starts_with("head")), "{found:?}");
        for (row, (name, values)) in found.iter().enumerate() {
            let of = |model: &[(String, Vec<f32>)], i: usize| model[row].1[i];
            for (i, value) in values.iter().enumerate() {
                // The smaller of ½ and 0.6, then of ⅔ and 0.6.
                let mean = 0.5 * of(&first, i) + 0.5 * of(&second, i);
                let expected = 0.6 * mean + 0.4 * of(&third, i);
                assert!((value - expected).abs() < 1e-6, "{name}: {value}, expected {expected}");
            }
        }
    }

    #[test]
    fn a_restored_state_goes_on_as_if_nothing_had_been() {
        let mut whole = begun();
        whole.after_step(&model(1), StepResults::default());
        let (mut saved, mut resumed) =
            (Saved::new(&whole), MeanTeacherState::new(0.6, MomentumSchedule::Constant));
        resumed.restore(&mut saved, &model(1), &Device::flex()).unwrap();
        for state in [&mut whole, &mut resumed] {
            state.after_step(&model(2), StepResults::default());
        }
        assert_eq!(Saved::new(&resumed), Saved::new(&whole));
        saved.values.clear();
        let error = resumed.restore(&mut saved, &model(1), &Device::flex()).unwrap_err();
        assert_eq!(error.to_string(), "steps: expected a number of steps");
    }
}
