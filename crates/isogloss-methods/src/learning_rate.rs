//! Learning-rate schedules: warm-up, then linear or cosine decay, or none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The learning rates of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// That of the encoder, and of all that is no head.
    pub encoder: f64,
    /// That of the head of a task.
    pub head: f64,
}

impl Rates {
    /// The head's is the encoder's unless it has one of its own.
    pub fn new(encoder: f64, head: Option<f64>) -> Self {
        Self { encoder, head: head.unwrap_or(encoder) }
    }

    /// The rate of the parameter at a path.
    pub fn for_path(&self, path: &str) -> f64 {
        if path.starts_with("head.") { self.head } else { self.encoder }
    }
}

impl From<f64> for Rates {
    fn from(rate: f64) -> Self {
        Self::new(rate, None)
    }
}

/// The decay of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LearningRateSchedule {
    /// Straight down to zero at the last step.
    #[default]
    Linear,
    /// Half a cosine down to zero at the last step.
    Cosine,
    /// Stays at its peak.
    Constant,
}

/// A learning-rate schedule: warm-up to a peak, then decay.
///
/// # Source
/// The same factors as `transformers`' `get_linear_schedule_with_warmup` and its siblings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearningRateConfig {
    /// The highest value, reached at the end of the warm-up.
    pub peak: f64,
    /// Steps of linear growth from zero.
    pub warmup_steps: u64,
    /// Steps in all.
    pub total_steps: u64,
    /// What follows the warm-up.
    pub schedule: LearningRateSchedule,
}

impl LearningRateConfig {
    /// The learning rate of the optimizer step number `step`, from 0.
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
