//! Random sampling without replacement, by a seed.

use isogloss_kernels::split_seed;

/// Random sample without replacement: the first `n` of `0..len` in the random order of a seed, or
/// all of them in that order.
pub fn sample_indices(len: usize, n: Option<usize>, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by_key(|index| split_seed(seed, *index as u64));
    order.truncate(n.unwrap_or(len));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_the_start_of_a_longer_one() {
        let all = sample_indices(50, None, 7);
        assert_eq!(sample_indices(50, Some(9), 7), all[..9]);
        assert_ne!(sample_indices(50, None, 8), all);
        let mut sorted = all;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }
}
