//! Losses over the views of a batch.

mod consistency;
mod cross_entropy;
mod fisher_penalty;
mod masked_lm;
mod model_consistency;
mod pairs;
mod r3f;
mod r_drop;
mod targets;

use std::collections::BTreeMap;

use burn::tensor::{Int, Tensor, TensorData};
use isogloss_model::{ModelOutput, Pooling, Projection};
use serde::{Deserialize, Serialize};

pub use consistency::{ConsistencyConfig, ConsistencyView};
pub use cross_entropy::{CrossEntropyConfig, IGNORE_INDEX, cross_entropy};
pub use fisher_penalty::{FisherEstimator, FisherPenaltyConfig, head_trace};
pub use masked_lm::{MmlmConfig, TlmConfig};
pub use model_consistency::{ModelConsistencyConfig, TeacherTargets};
pub use r_drop::RDropConfig;
pub use r3f::{NoisedDropout, R3fConfig, R4fConfig};
pub use targets::RowTargets;

use crate::alignment::{
    AlignmentError, AttentionDistillationConfig, EmbeddingDistillationConfig, InfoNceConfig,
    RealignConfig, StateDistillationConfig, WordLinks, XlcoConfig, hidden_state, sentence_vectors,
};
use crate::{Role, View};

/// What the trainer hands to every objective of a step.
#[derive(Clone, Debug, Default)]
pub struct StepInput {
    views: Vec<(View, ViewOutput)>,
    pairs: Option<PairInput>,
}

/// What the trainer knows of the step's pairs.
#[derive(Clone, Debug, Default)]
pub struct PairInput {
    /// The passes over them.
    pub sentences: Vec<(View, Sentences)>,
    /// Their words, and which of them translate each other.
    pub links: WordLinks,
    /// What objectives train beside the model: whose it is, in which model, and the network.
    pub projections: Vec<(&'static str, Role, Projection)>,
    /// The keys of earlier pairs, `[queue, width]`, for an objective that asks for them.
    pub negatives: Option<Tensor<2>>,
    /// Masked tokens that language modeling is trained on beside them.
    pub n_masked: usize,
}

/// What a model gave for one view, and what it should have given.
#[derive(Clone, Debug)]
pub struct ViewOutput {
    /// The model's output.
    pub output: ModelOutput,
    /// What it should have given, if that is known.
    pub targets: Option<RowTargets>,
    /// Where the rows of comparable units are.
    pub units: PredictionUnits,
}

/// Which rows of the logits speak of the same thing in two views of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PredictionUnits {
    /// Each row, in order: a row is a text.
    Texts,
    /// The first subwords of the words, by example; a word without a token has none.
    Words {
        /// Tokens of a row of the batch, padding included.
        seq_len: usize,
        /// The token of each word of each example.
        first_subwords: Vec<Vec<Option<usize>>>,
    },
}

impl PredictionUnits {
    /// The row of the logits of every word, example by example; `None` if every row counts.
    fn rows(&self) -> Option<Vec<Vec<Option<i32>>>> {
        let Self::Words { seq_len, first_subwords } = self else { return None };
        let row = |example: usize, token: &Option<usize>| {
            token.map(|token| (example * seq_len + token) as i32)
        };
        let words = first_subwords.iter().enumerate();
        Some(words.map(|(i, words)| words.iter().map(|token| row(i, token)).collect()).collect())
    }
}

impl ViewOutput {
    /// The cross-entropy with the targets.
    fn cross_entropy(
        &self,
        objective: &'static str,
        smoothing: f64,
    ) -> Result<Tensor<1>, ObjectiveError> {
        match &self.targets {
            Some(targets) => Ok(targets.cross_entropy(&self.output, smoothing)),
            None => Err(ObjectiveError::MissingLabels { objective }),
        }
    }

    /// The logits of the rows that stand for a unit.
    fn unit_rows(&self, of: Tensor<2>) -> Tensor<2> {
        match self.units.rows() {
            None => of,
            Some(rows) => select(of, rows.into_iter().flatten().flatten().collect()),
        }
    }
}

/// The logits of two views, row by row about the same text or word.
///
/// Words are matched by their index; one that is cut off in either view is left out of both.
fn matched(a: &ViewOutput, b: &ViewOutput) -> [Tensor<2>; 2] {
    let logits = [a.output.logits.clone(), b.output.logits.clone()];
    let (Some(rows_a), Some(rows_b)) = (a.units.rows(), b.units.rows()) else { return logits };
    let examples = rows_a.iter().zip(&rows_b);
    let pairs =
        examples.flat_map(|(a, b)| a.iter().zip(b)).filter_map(|(a, b)| Some(((*a)?, (*b)?)));
    let (rows_a, rows_b) = pairs.unzip();
    let [a, b] = logits;
    [select(a, rows_a), select(b, rows_b)]
}

fn select(of: Tensor<2>, rows: Vec<i32>) -> Tensor<2> {
    let shape = [rows.len()];
    let rows = Tensor::from_data(TensorData::new(rows, shape), &of.device());
    of.select(0, rows)
}

