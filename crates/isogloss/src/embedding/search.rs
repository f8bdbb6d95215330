//! Exact nearest-neighbour search (top-k) among vectors, by inner product.
//!
//! The scores of all pairs are computed tile by tile on a device; of each tile, only the top k of
//! every row and of every column are kept. For 100 000 vectors of width 384 on both sides, 8 MB of
//! 40 GB of scores are in memory at a time.
//!
//! ```
//! use burn::tensor::Device;
//! use isogloss::search::{Vectors, nearest};
//!
//! let candidates = Vectors::new(vec![1.0, 0.0, 0.6, 0.8], 2)?;
//! let queries = Vectors::new(vec![0.0, 3.0], 2)?.normalized();
//! let neighbors = nearest(&queries, &candidates, 1, &Device::flex());
//! assert_eq!(neighbors.first(0), Some((1, 0.8)));
//! # Ok::<(), isogloss::Error>(())
//! ```

mod best;
mod vectors;

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use isogloss_kernels::linear;
use rayon::prelude::*;

use crate::ground::tensors::host_values;
use best::Best;
pub use vectors::Vectors;

/// Rows and columns of a tile: enough work for all cores, and few enough scores for their caches.
const TILE: [usize; 2] = [512, 2048];
/// Columns whose top-k lists one thread updates.
const STRIP: usize = 256;
/// Lower bound of the denominator of a margin.
const MIN_DENOMINATOR: f32 = 1e-6;

/// Number of neighbours in a ratio margin: `k` of Artetxe and Schwenk 2019.
pub const MARGIN_NEIGHBORS: usize = 4;

/// Nearest neighbours: the top-k candidates of each query, the best first; on ties the lowest
/// index.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbors {
    best: Best,
}

impl Neighbors {
    /// The number of queries.
    pub fn len(&self) -> usize {
        self.best.len()
    }

    /// Whether there is no query.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The candidates of a query with their scores, the best first.
    pub fn for_query(&self, query: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        self.best.row(query)
    }

    /// The best candidate of a query; `None` if there is no candidate at all.
    pub fn first(&self, query: usize) -> Option<(usize, f32)> {
        self.for_query(query).next()
    }

    /// The mean score of the candidates of each query.
    fn mean_scores(&self) -> Vec<f32> {
        let mean = |query| {
            let (mut sum, mut n) = (0.0, 0);
            for (_, score) in self.for_query(query) {
                (sum, n) = (sum + f64::from(score), n + 1);
            }
            (sum / f64::from(n.max(1))) as f32
        };
        (0..self.len()).map(mean).collect()
    }
}

/// Nearest-neighbour search: the `k` candidates with the largest inner products for each query; all
/// of them if there are fewer.
///
/// # Panics
/// If the two sides differ in width.
pub fn nearest(queries: &Vectors, candidates: &Vectors, k: usize, device: &Device) -> Neighbors {
    let [neighbors, _] = scan(queries, candidates, [k, 0], device, |_, _, _| {});
    neighbors
}

/// [`nearest`] from left to right and from right to left, in one pass over the tiles.
///
/// # Panics
/// If the two sides differ in width.
pub fn nearest_both_ways(
    left: &Vectors,
    right: &Vectors,
    k: usize,
    device: &Device,
) -> [Neighbors; 2] {
    scan(left, right, [k, k], device, |_, _, _| {})
}

/// Margin-based nearest neighbours (Artetxe and Schwenk 2019): the `k` candidates with the largest
/// margins, from left to right and from right to left.
///
/// Of normalized vectors x and y,
/// margin(x, y) = cos(x, y) / (Σ cos(x, z) / 2k + Σ cos(y, z) / 2k),
/// the first sum over the k nearest neighbours of x on the right, the second over those of y on the
/// left, k = [`MARGIN_NEIGHBORS`]; with fewer candidates, over those there are.
/// A vector that is near to everything, a hub, has low margins.
/// The denominator is at least 10⁻⁶; it is larger wherever a vector has neighbours at all.
///
/// The search is exact and takes two passes over the tiles, one for the sums and one for the
/// margins; the authors' code searches for the largest margin only among the k nearest neighbours.
///
/// # Panics
/// If the two sides differ in width.
///
/// # Source
/// Artetxe and Schwenk 2019, Margin-based Parallel Corpus Mining with Multilingual Sentence
/// Embeddings, arXiv:1811.01136, with the ratio; `mine_bitexts.py` of LASER is the authors' code.
pub fn nearest_by_margin(
    left: &Vectors,
    right: &Vectors,
    k: usize,
    device: &Device,
) -> [Neighbors; 2] {
    let neighbors = nearest_both_ways(left, right, MARGIN_NEIGHBORS, device);
    let [of_left, of_right] = neighbors.map(|neighbors| neighbors.mean_scores());
    scan(left, right, [k, k], device, |row, columns, scores| {
        for (score, of_right) in scores.iter_mut().zip(&of_right[columns]) {
            *score /= (0.5 * (of_left[row] + of_right)).max(MIN_DENOMINATOR);
        }
    })
}

