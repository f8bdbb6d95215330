//! Word realignment (Cao et al. 2020; Wu & Dredze 2020): trains the embeddings of aligned words to
//! be close.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{AlignmentError, ObjectiveError};
use crate::faults::{Faults, positive, zero_or_more};
use crate::loss::Objective;
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::{Needs, Width};
use crate::normalize::l2_normalized;
use crate::step::StepInput;
use crate::view::{Role, TextView, View};
use crate::word_embedding::{WordVector, WordVectors, indices};

/// Word realignment: trains the embeddings of aligned words in parallel sentences to be close.
///
/// # Source
/// Gaschi et al. 2023, arXiv:2306.02790. Their code asks for the last layer but takes the one
/// before it, because its index does not count the embeddings: `layer = 11` of twelve gives that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RealignConfig {
    /// Layer of the hidden states, where 0 is the embeddings' output; the last by default.
    pub layer: Option<usize>,
    /// Subword pooling: how the hidden states of a word's tokens become one word embedding.
    pub words: WordVector,
    /// Contrastive or L2 loss.
    pub loss: RealignLoss,
}

/// Realignment loss: contrastive or L2, over the embeddings of aligned words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RealignLoss {
    /// Contrastive loss of aligned words against the other words of the batch, see
    /// [`realign_contrastive`].
    Contrastive(ContrastiveRealignConfig),
    /// L2 loss: squared distance of aligned words, and of left words from their embeddings in the
    /// initial model, see [`realign_l2`].
    L2(L2RealignConfig),
}

/// Contrastive realignment loss, see [`realign_contrastive`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContrastiveRealignConfig {
    /// Temperature T; cosines are divided by it.
    pub temperature: f64,
    /// Negatives: strong or weak alignment.
    pub alignment: AlignmentStrength,
    /// Output size of a projection head that is trained for this loss alone, with one hidden layer
    /// as wide as the model; 0 is none.
    pub projection: usize,
}

/// L2 realignment loss, see [`realign_l2`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct L2RealignConfig {
    /// Weight λ of the L2 regularization towards the initial model; 0 needs no initial model.
    pub regularization: f64,
}

/// Negatives of contrastive realignment: the words that a translation is contrasted with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlignmentStrength {
    /// Strong alignment: all words of both languages but the word itself.
    #[default]
    Strong,
    /// Weak alignment: the words of the other language.
    Weak,
}

impl Default for RealignLoss {
    fn default() -> Self {
        Self::Contrastive(ContrastiveRealignConfig::default())
    }
}

impl Default for ContrastiveRealignConfig {
    fn default() -> Self {
        Self { temperature: 0.1, alignment: AlignmentStrength::Strong, projection: 128 }
    }
}

impl Default for L2RealignConfig {
    fn default() -> Self {
        Self { regularization: 1.0 }
    }
}

/// View of the initial model, for the regularization of the L2 loss.
const INITIAL_LEFT: View = View::with_role(Role::Initial, TextView::PairLeft);

impl RealignConfig {
    /// Whether the loss needs the initial model's embeddings of the left words.
    fn needs_initial(&self) -> bool {
        matches!(&self.loss, RealignLoss::L2(config) if config.regularization > 0.0)
    }
}

impl Method for RealignConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "realign",
        title: "Word realignment",
        paper: "Gaschi et al. 2023, arXiv:2306.02790; Wu & Dredze 2020, arXiv:2010.02537; \
                Cao et al. 2020, arXiv:2002.03518",
        formula: "-log (exp(c(a, b) / T) / Σᵤ exp(c(a, u) / T)) over linked words a, b; or \
                  (l - r)² + λ (l - l₀)²",
        needs: &[DataNeed::Pairs, DataNeed::WordLinks],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let fault = match &self.loss {
            RealignLoss::Contrastive(config) => {
                positive("loss.contrastive.temperature", config.temperature)
            }
            RealignLoss::L2(config) => {
                zero_or_more("loss.l2.regularization", config.regularization)
            }
        };
        fault.into_iter().collect()
    }
}

