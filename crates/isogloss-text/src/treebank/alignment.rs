//! Word alignment of a gold and a system treebank of the same text, by character spans.
//!
//! Words are aligned as in the evaluation of the CoNLL 2018 shared task (Zeman et al. 2018): a word
//! outside of multiword tokens is aligned with the word of the same character span, and the words
//! of multiword tokens, which have no spans of their own, by the longest common subsequence of
//! their forms.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use crate::TextError;
use crate::treebank::{Sentence, Subtypes, TokenId, Treebank, Word};

/// The number of characters of a text that an error message shows.
const N_SHOWN: usize = 20;

/// Character span `start..end` of a text without spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A treebank as one text, with tokens, words and sentences as character spans.
pub(crate) struct Segmented<'a> {
    path: &'a Arc<Path>,
    /// The characters of all tokens, without spaces.
    chars: Vec<char>,
    pub(crate) tokens: Vec<Span>,
    token_lines: Vec<usize>,
    pub(crate) sentences: Vec<Span>,
    pub(crate) words: Vec<SegmentedWord<'a>>,
}

/// A word and its position in the text and in the tree.
pub(crate) struct SegmentedWord<'a> {
    pub(crate) columns: &'a Word,
    /// The relation without its subtype.
    pub(crate) relation: &'a str,
    /// The index of the head among all words; `None` for a root.
    pub(crate) head: Option<usize>,
    form: Cow<'a, str>,
    /// Its character span; for a word of a multiword token, that of the token.
    span: Span,
    in_multiword: bool,
}

impl<'a> Segmented<'a> {
    /// Concatenates all sentences to one text; their heads must form trees.
    pub(crate) fn new(treebank: &'a Treebank) -> Result<Self, TextError> {
        let mut segmented = Self {
            path: &treebank.path,
            chars: Vec::new(),
            tokens: Vec::new(),
            token_lines: Vec::new(),
            sentences: Vec::new(),
            words: Vec::new(),
        };
        treebank.sentences.iter().try_for_each(|sentence| segmented.push(sentence))?;
        Ok(segmented)
    }

    fn push(&mut self, sentence: &'a Sentence) -> Result<(), TextError> {
        sentence.check_tree()?;
        let start = self.chars.len();
        let n_words = self.words.len();
        let mut multiword: Option<(usize, Span)> = None;
        for (line, row) in sentence.lines() {
            let columns = row.columns;
            match row.id {
                TokenId::Empty(..) => {}
                TokenId::Range(_, last) => {
                    multiword = Some((last, self.push_token(&columns.form, line)));
                }
                TokenId::Word(word) => {
                    let token = multiword.filter(|&(last, _)| word <= last);
                    let (form, span) = match token {
                        Some((_, span)) => (Cow::from(&columns.form), span),
                        None => {
                            (without_spaces(&columns.form), self.push_token(&columns.form, line))
                        }
                    };
                    let head = columns.head.and_then(|head| head.checked_sub(1));
                    self.words.push(SegmentedWord {
                        columns,
                        relation: Subtypes::Cut.apply(&columns.deprel),
                        head: head.map(|head| n_words + head),
                        form,
                        span,
                        in_multiword: token.is_some(),
                    });
                }
            }
        }
        self.sentences.push(Span { start, end: self.chars.len() });
        Ok(())
    }

    fn push_token(&mut self, form: &str, line: usize) -> Span {
        let start = self.chars.len();
        self.chars.extend(without_spaces(form).chars());
        let span = Span { start, end: self.chars.len() };
        self.tokens.push(span);
        self.token_lines.push(line);
        span
    }

    /// The line number of a character, or of the last token of the text.
    fn line(&self, offset: usize) -> usize {
        let token = self.tokens.partition_point(|token| token.end <= offset);
        self.token_lines.get(token).or(self.token_lines.last()).copied().unwrap_or(1)
    }

    fn excerpt(&self, offset: usize) -> String {
        self.chars.iter().skip(offset).take(N_SHOWN).collect()
    }
}

/// Removes space separators (Unicode category Zs) from a form, so that it does not matter whether
/// they separate tokens.
fn without_spaces(form: &str) -> Cow<'_, str> {
    let is_space = |c: char| {
        matches!(c, ' ' | '\u{a0}' | '\u{1680}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
            || ('\u{2000}'..='\u{200a}').contains(&c)
    };
    match form.contains(is_space) {
        true => form.replace(is_space, "").into(),
        false => form.into(),
    }
}

