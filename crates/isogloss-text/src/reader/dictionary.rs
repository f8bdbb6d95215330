//! Bilingual dictionary reader in the format of MUSE: a word and one translation per line.

use crate::source::Source;
use crate::{LineProblem, TextError};

/// Separator of phrase tables, as Moses and fast_align write it.
const BARS: &str = "|||";

/// Parses the entries of a dictionary: a word and one translation, separated by a tab or ` ||| `, in
/// which case both may contain spaces, or by spaces.
///
/// A third column is an error. Where spaces separate the columns, it is told from the end of a
/// translation by its kind: a decimal number on any line, or a number on every line.
pub(crate) fn dictionary_entries(source: &Source) -> Result<Vec<(&str, &str)>, TextError> {
    let mut entries = Vec::new();
    let mut counts = Vec::new();
    for row in source.rows() {
        let (line, content) = row?;
        let entry = match columns(content)[..] {
            [word, translation] => (word, translation),
            [_] => match content.trim().split_once(char::is_whitespace) {
                Some((word, translation)) => {
                    let translation = translation.trim();
                    if let Some(found) = last_number(translation) {
                        if found.contains(['.', 'e', 'E']) {
                            return Err(score(source, line, found));
                        }
                        counts.push((line, found));
                    }
                    (word, translation)
                }
                None => {
                    let problem = LineProblem::TooFewColumns { expected: 2, found: 1 };
                    return Err(source.fault(line, problem));
                }
            },
            ref more => {
                let problem = LineProblem::ColumnCount { expected: 2, found: more.len() };
                return Err(source.fault(line, problem));
            }
        };
        for (column, cell) in [("word", entry.0), ("translation", entry.1)] {
            if cell.is_empty() {
                return Err(source.empty_field(line, column));
            }
        }
        if is_several(entry.1) {
            let reason = "expected one translation a line, after a space or a tab";
            return Err(source.fault(line, LineProblem::Dictionary(entry.1.to_owned(), reason)));
        }
        entries.push(entry);
    }
    match counts[..] {
        // A translation may end in a number, those of a whole dictionary do not.
        [(line, found), _, ..] if counts.len() == entries.len() => Err(score(source, line, found)),
        _ if entries.is_empty() => Err(source.empty()),
        _ => Ok(entries),
    }
}

/// The columns between tabs or bars; one alone if there are none.
fn columns(line: &str) -> Vec<&str> {
    let parts = line.split(BARS).flat_map(|part| part.split('\t'));
    parts.map(str::trim).collect()
}

/// Whether a cell is more than one translation: alternatives, a note in brackets, or another separator
/// before it.
fn is_several(cell: &str) -> bool {
    let separators = ["=", "::", ":", "->", "=>", "|", "-"];
    let starts = separators.iter().any(|separator| {
        cell.strip_prefix(separator).is_some_and(|rest| rest.starts_with(char::is_whitespace))
    });
    starts
        || cell.contains("; ")
        || cell.contains(" | ")
        || cell.ends_with(']') && cell.contains('[')
}

/// The number after the last space.
fn last_number(text: &str) -> Option<&str> {
    let (_, last) = text.rsplit_once(char::is_whitespace)?;
    let is_number = last.contains(|c: char| c.is_ascii_digit()) && last.parse::<f64>().is_ok();
    is_number.then_some(last)
}

fn score(source: &Source, line: usize, found: &str) -> TextError {
    let reason = "a third column; a tab between word and translation lets both have spaces";
    source.fault(line, LineProblem::Dictionary(found.to_owned(), reason))
}

#[cfg(test)]
mod tests {
    use super::{Source, dictionary_entries};

    fn entries(data: &str) -> Result<Vec<(String, String)>, String> {
        let source = Source::read(data.as_bytes(), "en-de.txt".as_ref()).unwrap();
        let entries = dictionary_entries(&source).map_err(|error| error.to_string())?;
        Ok(entries.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect())
    }

    #[track_caller]
    fn assert_entries(data: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(entries(data).unwrap(), expected, "{data:?}");
    }

    #[test]
    fn bars_separate_a_word_and_a_translation() {
        assert_entries(
            "light ||| das Licht\nice cream|||Eis\n",
            &[("light", "das Licht"), ("ice cream", "Eis")],
        );
        let error = entries("light ||| Licht ||| 0.5 0.2\n").unwrap_err();
        assert_eq!(error, "en-de.txt:1: expected 2 columns, found 3");
        assert_eq!(entries("light |||\n").unwrap_err(), "en-de.txt:1: empty \"translation\"");
    }

    #[test]
    fn a_third_column_of_scores_is_refused() {
        let error = |number: &str, line: usize| {
            let hint = "a tab between word and translation lets both have spaces";
            format!("en-de.txt:{line}: {number:?}: a third column; {hint}")
        };
        assert_eq!(entries("a b\nlight Licht 0.9\n").unwrap_err(), error("0.9", 2));
        assert_eq!(entries("light Licht 1e-05\n").unwrap_err(), error("1e-05", 1));
        assert_eq!(entries("light Licht 12\non an 3\n").unwrap_err(), error("12", 1));
        let found = entries("light\tLicht\t0.9\n").unwrap_err();
        assert_eq!(found, "en-de.txt:1: expected 2 columns, found 3");
    }

    #[test]
    fn several_translations_and_other_separators_are_refused() {
        for (line, found) in [
            ("light\tLicht; Lampe", "Licht; Lampe"),
            ("light\tLicht | Lampe", "Licht | Lampe"),
            ("light\tLicht [n]", "Licht [n]"),
            ("light = Licht", "= Licht"),
            ("light :: Licht", ":: Licht"),
        ] {
            let error = entries(&format!("on an\n{line}\n")).unwrap_err();
            assert_eq!(
                error,
                format!(
                    "en-de.txt:2: {found:?}: expected one translation a line, after a space or a tab"
                )
            );
        }
        assert_entries(";\t;\n[\t[\n= =\n", &[(";", ";"), ("[", "["), ("=", "=")]);
    }

    #[test]
    fn a_translation_of_several_words_may_end_in_a_number() {
        assert_entries(
            "area Area 51\nlight das Licht\n",
            &[("area", "Area 51"), ("light", "das Licht")],
        );
        assert_entries("pi\tdie Zahl 3.14\n", &[("pi", "die Zahl 3.14")]);
        assert_entries("half 0.5\n", &[("half", "0.5")]);
        assert_entries("gone not a nan\n", &[("gone", "not a nan")]);
    }
}
