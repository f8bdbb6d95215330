//! Forward passes of a batch: one for every view that the objectives read.

use std::borrow::Cow;

use burn::tensor::Tensor;
use isogloss_kernels::split_seed;
use isogloss_methods::{
    PairInput, Role, StepInput, TokenLeaves, View, ViewOutput, with_random_signs,
};
use isogloss_model::{ForwardOptions, Model, ModelOutput, SubnetworkMask};

use super::context::StepContext;
use super::device_batch::{DeviceBatch, DeviceText};
use super::embedding_noise::{NOISE_DRAWS, add_noise};

/// Random stream of the weight noise of a batch; the dropout of its passes has the numbers from 1.
const WEIGHT_DRAWS: u64 = u64::MAX - 1;

/// Outputs of the forward passes of a batch.
pub(super) struct Forward {
    pub(super) input: StepInput,
    /// The models with weight noise that were run; their gradients are added to those of the model.
    pub(super) noised_models: Vec<Model>,
    /// The token embeddings, if their gradient is sparse.
    pub(super) leaves: Option<TokenLeaves>,
}

impl StepContext {
    /// Runs the forward passes of the wanted views of a batch.
    pub(super) fn forward(
        &self,
        model: &Model,
        batch: &DeviceBatch,
        mask: Option<&SubnetworkMask>,
        wanted: impl Fn(&View) -> bool,
    ) -> Forward {
        let (embedded, leaves) = self.embed(model, batch, &wanted);
        let (mut outputs, mut noised_models, mut sentences) = (Vec::new(), Vec::new(), Vec::new());
        for group in self.plan.groups().iter().filter(|group| group.iter().any(&wanted)) {
            let view = group[0];
            let text_idx = batch.text_idx(view.text);
            let text = &batch.texts[text_idx];
            let options = self.masked_forward_options(mask, batch.seed, &view);
            let embedded = embedded[text_idx].as_ref();
            if view.text.is_side() {
                let encoded = self.encode_sentences(model, view.role, text, embedded, &options);
                sentences.push((view, encoded));
                continue;
            }
            let of_group = if view.text.is_masked() {
                vec![predict_masked(model, text, embedded, &options)]
            } else if view.role != Role::Student {
                let mask = mask.filter(|_| view.text.is_of_task());
                vec![self.reference_output(view.role, text, batch.language, mask)]
            } else if let Some(scale) = view.weight_noise {
                let seed = split_seed(batch.seed, WEIGHT_DRAWS);
                let noised = with_random_signs(model.clone(), scale, seed);
                let output = noised.forward(&text.input_with(embedded), &options);
                noised_models.push(noised);
                vec![output]
            } else {
                forward_group(model, batch, text, embedded, group, &options)
            };
            for (view, output) in group.iter().zip(of_group) {
                let (targets, units) = (text.targets.clone(), text.units.clone());
                outputs.push((*view, ViewOutput { output, targets, units }));
            }
        }
        let pairs = PairInput {
            sentences,
            links: batch.links.clone(),
            projections: self.projections(model),
            sample_size: self.plan.sample_text().map(|text| batch.sample_size(text)),
        };
        let input = self.states.add_to(StepInput::new(outputs).with_pairs(pairs));
        Forward { input, noised_models, leaves }
    }

    /// Token embeddings of every text that the trained model reads, by the text's index in the
    /// batch, and the leaves that they are if their gradient is sparse. A text without them is
    /// looked up in its pass.
    fn embed(
        &self,
        model: &Model,
        batch: &DeviceBatch,
        wanted: impl Fn(&View) -> bool,
    ) -> (Vec<Option<Tensor<3>>>, Option<TokenLeaves>) {
        let views = self.plan.groups().iter().flatten();
        let read: Vec<_> =
            views.filter(|view| wanted(view) && view.role == Role::Student).collect();
        let is_read = |text: &DeviceText| read.iter().any(|view| view.text == text.text);
        let ids_by_text = batch.texts.iter().map(|text| text.ids().filter(|_| is_read(text)));
        let ids_by_text: Vec<_> = ids_by_text.collect();
        let read = || ids_by_text.iter().flatten();
        let leaves = self.token_leaves(model, read());
        let embedded = match &leaves {
            Some(leaves) => leaves.embeddings().to_vec(),
            None if self.plan.shares_embeddings() && read().next().is_some() => {
                let ids: Vec<_> = read().map(|ids| ids.on_device.clone()).collect();
                model.encoder.embed_token_batches(&ids)
            }
            None => Vec::new(),
        };
        let mut embedded = embedded.into_iter();
        let of_texts = ids_by_text.iter().map(|ids| ids.as_ref().and_then(|_| embedded.next()));
        (of_texts.collect(), leaves)
    }

    /// Output of a reference model for a text, as constants.
    fn reference_output(
        &self,
        role: Role,
        text: &DeviceText,
        source: usize,
        mask: Option<&SubnetworkMask>,
    ) -> ModelOutput {
        let input = text.input.clone().without_autodiff();
        let model = match (role, self.reference_model(role)) {
            (Role::Momentum, average) => self.for_source(average, source),
            (_, model) => Cow::Borrowed(model),
        };
        let output = model.forward(&input, &self.reference_options(role, mask));
        ModelOutput {
            hidden_states: output.hidden_states.into_iter().map(Tensor::autodiff).collect(),
            logits: output.logits.autodiff(),
            bias: output.bias.map(Tensor::autodiff),
            features: output.features.autodiff(),
            aux_logits: output.aux_logits.into_iter().map(Tensor::autodiff).collect(),
        }
    }
}

/// Forward pass of a group of views, which run as one batch.
fn forward_group(
    model: &Model,
    batch: &DeviceBatch,
    text: &DeviceText,
    embedded: Option<&Tensor<3>>,
    group: &[View],
    options: &ForwardOptions,
) -> Vec<ModelOutput> {
    let Some(embedded) = embedded else { return vec![model.forward(&text.input, options)] };
    let seed = split_seed(batch.seed, NOISE_DRAWS);
    let embeddings = group.iter().map(|view| match view.noise {
        Some(noise) => add_noise(embedded.clone().detach(), noise, seed),
        None => embedded.clone(),
    });
    let embeddings = match <[Tensor<3>; 1]>::try_from(embeddings.collect::<Vec<_>>()) {
        Ok([only]) => return vec![model.forward(&text.input.with_embeddings(only), options)],
        Err(several) => several,
    };
    let input = text.input.repeated(embeddings);
    model.forward(&input, options).split(group.len())
}

/// Masked language modelling: the logits of the language-model head for the masked tokens.
fn predict_masked(
    model: &Model,
    text: &DeviceText,
    embedded: Option<&Tensor<3>>,
    options: &ForwardOptions,
) -> ModelOutput {
    let input = text.input_with(embedded);
    let device = input.attention_mask.device();
    let Some(positions) = text.masked.clone() else {
        let nothing = Tensor::zeros([1, 1], &device);
        let (logits, features) = (nothing.clone(), nothing);
        let (hidden_states, aux_logits) = (Vec::new(), Vec::new());
        return ModelOutput { hidden_states, logits, bias: None, features, aux_logits };
    };
    let encoded = model.encoder.forward(&input, options);
    let features = encoded.states_at(positions);
    let logits = model.masked_lm_logits(features.clone());
    let hidden_states = encoded.hidden_states;
    ModelOutput { hidden_states, logits, bias: None, features, aux_logits: Vec::new() }
}
