//! Fisher information and sharpness (flatness of the loss) of a model, and the cosine between the
//! gradients of languages.

mod fun;

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use isogloss_kernels::split_seed;
use isogloss_methods::{
    Gradients, IGNORE_INDEX, Subnetwork, block_of, cross_entropy, part_of, random_direction,
    sample_labels, shifted, sum_by_group,
};
use isogloss_model::{ForwardOptions, Model, ModelInput};
use isogloss_text::{Targets, sequential_by_length};
use serde::{Deserialize, Serialize};

pub(crate) use self::fun::fun_traces;
use crate::error::{DataError, ToolError};
use crate::ground::outputs::finite;
use crate::ground::tensors::integers;
use crate::recipe::{FisherEstimator, MeasureOptions};
use crate::{Error, LabeledSet};

/// The Fisher information and the sharpness of a model on a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Trace of the Fisher information of one row, a text or a labeled token: the mean over all
    /// rows.
    pub fisher: FisherTrace,
    /// Sharpness of the loss; `None` if it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sharpness: Option<Sharpness>,
    /// Number of examples measured.
    pub n_examples: usize,
    /// Number of rows of the logits measured.
    pub n_rows: usize,
}

/// Trace of the Fisher information, in nats per squared parameter, summed over parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FisherTrace {
    /// The estimator: the labels at which gradients were taken.
    pub estimator: FisherEstimator,
    /// The trace over all parameters.
    pub trace: f64,
    /// The trace by block: `embeddings`, `layers.0`, …, `head`.
    pub blocks: BTreeMap<String, f64>,
    /// The trace by kind of parameter: `embeddings`, `attention`, `feed_forward`, `norm`, `head`.
    pub parts: BTreeMap<String, f64>,
}

/// Sharpness (flatness of the loss): how much the mean cross-entropy with the gold labels grows
/// from the parameters to a sphere around them, in nats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sharpness {
    /// The radius of the sphere.
    pub radius: f64,
    /// The loss at the parameters themselves.
    pub loss: f64,
    /// The mean growth of the loss over random directions.
    pub random: f64,
    /// The largest growth among the random directions, at least 0.
    pub random_max: f64,
    /// The growth along the gradient: the ascent step of SAM.
    pub adversarial: f64,
}

impl Measures {
    /// Measures the Fisher information and the sharpness of a model, without dropout, or those of its
    /// subnetwork. `device` is without autodiff; the model may be with or without it.
    ///
    /// # Errors
    /// If the dataset has no labels, a batch is no valid input of the model, or the model computes
    /// numbers that are not finite.
    pub fn take(
        model: &Model,
        set: &LabeledSet,
        subnetwork: Option<&Subnetwork>,
        device: &Device,
        options: &MeasureOptions,
    ) -> Result<Self, Error> {
        let batches = Batches::new(model, set, subnetwork, device, options)?;
        if batches.n_rows == 0 {
            let path = set.path.clone();
            return Err(DataError::NoTargets { path, purpose: "measure at" }.into());
        }
        let whose = || set.path.display().to_string();
        let fisher = batches.fisher(model, options);
        finite(fisher.trace, whose)?;
        let sharpness = (options.radius > 0.0).then(|| batches.sharpness(model, options));
        sharpness.as_ref().map_or(Ok(0.0), |sharpness| finite(sharpness.loss, whose))?;
        let (n_examples, n_rows) = (batches.n_examples, batches.n_rows);
        Ok(Self { fisher, sharpness, n_examples, n_rows })
    }
}

