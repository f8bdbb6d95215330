//! From batches to gradients: the model is run once for every view that the objectives name.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_kernels::{normal, split_seed, uniform};
use isogloss_methods::{
    EmbeddingNoise, Gradients, IGNORE_INDEX, Learner, NoiseShape, Objective, Role, StepInput,
    TextView, Units, View, ViewOutput, cross_entropy, sample_labels, with_random_signs,
};
use isogloss_model::{Model, ModelInput, ModelOutput, Pass, Tokens, UnitDropout};
use isogloss_text::{Targets, TokenBatch};
use serde_json::{Map, Value, json};

use super::batches::StepBatch;
use crate::Error;
use crate::data::integers;

/// What is the same in every step of a run.
pub(super) struct Passes {
    /// Weights and objectives.
    pub(super) objectives: Vec<(f64, Box<dyn Objective>)>,
    /// Every view that they name, once; those of a group are one batch.
    groups: Vec<Vec<View>>,
    /// Where tensors live, without autodiff.
    pub(super) device: Device,
    /// Draws dropout, noise and sampled labels.
    pub(super) seed: u64,
    /// On the device without autodiff.
    pub(super) teacher: Option<Model>,
    pub(super) unit_dropout: Option<Arc<UnitDropout>>,
}

/// Seeds of one batch beside those of its passes' dropout, which take the numbers from 1.
mod draws {
    pub(super) const EMBEDDING_NOISE: u64 = u64::MAX;
    pub(super) const WEIGHT_NOISE: u64 = u64::MAX - 1;
    pub(super) const LABELS: u64 = u64::MAX - 2;
}

impl Passes {
    pub(super) fn new(
        objectives: Vec<(f64, Box<dyn Objective>)>,
        device: Device,
        seed: u64,
    ) -> Self {
        let groups = groups(objectives.iter().flat_map(|(_, objective)| objective.views()));
        Self { objectives, groups, device, seed, teacher: None, unit_dropout: None }
    }

    /// Whether the classifier's weight is divided by its spectral norm.
    pub(super) fn normalizes_head(&self) -> bool {
        self.objectives.iter().any(|(_, objective)| objective.normalizes_head())
    }

    /// The names of all objectives.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.objectives.iter().map(|(_, objective)| objective.name()).collect()
    }

    /// The weighted sum of the objectives' values.
    pub(super) fn total(&self, losses: &[f64]) -> f64 {
        self.objectives.iter().zip(losses).map(|((weight, _), loss)| weight * loss).sum()
    }

    /// The objectives' values by name; of equal names the later ones are numbered from 2.
    pub(super) fn by_name(&self, losses: &[f64]) -> Value {
        let mut by_name = Map::new();
        for (name, loss) in self.names().into_iter().zip(losses) {
            let numbered = (2..).map(|n| format!("{name}_{n}"));
            let mut free = std::iter::once(name.to_owned()).chain(numbered);
            if let Some(name) = free.find(|name| !by_name.contains_key(name)) {
                by_name.insert(name, json!(loss));
            }
        }
        Value::Object(by_name)
    }

    /// Whether the passes of a batch read embeddings that were looked up for all of them; a single one
    /// reads its tokens itself.
    fn shares_embeddings(&self) -> bool {
        let views = || self.groups.iter().flatten();
        views().count() > 1 || views().any(|view| view.noise.is_some())
    }

    fn pass(&self, batch_seed: u64, view: &View) -> Pass {
        let seed = match (view.text as u64, view.pass) {
            (0, 0) => batch_seed,
            (text, pass) => split_seed(batch_seed, 256 * text + u64::from(pass) + 1),
        };
        Pass {
            dropout_seed: Some(seed),
            unit_dropout: self.unit_dropout.clone(),
            normalized_head: self.normalizes_head(),
            ..Pass::default()
        }
    }
}

/// Puts passes over the same text together, so that each weight is read once for all of them. Two
/// that are to drop the same elements cannot be one batch.
fn groups(views: impl Iterator<Item = View>) -> Vec<Vec<View>> {
    let is_plain = |view: &View| view.role == Role::Student && view.weight_noise.is_none();
    let mut groups: Vec<Vec<View>> = Vec::new();
    for view in views {
        if groups.iter().flatten().any(|other| *other == view) {
            continue;
        }
        let joins = |group: &Vec<View>| {
            let alike = |other: &View| other.text == view.text && other.pass != view.pass;
            is_plain(&view) && group.iter().all(|other| is_plain(other) && alike(other))
        };
        match groups.iter_mut().find(|group| joins(group)) {
            Some(group) => group.push(view),
            None => groups.push(vec![view]),
        }
    }
    // The group's first pass draws the masks: it is the lowest, whatever the order of the objectives.
    groups.iter_mut().for_each(|group| group.sort_by_key(|view| view.pass));
    groups
}

