//! Files of texts without labels, one a line.

use std::path::Path;

use isogloss_text::{Format, read_sentence_file};

use crate::Error;
use crate::error::DataError;

/// Reads texts, one a line; `limit` is their maximum number, spread evenly over the file.
///
/// # Errors
/// If the extension of the file is that of a format of examples, whose lines are no texts, or the
/// file cannot be read or holds no text.
pub(crate) fn read_plain_texts(path: &Path, limit: Option<usize>) -> Result<Vec<String>, Error> {
    if Format::from_path(path).is_some() {
        return Err(DataError::NotPlainText { path: path.to_owned() }.into());
    }
    let texts = read_sentence_file(path)?;
    let n_all = texts.len();
    let n = limit.map_or(n_all, |limit| limit.min(n_all));
    Ok((0..n).map(|i| texts[i * n_all / n].clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_texts_are_spread_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("de.txt");
        std::fs::write(&path, "a\n\nb\nc\nd\ne\n").unwrap();
        assert_eq!(read_plain_texts(&path, Some(2)).unwrap(), ["a", "c"]);
        assert_eq!(read_plain_texts(&path, Some(9)).unwrap().len(), 5);
        let error = read_plain_texts("de.jsonl".as_ref(), None).unwrap_err().to_string();
        assert!(error.starts_with("de.jsonl: expected a file with one text"), "{error}");
    }
}
