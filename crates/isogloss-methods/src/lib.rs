//! The methods of cross-lingual transfer, cut along independent axes so that they combine.
//!
//! An [`Objective`] is a loss over the outputs of a step, a [`Schedule`] says which parameters may
//! change at a moment; objectives add up, schedules intersect. [`AdamW`] applies the result.
//! Nothing here runs a model: the trainer does, once for each view that the objectives need.

#![forbid(unsafe_code)]

mod adamw;
mod gradients;
mod learning_rate;
mod objective;
mod schedule;

pub use adamw::{AdamW, AdamWConfig};
pub use gradients::Gradients;
pub use learning_rate::{LearningRateConfig, LearningRateCurve};
pub use objective::{
    CrossEntropyConfig, IGNORE_INDEX, Objective, ObjectiveConfig, ObjectiveError, StepInput,
};
pub use schedule::{FreezeConfig, Moment, Schedule, ScheduleConfig, apply_schedules};
