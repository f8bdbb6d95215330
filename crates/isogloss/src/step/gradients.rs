//! Gradients of a training step: backward passes of the objectives' losses, batch by batch.

use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use isogloss_kernels::split_seed;
use isogloss_methods::{
    EmbeddingNoise, GradientSource, Gradients, IGNORE_INDEX, Importance, Needs, Role, TokenLeaves,
    View, cross_entropy, sample_labels,
};
use isogloss_model::{Model, SubnetworkMask};

use super::batch::StepBatch;
use super::context::StepContext;
use super::device_batch::DeviceBatch;
use super::objective_states::{self, Collected};
use crate::Error;
use crate::ground::tensors::integers;

/// Random stream of the sampled labels of a batch.
const SAMPLED_LABELS: u64 = u64::MAX - 2;

/// Gradient computation of one optimizer step, with its batches on the device.
pub(crate) struct StepGradients<'a> {
    pub(super) context: &'a StepContext,
    batches: Vec<DeviceBatch>,
    /// Share of the run's steps that are done.
    progress: f64,
    /// Whether the gradients of the task and of unlabeled text are to be compared.
    compares: bool,
    /// Labels sampled from the model, by batch.
    sampled: Option<Vec<Vec<i32>>>,
    found: StepOutcome,
}

/// Results of a training step: losses, collected rows and importance, at the first parameters at
/// which gradients were computed.
#[derive(Default)]
pub(crate) struct StepOutcome {
    pub(crate) losses: StepLosses,
    /// Rows that the method states collected.
    pub(crate) collected: Collected,
    /// Importance of the heads and feed-forward blocks in each batch, with its language, where it
    /// is measured.
    pub(crate) importances: Vec<(usize, Importance)>,
    /// Cosine similarity between the gradients of the task and of unlabeled text, where they are
    /// compared.
    pub(crate) cosine: Option<f64>,
}

/// Losses of the batches of a step, without the objectives' weights; they stay on the device until
/// they are read.
#[derive(Default)]
pub(crate) struct StepLosses {
    /// By batch, then by objective; none for a batch that was not run, and for an objective without
    /// a loss.
    by_batch: Vec<Option<Vec<Option<Tensor<1>>>>>,
}

impl StepLosses {
    fn new(n_batches: usize) -> Self {
        Self { by_batch: vec![None; n_batches] }
    }

    /// The losses as tensors, each `[1]`.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = Tensor<1>> {
        self.by_batch.iter().flatten().flatten().flatten().cloned()
    }

    /// By batch, the loss of each objective, zero where it has none; `values` are those of
    /// [`tensors`](Self::tensors), in their order.
    pub(crate) fn with_values(
        &self,
        values: &mut impl Iterator<Item = f64>,
    ) -> Vec<Option<Vec<f64>>> {
        let mut value = |loss: &Option<Tensor<1>>| match loss {
            Some(_) => values.next().expect("a value for each tensor"),
            None => 0.0,
        };
        let batches = self.by_batch.iter();
        batches
            .map(|batch| batch.as_ref().map(|losses| losses.iter().map(&mut value).collect()))
            .collect()
    }
}

impl<'a> StepGradients<'a> {
    /// Moves the batches of a step to the device; `path` names their data in error messages.
    pub(crate) fn new(
        context: &'a StepContext,
        model: &Model,
        batches: Vec<StepBatch>,
        path: &Path,
    ) -> Result<Self, Error> {
        let batches = batches.into_iter();
        let batches = batches.map(|batch| DeviceBatch::new(context, model, batch, path));
        let batches: Vec<_> = batches.collect::<Result<_, Error>>()?;
        let losses = StepLosses::new(batches.len());
        let found = StepOutcome { losses, ..StepOutcome::default() };
        Ok(Self { context, batches, progress: 1.0, compares: false, sampled: None, found })
    }

    /// The step at this share of the run's steps; without it, every objective has its whole weight.
    pub(crate) fn at(mut self, progress: f64) -> Self {
        self.progress = progress;
        self
    }

    /// Computes the gradients of the task and of unlabeled text separately, for their cosine
    /// similarity.
    pub(crate) fn comparing(mut self) -> Self {
        let unlabeled: Vec<_> = self.context.plan.needs().map(Needs::is_unlabeled).collect();
        self.compares = unlabeled.contains(&true) && unlabeled.contains(&false);
        self
    }

    /// The results at the first parameters at which gradients were computed.
    pub(crate) fn into_outcome(self) -> StepOutcome {
        self.found
    }

