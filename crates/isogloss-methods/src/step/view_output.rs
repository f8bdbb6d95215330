//! Model output of a view, and which rows of its logits are predictions.

use std::ops::Range;

use burn::tensor::{Tensor, TensorData};
use isogloss_model::ModelOutput;

use super::RowTargets;
use crate::error::ObjectiveError;
use crate::word_embedding::{WordVector, pool_subwords};

/// Model output of a view, with its gold labels.
#[derive(Clone, Debug)]
pub struct ViewOutput {
    /// The model's output.
    pub output: ModelOutput,
    /// Gold labels, if they are known.
    pub targets: Option<RowTargets>,
    /// Which rows of the logits are predictions, of texts or of words.
    pub units: PredictionUnits,
}

/// Prediction units: what the rows of the logits predict, so that two views of a batch can be
/// compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PredictionUnits {
    /// Text classification: each row is the prediction of a text, in order.
    Texts,
    /// Token classification: the row of each word's first subword is a prediction; a word without
    /// tokens has none.
    Words {
        /// Sequence length: tokens of a row of the batch, padding included.
        seq_len: usize,
        /// Token index of the first subword of each word, by example.
        first_subwords: Vec<Vec<Option<usize>>>,
        /// Whether a word has other tokens than in the text that the view was made of, by example;
        /// empty if no word has.
        switched: Vec<Vec<bool>>,
        /// Tokens of each word that has all of its subwords, by example; empty if no objective
        /// pools subwords.
        subwords: Vec<Vec<Option<Range<usize>>>>,
    },
}

/// Which words of two tagged texts are compared, and by which of their subwords.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WordComparison {
    /// Subword pooling of the hidden states that the logits are computed from.
    pub(crate) pooling: WordVector,
    /// Whether switched words are left out.
    pub(crate) skips_switched: bool,
}

impl PredictionUnits {
    /// Rows of the logits that the prediction on each word is pooled from, by example; `None` if
    /// every row is a prediction.
    fn word_rows(&self, pooling: WordVector) -> Option<Vec<Vec<Option<Range<usize>>>>> {
        let Self::Words { seq_len, first_subwords, subwords, .. } = self else { return None };
        let first = |words: &Vec<Option<usize>>| {
            words.iter().map(|token| token.map(|token| token..token + 1)).collect()
        };
        let mut rows = match pooling {
            WordVector::FirstSubword => first_subwords.iter().map(first).collect(),
            WordVector::Mean | WordVector::Sum => subwords.clone(),
        };
        for (example, words) in rows.iter_mut().enumerate() {
            for tokens in words.iter_mut().flatten() {
                *tokens = example * seq_len + tokens.start..example * seq_len + tokens.end;
            }
        }
        Some(rows)
    }

    /// Whether subwords can be pooled: the tokens of each word are known.
    fn has_subwords(&self) -> bool {
        match self {
            Self::Texts => true,
            Self::Words { first_subwords, subwords, .. } => first_subwords.len() == subwords.len(),
        }
    }

    /// Whether a word of an example is switched.
    fn is_switched(&self, example: usize, word: usize) -> bool {
        let Self::Words { switched, .. } = self else { return false };
        switched.get(example).and_then(|words| words.get(word)).copied().unwrap_or(false)
    }
}

impl ViewOutput {
    /// Cross-entropy with the gold labels.
    ///
    /// # Shapes
    /// - returns: `[1]`, the mean over rows with a label, in nats
    ///
    /// # Errors
    /// [`ObjectiveError::MissingLabels`] if the view has no labels.
    pub fn cross_entropy(
        &self,
        objective: &'static str,
        smoothing: f64,
    ) -> Result<Tensor<1>, ObjectiveError> {
        match &self.targets {
            Some(targets) => Ok(targets.cross_entropy(&self.output, smoothing)),
            None => Err(ObjectiveError::MissingLabels { objective }),
        }
    }

