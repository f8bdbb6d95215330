//! Reader of CoNLL files: one word and its tag a line, a blank line after each sentence.

use crate::reader::columns::Columns;
use crate::source::Source;
use crate::{Content, Example, LineProblem, TextError};

/// The mark of a document border, a line that holds no word.
const DOCUMENT_START: &str = "-DOCSTART-";

/// The sentences of a CoNLL file as examples.
pub(crate) fn read(source: &Source, columns: &Columns) -> Result<Vec<Example>, TextError> {
    let tag_column = match &columns.tag {
        None => None,
        Some(column) => Some(column.parse::<usize>().map_err(|_| TextError::ColumnNumber {
            path: source.path.to_path_buf(),
            column: column.clone(),
        })?),
    };
    let n_needed = columns.word.max(tag_column.unwrap_or(1)).saturating_add(1);

    let mut sentences = Sentences::new(source);
    for (line, content) in source.lines() {
        let cells: Vec<&str> = if content.contains('\t') {
            content.split('\t').collect()
        } else {
            content.split_ascii_whitespace().collect()
        };
        if content.trim().is_empty() || cells.first() == Some(&DOCUMENT_START) {
            sentences.end();
            continue;
        }
        let tag_column = tag_column.unwrap_or(cells.len() - 1);
        let (Some(word), Some(tag), true) =
            (cells.get(columns.word), cells.get(tag_column), cells.len() >= n_needed)
        else {
            return Err(source.fault(
                line,
                LineProblem::TooFewColumns { expected: n_needed, found: cells.len() },
            ));
        };
        sentences.push(line, (word, "word"), (tag, "tag"))?;
    }
    Ok(sentences.finish())
}

/// Sentences under construction, word by word.
pub(crate) struct Sentences<'a> {
    source: &'a Source,
    examples: Vec<Example>,
    line: usize,
    words: Vec<String>,
    tags: Vec<String>,
}

impl<'a> Sentences<'a> {
    /// No sentence yet.
    pub(crate) fn new(source: &'a Source) -> Self {
        Self { source, examples: Vec::new(), line: 0, words: Vec::new(), tags: Vec::new() }
    }

    /// Adds a word and its tag, each with the name of its column.
    pub(crate) fn push(
        &mut self,
        line: usize,
        word: (&str, &str),
        tag: (&str, &str),
    ) -> Result<(), TextError> {
        for (cell, column) in [word, tag] {
            if cell.trim().is_empty() {
                return Err(self.source.empty_field(line, column));
            }
        }
        if self.words.is_empty() {
            self.line = line;
        }
        self.words.push(word.0.to_owned());
        self.tags.push(tag.0.trim().to_owned());
        Ok(())
    }

    /// Ends the sentence, if one has begun.
    pub(crate) fn end(&mut self) {
        if !self.words.is_empty() {
            let content = Content::Words {
                words: std::mem::take(&mut self.words),
                tags: std::mem::take(&mut self.tags),
            };
            self.examples.push(Example {
                origin: self.source.origin(self.line),
                content,
                split: None,
            });
        }
    }

    /// All sentences.
    pub(crate) fn finish(mut self) -> Vec<Example> {
        self.end();
        self.examples
    }
}

#[cfg(test)]
mod tests {
    use crate::{Columns, Content, Example, Format, ReadOptions, TextError, read_examples};

    fn read(data: &str, columns: Columns) -> Result<Vec<Example>, TextError> {
        read_examples(
            data.as_bytes(),
            "x.conll".as_ref(),
            &ReadOptions::new(Format::Conll).with_columns(columns),
        )
    }

    fn sentence(words: &[&str], tags: &[&str]) -> Content {
        let owned = |strings: &[&str]| strings.iter().map(|string| string.to_string()).collect();
        Content::Words { words: owned(words), tags: owned(tags) }
    }

    #[test]
    fn sentences_end_at_blank_lines_and_document_borders() {
        let data = "-DOCSTART- -X- O\n\nBonn NNP B-LOC\nliegt VBZ O\n\n\n-DOCSTART- -X- O\nAm IN I-ORG\r\n";
        let examples = read(data, Columns::default()).unwrap();
        assert_eq!(examples[0].content, sentence(&["Bonn", "liegt"], &["B-LOC", "O"]));
        assert_eq!(examples[1].content, sentence(&["Am"], &["I-ORG"]));
        assert_eq!(examples.iter().map(|example| example.origin.line).collect::<Vec<_>>(), [3, 8]);
    }

    #[test]
    fn columns_are_chosen_by_number_and_words_may_hold_spaces_between_tabs() {
        let columns = Columns { word: 1, tag: Some("0".into()), ..Columns::default() };
        assert_eq!(
            read("NUM\t10 000\tx\n", columns).unwrap()[0].content,
            sentence(&["10 000"], &["NUM"])
        );
    }

    #[test]
    fn every_fault_names_its_line() {
        let message = |data, columns| read(data, columns).unwrap_err().to_string();
        let second = Columns { tag: Some("2".into()), ..Columns::default() };
        assert_eq!(
            message("a O\nb\n", Columns::default()),
            "x.conll:2: expected at least 2 columns, found 1"
        );
        assert_eq!(
            message("a X O\nb O\n", second),
            "x.conll:2: expected at least 3 columns, found 2"
        );
        assert_eq!(message("a\tO\n\tO\n", Columns::default()), "x.conll:2: empty \"word\"");
        assert_eq!(message("a\tO\nb\t\n", Columns::default()), "x.conll:2: empty \"tag\"");
        let named = Columns { tag: Some("ner".into()), ..Columns::default() };
        assert!(
            message("a O\n", named)
                .starts_with("x.conll: column \"ner\" is not a zero-based number")
        );
    }
}
