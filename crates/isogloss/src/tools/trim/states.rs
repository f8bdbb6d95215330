//! Whether a smaller model has the hidden states of the whole one.

use std::path::Path;

use burn::tensor::Device;
use isogloss_model::{Encoder, ForwardOptions, HeadChoice, load};
use isogloss_text::{Encoded, Tokenizer, TokenizerInput};
use serde::Serialize;

use crate::Error;
use crate::ground::device::{DeviceChoice, open};
use crate::ground::tensors::host_values;

/// Hidden states of a smaller model beside those of the whole one, for texts that both cut alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StateCheck {
    /// The number of texts; none in a build without a processor's device.
    pub n_texts: usize,
    /// The largest difference between two numbers.
    pub largest_difference: f32,
}

/// A folder and its tokenizer.
type Model<'a> = (&'a Path, &'a Tokenizer);

impl StateCheck {
    /// Compares at most `n` texts, evenly spaced; `kept` holds the former id of each new one.
    pub(super) fn new(
        [whole, smaller]: [Model<'_>; 2],
        kept: &[u32],
        texts: &[TokenizerInput<'_>],
        n: usize,
    ) -> Result<Self, Error> {
        let Some(device) = processor() else { return Ok(Self::default()) };
        let encoder = |(folder, _): Model<'_>| {
            load(folder, &HeadChoice::Without, &device).map(|loaded| loaded.model.encoder)
        };
        let encoders = [encoder(whole)?, encoder(smaller)?];
        let mut check = Self::default();
        let every = texts.len().div_ceil(n.max(1)).max(1);
        for text in texts.iter().step_by(every).take(n) {
            let max_length = encoders[0].config().max_tokens();
            let [before, after] = [whole, smaller].map(|(_, tokenizer)| match text {
                TokenizerInput::Text(text) => tokenizer.encode(text, None, max_length),
                TokenizerInput::Words(words) => tokenizer.encode_words(words, max_length),
            });
            let (before, after) = (before?, after?);
            let former = after.ids.iter().map(|id| kept.get(*id as usize));
            if !former.eq(before.ids.iter().map(Some)) {
                continue;
            }
            let before = hidden_states(&encoders[0], &before, &device)?;
            let after = hidden_states(&encoders[1], &after, &device)?;
            let differences = before.iter().zip(&after).map(|(a, b)| (a - b).abs());
            check.largest_difference = differences.fold(check.largest_difference, f32::max);
            check.n_texts += 1;
        }
        Ok(check)
    }
}

/// The device of the processor, since a whole token table may be larger than the buffers of a GPU; none in
/// a build without one.
pub(crate) fn processor() -> Option<Device> {
    let processors = [DeviceChoice::Flex, DeviceChoice::Ndarray];
    processors.into_iter().find_map(|choice| open(choice).ok()).map(|opened| opened.device)
}

/// The last hidden states of a text.
fn hidden_states(encoder: &Encoder, text: &Encoded, device: &Device) -> Result<Vec<f32>, Error> {
    let integers = |ids: &[u32]| ids.iter().map(|id| id.cast_signed()).collect::<Vec<i32>>();
    let (config, n_tokens) = (encoder.config(), text.len());
    let input = config
        .input(
            &integers(&text.ids),
            &vec![1; n_tokens],
            &integers(&text.type_ids),
            n_tokens,
            device,
        )
        .map_err(|source| Error::Input { path: "tokenizer.json".into(), source })?;
    let states = encoder.forward(&input, &ForwardOptions::evaluation()).last_hidden_state();
    Ok(host_values(states.reshape([n_tokens, config.hidden_size])))
}
