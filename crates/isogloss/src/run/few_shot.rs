//! Few-shot transfer: a copy of the finished model is fine-tuned for some steps on a few labeled
//! examples of a language before it is scored.

use burn::module::Module;
use isogloss_methods::{Moment, Rates, TokenLeaves, apply_schedules, sgd_step};
use isogloss_model::{ForwardOptions, Model};

use super::trainer::Trainer;
use crate::error::DataError;
use crate::ground::tensors::row_targets;
use crate::recipe::FewShotRecipe;
use crate::{Error, LabeledSet};

impl Trainer<'_> {
    /// Few-shot fine-tuning: a copy of the model after the steps of `[few_shot]` on the examples of
    /// a language in `support`.
    pub(super) fn adapted(
        &self,
        model: &Model,
        recipe: &FewShotRecipe,
        support: &LabeledSet,
    ) -> Result<Model, Error> {
        let device = self.options.device.clone().autodiff();
        let rates = Rates::new(recipe.learning_rate, recipe.head_learning_rate);
        let subnetwork = self.subnetworks.as_ref().map(|of| of.for_language(&support.language));
        let mask = subnetwork.transpose()?.flatten().map(|of| of.mask(&device));
        let options = ForwardOptions { subnetwork: mask, ..ForwardOptions::evaluation() };
        let all: Vec<usize> = (0..support.features.len()).collect();
        let (batch, input) = support.batch(&all, model.encoder.config(), &device)?;
        let Some(targets) = row_targets(&batch.targets, self.context.aux_weight, &device) else {
            let path = support.path.clone();
            return Err(DataError::NoTargets { path, purpose: "learn from" }.into());
        };
        // Parameters that are trainable in the last training step are trainable here.
        let total_steps = self.learning_rate.total_steps;
        let last = Moment { step: total_steps.saturating_sub(1), total_steps };
        let mut adapted = apply_schedules(model.clone().train(), &self.schedules, last);
        for _ in 0..recipe.steps {
            let leaves = TokenLeaves::for_input(&adapted.encoder, &input, &batch.input_ids);
            let embedded = leaves.as_ref().map(|leaves| leaves.embeddings()[0].clone());
            let input = embedded.map_or(input.clone(), |embedded| input.with_embeddings(embedded));
            let loss = targets.cross_entropy(&adapted.forward(&input, &options), 0.0);
            let gradients = TokenLeaves::gradients(leaves.as_ref(), loss.backward(), &[&adapted]);
            adapted = sgd_step(adapted, &gradients, rates);
        }
        Ok(adapted.valid())
    }
}
