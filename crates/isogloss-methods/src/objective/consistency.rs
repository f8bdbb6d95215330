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
use crate::step::{StepInput, WordComparison, pooled_logits};
use crate::view::{EmbeddingNoise, TextView, View};
use crate::word_embedding::WordVector;

/// Consistency regularization (xTune): the divergence between the predictions on a view and on the
/// text it is compared with, the original or an augmented one.
///
/// Rows are texts, or for tagging words, matched by their index: the first subword of each, or all
/// of its subwords pooled. The two passes have independent dropout masks. With `of` an augmented
/// text and `view` the same kind, the view is a second draw, made of the original text too; with
/// `of = "translated"`, the view is made of the translation. Related:
/// [`RDropConfig`](super::RDropConfig) and [`R3fConfig`](super::R3fConfig) are special cases with
/// their papers' own scales.
///
/// # Source
/// Zheng et al. 2021, xTune, arXiv:2106.08226, §3.1, R1: symmetric KL, stop-gradient; of augmented
/// texts in the second stage, §3.2. Their code takes the mean over labels too, so that their weights
/// need `reduction = "element_mean"`. It counts a word as switched that was drawn, here it is one
/// whose tokens are others.
///
/// Their `use_pooling_strategy`, for parts of speech, is `subword_pooling = "sum"`: hidden states of
/// a word's subwords are summed before the classifier. They drop out the sum, here each subword has
/// a dropout mask of its own; they compare what truncation leaves of a word, here such a word is
/// left out. Their cross-entropy and evaluation classify the sums too, here both read first
/// subwords.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyConfig {
    /// Text that the view is compared with: the original, or an augmented one as in xTune's second
    /// stage.
    #[serde(default)]
    pub of: TextView,
    /// View that is compared with it.
    pub view: ConsistencyView,
    /// Tagging: the words that are compared.
    #[serde(default)]
    pub words: ConsistencyWords,
    /// Tagging: subword pooling of a word's hidden states before the classifier.
    #[serde(default)]
    pub subword_pooling: WordVector,
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

/// Words of a tagged text that consistency regularization compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsistencyWords {
    /// All words that both views have.
    #[default]
    All,
    /// Words whose tokens neither view has changed, xTune's `r1_on_unswitched_tokens`.
    Unswitched,
}

/// View that consistency regularization compares with a text.
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
    /// The view that is compared with a text, which must not be a second draw.
    fn view(self, of: TextView) -> View {
        let second_pass = View { pass: 1, ..View::student(of) };
        let text = match (self, of) {
            (Self::SecondPass, _) => return second_pass,
            (Self::Noised(noise), _) => return View { noise: Some(noise), ..second_pass },
            (Self::SubwordSampled, TextView::SubwordSampled) => TextView::SecondSubwordSampled,
            (Self::SubwordSampled, TextView::Translated) => TextView::TranslatedSubwordSampled,
            (Self::SubwordSampled, _) => TextView::SubwordSampled,
            (Self::CodeSwitched, TextView::CodeSwitched) => TextView::SecondCodeSwitched,
            (Self::CodeSwitched, _) => TextView::CodeSwitched,
            (Self::Translated, TextView::Translated) => TextView::SecondTranslated,
            (Self::Translated, _) => TextView::Translated,
        };
        View::student(text)
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
                of: TextView::default(),
                view: ConsistencyView::SubwordSampled,
                words: ConsistencyWords::default(),
                subword_pooling: WordVector::default(),
                divergence: Divergence::default(),
                gradient: stopped(),
                reduction: Reduction::default(),
            })
        },
    };

    fn faults(&self) -> Faults {
        let texts = [
            TextView::Original,
            TextView::SubwordSampled,
            TextView::CodeSwitched,
            TextView::Translated,
        ];
        let of = (!texts.contains(&self.of)).then(|| {
            let expected = "expected \"original\", \"subword_sampled\", \"code_switched\" or \
                            \"translated\"";
            ("of", expected.to_owned())
        });
        let is_switched_translation =
            self.of == TextView::Translated && self.view == ConsistencyView::CodeSwitched;
        let view = is_switched_translation.then(|| {
            let problem =
                "dictionaries are of the original text's language, not of a translation's";
            ("view", problem.to_owned())
        });
        let noise = self.views()[1].noise;
        let noise = noise.iter().flat_map(EmbeddingNoise::faults);
        of.into_iter().chain(view).chain(noise).collect()
    }
}

impl ConsistencyConfig {
    /// The two views that are compared.
    fn views(&self) -> [View; 2] {
        [View::student(self.of), self.view.view(self.of)]
    }

    fn compared_words(&self) -> WordComparison {
        let skips_switched = self.words == ConsistencyWords::Unswitched;
        WordComparison { pooling: self.subword_pooling, skips_switched }
    }
}

impl Objective for ConsistencyConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        let WordComparison { pooling, skips_switched: switched_words } = self.compared_words();
        let subwords = pooling != WordVector::FirstSubword;
        Needs { switched_words, subwords, ..Needs::views(self.views()) }
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let [of, view] = self.views();
        let (of, view) = (input.view(of, self.name())?, input.view(view, self.name())?);
        let [p, q] = pooled_logits(of, view, self.compared_words(), self.name())?;
        Ok(divergence(self.divergence, self.gradient, self.reduction, p, q))
    }
}
