//! Adapters of linear projections (LoRA, (IA)³): their forward pass, merging and construction.

use burn::tensor::Tensor;

use super::target::TargetModule;
use crate::nn::DropoutMasks;
use crate::{AdapterError, EncoderConfig};

/// Adapter of a linear projection `y = W x + b`. All adapters of one projection are of one kind;
/// their order does not matter.
pub(crate) trait ProjectionAdapter {
    /// Modifies the input of the projection, `[batch, seq, in]`.
    fn input(&self, x: Tensor<3>) -> Tensor<3> {
        x
    }

    /// Modifies the output of the projection, `[batch, seq, out]`; `x` is the modified input.
    fn output(&self, output: Tensor<3>, x: &Tensor<3>, masks: &mut DropoutMasks) -> Tensor<3>;

    /// Merges the adapter: returns the `weight`, `[out, in]`, and `bias`, `[out]`, that give the
    /// same output without it; not differentiable.
    fn merge(&self, weight: Tensor<2>, bias: Tensor<1>) -> (Tensor<2>, Tensor<1>);
}

/// Builds a module for each of `targets` in each of `layers`, except for pruned ones. `build` gets
/// the path of the projection, `layers.<layer>.<projection>`, the target, and the number of inputs
/// and outputs.
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
