//! Matrix multiplication `A Bᵀ` by dot products of contiguous rows, for small batches on
//! WebAssembly.
//!
//! The `gemm` crate first packs (reorders) one of the two matrices. With SIMD vectors of 128 bits
//! and the few tokens of one sentence, that takes longer than the product; here rows are read in
//! place.

use std::array::from_fn;

use pulp::{Arch, Simd, WithSimd};

use super::matrix::{Matrix, Product};

/// Tile size: rows of the left matrix that are multiplied at once with [`RIGHT`] rows of the right
/// one. The eight sums keep the adders busy and leave half of sixteen registers for the factors.
const LEFT: usize = 2;
const RIGHT: usize = 4;

/// Arguments of [`multiply_rows`]; both matrices have contiguous rows of the same length.
struct RowProducts<'a> {
    out: &'a mut [f32],
    out_stride: usize,
    left: Matrix<'a>,
    right: Matrix<'a>,
    product: Product,
}

/// Matrix multiplication `left · rightᵀ`, written to `out` as
/// [`multiply`](super::gemm::multiply) does.
///
/// # Panics
/// If a row is outside its slice.
pub(super) fn multiply_rows(
    out: &mut [f32],
    out_stride: usize,
    left: Matrix<'_>,
    right: Matrix<'_>,
    product: Product,
) {
    Arch::new().dispatch(RowProducts { out, out_stride, left, right, product });
}

impl WithSimd for RowProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let n_columns = self.right.rows;
        let whole = n_columns - n_columns % RIGHT;
        for column in (0..whole).step_by(RIGHT) {
            self.columns::<S, RIGHT>(simd, column);
        }
        for column in whole..n_columns {
            self.columns::<S, 1>(simd, column);
        }
    }
}

impl RowProducts<'_> {
    /// Computes `N` columns of the output.
    #[inline(always)]
    fn columns<S: Simd, const N: usize>(&mut self, simd: S, column: usize) {
        let n_rows = self.left.rows;
        let whole = n_rows - n_rows % LEFT;
        for row in (0..whole).step_by(LEFT) {
            self.tile::<S, LEFT, N>(simd, row, column);
        }
        for row in whole..n_rows {
            self.tile::<S, 1, N>(simd, row, column);
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(
        &mut self,
        simd: S,
        row: usize,
        column: usize,
    ) {
        let left: [_; M] = from_fn(|m| S::as_simd_f32s(self.left.row(row + m)));
        let right: [_; N] = from_fn(|n| S::as_simd_f32s(self.right.row(column + n)));
        // All slices have the length of the first; slicing them here removes the bounds checks of
        // the loop.
        let n_vectors = left[0].0.len();
        let left_vectors = left.map(|(vectors, _)| &vectors[..n_vectors]);
        let right_vectors = right.map(|(vectors, _)| &vectors[..n_vectors]);
        let mut sums = [[simd.splat_f32s(0.0); N]; M];
        for at in 0..n_vectors {
            let left = left_vectors.map(|vectors| vectors[at]);
            for n in 0..N {
                let right = right_vectors[n][at];
                for m in 0..M {
                    sums[m][n] = simd.mul_add_e_f32s(left[m], right, sums[m][n]);
                }
            }
        }
        for m in 0..M {
            let out = &mut self.out[(row + m) * self.out_stride + column..][..N];
            for n in 0..N {
                let rest: f32 = left[m].1.iter().zip(right[n].1).map(|(a, b)| a * b).sum();
                let value = self.product.scale * (simd.reduce_sum_f32s(sums[m][n]) + rest);
                out[n] = if self.product.accumulate { out[n] + value } else { value };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_all_pairs_of_rows() {
        for (n_left, n_right, n) in [(1, 1, 1), (2, 4, 16), (3, 5, 37), (5, 11, 3), (0, 4, 8)] {
            let (left_stride, right_stride, out_stride) = (n + 2, n, n_right + 1);
            let left: Vec<f32> = (0..n_left * left_stride).map(|i| (i % 7) as f32 - 3.0).collect();
            let right: Vec<f32> = (0..n_right * right_stride).map(|i| (i % 5) as f32).collect();
            for accumulate in [false, true] {
                let mut out = vec![1.0; n_left * out_stride];
                multiply_rows(
                    &mut out,
                    out_stride,
                    Matrix::new(&left, n_left, n, left_stride),
                    Matrix::new(&right, n_right, n, right_stride),
                    Product { accumulate, ..Product::scaled(0.5) },
                );
                for i in 0..n_left {
                    let row = &left[i * left_stride..][..n];
                    for j in 0..n_right {
                        let column = &right[j * right_stride..][..n];
                        let sum: f32 = row.iter().zip(column).map(|(a, b)| a * b).sum();
                        let before = if accumulate { 1.0 } else { 0.0 };
                        assert_eq!(out[i * out_stride + j], before + 0.5 * sum);
                    }
                    assert_eq!(out[i * out_stride + n_right], 1.0, "what lies between rows");
                }
            }
        }
    }
}