/// Gradient cosine similarity (gradient conflict): the matrix of cosines between the gradients of
/// several datasets, each through its own model and subnetwork, without dropout; `options.n_examples` of each
/// dataset are used.
///
/// Holds one gradient of all parameters for each dataset in memory.
///
/// # Errors
/// As [`Measures::take`].
pub(crate) fn gradient_cosines(
    sets: &[(&Model, &LabeledSet, Option<&Subnetwork>)],
    device: &Device,
    options: &MeasureOptions,
) -> Result<Vec<Vec<f64>>, Error> {
    let gradients = |(model, set, subnetwork): &(&Model, &LabeledSet, Option<&Subnetwork>)| {
        let batches = Batches::new(model, set, *subnetwork, device, options)?;
        let (loss, gradients) = batches.loss(model, true);
        finite(loss, || set.path.display().to_string())?;
        Ok(gradients)
    };
    let all = sets.iter().map(gradients).collect::<Result<Vec<_>, Error>>()?;
    let row = |a: &Gradients| all.iter().map(|b| a.cosine(b)).collect();
    Ok(all.iter().map(row).collect())
}

/// The sampled examples in batches on the device, with autodiff.
struct Batches {
    batches: Vec<(ModelInput, Vec<i32>)>,
    /// The pass through the model, with the mask of a subnetwork.
    pass: ForwardOptions,
    n_examples: usize,
    n_rows: usize,
}

fn is_counted(target: &i32) -> bool {
    *target != IGNORE_INDEX
}

impl Batches {
    fn new(
        model: &Model,
        set: &LabeledSet,
        subnetwork: Option<&Subnetwork>,
        device: &Device,
        options: &MeasureOptions,
    ) -> Result<Self, Error> {
        // The other estimators need a separate gradient for each row.
        let batch_size = match options.estimator {
            FisherEstimator::Sampled => options.batch_size,
            FisherEstimator::Empirical | FisherEstimator::Exact => 1,
        };
        let examples = chosen(set.features.len(), options);
        Self::for_examples(model, set, subnetwork, &examples, device, batch_size)
    }

    /// Batches of some examples, in the order of their lengths.
    fn for_examples(
        model: &Model,
        set: &LabeledSet,
        subnetwork: Option<&Subnetwork>,
        examples: &[usize],
        device: &Device,
        batch_size: usize,
    ) -> Result<Self, Error> {
        let all = set.lengths();
        let lengths: Vec<usize> = examples.iter().map(|index| all[*index]).collect();
        let device = device.clone().autodiff();
        let mut batches = Vec::new();
        for batch in sequential_by_length(&lengths, batch_size) {
            let indices: Vec<usize> = batch.into_iter().map(|index| examples[index]).collect();
            let (batch, input) = set.batch(&indices, model.encoder.config(), &device)?;
            let targets = match batch.targets {
                Targets::None => Vec::new(),
                Targets::Classes(values) | Targets::Tokens(values) => values,
                Targets::Words(_) => {
                    return Err(ToolError::FisherOfParser.into());
                }
            };
            batches.push((input, targets));
        }
        let targets = batches.iter().flat_map(|(_, targets)| targets);
        let n_rows = targets.filter(|target| is_counted(target)).count();
        let subnetwork = subnetwork.map(|of| of.mask(&device));
        let pass = ForwardOptions { subnetwork, ..ForwardOptions::evaluation() };
        Ok(Self { batches, pass, n_examples: examples.len(), n_rows })
    }

    fn fisher(&self, model: &Model, options: &MeasureOptions) -> FisherTrace {
        let mut squares = BTreeMap::new();
        let mut add = |gradients: &Gradients, factor: f64| {
            for (path, square) in gradients.squares() {
                *squares.entry(path).or_insert(0.0) += square * factor / self.n_rows as f64;
            }
        };
        for (index, (input, targets)) in self.batches.iter().enumerate() {
            let logits = model.forward(input, &self.pass).logits;
            let rows = targets.iter().enumerate().filter(|(_, target)| is_counted(target));
            match options.estimator {
                FisherEstimator::Sampled => {
                    let seed = split_seed(options.seed, index as u64);
                    let labels = sample_labels(logits.clone(), seed);
                    let n_rows = rows.count() as f64;
                    // n ‖ḡ‖² estimates the trace of one row; it counts for n rows.
                    add(&gradients_at(model, logits, labels, targets), n_rows * n_rows);
                }
                FisherEstimator::Empirical => {
                    for (row, target) in rows {
                        let found = row_gradients(model, &self.pass, input, row, *target as usize);
                        add(&found.1, 1.0);
                    }
                }
                FisherEstimator::Exact => {
                    let n_labels = logits.dims()[1];
                    for (row, _) in rows {
                        for label in 0..n_labels {
                            let (probability, gradients) =
                                row_gradients(model, &self.pass, input, row, label);
                            add(&gradients, probability);
                        }
                    }
                }
            }
        }
        FisherTrace {
            estimator: options.estimator,
            trace: squares.values().sum(),
            blocks: sum_by_group(&squares, block_of),
            parts: sum_by_group(&squares, |path| part_of(path).to_owned()),
        }
    }

