//! Top-k lists: the best scores so far.

use std::ops::Range;

use rayon::prelude::*;

/// Scores that are compared at once (SIMD), to skip those below the thresholds.
const LANES: usize = 16;

/// Top-k lists: the `k` best scores of each row, with the index of each score.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Best {
    k: usize,
    n: usize,
    scores: Vec<f32>,
    indices: Vec<u32>,
}

/// The top-k lists of consecutive rows.
pub(super) struct Lists<'a> {
    k: usize,
    scores: &'a mut [f32],
    indices: &'a mut [u32],
    /// The last score of each list, which a new score must exceed.
    thresholds: Vec<f32>,
}

impl Best {
    pub(super) fn new(n: usize, k: usize) -> Self {
        Self { k, n, scores: vec![f32::NEG_INFINITY; n * k], indices: vec![u32::MAX; n * k] }
    }

    pub(super) fn len(&self) -> usize {
        self.n
    }

    /// The top-k list of one row.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let range = row * self.k..(row + 1) * self.k;
        let indices = self.indices[range.clone()].iter().map(|index| *index as usize);
        indices.zip(self.scores[range].iter().copied())
    }

    /// Parallel iterator over the lists of a range of rows, `step` rows at a time; empty if the
    /// lists are.
    pub(super) fn lists(
        &mut self,
        rows: Range<usize>,
        step: usize,
    ) -> impl IndexedParallelIterator<Item = Lists<'_>> {
        let k = self.k;
        let (range, chunk) = (rows.start * k..rows.end * k, (step * k).max(1));
        let scores = self.scores[range.clone()].par_chunks_mut(chunk);
        let indices = self.indices[range].par_chunks_mut(chunk);
        scores.zip(indices).map(move |(scores, indices)| {
            let thresholds = scores.chunks(k).map(|list| list[k - 1]).collect();
            Lists { k, scores, indices, thresholds }
        })
    }
}

impl Lists<'_> {
    pub(super) fn len(&self) -> usize {
        self.thresholds.len()
    }

    /// Inserts the best of many scores into the first list; they belong to indices from `start`.
    pub(super) fn offer_all(&mut self, scores: &[f32], start: usize) {
        for (chunk, scores) in scores.chunks(LANES).enumerate() {
            let threshold = self.thresholds[0];
            if !scores.iter().fold(false, |any, score| any | (*score > threshold)) {
                continue;
            }
            for (at, score) in scores.iter().enumerate() {
                self.offer(0, *score, start + chunk * LANES + at);
            }
        }
    }

    /// Inserts one score into each list where it is good enough; all belong to `index`.
    pub(super) fn offer_each(&mut self, scores: &[f32], index: usize) {
        for chunk in 0..scores.len().div_ceil(LANES) {
            let range = chunk * LANES..((chunk + 1) * LANES).min(scores.len());
            let pairs = scores[range.clone()].iter().zip(&self.thresholds[range.clone()]);
            if !pairs.fold(false, |any, (score, threshold)| any | (score > threshold)) {
                continue;
            }
            for list in range {
                self.offer(list, scores[list], index);
            }
        }
    }

    /// Inserts a score after those that are equal, if it is better than the last one.
    fn offer(&mut self, list: usize, score: f32, index: usize) {
        if score <= self.thresholds[list] {
            return;
        }
        let range = list * self.k..(list + 1) * self.k;
        let (scores, indices) = (&mut self.scores[range.clone()], &mut self.indices[range]);
        let rank = scores.partition_point(|better| *better >= score);
        scores[rank..].rotate_right(1);
        indices[rank..].rotate_right(1);
        scores[rank] = score;
        indices[rank] = index as u32;
        self.thresholds[list] = scores[self.k - 1];
    }
}
