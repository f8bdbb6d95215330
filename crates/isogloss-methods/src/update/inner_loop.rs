//! Inner loop of meta-learning: plain gradient descent on the batches of a task.
//!
//! The batches of a step form tasks, each of one language. The parameters that are adapted in a
//! task are discarded, and only the resulting gradient is kept. Batches at the end of a step that
//! do not fill a task are skipped; if no task is full, the step is a plain one.

use isogloss_model::Model;

use crate::faults::{Faults, at_least_one, positive};
use crate::gradients::Gradients;
use crate::learning_rate::Rates;
use crate::parameters::shifted;

/// Defines the configuration of a method with an inner loop: fields, defaults and validation.
macro_rules! inner_loop_config {
    ($(#[$attr:meta])* $name:ident, inner_steps = $inner_steps:literal) => {
        $(#[$attr])*
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            /// Gradient descent steps in a task (inner loop).
            pub inner_steps: usize,
            /// Learning rate of the inner loop.
            pub inner_learning_rate: f64,
            /// Learning rate of the head in the inner loop; the same by default.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub inner_head_learning_rate: Option<f64>,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    inner_steps: $inner_steps,
                    inner_learning_rate: 1e-3,
                    inner_head_learning_rate: None,
                }
            }
        }

        impl $name {
            fn rates(&self) -> $crate::learning_rate::Rates {
                $crate::learning_rate::Rates::new(
                    self.inner_learning_rate,
                    self.inner_head_learning_rate,
                )
            }

            fn faults_of_inner_loop(&self) -> $crate::faults::Faults {
                let rates = [Some(self.inner_learning_rate), self.inner_head_learning_rate];
                $crate::update::inner_loop::faults(self.inner_steps, rates)
            }
        }
    };
}
pub(super) use inner_loop_config;

/// Validation errors of an inner loop: its number of steps, and the learning rates of encoder and
/// head.
pub(super) fn faults(inner_steps: usize, [rate, head_rate]: [Option<f64>; 2]) -> Faults {
    let steps = at_least_one("inner_steps", inner_steps as u64);
    let rate = rate.and_then(|rate| positive("inner_learning_rate", rate));
    let head = head_rate.and_then(|rate| positive("inner_head_learning_rate", rate));
    [steps, rate, head].into_iter().flatten().collect()
}

/// One step of plain gradient descent (SGD).
pub fn sgd_step(model: Model, gradients: &Gradients, rates: Rates) -> Model {
    shifted(model, &gradients.clone().scaled_by(|path| -rates.for_path(path)), 1.0)
}
