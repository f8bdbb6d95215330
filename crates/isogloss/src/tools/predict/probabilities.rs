//! Probabilities of labels: the softmax or sigmoid of a model's logits, on the host.

use burn::tensor::Tensor;
use isogloss_model::ProblemType;

use super::{EncodedTexts, Predictor};
use crate::Error;
use crate::ground::outputs::{quoted_beginning, read_outputs};

impl Predictor {
    /// Reads the logits of [`forward`](Self::forward) back to the host, as the probability of each
    /// label, or its score for a [regression](ProblemType::Regression), row by row.
    ///
    /// # Errors
    /// [`Error::OutputNotFinite`] if a logit is not finite, [`Error::Device`] if the device was lost.
    pub async fn read(
        &self,
        encoded: &EncodedTexts<'_>,
        logits: Tensor<2>,
    ) -> Result<Vec<f32>, Error> {
        let rows_of_text = (logits.dims()[0] / encoded.texts.len().max(1)).max(1);
        let whose = |row: usize| quoted_beginning(encoded.texts[row / rows_of_text].0);
        let mut outputs = read_outputs(logits, whose).await?;
        match self.head.problem() {
            ProblemType::SingleLabel => {
                outputs.chunks_mut(self.head.labels().len()).for_each(softmax);
            }
            ProblemType::MultiLabel => {
                outputs.iter_mut().for_each(|logit| *logit = 1.0 / (1.0 + (-*logit).exp()));
            }
            ProblemType::Regression => {}
        }
        Ok(outputs)
    }
}

/// Softmax of one row of logits, in place.
fn softmax(row: &mut [f32]) {
    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|logit| *logit = (*logit - highest).exp());
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|weight| *weight /= sum);
}
