//! Tag schemes of sequence labeling (BIO, IOB1, BIOES, BILOU, brackets): detection, validation, and
//! conversion to BIO or to the scheme of a model's labels.
//!
//! BIO is IOB2. BIOES is also called IOBES and, with `M-` for `I-`, BMES; BILOU is the same with
//! `L-` and `U-`.
//! Spans are decoded as by conlleval, Tjong Kim Sang & Buchholz 2000, §3.

mod brackets;

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use brackets::{brackets_to_bio, is_bracket_tag};

use crate::source::Source;
use crate::{LineProblem, TextError};

/// Tag scheme of span labels, such as BIO: how the tags of words encode spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagScheme {
    /// Detected from the tags of each file; a file that is in no scheme is an error, which names
    /// the line.
    #[default]
    Detect,
    /// BIO (IOB2): `B-` begins a span, `I-` continues it; an `I-` without a span before it begins
    /// one too.
    Bio,
    /// IOB1: `I-` begins and continues a span, `B-` begins one right after another of its type, as
    /// in CoNLL-2003.
    Iob1,
    /// BIOES (IOBES): `B-`, `I-`, `E-` for the last word, `S-` for a single one.
    Bioes,
    /// BILOU: `B-`, `I-`, `L-` for the last word, `U-` for a single one.
    Bilou,
    /// IO: bare types, as in Few-NERD; neighbours of one type are one span.
    Io,
    /// Brackets, as in CoNLL-2012 and OntoNotes: `(PER*` begins a span, `*)` ends it, `(PER)` is a
    /// single word, `*` any other.
    Brackets,
}

impl TagScheme {
    /// The name of the scheme in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Bio => "bio",
            Self::Iob1 => "iob1",
            Self::Bioes => "bioes",
            Self::Bilou => "bilou",
            Self::Io => "io",
            Self::Brackets => "brackets",
        }
    }

    /// Detects the tag scheme of label names: BIOES, BILOU, or IOB1 if a type has an `I-` and no
    /// `B-`; else BIO.
    pub(crate) fn from_labels(names: &[String]) -> Self {
        let tags: Vec<SpanTag<'_>> = names.iter().filter_map(|name| SpanTag::parse(name)).collect();
        let has = |prefixes: &[char]| tags.iter().any(|tag| prefixes.contains(&tag.prefix));
        let begun: HashSet<&str> =
            tags.iter().filter(|tag| tag.prefix == 'B').map(|tag| tag.name).collect();
        if has(&['E', 'S']) {
            Self::Bioes
        } else if has(&['L', 'U']) {
            Self::Bilou
        } else if tags.iter().any(|tag| tag.prefix == 'I' && !begun.contains(tag.name)) {
            Self::Iob1
        } else {
            Self::Bio
        }
    }

    /// Converts the BIO tags of a sentence to this scheme; other tags are unchanged.
    pub(crate) fn encode(self, bio: &[String]) -> Vec<String> {
        let tags: Vec<Option<SpanTag<'_>>> = bio.iter().map(|tag| SpanTag::parse(tag)).collect();
        let continues = |at: usize, name: &str| matches!(tags.get(at), Some(Some(next)) if next.prefix == 'I' && next.name == name);
        let follows = |at: usize, name: &str| {
            let before = at.checked_sub(1).and_then(|before| tags.get(before).copied().flatten());
            before.is_some_and(|before| before.prefix != 'O' && before.name == name)
        };
        let tag = |(at, tag): (usize, &Option<SpanTag<'_>>)| match tag {
            Some(SpanTag { prefix: prefix @ ('B' | 'I'), name }) => {
                let (begins, ends) = (*prefix == 'B', !continues(at + 1, name));
                let prefix = match (self, begins, ends) {
                    (Self::Bioes, true, true) => 'S',
                    (Self::Bioes, false, true) => 'E',
                    (Self::Bilou, true, true) => 'U',
                    (Self::Bilou, false, true) => 'L',
                    (Self::Iob1, true, _) if !follows(at, name) => 'I',
                    _ => *prefix,
                };
                written(prefix, name)
            }
            _ => bio[at].clone(),
        };
        tags.iter().enumerate().map(tag).collect()
    }
}

