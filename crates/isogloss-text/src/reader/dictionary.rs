//! Bilingual dictionary reader in the format of MUSE: a word and one translation per line.

use crate::source::Source;
use crate::{LineProblem, TextError};

/// Parses the entries of a dictionary: a word and one translation, separated by a tab, in which
/// case both may contain spaces, or by spaces.
pub(crate) fn dictionary_entries(source: &Source) -> Result<Vec<(&str, &str)>, TextError> {
    let mut entries = Vec::new();
    for row in source.rows() {
        let (line, content) = row?;
        let (word, translation) = match content.split_once('\t') {
            Some((_, rest)) if rest.contains('\t') => {
                let found = content.split('\t').count();
                return Err(source.fault(line, LineProblem::ColumnCount { expected: 2, found }));
            }
            Some((word, translation)) => (word.trim(), translation.trim()),
            None => match content.trim().split_once(char::is_whitespace) {
                Some((word, translation)) => (word, translation.trim()),
                None => {
                    let problem = LineProblem::TooFewColumns { expected: 2, found: 1 };
                    return Err(source.fault(line, problem));
                }
            },
        };
        for (column, cell) in [("word", word), ("translation", translation)] {
            if cell.is_empty() {
                return Err(source.empty_field(line, column));
            }
        }
        entries.push((word, translation));
    }
    if entries.is_empty() { Err(source.empty()) } else { Ok(entries) }
}
