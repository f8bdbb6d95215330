//! Method state: what a method keeps across training steps and stores in checkpoints.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_model::{LoadFault, Model, NamedParam, ParamMapper, map_parameters};
use serde_json::Value;

use crate::error::{AlignmentError, ObjectiveError};
use crate::importance::Importance;
use crate::step::StepInput;

/// State of a method across training steps, such as a negative queue or a momentum encoder.
///
/// The trainer calls [`begin`](Self::begin), then [`warm_up`](Self::warm_up) until the state
/// [`is_ready`](Self::is_ready); a resumed run calls [`restore`](Self::restore) instead. In each
/// step it calls [`collect`](Self::collect) on the forward passes of each batch, and after the
/// optimizer step it passes the collected rows to [`after_step`](Self::after_step). The trainer
/// does the file I/O: a state returns a [`SavedState`] and reads it with a [`StateReader`].
pub trait MethodState: Send {
    /// Initializes the state before the first step.
    fn begin(&mut self, _model: &Model) {}

    /// Whether the state is ready for the first step. If not, it needs warm-up batches, of which
    /// the trainer runs only the views of the momentum encoder.
    fn is_ready(&self) -> bool {
        true
    }

    /// Warm-up: adds the rows collected from a batch before the first step.
    fn warm_up(&mut self, _collected: Tensor<2>) {}

    /// Collects rows from the forward passes of a batch, `[rows, width]`, such as keys of a
    /// negative queue.
    ///
    /// # Errors
    /// If the step lacks an input that the rows are computed from.
    fn collect(&self, _input: &StepInput) -> Result<Option<Tensor<2>>, ObjectiveError> {
        Ok(None)
    }

    /// Updates the state after an optimizer step; `model` holds the updated weights.
    fn after_step(&mut self, _model: &Model, _found: StepResults) {}

    /// Negative queue: keys of earlier pairs that the loss contrasts with, `[queue_size, width]`,
    /// see [`StepInput::negative_queue`].
    fn negative_queue(&self) -> Option<Tensor<2>> {
        None
    }

    /// Statistics of earlier steps that the loss reads, `[rows, width]`, see
    /// [`StepInput::statistics`].
    fn statistics(&self) -> Option<Tensor<2>> {
        None
    }

    /// The momentum encoder, the model of [`Role::Momentum`](crate::Role::Momentum), if the state
    /// has one.
    fn momentum_encoder(&self) -> Option<&Model> {
        None
    }

    /// The state to store in a checkpoint.
    fn save(&self) -> SavedState;

    /// Restores the state from a checkpoint; `model` is the restored model of the run.
    ///
    /// # Errors
    /// If the saved state does not match this configuration and model.
    fn restore(
        &mut self,
        saved: &mut dyn StateReader,
        model: &Model,
        device: &Device,
    ) -> Result<(), StateError>;
}

/// Results of one training step that are passed to the method states.
#[derive(Clone, Debug, Default)]
pub struct StepResults {
    /// Rows that the state collected, by batch.
    pub collected: Vec<Tensor<2>>,
    /// Importance scores of each batch, for dynamic subnetworks: its language, and the importance
    /// of each attention head and feed-forward block.
    pub importances: Vec<(usize, Importance)>,
}

/// Saved state of a method in a checkpoint: tensors, and other values as JSON.
#[derive(Default)]
pub struct SavedState {
    /// Tensors by name, as `f32`.
    pub tensors: Vec<NamedParam>,
    /// Other values, by name.
    pub values: BTreeMap<String, Value>,
}

/// Reader of a [`SavedState`] from a checkpoint.
pub trait StateReader {
    /// Shape of a tensor; `None` if no tensor has this name.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;

    /// Values of a tensor of this shape.
    ///
    /// # Errors
    /// If there is no tensor of this name and shape.
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadFault>;

    /// JSON value; `None` if no value has this name.
    fn value(&self, name: &str) -> Option<Value>;
}

/// Error of restoring a method state from a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Missing tensors, or tensors of other shapes.
    #[error("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Tensors {
        /// All faulty tensors.
        faults: Vec<LoadFault>,
    },
    /// Missing matrix: no two-dimensional tensor has this name.
    #[error("no matrix {name:?}")]
    NoMatrix {
        /// Name of the matrix.
        name: &'static str,
    },
    /// The saved negative queue has another capacity.
    #[error(transparent)]
    Queue(#[from] AlignmentError),
    /// Missing value, or a value that does not fit this run.
    #[error("{name}: {problem}")]
    Value {
        /// Name of the value.
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

/// Restores the parameters of a module from a checkpoint.
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

    /// Saved state in memory, which can be read back.
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
