//! Mean teacher (Tarvainen & Valpola 2017): consistency with the prediction of a moving average of
//! the model.

mod state;

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::divergence::{Divergence, GradientFlow, Reduction, divergence};
use crate::error::ObjectiveError;
use crate::faults::{Faults, share};
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::momentum_schedule::{MomentumSchedule, is_constant};
use crate::needs::Needs;
use crate::state::MethodState;
use crate::step::{StepInput, matched_logits};
use crate::view::{Role, TextView, View};

/// Mean teacher: trains the student's prediction on a view of a text towards that of an exponential
/// moving average (EMA) of the student on the original text.
///
/// It is used beside [`CrossEntropyConfig`](super::CrossEntropyConfig), which trains on the labels.
/// Rows are texts, or for tagging the first subwords of words, matched by the word's index.
/// Related: [`ConsistencyConfig`](super::ConsistencyConfig) without an average,
/// [`ModelConsistencyConfig`](super::ModelConsistencyConfig) with a fixed teacher.
///
/// # Source
/// Tarvainen & Valpola 2017, arXiv:1703.01780, §2, with the costs and the average of the authors'
/// code. There, the weight of the consistency loss grows during the first epochs, the teacher's
/// input has noise too, and the teacher is the final model. Here, the weight is constant, the
/// teacher has no dropout, and the student is evaluated and saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MeanTeacherConfig {
    /// Text view that the student reads; the original one differs from the teacher's by dropout
    /// alone.
    pub text: TextView,
    /// Consistency cost: how the predictions are compared.
    pub cost: MeanTeacherCost,
    /// EMA momentum α: after step n the teacher is `a` times itself plus `1 - a` times the
    /// student, with `a = min(1 - 1 / (n + 1), α)`, so that it is the plain mean of all students
    /// so far until `a` reaches α. The paper has 0.99 while its weights grow, and 0.999 later.
    pub momentum: f64,
    /// Momentum schedule: how α comes to this value.
    #[serde(skip_serializing_if = "is_constant")]
    pub momentum_schedule: MomentumSchedule,
}

impl Default for MeanTeacherConfig {
    fn default() -> Self {
        Self {
            text: TextView::Original,
            cost: MeanTeacherCost::default(),
            momentum: 0.999,
            momentum_schedule: MomentumSchedule::Constant,
        }
    }
}

/// Consistency cost: how the prediction of the student is compared with that of the teacher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeanTeacherCost {
    /// Mean squared error of the probabilities, over rows and labels.
    #[default]
    Mse,
    /// KL divergence, `KL(teacher‖student)`, the mean over rows, in nats.
    Kl,
}

impl MeanTeacherConfig {
    /// Views of the teacher and of the student.
    fn views(&self) -> [View; 2] {
        [View::with_role(Role::Momentum, TextView::Original), View::student(self.text)]
    }
}

impl Method for MeanTeacherConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "mean_teacher",
        title: "Mean teacher",
        paper: "Tarvainen & Valpola 2017, arXiv:1703.01780",
        formula: "mean (p_ξ(x) - p_θ(x′))², ξ an exponential moving average of θ, x′ a view of x",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let text = (!self.text.is_of_task())
            .then(|| ("text", "expected a text of the task's examples".to_owned()));
        let schedule = self.momentum_schedule.faults(self.momentum);
        text.into_iter().chain(share("momentum", self.momentum)).chain(schedule).collect()
    }
}

impl Objective for MeanTeacherConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        Needs::views(self.views())
    }

    fn state(&self) -> Option<Box<dyn MethodState>> {
        Some(Box::new(state::MeanTeacherState::new(self.momentum, self.momentum_schedule)))
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let [teacher, student] = self.views();
        let teacher = input.view(teacher, self.name())?;
        let student = input.view(student, self.name())?;
        let [teacher, student] = matched_logits(teacher, student);
        let (kind, reduction) = match self.cost {
            MeanTeacherCost::Mse => (Divergence::Mse, Reduction::ElementMean),
            MeanTeacherCost::Kl => (Divergence::Kl, Reduction::BatchMean),
        };
        Ok(divergence(kind, GradientFlow::OneWay, reduction, teacher, student))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use isogloss_model::ModelOutput;

    use super::*;
    use crate::step::{PredictionUnits, ViewOutput};

    /// A step whose teacher says ½, ½ and whose student says ¼, ¾ of one text.
    fn step(config: &MeanTeacherConfig) -> StepInput {
        let output = |logits: [f32; 2]| ViewOutput {
            output: ModelOutput {
                hidden_states: Vec::new(),
                logits: Tensor::from_floats([logits], &Device::flex()),
                bias: None,
                features: Tensor::zeros([1, 1], &Device::flex()),
                aux_logits: Vec::new(),
            },
            targets: None,
            units: PredictionUnits::Texts,
        };
        let [teacher, student] = config.views();
        StepInput::new(vec![(teacher, output([0.0; 2])), (student, output([0.0, 3f32.ln()]))])
    }

    #[test]
    fn costs_of_two_coins() {
        // ½ ((½ - ¼)² + (½ - ¾)²), and ½ log (½ / ¼) + ½ log (½ / ¾).
        for (cost, expected) in
            [(MeanTeacherCost::Mse, 0.0625), (MeanTeacherCost::Kl, 0.5 * (4f32 / 3.0).ln())]
        {
            let config = MeanTeacherConfig { cost, ..MeanTeacherConfig::default() };
            let found: f32 = config.loss(&step(&config)).unwrap().into_scalar();
            assert!((found - expected).abs() < 1e-6, "{cost:?}: {found}, expected {expected}");
        }
    }

    #[test]
    fn each_fault_names_its_field() {
        let config = MeanTeacherConfig {
            text: TextView::PairLeft,
            momentum: 1.5,
            ..MeanTeacherConfig::default()
        };
        let fields: Vec<_> = config.faults().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["text", "momentum"]);
    }
}
