//! Strided matrix views of slices, and the options of a matrix product.

/// Strided matrix view of a slice: `rows × columns`, element `(i, j)` at
/// `i * row_stride + j * column_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix whose rows are contiguous and `row_stride` apart.
    pub(crate) fn new(values: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        Self { values, rows, columns, row_stride, column_stride: 1 }
    }

    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Row of a matrix whose rows are contiguous.
    #[cfg(any(test, target_arch = "wasm32"))]
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.row_stride..][..self.columns]
    }

    pub(super) fn span(&self) -> usize {
        span(self.rows, self.columns, self.row_stride, self.column_stride)
    }
}

pub(super) fn span(rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> usize {
    if rows == 0 || columns == 0 {
        return 0;
    }
    (rows - 1) * row_stride + (columns - 1) * column_stride + 1
}

/// Options of a matrix product.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    /// Factor of the product.
    pub(crate) scale: f32,
    /// Adds the product to the output instead of overwriting it.
    pub(crate) accumulate: bool,
    /// Uses all threads; off inside work that is already parallel.
    pub(crate) parallel: bool,
}

impl Product {
    /// Overwrites the output with a scaled product, on the calling thread.
    pub(crate) fn scaled(scale: f32) -> Self {
        Self { scale, accumulate: false, parallel: false }
    }
}
