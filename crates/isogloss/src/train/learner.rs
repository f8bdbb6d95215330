//! From batches to gradients: the model is run once for every view that the objectives name.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Int, Tensor, TensorData};
use isogloss_kernels::{normal, split_seed, uniform};
use isogloss_methods::{
    EmbeddingNoise, GradientSource, Gradients, IGNORE_INDEX, Importance, Needs, NoiseShape,
    PairInput, PredictionUnits, Role, RowTargets, Sentences, StepInput, TextView, View, ViewOutput,
    WordLinks, cross_entropy, sample_labels, with_random_signs,
};
use isogloss_model::{
    Encoder, ForwardOptions, Model, ModelInput, ModelOutput, SubnetworkMask, Tokens,
};
use isogloss_text::{Targets, TokenBatch};

use super::batches::StepBatch;
use super::passes::Passes;
use crate::Error;
use crate::ground::tensors::{integers, model_input, row_targets};

/// Seeds of one batch beside those of its passes' dropout, which take the numbers from 1.
mod draws {
    pub(super) const EMBEDDING_NOISE: u64 = u64::MAX;
    pub(super) const WEIGHT_NOISE: u64 = u64::MAX - 1;
    pub(super) const LABELS: u64 = u64::MAX - 2;
}

/// The batches of one optimizer step, on the device.
pub(super) struct StepGradients<'a> {
    pub(super) passes: &'a Passes,
    batches: Vec<DeviceBatch>,
    /// Each objective over each batch, without its weight, at the first parameters asked for; none
    /// before.
    values: Vec<Option<Vec<f64>>>,
    /// The keys of the batches' pairs, at the first parameters asked for.
    pub(super) keys: Vec<Tensor<2>>,
    /// By language: how much each part of the model mattered to a batch, at the first parameters asked
    /// for, where that is to be known.
    pub(super) importances: Vec<(usize, Importance)>,
    /// Whether the gradients of the task and of text without labels are to be compared.
    compares: bool,
    /// The cosine between them, at the first parameters asked for.
    pub(super) cosine: Option<f64>,
    /// Labels drawn from the model, by batch.
    sampled: Option<Vec<Vec<i32>>>,
}

pub(super) struct DeviceBatch {
    pub(super) seed: u64,
    language: usize,
    texts: Vec<DeviceText>,
    links: WordLinks,
}

pub(super) struct DeviceText {
    text: TextView,
    pub(super) input: ModelInput,
    targets: Option<RowTargets>,
    units: PredictionUnits,
    /// Whether a row of the logits has a target.
    counted: Vec<bool>,
    /// The masked tokens, as places in the rows one after another.
    masked: Option<Tensor<1, Int>>,
    /// What the teacher makes of each sentence, if that was kept.
    teacher_vectors: Option<Tensor<2>>,
}

impl<'a> StepGradients<'a> {
    pub(super) fn new(
        passes: &'a Passes,
        model: &Model,
        batches: Vec<StepBatch>,
        path: &Path,
    ) -> Result<Self, Error> {
        let device = passes.device.clone().autodiff();
        let text = |(text, batch, units): (TextView, TokenBatch, PredictionUnits)| {
            let kept = passes.teacher_vectors.as_ref().filter(|_| text == TextView::PairLeft);
            let teacher_vectors = kept.map(|kept| kept.of(&batch, &passes.device)).transpose()?;
            let input = model_input(&batch, model.encoder.config(), path, &device)?;
            let (masked, targets) = match text.is_masked() {
                true => {
                    let (places, labels) = batch.labeled_tokens();
                    (Some(places), Targets::Classes(labels))
                }
                false => (None, batch.targets),
            };
            let masked = masked.filter(|places| !places.is_empty());
            let masked = masked.map(|places| integers(places, &device));
            let is_counted = |row: &i32| *row != IGNORE_INDEX;
            let counted = targets.rows().iter().map(is_counted).collect();
            let targets = row_targets(&targets, passes.tag_weight, &device);
            Ok(DeviceText { text, input, targets, units, counted, masked, teacher_vectors })
        };
        let batches = batches.into_iter().map(|batch| {
            let mut texts: Vec<_> =
                batch.texts.into_iter().map(text).collect::<Result<_, Error>>()?;
            if let Some(begin) = batch.begin {
                let original = texts.iter_mut().find(|text| text.text == TextView::Original);
                original.into_iter().for_each(|text| text.input.tokens = begin.clone());
            }
            let seed = split_seed(passes.seed, batch.number);
            Ok(DeviceBatch { seed, language: batch.language, texts, links: batch.links })
        });
        let batches: Vec<_> = batches.collect::<Result<_, Error>>()?;
        Ok(Self {
            passes,
            values: vec![None; batches.len()],
            batches,
            keys: Vec::new(),
            importances: Vec::new(),
            compares: false,
            cosine: None,
            sampled: None,
        })
    }

