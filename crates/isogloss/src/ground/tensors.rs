//! Tensor transfer between host and device: batches, their targets, and values read back.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_methods::RowTargets;
use isogloss_model::{EncoderConfig, ModelInput, Words};
use isogloss_text::{Targets, TokenBatch, WordTargets};

use crate::Error;

/// Model input on a device: a batch, with its words if it has targets for a dependency parser;
/// error messages name `path`.
pub(crate) fn model_input(
    batch: &TokenBatch,
    config: &EncoderConfig,
    path: &Path,
    device: &Device,
) -> Result<ModelInput, Error> {
    let (ids, types) = (&batch.input_ids, &batch.token_type_ids);
    let input = config
        .input(ids, &batch.attention_mask, types, batch.seq_len, device)
        .map_err(|source| Error::Input { path: path.to_owned(), source })?;
    let words = match &batch.targets {
        Targets::Words(words) => Some(words_on(words, batch.n, device)),
        Targets::None | Targets::Classes(_) | Targets::Tokens(_) => None,
    };
    Ok(ModelInput { words, ..input })
}

/// Targets on a device; `None` without any. `tag_weight` is the loss weight of part-of-speech tags
/// that are learned besides trees.
pub(crate) fn row_targets(
    targets: &Targets,
    tag_weight: f64,
    device: &Device,
) -> Option<RowTargets> {
    let on_device = |values: &[i32]| integers(values.to_vec(), device);
    let rows = Some(targets.rows()).filter(|rows| !rows.is_empty()).map(on_device)?;
    let aux_logits = match targets {
        Targets::Words(words) => {
            vec![(1.0, on_device(&words.relations)), (tag_weight, on_device(&words.tags))]
        }
        Targets::None | Targets::Classes(_) | Targets::Tokens(_) => Vec::new(),
    };
    Some(RowTargets { rows, aux_logits })
}

/// Word positions of a batch, and their gold heads, for a dependency parser.
fn words_on(targets: &WordTargets, n: usize, device: &Device) -> Words {
    let shape = [n, targets.n_words];
    let ints = |values: Vec<i32>| -> Tensor<2, Int> {
        Tensor::from_data(TensorData::new(values, shape), device)
    };
    let positions = targets.first_subwords.iter();
    let mask: Vec<f32> = positions.clone().map(|position| f32::from(position.is_some())).collect();
    Words {
        first_subwords: ints(positions.map(|position| position.unwrap_or(0) as i32).collect()),
        mask: Tensor::from_data(TensorData::new(mask, shape), device),
        // A word without a gold head gets head 0, the root; the loss ignores it.
        heads: Some(ints(targets.heads.iter().map(|head| (*head).max(0)).collect())),
    }
}

/// Integer tensor (labels or indices) on a device.
pub(crate) fn integers(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Reads a tensor back to the host, in row-major order.
pub(crate) fn host_values(tensor: Tensor<2>) -> Vec<f32> {
    let values = tensor.into_data().convert::<f32>().try_into_vec();
    values.expect("the numbers were just converted to this type")
}
