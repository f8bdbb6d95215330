//! The features of one example.

use std::ops::Range;

use crate::tokenizer::Encoder;
use crate::{
    Bio, Content, Encoded, Example, Features, IGNORE_INDEX, LabelSet, TagUnits, Target, TextError,
    bio_labels, whitespace_words,
};

/// The features of one example, and what only its text can tell.
pub(crate) struct Featured {
    pub(crate) features: Features,
    /// The places of the tokens of the first text; all tokens where the text was given as words.
    pub(crate) first_text: Range<usize>,
    /// The number of tagged words that no token stands for.
    pub(crate) n_words_lost: usize,
}

/// What [`featurize_classification`](crate::featurize_classification) does with each example.
pub(crate) fn classification(
    encoder: Encoder<'_>,
    example: &Example,
    labels: Option<&LabelSet>,
    max_length: usize,
) -> Result<Featured, TextError> {
    let ((input, first_text), label) = match &example.content {
        Content::Text { text, pair, label, .. } => {
            (encoder.encode(text, pair.as_deref(), max_length)?, label.as_deref())
        }
        Content::Words { words, .. } => (all(encoder.encode_words(words, max_length)?), None),
        Content::Tree(sentence) => {
            (all(encoder.encode_words(&sentence.forms(), max_length)?), None)
        }
    };
    let target = match (labels, label) {
        (None, _) => Target::None,
        (Some(labels), Some(label)) => Target::Class(known(labels, label, example)?),
        (Some(_), None) => {
            return Err(TextError::MissingField {
                path: example.origin.path.to_path_buf(),
                line: example.origin.line,
                field: "label".into(),
                nearest: None,
            });
        }
    };
    Ok(Featured { features: Features { input, target }, first_text, n_words_lost: 0 })
}

/// What [`featurize_tagging`](crate::featurize_tagging) does with each example.
pub(crate) fn tagging(
    encoder: Encoder<'_>,
    example: &Example,
    labels: Option<&LabelSet>,
    units: TagUnits,
    max_length: usize,
) -> Result<Featured, TextError> {
    let from_words = |words: &[String], tags: &[String]| {
        let (input, first_text) = all(encoder.encode_words(words, max_length)?);
        let (target, n_words_lost) = match labels {
            None => (Target::None, 0),
            Some(labels) => tag_words(&input, tags, units, |tag| known(labels, tag, example))?,
        };
        Ok(Featured { features: Features { input, target }, first_text, n_words_lost })
    };
    match (&example.content, units) {
        (Content::Words { words, tags }, _) => from_words(words, tags),
        (Content::Tree(sentence), _) => {
            let tags: Vec<String> = sentence.words().iter().map(|word| word.upos.clone()).collect();
            from_words(&sentence.forms(), &tags)
        }
        (Content::Text { text, slots, .. }, TagUnits::Word) => {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            let tags: Vec<String> =
                bio_labels(&whitespace_words(text), slots).iter().map(Bio::to_string).collect();
            from_words(&words, &tags)
        }
        (Content::Text { text, slots, .. }, TagUnits::Subword) => {
            let (input, first_text) = encoder.encode(text, None, max_length)?;
            let target = match labels {
                None => Target::None,
                Some(labels) => {
                    let spans = encoder.tokenizer().spans(&input, text);
                    let tags = bio_labels(&spans, slots);
                    let label = |(&(start, end), tag): (&(usize, usize), &Bio)| {
                        if start == end {
                            Ok(IGNORE_INDEX)
                        } else {
                            known(labels, &tag.to_string(), example).map(token_label)
                        }
                    };
                    Target::Tokens(spans.iter().zip(&tags).map(label).collect::<Result<_, _>>()?)
                }
            };
            Ok(Featured { features: Features { input, target }, first_text, n_words_lost: 0 })
        }
    }
}

/// The labels of words with tags, and the number of words that no token stands for.
fn tag_words(
    input: &Encoded,
    tags: &[String],
    units: TagUnits,
    id: impl Fn(&str) -> Result<u32, TextError>,
) -> Result<(Target, usize), TextError> {
    let ids = tags.iter().map(|tag| id(tag).map(token_label)).collect::<Result<Vec<_>, _>>()?;
    let mut target = vec![IGNORE_INDEX; input.len()];
    if units == TagUnits::Subword {
        for (label, word) in target.iter_mut().zip(&input.word_ids) {
            let Some(tag) = word.and_then(|word| tags.get(usize::try_from(word).ok()?)) else {
                continue;
            };
            *label = match tag.parse() {
                Ok(Bio::Begin(name)) => token_label(id(&Bio::Inside(name).to_string())?),
                _ => token_label(id(tag)?),
            };
        }
    }
    let mut n_words_lost = 0;
    for (first, label) in input.first_subwords(tags.len()).into_iter().zip(ids) {
        match first.and_then(|first| target.get_mut(first)) {
            Some(place) => *place = label,
            None => n_words_lost += 1,
        }
    }
    Ok((Target::Tokens(target), n_words_lost))
}

/// Tokens that all belong to the first text.
fn all(input: Encoded) -> (Encoded, Range<usize>) {
    let n_tokens = input.len();
    (input, 0..n_tokens)
}

/// The id of a label, or the error that names the example.
fn known(labels: &LabelSet, label: &str, example: &Example) -> Result<u32, TextError> {
    labels.id(label).ok_or_else(|| TextError::UnknownLabel {
        path: example.origin.path.to_path_buf(),
        line: example.origin.line,
        label: label.to_owned(),
        nearest: labels.nearest(label),
    })
}

pub(super) fn token_label(id: u32) -> i32 {
    i32::try_from(id).expect("label names fit in memory, so their ids fit in i32")
}