/// Tiled top-k search: computes all tiles of `left` × `right` and keeps the best `k` of each row
/// and of each column; a `k` of 0 keeps nothing.
///
/// `rescore` receives a row of `left`, a range of `right` and their inner products, and changes
/// these in place.
fn scan(
    left: &Vectors,
    right: &Vectors,
    [k_right, k_left]: [usize; 2],
    device: &Device,
    rescore: impl Fn(usize, Range<usize>, &mut [f32]) + Sync,
) -> [Neighbors; 2] {
    assert_eq!(left.width(), right.width(), "vectors of two widths have no inner product");
    let mut of_rows = Best::new(left.len(), k_right.min(right.len()));
    let mut of_columns = Best::new(right.len(), k_left.min(left.len()));
    if !left.is_empty() && !right.is_empty() {
        let tiles = tiles(left.len(), right.len());
        let [left, right] = [(left, TILE[0]), (right, TILE[1])]
            .map(|(side, n_rows)| on_device(side, n_rows, device));
        let product = |rows: &Range<usize>, columns: &Range<usize>| {
            let (left, right) = (&left[rows.start / TILE[0]], &right[columns.start / TILE[1]]);
            linear(left.clone(), right.clone(), Tensor::zeros([columns.len()], device))
        };
        let mut next = tiles.first().map(|(rows, columns)| product(rows, columns));
        for (at, (rows, columns)) in tiles.iter().enumerate() {
            let Some(scores) = next.take() else { break };
            // A GPU works on the next tile while the host looks through this one.
            next = tiles.get(at + 1).map(|(rows, columns)| product(rows, columns));
            let mut scores = host_values(scores);
            of_rows.offer_rows(rows, columns, &mut scores, &rescore);
            of_columns.offer_columns(rows, columns, &scores);
        }
    }
    [of_rows, of_columns].map(|best| Neighbors { best })
}

/// The tiles, row by row, so that every top-k list receives indices in ascending order.
fn tiles(n_rows: usize, n_columns: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let ranges =
        |n: usize, step: usize| (0..n).step_by(step).map(move |start| start..(start + step).min(n));
    let row =
        |rows: Range<usize>| ranges(n_columns, TILE[1]).map(move |columns| (rows.clone(), columns));
    ranges(n_rows, TILE[0]).flat_map(row).collect()
}

/// Vectors on a device, `n_rows` in a tensor: all in one could be more than the device's largest
/// buffer.
fn on_device(vectors: &Vectors, n_rows: usize, device: &Device) -> Vec<Tensor<2>> {
    let width = vectors.width();
    let parts = vectors.values().chunks(n_rows * width);
    let part = |part: &[f32]| TensorData::new(part.to_vec(), [part.len() / width, width]);
    parts.map(|values| Tensor::from_data(part(values), device)).collect()
}

impl Best {
    /// Updates the top-k lists of the rows of a tile with its scores, after `rescore`.
    fn offer_rows(
        &mut self,
        rows: &Range<usize>,
        columns: &Range<usize>,
        scores: &mut [f32],
        rescore: &(impl Fn(usize, Range<usize>, &mut [f32]) + Sync),
    ) {
        let lists = self.lists(rows.clone(), 1);
        let scores = scores.par_chunks_mut(columns.len());
        lists.zip(scores).zip(rows.clone()).for_each(|((mut list, scores), row)| {
            rescore(row, columns.clone(), scores);
            list.offer_all(scores, columns.start);
        });
    }

    /// Updates the top-k lists of the columns of a tile with its scores.
    fn offer_columns(&mut self, rows: &Range<usize>, columns: &Range<usize>, scores: &[f32]) {
        let lists = self.lists(columns.clone(), STRIP);
        lists.enumerate().for_each(|(strip, mut lists)| {
            let start = strip * STRIP;
            for (row, scores) in rows.clone().zip(scores.chunks(columns.len())) {
                lists.offer_each(&scores[start..start + lists.len()], row);
            }
        });
    }
}

#[cfg(test)]
mod tests;
