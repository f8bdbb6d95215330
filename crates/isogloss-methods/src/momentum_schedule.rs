//! Momentum schedule: the momentum of an exponential moving average of a model as a function of the
//! step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::faults::{Faults, at_least_one, positive, share};

/// Momentum schedule: the momentum of a momentum encoder as a function of n, the number of optimizer
/// steps done.
///
/// # Source
/// Chi et al. 2021, InfoXLM, arXiv:2007.07834: the four kinds of the authors' code
/// (`get_xlco_momentum`), which the paper does not describe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MomentumSchedule {
    /// The same in all steps.
    #[default]
    Constant,
    /// Constant with refresh: 0 in every k-th step, after which the momentum encoder is a copy of
    /// the model.
    Refresh {
        /// Steps from one copy to the next: k.
        every_steps: u64,
    },
    /// Linear: from `first` up to the momentum, which it has from step `end` on.
    Linear {
        /// The momentum until step `begin`.
        first: f64,
        /// The step at which it begins to grow.
        begin: u64,
        /// The step at which it has grown.
        end: u64,
    },
    /// Exponential: `1 - n^-alpha`, at least `first` and at most the momentum.
    Exponential {
        /// The exponent: 0.51 in the authors' example.
        alpha: f64,
        /// The least momentum: 0 in the authors' example.
        first: f64,
    },
}

impl MomentumSchedule {
    /// The momentum after step number `n`, counted from 1; `momentum` is the greatest.
    pub fn at(&self, momentum: f64, n: u64) -> f64 {
        match *self {
            Self::Constant => momentum,
            Self::Refresh { every_steps } => {
                if n.is_multiple_of(every_steps) {
                    0.0
                } else {
                    momentum
                }
            }
            Self::Linear { first, begin, end } => match n {
                n if n <= begin => first,
                n if n >= end => momentum,
                n => first + (momentum - first) * (n - begin) as f64 / (end - begin) as f64,
            },
            Self::Exponential { alpha, first } => {
                (1.0 - (n.max(1) as f64).powf(-alpha)).max(first).min(momentum)
            }
        }
    }

    /// Validation errors: the invalid fields and the reasons.
    pub(crate) fn faults(&self, momentum: f64) -> Faults {
        let first = |field, first: f64| {
            let problem = format!("expected at most the momentum, {momentum}, found {first}");
            let is_greater = first > momentum;
            share(field, first).into_iter().chain(is_greater.then_some((field, problem)))
        };
        match *self {
            Self::Constant => Vec::new(),
            Self::Refresh { every_steps } => {
                at_least_one("momentum_schedule.refresh.every_steps", every_steps)
                    .into_iter()
                    .collect()
            }
            Self::Linear { first: least, begin, end } => {
                let problem = format!("expected at least begin, {begin}, found {end}");
                let order = (end < begin).then_some(("momentum_schedule.linear.end", problem));
                first("momentum_schedule.linear.first", least).chain(order).collect()
            }
            Self::Exponential { alpha, first: least } => {
                positive("momentum_schedule.exponential.alpha", alpha)
                    .into_iter()
                    .chain(first("momentum_schedule.exponential.first", least))
                    .collect()
            }
        }
    }
}

/// Whether a schedule is left out of a recipe's text.
pub(crate) fn is_constant(schedule: &MomentumSchedule) -> bool {
    *schedule == MomentumSchedule::Constant
}

#[cfg(test)]
mod tests {
    use super::*;

    fn momenta(schedule: MomentumSchedule, steps: &[u64]) -> Vec<f64> {
        steps.iter().map(|n| schedule.at(0.9, *n)).collect()
    }

    #[test]
    fn the_momentum_of_each_step_by_hand() {
        assert_eq!(momenta(MomentumSchedule::Constant, &[1, 99]), [0.9, 0.9]);
        let refresh = MomentumSchedule::Refresh { every_steps: 3 };
        assert_eq!(momenta(refresh, &[1, 2, 3, 4, 6]), [0.9, 0.9, 0.0, 0.9, 0.0]);
        let linear = MomentumSchedule::Linear { first: 0.5, begin: 2, end: 10 };
        assert_eq!(momenta(linear, &[1, 2, 10, 11]), [0.5, 0.5, 0.9, 0.9]);
        assert!((linear.at(0.9, 6) - 0.7).abs() < 1e-12);
        // 1 - 1/√n, from 0.6 to 0.9.
        let exponential = MomentumSchedule::Exponential { alpha: 0.5, first: 0.6 };
        assert_eq!(momenta(exponential, &[1, 4, 16, 10_000]), [0.6, 0.6, 0.75, 0.9]);
    }

    #[test]
    fn each_fault_names_its_field() {
        let fault = |schedule: MomentumSchedule| {
            schedule.faults(0.9).first().map(|(field, _)| field.rsplit('.').next())
        };
        let linear = |first, begin, end| MomentumSchedule::Linear { first, begin, end };
        assert_eq!(fault(MomentumSchedule::Refresh { every_steps: 0 }), Some(Some("every_steps")));
        assert_eq!(fault(linear(0.95, 0, 1)), Some(Some("first")));
        assert_eq!(fault(linear(0.5, 2, 1)), Some(Some("end")));
        let exponential = MomentumSchedule::Exponential { alpha: 0.0, first: 0.0 };
        assert_eq!(fault(exponential), Some(Some("alpha")));
        assert_eq!(fault(linear(0.9, 3, 3)), None);
    }
}
