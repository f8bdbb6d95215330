//! Check of vocabulary trimming: the trimmed model has the hidden states of the whole model.

use std::path::Path;

use isogloss_model::ForwardOptions;
use isogloss_text::{Tokenizer, TokenizerInput};

use crate::Error;
use crate::tools::state_check::{StateCheck, cpu, encode, hidden_states, load_encoder, spaced};

/// A model folder and its tokenizer.
type Model<'a> = (&'a Path, &'a Tokenizer);

/// Compares the last hidden states of at most `n` texts, evenly spaced; skips texts that the two
/// tokenizers segment differently. `kept` holds the former id of each new one.
pub(super) fn compare_states(
    [whole, smaller]: [Model<'_>; 2],
    kept: &[u32],
    texts: &[TokenizerInput<'_>],
    n: usize,
) -> Result<StateCheck, Error> {
    let Some(device) = cpu() else { return Ok(StateCheck::default()) };
    let encoders = [load_encoder(whole.0, &device)?, load_encoder(smaller.0, &device)?];
    let max_length = encoders[0].config().max_tokens();
    let mut check = StateCheck::default();
    for text in spaced(texts, n) {
        let before = encode(whole.1, text, max_length)?;
        let after = encode(smaller.1, text, max_length)?;
        let former = after.ids.iter().map(|id| kept.get(*id as usize));
        if !former.eq(before.ids.iter().map(Some)) {
            continue;
        }
        let integers = |ids: &[u32]| ids.iter().map(|id| id.cast_signed()).collect::<Vec<i32>>();
        let options = ForwardOptions::evaluation();
        let [before, after] =
            [(&encoders[0], before), (&encoders[1], after)].map(|(encoder, text)| {
                let (ids, types) = (integers(&text.ids), integers(&text.type_ids));
                let mut layers = hidden_states(encoder, &ids, &types, &options, &device)?;
                Ok::<_, Error>(layers.pop().unwrap_or_default())
            });
        let (before, after) = (before?, after?);
        let differences = before.iter().zip(&after).map(|(a, b)| (a - b).abs());
        check.largest_difference = differences.fold(check.largest_difference, f32::max);
        check.n_texts += 1;
    }
    Ok(check)
}