/// Whether a tag is a span tag, such as `B-PER`, or `O`.
pub(crate) fn is_span_tag(tag: &str) -> bool {
    SpanTag::parse(tag).is_some()
}

/// Tags of a sentence, with the line number of each.
pub(crate) struct TaggedLines<'a> {
    pub(crate) tags: &'a mut Vec<String>,
    pub(crate) lines: &'a [usize],
}

/// Converts the tags of a file's sentences to BIO.
///
/// # Errors
/// A [`LineProblem`] with the line of the first tag that is not of the scheme, or that contradicts
/// one before it.
pub(crate) fn to_bio(
    source: &Source,
    scheme: TagScheme,
    sentences: &mut [TaggedLines<'_>],
) -> Result<(), TextError> {
    if scheme == TagScheme::Brackets || scheme == TagScheme::Detect && are_brackets(sentences) {
        for sentence in sentences {
            *sentence.tags = brackets_to_bio(source, sentence.tags, sentence.lines)?;
        }
        return Ok(());
    }
    if scheme == TagScheme::Io {
        sentences.iter_mut().for_each(|sentence| bare_to_bio(sentence.tags));
        return Ok(());
    }
    for sentence in sentences.iter() {
        for (tag, line) in sentence.tags.iter().zip(sentence.lines) {
            let allowed = SpanTag::parse(tag).is_some_and(|tag| tag.is_of(scheme));
            if !allowed {
                let (tag, scheme) = (tag.clone(), scheme.name());
                return Err(source.fault(*line, LineProblem::InvalidTag { tag, scheme }));
            }
        }
    }
    if scheme == TagScheme::Detect {
        check_consistent(source, sentences)?;
    }
    for sentence in sentences {
        let parsed = sentence.tags.iter().filter_map(|tag| SpanTag::parse(tag));
        let bio: Vec<String> = Steps::new(parsed)
            .map(|step| match (step.tag.prefix, step.begins) {
                ('O', _) => "O".to_owned(),
                (_, true) => written('B', step.tag.name),
                (_, false) => written('I', step.tag.name),
            })
            .collect();
        *sentence.tags = bio;
    }
    Ok(())
}

/// Whether a file has tags, and all are in bracket notation.
fn are_brackets(sentences: &[TaggedLines<'_>]) -> bool {
    let mut tags = sentences.iter().flat_map(|sentence| sentence.tags.iter());
    tags.clone().next().is_some() && tags.all(|tag| is_bracket_tag(tag))
}

fn bare_to_bio(tags: &mut Vec<String>) {
    let bio = tags.iter().enumerate().map(|(at, tag)| match tag.as_str() {
        "O" => tag.clone(),
        name if at > 0 && tags[at - 1] == *name => written('I', name),
        name => written('B', name),
    });
    *tags = bio.collect();
}

/// Checks that all tags are of the same scheme.
fn check_consistent(source: &Source, sentences: &[TaggedLines<'_>]) -> Result<(), TextError> {
    // The first occurrence of each kind of evidence: the tag and its line.
    let [mut ends, mut lasts, mut begins, mut inside_first] = [None, None, None, None];
    for sentence in sentences {
        let parsed = sentence.tags.iter().filter_map(|tag| SpanTag::parse(tag));
        for ((step, tag), line) in Steps::new(parsed).zip(&*sentence.tags).zip(sentence.lines) {
            let seen = (tag.as_str(), *line);
            match step.tag.prefix {
                'E' | 'S' | 'M' => _ = ends.get_or_insert(seen),
                'L' | 'U' => _ = lasts.get_or_insert(seen),
                'B' if !step.follows_same => _ = begins.get_or_insert(seen),
                'I' if step.begins => _ = inside_first.get_or_insert(seen),
                _ => {}
            }
        }
    }
    for (one, other) in [(ends, lasts), (begins, inside_first)] {
        if let (Some(one), Some(other)) = (one, other) {
            let (first, second) = if one.1 <= other.1 { (one, other) } else { (other, one) };
            return Err(contradiction(source, second, first));
        }
    }
    match ends.or(lasts) {
        Some(closing) => check_closed(source, sentences, closing),
        None => Ok(()),
    }
}

/// Checks, in BIOES and BILOU, that every span ends with an end tag.
fn check_closed(
    source: &Source,
    sentences: &[TaggedLines<'_>],
    closing: (&str, usize),
) -> Result<(), TextError> {
    for sentence in sentences {
        let mut open: Option<(&str, usize, &str)> = None;
        let tags = sentence.tags.iter().map(String::as_str).zip(sentence.lines);
        for (tag, line) in tags.chain([("O", &0)]) {
            let Some(SpanTag { prefix, name }) = SpanTag::parse(tag) else { continue };
            let goes_on = matches!(prefix, 'I' | 'M' | 'E' | 'L');
            match open {
                Some((tag, line, kind)) if !(goes_on && kind == name) => {
                    return Err(contradiction(source, (tag, line), closing));
                }
                None if goes_on => return Err(contradiction(source, (tag, *line), closing)),
                _ => {}
            }
            open = matches!(prefix, 'B' | 'I' | 'M').then_some((tag, *line, name));
        }
    }
    Ok(())
}

fn contradiction(source: &Source, found: (&str, usize), other: (&str, usize)) -> TextError {
    let (tag, line) = found;
    let (other, other_line) = (other.0.to_owned(), other.1);
    let problem = LineProblem::TagContradiction { tag: tag.to_owned(), other, other_line };
    source.fault(line, problem)
}

/// Parsed span tag: the prefix letter and the type, empty for a bare `B` or `I`.
#[derive(Clone, Copy)]
struct SpanTag<'a> {
    prefix: char,
    name: &'a str,
}

impl<'a> SpanTag<'a> {
    fn parse(tag: &'a str) -> Option<Self> {
        let (prefix, name) = match tag.split_once('-') {
            Some((prefix, name)) if !name.is_empty() => (prefix, name),
            None if matches!(tag, "O" | "B" | "I") => (tag, ""),
            _ => return None,
        };
        let letters = if name.is_empty() { "OBI" } else { "BIESMLU" };
        let mut chars = prefix.chars();
        let prefix = chars.next().filter(|letter| letters.contains(*letter))?;
        chars.next().is_none().then_some(Self { prefix, name })
    }

    fn is_of(self, scheme: TagScheme) -> bool {
        match scheme {
            TagScheme::Detect | TagScheme::Io | TagScheme::Brackets => true,
            TagScheme::Bio | TagScheme::Iob1 => "OBI".contains(self.prefix),
            TagScheme::Bioes => "OBIESM".contains(self.prefix),
            TagScheme::Bilou => "OBILU".contains(self.prefix),
        }
    }
}

/// Span tag in the context of the tag before it.
struct Step<'a> {
    tag: SpanTag<'a>,
    /// Whether the tag is the first of its span.
    begins: bool,
    /// Whether the word before is in a span of the same type.
    follows_same: bool,
}

/// Iterator over the tags of a sentence, decoded as by conlleval.
struct Steps<'a, I> {
    tags: I,
    before: Option<SpanTag<'a>>,
}

impl<'a, I: Iterator<Item = SpanTag<'a>>> Steps<'a, I> {
    fn new(tags: I) -> Self {
        Self { tags, before: None }
    }
}

impl<'a, I: Iterator<Item = SpanTag<'a>>> Iterator for Steps<'a, I> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let tag = self.tags.next()?;
        let before = self.before.filter(|before| before.prefix != 'O' && before.name == tag.name);
        let is_open = before.is_some_and(|before| !"ESLU".contains(before.prefix));
        let begins = tag.prefix != 'O' && ("BSU".contains(tag.prefix) || !is_open);
        self.before = Some(tag);
        Some(Step { tag, begins, follows_same: before.is_some() })
    }
}

fn written(prefix: char, name: &str) -> String {
    if name.is_empty() { prefix.to_string() } else { format!("{prefix}-{name}") }
}

#[cfg(test)]
mod tests;
