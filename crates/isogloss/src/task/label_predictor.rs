//! Label prediction for a labeled set, batch by batch.

use burn::module::Module;
use burn::tensor::{Device, read_sync};
use isogloss_methods::{IGNORE_INDEX, Subnetwork};
use isogloss_model::{FeatureCentring, ForwardOptions, Model};
use isogloss_text::{LostWord, Targets, Treebank, sequential_by_length};

use super::labeled_set::LabeledSet;
use crate::Error;
use crate::ground::batch_limit::BatchLimit;
use crate::ground::outputs::{argmax, read_outputs};
use crate::metrics::NO_PREDICTION;

/// Predictions for a dataset: label ids, or dependency trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predictions {
    /// The label ids of each example.
    Labels(Vec<Vec<usize>>),
    /// The sentences with predicted dependency trees.
    Trees(Treebank),
}

/// Label predictor: the label with the highest logit for each row of a labeled set.
#[derive(Clone, Copy, Debug)]
pub struct LabelPredictor<'a> {
    /// The model.
    pub model: &'a Model,
    /// Batch size.
    pub batch_size: usize,
    /// The device of the model, without autodiff.
    pub device: &'a Device,
    /// Subnetwork: the heads and feed-forward blocks that are used; the whole model if none.
    pub subnetwork: Option<&'a Subnetwork>,
    /// Language centring of the features, on the device; the features as they are if none.
    pub centring: Option<&'a FeatureCentring>,
}

/// The gold and the predicted label ids of examples.
type GoldAndPredicted = (Vec<Vec<usize>>, Vec<Vec<usize>>);

impl LabelPredictor<'_> {
    /// Predicts every example of a set: gold and predicted label ids.
    ///
    /// # Errors
    /// If a batch is not valid input of the model, or a logit is not finite.
    pub fn predict_all(&self, set: &LabeledSet) -> Result<GoldAndPredicted, Error> {
        let n = set.features.len();
        let (mut gold, mut predicted) = (vec![Vec::new(); n], vec![Vec::new(); n]);
        for indices in sequential_by_length(&set.lengths(), self.batch_size) {
            let batch = read_sync(self.predict(set, &indices))?;
            for (example, (of_gold, of_predicted)) in indices.into_iter().zip(batch) {
                (gold[example], predicted[example]) = (of_gold, of_predicted);
            }
        }
        Ok((gold, predicted))
    }

    /// Predicts some examples: gold and predicted label ids, one for each text, for each labeled
    /// token, and for each word without a token, whose prediction is [`NO_PREDICTION`].
    ///
    /// # Errors
    /// If the batch is not valid input of the model, a text does not fit into the device's buffers, a
    /// logit is not finite, or the results cannot be read from the device.
    pub async fn predict(
        &self,
        set: &LabeledSet,
        indices: &[usize],
    ) -> Result<Vec<(Vec<usize>, Vec<usize>)>, Error> {
        let model = self.model.valid();
        let lengths: Vec<usize> = indices.iter().map(|i| set.features[*i].input.len()).collect();
        let limit = BatchLimit::for_model(self.device, &model);
        let mut labels = Vec::with_capacity(indices.len());
        for batch in limit.split(model.encoder.config(), &lengths)? {
            labels.extend(self.predict_batch(&model, set, &indices[batch]).await?);
        }
        Ok(labels)
    }

    /// Predicts some examples in one pass.
    async fn predict_batch(
        &self,
        model: &Model,
        set: &LabeledSet,
        indices: &[usize],
    ) -> Result<Vec<(Vec<usize>, Vec<usize>)>, Error> {
        let (batch, input) = set.batch(indices, model.encoder.config(), self.device)?;
        let logits = model.forward(&input, &self.forward_options()).logits;
        let n_labels = logits.dims()[1];
        let (targets, rows_per_example) = match &batch.targets {
            Targets::None | Targets::Words(_) => (&[][..], 1),
            Targets::Classes(classes) => (classes.as_slice(), 1),
            Targets::Tokens(tags) => (tags.as_slice(), batch.seq_len),
        };
        let logits = read_outputs(logits, |row| set.name(indices[row / rows_per_example])).await?;
        let best = logits.chunks(n_labels).map(argmax);
        let mut labels = vec![(Vec::new(), Vec::new()); indices.len()];
        let mut lost: Vec<_> = indices.iter().map(|index| set.lost(*index)).collect();
        for (row, (best, target)) in best.zip(targets).enumerate() {
            let (example, token) = (row / rows_per_example, row % rows_per_example);
            add_words_without_token(&mut lost[example], token, &mut labels[example]);
            if *target != IGNORE_INDEX {
                let (gold, predicted) = &mut labels[example];
                gold.push(*target as usize);
                predicted.push(best);
            }
        }
        for (lost, labels) in lost.iter_mut().zip(&mut labels) {
            add_words_without_token(lost, usize::MAX, labels);
        }
        Ok(labels)
    }

    /// Forward options of evaluation: no dropout, the mask of the subnetwork and the centring.
    pub(super) fn forward_options(&self) -> ForwardOptions {
        ForwardOptions {
            centring: self.centring.cloned(),
            subnetwork: self.subnetwork.map(|of| of.mask(self.device)),
            ..ForwardOptions::evaluation()
        }
    }
}

/// Adds the words without a token that come before this token; their prediction is
/// [`NO_PREDICTION`].
fn add_words_without_token(
    lost: &mut &[LostWord],
    token: usize,
    labels: &mut (Vec<usize>, Vec<usize>),
) {
    while let Some((word, rest)) = lost.split_first().filter(|(word, _)| word.at <= token) {
        labels.0.push(word.label as usize);
        labels.1.push(NO_PREDICTION);
        *lost = rest;
    }
}