    /// Masked language modeling loss: the mean of `-log p(token)` over the masked tokens, in nats;
    /// zero if no token was masked.
    ///
    /// # Shapes
    /// - returns: `[1]`
    pub fn masked_token_loss(&self) -> Tensor<1> {
        match &self.targets {
            Some(targets) => targets.cross_entropy(&self.output, 0.0),
            None => Tensor::zeros([1], &self.output.logits.device()),
        }
    }

    /// Selects the rows of `values`, such as the logits, that are predictions.
    ///
    /// # Shapes
    /// - `values`: `[rows of the logits, width]`
    /// - returns: `[predictions, width]`
    pub fn prediction_rows(&self, values: Tensor<2>) -> Tensor<2> {
        let pooling = WordVector::FirstSubword;
        let Some(words) = self.units.word_rows(pooling) else { return values };
        let words: Vec<_> = words.into_iter().flatten().flatten().collect();
        pool_subwords(values, &words, pooling)
    }

    /// Logits of words, computed from the pooled hidden states of their subwords.
    ///
    /// The last layer is linear, so that the logits are pooled, which are narrower; of a sum of
    /// hidden states, they have the bias once.
    ///
    /// # Shapes
    /// - `words`: the rows of the logits of each word
    /// - returns: `[words, labels]`
    fn pooled_logits(&self, words: &[Range<usize>], pooling: WordVector) -> Tensor<2> {
        let logits = pool_subwords(self.output.logits.clone(), words, pooling);
        let (Some(bias), WordVector::Sum) = (&self.output.bias, pooling) else { return logits };
        let surplus: Vec<f32> = words.iter().map(|tokens| tokens.len() as f32 - 1.0).collect();
        let surplus = TensorData::new(surplus, [words.len(), 1]);
        let surplus = Tensor::<2>::from_data(surplus, (&logits.device(), logits.dtype()));
        logits - surplus * bias.clone().unsqueeze()
    }
}

/// Aligned logits of two views: each row is about the same text or word in both.
///
/// Words are matched by their index; a word that is truncated in either view is left out of both.
///
/// # Shapes
/// - returns: twice `[matched rows, labels]`
pub(crate) fn matched_logits(a: &ViewOutput, b: &ViewOutput) -> [Tensor<2>; 2] {
    compared_logits(a, b, WordComparison::default())
}

/// As [`matched_logits`], of the words that are compared, with their subwords pooled.
///
/// # Errors
/// [`ObjectiveError::MissingSubwords`] if subwords are pooled and the trainer has not found them.
pub(crate) fn pooled_logits(
    a: &ViewOutput,
    b: &ViewOutput,
    words: WordComparison,
    objective: &'static str,
) -> Result<[Tensor<2>; 2], ObjectiveError> {
    let pools = words.pooling != WordVector::FirstSubword;
    if pools && ![a, b].into_iter().all(|view| view.units.has_subwords()) {
        return Err(ObjectiveError::MissingSubwords { objective });
    }
    Ok(compared_logits(a, b, words))
}

fn compared_logits(a: &ViewOutput, b: &ViewOutput, compared: WordComparison) -> [Tensor<2>; 2] {
    let rows = [a, b].map(|view| view.units.word_rows(compared.pooling));
    let [Some(rows_a), Some(rows_b)] = rows else {
        return [a, b].map(|view| view.output.logits.clone());
    };
    let is_switched = |example: usize, word: usize| {
        [a, b].into_iter().any(|view| view.units.is_switched(example, word))
    };
    let (mut matched_a, mut matched_b) = (Vec::new(), Vec::new());
    for (example, (words_a, words_b)) in rows_a.into_iter().zip(rows_b).enumerate() {
        for (word, rows) in words_a.into_iter().zip(words_b).enumerate() {
            if let (Some(a), Some(b)) = rows
                && !(compared.skips_switched && is_switched(example, word))
            {
                matched_a.push(a);
                matched_b.push(b);
            }
        }
    }
    [a.pooled_logits(&matched_a, compared.pooling), b.pooled_logits(&matched_b, compared.pooling)]
}