/// Aligns the words of two treebanks: pairs of indices among the words of each, ascending in both.
///
/// # Errors
/// [`TextError::TextMismatch`] if the two do not have the same text.
pub(crate) fn align(
    gold: &Segmented<'_>,
    system: &Segmented<'_>,
) -> Result<Vec<(usize, usize)>, TextError> {
    if gold.chars != system.chars {
        let offset =
            gold.chars.iter().zip(&system.chars).take_while(|(one, two)| one == two).count();
        return Err(TextError::TextMismatch {
            path: system.path.to_path_buf(),
            line: system.line(offset),
            gold_path: gold.path.to_path_buf(),
            gold_line: gold.line(offset),
            expected: gold.excerpt(offset),
            found: system.excerpt(offset),
        });
    }
    let (gold, system) = (&gold.words, &system.words);
    let mut aligned = Vec::new();
    let (mut g, mut s) = (0, 0);
    while let (Some(one), Some(two)) = (gold.get(g), system.get(s)) {
        if one.in_multiword || two.in_multiword {
            let start = multiword_start((one, g), (two, s));
            let token = if one.in_multiword { one } else { two };
            (g, s) = multiword_end(gold, system, start, token.span.end);
            let common = common_words(&gold[start.0..g], &system[start.1..s]);
            aligned.extend(common.into_iter().map(|(one, two)| (start.0 + one, start.1 + two)));
        } else if one.span == two.span {
            aligned.push((g, s));
            (g, s) = (g + 1, s + 1);
        } else if one.span.start <= two.span.start {
            g += 1;
        } else {
            s += 1;
        }
    }
    Ok(aligned)
}

/// The first words of a run of multiword tokens; skips a plain word that begins before the token.
fn multiword_start(
    (gold, g): (&SegmentedWord<'_>, usize),
    (system, s): (&SegmentedWord<'_>, usize),
) -> (usize, usize) {
    let is_before = |plain: &SegmentedWord<'_>, token: &SegmentedWord<'_>| {
        usize::from(!plain.in_multiword && plain.span.start < token.span.start)
    };
    match gold.in_multiword {
        true => (g, s + is_before(system, gold)),
        false => (g + is_before(gold, system), s),
    }
}

/// One past the last words of the shortest run up to `end` or later that splits no multiword token.
fn multiword_end(
    gold: &[SegmentedWord<'_>],
    system: &[SegmentedWord<'_>],
    (mut g, mut s): (usize, usize),
    mut end: usize,
) -> (usize, usize) {
    let belongs = |word: Option<&SegmentedWord<'_>>, end| match word {
        Some(word) if word.in_multiword => word.span.start < end,
        Some(word) => word.span.end <= end,
        None => false,
    };
    while belongs(gold.get(g), end) || belongs(system.get(s), end) {
        let (next, idx) = match (gold.get(g), system.get(s)) {
            (Some(one), Some(two)) if two.span.start < one.span.start => (Some(two), &mut s),
            (Some(one), _) => (Some(one), &mut g),
            (None, two) => (two, &mut s),
        };
        end = next.filter(|word| word.in_multiword).map_or(end, |word| end.max(word.span.end));
        *idx += 1;
    }
    (g, s)
}

/// Longest common subsequence (LCS) of the forms, case-insensitive, as indices in both.
fn common_words(gold: &[SegmentedWord<'_>], system: &[SegmentedWord<'_>]) -> Vec<(usize, usize)> {
    let lower = |words: &[SegmentedWord<'_>]| -> Vec<String> {
        words.iter().map(|word| word.form.to_lowercase()).collect()
    };
    let (gold, system) = (lower(gold), lower(system));
    // The LCS length of the words from g and from s on; 0 past the ends.
    let width = system.len() + 1;
    let mut lengths = vec![0; (gold.len() + 1) * width];
    for g in (0..gold.len()).rev() {
        for s in (0..system.len()).rev() {
            let both = usize::from(gold[g] == system[s]) + lengths[(g + 1) * width + s + 1];
            let either = lengths[(g + 1) * width + s].max(lengths[g * width + s + 1]);
            lengths[g * width + s] = both.max(either);
        }
    }
    let mut common = Vec::new();
    let (mut g, mut s) = (0, 0);
    while g < gold.len() && s < system.len() {
        if gold[g] == system[s] {
            common.push((g, s));
            (g, s) = (g + 1, s + 1);
        } else if lengths[g * width + s] == lengths[(g + 1) * width + s] {
            g += 1;
        } else {
            s += 1;
        }
    }
    common
}