    /// Has the gradients of the task and of text without labels made apart, so that their cosine is known.
    pub(super) fn comparing(mut self) -> Self {
        let of_pairs: Vec<_> = self.passes.needs.iter().map(Needs::is_unlabeled).collect();
        self.compares = of_pairs.contains(&true) && of_pairs.contains(&false);
        self
    }

    /// Keeps what a batch gave when it was first asked; returns its gradients.
    fn note(&mut self, batch: usize, of_batch: OfBatch) -> Gradients {
        if self.values[batch].is_none() {
            let values = of_batch.values.into_iter().map(Option::unwrap_or_default);
            self.values[batch] = Some(values.collect());
            self.keys.extend(of_batch.keys);
            let language = self.batches[batch].language;
            self.importances.extend(of_batch.importance.map(|found| (language, found)));
        }
        of_batch.gradients
    }

    /// The value of each objective for each batch; none for a batch that was not asked.
    pub(super) fn values(&self) -> &[Option<Vec<f64>>] {
        &self.values
    }

    /// The mean of each objective over the batches that were asked.
    pub(super) fn losses(&self) -> Vec<f64> {
        let asked: Vec<_> = self.values.iter().flatten().collect();
        let mut losses = vec![0.0; self.passes.objectives.len()];
        for values in &asked {
            for (sum, value) in losses.iter_mut().zip(*values) {
                *sum += value / asked.len() as f64;
            }
        }
        losses
    }

