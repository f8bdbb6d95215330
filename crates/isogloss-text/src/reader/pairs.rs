//! Parallel text reader: a sentence and its translation per line, separated by a tab.

use std::io::Read;
use std::path::Path;

use crate::source::Source;
use crate::{LineProblem, SentencePair, TextError};

/// Reads parallel sentence pairs from a byte stream: two columns separated by a tab, no header;
/// `path` names the stream in error messages.
///
/// ```
/// let pairs = isogloss_text::read_pairs("yes\tja\nno\tnein\n".as_bytes(), "en-de.tsv".as_ref())?;
/// assert_eq!((pairs[1].left.as_str(), pairs[1].right.as_str()), ("no", "nein"));
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
///
/// # Errors
/// [`TextError`] names the first line that is not a pair of texts; a stream without pairs is an
/// error too.
pub fn read_pairs(reader: impl Read, path: &Path) -> Result<Vec<SentencePair>, TextError> {
    let source = Source::read(reader, path)?;
    let mut pairs = Vec::new();
    for row in source.rows() {
        let (line, content) = row?;
        let cells: Vec<&str> = content.split('\t').collect();
        let &[left, right] = cells.as_slice() else {
            return Err(
                source.fault(line, LineProblem::ColumnCount { expected: 2, found: cells.len() })
            );
        };
        for (side, cell) in [("left", left), ("right", right)] {
            if cell.trim().is_empty() {
                return Err(source.empty_field(line, side));
            }
        }
        pairs.push(SentencePair {
            left: left.to_owned(),
            right: right.to_owned(),
            origin: source.origin(line),
        });
    }
    if pairs.is_empty() { Err(source.empty()) } else { Ok(pairs) }
}

#[cfg(test)]
mod tests {
    use super::read_pairs;

    fn message(data: &str) -> String {
        read_pairs(data.as_bytes(), "en-de.tsv".as_ref()).unwrap_err().to_string()
    }

    #[test]
    fn every_fault_names_its_line() {
        assert_eq!(message("a\tb\nc\n"), "en-de.tsv:2: expected 2 columns, found 1");
        assert_eq!(message("a\tb\nc\td\te\n"), "en-de.tsv:2: expected 2 columns, found 3");
        assert_eq!(message("a\tb\n\nc\td\n"), "en-de.tsv:2: empty line");
        assert_eq!(message("a\t \n"), "en-de.tsv:1: empty \"right\"");
        assert_eq!(message("\n"), "en-de.tsv: no example in this file");
    }

    #[test]
    fn pairs_keep_their_lines() {
        let pairs =
            read_pairs("\u{feff}a\tb\r\nc\td\r\n\r\n".as_bytes(), "en-de.tsv".as_ref()).unwrap();
        assert_eq!(
            pairs.iter().map(|pair| (pair.right.as_str(), pair.origin.line)).collect::<Vec<_>>(),
            [("b", 1), ("d", 2)]
        );
    }
}
