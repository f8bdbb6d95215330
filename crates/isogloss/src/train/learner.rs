//! From batches to gradients: the model is run once for every view that the objectives name.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_kernels::{normal, split_seed, uniform};
use isogloss_methods::{
    ContrastTexts, EmbeddingNoise, Gradients, IGNORE_INDEX, Learner, Memory, NegativeQueue,
    NoiseShape, Objective, PairInput, Role, Sentences, StepInput, TextView, Units, View,
    ViewOutput, WordLinks, cross_entropy, sample_labels, with_random_signs,
};
use isogloss_model::{Model, ModelInput, ModelOutput, Pass, Projection, Tokens, UnitDropout};
use isogloss_text::{Targets, TokenBatch};
use serde_json::{Map, Value, json};

use super::batches::StepBatch;
use crate::Error;
use crate::data::integers;

/// What is the same in every step of a run.
pub(super) struct Passes {
    /// Weights and objectives.
    pub(super) objectives: Vec<(f64, Box<dyn Objective>)>,
    /// Every view that they name, once; those of a group are one batch. Contrasts in chunks make
    /// their own passes.
    groups: Vec<Vec<View>>,
    /// Where tensors live, without autodiff.
    pub(super) device: Device,
    /// Draws dropout, noise and sampled labels.
    pub(super) seed: u64,
    /// On the device without autodiff, as all that no gradient reaches.
    pub(super) teacher: Option<Model>,
    /// What training began with, for objectives that hold on to it.
    pub(super) initial: Option<Model>,
    /// The slow average of the trained model, for objectives that learn from it.
    pub(super) momentum: Option<Model>,
    pub(super) unit_dropout: Option<Arc<UnitDropout>>,
    /// The keys of earlier pairs.
    pub(super) negatives: Option<NegativeQueue>,
    /// See [`Pass::undropped_layers`].
    pub(super) undropped_layers: Option<usize>,
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
        let whole = objectives.iter().filter(|(_, objective)| objective.in_chunks().is_none());
        let groups = groups(whole.flat_map(|(_, objective)| objective.views()));
        Self {
            objectives,
            groups,
            device,
            seed,
            teacher: None,
            initial: None,
            momentum: None,
            unit_dropout: None,
            negatives: None,
            undropped_layers: None,
        }
    }

    /// Whether the classifier's weight is divided by its spectral norm.
    pub(super) fn normalizes_head(&self) -> bool {
        self.objectives.iter().any(|(_, objective)| objective.normalizes_head())
    }

    /// Whether one pass over the text as it is, is all that the objectives ask for.
    pub(super) fn reads_original_alone(&self) -> bool {
        self.groups == [[View::ORIGINAL]]
    }

    /// Whether an objective names a view of this model.
    pub(super) fn needs(&self, role: Role) -> bool {
        self.groups.iter().flatten().any(|view| view.role == role)
    }

    /// What the objectives train beside the models of this step.
    fn projections_of(&self, model: &Model) -> Vec<(&'static str, Role, Projection)> {
        let names = self.projections(model.encoder.config().hidden_size);
        let models = [(Role::Student, Some(model)), (Role::Momentum, self.momentum.as_ref())];
        let of_model = |(role, model): (Role, Option<&Model>)| {
            let projections = model.into_iter().flat_map(|model| model.projections.clone());
            names.iter().zip(projections).map(move |((name, _), p)| (*name, role, p)).collect()
        };
        models.into_iter().flat_map::<Vec<_>, _>(of_model).collect()
    }

    fn frozen(&self, role: Role) -> &Model {
        let model = match role {
            Role::Student => None,
            Role::Teacher => self.teacher.as_ref(),
            Role::Initial => self.initial.as_ref(),
            Role::Momentum => self.momentum.as_ref(),
        };
        model.expect("the trainer provides every model that a view names")
    }

    /// The texts that the objectives read, each once.
    pub(super) fn texts(&self) -> Vec<TextView> {
        let views = self.objectives.iter().flat_map(|(_, objective)| objective.views());
        let mut texts: Vec<_> = views.map(|view| view.text).collect();
        texts.sort();
        texts.dedup();
        texts
    }

    /// What the objectives train beside a model of this width: whose it is, and its widths.
    pub(super) fn projections(&self, hidden_size: usize) -> Vec<(&'static str, Vec<usize>)> {
        let widths = self.objectives.iter().filter_map(|(_, objective)| {
            Some((objective.name(), objective.projection_widths(hidden_size)?))
        });
        widths.collect()
    }

    /// How pairs are changed before they are contrasted.
    pub(super) fn contrast_texts(&self) -> Option<ContrastTexts> {
        self.objectives.iter().find_map(|(_, objective)| objective.contrast_texts())
    }

    /// Whether an objective has tokens guessed.
    pub(super) fn needs_lm_head(&self) -> bool {
        self.groups.iter().flatten().any(|view| view.text.is_masked())
    }

    /// How earlier pairs are remembered.
    pub(super) fn memory(&self) -> Option<Memory> {
        self.objectives.iter().find_map(|(_, objective)| objective.memory())
    }

    /// The names of all objectives.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.objectives.iter().map(|(_, objective)| objective.name()).collect()
    }

    /// Whether an objective reads the teacher's answers, not only its vectors.
    pub(super) fn needs_labels_of_teacher(&self) -> bool {
        let mut views = self.groups.iter().flatten();
        views.any(|view| view.role == Role::Teacher && view.text.is_of_task())
    }

    /// The weighted sum of the values of the objectives over text without labels.
    pub(super) fn auxiliary_total(&self, losses: &[f64]) -> f64 {
        let of_pairs = self.objectives.iter().zip(losses).filter(|((_, o), _)| is_auxiliary(&**o));
        of_pairs.map(|((weight, _), loss)| weight * loss).sum()
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

    pub(super) fn pass(&self, batch_seed: u64, view: &View) -> Pass {
        let seed = match (view.text as u64, view.pass) {
            (0, 0) => batch_seed,
            (text, pass) => split_seed(batch_seed, 256 * text + u64::from(pass) + 1),
        };
        Pass {
            dropout_seed: Some(seed),
            unit_dropout: self.unit_dropout.clone(),
            undropped_layers: self.undropped_layers,
            normalized_head: self.normalizes_head(),
            ..Pass::default()
        }
    }
}