    /// The keys of the batches' pairs, without a loss.
    pub(super) fn keys_alone(&self, model: &Model) -> Result<Vec<Tensor<2>>, Error> {
        let mut keys = Vec::new();
        for batch in &self.batches {
            let (input, _) = self.run(model, batch, None, |view| view.role == Role::Momentum)?;
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
        mask: Option<&SubnetworkMask>,
        wanted: impl Fn(&View) -> bool,
    ) -> Result<(StepInput, Vec<Model>), Error> {
        let embedded = self.passes.shares_embeddings().then(|| self.embed(model, batch, &wanted));
        let (mut outputs, mut noised_models, mut sentences) = (Vec::new(), Vec::new(), Vec::new());
        let groups = self.passes.groups.iter().filter(|group| wanted(&group[0]));
        for group in groups {
            let first = group[0];
            let at = batch.place(first.text);
            let text = &batch.texts[at];
            let pass = self.passes.pass_through(mask, batch.seed, &first);
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
        let mut embedded = model.encoder.embed_token_batches(&some).into_iter();
        ids.iter().map(|ids| ids.as_ref().and_then(|_| embedded.next())).collect()
    }

    /// The output of a model that is not trained on a text, as constants.
    fn answer(&self, role: Role, text: &DeviceText) -> ModelOutput {
        let input = text.input.clone().without_autodiff();
        let output = self.passes.frozen(role).forward(&input, &ForwardOptions::evaluation());
        ModelOutput {
            hidden_states: output.hidden_states.into_iter().map(Tensor::autodiff).collect(),
            logits: output.logits.autodiff(),
            features: output.features.autodiff(),
            aux_logits: output.aux_logits.into_iter().map(Tensor::autodiff).collect(),
        }
    }

    /// The states of one side of the step's pairs, as constants unless the model is trained.
    pub(super) fn encode(
        &self,
        model: &Model,
        role: Role,
        text: &DeviceText,
        embedded: Option<Tensor<3>>,
        pass: &ForwardOptions,
    ) -> Sentences {
        let mut input = text.input.clone();
        let attention_mask = input.attention_mask.clone();
        let layers = self.passes.attentions(role);
        if role == Role::Student {
            if let Some(embedded) = embedded {
                input.tokens = Tokens::Embeddings(embedded);
            }
            let hidden_states = model.encoder.forward(&input, pass).hidden_states;
            let attentions = attentions(&model.encoder, &hidden_states, &input, &layers);
            return Sentences { hidden_states, attention_mask, attentions };
        }
        if let (Role::Teacher, Some(vectors)) = (role, &text.teacher_vectors) {
            let layer = self.passes.teacher_vectors.as_ref().and_then(|kept| kept.layer);
            return of_vectors(vectors.clone(), layer);
        }
        let frozen = &self.passes.frozen(role).encoder;
        let input = input.without_autodiff();
        let states = frozen.forward(&input, &ForwardOptions::evaluation()).hidden_states;
        let attentions = attentions(frozen, &states, &input, &layers).into_iter();
        Sentences {
            hidden_states: states.into_iter().map(Tensor::autodiff).collect(),
            attention_mask,
            attentions: attentions.map(|(layer, logs)| (layer, logs.autodiff())).collect(),
        }
    }

    /// The gradients of one batch, and the value of each objective.
    fn of_batch(&mut self, model: &Model, number: usize) -> Result<OfBatch, Error> {
        let batch = &self.batches[number];
        if !self.compares {
            return self.gradients_of(model, batch, |_| true);
        }
        // Graphs of their own: a graph can be walked back only once.
        let task = self.gradients_of(model, batch, |needs| !needs.is_unlabeled())?;
        let pairs = self.gradients_of(model, batch, Needs::is_unlabeled)?;
        self.cosine.get_or_insert(task.gradients.cosine(&pairs.gradients));
        let values = task.values.into_iter().zip(pairs.values).map(|(task, pairs)| task.or(pairs));
        Ok(OfBatch {
            gradients: task.gradients.plus(pairs.gradients),
            values: values.collect(),
            keys: pairs.keys,
            importance: task.importance,
        })
    }

    /// The gradients of those objectives that are wanted, and their values.
    fn gradients_of(
        &self,
        model: &Model,
        batch: &DeviceBatch,
        wanted: impl Fn(&Needs) -> bool,
    ) -> Result<OfBatch, Error> {
        let needs = self.passes.needs.iter().filter(|needs| wanted(needs));
        let views: Vec<_> = needs.flat_map(|needs| needs.views.clone()).collect();
        let mask = self.passes.mask_of(batch.language);
        let (input, noised_models) =
            self.run(model, batch, mask.as_ref(), |view| views.contains(view))?;
        let share = 1.0 / self.batches.len() as f64;
        let (mut total, mut chunked, mut keys) = (None, Gradients::default(), Vec::new());
        let mut values = Vec::new();
        for ((weight, objective), needs) in self.passes.objectives.iter().zip(&self.passes.needs) {
            if !wanted(needs) {
                values.push(None);
                continue;
            }
            keys.extend(objective.keys(&input)?);
            if let Some(contrast) = objective.grad_cache() {
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
        let tape = total.filter(Tensor::is_tracked).map(|total| total.backward());
        let measured = mask.filter(|_| self.passes.measures_importance);
        let importance =
            tape.as_ref().zip(measured).and_then(|(tape, mask)| importance(tape, &mask));
        let gradients = tape.map(|tape| Gradients::taken_from(tape, &models)).unwrap_or_default();
        let numbers = Tensor::cat(values.iter().flatten().cloned().collect(), 0).into_data();
        let numbers = numbers.convert::<f64>().try_into_vec::<f64>();
        let mut numbers =
            numbers.expect("the numbers were just converted to this type").into_iter();
        let values = values.iter().map(|value| value.as_ref().and_then(|_| numbers.next()));
        let (gradients, values) = (gradients.plus(chunked), values.collect());
        Ok(OfBatch { gradients, values, keys, importance })
    }
}

/// What one batch gives.
struct OfBatch {
    gradients: Gradients,
    /// By objective; none for those that were not asked for.
    values: Vec<Option<f64>>,
    keys: Vec<Tensor<2>>,
    /// How much each part of the model mattered, if that is to be known.
    importance: Option<Importance>,
}

/// The absolute gradients of a mask.
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

/// Where the tokens look in those of these layers that the encoder has, and that have a head.
fn attentions(
    encoder: &Encoder,
    hidden_states: &[Tensor<3>],
    input: &ModelInput,
    layers: &[usize],
) -> BTreeMap<usize, Tensor<4>> {
    let n_layers = encoder.config().num_hidden_layers;
    let layers = layers.iter().filter(|layer| (1..=n_layers).contains(*layer));
    let logs = layers.filter_map(|layer| {
        let states = hidden_states[layer - 1].clone();
        Some((*layer, encoder.attention_log_probs(layer - 1, states, input)?))
    });
    logs.collect()
}

/// Sentences of which nothing but their vectors in a layer are known: each is the only state of the
/// only token there.
fn of_vectors(vectors: Tensor<2>, layer: Option<usize>) -> Sentences {
    let ([n, width], device) = (vectors.dims(), vectors.device());
    let states = vectors.reshape([n, 1, width]).autodiff();
    Sentences {
        hidden_states: vec![states; layer.unwrap_or_default() + 1],
        attention_mask: Tensor::ones([n, 1], &device).autodiff(),
        attentions: BTreeMap::new(),
    }
}

/// What the language-model head makes of masked tokens.
fn guess(
    model: &Model,
    text: &DeviceText,
    embedded: Option<&Tensor<3>>,
    pass: &ForwardOptions,
) -> ModelOutput {
    let mut input = text.input.clone();
    if let Some(embedded) = embedded {
        input.tokens = Tokens::Embeddings(embedded.clone());
    }
    let device = input.attention_mask.device();
    let Some(places) = text.masked.clone() else {
        let nothing = Tensor::zeros([1, 1], &device);
        let (logits, features) = (nothing.clone(), nothing);
        return ModelOutput { hidden_states: Vec::new(), logits, features, aux_logits: Vec::new() };
    };
    let encoded = model.encoder.forward(&input, pass);
    let features = encoded.states_at(places);
    let logits = model.masked_lm_logits(features.clone());
    let hidden_states = encoded.hidden_states;
    ModelOutput { hidden_states, logits, features, aux_logits: Vec::new() }
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

impl GradientSource<Error> for StepGradients<'_> {
    fn gradients(&mut self, model: &Model) -> Result<Gradients, Error> {
        let mut gradients = Gradients::default();
        for number in 0..self.batches.len() {
            let of_batch = self.of_batch(model, number)?;
            gradients = gradients.plus(self.note(number, of_batch));
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
        let of_batch = self.of_batch(model, batch)?;
        let n_batches = self.batches.len() as f64;
        Ok(self.note(batch, of_batch).scaled(n_batches))
    }

    fn sampled_gradients(&mut self, model: &Model) -> Result<Gradients, Error> {
        let mut gradients = Gradients::default();
        let mut drawn = self.sampled.take().unwrap_or_default();
        for (index, batch) in self.batches.iter().enumerate() {
            let text = &batch.texts[0];
            let mask = self.passes.mask_of(batch.language);
            let pass = self.passes.pass_through(mask.as_ref(), batch.seed, &View::ORIGINAL);
            let logits = model.forward(&text.input, &pass).logits;
            if drawn.len() == index {
                let seed = split_seed(batch.seed, draws::LABELS);
                let mut labels = sample_labels(logits.clone(), seed);
                for (label, counted) in labels.iter_mut().zip(&text.counted) {
                    if !counted {
                        *label = IGNORE_INDEX;
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