/// What a model gave for one side of the step's pairs.
#[derive(Clone, Debug)]
pub struct Sentences {
    /// See [`EncoderOutput::hidden_states`](isogloss_model::EncoderOutput::hidden_states).
    pub hidden_states: Vec<Tensor<3>>,
    /// `[batch, seq]`, 1 for a real token.
    pub attention_mask: Tensor<2>,
    /// Where tokens look in those layers that an objective asks for, see [`Objective::attentions`]:
    /// `[batch, heads, seq, seq]`, logarithms.
    pub attentions: BTreeMap<usize, Tensor<4>>,
}

impl Sentences {
    /// The states after a layer, counted from the embeddings' output, 0; the last one's if `None`.
    ///
    /// # Errors
    /// If the model is not that deep.
    pub fn states(&self, layer: Option<usize>) -> Result<Tensor<3>, AlignmentError> {
        hidden_state(&self.hidden_states, layer)
    }

    /// Where tokens look in a layer, counted from 1, the first block.
    ///
    /// # Errors
    /// If the model is not that deep, or all heads of the layer are pruned.
    pub fn attention(&self, layer: usize) -> Result<Tensor<4>, AlignmentError> {
        let last = self.hidden_states.len().saturating_sub(1);
        self.attentions.get(&layer).cloned().ok_or(match layer > last {
            true => AlignmentError::NoLayer { layer, last },
            false => AlignmentError::NoHeads { layer },
        })
    }

    /// One vector a sentence, `[batch, hidden]`.
    ///
    /// # Errors
    /// If the model is not that deep.
    pub fn vectors(
        &self,
        layer: Option<usize>,
        pooling: Pooling,
    ) -> Result<Tensor<2>, AlignmentError> {
        Ok(sentence_vectors(self.states(layer)?, self.attention_mask.clone(), pooling))
    }
}

impl StepInput {
    /// A step whose passes are done.
    pub fn new(views: Vec<(View, ViewOutput)>) -> Self {
        Self { views, ..Self::default() }
    }

    /// Adds the step's pairs.
    #[must_use]
    pub fn with_pairs(mut self, pairs: PairInput) -> Self {
        self.pairs = Some(pairs);
        self
    }

    /// What a view of the step's pairs gave.
    ///
    /// # Errors
    /// If the step has no such view.
    pub fn sentences(
        &self,
        view: View,
        objective: &'static str,
    ) -> Result<&Sentences, ObjectiveError> {
        let sentences = self.pairs.iter().flat_map(|pairs| &pairs.sentences);
        let found = sentences.into_iter().find(|(other, _)| *other == view);
        found.map(|(_, output)| output).ok_or(ObjectiveError::MissingView { objective, view })
    }

    /// A step of one pass over the texts as they are.
    pub fn original(output: ModelOutput, targets: Option<Tensor<1, Int>>) -> Self {
        let targets = targets.map(RowTargets::from);
        Self::new(vec![(
            View::ORIGINAL,
            ViewOutput { output, targets, units: PredictionUnits::Texts },
        )])
    }

    /// What a view gave.
    ///
    /// # Errors
    /// If the step has no such view.
    pub fn view(&self, view: View, objective: &'static str) -> Result<&ViewOutput, ObjectiveError> {
        let found = self.views.iter().find(|(other, _)| *other == view);
        found.map(|(_, output)| output).ok_or(ObjectiveError::MissingView { objective, view })
    }
}

/// A loss.
pub trait Objective: Send + Sync {
    /// The name used in recipes, logs and errors.
    fn name(&self) -> &'static str;

    /// The passes that its loss is computed from.
    fn views(&self) -> Vec<View>;

    /// Whether the classifier's weight must be divided by its spectral norm.
    fn normalizes_head(&self) -> bool {
        false
    }

    /// The layers whose attention it reads in a model over pairs, counted from 1, the first block.
    fn attentions(&self, _role: Role) -> Vec<usize> {
        Vec::new()
    }

    /// Whether it reads nothing of the teacher over pairs but the vector of each left sentence: of
    /// which layer, and how it is made.
    fn teacher_vectors(&self) -> Option<(Option<usize>, Pooling)> {
        None
    }

    /// Whether the words of the step's pairs must be linked.
    fn needs_links(&self) -> bool {
        false
    }

    /// The widths of the network that this objective trains beside a model of this width.
    fn projection_widths(&self, _hidden_size: usize) -> Option<Vec<usize>> {
        None
    }

    /// How the pairs that it contrasts are made, if not as they are.
    fn contrast_texts(&self) -> Option<ContrastTexts> {
        None
    }

    /// How it remembers earlier pairs, if it does.
    fn memory(&self) -> Option<Memory> {
        None
    }

    /// The keys of this step's pairs, to be remembered, `[pairs, width]`.
    ///
    /// # Errors
    /// If the step lacks something that they are made of.
    fn keys(&self, _input: &StepInput) -> Result<Option<Tensor<2>>, ObjectiveError> {
        Ok(None)
    }

    /// The objective as a contrast of sentence vectors, if it wants them made a few pairs at a time.
    fn grad_cache(&self) -> Option<&dyn GradCache> {
        None
    }

