//! Adapters at projections: what they do to a pass and to merged weights, and where they are put.

use burn::tensor::Tensor;

use super::target::TargetModule;
use crate::nn::DropoutMasks;
use crate::{AdapterError, EncoderConfig};

/// An adapter at a projection `y = W x + b`. Those at one projection are of one kind, and take effect
/// in any order.
pub(crate) trait ProjectionAdapter {
    /// What the projection reads in place of `x`, `[batch, seq, in]`.
    fn input(&self, x: Tensor<3>) -> Tensor<3> {
        x
    }

    /// What it gives in place of `output`, `[batch, seq, out]`, for the `x` that it read.
    fn output(&self, output: Tensor<3>, x: &Tensor<3>, masks: &mut DropoutMasks) -> Tensor<3>;

    /// The `weight`, `[out, in]`, and `bias`, `[out]`, that give the same without the adapter; outside
    /// any graph.
    fn merge(&self, weight: Tensor<2>, bias: Tensor<1>) -> (Tensor<2>, Tensor<1>);
}

/// Builds a module at each of `targets` in each of `layers`, but for those that are pruned. `build` gets
/// the start of its parameters' paths, `layers.<layer>.<projection>`, and its inputs and outputs.
pub(super) fn build_at<T>(
    targets: &[TargetModule],
    layers: impl IntoIterator<Item = usize>,
    encoder: &EncoderConfig,
    mut build: impl FnMut(&str, TargetModule, [usize; 2]) -> T,
) -> Result<Vec<(usize, TargetModule, T)>, AdapterError> {
    let mut modules = Vec::new();
    for layer in layers {
        for target in targets {
            let Some(sizes) = target.sizes(layer, encoder) else { continue };
            let path = format!("layers.{layer}.{}", target.path());
            modules.push((layer, *target, build(&path, *target, sizes)));
        }
    }
    if modules.is_empty() {
        let problem = "all of these are pruned".to_owned();
        return Err(AdapterError::Config { field: "target_modules", problem });
    }
    Ok(modules)
}
