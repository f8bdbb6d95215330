//! What a few labeled examples of a language are worth: a copy of the finished model takes some steps on
//! them before it is scored.

use burn::module::Module;
use isogloss_kernels::split_seed;
use isogloss_methods::{Gradients, Rates, descend};
use isogloss_model::{Model, Pass};

use super::{Trainer, streams};
use crate::data::row_targets;
use crate::recipe::FewShotRecipe;
use crate::{Error, LabeledSet};

impl Trainer<'_> {
    /// The model after the steps of `[few_shot]` on examples of a language.
    pub(super) fn adapted(
        &self,
        model: &Model,
        recipe: &FewShotRecipe,
        support: &LabeledSet,
    ) -> Result<Model, Error> {
        let device = self.options.device.clone().autodiff();
        let support = drawn(support, recipe.n_support, self.plan.recipe().seed)?;
        let rates = Rates::new(recipe.learning_rate, recipe.head_learning_rate);
        let subnetwork = self.subnetworks.as_ref().map(|of| of.of(&support.language));
        let mask = subnetwork.transpose()?.flatten().map(|of| of.mask(&device));
        let pass = Pass { subnetwork: mask, ..Pass::evaluation() };
        let all: Vec<usize> = (0..support.features.len()).collect();
        let (batch, input) = support.batch(&all, model.encoder.config(), &device)?;
        let Some(targets) = row_targets(&batch.targets, self.passes.tag_weight, &device) else {
            let problem = "no example has a label to learn from".into();
            return Err(Error::Damaged { path: support.path, problem });
        };
        let mut adapted = model.clone().to_device(&device);
        for _ in 0..recipe.steps {
            let loss = targets.cross_entropy(&adapted.forward(&input, &pass), 0.0);
            let gradients = Gradients::of(&loss, &adapted);
            adapted = descend(adapted, &gradients, rates);
        }
        Ok(adapted.valid())
    }
}

/// So many examples of a set, drawn from a seed.
fn drawn(set: &LabeledSet, n: usize, seed: u64) -> Result<LabeledSet, Error> {
    let n_all = set.features.len();
    if n_all < n {
        let problem = format!(
            "{n_all} examples to learn from in {}: few_shot.n_support asks for {n}",
            set.language
        );
        return Err(Error::Damaged { path: set.path.clone(), problem });
    }
    let seed = split_seed(seed, streams::FEW_SHOT);
    let mut order: Vec<usize> = (0..n_all).collect();
    order.sort_by_key(|example| split_seed(seed, *example as u64));
    order.truncate(n);
    Ok(set.these(&order))
}
