//! Sparse gradient of an embedding matrix: the gradient of the rows that a batch looks up (`sparse`
//! of PyTorch's `Embedding`, `IndexedSlices` of TensorFlow).

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use isogloss_kernels::{sum, sum_rows};

/// Sparse gradient of an embedding matrix: the gradient of some of its rows; that of all others is
/// zero.
#[derive(Clone, Debug)]
pub struct SparseGradient {
    rows: Rows,
    /// Gradient of these rows, `[n, hidden]`.
    values: Tensor<2>,
    /// Number of rows of the matrix.
    n_rows: usize,
}

/// Rows of an embedding matrix, each once and ascending, `[n]`.
#[derive(Clone, Debug)]
struct Rows {
    on_host: Vec<i32>,
    on_device: Tensor<1, Int>,
}

/// Index of the rows that an embedding lookup reads: which rows they are, and which of them each
/// place reads.
#[derive(Clone, Debug)]
pub struct LookupIndex {
    rows: Rows,
    /// For each place, its row's index in `rows`, `[n_places]`.
    places: Tensor<1, Int>,
}

impl LookupIndex {
    /// The index of a lookup of these rows, on a device without autodiff.
    pub fn new(ids: &[i32], device: &Device) -> Self {
        let rows = Rows::new(ids.to_vec(), device);
        let places = rows.indices_of(ids);
        Self { rows, places: integers(places, device) }
    }
}

impl SparseGradient {
    /// Gradient of an embedding matrix of `n_rows` rows, from the gradient of the rows that were
    /// looked up, place by place: the sum over the places of each row, in their order.
    ///
    /// # Shapes
    /// - `grad`: `[n_places, hidden]`
    pub fn from_lookup(index: &LookupIndex, grad: Tensor<2>, n_rows: usize) -> Self {
        let rows = index.rows.clone();
        let values = sum_rows(grad, index.places.clone(), rows.on_host.len());
        Self { rows, values, n_rows }
    }

    /// Number of rows with a gradient.
    pub fn n_given(&self) -> usize {
        self.rows.on_host.len()
    }

    /// The rows with a gradient, each once and ascending, `[n]`, on the device.
    pub(crate) fn rows(&self) -> Tensor<1, Int> {
        self.rows.on_device.clone()
    }

    /// Gradient of these rows, `[n, hidden]`.
    pub(crate) fn values(&self) -> Tensor<2> {
        self.values.clone()
    }

    /// Zeros for all elements of the matrix.
    pub(crate) fn zeros(&self) -> Tensor<1> {
        let n_elements: usize = self.matrix().iter().product();
        Tensor::zeros([n_elements], (&self.values.device(), self.values.dtype()))
    }

    /// Adds another gradient of the same matrix.
    pub(crate) fn plus(self, other: Self) -> Self {
        if self.rows.on_host == other.rows.on_host {
            return Self { values: self.values + other.values, ..self };
        }
        let parts = [self.rows.on_host, other.rows.on_host];
        let rows = Rows::new(parts.concat(), &self.values.device());
        let places = integers(rows.indices_of(&parts.concat()), &self.values.device());
        let values = Tensor::cat(vec![self.values, other.values], 0);
        let values = sum_rows(values, places, rows.on_host.len());
        Self { rows, values, n_rows: self.n_rows }
    }

    /// Multiplies by a factor.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self { values: self.values * factor, ..self }
    }

    /// Multiplies by factors for all elements of the matrix, flattened.
    pub(crate) fn times(self, factors: Tensor<1>) -> Self {
        let factors = factors.reshape(self.matrix()).select(0, self.rows());
        Self { values: self.values * factors, ..self }
    }

    /// Dot product with another gradient of the same matrix, `[1]`.
    pub(crate) fn dot(&self, other: &Self) -> Tensor<1> {
        let both = |row: &&i32| other.rows.on_host.binary_search(row).is_ok();
        let both: Vec<i32> = self.rows.on_host.iter().filter(both).copied().collect();
        let device = self.values.device();
        if both.is_empty() {
            return Tensor::zeros([1], &device);
        }
        let [a, b] = [self, other].map(|gradient| {
            let indices = gradient.rows.indices_of(&both);
            gradient.values.clone().select(0, integers(indices, &device))
        });
        sum(a * b)
    }

    /// Dot product with a dense gradient of the same matrix, flattened; returns `[1]`.
    pub(crate) fn dot_dense(&self, dense: Tensor<1>) -> Tensor<1> {
        let rows = dense.reshape(self.matrix()).select(0, self.rows());
        sum(rows * self.values.clone())
    }

    /// Adds the gradient to a flattened matrix of the same shape.
    pub(crate) fn add_to(&self, matrix: Tensor<1>) -> Tensor<1> {
        let [n] = matrix.dims();
        let (rows, values) = (self.rows(), self.values.clone());
        let sum =
            matrix.reshape(self.matrix()).select_assign(0, rows, values, IndexingUpdateOp::Add);
        sum.reshape([n])
    }

    /// The gradient of the whole matrix, flattened.
    pub fn to_dense(&self) -> Tensor<1> {
        sum_rows(self.values.clone(), self.rows(), self.n_rows).flatten(0, 1)
    }

    /// Shape of the matrix.
    fn matrix(&self) -> [usize; 2] {
        [self.n_rows, self.values.dims()[1]]
    }
}

