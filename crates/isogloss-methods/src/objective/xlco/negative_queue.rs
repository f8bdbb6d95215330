//! Negative queue (MoCo, He et al. 2020): keys of earlier batches as negatives of a contrastive
//! loss.

use burn::tensor::{Device, Tensor};

use crate::error::AlignmentError;

/// Negative queue (MoCo): a ring buffer of the last `capacity` keys, on a device and without
/// gradients.
///
/// It is filled before its first use: zeros in it would be negatives that are too easy.
///
/// # Source
/// He et al. 2020, MoCo, arXiv:1911.05722, §3.2.
#[derive(Debug)]
pub struct NegativeQueue {
    /// `[capacity, width]`.
    keys: Tensor<2>,
    /// Index of the next key.
    next: usize,
    n_keys: usize,
}

impl NegativeQueue {
    /// An empty queue.
    pub fn new(capacity: usize, width: usize, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        Self { keys: Tensor::zeros([capacity, width], &device), next: 0, n_keys: 0 }
    }

    /// Number of keys that it keeps.
    pub fn capacity(&self) -> usize {
        self.keys.dims()[0]
    }

    /// Number of keys that are missing before it can be used.
    pub fn n_missing(&self) -> usize {
        self.capacity() - self.n_keys
    }

    /// Whether it is full, and can be used.
    pub fn is_full(&self) -> bool {
        self.n_missing() == 0
    }

    /// Enqueues keys in their order; each replaces the oldest.
    ///
    /// # Shapes
    /// - `keys`: `[rows, width]`, treated as constants
    pub fn push(&mut self, keys: Tensor<2>) {
        let capacity = self.capacity();
        let [n_rows, width] = keys.dims();
        let keys = keys.without_autodiff();
        // Of more keys than the capacity, only the last ones remain.
        let mut row = n_rows.saturating_sub(capacity);
        self.next = (self.next + row) % capacity.max(1);
        while row < n_rows {
            let n = (n_rows - row).min(capacity - self.next);
            let (positions, rows) = (self.next..self.next + n, keys.clone().narrow(0, row, n));
            self.keys.inplace(|ring| ring.slice_assign([positions, 0..width], rows));
            self.next = (self.next + n) % capacity;
            row += n;
        }
        self.n_keys = (self.n_keys + n_rows).min(capacity);
    }

    /// All keys, `[capacity, width]`, in no particular order.
    ///
    /// # Errors
    /// If it is not full.
    pub fn tensor(&self) -> Result<Tensor<2>, AlignmentError> {
        if self.is_full() {
            return Ok(self.keys.clone());
        }
        Err(AlignmentError::QueueNotFull { expected: self.capacity(), found: self.n_keys })
    }

    /// State of the queue, for [`restore`](Self::restore): the keys so far, `[n, width]`, and the
    /// index of the next.
    pub fn state(&self) -> (Tensor<2>, usize) {
        // Burn does not narrow a tensor to zero rows.
        let keys = match self.n_keys {
            0 => Tensor::zeros([0, self.keys.dims()[1]], &self.keys.device()),
            n_keys => self.keys.clone().narrow(0, 0, n_keys),
        };
        (keys, self.next)
    }

    /// Restores the queue from a [`state`](Self::state), with every key at its old index.
    ///
    /// # Errors
    /// If the state does not fit the capacity.
    pub fn restore(capacity: usize, keys: Tensor<2>, next: usize) -> Result<Self, AlignmentError> {
        let [found, width] = keys.dims();
        let fits = if found < capacity { next == found } else { found == capacity && next < found };
        if !fits {
            return Err(AlignmentError::QueueState { capacity, found, next });
        }
        let mut queue = Self::new(capacity, width, &keys.device());
        queue.push(keys);
        Ok(Self { next, ..queue })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(numbers: &[f32]) -> Tensor<2> {
        Tensor::<1>::from_floats(numbers, &Device::flex()).reshape([numbers.len(), 1])
    }

    fn numbers(keys: Tensor<2>) -> Vec<f32> {
        keys.into_data().try_into_vec().unwrap()
    }

    fn pushed(capacity: usize, batches: &[&[f32]]) -> NegativeQueue {
        let mut queue = NegativeQueue::new(capacity, 1, &Device::flex());
        batches.iter().for_each(|batch| queue.push(keys(batch)));
        queue
    }

    #[test]
    fn the_oldest_keys_make_room() {
        let queue = pushed(5, &[&[1.0, 2.0], &[3.0, 4.0], &[5.0, 6.0]]);
        assert_eq!(numbers(queue.tensor().unwrap()), [6.0, 2.0, 3.0, 4.0, 5.0]);
        let queue = pushed(3, &[&[1.0], &[2.0, 3.0, 4.0]]);
        assert_eq!(numbers(queue.tensor().unwrap()), [4.0, 2.0, 3.0]);
    }

    #[test]
    fn more_keys_than_the_capacity_leave_what_one_at_a_time_would() {
        let all: Vec<f32> = (0..23).map(|i| i as f32).collect();
        for capacity in [1, 4, 7, 23] {
            for first in [0, 1, 5] {
                let at_once = pushed(capacity, &[&all[..first], &all[first..]]);
                let singles: Vec<_> = all.chunks(1).collect();
                let one_by_one = pushed(capacity, &singles);
                let keys = |queue: &NegativeQueue| numbers(queue.tensor().unwrap());
                assert_eq!(
                    keys(&at_once),
                    keys(&one_by_one),
                    "a capacity of {capacity}, {first} before"
                );
                assert_eq!(at_once.next, one_by_one.next);
            }
        }
    }

    #[test]
    fn a_queue_that_is_not_full_is_not_used() {
        let mut queue = pushed(3, &[&[1.0, 2.0]]);
        assert!(!queue.is_full() && queue.n_missing() == 1);
        let error = AlignmentError::QueueNotFull { expected: 3, found: 2 };
        assert_eq!(queue.tensor().map(numbers), Err(error));
        queue.push(keys(&[3.0]));
        assert_eq!(queue.tensor().map(numbers), Ok(vec![1.0, 2.0, 3.0]));
    }

    #[test]
    fn a_restored_queue_goes_on_with_every_key_at_its_index() {
        for n_before in 0..9 {
            let before: Vec<f32> = (0..n_before).map(|i| i as f32).collect();
            let mut queue = pushed(4, &[&before]);
            let (saved, next) = queue.state();
            let mut restored = NegativeQueue::restore(4, saved, next).unwrap();
            for queue in [&mut queue, &mut restored] {
                queue.push(keys(&[90.0, 91.0, 92.0, 93.0, 94.0]));
            }
            assert_eq!(numbers(queue.tensor().unwrap()), numbers(restored.tensor().unwrap()));
            assert_eq!(queue.next, restored.next);
        }
    }

    #[test]
    fn a_state_of_another_capacity_is_refused() {
        for (capacity, n_keys, next) in [(4, 5, 0), (4, 3, 0), (4, 4, 4), (6, 4, 1)] {
            let saved = keys(&vec![0.0; n_keys]);
            let error = NegativeQueue::restore(capacity, saved, next).unwrap_err();
            assert_eq!(error, AlignmentError::QueueState { capacity, found: n_keys, next });
        }
    }

    #[test]
    fn keys_of_a_graph_become_constants() {
        let mut queue = NegativeQueue::new(2, 1, &Device::flex().autodiff());
        queue.push(keys(&[1.0, 2.0]).autodiff().require_grad() * 2.0);
        let keys = queue.tensor().unwrap();
        assert!(!keys.is_autodiff());
        assert_eq!(numbers(keys), [2.0, 4.0]);
    }
}
