//! Plain-text reader: one sentence per line.

use std::io::Read;
use std::path::Path;

use crate::source::Source;
use crate::{LineProblem, TextError};

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
/// [`TextError::InvalidUtf8`] names the first line that is not UTF-8, and an error one that is a JSON
/// object; a stream without any text is
/// an error too.
pub fn read_sentences(reader: impl Read, path: &Path) -> Result<Vec<String>, TextError> {
    let source = Source::read(reader, path)?;
    let lines = source.lines().map(|(number, line)| (number, line.trim()));
    let mut sentences = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        if is_json_object(line) {
            return Err(source.fault(number, LineProblem::JsonObject));
        }
        sentences.push(line.to_owned());
    }
    if sentences.is_empty() { Err(source.empty()) } else { Ok(sentences) }
}

/// Whether a line of text is a JSON object with fields, as in JSON Lines.
pub fn is_json_object(line: &str) -> bool {
    let object = || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line);
    line.starts_with("{\"") && object().is_ok()
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
    fn json_lines_are_no_text() {
        let read = |data: &str| read_sentences(data.as_bytes(), "de.txt".as_ref());
        let error = read("an\n{\"text\": \"aus\"}\n").unwrap_err().to_string();
        assert!(error.starts_with("de.txt:2: a JSON object"), "{error}");
        assert_eq!(read("{name} hat\n{\"a\n").unwrap(), ["{name} hat", "{\"a"]);
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
