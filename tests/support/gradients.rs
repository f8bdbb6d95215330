//! Gradient checking: comparison with finite differences, in double precision.

use burn::tensor::Tensor;

/// The values of a tensor in double precision.
pub fn f64_values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().try_into_vec().unwrap()
}

/// Central difference: the derivative at 0 as `(f(h) − f(−h)) / 2h`.
pub fn central_difference(h: f64, f: impl Fn(f64) -> f64) -> f64 {
    (f(h) - f(-h)) / (2.0 * h)
}

/// Gradient check: fails unless every `stride`th element is the central difference of the loss.
///
/// `loss` is called with the index of an element and the offset to add to it. Errors are relative
/// to the
/// larger of the element and a thousandth of `scale`, the size of the loss.
pub fn assert_gradient(
    what: &str,
    gradient: &[f64],
    stride: usize,
    scale: f64,
    loss: impl Fn(usize, f64) -> f64,
) {
    for (index, gradient) in gradient.iter().enumerate().step_by(stride) {
        let numeric = central_difference(1e-5, |h| loss(index, h));
        let what = format!("{what} {index}");
        assert_near(&what, &[gradient / scale], &[numeric / scale], 1e-6);
    }
}

/// Fails unless the values agree within `tolerance`, relative to the largest of them or to 1e-3.
pub fn assert_near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().map(|x| x.abs()).fold(1e-3, f64::max);
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs() / scale;
        assert!(error <= tolerance, "{what}: {found}, expected {expected}, relative {error:e}");
    }
}
