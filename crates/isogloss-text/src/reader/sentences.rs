//! Plain-text reader: one sentence per line.

use std::io::Read;
use std::path::Path;

use crate::TextError;
use crate::source::Source;

/// Reads sentences from a byte stream, one per line, without surrounding whitespace; `path` names
/// the stream in error messages.
///
/// Blank lines are skipped everywhere: corpora separate documents by them, and sentences are not
/// matched by line number.
///
/// ```
/// let text = "Licht an.\n\n  Licht aus.\n";
/// let sentences = isogloss_text::read_sentences(text.as_bytes(), "de.txt".as_ref())?;
/// assert_eq!(sentences, ["Licht an.", "Licht aus."]);
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
///
/// # Errors
/// [`TextError::InvalidUtf8`] names the first line that is not UTF-8; a stream without any text is
/// an error too.
pub fn read_sentences(reader: impl Read, path: &Path) -> Result<Vec<String>, TextError> {
    let source = Source::read(reader, path)?;
    let lines = source.lines().map(|(_, line)| line.trim());
    let sentences: Vec<String> = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if sentences.is_empty() { Err(source.empty()) } else { Ok(sentences) }
}

#[cfg(test)]
mod tests {
    use super::read_sentences;

    #[test]
    fn a_file_without_any_text_is_refused() {
        for data in ["", "\n\n", "\u{feff} \t\r\n\u{a0}\n"] {
            let error = read_sentences(data.as_bytes(), "de.txt".as_ref()).unwrap_err();
            assert_eq!(error.to_string(), "de.txt: no example in this file");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named_by_line() {
        let error = read_sentences(b"an\n\nbr\xffken\n".as_slice(), "de.txt".as_ref()).unwrap_err();
        assert_eq!(error.to_string(), "de.txt:3: not valid UTF-8");
    }

    #[test]
    fn empty_lines_and_the_ends_of_lines_are_no_text() {
        let text = "\u{feff}\r\nLicht an\r\n \r\n\tLicht aus ";
        let sentences = read_sentences(text.as_bytes(), "de.txt".as_ref()).unwrap();
        assert_eq!(sentences, ["Licht an", "Licht aus"]);
    }
}