/// Puts passes over the same text together, so that each weight is read once for all of them. Two
/// that are to drop the same elements cannot be one batch.
fn groups(views: impl Iterator<Item = View>) -> Vec<Vec<View>> {
    let is_plain = |view: &View| {
        view.role == Role::Student && view.weight_noise.is_none() && view.text.is_of_task()
    };
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
    pub(super) passes: &'a Passes,
    batches: Vec<DeviceBatch>,
    /// The mean of each objective over the batches, without its weight, at the first parameters asked
    /// for.
    pub(super) losses: Option<Vec<f64>>,
    /// The keys of the batches' pairs, at the first parameters asked for.
    pub(super) keys: Vec<Tensor<2>>,
    /// Whether the gradients of the task and of text without labels are to be compared.
    compares: bool,
    /// The cosine between them, at the first parameters asked for.
    pub(super) cosine: Option<f64>,
    /// Labels drawn from the model, by batch.
    sampled: Option<Vec<Vec<i32>>>,
}

pub(super) struct DeviceBatch {
    pub(super) seed: u64,
    texts: Vec<DeviceText>,
    links: WordLinks,
}

pub(super) struct DeviceText {
    text: TextView,
    pub(super) input: ModelInput,
    targets: Option<Tensor<1, Int>>,
    units: Units,
    /// Whether a row of the logits has a target.
    counted: Vec<bool>,
    /// The masked tokens, as places in the rows one after another.
    masked: Option<Tensor<1, Int>>,
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
            let (masked, values) = match (text.is_masked(), batch.labeled_tokens(), batch.targets) {
                (true, (places, labels), _) => (Some(places), labels),
                (false, _, Targets::None) => (None, Vec::new()),
                (false, _, Targets::Classes(values) | Targets::Tokens(values)) => (None, values),
            };
            let masked = masked.filter(|places| !places.is_empty());
            let masked = masked.map(|places| integers(places, &device));
            let counted = values.iter().map(|value| i64::from(*value) != IGNORE_INDEX).collect();
            let targets = (!values.is_empty()).then(|| integers(values, &device));
            Ok(DeviceText { text, input, targets, units, counted, masked })
        };
        let batches = batches.into_iter().map(|batch| {
            let mut texts: Vec<_> =
                batch.texts.into_iter().map(text).collect::<Result<_, Error>>()?;
            if let Some(begin) = batch.begin {
                let original = texts.iter_mut().find(|text| text.text == TextView::Original);
                original.into_iter().for_each(|text| text.input.tokens = begin.clone());
            }
            let seed = split_seed(passes.seed, batch.number);
            Ok(DeviceBatch { seed, texts, links: batch.links })
        });
        let batches = batches.collect::<Result<_, Error>>()?;
        let (keys, losses, cosine, sampled) = (Vec::new(), None, None, None);
        Ok(Self { passes, batches, losses, keys, compares: false, cosine, sampled })
    }

    /// Has the gradients of the task and of text without labels made apart, so that their cosine is known.
    pub(super) fn comparing(mut self) -> Self {
        let of_pairs =
            self.passes.objectives.iter().map(|(_, objective)| is_auxiliary(&**objective));
        let of_pairs: Vec<_> = of_pairs.collect();
        self.compares = of_pairs.contains(&true) && of_pairs.contains(&false);
        self
    }

    /// The keys of the batches' pairs, without a loss.
    pub(super) fn keys_alone(&self, model: &Model) -> Result<Vec<Tensor<2>>, Error> {
        let mut keys = Vec::new();
        for batch in &self.batches {
            let (input, _) = self.run(model, batch, |view| view.role == Role::Momentum)?;
            for (_, objective) in &self.passes.objectives {
                keys.extend(objective.keys(&input)?);
            }
        }
        Ok(keys)
    }

    /// Runs those views of a batch that are wanted. The noised models that were run come back too:
    /// their gradients belong to the model's.
    fn run(
        &self,
        model: &Model,
        batch: &DeviceBatch,
        wanted: impl Fn(&View) -> bool,
    ) -> Result<(StepInput, Vec<Model>), Error> {
        let embedded = self.passes.shares_embeddings().then(|| self.embed(model, batch, &wanted));
        let (mut outputs, mut noised_models, mut sentences) = (Vec::new(), Vec::new(), Vec::new());
        let groups = self.passes.groups.iter().filter(|group| wanted(&group[0]));
        for group in groups {
            let first = group[0];
            let at = batch.place(first.text);
            let text = &batch.texts[at];
            let pass = self.passes.pass(batch.seed, &first);
            if first.text.is_side() {
                let embedded = embedded.as_ref().and_then(|all| all[at].clone());
                sentences.push((first, self.encode(model, first.role, text, embedded, &pass)));
                continue;
            }
            let embedded = embedded.as_ref().and_then(|all| all[at].as_ref());
            if first.text.is_masked() {
                let output = guess(model, text, embedded, &pass);
                let (targets, units) = (text.targets.clone(), text.units.clone());
                outputs.push((first, ViewOutput { output, targets, units }));
                continue;
            }
            let of_group = match (first.role, first.weight_noise, embedded) {
                (Role::Teacher | Role::Initial | Role::Momentum, ..) => {
                    vec![self.answer(first.role, text)]
                }
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
                        Some(noise) => add_noise(embedded.clone().detach(), noise, seed),
                        None => embedded.clone(),
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
        let pairs = PairInput {
            sentences,
            links: batch.links.clone(),
            projections: self.passes.projections_of(model),
            negatives: self.passes.negatives.as_ref().and_then(|queue| queue.tensor().ok()),
            n_masked: batch.n_masked(),
        };
        Ok((StepInput::new(outputs).with_pairs(pairs), noised_models))
    }

    /// The embeddings of every text that the model is to read, from one look into the table, by the
    /// text's place in the batch.
    fn embed(
        &self,
        model: &Model,
        batch: &DeviceBatch,
        wanted: impl Fn(&View) -> bool,
    ) -> Vec<Option<Tensor<3>>> {
        let views = self.passes.groups.iter().flatten();
        let read: Vec<_> =
            views.filter(|view| wanted(view) && view.role == Role::Student).collect();
        let is_read = |text: &DeviceText| read.iter().any(|view| view.text == text.text);
        let ids = batch.texts.iter().map(|text| match &text.input.tokens {
            Tokens::Ids(ids) if is_read(text) => Some(ids.clone()),
            Tokens::Ids(_) | Tokens::Embeddings(_) | Tokens::States { .. } => None,
        });
        let ids: Vec<_> = ids.collect();
        let some: Vec<_> = ids.iter().flatten().cloned().collect();
        if some.is_empty() {
            return vec![None; ids.len()];
        }
        let mut embedded = model.encoder.embed_tokens_of(&some).into_iter();
        ids.iter().map(|ids| ids.as_ref().and_then(|_| embedded.next())).collect()
    }

    /// The output of a model that is not trained on a text, as constants.
    fn answer(&self, role: Role, text: &DeviceText) -> ModelOutput {
        let input = text.input.clone().without_autodiff();
        let output = self.passes.frozen(role).forward(&input, &Pass::evaluation());
        ModelOutput {
            hidden_states: output.hidden_states.into_iter().map(Tensor::autodiff).collect(),
            logits: output.logits.autodiff(),
            features: output.features.autodiff(),
        }
    }

    /// The states of one side of the step's pairs, as constants unless the model is trained.
    pub(super) fn encode(
        &self,
        model: &Model,
        role: Role,
        text: &DeviceText,
        embedded: Option<Tensor<3>>,
        pass: &Pass,
    ) -> Sentences {
        let mut input = text.input.clone();
        let attention_mask = input.attention_mask.clone();
        if role == Role::Student {
            if let Some(embedded) = embedded {
                input.tokens = Tokens::Embeddings(embedded);
            }
            let hidden_states = model.encoder.forward(&input, pass).hidden_states;
            return Sentences { hidden_states, attention_mask };
        }
        let frozen = &self.passes.frozen(role).encoder;
        let states = frozen.forward(&input.without_autodiff(), &Pass::evaluation()).hidden_states;
        let hidden_states = states.into_iter().map(Tensor::autodiff).collect();
        Sentences { hidden_states, attention_mask }
    }

    /// The gradients of one batch, and the value of each objective.
    fn batch_gradients(&mut self, model: &Model, number: usize) -> Result<OfBatch, Error> {
        let batch = &self.batches[number];
        if !self.compares {
            return self.gradients_of(model, batch, |_| true);
        }
        // Graphs of their own: a graph can be walked back only once.
        let task = self.gradients_of(model, batch, |objective| !is_auxiliary(objective))?;
        let pairs = self.gradients_of(model, batch, is_auxiliary)?;
        self.cosine.get_or_insert(task.gradients.cosine(&pairs.gradients));
        let values = task.values.into_iter().zip(pairs.values).map(|(task, pairs)| task.or(pairs));
        Ok(OfBatch {
            gradients: task.gradients.plus(pairs.gradients),
            values: values.collect(),
            keys: pairs.keys,
        })
    }

    /// The gradients of those objectives that are wanted, and their values.
    fn gradients_of(
        &self,
        model: &Model,
        batch: &DeviceBatch,
        wanted: impl Fn(&dyn Objective) -> bool,
    ) -> Result<OfBatch, Error> {
        let objectives = || self.passes.objectives.iter().filter(|(_, o)| wanted(&**o));
        let views: Vec<_> = objectives().flat_map(|(_, objective)| objective.views()).collect();
        let (input, noised_models) = self.run(model, batch, |view| views.contains(view))?;
        let share = 1.0 / self.batches.len() as f64;
        let (mut total, mut chunked, mut keys) = (None, Gradients::default(), Vec::new());
        let mut values = Vec::new();
        for (weight, objective) in &self.passes.objectives {
            if !wanted(&**objective) {
                values.push(None);
                continue;
            }
            keys.extend(objective.keys(&input)?);
            if let Some(contrast) = objective.in_chunks() {
                let (loss, gradients) = self.contrast(model, batch, contrast)?;
                chunked = chunked.plus(gradients.scaled(weight * share));
                values.push(Some(loss));
                continue;
            }
            let loss = objective.loss(&input)?;
            values.push(Some(loss.clone()));
            let loss = loss * (weight * share);
            total = Some(match total {
                Some(sum) => sum + loss,
                None => loss,
            });
        }
        let models: Vec<&Model> = std::iter::once(model).chain(&noised_models).collect();
        // Nothing leads from a constant to the parameters.
        let gradients = match total.filter(Tensor::is_tracked) {
            Some(total) => Gradients::of_all(&total, &models),
            None => Gradients::default(),
        };
        let numbers = Tensor::cat(values.iter().flatten().cloned().collect(), 0).into_data();
        let numbers = numbers.convert::<f64>().try_into_vec::<f64>();
        let mut numbers =
            numbers.expect("the numbers were just converted to this type").into_iter();
        let values = values.iter().map(|value| value.as_ref().and_then(|_| numbers.next()));
        Ok(OfBatch { gradients: gradients.plus(chunked), values: values.collect(), keys })
    }
}

/// What one batch gives.
struct OfBatch {
    gradients: Gradients,
    /// By objective; none for those that were not asked for.
    values: Vec<Option<f64>>,
    keys: Vec<Tensor<2>>,
}

/// Whether an objective reads text without labels alone.
fn is_auxiliary(objective: &dyn Objective) -> bool {
    !objective.views().iter().any(|view| view.text.is_of_task())
}

/// What the language-model head makes of masked tokens.
fn guess(
    model: &Model,
    text: &DeviceText,
    embedded: Option<&Tensor<3>>,
    pass: &Pass,
) -> ModelOutput {
    let mut input = text.input.clone();
    if let Some(embedded) = embedded {
        input.tokens = Tokens::Embeddings(embedded.clone());
    }
    let device = input.attention_mask.device();
    let Some(places) = text.masked.clone() else {
        let nothing = Tensor::zeros([1, 1], &device);
        let (logits, features) = (nothing.clone(), nothing);
        return ModelOutput { hidden_states: Vec::new(), logits, features };
    };
    let encoded = model.encoder.forward(&input, pass);
    let features = encoded.states_at(places);
    let logits = model.masked_lm_logits(features.clone());
    ModelOutput { hidden_states: encoded.hidden_states, logits, features }
}

impl DeviceBatch {
    /// Tokens of the batch that are masked for a language model.
    fn n_masked(&self) -> usize {
        let masked = self.texts.iter().filter_map(|text| text.masked.as_ref());
        masked.map(|places| places.dims()[0]).sum()
    }

    fn place(&self, text: TextView) -> usize {
        let at = self.texts.iter().position(|other| other.text == text);
        at.expect("batches hold every text that a view names")
    }

    pub(super) fn text(&self, text: TextView) -> &DeviceText {
        &self.texts[self.place(text)]
    }
}

impl Learner<Error> for StepLearner<'_> {
    fn gradients(&mut self, model: &Model) -> Result<Gradients, Error> {
        let mut gradients = Gradients::default();
        let mut losses = vec![0.0; self.passes.objectives.len()];
        let mut keys = Vec::new();
        for number in 0..self.batches.len() {
            let of_batch = self.batch_gradients(model, number)?;
            gradients = gradients.plus(of_batch.gradients);
            keys.extend(of_batch.keys);
            for (sum, value) in losses.iter_mut().zip(of_batch.values) {
                *sum += value.unwrap_or_default() / self.batches.len() as f64;
            }
        }
        if self.losses.is_none() {
            (self.losses, self.keys) = (Some(losses), keys);
        }
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
