//! Fisher traces by block that the FUN schedule chooses layers by (Liu et al. 2024).

use std::collections::BTreeMap;
use std::ops::Range;

use burn::tensor::{Device, Tensor};
use isogloss_kernels::split_seed;
use isogloss_methods::{FunEstimator, Subnetwork, block_of, sample_labels, sum_by_group};
use isogloss_model::Model;

use super::{Batches, chosen, gradients_at};
use crate::error::DataError;
use crate::ground::outputs::finite;
use crate::recipe::MeasureOptions;
use crate::{Error, LabeledSet};

/// Squared gradients by block, on a random sample of the examples, without dropout; each part of the
/// examples goes through its model and subnetwork. [`FunEstimator`] has the formulas.
pub(crate) fn fun_traces(
    set: &LabeledSet,
    parts: &[(&Model, Range<usize>, Option<&Subnetwork>)],
    device: &Device,
    options: &MeasureOptions,
    estimator: FunEstimator,
) -> Result<BTreeMap<String, f64>, Error> {
    let sample = chosen(set.features.len(), options);
    let (mut squares, mut n_rows, mut n_batches) = (BTreeMap::new(), 0, 0);
    for (model, part, subnetwork) in parts {
        let examples: Vec<usize> = sample.iter().copied().filter(|i| part.contains(i)).collect();
        let batch_size = options.batch_size;
        let batches =
            Batches::for_examples(model, set, *subnetwork, &examples, device, batch_size)?;
        for (input, targets) in &batches.batches {
            let logits = model.forward(input, &batches.pass).logits;
            let n = targets.iter().filter(|target| super::is_counted(target)).count() as f64;
            let (labels, factor) = match estimator {
                FunEstimator::Sampled => {
                    let seed = split_seed(options.seed, n_batches);
                    (sample_labels(logits.clone(), seed), n * n)
                }
                FunEstimator::Argmax => {
                    let [n_texts, _] = input.attention_mask.dims();
                    (most_probable(logits.clone()), 1.0 / n_texts as f64)
                }
            };
            for (path, square) in gradients_at(model, logits, labels, targets).squares() {
                *squares.entry(path).or_insert(0.0) += square * factor;
            }
            n_batches += 1;
        }
        n_rows += batches.n_rows;
    }
    if n_rows == 0 {
        return Err(DataError::NoTargets { path: set.path.clone(), purpose: "measure at" }.into());
    }
    let divisor = if estimator == FunEstimator::Sampled { n_rows as f64 } else { 1.0 };
    squares.values_mut().for_each(|square| *square /= divisor);
    finite(squares.values().sum(), || set.path.display().to_string())?;
    Ok(sum_by_group(&squares, block_of))
}

/// The most probable label of each row.
fn most_probable(logits: Tensor<2>) -> Vec<i32> {
    let labels = logits.argmax(1).into_data().convert::<i32>().try_into_vec::<i32>();
    labels.expect("the numbers were just converted to this type")
}
