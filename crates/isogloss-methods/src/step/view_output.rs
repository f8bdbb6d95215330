//! Model output of a view, and which rows of its logits are predictions.

use burn::tensor::{Tensor, TensorData};
use isogloss_model::ModelOutput;

use super::RowTargets;
use crate::error::ObjectiveError;

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
    },
}

impl PredictionUnits {
    /// Row index in the logits of each word, by example; `None` if every row is a prediction.
    fn rows(&self) -> Option<Vec<Vec<Option<i32>>>> {
        let Self::Words { seq_len, first_subwords, .. } = self else { return None };
        let row = |example: usize, token: &Option<usize>| {
            token.map(|token| (example * seq_len + token) as i32)
        };
        let words = first_subwords.iter().enumerate();
        Some(words.map(|(i, words)| words.iter().map(|token| row(i, token)).collect()).collect())
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
        match self.units.rows() {
            None => values,
            Some(rows) => select(values, rows.into_iter().flatten().flatten().collect()),
        }
    }
}

/// Aligned logits of two views: each row is about the same text or word in both.
///
/// Words are matched by their index; a word that is truncated in either view is left out of both.
///
/// # Shapes
/// - returns: twice `[matched rows, labels]`
pub(crate) fn matched_logits(a: &ViewOutput, b: &ViewOutput) -> [Tensor<2>; 2] {
    logits_of_words(a, b, |_, _| true)
}

/// As [`matched_logits`], of the words that have the same tokens in both views as in the text that
/// these were made of.
pub(crate) fn unswitched_logits(a: &ViewOutput, b: &ViewOutput) -> [Tensor<2>; 2] {
    logits_of_words(a, b, |example, word| {
        ![a, b].into_iter().any(|view| view.units.is_switched(example, word))
    })
}

/// Aligned logits of the words of two views that are wanted, by example and index.
fn logits_of_words(
    a: &ViewOutput,
    b: &ViewOutput,
    wanted: impl Fn(usize, usize) -> bool,
) -> [Tensor<2>; 2] {
    let logits = [a.output.logits.clone(), b.output.logits.clone()];
    let (Some(rows_a), Some(rows_b)) = (a.units.rows(), b.units.rows()) else { return logits };
    let (mut matched_a, mut matched_b) = (Vec::new(), Vec::new());
    for (example, (words_a, words_b)) in rows_a.iter().zip(&rows_b).enumerate() {
        for (word, rows) in words_a.iter().zip(words_b).enumerate() {
            if let (Some(a), Some(b)) = rows
                && wanted(example, word)
            {
                matched_a.push(*a);
                matched_b.push(*b);
            }
        }
    }
    let [a, b] = logits;
    [select(a, matched_a), select(b, matched_b)]
}

fn select(values: Tensor<2>, rows: Vec<i32>) -> Tensor<2> {
    let shape = [rows.len()];
    let rows = Tensor::from_data(TensorData::new(rows, shape), &values.device());
    values.select(0, rows)
}
