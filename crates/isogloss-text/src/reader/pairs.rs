//! Parallel text reader: a sentence and its translation per line, separated by a tab.

use std::io::Read;
use std::path::Path;

use super::options::Quoting;
use super::quoting::tab_rows;
use crate::source::Source;
use crate::{LineProblem, SentencePair, TextError};

/// Reads parallel sentence pairs from a byte stream: two columns separated by a tab, no header;
/// `path` names the stream in error messages. Without `quoting`, cells are unquoted if the whole
/// stream is quoted as pandas or Python's `csv.writer` quote it, and else quotes are text.
///
/// ```
/// let pairs = isogloss_text::read_pairs("yes\tja\nno\tnein\n".as_bytes(), "en-de.tsv".as_ref(), None)?;
/// assert_eq!((pairs[1].left.as_str(), pairs[1].right.as_str()), ("no", "nein"));
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
///
/// # Errors
/// [`TextError`] names the first line that is not a pair of texts, or that is a header; a stream
/// without pairs is an error too.
pub fn read_pairs(
    reader: impl Read,
    path: &Path,
    quoting: Option<Quoting>,
) -> Result<Vec<SentencePair>, TextError> {
    let source = Source::read(reader, path)?;
    let mut pairs = Vec::new();
    for row in tab_rows(&source, quoting) {
        let (line, cells) = row?;
        let [left, right] = cells.as_slice() else {
            return Err(
                source.fault(line, LineProblem::ColumnCount { expected: 2, found: cells.len() })
            );
        };
        for (side, cell) in [("left", left), ("right", right)] {
            if cell.trim().is_empty() {
                return Err(source.empty_field(line, side));
            }
        }
        if pairs.is_empty() && is_header(left.trim(), right.trim(), path) {
            let (left, right) = (left.to_string(), right.to_string());
            return Err(source.fault(line, LineProblem::PairHeader { left, right }));
        }
        pairs.push(SentencePair {
            left: left.to_string(),
            right: right.to_string(),
            origin: source.origin(line),
        });
    }
    if pairs.is_empty() { Err(source.empty()) } else { Ok(pairs) }
}

/// Words in the names of columns of parallel files, in lower case. A row of two such names is a header;
/// as the first pair of a word list it would be in a language that writes both words in this way.
const COLUMN_WORDS: [&str; 24] = [
    "source",
    "src",
    "target",
    "tgt",
    "trg",
    "sentence",
    "sent",
    "text",
    "translation",
    "left",
    "right",
    "anchor",
    "positive",
    "query",
    "document",
    "premise",
    "hypothesis",
    "segment",
    "english",
    "german",
    "french",
    "spanish",
    "chinese",
    "arabic",
];

/// Whether a row is a header: the languages of the file's name, or two names of columns, such as
/// `sentence1` and `sentence2`, `en_text` and `de_text`, `eng_Latn` and `deu_Latn`.
fn is_header(left: &str, right: &str, path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_of_file = [format!("{left}-{right}"), format!("{right}-{left}")].contains(&stem.into());
    is_of_file || left != right && is_column_name(left) && is_column_name(right)
}

/// Whether a cell is made of words that name columns, and of tags of languages beside one.
fn is_column_name(cell: &str) -> bool {
    let is_end = |c: char| matches!(c, '_' | '-' | '.') || c.is_ascii_digit();
    let parts: Vec<&str> = cell.split(is_end).filter(|part| !part.is_empty()).collect();
    let is_word = |part: &&str| COLUMN_WORDS.contains(&part.to_lowercase().as_str());
    // As in `en_text`, and in `eng_Latn`, the names of FLORES.
    let is_tag =
        |part: &&str| matches!(part.len(), 2 | 3) && part.bytes().all(|b| b.is_ascii_lowercase());
    let is_script =
        |part: &&str| part.len() == 4 && part.starts_with(|c: char| c.is_ascii_uppercase());
    match parts[..] {
        [language, script] if is_tag(&language) && is_script(&script) => cell.contains('_'),
        _ => parts.iter().any(&is_word) && parts.iter().all(|part| is_word(part) || is_tag(part)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Quoting, read_pairs};

    fn message(data: &str) -> String {
        read_pairs(data.as_bytes(), "en-de.tsv".as_ref(), None).unwrap_err().to_string()
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
    fn a_header_is_no_pair() {
        for header in [
            "en\tde",
            "de\ten",
            "Source\tTarget",
            "sentence1\tsentence2",
            "en_text\tde_text",
            "text_en\ttext_de",
            "eng_Latn\tdeu_Latn",
            "translation.en\ttranslation.de",
            "anchor\tpositive",
            "Source\tTranslation",
            "English\tGerman",
        ] {
            let (left, right) = header.split_once('\t').unwrap();
            assert_eq!(
                message(&format!("{header}\nyes\tja\n")),
                format!(
                    "en-de.tsv:1: {left:?} and {right:?} are a header, and files of pairs have none"
                )
            );
            // Elsewhere it is a pair.
            assert!(
                read_pairs(format!("yes\tja\n{header}\n").as_bytes(), "x".as_ref(), None).is_ok()
            );
        }
        for pair in ["source\tQuelle", "en\tein", "no\tnein", "the text\tder Text", "text\ttext"] {
            assert!(read_pairs(format!("{pair}\n").as_bytes(), "en-de.tsv".as_ref(), None).is_ok());
        }
    }

    #[test]
    fn cells_are_unquoted_as_csv_writer_quotes_them() {
        let read = |data: &str, quoting| {
            let pairs = read_pairs(data.as_bytes(), "x.tsv".as_ref(), quoting).unwrap();
            pairs.into_iter().map(|pair| (pair.left, pair.right)).collect::<Vec<_>>()
        };
        let pair = |left: &str, right: &str| (left.to_owned(), right.to_owned());
        // What csv.writer gives for `He said "no"` and `ja`.
        let written = "\"He said \"\"no\"\"\"\tja\n";
        assert_eq!(read(written, None), [pair("He said \"no\"", "ja")]);
        let text = [pair("\"He said \"\"no\"\"\"", "ja")];
        assert_eq!(read(written, Some(Quoting::None)), text);
        let speech = "\"Yes.\"\t\"Ja.\"\nno\tnein\n";
        assert_eq!(read(speech, None)[0], pair("\"Yes.\"", "\"Ja.\""));
        assert_eq!(read(speech, Some(Quoting::Minimal))[0], pair("Yes.", "Ja."));
        // A tab in a cell, which only quoting can hold.
        let tab = "\"a\tb\"\tc\n";
        assert_eq!(read(tab, Some(Quoting::Minimal)), [pair("a\tb", "c")]);
        assert_eq!(message(tab), "en-de.tsv:1: expected 2 columns, found 3");
    }

    #[test]
    fn pairs_keep_their_lines() {
        let pairs =
            read_pairs("\u{feff}a\tb\r\nc\td\r\n\r\n".as_bytes(), "en-de.tsv".as_ref(), None)
                .unwrap();
        assert_eq!(
            pairs.iter().map(|pair| (pair.right.as_str(), pair.origin.line)).collect::<Vec<_>>(),
            [("b", 1), ("d", 2)]
        );
    }
}