/// The batches of one optimizer step, on the device.
pub(super) struct StepLearner<'a> {
    passes: &'a Passes,
    batches: Vec<DeviceBatch>,
    /// The mean of each objective over the batches, without its weight, at the first parameters asked
    /// for.
    pub(super) losses: Option<Vec<f64>>,
    /// Labels drawn from the model, by batch.
    sampled: Option<Vec<Vec<i32>>>,
}

struct DeviceBatch {
    seed: u64,
    texts: Vec<DeviceText>,
}

struct DeviceText {
    text: TextView,
    input: ModelInput,
    targets: Option<Tensor<1, Int>>,
    units: Units,
    /// Whether a row of the logits has a target.
    counted: Vec<bool>,
}

impl<'a> StepLearner<'a> {
    pub(super) fn new(
        passes: &'a Passes,
        model: &Model,
        batches: Vec<StepBatch>,
        path: &Path,
    ) -> Result<Self, Error> {
        let device = passes.device.clone().autodiff();
        let text = |(text, batch, units): (TextView, TokenBatch, Units)| {
            let (ids, types) = (&batch.input_ids, &batch.token_type_ids);
            let config = model.encoder.config();
            let input = config
                .input(ids, &batch.attention_mask, types, batch.seq_len, &device)
                .map_err(|source| Error::Input { path: path.to_owned(), source })?;
            let values = match batch.targets {
                Targets::None => Vec::new(),
                Targets::Classes(values) | Targets::Tokens(values) => values,
            };
            let counted = values.iter().map(|value| i64::from(*value) != IGNORE_INDEX).collect();
            let targets = (!values.is_empty()).then(|| integers(values, &device));
            Ok(DeviceText { text, input, targets, units, counted })
        };
        let batches = batches.into_iter().map(|batch| {
            let texts = batch.texts.into_iter().map(text).collect::<Result<_, Error>>()?;
            Ok(DeviceBatch { seed: split_seed(passes.seed, batch.number), texts })
        });
        let batches = batches.collect::<Result<_, Error>>()?;
        Ok(Self { passes, batches, losses: None, sampled: None })
    }

    /// Runs every view of a batch. The noised models that were run come back too: their gradients
    /// belong to the model's.
    fn run(&self, model: &Model, batch: &DeviceBatch) -> (StepInput, Vec<Model>) {
        let embedded = self.passes.shares_embeddings().then(|| self.embed(model, batch));
        let (mut outputs, mut noised_models) = (Vec::new(), Vec::new());
        for group in &self.passes.groups {
            let first = group[0];
            let at = batch.texts.iter().position(|text| text.text == first.text);
            let at = at.expect("batches hold every text that a view names");
            let text = &batch.texts[at];
            let pass = self.passes.pass(batch.seed, &first);
            let of_group = match (first.role, first.weight_noise, &embedded) {
                (Role::Teacher, ..) => vec![self.teach(text)],
                (_, Some(scale), _) => {
                    let seed = split_seed(batch.seed, draws::WEIGHT_NOISE);
                    let noised = with_random_signs(model.clone(), scale, seed);
                    let output = noised.forward(&text.input, &pass);
                    noised_models.push(noised);
                    vec![output]
                }
                (_, _, Some(embedded)) => {
                    let seed = split_seed(batch.seed, draws::EMBEDDING_NOISE);
                    let embeddings = group.iter().map(|view| match view.noise {
                        Some(noise) => add_noise(embedded[at].clone().detach(), noise, seed),
                        None => embedded[at].clone(),
                    });
                    let input = text.input.repeated(embeddings.collect());
                    model.forward(&input, &pass).split(group.len())
                }
                (_, _, None) => vec![model.forward(&text.input, &pass)],
            };
            for (view, output) in group.iter().zip(of_group) {
                let (targets, units) = (text.targets.clone(), text.units.clone());
                outputs.push((*view, ViewOutput { output, targets, units }));
            }
        }
        (StepInput::new(outputs), noised_models)
    }

