//! GradCache (gradient caching, Gao et al. 2021): the gradients of a contrastive loss over more
//! pairs than fit into one graph, a chunk of them at a time.

use std::collections::BTreeMap;
use std::ops::Range;

use burn::module::Module;
use burn::tensor::Tensor;
use isogloss_kernels::split_seed;
use isogloss_methods::{
    GradCache, Gradients, Sentences, TextView, TokenLeaves, View, embedding_gradients,
    surrogate_loss,
};
use isogloss_model::{ForwardOptions, Model, ModelInput};

use super::device_batch::DeviceBatch;
use super::gradients::StepGradients;
use crate::Error;

const SIDES: [TextView; 2] = [TextView::PairLeft, TextView::PairRight];

impl StepGradients<'_> {
    /// GradCache: the contrastive loss of all pairs of a batch and its gradient, without the
    /// objective's weight.
    ///
    /// Each chunk is encoded twice, with the same dropout masks: without a graph for the embeddings
    /// that the loss needs, then with one to backpropagate the loss's gradient by these embeddings.
    pub(super) fn grad_cached_loss(
        &self,
        model: &Model,
        batch: &DeviceBatch,
        contrast: &dyn GradCache,
    ) -> Result<(Tensor<1>, Gradients), Error> {
        let n_pairs = batch.text(SIDES[0]).input.attention_mask.dims()[0];
        let size = contrast.chunk_size();
        let chunks: Vec<_> =
            (0..n_pairs).step_by(size).map(|at| at..n_pairs.min(at + size)).collect();
        let constant = model.valid();
        let embeddings = SIDES.map(|side| {
            let chunk = |rows: &Range<usize>| {
                let options = self.chunk_options(batch, side, rows);
                let input = batch.text(side).input.rows(rows.clone()).without_autodiff();
                contrast.embeddings(&encode(&constant, &input, &options))
            };
            Ok(Tensor::cat(chunks.iter().map(chunk).collect::<Result<_, _>>()?, 0))
        });
        let [left, right]: [Result<_, Error>; 2] = embeddings;
        let (loss, by_embedding) =
            embedding_gradients([left?, right?], |sides| contrast.loss(sides));
        let mut gradients = Gradients::default();
        for rows in &chunks {
            // Both sides are in one graph, so that the embedding matrix's gradient is computed once
            // for the two.
            let mut total = None;
            let ids = SIDES.map(|side| batch.text(side).ids_of_rows(rows));
            let leaves = self.context.token_leaves(model, ids.iter().flatten());
            for (index, (side, by_embedding)) in SIDES.into_iter().zip(&by_embedding).enumerate() {
                let options = self.chunk_options(batch, side, rows);
                let input = batch.text(side).input.rows(rows.clone());
                let input = match &leaves {
                    Some(leaves) => input.with_embeddings(leaves.embeddings()[index].clone()),
                    None => input,
                };
                let embeddings = contrast.embeddings(&encode(model, &input, &options))?;
                let by_embedding =
                    by_embedding.clone().narrow(0, rows.start, rows.len()).autodiff();
                let loss = surrogate_loss(embeddings, by_embedding);
                total = Some(match total {
                    Some(sum) => sum + loss,
                    None => loss,
                });
            }
            if let Some(total) = total.filter(Tensor::is_tracked) {
                let found = TokenLeaves::gradients(leaves.as_ref(), total.backward(), &[model]);
                gradients = gradients.plus(found);
            }
        }
        Ok((loss.autodiff(), gradients))
    }

    fn chunk_options(
        &self,
        batch: &DeviceBatch,
        side: TextView,
        rows: &Range<usize>,
    ) -> ForwardOptions {
        let options = self.context.forward_options(batch.seed, &View::student(side));
        let dropout_seed = options.dropout_seed.map(|seed| split_seed(seed, rows.start as u64));
        ForwardOptions { dropout_seed, ..options }
    }
}

fn encode(model: &Model, input: &ModelInput, options: &ForwardOptions) -> Sentences {
    let hidden_states = model.encoder.forward(input, options).hidden_states;
    let attention_mask = input.attention_mask.clone();
    Sentences { hidden_states, attention_mask, attentions: BTreeMap::new() }
}
