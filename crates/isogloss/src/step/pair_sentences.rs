//! Encoding of sentence pairs: the hidden states and attention maps of one side.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use isogloss_methods::{Role, Sentences};
use isogloss_model::{Encoder, ForwardOptions, Model, ModelInput};

use super::context::StepContext;
use super::device_batch::DeviceText;

impl StepContext {
    /// Encodes one side of the step's pairs; the output is constant unless the model is the trained
    /// one.
    pub(super) fn encode_sentences(
        &self,
        model: &Model,
        role: Role,
        text: &DeviceText,
        embedded: Option<&Tensor<3>>,
        options: &ForwardOptions,
    ) -> Sentences {
        let attention_mask = text.input.attention_mask.clone();
        let layers = self.plan.attention_maps(role);
        if role == Role::Student {
            let input = text.input_with(embedded);
            let hidden_states = model.encoder.forward(&input, options).hidden_states;
            let attentions = attention_maps(&model.encoder, &hidden_states, &input, &layers);
            return Sentences { hidden_states, attention_mask, attentions };
        }
        if let (Role::Teacher, Some(embeddings)) = (role, &text.teacher_embeddings) {
            let layer = self.models.teacher_cache.as_ref().and_then(|cache| cache.layer());
            return cached_sentences(embeddings.clone(), layer);
        }
        let encoder = &self.reference_model(role).encoder;
        let input = text.input.clone().without_autodiff();
        let states = encoder.forward(&input, &ForwardOptions::evaluation()).hidden_states;
        let attentions = attention_maps(encoder, &states, &input, &layers).into_iter();
        Sentences {
            hidden_states: states.into_iter().map(Tensor::autodiff).collect(),
            attention_mask,
            attentions: attentions.map(|(layer, logs)| (layer, logs.autodiff())).collect(),
        }
    }
}

/// Attention maps of these layers, except layers that the encoder lacks or that have no head.
fn attention_maps(
    encoder: &Encoder,
    hidden_states: &[Tensor<3>],
    input: &ModelInput,
    layers: &[usize],
) -> BTreeMap<usize, Tensor<4>> {
    let n_layers = encoder.config().num_hidden_layers;
    let layers = layers.iter().filter(|layer| (1..=n_layers).contains(*layer));
    let maps = layers.filter_map(|layer| {
        let states = hidden_states[layer - 1].clone();
        Some((*layer, encoder.attention_log_probs(layer - 1, states, input)?))
    });
    maps.collect()
}

/// Wraps cached embeddings of a layer as sentences: each embedding is the hidden state of a single
/// token.
fn cached_sentences(embeddings: Tensor<2>, layer: Option<usize>) -> Sentences {
    let ([n, width], device) = (embeddings.dims(), embeddings.device());
    let states = embeddings.reshape([n, 1, width]).autodiff();
    Sentences {
        hidden_states: vec![states; layer.unwrap_or_default() + 1],
        attention_mask: Tensor::ones([n, 1], &device).autodiff(),
        attentions: BTreeMap::new(),
    }
}
