//! Self-training with pseudo-labels (Lee 2013; FixMatch, Sohn et al. 2020; thresholds by class of
//! FreeMatch, Wang et al. 2023).

mod state;

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TeacherTargets;
use super::unlabeled_view::{UnlabeledView, masked_mean};
use crate::error::ObjectiveError;
use crate::faults::{Faults, share};
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::Needs;
use crate::state::MethodState;
use crate::step::StepInput;
use crate::view::Role;

/// Self-training with pseudo-labels: trains the prediction on a view of an unlabeled text towards
/// the label that the model, or a moving average of it, gives the text itself, where it is confident
/// enough.
///
/// It is used beside [`CrossEntropyConfig`](super::CrossEntropyConfig), which trains on the labels.
/// Rows are texts, or for tagging the first subwords of words, matched by the word's index. Related:
/// [`UdaConfig`](super::UdaConfig), [`MeanTeacherConfig`](super::MeanTeacherConfig) on the labeled
/// texts.
///
/// # Source
/// Lee 2013, "Pseudo-Label" (ICML workshop), without a threshold and on the text itself; Sohn et al.
/// 2020, FixMatch, arXiv:2001.07685, eq. 4: a threshold of 0.95 and a view, the mean over all texts.
/// The teacher that is an average of the student is that of Tarvainen & Valpola 2017,
/// arXiv:1703.01780. The labels are made anew in each step, as in FixMatch, not once for a whole
/// round of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PseudoLabelsConfig {
    /// View of the text whose prediction is trained.
    pub view: UnlabeledView,
    /// Pseudo-labels: the most probable label (hard), or the probabilities (soft), towards which the
    /// cross-entropy trains.
    pub labels: TeacherTargets,
    /// Confidence: the probability of the most probable label from which a text counts.
    pub confidence: PseudoLabelConfidence,
    /// EMA momentum α of the teacher, an exponential moving average of the student without dropout:
    /// after step n the teacher is `a` times itself plus `1 - a` times the student, with
    /// `a = min(1 - 1 / (n + 1), α)`. Without it, the student labels the texts by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
}

/// Confidence threshold of pseudo-labels: one, or one for each class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PseudoLabelConfidence {
    /// A fixed threshold for all classes, as in FixMatch.
    Fixed(f64),
    /// Self-adaptive thresholds (FreeMatch, Wang et al. 2023, arXiv:2205.07246, eqs. 5 to 8): with
    /// the moving averages τ of the highest probability and p̃ of the probability of each class,
    /// the threshold of class c is `τ p̃(c) / max p̃`. All begin at 1 divided by the number of
    /// classes. Here, a step's own texts count from the next step on.
    ByClass {
        /// EMA momentum of these averages; the paper has 0.999.
        momentum: f64,
    },
}

impl Default for PseudoLabelsConfig {
    fn default() -> Self {
        Self {
            view: UnlabeledView::default(),
            labels: TeacherTargets::Hard,
            confidence: PseudoLabelConfidence::Fixed(0.95),
            momentum: None,
        }
    }
}

impl PseudoLabelsConfig {
    /// The model that labels the texts.
    fn teacher(&self) -> Role {
        state::teacher(self.momentum)
    }

    /// Momentum of the thresholds, if there is one for each class.
    fn momentum_by_class(&self) -> Option<f64> {
        match self.confidence {
            PseudoLabelConfidence::Fixed(_) => None,
            PseudoLabelConfidence::ByClass { momentum } => Some(momentum),
        }
    }
}

impl Method for PseudoLabelsConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "pseudo_labels",
        title: "Pseudo-labels (self-training)",
        paper: "Lee 2013; Sohn et al. 2020, FixMatch, arXiv:2001.07685; Wang et al. 2023, FreeMatch, \
                arXiv:2205.07246",
        formula: "mean 1[max q(x) ≥ τ] CE(argmax q(x), p(x′)), x an unlabeled text, x′ a view of it, q = p \
                  or its moving average",
        needs: &[DataNeed::UnlabeledText, DataNeed::View],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let mut faults = self.view.faults();
        faults.extend(match self.confidence {
            PseudoLabelConfidence::Fixed(threshold) => share("confidence.fixed", threshold),
            PseudoLabelConfidence::ByClass { momentum } => {
                share("confidence.by_class.momentum", momentum)
            }
        });
        faults.extend(self.momentum.and_then(|momentum| share("momentum", momentum)));
        faults
    }
}

