//! Embeddings in host memory: vectors of equal width.

use crate::error::EmbeddingError;

/// Embeddings in host memory: a row-major matrix of finite numbers, one vector per row.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    values: Vec<f32>,
    width: usize,
}

impl Vectors {
    /// Creates vectors from a row-major buffer.
    ///
    /// # Errors
    /// If the length is not a multiple of a positive width, or a number is not finite.
    pub fn new(values: Vec<f32>, width: usize) -> Result<Self, EmbeddingError> {
        if width == 0 || !values.len().is_multiple_of(width) {
            return Err(EmbeddingError::Width { n: values.len(), width });
        }
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(Self { values, width }),
            Some(at) => {
                let (vector, index, value) = (at / width, at % width, values[at]);
                Err(EmbeddingError::NotFinite { vector, index, value })
            }
        }
    }

    /// The number of vectors.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The width: the number of values of one vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, in row-major order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// One vector.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..][..self.width]
    }

    /// L2 normalization: scales each vector to length 1, so that an inner product is a cosine; zero
    /// vectors stay zero.
    #[must_use]
    pub fn normalized(mut self) -> Self {
        for row in self.values.chunks_mut(self.width) {
            // The squares of f32 neither overflow nor vanish in f64.
            let norm = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            if norm > 0.0 {
                row.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
            }
        }
        self
    }

    /// The first `n` vectors, or all if there are fewer.
    #[must_use]
    pub fn first(mut self, n: usize) -> Self {
        self.values.truncate(n * self.width);
        self
    }

    /// Mean pooling of consecutive vectors, in groups of the sizes in `counts`.
    ///
    /// # Panics
    /// If a count is 0 or the counts do not add up to the number of vectors.
    #[must_use]
    pub fn grouped_means(&self, counts: &[usize]) -> Self {
        assert_eq!(counts.iter().sum::<usize>(), self.len(), "each vector belongs to one group");
        let mut values = Vec::with_capacity(counts.len() * self.width);
        let mut start = 0;
        for &count in counts {
            assert!(count > 0, "an empty group has no mean");
            let mean = |column: usize| {
                let rows = (start..start + count).map(|row| f64::from(self.row(row)[column]));
                (rows.sum::<f64>() / count as f64) as f32
            };
            values.extend((0..self.width).map(mean));
            start += count;
        }
        Self { values, width: self.width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_keep_and_lengths_become_one() {
        let vectors = Vectors::new(vec![3.0, 4.0, 0.0, 0.0, 1e-30, 0.0, 3e38, 3e38], 2).unwrap();
        let root = 0.5f32.sqrt();
        let expected = [0.6, 0.8, 0.0, 0.0, 1.0, 0.0, root, root];
        assert_eq!(vectors.normalized().values(), expected);
    }

    #[test]
    fn numbers_that_are_no_vectors_are_refused() {
        let message =
            |values: &[f32], width| Vectors::new(values.to_vec(), width).unwrap_err().to_string();
        assert_eq!(message(&[1.0, 2.0, 3.0], 2), "3 numbers are not vectors of width 2");
        assert_eq!(message(&[], 0), "0 numbers are not vectors of width 0");
        assert_eq!(message(&[1.0, 2.0, 3.0, f32::NAN], 2), "number 1 of vector 1 is NaN");
    }

    #[test]
    fn groups_are_averaged() {
        let vectors = Vectors::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 9.0], 2).unwrap();
        assert_eq!(vectors.grouped_means(&[2, 1]).values(), [2.0, 3.0, 5.0, 9.0]);
    }
}