    /// The embeddings of every text, from one look into the table.
    fn embed(&self, model: &Model, batch: &DeviceBatch) -> Vec<Tensor<3>> {
        let ids = batch.texts.iter().filter_map(|text| match &text.input.tokens {
            Tokens::Ids(ids) => Some(ids.clone()),
            Tokens::Embeddings(_) => None,
        });
        model.encoder.embed_tokens_of(&ids.collect::<Vec<_>>())
    }

    /// The teacher's output on a text, as constants.
    fn teach(&self, text: &DeviceText) -> ModelOutput {
        let teacher = self.passes.teacher.as_ref();
        let teacher = teacher.expect("a plan with a teacher's view has a teacher");
        let input = text.input.clone().without_autodiff();
        let output = teacher.forward(&input, &Pass::evaluation());
        ModelOutput {
            hidden_states: output.hidden_states.into_iter().map(Tensor::autodiff).collect(),
            logits: output.logits.autodiff(),
            features: output.features.autodiff(),
        }
    }

    /// The gradients of one batch, and the value of each objective.
    fn batch_gradients(
        &self,
        model: &Model,
        batch: &DeviceBatch,
    ) -> Result<(Gradients, Vec<f64>), Error> {
        let (input, noised_models) = self.run(model, batch);
        let (mut total, mut values) = (None, Vec::new());
        for (weight, objective) in &self.passes.objectives {
            let loss = objective.loss(&input)?;
            values.push(loss.clone());
            let loss = loss * (*weight / self.batches.len() as f64);
            total = Some(match total {
                Some(sum) => sum + loss,
                None => loss,
            });
        }
        let total = total.expect("a plan has at least one objective");
        let values = Tensor::cat(values, 0).into_data().convert::<f64>().try_into_vec::<f64>();
        let values = values.expect("the numbers were just converted to this type");
        let models: Vec<&Model> = std::iter::once(model).chain(&noised_models).collect();
        Ok((Gradients::of_all(&total, &models), values))
    }
}

impl Learner<Error> for StepLearner<'_> {
    fn gradients(&mut self, model: &Model) -> Result<Gradients, Error> {
        let mut gradients = Gradients::default();
        let mut losses = vec![0.0; self.passes.objectives.len()];
        for batch in &self.batches {
            let (of_batch, values) = self.batch_gradients(model, batch)?;
            gradients = gradients.plus(of_batch);
            for (sum, value) in losses.iter_mut().zip(values) {
                *sum += value / self.batches.len() as f64;
            }
        }
        self.losses.get_or_insert(losses);
        Ok(gradients)
    }

    fn sampled_gradients(&mut self, model: &Model) -> Result<Gradients, Error> {
        let mut gradients = Gradients::default();
        let mut drawn = self.sampled.take().unwrap_or_default();
        for (index, batch) in self.batches.iter().enumerate() {
            let text = &batch.texts[0];
            let logits = model.forward(&text.input, &self.passes.pass(batch.seed, &View::ORIGINAL));
            let logits = logits.logits;
            if drawn.len() == index {
                let seed = split_seed(batch.seed, draws::LABELS);
                let mut labels = sample_labels(logits.clone(), seed);
                for (label, counted) in labels.iter_mut().zip(&text.counted) {
                    if !counted {
                        *label = IGNORE_INDEX as i32;
                    }
                }
                drawn.push(labels);
            }
            let labels = integers(drawn[index].clone(), &logits.device());
            let loss = cross_entropy(logits, labels, 0.0) / self.batches.len() as f64;
            gradients = gradients.plus(Gradients::of(&loss, model));
        }
        self.sampled = Some(drawn);
        Ok(gradients)
    }
}

/// Adds noise to every element, each drawn from the seed and its place alone.
fn add_noise(embeddings: Tensor<3>, noise: EmbeddingNoise, seed: u64) -> Tensor<3> {
    let draw = |i: u64| match noise.shape {
        NoiseShape::Uniform => (2.0 * uniform(seed, i) - 1.0) * noise.scale,
        NoiseShape::Normal => normal(seed, i) * noise.scale,
    };
    let shape = embeddings.shape();
    let values: Vec<f32> = (0..shape.num_elements() as u64).map(|i| draw(i) as f32).collect();
    let values = Tensor::from_data(TensorData::new(values, shape), &embeddings.device());
    embeddings + values
}
