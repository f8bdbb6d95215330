//! Learning-rate schedules: linear warmup, then linear, cosine or no decay.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Learning rates of one step: encoder and head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Learning rate of the encoder, and of all other parameters outside the head.
    pub encoder: f64,
    /// Learning rate of the head of a task.
    pub head: f64,
}

impl Rates {
    /// Creates the rates; the head has the encoder's rate if `head` is `None`.
    pub fn new(encoder: f64, head: Option<f64>) -> Self {
        Self { encoder, head: head.unwrap_or(encoder) }
    }

    /// Learning rate of the parameter at a path.
    pub fn for_path(&self, path: &str) -> f64 {
        if path.starts_with("head.") { self.head } else { self.encoder }
    }
}

impl From<f64> for Rates {
    fn from(rate: f64) -> Self {
        Self::new(rate, None)
    }
}

/// Learning-rate decay after the warmup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LearningRateSchedule {
    /// Linear decay to zero at the last step.
    #[default]
    Linear,
    /// Cosine decay, half a period, to zero at the last step.
    Cosine,
    /// No decay: constant at the peak.
    Constant,
}

/// Learning-rate schedule: linear warmup to a peak, then decay.
///
/// # Source
/// The same factors as `transformers`' `get_linear_schedule_with_warmup` and its siblings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearningRateConfig {
    /// Peak learning rate, reached at the end of the warmup.
    pub peak: f64,
    /// Steps of linear warmup from zero.
    pub warmup_steps: u64,
    /// Total steps.
    pub total_steps: u64,
    /// Decay after the warmup.
    pub schedule: LearningRateSchedule,
}

impl LearningRateConfig {
    /// Learning rate of optimizer step number `step`, from 0.
    pub fn at(&self, step: u64) -> f64 {
        self.peak * self.factor(step)
    }

    fn factor(&self, step: u64) -> f64 {
        let (step, warmup, total) =
            (step as f64, self.warmup_steps as f64, self.total_steps as f64);
        if step < warmup {
            return step / warmup.max(1.0);
        }
        let progress = (step - warmup) / (total - warmup).max(1.0);
        match self.schedule {
            LearningRateSchedule::Constant => 1.0,
            LearningRateSchedule::Linear => (1.0 - progress).max(0.0),
            LearningRateSchedule::Cosine => {
                (0.5 * (1.0 + (std::f64::consts::PI * progress).cos())).max(0.0)
            }
        }
    }
}
