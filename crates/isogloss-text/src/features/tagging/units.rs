//! Token labels of an example for token classification: its units, with and without a token, in the tag
//! scheme of the label set.

use crate::features::featurize::token_label;
use crate::{
    Bio, Encoded, IGNORE_INDEX, LostWord, Slot, TagScheme, Target, TextError, TruncationSide,
    bio_labels, is_tagged,
};

/// Labels of the units of an example.
#[derive(Default)]
pub(super) struct TaggedUnits {
    /// The label of each token.
    pub(super) target: Target,
    /// The units without a token.
    pub(super) lost: Vec<LostWord>,
    /// How many of these are spans without a unit of their own.
    pub(super) n_untagged: usize,
}

/// Token labels of running text, and the parts of its slots without a token; BIO tags are converted
/// to the tag scheme of the labels.
pub(super) fn tag_spans(
    text: &str,
    spans: &[(usize, usize)],
    slots: &[Slot],
    input: &Encoded,
    scheme: TagScheme,
    id: impl Fn(&str) -> Result<u32, TextError>,
) -> Result<TaggedUnits, TextError> {
    let mut tags = bio_labels(spans, slots);
    let mut untagged = Vec::new();
    let texts = || spans.iter().filter(|(start, end)| start < end);
    let n_covered = texts().map(|&(_, end)| end).max().unwrap_or_default();
    let from = texts().map(|&(start, _)| start).min().unwrap_or(usize::MAX);
    let is_left = input.truncation_side == TruncationSide::Left;
    let mut lost = Vec::new();
    for (slot, is_tagged) in slots.iter().zip(is_tagged(spans, slots)) {
        let is_covered =
            spans.iter().any(|&(start, end)| start.max(slot.start) < end.min(slot.end));
        let is_beyond = if is_left { slot.start < from } else { slot.end > n_covered };
        let is_cut = input.n_truncated > 0 && is_beyond;
        if !is_cut && !is_tagged && (is_covered || is_blank(text, slot)) {
            untagged.push(slot);
        } else if is_cut || !is_covered {
            // The truncated rest of a slot that has tokens continues it, so its tag is `I-`; after
            // a truncated beginning, its first token does.
            let inside = Bio::Inside(slot.name.clone());
            let is_rest = is_covered && !is_left;
            let tag = if is_rest { inside.clone() } else { Bio::Begin(slot.name.clone()) };
            let after = spans.iter().position(|&(start, end)| start < end && start >= slot.start);
            let at = after.filter(|_| is_left || !is_cut).unwrap_or(spans.len());
            if is_left
                && is_cut
                && is_covered
                && let Some(tag) = tags.get_mut(at)
            {
                *tag = inside;
            }
            lost.push(Unit { token: None, lost: Some((at, is_cut)), bio: tag.to_string() });
        }
    }
    let mut units = Vec::new();
    let mut lost = lost.into_iter().peekable();
    for (token, (&(start, end), tag)) in spans.iter().zip(&tags).enumerate() {
        while let Some(unit) = lost.next_if(|unit| {
            unit.lost.is_some_and(|(at, is_cut)| (is_left || !is_cut) && at <= token)
        }) {
            units.push(unit);
        }
        if start < end {
            units.push(Unit { token: Some(token), lost: None, bio: tag.to_string() });
        }
    }
    units.extend(lost);
    label_units(units, &untagged, spans.len(), scheme, id)
}

/// Whether a slot covers white space alone.
fn is_blank(text: &str, slot: &Slot) -> bool {
    text.chars().skip(slot.start).take(slot.end - slot.start).all(char::is_whitespace)
}

/// Token labels of tagged words, on their first subword or on every one, and the words without a
/// token, after which come the `untagged` slots, those of no word; BIO tags of the units are
/// converted to the tag scheme of the labels.
pub(super) fn tag_words(
    input: &Encoded,
    tags: &[String],
    untagged: &[&Slot],
    every_subword: bool,
    scheme: TagScheme,
    id: impl Fn(&str) -> Result<u32, TextError>,
) -> Result<TaggedUnits, TextError> {
    let firsts = input.first_subwords(tags.len());
    let cut = input.cut_words(&firsts);
    let mut all = Vec::new();
    for (word, tag) in tags.iter().enumerate() {
        let Some(first) = firsts[word] else {
            let at = firsts[word..].iter().flatten().next().copied().unwrap_or(input.len());
            all.push(Unit { token: None, lost: Some((at, cut.contains(&word))), bio: tag.clone() });
            continue;
        };
        all.push(Unit { token: Some(first), lost: None, bio: tag.clone() });
        if every_subword {
            let later = match tag.parse() {
                Ok(Bio::Begin(name)) => Bio::Inside(name).to_string(),
                _ => tag.clone(),
            };
            // The tokens of a word follow each other.
            let rest = input.word_ids.iter().enumerate().skip(first + 1);
            let is_of_word =
                |id: &Option<u32>| id.and_then(|id| usize::try_from(id).ok()) == Some(word);
            let rest = rest.take_while(|(_, id)| is_of_word(id));
            all.extend(rest.map(|(token, _)| Unit {
                token: Some(token),
                lost: None,
                bio: later.clone(),
            }));
        }
    }
    label_units(all, untagged, input.len(), scheme, id)
}

/// Tagged unit of an example: a token, or a word or slot without one.
struct Unit {
    /// Its token; `None` if it is lost.
    token: Option<usize>,
    /// Of a lost unit, the token that it would precede, and whether it was truncated.
    lost: Option<(usize, bool)>,
    /// Its BIO tag.
    bio: String,
}

/// Labels of units in the tag scheme of a label set: token labels, and the lost units.
///
/// Slots without a unit of their own count as lost after all units, where they interrupt no span
/// that is predicted.
fn label_units(
    mut units: Vec<Unit>,
    untagged: &[&Slot],
    n_tokens: usize,
    scheme: TagScheme,
    id: impl Fn(&str) -> Result<u32, TextError>,
) -> Result<TaggedUnits, TextError> {
    units.extend(untagged.iter().map(|slot| Unit {
        token: None,
        lost: Some((n_tokens, false)),
        bio: Bio::Begin(slot.name.clone()).to_string(),
    }));
    let bio: Vec<String> = units.iter().map(|unit| unit.bio.clone()).collect();
    let (mut target, mut lost) = (vec![IGNORE_INDEX; n_tokens], Vec::new());
    for (unit, tag) in units.iter().zip(scheme.encode(&bio)) {
        let label = id(&tag)?;
        if let Some(token) = unit.token.and_then(|token| target.get_mut(token)) {
            *token = token_label(label);
        }
        lost.extend(unit.lost.map(|(at, is_cut)| LostWord { at, label, is_cut }));
    }
    Ok(TaggedUnits { target: Target::Tokens(target), lost, n_untagged: untagged.len() })
}
