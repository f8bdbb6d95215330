//! L2 normalization of rows.

use burn::tensor::Tensor;

/// Lower bound of the squared norm: shorter rows keep their direction and come out shorter than 1,
/// as in PyTorch's `normalize`.
const MIN_SQUARED_NORM: f64 = 1e-24;

/// L2 normalization: divides each row by its L2 norm; a row of zeros is unchanged, with a gradient
/// of zero.
///
/// # Shapes
/// - `x`: `[rows, width]`
/// - returns: the same
pub(crate) fn l2_normalized(x: Tensor<2>) -> Tensor<2> {
    let norms = x.clone().square().sum_dim(1).clamp_min(MIN_SQUARED_NORM).sqrt();
    x / norms
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn a_vector_of_zeros_has_no_direction_and_no_gradient() {
        let device = Device::flex().autodiff();
        let x = Tensor::<2>::from_floats([[3.0, 4.0], [0.0, 0.0]], &device).require_grad();
        let y = l2_normalized(x.clone());
        let gradients = y.clone().sum().backward();
        let values = |x: Tensor<2>| x.into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(values(y), [0.6, 0.8, 0.0, 0.0]);
        let gradient = values(x.grad(&gradients).unwrap());
        assert!(gradient.iter().all(|x| x.is_finite()), "{gradient:?}");
    }
}