    /// Computes the loss of a step.
    ///
    /// # Shapes
    /// - returns: `[1]`
    ///
    /// # Errors
    /// If the step lacks something that this objective needs.
    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError>;
}

/// How pairs are changed before they are contrasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContrastTexts {
    /// A pair and the next one of the batch become one, the sentences of each side in any order.
    pub mixup: bool,
    /// Tokens are masked.
    pub masked: bool,
}

/// How an objective remembers earlier pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// Keys that are kept.
    pub queue_size: usize,
    /// The momentum of the slow model that makes them.
    pub momentum: f64,
}

/// A loss of sentence vectors alone, over more pairs than are encoded at a time.
pub trait GradCache {
    /// Pairs that are encoded at a time.
    fn chunk_size(&self) -> usize;

    /// One vector a sentence, `[pairs, width]`.
    ///
    /// # Errors
    /// If the model lacks the layer.
    fn vectors(&self, sentences: &Sentences) -> Result<Tensor<2>, ObjectiveError>;

    /// The loss of the vectors of both sides.
    fn loss(&self, sides: [Tensor<2>; 2]) -> Tensor<1>;
}

/// Why an objective has no loss.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// The batch has no labels.
    #[error("objective {objective}: the batch has no labels")]
    MissingLabels {
        /// Its name.
        objective: &'static str,
    },
    /// A pass was not made.
    #[error("objective {objective}: the step has no view {view:?}")]
    MissingView {
        /// Its name.
        objective: &'static str,
        /// The pass.
        view: View,
    },
    /// Nothing is remembered of earlier pairs.
    #[error("objective {objective}: the step has no keys of earlier pairs")]
    MissingNegatives {
        /// Its name.
        objective: &'static str,
    },
    /// The pairs of the step give no loss.
    #[error("objective {objective}: {source}")]
    Alignment {
        /// Its name.
        objective: &'static str,
        /// Why not.
        source: AlignmentError,
    },
}

/// Any objective, as a recipe names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ObjectiveConfig {
    /// See [`CrossEntropyConfig`].
    CrossEntropy(CrossEntropyConfig),
    /// See [`ConsistencyConfig`].
    Consistency(ConsistencyConfig),
    /// See [`R3fConfig`].
    R3f(R3fConfig),
    /// See [`R4fConfig`].
    R4f(R4fConfig),
    /// See [`RDropConfig`].
    RDrop(RDropConfig),
    /// See [`ModelConsistencyConfig`].
    ModelConsistency(ModelConsistencyConfig),
    /// See [`FisherPenaltyConfig`].
    FisherPenalty(FisherPenaltyConfig),
    /// See [`InfoNceConfig`].
    InfoNce(InfoNceConfig),
    /// See [`XlcoConfig`].
    Xlco(XlcoConfig),
    /// See [`EmbeddingDistillationConfig`].
    EmbeddingDistillation(EmbeddingDistillationConfig),
    /// See [`StateDistillationConfig`].
    StateDistillation(StateDistillationConfig),
    /// See [`AttentionDistillationConfig`].
    AttentionDistillation(AttentionDistillationConfig),
    /// See [`RealignConfig`].
    Realign(RealignConfig),
    /// See [`MmlmConfig`].
    Mmlm(MmlmConfig),
    /// See [`TlmConfig`].
    Tlm(TlmConfig),
}

impl ObjectiveConfig {
    /// Builds the objective.
    pub fn init(&self) -> Box<dyn Objective> {
        match self.clone() {
            Self::CrossEntropy(config) => Box::new(config),
            Self::Consistency(config) => Box::new(config),
            Self::R3f(config) => Box::new(config),
            Self::R4f(config) => Box::new(config),
            Self::RDrop(config) => Box::new(config),
            Self::ModelConsistency(config) => Box::new(config),
            Self::FisherPenalty(config) => Box::new(config),
            Self::InfoNce(config) => Box::new(config),
            Self::Xlco(config) => Box::new(config),
            Self::EmbeddingDistillation(config) => Box::new(config),
            Self::StateDistillation(config) => Box::new(config),
            Self::AttentionDistillation(config) => Box::new(config),
            Self::Realign(config) => Box::new(config),
            Self::Mmlm(config) => Box::new(config),
            Self::Tlm(config) => Box::new(config),
        }
    }

    /// What is wrong with its values: the field and the reason.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::CrossEntropy(config) => config.faults(),
            Self::Consistency(config) => config.view.noise().map_or_else(Vec::new, |n| n.faults()),
            Self::R3f(config) => config.noise.faults(),
            Self::R4f(config) => config.noise.faults(),
            Self::RDrop(config) => config.faults(),
            Self::ModelConsistency(_) | Self::Mmlm(_) | Self::Tlm(_) => Vec::new(),
            Self::FisherPenalty(config) => config.faults(),
            Self::InfoNce(config) => config.faults(),
            Self::Xlco(config) => config.faults(),
            Self::EmbeddingDistillation(config) => config.faults(),
            Self::StateDistillation(config) => config.faults(),
            Self::AttentionDistillation(config) => config.faults(),
            Self::Realign(config) => config.faults(),
        }
    }
}
