//! Matrix multiplication (GEMM) over slices, with bounds checks.

use rayon::prelude::*;

use super::matrix::{Matrix, Product, span};

/// Columns of a product that one thread computes at a time. The `gemm` crate first packs (reorders)
/// the right matrix, on one thread for a whole product; with blocks, all threads pack.
const BLOCK: usize = 64;

/// Matrix multiplication: writes `lhs · rhs` to `out`, whose rows are contiguous and `out_stride`
/// apart.
///
/// # Panics
/// If the inner sizes differ or a matrix does not fit its slice.
pub(crate) fn multiply(
    out: &mut [f32],
    out_stride: usize,
    lhs: Matrix<'_>,
    rhs: Matrix<'_>,
    product: Product,
) {
    assert_eq!(lhs.columns, rhs.rows, "inner sizes of a matrix product");
    assert!(lhs.span() <= lhs.values.len(), "left matrix outside its slice");
    assert!(rhs.span() <= rhs.values.len(), "right matrix outside its slice");
    assert!(
        span(lhs.rows, rhs.columns, out_stride, 1) <= out.len() && rhs.columns <= out_stride,
        "product outside its slice"
    );
    #[cfg(target_arch = "wasm32")]
    if lhs.column_stride == 1 && rhs.row_stride == 1 {
        return super::row_products::multiply_rows(out, out_stride, lhs, rhs.transposed(), product);
    }
    let out = Start(out.as_mut_ptr());
    let fill = |first: usize, n_columns: usize| {
        #[expect(
            unsafe_code,
            reason = "the gemm crate takes pointers; their spans were checked above"
        )]
        // SAFETY: every element that the strides reach lies inside the three slices, and `out` is
        // borrowed mutably, so it overlaps neither input. The output's rows do not overlap, and no
        // two calls fill the same columns of them.
        unsafe {
            gemm::gemm(
                lhs.rows,
                n_columns,
                lhs.columns,
                out.column(first),
                1,
                out_stride as isize,
                product.accumulate,
                lhs.values.as_ptr(),
                lhs.column_stride as isize,
                lhs.row_stride as isize,
                rhs.values.as_ptr().wrapping_add(first * rhs.column_stride),
                rhs.column_stride as isize,
                rhs.row_stride as isize,
                1.0,
                product.scale,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    };
    if product.parallel {
        (0..rhs.columns)
            .into_par_iter()
            .step_by(BLOCK)
            .for_each(|first| fill(first, BLOCK.min(rhs.columns - first)));
    } else {
        fill(0, rhs.columns);
    }
}

/// Pointer to the first element of an output that several threads write, each in its own columns.
struct Start(*mut f32);

#[expect(unsafe_code, reason = "a pointer is not Sync by itself")]
// SAFETY: only `multiply` creates it, from a slice that it borrows mutably, and its threads write
// different elements.
unsafe impl Sync for Start {}

impl Start {
    fn column(&self, column: usize) -> *mut f32 {
        self.0.wrapping_add(column)
    }
}
