//! Attention head pruning of a checkpoint's tensors.

use std::path::Path;

use super::tensor::StoredTensor;
use crate::{EncoderConfig, LoadFault};

/// Removes the units of a layer's pruned heads from a tensor, along dimension `dim`.
pub(super) fn prune_heads(
    tensor: &mut StoredTensor,
    config: &EncoderConfig,
    layer: usize,
    dim: usize,
    path: &Path,
) -> Result<(), LoadFault> {
    let n_heads = config.num_attention_heads;
    let mut expected = tensor.shape.clone();
    if let Some(units) = expected.get_mut(dim) {
        *units = config.hidden_size;
    }
    if expected != tensor.shape || dim >= tensor.shape.len() {
        let (path, tensor, found) = (path.to_owned(), tensor.name.clone(), tensor.shape.clone());
        return Err(LoadFault::Shape { path, tensor, expected, found });
    }
    let n_outer: usize = tensor.shape[..dim].iter().product();
    let of_head = (tensor.values.len() / n_outer.max(1) / n_heads).max(1);
    let blocks = tensor.values.chunks(of_head).enumerate();
    let kept = blocks.filter(|(block, _)| !config.pruned.is_head_pruned(layer, block % n_heads));
    tensor.values = kept.flat_map(|(_, values)| values).copied().collect();
    tensor.shape[dim] = config.attention_width(layer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pruning, presets};

    fn tensor(shape: &[usize], values: &[f32]) -> StoredTensor {
        StoredTensor { name: "w".into(), shape: shape.to_vec(), values: values.to_vec() }
    }

    #[test]
    fn units_of_pruned_heads_are_left_out_along_their_dimension() {
        let whole = EncoderConfig { hidden_size: 4, num_attention_heads: 2, ..presets::tiny(9) };
        let config = EncoderConfig { pruned: Pruning::new([(1, 0)], []), ..whole };
        let values: Vec<f32> = (0..8u8).map(f32::from).collect();
        let pruned = |shape: &[usize], layer, dim| {
            let mut tensor = tensor(shape, &values);
            prune_heads(&mut tensor, &config, layer, dim, "w".as_ref())
                .map(|()| (tensor.shape, tensor.values))
        };
        assert_eq!(pruned(&[4, 2], 1, 0).unwrap(), (vec![2, 2], vec![4.0, 5.0, 6.0, 7.0]));
        assert_eq!(pruned(&[2, 4], 1, 1).unwrap(), (vec![2, 2], vec![2.0, 3.0, 6.0, 7.0]));
        assert_eq!(pruned(&[2, 4], 0, 1).unwrap(), (vec![2, 4], values.clone()));
        let error = pruned(&[2, 4], 1, 0).unwrap_err().to_string();
        assert_eq!(error, "w: tensor \"w\": expected shape [4, 4], found [2, 4]");
    }
}