    /// Rows that the method states collect from the batches, without a loss.
    pub(crate) fn collect(&self, model: &Model) -> Result<Collected, Error> {
        let mut collected = Collected::new();
        for batch in &self.batches {
            let is_reference = |view: &View| view.role == Role::Momentum;
            let model = &self.context.for_source(model, batch.language);
            let forward = self.context.forward(model, batch, None, is_reference);
            let found = self.context.states.collect(&forward.input, |_| true)?;
            objective_states::extend(&mut collected, found);
        }
        Ok(collected)
    }

    /// Records the results of a batch when it is run for the first time; returns its gradients.
    fn note(&mut self, batch: usize, found: BatchOutcome) -> Gradients {
        let losses = &mut self.found.losses.by_batch[batch];
        if losses.is_none() {
            *losses = Some(found.losses);
            objective_states::extend(&mut self.found.collected, found.collected);
            let language = self.batches[batch].language;
            self.found.importances.extend(found.importance.map(|found| (language, found)));
        }
        found.gradients
    }

    /// Mean over the rows of all batches, of which `sum` has the sum and the number.
    fn mean_of_rows(&self, sum: impl Fn(&DeviceBatch) -> (f64, usize)) -> f64 {
        let (sum, n_rows) =
            self.batches.iter().map(sum).fold((0.0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        sum / n_rows.max(1) as f64
    }

    /// Gradients of one batch, and the loss of each objective.
    fn run_batch(&mut self, model: &Model, number: usize) -> Result<BatchOutcome, Error> {
        let batch = &self.batches[number];
        let model = &self.context.for_source(model, batch.language);
        let objectives = self.context.plan.objectives();
        let mut found = BatchOutcome::new(objectives.len());
        // Of the task, and of unlabeled text.
        let mut sums = [Gradients::default(), Gradients::default()];
        let mut ran = [false; 2];
        // Separate graphs: a graph can be run backward only once.
        for mut group in self.context.plan.backward_groups(self.compares) {
            group.retain(|index| objectives[*index].weight_at(self.progress).is_some());
            if group.is_empty() {
                continue;
            }
            let part = self.run_objectives(model, batch, &group)?;
            let is_unlabeled = self.compares && objectives[group[0]].needs.is_unlabeled();
            ran[usize::from(is_unlabeled)] = true;
            let sum = &mut sums[usize::from(is_unlabeled)];
            *sum = std::mem::take(sum).plus(part.gradients);
            for (loss, of_part) in found.losses.iter_mut().zip(part.losses) {
                *loss = loss.take().or(of_part);
            }
            objective_states::extend(&mut found.collected, part.collected);
            found.importance = found.importance.or(part.importance);
        }
        let [task, unlabeled] = sums;
        if self.compares && ran == [true; 2] {
            self.found.cosine.get_or_insert(task.cosine(&unlabeled));
        }
        found.gradients = task.plus(unlabeled);
        Ok(found)
    }

    /// Gradients and losses of some objectives, by their indices, which leave the same parameters as
    /// they are.
    fn run_objectives(
        &self,
        model: &Model,
        batch: &DeviceBatch,
        group: &[usize],
    ) -> Result<BatchOutcome, Error> {
        let context = self.context;
        let objectives = context.plan.objectives();
        let needs = group.iter().map(|index| &objectives[*index].needs);
        let views: Vec<_> = needs.flat_map(|needs| needs.views.clone()).collect();
        let mask = context.masks.mask(batch.language);
        let forward = context.forward(model, batch, mask.as_ref(), |view| views.contains(view));
        let share = 1.0 / self.batches.len() as f64;
        let (mut total, mut cached, mut losses) = (None, Gradients::default(), Vec::new());
        for (index, planned) in objectives.iter().enumerate() {
            let weight = planned.weight_at(self.progress).filter(|_| group.contains(&index));
            let Some(weight) = weight.map(|weight| weight * share) else {
                losses.push(None);
                continue;
            };
            if let Some(contrast) = planned.objective.grad_cache() {
                let (loss, gradients) = self.grad_cached_loss(model, batch, contrast)?;
                cached = cached.plus(gradients.scaled(weight));
                losses.push(Some(loss.without_autodiff()));
                continue;
            }
            let loss = planned.objective.loss(&forward.input)?;
            losses.push(Some(loss.clone().without_autodiff()));
            let loss = loss * weight;
            total = Some(match total {
                Some(sum) => sum + loss,
                None => loss,
            });
        }
        let collected =
            context.states.collect(&forward.input, |objective| group.contains(&objective))?;
        let models: Vec<&Model> = std::iter::once(model).chain(&forward.noised_models).collect();
        // A constant loss has no gradient.
        let tape = total.filter(Tensor::is_tracked).map(|total| total.backward());
        let measured = mask.filter(|_| context.masks.measures_importance());
        let importance =
            tape.as_ref().zip(measured).and_then(|(tape, mask)| importance(tape, &mask));
        let leaves = forward.leaves.as_ref();
        let gradients = tape.map(|tape| TokenLeaves::gradients(leaves, tape, &models));
        let gradients = gradients.unwrap_or_default().plus(cached);
        let freeze = &objectives[group[0]].freeze;
        let gradients =
            gradients.without(|path| freeze.iter().any(|start| path.starts_with(start)));
        Ok(BatchOutcome { gradients, losses, collected, importance })
    }
}

/// Results of one batch.
struct BatchOutcome {
    gradients: Gradients,
    /// By objective; none for those that are not wanted.
    losses: Vec<Option<Tensor<1>>>,
    collected: Collected,
    /// Importance of the heads and feed-forward blocks, if it is measured.
    importance: Option<Importance>,
}

impl BatchOutcome {
    fn new(n_objectives: usize) -> Self {
        Self {
            gradients: Gradients::default(),
            losses: vec![None; n_objectives],
            collected: Collected::new(),
            importance: None,
        }
    }
}

/// Importance (Michel et al. 2019): the absolute gradients of a subnetwork mask.
fn importance(tape: &burn::tensor::Gradients, mask: &SubnetworkMask) -> Option<Importance> {
    let absolute = |gradient: TensorData| {
        let values = gradient.convert::<f64>().try_into_vec::<f64>();
        let values = values.expect("the numbers were just converted to this type");
        values.into_iter().map(f64::abs).collect::<Vec<_>>()
    };
    let n_heads = mask.heads.dims()[1];
    let heads = absolute(mask.heads.grad(tape)?.into_data());
    let feed_forward = absolute(mask.feed_forward.grad(tape)?.into_data());
    Some(Importance { heads: heads.chunks(n_heads).map(<[f64]>::to_vec).collect(), feed_forward })
}

impl GradientSource<Error> for StepGradients<'_> {
    fn gradients(&mut self, model: &Model) -> Result<Gradients, Error> {
        let mut gradients = Gradients::default();
        for number in 0..self.batches.len() {
            let found = self.run_batch(model, number)?;
            gradients = gradients.plus(self.note(number, found));
        }
        Ok(gradients)
    }

    fn n_batches(&self) -> usize {
        self.batches.len()
    }

    fn batch_language(&self, batch: usize) -> usize {
        self.batches[batch].language
    }

    fn batch_gradients(&mut self, model: &Model, batch: usize) -> Result<Gradients, Error> {
        let found = self.run_batch(model, batch)?;
        let n_batches = self.batches.len() as f64;
        Ok(self.note(batch, found).scaled(n_batches))
    }

    fn sampled_gradients(&mut self, model: &Model) -> Result<Gradients, Error> {
        let mut gradients = Gradients::default();
        let mut sampled = self.sampled.take().unwrap_or_default();
        for (index, batch) in self.batches.iter().enumerate() {
            let text = &batch.texts[0];
            let model = &*self.context.for_source(model, batch.language);
            let mask = self.context.masks.mask(batch.language);
            let options =
                self.context.masked_forward_options(mask.as_ref(), batch.seed, &View::ORIGINAL);
            let ids = text.ids();
            let leaves = self.context.token_leaves(model, ids.iter());
            let embedded = leaves.as_ref().map(|leaves| &leaves.embeddings()[0]);
            let logits = model.forward(&text.input_with(embedded), &options).logits;
            if sampled.len() == index {
                let seed = split_seed(batch.seed, SAMPLED_LABELS);
                let mut labels = sample_labels(logits.clone(), seed);
                for (label, has_target) in labels.iter_mut().zip(&text.has_target) {
                    if !has_target {
                        *label = IGNORE_INDEX;
                    }
                }
                sampled.push(labels);
            }
            let labels = integers(sampled[index].clone(), &logits.device());
            let loss = cross_entropy(logits, labels, 0.0) / self.batches.len() as f64;
            let found = TokenLeaves::gradients(leaves.as_ref(), loss.backward(), &[model]);
            gradients = gradients.plus(found);
        }
        self.sampled = Some(sampled);
        Ok(gradients)
    }

    fn noise_divergence(&mut self, model: &Model, noise: EmbeddingNoise) -> Result<f64, Error> {
        Ok(self.mean_of_rows(|batch| self.context.noise_divergence(model, batch, noise)))
    }

    fn parameter_divergence(&mut self, model: &Model, earlier: &Model) -> Result<f64, Error> {
        Ok(self.mean_of_rows(|batch| self.context.parameter_divergence(model, earlier, batch)))
    }
}
