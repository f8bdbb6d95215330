//! Spectral norm by power iteration: the largest singular value of a matrix.

use burn::tensor::{Tensor, TensorData};
use isogloss_kernels::sum;

/// Number of power iterations: enough to separate two singular values that differ by a tenth by a
/// factor of 10⁸.
const N_POWER_ITERATIONS: usize = 100;

/// Spectral norm: the largest singular value of a matrix, `[1]`, differentiable.
///
/// The singular vectors u and v are computed on the host without gradient, so that the gradient of
/// `uᵀ W v` is the gradient of the singular value.
pub(super) fn spectral_norm(weight: Tensor<2>) -> Tensor<1> {
    let [n_rows, n_columns] = weight.dims();
    let values = weight.clone().detach().into_data().convert::<f64>().try_into_vec::<f64>();
    let values = values.expect("the numbers were just converted to this type");
    let rows: Vec<&[f64]> = values.chunks(n_columns).collect();
    let normalize = |mut vector: Vec<f64>| {
        let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|x| *x /= norm.max(f64::MIN_POSITIVE));
        vector
    };
    let mut u = normalize((0..n_rows).map(|i| 1.0 + (i as f64).sin()).collect());
    let mut v = Vec::new();
    for _ in 0..N_POWER_ITERATIONS {
        v = vec![0.0; n_columns];
        for (row, u) in rows.iter().zip(&u) {
            v.iter_mut().zip(*row).for_each(|(v, w)| *v += u * w);
        }
        v = normalize(v);
        u = normalize(
            rows.iter().map(|row| row.iter().zip(&v).map(|(w, v)| w * v).sum()).collect(),
        );
    }
    let vector = |values: Vec<f64>, shape| {
        let values: Vec<f32> = values.into_iter().map(|x| x as f32).collect();
        Tensor::<2>::from_data(TensorData::new(values, shape), &weight.device())
    };
    let (u, v) = (vector(u, [n_rows, 1]), vector(v, [1, n_columns]));
    sum(weight * u * v)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn the_spectral_norm_of_a_scaled_rotation_and_its_gradient() {
        // Singular values 3 and 1, turned by 30 degrees: the gradient is u vᵀ.
        let (sin, cos) = (0.5f32, 3f32.sqrt() / 2.0);
        let device = Device::flex().autodiff();
        let weight = [[3.0 * cos, -sin], [3.0 * sin, cos]];
        let weight = Tensor::<2>::from_floats(weight, &device).require_grad();
        let norm = spectral_norm(weight.clone());
        let gradients = norm.backward();
        assert!((norm.into_scalar::<f32>() - 3.0).abs() < 1e-5);
        let gradient = weight.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
        for (found, expected) in gradient.iter().zip([cos, 0.0, sin, 0.0]) {
            assert!((found - expected).abs() < 1e-5, "{gradient:?}");
        }
    }
}
