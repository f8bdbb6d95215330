//! Method states of the objectives, such as a momentum encoder or a negative queue, kept between
//! steps.

use burn::tensor::Tensor;
use isogloss_methods::{MethodState, ObjectiveError, StepInput, StepResults};
use isogloss_model::Model;

use super::forward_plan::ForwardPlan;

/// Method states of the objectives that have one.
pub(crate) struct ObjectiveStates {
    states: Vec<ObjectiveState>,
}

struct ObjectiveState {
    /// The index of the objective in the plan.
    objective: usize,
    /// The name of the objective, and one that is unique in the run.
    name: &'static str,
    unique_name: String,
    state: Box<dyn MethodState>,
}

/// Rows that the states collected from batches, by state.
pub(crate) type Collected = Vec<Vec<Tensor<2>>>;

impl ObjectiveStates {
    /// The states of a plan, not yet initialized.
    pub(crate) fn new(plan: &ForwardPlan) -> Self {
        let objectives = plan.objectives().iter().zip(plan.unique_names()).enumerate();
        let states = objectives.filter_map(|(objective, (planned, unique_name))| {
            let (name, state) = (planned.objective.name(), planned.objective.state()?);
            Some(ObjectiveState { objective, name, unique_name, state })
        });
        Self { states: states.collect() }
    }

    /// Initializes the states before the first step.
    pub(crate) fn begin(&mut self, model: &Model) {
        self.states.iter_mut().for_each(|state| state.state.begin(model));
    }

    /// Whether all states are warmed up for the first step.
    pub(crate) fn are_ready(&self) -> bool {
        self.states.iter().all(|state| state.state.is_ready())
    }

    /// Warms up the states with the rows collected from a batch, before the first step.
    pub(crate) fn warm_up(&mut self, collected: Collected) {
        for (state, rows) in self.states.iter_mut().zip(collected) {
            rows.into_iter().for_each(|rows| state.state.warm_up(rows));
        }
    }

    /// Rows that states collect from the passes of a batch; `wanted` selects objectives by index.
    pub(super) fn collect(
        &self,
        input: &StepInput,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Collected, ObjectiveError> {
        let collect = |state: &ObjectiveState| {
            let rows = match wanted(state.objective) {
                true => state.state.collect(input)?,
                false => None,
            };
            Ok(rows.into_iter().collect())
        };
        self.states.iter().map(collect).collect()
    }

    /// Updates the states after an optimizer step; `model` holds the updated weights.
    pub(crate) fn after_step(&mut self, model: &Model, collected: Collected) {
        for (state, collected) in self.states.iter_mut().zip(collected) {
            let found = StepResults { collected, ..StepResults::default() };
            state.state.after_step(model, found);
        }
    }

    /// Adds the negative queues and the statistics of the objectives to the input of their losses.
    pub(super) fn add_to(&self, input: StepInput) -> StepInput {
        self.states.iter().fold(input, |mut input, state| {
            if let Some(keys) = state.state.negative_queue() {
                input = input.with_negative_queue(state.name, keys);
            }
            match state.state.statistics() {
                Some(statistics) => input.with_statistics(state.name, statistics),
                None => input,
            }
        })
    }

    /// Momentum encoder: the exponential moving average of the trained model, if a state keeps one.
    pub(super) fn momentum_encoder(&self) -> Option<&Model> {
        self.states.iter().find_map(|state| state.state.momentum_encoder())
    }

    /// Each state with its unique name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &dyn MethodState)> {
        self.states.iter().map(|state| (state.unique_name.as_str(), &*state.state))
    }

    /// As [`iter`](Self::iter), to restore them.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut dyn MethodState)> {
        self.states.iter_mut().map(|state| (state.unique_name.as_str(), &mut *state.state as _))
    }
}

/// Appends the rows of a batch to those of others.
pub(super) fn extend(collected: &mut Collected, more: Collected) {
    collected.resize_with(collected.len().max(more.len()), Vec::new);
    collected.iter_mut().zip(more).for_each(|(rows, more)| rows.extend(more));
}
