//! Consistency regularization (xTune's example consistency, Zheng et al. 2021): two views of a text
//! should get the same prediction.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::divergence::{Divergence, GradientFlow, Reduction, divergence};
use crate::error::ObjectiveError;
use crate::faults::Faults;
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::Needs;
use crate::step::{StepInput, matched_logits};
use crate::view::{EmbeddingNoise, TextView, View};

/// Consistency regularization (xTune): the divergence between the predictions on a view and on the
/// original text.
///
/// Rows are texts, or for tagging the first subwords of words, matched by the word's index. The two
/// passes have independent dropout masks. Related: [`RDropConfig`](super::RDropConfig) and
/// [`R3fConfig`](super::R3fConfig) are special cases with their papers' own scales.
///
/// # Source
/// Zheng et al. 2021, xTune, arXiv:2106.08226, §3.1, R1: symmetric KL, stop-gradient. Their code
/// takes the mean over labels too, so that their weights need `reduction = "element_mean"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyConfig {
    /// View that is compared with the original text.
    pub view: ConsistencyView,
    /// Divergence between the two predictions.
    #[serde(default)]
    pub divergence: Divergence,
    /// Stop-gradient: which of the two predictions is trained.
    #[serde(default = "stopped")]
    pub gradient: GradientFlow,
    /// Reduction from rows to the loss.
    #[serde(default)]
    pub reduction: Reduction,
}

fn stopped() -> GradientFlow {
    GradientFlow::Stopped
}

/// View that consistency regularization compares with the original text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsistencyView {
    /// The same text with other dropout masks.
    SecondPass,
    /// The same text with noise on its embeddings.
    Noised(EmbeddingNoise),
    /// Subword sampling: the text tokenized into sampled subwords, `[views.subword_sampled]`.
    SubwordSampled,
    /// Code-switching: the text with some words in other languages, `[views.code_switched]`.
    CodeSwitched,
    /// A translation of the text, `[views.translated]`.
    Translated,
}

impl ConsistencyView {
    fn view(self) -> View {
        match self {
            Self::SecondPass => View::second_pass(),
            Self::Noised(noise) => View::noised(noise, 1),
            Self::SubwordSampled => View::student(TextView::SubwordSampled),
            Self::CodeSwitched => View::student(TextView::CodeSwitched),
            Self::Translated => View::student(TextView::Translated),
        }
    }
}

impl Method for ConsistencyConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "consistency",
        title: "Example consistency (xTune R1)",
        paper: "Zheng et al. 2021, xTune, arXiv:2106.08226",
        formula: "KL(sg p(x)‖p(x′)) + KL(sg p(x′)‖p(x)), x′ another view of x",
        needs: &[DataNeed::Labels, DataNeed::View],
        file: file!(),
        required: &["view"],
        example: || {
            options(Self {
                view: ConsistencyView::SubwordSampled,
                divergence: Divergence::default(),
                gradient: stopped(),
                reduction: Reduction::default(),
            })
        },
    };

    fn faults(&self) -> Faults {
        self.view.view().noise.iter().flat_map(EmbeddingNoise::faults).collect()
    }
}

impl Objective for ConsistencyConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        Needs::views([View::ORIGINAL, self.view.view()])
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let original = input.view(View::ORIGINAL, self.name())?;
        let [p, q] = matched_logits(original, input.view(self.view.view(), self.name())?);
        Ok(divergence(self.divergence, self.gradient, self.reduction, p, q))
    }
}
