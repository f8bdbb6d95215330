//! Bracket notation of spans, as in CoNLL-2012 and OntoNotes: `(PER*`, `*`, `*)`, `(PER)`.
//!
//! # Source
//! Pradhan et al. 2012, CoNLL-2012 shared task, the column of named entities.

use crate::source::Source;
use crate::{LineProblem, TextError};

/// Parsed bracket tag: the type of the span that begins here, and whether one ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BracketTag<'a> {
    begins: Option<&'a str>,
    ends: bool,
}

impl<'a> BracketTag<'a> {
    fn parse(tag: &'a str) -> Option<Self> {
        let (inner, ends) = match tag.strip_suffix(')') {
            Some(inner) => (inner, true),
            None => (tag, false),
        };
        let Some(begun) = inner.strip_prefix('(') else {
            return (inner == "*").then_some(Self { begins: None, ends });
        };
        // A star may be missing only where the span ends at once.
        let name = match begun.strip_suffix('*') {
            Some(name) => name,
            None if ends => begun,
            None => return None,
        };
        let is_name = !name.is_empty() && !name.contains(['(', ')', '*']);
        is_name.then_some(Self { begins: Some(name), ends })
    }
}

/// Whether a tag is in bracket notation.
pub(super) fn is_bracket_tag(tag: &str) -> bool {
    BracketTag::parse(tag).is_some()
}

/// Converts the bracket tags of a sentence to BIO; spans that overlap, or that begin or end in
/// another sentence, are errors.
pub(super) fn brackets_to_bio(
    source: &Source,
    tags: &[String],
    lines: &[usize],
) -> Result<Vec<String>, TextError> {
    let refuse = |line: usize, tag: &str| {
        source.fault(line, LineProblem::InvalidBracket { tag: tag.to_owned() })
    };
    let mut bio = Vec::with_capacity(tags.len());
    let mut open: Option<(&str, usize, &str)> = None;
    for (tag, line) in tags.iter().zip(lines) {
        let parsed = BracketTag::parse(tag).ok_or_else(|| refuse(*line, tag))?;
        bio.push(match (parsed.begins, open) {
            (Some(_), Some(_)) => return Err(refuse(*line, tag)),
            (Some(name), None) => {
                open = Some((name, *line, tag));
                format!("B-{name}")
            }
            (None, Some((name, ..))) => format!("I-{name}"),
            (None, None) if parsed.ends => return Err(refuse(*line, tag)),
            (None, None) => "O".to_owned(),
        });
        if parsed.ends {
            open = None;
        }
    }
    match open {
        Some((_, line, tag)) => Err(refuse(line, tag)),
        None => Ok(bio),
    }
}
