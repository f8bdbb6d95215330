//! CoNLL-2012 files of OntoNotes (`*_gold_conll`): their layout, their column of coreference, and
//! skeletons (`*_gold_skel`), whose words are left out.
//!
//! # Source
//! Pradhan et al. 2012, CoNLL-2012 shared task: the document, its part, the number of the word, the
//! word, part of speech, parse, predicate, frameset, sense, speaker, named entities, a column of
//! arguments for each predicate of the sentence, and coreference.

use std::borrow::Cow;

use super::line::Line;
use crate::LineProblem;
use crate::reader::columns::Columns;
use crate::reader::options::{Annotation, ReadOptions};

/// Column of words in CoNLL-2012.
const WORD: usize = 3;
/// Column of parts of speech.
const POS: usize = 4;
/// Column of constituents, such as `(TOP(S(NP*`.
const PARSE: usize = 5;
/// Column of named entities.
const ENTITY: usize = 10;
/// Placeholder of each word of a skeleton.
const PLACEHOLDER: &str = "[WORD]";

/// The columns that are read of the rows of a CoNLL file: those of the options, and in the layout of
/// CoNLL-2012 its own if words alone are read.
///
/// # Errors
/// If the words are left out, or columns of CoNLL-2012 are not named, whose defaults are those of
/// other layouts.
pub(super) fn columns<'o>(
    rows: &[&Line<'_>],
    options: &'o ReadOptions,
) -> Result<Cow<'o, Columns>, LineProblem> {
    let n_columns = rows.first().map_or(0, |line| line.cells.len());
    let is_skeleton = |column: usize| {
        rows.iter().all(|line| line.cells.get(column).is_some_and(|cell| *cell == PLACEHOLDER))
    };
    if (0..n_columns).any(is_skeleton) {
        return Err(LineProblem::Skeleton { placeholder: PLACEHOLDER });
    }
    let columns = &options.columns;
    let are_named = columns.word != 0 && columns.tag.is_some();
    if are_named || rows.is_empty() || !rows.iter().all(|line| is_of_2012(line)) {
        return Ok(Cow::Borrowed(columns));
    }
    let (tag, holds) = match options.annotation {
        Annotation::Text => {
            let tag = Some(ENTITY.to_string());
            return Ok(Cow::Owned(Columns { word: WORD, tag, ..columns.clone() }));
        }
        Annotation::Tags => (POS, "parts of speech"),
        Annotation::Any | Annotation::Class | Annotation::Spans => (ENTITY, "named entities"),
    };
    Err(LineProblem::Conll2012 { word: WORD, tag, holds })
}

/// Whether the last column holds coreference: `-`, or mentions such as `(12)` and `12)|(3`.
pub(super) fn is_last_coreference(rows: &[&Line<'_>]) -> bool {
    let mut has_mention = false;
    rows.iter().all(|line| match line.cells.last() {
        Some(cell) if is_mentions(cell) => {
            has_mention = true;
            true
        }
        cell => cell == Some(&"-"),
    }) && has_mention
}

fn is_of_2012(line: &Line<'_>) -> bool {
    let cell = |column: usize| line.cells.get(column).copied().unwrap_or_default();
    let is_number = |cell: &str| !cell.is_empty() && cell.bytes().all(|b| b.is_ascii_digit());
    let last = line.cells.last().copied().unwrap_or_default();
    line.cells.len() > ENTITY + 1
        && is_number(cell(1))
        && is_number(cell(2))
        && cell(PARSE).contains('*')
        && (cell(ENTITY).contains('*') || cell(ENTITY).starts_with('('))
        && (last == "-" || is_mentions(last))
}

/// Whether a cell lists mentions of coreference by their numbers, separated by `|`.
fn is_mentions(cell: &str) -> bool {
    cell.split('|').all(|mention| {
        let number = mention.strip_prefix('(').unwrap_or(mention);
        let number = number.strip_suffix(')').unwrap_or(number);
        let is_bracketed = number.len() < mention.len();
        is_bracketed && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}
