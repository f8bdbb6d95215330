//! Bracket notation of spans, as in CoNLL-2012 and OntoNotes: `(PER*`, `*`, `*)`, `(PER)`.
//!
//! # Source
//! Pradhan et al. 2012, CoNLL-2012 shared task, the column of named entities.

use super::{TaggedLines, written};
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

/// Whether all tags of a file are bracket tags.
pub(super) fn are_brackets(sentences: &[TaggedLines<'_>]) -> bool {
    let mut tags = sentences.iter().flat_map(|sentence| sentence.tags.iter());
    tags.clone().next().is_some() && tags.all(|tag| BracketTag::parse(tag).is_some())
}

/// Converts bracket tags to BIO; spans that overlap, or that begin or end in another sentence, are
/// errors.
pub(super) fn brackets_to_bio(
    source: &Source,
    sentences: &mut [TaggedLines<'_>],
) -> Result<(), TextError> {
    let refuse = |line: usize, tag: &str| {
        source.fault(line, LineProblem::InvalidBracket { tag: tag.to_owned() })
    };
    for sentence in sentences {
        let mut bio = Vec::with_capacity(sentence.tags.len());
        let mut open: Option<(&str, usize, &str)> = None;
        for (tag, line) in sentence.tags.iter().zip(sentence.lines) {
            let parsed = BracketTag::parse(tag).ok_or_else(|| refuse(*line, tag))?;
            bio.push(match (parsed.begins, open) {
                (Some(_), Some(_)) => return Err(refuse(*line, tag)),
                (Some(name), None) => {
                    open = Some((name, *line, tag));
                    written('B', name)
                }
                (None, Some((name, ..))) => written('I', name),
                (None, None) if parsed.ends => return Err(refuse(*line, tag)),
                (None, None) => "O".to_owned(),
            });
            if parsed.ends {
                open = None;
            }
        }
        if let Some((_, line, tag)) = open {
            return Err(refuse(line, tag));
        }
        *sentence.tags = bio;
    }
    Ok(())
}
