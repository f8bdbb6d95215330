//! Fisher information: labels sampled from the model, and sums by block or kind of parameter.
//!
//! With labels sampled from the model, the score (gradient of the log-likelihood) of independent
//! rows has mean zero, so `B ‖g‖²` is an unbiased estimate of the trace for one row, where g
//! is the gradient of the mean of `-log p(ŷ)` over B rows. With gold labels (empirical Fisher) or
//! most probable labels it is biased: the mean of the scores is not zero.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use isogloss_kernels::uniform;
use isogloss_model::{ParamLocation, ParamPart};

/// Samples a label for each row from the softmax of its logits.
///
/// # Shapes
/// - `logits`: `[rows, labels]`
/// - returns: one label for each row
pub fn sample_labels(logits: Tensor<2>, seed: u64) -> Vec<i32> {
    let n_labels = logits.dims()[1];
    let probabilities = softmax(logits, 1).into_data().convert::<f64>().try_into_vec::<f64>();
    let probabilities = probabilities.expect("the numbers were just converted to this type");
    let draw = |(row, probabilities): (usize, &[f64])| {
        let mut left = uniform(seed, row as u64) * probabilities.iter().sum::<f64>();
        let drawn = probabilities.iter().position(|p| {
            left -= p;
            left < 0.0
        });
        drawn.unwrap_or(n_labels - 1) as i32
    };
    probabilities.chunks(n_labels).enumerate().map(draw).collect()
}

/// Block of a parameter: `embeddings`, `layers.0`, … or `head`.
pub fn block_of(path: &str) -> String {
    let mut names = path.strip_prefix("encoder.").unwrap_or(path).split('.');
    match (names.next(), names.next()) {
        (Some("layers"), Some(index)) => format!("layers.{index}"),
        (first, _) => first.unwrap_or_default().to_owned(),
    }
}

/// Kind of a parameter: `embeddings`, `attention`, `feed_forward`, `norm`, `adapter`, `head`, or
/// the [kind](isogloss_model::AdapterConfig::kind) of an adapter at a projection, such as `lora`.
pub fn part_of(path: &str) -> &str {
    match ParamLocation::from_path(path).map(|location| location.part) {
        Some(ParamPart::Adapter(_) | ParamPart::InvertibleAdapter(_)) => return "adapter",
        Some(ParamPart::ProjectionAdapter { kind, .. }) => return kind,
        _ => {}
    }
    match path {
        _ if path.contains("norm.") => "norm",
        _ if path.contains(".attention.") => "attention",
        _ if path.contains(".feed_forward.") => "feed_forward",
        _ if path.starts_with("encoder.embeddings.") => "embeddings",
        _ => "head",
    }
}

/// Sums values of parameters by a group that depends on their path.
pub fn sum_by_group<K: Ord>(
    values: &BTreeMap<String, f64>,
    group: impl Fn(&str) -> K,
) -> BTreeMap<K, f64> {
    let mut sums = BTreeMap::new();
    for (path, value) in values {
        *sums.entry(group(path)).or_insert(0.0) += value;
    }
    sums
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn labels_are_drawn_with_their_probabilities() {
        let (n, expected) = (1 << 16, [0.1f32, 0.2, 0.7]);
        let row: Vec<f32> = expected.iter().map(|p| p.ln()).collect();
        let data = TensorData::new(row.repeat(n), [n, 3]);
        let labels = sample_labels(Tensor::from_data(data, &Device::flex()), 5);
        for (label, expected) in expected.iter().enumerate() {
            let share = labels.iter().filter(|l| **l == label as i32).count() as f32 / n as f32;
            assert!((share - expected).abs() < 0.01, "label {label}: {share}");
        }
    }

    #[test]
    fn parameters_have_their_blocks_and_parts() {
        for (path, block, part) in [
            ("encoder.embeddings.token.weight", "embeddings", "embeddings"),
            ("encoder.embeddings.norm.bias", "embeddings", "norm"),
            ("encoder.layers.11.attention.query.weight", "layers.11", "attention"),
            ("encoder.layers.0.attention_norm.weight", "layers.0", "norm"),
            ("encoder.layers.0.feed_forward.up.bias", "layers.0", "feed_forward"),
            ("encoder.layers.1.adapters.en.attention.down.bias", "layers.1", "adapter"),
            ("encoder.invertible_adapters.en.f.up.bias", "invertible_adapters", "adapter"),
            ("encoder.layers.1.attention.query.lora.task.a", "layers.1", "lora"),
            ("head.classifier.weight", "head", "head"),
        ] {
            assert_eq!((block_of(path).as_str(), part_of(path)), (block, part), "{path}");
        }
    }
}
