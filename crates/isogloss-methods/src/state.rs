//! Method state: what a method keeps from one step to the next, and what a checkpoint holds of it.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_model::{LoadFault, Model, NamedParam, ParamMapper, map_parameters};
use serde_json::Value;

use crate::error::{AlignmentError, ObjectiveError};
use crate::importance::Importance;
use crate::step::StepInput;

/// What a method keeps from one step to the next, such as a queue of negatives or a moving average.
///
/// The trainer calls [`begin`](Self::begin), then [`warm_up`](Self::warm_up) until the state
/// [`is_ready`](Self::is_ready); or [`restore`](Self::restore) where a run is resumed. In each step it
/// hands what [`collect`](Self::collect) took from the passes of the step's batches to
/// [`after_step`](Self::after_step), once the optimizer has taken the step. Files are the trainer's: a state gives and takes a [`SavedState`].
pub trait MethodState: Send {
    /// Begins anew, before the first step.
    fn begin(&mut self, _model: &Model) {}

    /// Whether the first step can be taken; if not, batches before it are wanted, of which only the views
    /// of the momentum encoder are run.
    fn is_ready(&self) -> bool {
        true
    }

    /// Takes in what was collected from a batch before the first step.
    fn warm_up(&mut self, _collected: Tensor<2>) {}

    /// Rows that the state takes from the passes of a batch, `[rows, width]`.
    ///
    /// # Errors
    /// If the step lacks something that they are made of.
    fn collect(&self, _input: &StepInput) -> Result<Option<Tensor<2>>, ObjectiveError> {
        Ok(None)
    }

    /// Follows a step of the optimizer, of which `model` came.
    fn after_step(&mut self, _model: &Model, _found: StepFindings) {}

    /// The negative queue that the loss reads, `[queue_size, width]`, see [`StepInput::negative_queue`].
    fn negative_queue(&self) -> Option<Tensor<2>> {
        None
    }

    /// The model of [`Role::Momentum`](crate::Role::Momentum), if the state keeps one.
    fn momentum_encoder(&self) -> Option<&Model> {
        None
    }

    /// What a checkpoint is to hold.
    fn save(&self) -> SavedState;

    /// Goes on where a run was whose model is `model` now.
    ///
    /// # Errors
    /// If what was saved is not the state of this configuration and model.
    fn restore(
        &mut self,
        saved: &mut dyn StateReader,
        model: &Model,
        device: &Device,
    ) -> Result<(), StateError>;
}

/// What a state is told of the batches of a step.
#[derive(Clone, Debug, Default)]
pub struct StepFindings {
    /// What the state collected, by batch.
    pub collected: Vec<Tensor<2>>,
    /// By batch, where subnetworks follow it: its language, and how much each head and feed-forward block
    /// mattered.
    pub importances: Vec<(usize, Importance)>,
}

/// What a checkpoint holds of a method's state: tensors, and other values as JSON.
#[derive(Default)]
pub struct SavedState {
    /// Tensors by name, of 32 bits.
    pub tensors: Vec<NamedParam>,
    /// Everything else, by name.
    pub values: BTreeMap<String, Value>,
}

/// Reads a [`SavedState`].
pub trait StateReader {
    /// The shape of a tensor; none if there is none of this name.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;

    /// The values of a tensor of this shape.
    ///
    /// # Errors
    /// If there is none.
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadFault>;

    /// Another value.
    fn value(&self, name: &str) -> Option<Value>;
}

/// Why a saved state cannot be gone on from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Tensors that are missing or do not fit.
    #[error("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Tensors {
        /// All of them.
        faults: Vec<LoadFault>,
    },
    /// There is no matrix of this name.
    #[error("no matrix {name:?}")]
    NoMatrix {
        /// Its name.
        name: &'static str,
    },
    /// A queue of negatives of another capacity.
    #[error(transparent)]
    Queue(#[from] AlignmentError),
    /// A value that is missing, or not that of this run.
    #[error("{name}: {problem}")]
    Value {
        /// Its name.
        name: &'static str,
        /// What is wrong.
        problem: String,
    },
}

impl From<LoadFault> for StateError {
    fn from(fault: LoadFault) -> Self {
        Self::Tensors { faults: vec![fault] }
    }
}

/// A module with the parameters of `module` and saved values.
///
/// # Errors
/// [`StateError::Tensors`] with every parameter that is missing or of another shape.
pub(crate) fn restored_parameters<M: Module>(
    module: M,
    saved: &mut dyn StateReader,
) -> Result<M, StateError> {
    let mut restoring = Restoring { saved, faults: Vec::new() };
    let module = map_parameters(module, &mut restoring);
    if restoring.faults.is_empty() {
        Ok(module)
    } else {
        Err(StateError::Tensors { faults: restoring.faults })
    }
}

struct Restoring<'a> {
    saved: &'a mut dyn StateReader,
    faults: Vec<LoadFault>,
}

impl ParamMapper for Restoring<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.val().dims();
        match self.saved.tensor(path, &shape) {
            Ok(values) => {
                param.map(|old| Tensor::from_data(TensorData::new(values, shape), &old.device()))
            }
            Err(fault) => {
                self.faults.push(fault);
                param
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a state saves, read back.
    #[derive(Debug, PartialEq)]
    pub(crate) struct Saved {
        /// Shapes and values.
        pub(crate) tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
        pub(crate) values: BTreeMap<String, Value>,
    }

    impl Saved {
        pub(crate) fn new(state: &dyn MethodState) -> Self {
            let SavedState { tensors, values } = state.save();
            let read = |param: NamedParam| {
                let values = param.data().try_into_vec::<f32>().unwrap();
                (param.path.clone(), (param.shape.clone(), values))
            };
            Self { tensors: tensors.into_iter().map(read).collect(), values }
        }
    }

    impl StateReader for Saved {
        fn shape(&self, name: &str) -> Option<Vec<usize>> {
            self.tensors.get(name).map(|(shape, _)| shape.clone())
        }

        fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadFault> {
            match self.tensors.get(name) {
                Some((found, values)) if found == shape => Ok(values.clone()),
                _ => Err(LoadFault::Missing {
                    path: "saved".into(),
                    tensor: name.to_owned(),
                    nearest: None,
                }),
            }
        }

        fn value(&self, name: &str) -> Option<Value> {
            self.values.get(name).cloned()
        }
    }
}
