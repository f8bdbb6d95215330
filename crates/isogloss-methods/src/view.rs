//! Views: the forward passes that the objectives of a step request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::faults::Faults;

/// Text view: the text that a forward pass reads, the original or an augmentation of it.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TextView {
    /// The original text of the data.
    #[default]
    Original,
    /// Subword sampling (subword regularization): the same text, tokenized into other subwords.
    SubwordSampled,
    /// Code-switching: some words replaced by their translations from dictionaries.
    CodeSwitched,
    /// A translation of the whole text.
    Translated,
    /// The first sentence of each of the step's pairs.
    PairLeft,
    /// The second sentence of each of the step's pairs, in the other language.
    PairRight,
    /// The left side of pairs for a contrastive loss: masked, or two concatenated (mixup).
    ContrastLeft,
    /// The right side of pairs for a contrastive loss.
    ContrastRight,
    /// Translation language modeling: the step's pairs, each concatenated to one text and masked.
    PairJoined,
    /// Masked language modeling: the step's blocks of monolingual text, masked.
    Monolingual,
    /// The step's texts of the task without labels, `[unlabeled]`.
    Unlabeled,
    /// Subword sampling of the step's texts without labels.
    UnlabeledSubwordSampled,
    /// A second draw of subword sampling, independent of the first.
    SecondSubwordSampled,
    /// A second draw of code-switching, independent of the first.
    SecondCodeSwitched,
    /// A second draw among the translations of the text, independent of the first.
    SecondTranslated,
    /// Subword sampling of the translation.
    TranslatedSubwordSampled,
    /// Code-switching of the step's texts without labels.
    UnlabeledCodeSwitched,
    /// A translation of each of the step's texts without labels.
    UnlabeledTranslated,
}

impl TextView {
    /// Whether it is a text of the task's examples, rather than of sentence pairs or other
    /// unlabeled text.
    pub fn is_of_task(self) -> bool {
        matches!(
            self,
            Self::Original
                | Self::SubwordSampled
                | Self::CodeSwitched
                | Self::Translated
                | Self::SecondSubwordSampled
                | Self::SecondCodeSwitched
                | Self::SecondTranslated
                | Self::TranslatedSubwordSampled
        )
    }

    /// Whether it is a translation of a text of the task, which has words of its own.
    pub fn is_translated(self) -> bool {
        let translations = [
            Self::Translated,
            Self::SecondTranslated,
            Self::TranslatedSubwordSampled,
            Self::UnlabeledTranslated,
        ];
        translations.contains(&self)
    }

    /// Whether tokens are masked for masked language modeling; the logits are then over the
    /// vocabulary, for the masked tokens only.
    pub fn is_masked(self) -> bool {
        matches!(self, Self::PairJoined | Self::Monolingual)
    }

    /// Whether it is a text of the task without labels, for which the head predicts some.
    pub fn is_unlabeled(self) -> bool {
        matches!(
            self,
            Self::Unlabeled
                | Self::UnlabeledSubwordSampled
                | Self::UnlabeledCodeSwitched
                | Self::UnlabeledTranslated
        )
    }

    /// Whether it is one side of sentence pairs, of which only hidden states are needed.
    pub fn is_side(self) -> bool {
        matches!(self, Self::PairLeft | Self::PairRight | Self::ContrastLeft | Self::ContrastRight)
    }

    /// Whether it is made of sentence pairs.
    pub fn is_of_pairs(self) -> bool {
        self.is_side() || self == Self::PairJoined
    }
}

/// Distribution of noise: uniform or normal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoiseShape {
    /// Uniform in `[-scale, scale]`: the variance is `scale² / 3`.
    #[default]
    Uniform,
    /// Normal: the variance is `scale²`.
    Normal,
}

/// Embedding noise (R3F): random noise added to the token embeddings, before positions.
///
/// No gradient flows from a noised pass into the embedding matrix.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddingNoise {
    /// Distribution of the noise.
    pub shape: NoiseShape,
    /// Half the width of uniform noise, or the standard deviation of normal noise.
    pub scale: f64,
}

impl Default for EmbeddingNoise {
    /// R3F's default: uniform, 1e-5.
    fn default() -> Self {
        Self { shape: NoiseShape::Uniform, scale: 1e-5 }
    }
}

impl EmbeddingNoise {
    /// Variance of one element.
    pub fn variance(&self) -> f64 {
        match self.shape {
            NoiseShape::Uniform => self.scale.powi(2) / 3.0,
            NoiseShape::Normal => self.scale.powi(2),
        }
    }

    pub(crate) fn faults(&self) -> Faults {
        // At a larger scale, noise of six standard deviations overflows `f16`, in which models
        // ship.
        let valid = self.scale > 0.0 && self.scale < 1e4;
        let fault =
            || ("noise.scale", format!("expected a number in (0, 1e4), found {}", self.scale));
        (!valid).then(fault).into_iter().collect()
    }
}

/// Role of a model in a forward pass: student, teacher, initial model or momentum encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The model in training.
    #[default]
    Student,
    /// A fixed trained model, without dropout; it gets no gradient.
    Teacher,
    /// Initial model: the model before training, without dropout; it gets no gradient.
    Initial,
    /// Momentum encoder: an exponential moving average (EMA) of the student, without dropout; it
    /// gets no gradient. At most one objective of a recipe has one in its state.
    Momentum,
}

/// View: one forward pass of a model over a batch. Objectives that request equal views share the
/// pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct View {
    /// Text that the model reads.
    pub text: TextView,
    /// Index of the pass over the same text: each index has dropout masks of its own.
    pub pass: u8,
    /// Noise on the token embeddings.
    pub noise: Option<EmbeddingNoise>,
    /// Standard deviation of noise on all weights except the embedding matrix.
    pub weight_noise: Option<f64>,
    /// Model that runs the pass.
    pub role: Role,
}

impl View {
    /// The student's first pass over the original text.
    pub const ORIGINAL: Self = Self {
        text: TextView::Original,
        pass: 0,
        noise: None,
        weight_noise: None,
        role: Role::Student,
    };

    /// The student's first pass over a text.
    pub const fn student(text: TextView) -> Self {
        Self { text, ..Self::ORIGINAL }
    }

    /// The student's second pass over the original text, with other dropout masks.
    pub fn second_pass() -> Self {
        Self { pass: 1, ..Self::ORIGINAL }
    }

    /// The student's pass over the original text with noise on the embeddings and the dropout masks
    /// of `pass`.
    pub fn noised(noise: EmbeddingNoise, pass: u8) -> Self {
        Self { noise: Some(noise), pass, ..Self::ORIGINAL }
    }

    /// The student's pass over the left sentences of the step's pairs.
    pub const PAIR_LEFT: Self = Self::student(TextView::PairLeft);

    /// The student's pass over the right sentences of the step's pairs.
    pub const PAIR_RIGHT: Self = Self::student(TextView::PairRight);

    /// The teacher's pass over a text.
    pub const fn teacher(text: TextView) -> Self {
        Self::with_role(Role::Teacher, text)
    }

    /// The first pass of the model of a role over a text.
    pub const fn with_role(role: Role, text: TextView) -> Self {
        Self { text, role, ..Self::ORIGINAL }
    }
}
