//! State of XLCo: the momentum encoder, and the negative queue of its keys.

use burn::tensor::{Device, Tensor, TensorData};
use isogloss_model::{Model, NamedParam};
use serde_json::json;

use super::config::XlcoConfig;
use super::negative_queue::NegativeQueue;
use crate::error::ObjectiveError;
use crate::momentum_encoder::MomentumEncoder;
use crate::momentum_schedule::is_constant;
use crate::state::{MethodState, SavedState, StateError, StateReader, StepResults};
use crate::step::StepInput;

/// Checkpoint tensors: the keys, and the index of the next one.
const KEYS: &str = "queue.keys";
const NEXT: &str = "queue.next";
/// Checkpoint key of the step count.
const STEPS: &str = "steps";

/// State of XLCo. The momentum encoder starts as a copy of the model, the queue with the keys of
/// pairs that come before those of the first step.
pub(super) struct XlcoState {
    config: XlcoConfig,
    momentum_encoder: MomentumEncoder,
    queue: Option<NegativeQueue>,
    /// Optimizer steps done.
    n_steps: u64,
}

impl XlcoState {
    pub(super) fn new(config: XlcoConfig) -> Self {
        Self { config, momentum_encoder: MomentumEncoder::default(), queue: None, n_steps: 0 }
    }
}

impl MethodState for XlcoState {
    fn begin(&mut self, model: &Model) {
        self.momentum_encoder.begin(model);
    }

    fn is_ready(&self) -> bool {
        self.queue.as_ref().is_some_and(NegativeQueue::is_full)
    }

    fn warm_up(&mut self, keys: Tensor<2>) {
        let (capacity, width) = (self.config.queue_size, keys.dims()[1]);
        let new = || NegativeQueue::new(capacity, width, &keys.device());
        self.queue.get_or_insert_with(new).push(keys);
    }

    fn collect(&self, input: &StepInput) -> Result<Option<Tensor<2>>, ObjectiveError> {
        self.config.keys(input).map(Some)
    }

    fn after_step(&mut self, model: &Model, found: StepResults) {
        if let Some(queue) = &mut self.queue {
            found.collected.into_iter().for_each(|keys| queue.push(keys));
        }
        self.n_steps += 1;
        let momentum = self.config.momentum_schedule.at(self.config.momentum, self.n_steps);
        self.momentum_encoder.update(model, momentum);
    }

    fn negative_queue(&self) -> Option<Tensor<2>> {
        self.queue.as_ref().and_then(|queue| queue.tensor().ok())
    }

    fn momentum_encoder(&self) -> Option<&Model> {
        self.momentum_encoder.model()
    }

    fn save(&self) -> SavedState {
        let (Some(mut tensors), Some(queue)) = (self.momentum_encoder.parameters(), &self.queue)
        else {
            return SavedState::default();
        };
        let (keys, next) = queue.state();
        let next = Tensor::<1>::from_floats([next as f32], &keys.device());
        tensors.push(NamedParam::new(KEYS.to_owned(), keys));
        tensors.push(NamedParam::new(NEXT.to_owned(), next));
        SavedState { tensors, values: [(STEPS.to_owned(), json!(self.n_steps))].into() }
    }

    fn restore(
        &mut self,
        saved: &mut dyn StateReader,
        model: &Model,
        device: &Device,
    ) -> Result<(), StateError> {
        let shape = saved.shape(KEYS).ok_or(StateError::NoMatrix { name: KEYS })?;
        let &[n_keys, width] = shape.as_slice() else {
            return Err(StateError::NoMatrix { name: KEYS });
        };
        let keys = TensorData::new(saved.tensor(KEYS, &shape)?, [n_keys, width]);
        let next = saved.tensor(NEXT, &[1])?[0] as usize;
        let n_steps = saved.value(STEPS).and_then(|steps| steps.as_u64());
        let problem = || "expected a number of steps".to_owned();
        self.n_steps = match n_steps {
            // Of an earlier version, whose momentum was constant.
            None if is_constant(&self.config.momentum_schedule) => 0,
            None => return Err(StateError::Value { name: STEPS, problem: problem() }),
            Some(n_steps) => n_steps,
        };
        self.momentum_encoder.restore(saved, model)?;
        let keys = Tensor::from_data(keys, device);
        self.queue = Some(NegativeQueue::restore(self.config.queue_size, keys, next)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use isogloss_model::{RandomParams, presets};

    use super::*;
    use crate::state::tests::Saved;

    fn model(seed: u64) -> Model {
        Model::init(&presets::tiny(20), None, &mut RandomParams::new(seed), &Device::flex())
    }

    fn keys(first: f32) -> Tensor<2> {
        Tensor::from_floats([[first, 0.0], [first + 1.0, 0.5]], &Device::flex())
    }

    fn state() -> XlcoState {
        let config = XlcoConfig { queue_size: 3, momentum: 0.5, ..XlcoConfig::default() };
        XlcoState::new(config)
    }

    #[test]
    fn a_restored_state_goes_on_as_if_nothing_had_been() {
        let mut whole = state();
        assert!(!whole.is_ready() && whole.negative_queue().is_none());
        whole.begin(&model(1));
        whole.warm_up(keys(1.0));
        assert!(!whole.is_ready() && whole.negative_queue().is_none());
        whole.warm_up(keys(3.0));
        assert!(whole.is_ready());
        let step = |state: &mut XlcoState, first: f32| {
            let collected = vec![keys(first)];
            state.after_step(&model(2), StepResults { collected, ..StepResults::default() });
        };
        step(&mut whole, 5.0);
        let mut resumed = state();
        let mut saved = Saved::new(&whole);
        resumed.restore(&mut saved, &model(3), &Device::flex()).unwrap();
        for state in [&mut whole, &mut resumed] {
            step(state, 7.0);
        }
        assert_eq!(Saved::new(&resumed), Saved::new(&whole));
    }

    #[test]
    fn a_state_that_lacks_something_names_it() {
        let mut whole = state();
        whole.begin(&model(1));
        whole.warm_up(keys(1.0));
        whole.warm_up(keys(3.0));
        let error = |remove: &str| {
            let mut saved = Saved::new(&whole);
            saved.tensors.remove(remove).unwrap();
            let restored = state().restore(&mut saved, &model(1), &Device::flex());
            restored.unwrap_err().to_string()
        };
        assert_eq!(error(KEYS), "no matrix \"queue.keys\"");
        let parameter = "encoder.embeddings.norm.weight";
        assert_eq!(error(parameter), format!("saved: no tensor \"{parameter}\""));
    }
}
