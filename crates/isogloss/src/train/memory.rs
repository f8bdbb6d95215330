//! What objectives remember of earlier pairs: the slow model that makes keys, and a queue of them.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Tensor;
use isogloss_methods::{NegativeQueue, momentum_update};
use isogloss_model::Model;

use super::batches::StepBatch;
use super::learner::StepGradients;
use super::pairs::PairStream;
use super::passes::Passes;
use crate::{Error, checkpoint};

/// Takes the memory up from a checkpoint, or begins it: the slow model as a copy, and the queue full
/// of the keys of pairs that come before the first step's.
pub(super) fn begin(
    passes: &mut Passes,
    model: &Model,
    pairs: Option<&mut PairStream>,
    checkpoint: Option<&Path>,
) -> Result<(), Error> {
    let (Some(memory), Some(pairs)) = (passes.memory(), pairs) else { return Ok(()) };
    if let Some(folder) = checkpoint {
        let (momentum, queue) =
            checkpoint::read_memory(folder, model, memory.queue_size, &passes.device)?;
        (passes.momentum, passes.negatives) = (Some(momentum), Some(queue));
        return Ok(());
    }
    let n_pairs: usize = pairs.sets.iter().map(|set| set.train.len()).sum();
    if memory.queue_size >= n_pairs {
        return Err(Error::Unsuitable(format!(
            "queue_size: a queue of {} keys needs more pairs than the {n_pairs} pairs there are, or a \
             pair is its own negative",
            memory.queue_size
        )));
    }
    passes.momentum = Some(model.valid());
    let texts = passes.texts();
    let mut number = u64::MAX;
    let mut queue: Option<NegativeQueue> = None;
    while queue.as_ref().is_none_or(|queue| !queue.is_full()) {
        let mut batch = StepBatch::empty(number);
        batch.add(pairs.draw(number, &texts)?);
        number -= 1;
        let path = pairs.sets.first().map(|set| set.path.clone()).unwrap_or_default();
        let learner = StepGradients::new(passes, model, vec![batch], &path)?;
        for keys in learner.keys_alone(model)? {
            let width = keys.dims()[1];
            let new = || NegativeQueue::new(memory.queue_size, width, &passes.device);
            queue.get_or_insert_with(new).push(keys);
        }
    }
    passes.negatives = queue;
    Ok(())
}

/// Remembers the keys of a step, and lets the slow model follow.
pub(super) fn follow(passes: &mut Passes, model: &Model, keys: Vec<Tensor<2>>) {
    let Some(memory) = passes.memory() else { return };
    if let Some(queue) = &mut passes.negatives {
        keys.into_iter().for_each(|keys| queue.push(keys));
    }
    passes.momentum =
        passes.momentum.take().map(|slow| momentum_update(slow, model, memory.momentum));
}