    fn sharpness(&self, model: &Model, options: &MeasureOptions) -> Sharpness {
        let (loss, uphill) = self.loss(model, true);
        let growth = |direction: &Gradients| {
            let norm = direction.global_norm();
            let factor = if norm > 0.0 { options.radius / norm } else { 0.0 };
            self.loss(&shifted(model.clone(), direction, factor), false).0 - loss
        };
        let random: Vec<f64> = (0..options.n_directions as u64)
            .map(|n| growth(&random_direction(model, split_seed(options.seed, n))))
            .collect();
        Sharpness {
            radius: options.radius,
            loss,
            random: random.iter().sum::<f64>() / random.len().max(1) as f64,
            random_max: random.iter().copied().fold(f64::NEG_INFINITY, f64::max).max(0.0),
            adversarial: growth(&uphill),
        }
    }

    /// The mean cross-entropy over all rows, and its gradient if `with_gradient`.
    fn loss(&self, model: &Model, with_gradient: bool) -> (f64, Gradients) {
        let (mut total, mut gradients) = (0.0, Gradients::default());
        for (input, targets) in &self.batches {
            let n_rows = targets.iter().filter(|target| is_counted(target)).count();
            let logits = model.forward(input, &self.pass).logits;
            let labels = integers(targets.clone(), &logits.device());
            let share = n_rows as f64 / self.n_rows as f64;
            let loss = cross_entropy(logits, labels, 0.0) * share;
            total += f64::from(loss.clone().into_scalar::<f32>());
            if with_gradient {
                gradients = gradients.plus(Gradients::from_loss(&loss, model));
            }
        }
        (total, gradients)
    }
}

/// Examples to measure: the first of an order drawn from the seed.
fn chosen(n: usize, options: &MeasureOptions) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|index| split_seed(options.seed, *index as u64));
    order.truncate(options.n_examples.unwrap_or(usize::MAX));
    order
}

/// The gradient of the mean of `-log p(label)` over the rows that have a target.
fn gradients_at(model: &Model, logits: Tensor<2>, labels: Vec<i32>, targets: &[i32]) -> Gradients {
    let only = |(label, target): (i32, &i32)| if is_counted(target) { label } else { IGNORE_INDEX };
    let labels: Vec<i32> = labels.into_iter().zip(targets).map(only).collect();
    let labels = integers(labels, &logits.device());
    Gradients::from_loss(&cross_entropy(logits, labels, 0.0), model)
}

/// The probability of a label in a row, and the gradient of its `-log`.
fn row_gradients(
    model: &Model,
    pass: &ForwardOptions,
    input: &ModelInput,
    row: usize,
    label: usize,
) -> (f64, Gradients) {
    // Burn frees the autodiff graph on backward: each label needs its own forward pass.
    let logits = model.forward(input, pass).logits.narrow(0, row, 1);
    let label = integers(vec![label as i32], &logits.device());
    let loss = cross_entropy(logits, label, 0.0);
    let probability = (-f64::from(loss.clone().into_scalar::<f32>())).exp();
    (probability, Gradients::from_loss(&loss, model))
}
