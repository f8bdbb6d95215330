//! Word alignment of the pairs of a batch by the model that is trained, as it is at that step.

use burn::module::Module;
use isogloss_methods::WordLinks;
use isogloss_model::{ForwardOptions, Model, ModelInput};
use isogloss_text::SentencePair;

use super::batch::batch_links;
use crate::data::pairs::trained_links;
use crate::tools::word_aligner::WordStates;
use crate::{EncoderAligner, Error};

/// Aligns the words of a batch's pairs, left and right, by the model's hidden states, without dropout and without a
/// gradient; of the links, those that are trained on.
///
/// # Errors
/// If a hidden state is not a number.
pub(super) fn align_words(
    aligner: &EncoderAligner,
    model: &Model,
    [left, right]: [&ModelInput; 2],
    words: WordLinks,
    pairs: &[SentencePair],
) -> Result<WordLinks, Error> {
    let encoder = model.encoder.valid().truncated(aligner.layer);
    let states = |input: &ModelInput| {
        let input = input.clone().without_autodiff();
        let encoded = encoder.forward(&input, &ForwardOptions::evaluation());
        let states = encoded.last_hidden_state();
        let shape = states.dims();
        let states = states.into_data().convert::<f32>().try_into_vec::<f32>();
        (states.expect("the numbers were just converted to this type"), shape)
    };
    let side = |input, words| {
        let (states, shape) = states(input);
        WordStates { words, states, shape }
    };
    let (left, right) = (side(left, &words.left_words), side(right, &words.right_words));
    let found = aligner.align_states(&left, &right)?;
    let found: Vec<_> = found.iter().zip(pairs).map(|(of, pair)| trained_links(of, pair)).collect();
    Ok(batch_links(words, found.iter()))
}
