//! Divergence of a step's predictions from those of noised texts and of earlier parameters, for the
//! radius of TRAM.

use burn::module::Module;
use burn::tensor::Tensor;
use isogloss_kernels::split_seed;
use isogloss_methods::{
    Divergence, EmbeddingNoise, GradientFlow, Reduction, Role, View, divergence,
};
use isogloss_model::{ForwardOptions, Model, SubnetworkMask, Tokens};

use super::context::StepContext;
use super::device_batch::DeviceBatch;
use super::embedding_noise::{NOISE_DRAWS, add_noise};
use crate::ground::tensors::integers;

impl StepContext {
    /// `KL(p(y | x + z) ‖ p(y | x))` summed over the rows of a batch that have a target, in nats, and
    /// the number of these rows; no graph is made.
    pub(super) fn noise_divergence(
        &self,
        model: &Model,
        batch: &DeviceBatch,
        noise: EmbeddingNoise,
    ) -> (f64, usize) {
        let constant = self.for_source(model, batch.language).valid();
        let input = batch.texts[0].input.clone().without_autodiff();
        let Tokens::Ids(ids) = &input.tokens else {
            unreachable!("activations are not cached where texts get noise");
        };
        let embedded = constant.encoder.embed_token_batches(std::slice::from_ref(ids));
        let embedded = embedded.into_iter().next().expect("the embeddings of one batch");
        let seed = split_seed(batch.seed, NOISE_DRAWS);
        let noised = input.with_embeddings(add_noise(embedded, noise, seed));
        let noised =
            constant.forward(&noised, &self.constant_options(batch, View::noised(noise, 1)));
        let clean = constant.forward(&input, &self.constant_options(batch, View::ORIGINAL));
        kl_of_targets(batch, noised.logits, clean.logits)
    }

    /// `KL(p(y | x; θ′) ‖ p(y | x; θ))` as above, where θ′ are the parameters of `earlier`, without
    /// dropout, and θ those of `model`, with it.
    pub(super) fn parameter_divergence(
        &self,
        model: &Model,
        earlier: &Model,
        batch: &DeviceBatch,
    ) -> (f64, usize) {
        let [model, earlier] =
            [model, earlier].map(|model| self.for_source(model, batch.language).valid());
        let input = batch.texts[0].input.clone().without_autodiff();
        let options = self.constant_options(batch, View::ORIGINAL);
        let now = model.forward(&input, &options);
        let options = self.reference_options(Role::Momentum, options.subnetwork.as_ref());
        let before = earlier.forward(&input, &options);
        kl_of_targets(batch, before.logits, now.logits)
    }

    /// Forward options of a view of a batch, whose subnetwork mask is a constant.
    fn constant_options(&self, batch: &DeviceBatch, view: View) -> ForwardOptions {
        let mask = self.masks.mask(batch.language).map(|mask| SubnetworkMask {
            heads: mask.heads.without_autodiff(),
            feed_forward: mask.feed_forward.without_autodiff(),
        });
        ForwardOptions { subnetwork: mask, ..self.forward_options(batch.seed, &view) }
    }
}

/// `KL(p‖q)` of the rows of the first text of a batch that have a target, summed, from logits, and
/// the number of these rows.
fn kl_of_targets(batch: &DeviceBatch, p: Tensor<2>, q: Tensor<2>) -> (f64, usize) {
    let rows = batch.texts[0].has_target.iter().enumerate();
    let rows: Vec<i32> =
        rows.filter(|(_, has_target)| **has_target).map(|(row, _)| row as i32).collect();
    if rows.is_empty() {
        return (0.0, 0);
    }
    let n_rows = rows.len();
    let rows = integers(rows, &p.device());
    let [p, q] = [p, q].map(|logits| logits.select(0, rows.clone()));
    let sum = divergence(Divergence::Kl, GradientFlow::Both, Reduction::Sum, p, q);
    (f64::from(sum.into_scalar::<f32>()), n_rows)
}
