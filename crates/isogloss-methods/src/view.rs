//! Views: the passes through a model that the objectives of a step ask for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::faults::Faults;

/// The text that a pass reads.
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
    /// As it is in the data.
    #[default]
    Original,
    /// The same text, cut into other subwords.
    SubwordSampled,
    /// Some words replaced by their translations from dictionaries.
    CodeSwitched,
    /// A translation of the whole text.
    Translated,
    /// The first sentence of each of the step's pairs.
    PairLeft,
    /// The second sentence of each of the step's pairs, in the other language.
    PairRight,
    /// The left side of pairs as they are contrasted: masked, or two put together.
    ContrastLeft,
    /// The right side of the same.
    ContrastRight,
    /// The step's pairs, each joined to one text and masked.
    PairJoined,
    /// The step's blocks of text in one language, masked.
    Monolingual,
}

impl TextView {
    /// Whether it is of the task's examples, rather than of the step's pairs or other text without
    /// labels.
    pub fn is_of_task(self) -> bool {
        matches!(
            self,
            Self::Original | Self::SubwordSampled | Self::CodeSwitched | Self::Translated
        )
    }

    /// Whether some of its tokens are masked, for the model to predict; its logits are those of the
    /// vocabulary, for these tokens alone.
    pub fn is_masked(self) -> bool {
        matches!(self, Self::PairJoined | Self::Monolingual)
    }

    /// Whether it is a side of the step's pairs, of which only hidden states are wanted.
    pub fn is_side(self) -> bool {
        !self.is_of_task() && !self.is_masked()
    }
}

/// The shape of a noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoiseShape {
    /// Evenly from `-scale` to `scale`: the variance is `scale² / 3`.
    #[default]
    Uniform,
    /// Normal: the variance is `scale²`.
    Normal,
}

/// Noise added to the token embeddings, before positions.
///
/// No gradient flows from a noised pass into the embedding matrix.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddingNoise {
    /// Its shape.
    pub shape: NoiseShape,
    /// Half the width of a uniform noise, the standard deviation of a normal one.
    pub scale: f64,
}

impl Default for EmbeddingNoise {
    /// R3F's own: uniform, 1e-5.
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
        // Beyond this, noise of six deviations no longer fits the half floats that models ship in.
        let valid = self.scale > 0.0 && self.scale < 1e4;
        let fault =
            || ("noise.scale", format!("expected a number in (0, 1e4), found {}", self.scale));
        (!valid).then(fault).into_iter().collect()
    }
}

/// Which model a pass runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The one that is trained.
    #[default]
    Student,
    /// A finished one, without dropout; no gradient reaches it.
    Teacher,
    /// The one that training began with, without dropout; no gradient reaches it.
    Initial,
    /// The momentum encoder: an exponential moving average (EMA) of the one that is trained, without
    /// dropout; no gradient reaches it. One objective of a recipe keeps one in its state.
    Momentum,
}

/// One pass through a model over a batch. Objectives that name equal views share the pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct View {
    /// What is read.
    pub text: TextView,
    /// Tells passes over the same text apart: each number has dropout masks of its own.
    pub pass: u8,
    /// Noise on the embeddings.
    pub noise: Option<EmbeddingNoise>,
    /// Standard deviation of a noise on all weights but the embedding matrix.
    pub weight_noise: Option<f64>,
    /// Which model reads it.
    pub role: Role,
}

impl View {
    /// The text as it is, in the first pass.
    pub const ORIGINAL: Self = Self {
        text: TextView::Original,
        pass: 0,
        noise: None,
        weight_noise: None,
        role: Role::Student,
    };

    /// The trained model's first pass over a text.
    pub const fn student(text: TextView) -> Self {
        Self { text, ..Self::ORIGINAL }
    }

    /// The original text with other dropout masks.
    pub fn second_pass() -> Self {
        Self { pass: 1, ..Self::ORIGINAL }
    }

    /// The original text with noise on the embeddings, in this pass.
    pub fn noised(noise: EmbeddingNoise, pass: u8) -> Self {
        Self { noise: Some(noise), pass, ..Self::ORIGINAL }
    }

    /// The left sentences of the step's pairs, as the trained model reads them.
    pub const PAIR_LEFT: Self = Self::student(TextView::PairLeft);

    /// The right sentences of the step's pairs, as the trained model reads them.
    pub const PAIR_RIGHT: Self = Self::student(TextView::PairRight);

    /// The teacher's pass over a text.
    pub const fn teacher(text: TextView) -> Self {
        Self::with_role(Role::Teacher, text)
    }

    /// The first pass of a model over a text.
    pub const fn with_role(role: Role, text: TextView) -> Self {
        Self { text, role, ..Self::ORIGINAL }
    }
}
