//! Realignment losses over word embeddings, and their L2 regularization towards the initial model.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};

use super::config::{AlignmentStrength, ContrastiveRealignConfig};
use crate::normalize::l2_normalized;
use crate::word_embedding::{WordVectors, indices};

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

/// L2 realignment loss: the mean of `(l - r)²` over links and dimensions.
///
/// # Shapes
/// - returns: `[1]`
///
/// # Source
/// Cao et al. 2020, arXiv:2002.03518, with the mean in place of the sum as Gaschi et al. 2023,
/// arXiv:2306.02790, have it. Its regularization is [`word_drift`] or [`token_drift`].
pub fn realign_l2(words: &WordVectors) -> Tensor<1> {
    let [left, right] = words.pairs();
    (left - right).square().mean()
}

/// L2 regularization over words: the mean of `(l - l₀)²` over all left words and dimensions, with
/// the initial model's embeddings l₀, which get no gradient.
///
/// # Shapes
/// - `initial_left`: `[left words, width]`, from
///   [`WordLinks::gather_left`](crate::WordLinks::gather_left)
/// - returns: `[1]`
///
/// # Source
/// Cao et al. 2020, arXiv:2002.03518, §3.2.
pub fn word_drift(words: &WordVectors, initial_left: Tensor<2>) -> Tensor<1> {
    (words.left() - initial_left.without_autodiff()).square().mean()
}

/// L2 regularization over tokens: the mean of `(h - h₀)²` over all tokens of the left sentences,
/// special tokens too, and dimensions, with the initial model's hidden states h₀, which get no
/// gradient.
///
/// # Shapes
/// - `left`, `initial_left`: `[batch, seq, hidden]`
/// - `attention_mask`: `[batch, seq]`, 1 for a real token
/// - returns: `[1]`
///
/// # Source
/// The code of Gaschi et al. 2023, arXiv:2306.02790, whose mean is over padding too; here padding is
/// left out, so that a batch of equal lengths has their value.
pub fn token_drift(
    left: Tensor<3>,
    initial_left: Tensor<3>,
    attention_mask: Tensor<2>,
) -> Tensor<1> {
    let [_, _, width] = left.dims();
    let squares = (left - initial_left.without_autodiff()).square().sum_dim(2).squeeze_dim::<2>(2);
    let mask = attention_mask.without_autodiff();
    let n_tokens = mask.clone().sum();
    (squares * mask).sum() / (n_tokens * width as f64)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{WordLinks, WordVector};

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
            let config = ContrastiveRealignConfig {
                temperature,
                alignment,
                projection: 0,
                regularization: 0.0,
            };
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
        // Each link is 1.5 apart on one of four axes; each left number has moved by a half.
        assert_eq!(realign_l2(&words).into_scalar::<f32>(), 2.25 / 4.0);
        assert_eq!(word_drift(&words, initial).into_scalar::<f32>(), 0.25);
    }

    #[test]
    fn padding_has_no_part_in_what_tokens_moved() {
        let device = Device::flex();
        let initial = Tensor::<3>::zeros([2, 3, 2], &device);
        // Three real tokens: squares of 1, 4 and 9 in both dimensions; the others are padding.
        let moved = [[[1.0; 2], [2.0; 2], [9.0; 2]], [[3.0; 2], [9.0; 2], [9.0; 2]]];
        let mask = Tensor::from_floats([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]], &device);
        let found = token_drift(Tensor::from_floats(moved, &device), initial, mask);
        assert!((found.into_scalar::<f32>() - 14.0 / 3.0).abs() < 1e-6);
    }
}