impl Rows {
    /// The rows of a list that may name them more than once.
    fn new(mut rows: Vec<i32>, device: &Device) -> Self {
        rows.sort_unstable();
        rows.dedup();
        let on_device = integers(rows.clone(), device);
        Self { on_host: rows, on_device }
    }

    /// The index of each row of a list, all of which are here.
    fn indices_of(&self, rows: &[i32]) -> Vec<i32> {
        let index = |row| self.on_host.binary_search(row).expect("the row is here") as i32;
        rows.iter().map(index).collect()
    }
}

fn integers(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 2;

    /// The gradient of a matrix of six rows for a lookup of `ids`, `first` in the first place and
    /// one more in each that follows.
    fn gradient(ids: &[i32], first: f32) -> SparseGradient {
        let device = Device::flex();
        let of_place = |place: usize| [first + place as f32, -1.0];
        let grad: Vec<f32> = (0..ids.len()).flat_map(of_place).collect();
        let grad = Tensor::from_data(TensorData::new(grad, [ids.len(), WIDTH]), &device);
        SparseGradient::from_lookup(&LookupIndex::new(ids, &device), grad, 6)
    }

    fn values(x: Tensor<1>) -> Vec<f32> {
        x.into_data().try_into_vec().unwrap()
    }

    fn dense(rows: [[f32; WIDTH]; 6]) -> Vec<f32> {
        rows.concat()
    }

    #[test]
    fn a_row_has_the_sum_over_its_places() {
        let gradient = gradient(&[4, 1, 4], 1.0);
        assert_eq!(gradient.n_given(), 2);
        let (zero, one, four) = ([0.0, 0.0], [2.0, -1.0], [4.0, -2.0]);
        assert_eq!(values(gradient.to_dense()), dense([zero, one, zero, zero, four, zero]));
        let ones = Tensor::ones([12], &Device::flex());
        let sum = [[1.0, 1.0], [3.0, 0.0], [1.0, 1.0], [1.0, 1.0], [5.0, -1.0], [1.0, 1.0]];
        assert_eq!(values(gradient.add_to(ones)), dense(sum));
        // Row r has the factors 10 r and 10 r + 1.
        let factors = (0..6).flat_map(|row| [10.0 * row as f32, 10.0 * row as f32 + 1.0]);
        let factors = Tensor::from_data(TensorData::new(factors.collect(), [12]), &Device::flex());
        let product = [zero, [20.0, -11.0], zero, zero, [160.0, -82.0], zero];
        assert_eq!(values(gradient.times(factors).to_dense()), dense(product));
    }

    #[test]
    fn a_sum_has_the_rows_of_both() {
        let zero = [0.0, 0.0];
        let sum = gradient(&[4, 1], 1.0).plus(gradient(&[0, 4], 10.0));
        assert_eq!(sum.n_given(), 3);
        let rows = [[10.0, -1.0], [2.0, -1.0], zero, zero, [12.0, -2.0], zero];
        assert_eq!(values(sum.to_dense()), dense(rows));
        let same = gradient(&[4, 1], 1.0).plus(gradient(&[1, 4], 10.0));
        let rows = [zero, [12.0, -2.0], zero, zero, [12.0, -2.0], zero];
        assert_eq!(values(same.to_dense()), dense(rows));
    }

    #[test]
    fn a_dot_product_is_that_of_the_rows_that_both_have() {
        // Row 4: (1, -1) · (11, -1).
        let (a, b) = (gradient(&[4, 1], 1.0), gradient(&[0, 4], 10.0));
        assert_eq!(values(a.dot(&b)), [12.0]);
        assert_eq!(values(a.dot_dense(b.to_dense())), [12.0]);
        assert_eq!(values(a.dot(&gradient(&[0, 5], 10.0))), [0.0]);
    }
}
