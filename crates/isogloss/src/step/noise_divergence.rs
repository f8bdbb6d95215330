//! Divergence of a step's predictions under noise on the token embeddings, for the radius of TRAM.

use burn::module::Module;
use burn::tensor::Tensor;
use isogloss_kernels::split_seed;
use isogloss_methods::{Divergence, EmbeddingNoise, GradientFlow, Reduction, View, divergence};
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
        let text = &batch.texts[0];
        let rows = text.has_target.iter().enumerate().filter(|(_, has_target)| **has_target);
        let rows: Vec<i32> = rows.map(|(row, _)| row as i32).collect();
        if rows.is_empty() {
            return (0.0, 0);
        }
        let model = self.for_source(model, batch.language);
        let (constant, input) = (model.valid(), text.input.clone().without_autodiff());
        let Tokens::Ids(ids) = &input.tokens else {
            unreachable!("activations are not cached where texts get noise");
        };
        let embedded = constant.encoder.embed_token_batches(std::slice::from_ref(ids));
        let embedded = embedded.into_iter().next().expect("the embeddings of one batch");
        let seed = split_seed(batch.seed, NOISE_DRAWS);
        let noised = input.with_embeddings(add_noise(embedded, noise, seed));
        let mask = self.masks.mask(batch.language).map(|mask| SubnetworkMask {
            heads: mask.heads.without_autodiff(),
            feed_forward: mask.feed_forward.without_autodiff(),
        });
        let options = |view: View| ForwardOptions {
            subnetwork: mask.clone(),
            ..self.forward_options(batch.seed, &view)
        };
        let clean = constant.forward(&input, &options(View::ORIGINAL)).logits;
        let noised = constant.forward(&noised, &options(View::noised(noise, 1))).logits;
        let n_rows = rows.len();
        let rows = integers(rows, &clean.device());
        let [noised, clean]: [Tensor<2>; 2] =
            [noised, clean].map(|logits| logits.select(0, rows.clone()));
        let (kind, flow) = (Divergence::Kl, GradientFlow::Both);
        let sum = divergence(kind, flow, Reduction::Sum, noised, clean);
        (f64::from(sum.into_scalar::<f32>()), n_rows)
    }
}
