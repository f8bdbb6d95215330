//! GradCache (gradient caching, Gao et al. 2021): a contrastive loss over more sentences than fit
//! into one autodiff graph.

use burn::tensor::Tensor;
use isogloss_kernels::sum;

/// GradCache (gradient caching): a loss over several batches of embeddings and its gradient by
/// each, so that sentences can be encoded a chunk at a time and still be contrasted with all
/// others:
///
/// 1. Encode all chunks without autodiff.
/// 2. Compute the loss of all embeddings together, and its gradients, with this function.
/// 3. Encode each chunk again, with autodiff and the same dropout masks, and run the backward pass
///    of its [`surrogate_loss`]. The parameters' gradients of all chunks add up to those of the
///    batch.
///
/// # Shapes
/// - `vectors`: each `[rows, width]`, treated as constants
/// - returns: the loss `[1]`, and a gradient for each input, of the same shape; all without
///   autodiff
///
/// # Source
/// Gao et al. 2021, "Scaling deep contrastive learning batch size under memory limited setup",
/// arXiv:2101.06983.
pub fn embedding_gradients<const N: usize>(
    vectors: [Tensor<2>; N],
    loss: impl FnOnce([Tensor<2>; N]) -> Tensor<1>,
) -> (Tensor<1>, [Tensor<2>; N]) {
    let leaves = vectors.map(|x| x.without_autodiff().autodiff().require_grad());
    let loss = loss(leaves.clone());
    // A loss without rows, or of constants, has no graph: its gradients are zero.
    if !loss.is_tracked() {
        return (loss.without_autodiff(), leaves.map(|x| x.zeros_like().without_autodiff()));
    }
    let mut tape = loss.backward();
    let gradient = |x: Tensor<2>| {
        x.grad_remove(&mut tape).unwrap_or_else(|| x.zeros_like().without_autodiff())
    };
    (loss.without_autodiff(), leaves.map(gradient))
}

/// Surrogate loss of GradCache: `Σ vectors · gradient`, which has the same parameter gradients as
/// the loss that `gradient` comes from.
///
/// # Shapes
/// - `vectors`: `[rows, width]`, a chunk with its graph
/// - `gradient`: the same rows of a gradient from [`embedding_gradients`]
/// - returns: `[1]`; only its gradient is meaningful
pub fn surrogate_loss(vectors: Tensor<2>, gradient: Tensor<2>) -> Tensor<1> {
    sum(vectors * gradient.without_autodiff())
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use isogloss_model::{Projection, RandomParams};

    use super::*;
    use crate::gradients::Gradients;
    use crate::objective::{InfoNceConfig, info_nce};

    #[test]
    fn chunks_have_the_gradient_of_the_batch() {
        let device = Device::flex().autodiff();
        let encoder = Projection::init(0, &[4, 6, 5], &mut RandomParams::new(3), &device);
        let inputs = [0.3f32, 0.9].map(|phase| {
            let values: Vec<f32> = (0..20).map(|i| (phase + 1.7 * i as f32).sin()).collect();
            Tensor::<1>::from_floats(values.as_slice(), &device).reshape([5, 4])
        });
        let config = InfoNceConfig::default();
        let loss = |[left, right]: [Tensor<2>; 2]| info_nce(left, right, &config);

        let whole = loss(inputs.clone().map(|x| encoder.forward(x)));
        let expected = Gradients::from_loss(&whole, &encoder);

        let (value, gradients) =
            embedding_gradients(inputs.clone().map(|x| encoder.forward(x)), loss);
        let mut found = Gradients::default();
        for (side, gradient) in inputs.into_iter().zip(gradients) {
            for (start, n) in [(0, 2), (2, 2), (4, 1)] {
                let chunk = encoder.forward(side.clone().narrow(0, start, n));
                let surrogate = surrogate_loss(chunk, gradient.clone().narrow(0, start, n));
                found = found.plus(Gradients::from_loss(&surrogate, &encoder));
            }
        }
        assert_eq!(value.into_scalar::<f32>(), whole.into_scalar::<f32>());
        for layer in 0..2 {
            let values = |gradients: &Gradients| {
                let gradient = gradients.get(&format!("layers.{layer}.weight")).unwrap();
                gradient.clone().into_data().try_into_vec::<f32>().unwrap()
            };
            let (found, expected) = (values(&found), values(&expected));
            let scale = expected.iter().fold(0.0f32, |max, x| max.max(x.abs()));
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() <= 1e-5 * scale, "{found}, expected {expected}");
            }
        }
    }
}