impl Objective for RealignConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        let mut views = vec![View::PAIR_LEFT, View::PAIR_RIGHT];
        views.extend(self.needs_initial().then_some(INITIAL_LEFT));
        let projection_head = match &self.loss {
            RealignLoss::Contrastive(config) if config.projection > 0 => {
                Some(vec![Width::Hidden, Width::Hidden, Width::Fixed(config.projection)])
            }
            _ => None,
        };
        Needs { views, word_links: true, projection_head, ..Needs::default() }
    }

    /// The loss is zero if all aligned words of the step were truncated.
    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let named = ObjectiveError::alignment(self.name());
        let states = |view| {
            let sentences = input.sentences(view, self.name())?;
            sentences.states(self.layer).map_err(&named)
        };
        let [left, right] = [states(View::PAIR_LEFT)?, states(View::PAIR_RIGHT)?];
        let device = left.device();
        let Some(pairs) = &input.pairs else { return Ok(Tensor::zeros([1], &device)) };
        let words = match pairs.links.gather(left, right, self.words) {
            Err(AlignmentError::NoLinks) => return Ok(Tensor::zeros([1], &device)),
            other => other.map_err(&named)?,
        };
        Ok(match &self.loss {
            RealignLoss::Contrastive(config) => {
                let projection = input.projection(self.name(), Role::Student);
                let words = projection.into_iter().fold(words, |words, p| words.projected(p));
                realign_contrastive(&words, config)
            }
            RealignLoss::L2(config) => {
                let initial = self.needs_initial().then(|| {
                    let left = states(INITIAL_LEFT)?;
                    pairs.links.gather_left(left, self.words).map_err(&named)
                });
                realign_l2(&words, initial.transpose()?, config)
            }
        })
    }
}

/// Masked logit: far below any similarity, and finite.
const HIDDEN: f64 = -1e9;

/// Contrastive realignment loss: the mean of `-log (exp(c(a, b) / T) / Σᵤ exp(c(a, u) / T))`, in
/// nats, over every aligned word a of either side and its translation b.
///
/// c is the cosine. The candidates u are the words of all sentences of the batch, aligned or not:
/// [`AlignmentStrength`] selects the sides. There are `2 n` terms for `n` links.
///
/// # Shapes
/// - returns: `[1]`
///
/// # Source
/// Gaschi et al. 2023, arXiv:2306.02790, after Wu & Dredze 2020, arXiv:2010.02537. Their embeddings
/// are those of a projection head, see [`WordVectors::projected`].
pub fn realign_contrastive(words: &WordVectors, config: &ContrastiveRealignConfig) -> Tensor<1> {
    let unit = l2_normalized(words.vectors.clone());
    let ([lefts, rights], n_left) = (&words.linked, words.n_left);
    let (n_words, device) = (words.n_words(), unit.device());
    let similarities = |anchors: Vec<i32>, candidates: Tensor<2>| {
        let anchors = unit.clone().select(0, indices(anchors, &device));
        anchors.matmul(candidates.transpose()) / config.temperature
    };
    match config.alignment {
        AlignmentStrength::Strong => {
            let (anchors, targets) =
                ([lefts.as_slice(), rights].concat(), [rights.as_slice(), lefts].concat());
            let own = indices(anchors.clone(), &device).reshape([anchors.len(), 1]);
            let all = Tensor::<1, Int>::arange(0..n_words as i64, (&device, own.dtype()));
            let is_own = own.equal(all.reshape([1, n_words]));
            let similarities = similarities(anchors, unit.clone()).mask_fill(is_own, HIDDEN);
            mean_nll(similarities, targets)
        }
        AlignmentStrength::Weak => {
            let left = unit.clone().narrow(0, 0, n_left);
            let right = unit.clone().narrow(0, n_left, n_words - n_left);
            let in_right = rights.iter().map(|row| row - n_left as i32).collect();
            let forward = mean_nll(similarities(lefts.clone(), right), in_right);
            let backward = mean_nll(similarities(rights.clone(), left), lefts.clone());
            (forward + backward) * 0.5
        }
    }
}

/// Negative log-likelihood: the mean over rows of `-log softmax(logits)[target]`.
fn mean_nll(logits: Tensor<2>, targets: Vec<i32>) -> Tensor<1> {
    let n_rows = targets.len();
    let targets = indices(targets, &logits.device()).reshape([n_rows, 1]);
    log_softmax(logits, 1).gather(1, targets).mean().neg()
}

