//! Batch sampling: shuffling and length grouping for a training epoch, and batches for evaluation.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The maximum number of batches that are sorted together, as `LengthGroupedSampler` of HF
/// transformers sets it.
const MAX_SORTED_BATCHES: usize = 50;

/// The minimum number of groups that are sorted separately, from the same source, so that small
/// datasets stay shuffled.
const MIN_GROUPS: usize = 4;

/// Batch sampling order of a training epoch: shuffled, or grouped by length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchOrder {
    /// Random order of all examples.
    #[default]
    Shuffled,
    /// Length-grouped batches, shuffled: the examples of a batch have similar lengths, which
    /// reduces padding.
    ///
    /// Shuffled groups of up to 50 batches are sorted by length and split into batches, and the
    /// batches are shuffled.
    /// HF transformers keeps the batches of a group in order, longest first.
    GroupedByLength,
}

impl BatchOrder {
    /// Samples the batches of one epoch, as indices into `lengths`; each index occurs once, and one
    /// batch may be smaller than the others.
    ///
    /// The same arguments give the same batches on every machine; each epoch has its own random
    /// number stream.
    /// A batch size of 0 counts as 1.
    ///
    /// ```
    /// use isogloss_text::BatchOrder;
    ///
    /// let batches = BatchOrder::Shuffled.epoch(&[4, 7, 5], 2, 42, 0);
    /// assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    /// assert_eq!(batches, BatchOrder::Shuffled.epoch(&[4, 7, 5], 2, 42, 0));
    /// ```
    pub fn epoch(
        &self,
        lengths: &[usize],
        batch_size: usize,
        seed: u64,
        epoch: u64,
    ) -> Vec<Vec<usize>> {
        let batch_size = batch_size.max(1);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(epoch);
        let mut indices: Vec<usize> = (0..lengths.len()).collect();
        indices.shuffle(&mut rng);
        match self {
            Self::Shuffled => batches(&indices, batch_size),
            Self::GroupedByLength => {
                let n_sorted =
                    (lengths.len() / batch_size / MIN_GROUPS).clamp(1, MAX_SORTED_BATCHES);
                for group in indices.chunks_mut(n_sorted.saturating_mul(batch_size)) {
                    longest_first(group, lengths);
                }
                let mut batches = batches(&indices, batch_size);
                batches.shuffle(&mut rng);
                batches
            }
        }
    }
}

/// Batches for evaluation, as indices into `lengths`, longest examples first, so that the first
/// batch needs the most memory.
///
/// Examples of equal length keep their order; a batch size of 0 counts as 1.
///
/// ```
/// assert_eq!(isogloss_text::sequential_by_length(&[4, 7, 5], 2), [vec![1, 2], vec![0]]);
/// ```
pub fn sequential_by_length(lengths: &[usize], batch_size: usize) -> Vec<Vec<usize>> {
    let mut indices: Vec<usize> = (0..lengths.len()).collect();
    longest_first(&mut indices, lengths);
    batches(&indices, batch_size.max(1))
}

fn longest_first(indices: &mut [usize], lengths: &[usize]) {
    indices.sort_by_key(|&idx| std::cmp::Reverse(lengths.get(idx)));
}

fn batches(indices: &[usize], batch_size: usize) -> Vec<Vec<usize>> {
    indices.chunks(batch_size).map(<[usize]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BatchOrder, sequential_by_length};

    #[test]
    fn seeds_and_epochs_give_other_orders() {
        let lengths = vec![1; 64];
        let epoch = |seed, epoch| BatchOrder::Shuffled.epoch(&lengths, 8, seed, epoch);
        assert_ne!(epoch(0, 0), epoch(0, 1));
        assert_ne!(epoch(0, 0), epoch(1, 0));
        assert_ne!(epoch(0, 1), epoch(1, 0));
    }

    #[test]
    fn an_order_is_the_same_on_every_machine() {
        assert_eq!(BatchOrder::Shuffled.epoch(&[0; 8], 4, 42, 1), [[6, 4, 5, 3], [2, 1, 0, 7]]);
    }

    #[test]
    fn grouping_saves_padding() {
        let lengths: Vec<usize> = (0..1000).map(|idx| idx * 7919 % 128).collect();
        let n_padding = |order: BatchOrder| -> usize {
            let batches = order.epoch(&lengths, 10, 3, 0);
            let padding = |batch: &Vec<usize>| {
                let longest = batch.iter().map(|&idx| lengths[idx]).max().unwrap();
                batch.iter().map(|&idx| longest - lengths[idx]).sum::<usize>()
            };
            batches.iter().map(padding).sum()
        };
        assert!(10 * n_padding(BatchOrder::GroupedByLength) < n_padding(BatchOrder::Shuffled));
    }

    proptest! {
        #[test]
        fn every_index_comes_once(
            lengths in prop::collection::vec(0usize..50, 0..300),
            batch_size in 0usize..40,
            seed: u64,
            epoch: u64,
        ) {
            for batches in [
                BatchOrder::Shuffled.epoch(&lengths, batch_size, seed, epoch),
                BatchOrder::GroupedByLength.epoch(&lengths, batch_size, seed, epoch),
                sequential_by_length(&lengths, batch_size),
            ] {
                let n_partial = batches.iter().filter(|batch| batch.len() != batch_size.max(1)).count();
                prop_assert!(n_partial <= 1);
                let mut indices = batches.concat();
                indices.sort_unstable();
                prop_assert_eq!(indices, (0..lengths.len()).collect::<Vec<_>>());
            }
        }

        #[test]
        fn evaluation_begins_with_the_longest(lengths in prop::collection::vec(0usize..50, 1..60)) {
            let indices = sequential_by_length(&lengths, 7).concat();
            prop_assert!(indices.is_sorted_by_key(|&idx| std::cmp::Reverse(lengths[idx])));
        }
    }
}