impl Objective for PseudoLabelsConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        let statistics = self.momentum_by_class().is_some();
        Needs { statistics, ..Needs::views(self.view.views(self.teacher())) }
    }

    fn state(&self) -> Option<Box<dyn MethodState>> {
        let (objective, by_class) = ((self.name(), self.view), self.momentum_by_class());
        let has_state = self.momentum.is_some() || by_class.is_some();
        has_state.then(|| {
            Box::new(state::PseudoLabelState::new(objective, self.momentum, by_class)) as _
        })
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let [teacher, student] = self.view.logits(self.teacher(), input, self.name())?;
        let [n_rows, n_labels] = teacher.dims();
        if n_rows == 0 {
            return Ok(Tensor::zeros([1], &student.device()));
        }
        let probabilities = softmax(teacher, 1);
        let (highest, labels) = probabilities.clone().max_dim_with_indices(1);
        let counts = match self.confidence {
            PseudoLabelConfidence::Fixed(threshold) => highest.greater_equal_elem(threshold),
            PseudoLabelConfidence::ByClass { .. } => {
                let thresholds = match input.statistics(self.name()) {
                    Some(statistics) => state::thresholds(statistics),
                    None => Tensor::full([1, n_labels], 1.0 / n_labels as f64, &highest.device()),
                };
                let of_class = thresholds.repeat_dim(0, n_rows).gather(1, labels.clone());
                highest.greater_equal(of_class)
            }
        };
        let student = log_softmax(student, 1);
        let cross_entropy = match self.labels {
            TeacherTargets::Hard => -student.gather(1, labels),
            TeacherTargets::Soft => -(probabilities * student).sum_dim(1),
        };
        Ok(masked_mean(cross_entropy, counts.float()))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use isogloss_model::ModelOutput;

    use super::*;
    use crate::step::{PredictionUnits, ViewOutput};

    #[test]
    fn a_text_counts_by_the_threshold_of_its_class() {
        let config = PseudoLabelsConfig {
            confidence: PseudoLabelConfidence::ByClass { momentum: 0.9 },
            ..PseudoLabelsConfig::default()
        };
        let output = |probabilities: [[f32; 2]; 2]| ViewOutput {
            output: ModelOutput {
                hidden_states: Vec::new(),
                logits: Tensor::<2>::from_floats(probabilities, &Device::flex()).log(),
                bias: None,
                features: Tensor::zeros([2, 1], &Device::flex()),
                aux_logits: Vec::new(),
            },
            targets: None,
            units: PredictionUnits::Texts,
        };
        let [teacher, student] = config.view.views(Role::Student);
        let views = vec![
            (teacher, output([[0.6, 0.4], [0.3, 0.7]])),
            (student, output([[0.5, 0.5], [0.75, 0.25]])),
        ];
        let step = StepInput::new(views);
        let loss = |step: &StepInput| -> f32 { config.loss(step).unwrap().into_scalar() };
        // Before the first step the threshold is ½ for both: ½ (log 2 + log 4).
        assert!((loss(&step) - 1.5 * 2f32.ln()).abs() < 1e-6);
        // Thresholds of 0.65 and 0.35: only the second text counts, of two.
        let statistics = Tensor::from_floats([[0.65, 0.35, 0.65]], &Device::flex());
        let step = step.with_statistics("pseudo_labels", statistics);
        assert!((loss(&step) - 2f32.ln()).abs() < 1e-6, "{}", loss(&step));
    }

    #[test]
    fn each_fault_names_its_field() {
        let config = PseudoLabelsConfig {
            confidence: PseudoLabelConfidence::Fixed(1.5),
            momentum: Some(-1.0),
            ..PseudoLabelsConfig::default()
        };
        let fields: Vec<_> = config.faults().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["confidence.fixed", "momentum"]);
    }
}
