//! Check of a trimmed or pruned model: its hidden states against those of the whole model.

use std::path::Path;

use burn::tensor::Device;
use isogloss_model::{Encoder, ForwardOptions, HeadChoice, load};
use isogloss_text::{Encoded, TextError, Tokenizer, TokenizerInput};
use serde::Serialize;

use crate::Error;
use crate::ground::device::{DeviceChoice, open};
use crate::ground::tensors::host_values;

/// Check of a trimmed or pruned model: its hidden states against those of the whole model, on texts
/// that both tokenize alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StateCheck {
    /// The number of texts compared; 0 in a build without a CPU device.
    pub n_texts: usize,
    /// The largest absolute difference between two values.
    pub largest_difference: f32,
}

/// The CPU device, since a whole embedding matrix may be larger than the buffers of a GPU; `None`
/// in a build without such a device.
pub(super) fn cpu() -> Option<Device> {
    let choices = [DeviceChoice::Flex, DeviceChoice::Ndarray];
    choices.into_iter().find_map(|choice| open(choice).ok()).map(|opened| opened.device)
}

/// Loads the encoder of a model folder.
pub(super) fn load_encoder(folder: &Path, device: &Device) -> Result<Encoder, Error> {
    Ok(load(folder, &HeadChoice::Without, device)?.model.encoder)
}

/// At most `n` texts, evenly spaced.
pub(super) fn spaced<'i, 't>(
    texts: &'i [TokenizerInput<'t>],
    n: usize,
) -> impl Iterator<Item = &'i TokenizerInput<'t>> {
    let every = texts.len().div_ceil(n.max(1)).max(1);
    texts.iter().step_by(every).take(n)
}

/// Tokenizes a text.
pub(super) fn encode(
    tokenizer: &Tokenizer,
    text: &TokenizerInput<'_>,
    max_length: usize,
) -> Result<Encoded, TextError> {
    match text {
        TokenizerInput::Text(text) => tokenizer.encode(text, None, max_length),
        TokenizerInput::Words(words) => tokenizer.encode_words(words, max_length),
    }
}

/// The hidden states of one text, layer by layer.
pub(super) fn hidden_states(
    encoder: &Encoder,
    input_ids: &[i32],
    token_type_ids: &[i32],
    options: &ForwardOptions,
    device: &Device,
) -> Result<Vec<Vec<f32>>, Error> {
    let (config, n_tokens) = (encoder.config(), input_ids.len());
    let input = config
        .input(input_ids, &vec![1; n_tokens], token_type_ids, n_tokens, device)
        .map_err(|source| Error::Input { path: "tokenizer.json".into(), source })?;
    let states = encoder.forward(&input, options).hidden_states.into_iter();
    let shape = [n_tokens, config.hidden_size];
    Ok(states.map(|states| host_values(states.reshape(shape))).collect())
}