/// L2 realignment loss: the mean of `(l - r)²` over links and dimensions, plus `λ` times that of
/// `(l - l₀)²` over all left words, with the initial model's embeddings l₀.
///
/// l₀ gets no gradient. Without it, only the first term is left.
///
/// # Shapes
/// - `initial_left`: `[left words, width]`, from
///   [`WordLinks::gather_left`](crate::WordLinks::gather_left)
/// - returns: `[1]`
///
/// # Source
/// Cao et al. 2020, arXiv:2002.03518, with means in place of sums as Gaschi et al. 2023,
/// arXiv:2306.02790, have them.
pub fn realign_l2(
    words: &WordVectors,
    initial_left: Option<Tensor<2>>,
    config: &L2RealignConfig,
) -> Tensor<1> {
    let [left, right] = words.pairs();
    let apart = (left - right).square().mean();
    match initial_left {
        Some(initial) if config.regularization > 0.0 => {
            let moved = (words.left() - initial.without_autodiff()).square().mean();
            apart + moved * config.regularization
        }
        _ => apart,
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::WordLinks;

    /// Two pairs of sentences whose word embeddings lie on axes: "a b" and "c" on 0, 1 and 2 at the
    /// left, "A" and "C d" on 0, 2 and 3 at the right, so that linked words are parallel and all
    /// others orthogonal.
    fn two_sentences(device: &Device) -> (WordLinks, Tensor<3>, Tensor<3>) {
        let links = WordLinks {
            left_words: vec![vec![0..1, 1..2], vec![0..1]],
            right_words: vec![vec![0..1], vec![0..1, 1..2]],
            links: vec![(0, 0), (2, 1)],
        };
        let states = |axes: [usize; 4], length: f32| {
            let row = |axis: usize| {
                let mut row = [0.0; 4];
                row[axis] = length;
                row
            };
            let [a, b, c, d] = axes.map(row);
            Tensor::<3>::from_floats([[a, b], [c, d]], device)
        };
        (links, states([0, 1, 2, 3], 2.0), states([0, 1, 2, 3], 0.5))
    }

    #[test]
    fn strong_and_weak_alignment_by_hand() {
        // At this temperature a translation weighs 2 and every other word 1.
        let temperature = std::f64::consts::LN_2.recip();
        let (links, left, right) = two_sentences(&Device::flex());
        let words = links.gather(left, right, WordVector::FirstSubword).unwrap();
        // Strong: the translation and four others. Weak: the translation and two of its side.
        for (alignment, n_others) in
            [(AlignmentStrength::Strong, 4.0), (AlignmentStrength::Weak, 2.0)]
        {
            let config = ContrastiveRealignConfig { temperature, alignment, projection: 0 };
            let found: f32 = realign_contrastive(&words, &config).into_scalar();
            let expected = ((2.0 + n_others) / 2.0f32).ln();
            assert!((found - expected).abs() < 1e-6, "{alignment:?}: {found}, expected {expected}");
        }
    }

    #[test]
    fn words_of_the_same_side_matter_to_strong_alignment_alone() {
        let device = Device::flex().autodiff();
        let (links, left, right) = two_sentences(&device);
        // "b" comes near "a", which is linked.
        let nudge = [[[0.0; 4], [1.0, 0.0, 0.0, 0.0]], [[0.0; 4]; 2]];
        let moved = (left + Tensor::from_floats(nudge, &device)).require_grad();
        let gradient_of_b = |alignment| {
            let config = ContrastiveRealignConfig { alignment, ..Default::default() };
            let words =
                links.gather(moved.clone(), right.clone(), WordVector::FirstSubword).unwrap();
            let gradients = realign_contrastive(&words, &config).backward();
            let gradient = moved.grad(&gradients).unwrap().slice([0..1, 1..2]);
            let gradient = gradient.into_data().try_into_vec::<f32>().unwrap();
            gradient.iter().fold(0.0f32, |max, x| max.max(x.abs()))
        };
        // In the weak one, "b" is a candidate for right words, which are orthogonal or parallel to
        // "a".
        let (strong, weak) =
            (gradient_of_b(AlignmentStrength::Strong), gradient_of_b(AlignmentStrength::Weak));
        assert!(strong > 1.5 * weak, "{strong}, {weak}");
    }

    #[test]
    fn squares_of_links_and_of_what_moved() {
        let (links, left, right) = two_sentences(&Device::flex());
        let words = links.gather(left.clone(), right, WordVector::FirstSubword).unwrap();
        let initial = links.gather_left(left + 0.5, WordVector::FirstSubword).unwrap();
        let found = |initial, regularization| {
            let loss = realign_l2(&words, initial, &L2RealignConfig { regularization });
            loss.into_scalar::<f32>()
        };
        // Each link is 1.5 apart on one of four axes; each left number has moved by a half.
        let apart = 2.25 / 4.0;
        assert_eq!(found(None, 1.0), apart);
        assert_eq!(found(Some(initial.clone()), 0.0), apart);
        assert_eq!(found(Some(initial), 3.0), apart + 3.0 * 0.25);
    }

    #[test]
    fn the_head_is_as_wide_as_the_model_and_then_as_asked() {
        let config = RealignConfig::default();
        assert_eq!(config.needs().projection_widths(384), Some(vec![384, 384, 128]));
        let l2 = RealignConfig {
            loss: RealignLoss::L2(L2RealignConfig::default()),
            ..RealignConfig::default()
        };
        assert_eq!(l2.needs().projection_widths(384), None);
        assert!(l2.needs_initial() && !config.needs_initial());
    }

    #[test]
    fn each_fault_names_its_field() {
        let fault = |loss| RealignConfig { loss, ..RealignConfig::default() }.faults();
        let contrastive = ContrastiveRealignConfig { temperature: -1.0, ..Default::default() };
        let found = fault(RealignLoss::Contrastive(contrastive));
        assert_eq!(found[0].0, "loss.contrastive.temperature");
        let found = fault(RealignLoss::L2(L2RealignConfig { regularization: -1.0 }));
        assert_eq!(found[0].0, "loss.l2.regularization");
        assert!(RealignConfig::default().faults().is_empty());
    }
}
