//! Deduplicated texts of data files, for counts of vocabulary pieces (vocabulary trimming).

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use crate::reader::quoting::tab_rows;
use crate::reader::table::plain_rows;
use crate::reader::{Annotation, Columns, Format, Quoting, ReadOptions, csv, jsonl, read_file};
use crate::source::{Source, open};
use crate::{Content, Example, TextError, TokenizerInput};

/// Names of the fields of a JSON Lines file that hold a string on any line.
///
/// # Errors
/// If the file cannot be read as JSON Lines.
pub fn read_string_fields(path: &Path) -> Result<BTreeSet<String>, TextError> {
    jsonl::string_fields(&Source::read(open(path)?, path)?)
}

/// Deduplicated texts, in order of insertion.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    texts: Vec<String>,
    sentences: Vec<Vec<String>>,
    known_texts: HashSet<String>,
    known_sentences: HashSet<Vec<String>>,
}

impl Texts {
    /// Adds the texts of a file: texts and words of JSON Lines and CoNLL files, all cells of
    /// tables, the lines of any other file. `columns` names the field of texts of JSON Lines, and
    /// that of second texts, if there are any. Without `quoting`, cells of TSV files are unquoted if
    /// the whole file is quoted, and those of CSV files are.
    ///
    /// # Errors
    /// If the file cannot be read in the format of its extension, or contains no text.
    pub fn add_file(
        &mut self,
        path: &Path,
        columns: &Columns,
        quoting: Option<Quoting>,
    ) -> Result<(), TextError> {
        match Format::from_path(path) {
            Some(format @ (Format::Jsonl | Format::Conll | Format::Conllu)) => {
                let options = ReadOptions::new(format)
                    .with_annotation(Annotation::Text)
                    .with_columns(columns.clone());
                read_file(path, &options)?.iter().for_each(|of| self.add_example(of));
                Ok(())
            }
            Some(format @ (Format::Tsv | Format::Csv)) => {
                let source = Source::read(open(path)?, path)?;
                let mut rows: Box<dyn Iterator<Item = _>> = match format {
                    Format::Tsv => tab_rows(&source, quoting),
                    _ if quoting == Some(Quoting::None) => Box::new(plain_rows(&source, ',')),
                    _ => Box::new(csv::rows(&source)),
                };
                let cells = rows.try_fold(Vec::new(), |mut all, row| {
                    all.extend(row?.1);
                    Ok::<_, TextError>(all)
                })?;
                if cells.is_empty() {
                    return Err(source.empty());
                }
                cells.iter().for_each(|cell| self.add_text(cell));
                Ok(())
            }
            None => {
                super::read_sentence_file(path)?.iter().for_each(|line| self.add_text(line));
                Ok(())
            }
        }
    }

    /// Adds the texts of an example; a text with slots is also added as words, as word-level
    /// tagging splits it.
    pub fn add_example(&mut self, example: &Example) {
        match &example.content {
            Content::Words { words, .. } => self.add_sentence(words.clone()),
            Content::Tree(sentence) => self.add_sentence(sentence.forms()),
            Content::Text { text, pair, slots, .. } => {
                self.add_text(text);
                pair.iter().for_each(|pair| self.add_text(pair));
                if !slots.is_empty() {
                    self.add_sentence(text.split_whitespace().map(str::to_owned).collect());
                }
            }
        }
    }

    /// Adds a running text.
    pub fn add_text(&mut self, text: &str) {
        if !self.known_texts.contains(text) {
            self.known_texts.insert(text.to_owned());
            self.texts.push(text.to_owned());
        }
    }

    /// Adds all texts of another set.
    pub fn add_all(&mut self, others: &Self) {
        others.texts.iter().for_each(|text| self.add_text(text));
        others.sentences.iter().for_each(|words| self.add_sentence(words.clone()));
    }

    fn add_sentence(&mut self, words: Vec<String>) {
        if self.known_sentences.insert(words.clone()) {
            self.sentences.push(words);
        }
    }

    /// These texts, and a copy of each running text that a function makes of it.
    #[must_use]
    pub fn with_copies(&self, copy: impl Fn(&str) -> String) -> Self {
        let mut all = self.clone();
        self.texts.iter().for_each(|text| all.add_text(&copy(text)));
        all
    }

    /// The texts as tokenizer inputs, running text first.
    pub fn inputs(&self) -> Vec<TokenizerInput<'_>> {
        let texts = self.texts.iter().map(|text| TokenizerInput::Text(text));
        texts.chain(self.sentences.iter().map(|words| TokenizerInput::Words(words))).collect()
    }
}

/// Lower case character by character, as the `Lowercase` normalizer of the tokenizers library, which
/// sentence-transformers 6 applies for `do_lower_case`: without the final form of the Greek sigma.
pub fn lowercase(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::lowercase;
    use super::{Texts, read_string_fields};
    use crate::{Columns, TokenizerInput};

    #[test]
    fn both_texts_of_pairs_are_added_where_a_field_holds_the_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        let lines = "{\"text\": \"an\", \"other\": \"aus\", \"label\": 1}\n\
                     {\"text\": \"in\", \"other\": \"bei\", \"label\": \"x\"}\n";
        std::fs::write(&path, lines).unwrap();
        let found = |pair: Option<&str>| {
            let mut texts = Texts::default();
            let columns = Columns { pair: pair.map(str::to_owned), ..Columns::default() };
            texts.add_file(&path, &columns, None).map(|()| texts.texts)
        };
        assert_eq!(found(None).unwrap(), ["an", "in"]);
        assert_eq!(found(Some("other")).unwrap(), ["an", "aus", "in", "bei"]);
        let error = found(Some("second")).unwrap_err().to_string();
        assert!(error.contains("pairs.jsonl:1: no field \"second\""), "{error}");
        let fields: Vec<String> = read_string_fields(&path).unwrap().into_iter().collect();
        assert_eq!(fields, ["label", "other", "text"]);
    }

    #[test]
    fn words_are_read_without_their_tags() {
        let folder = tempfile::tempdir().unwrap();
        let words = |name: &str, data: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, data).unwrap();
            let mut texts = Texts::default();
            texts.add_file(&path, &Columns::default(), None).unwrap();
            let words = |input: &TokenizerInput<'_>| match input {
                TokenizerInput::Text(text) => text.to_string(),
                TokenizerInput::Words(words) => words.join("|"),
            };
            texts.inputs().iter().map(words).collect::<Vec<_>>().join(" / ")
        };
        let ontonotes = "a/b 0 0 In IN (S* - - - A * -\na/b 0 1 Bonn NNP *) - - - A (GPE) * (12)\n";
        assert_eq!(words("a.v4_gold_conll", ontonotes), "In|Bonn");
        assert_eq!(words("a.conll", "1\tin\tADP\n2\tBonn\tPROPN\n"), "in|Bonn");
        let plus = "# global.columns = ID FORM MISC\n1\tin\t_\n2\tBonn\t_\n";
        assert_eq!(words("a.conllup", plus), "in|Bonn");
        let bare = "1\tin\t_\t_\t_\t_\t_\t_\t_\t_\n2\tBonn\t_\t_\t_\t_\t_\t_\t_\t_\n";
        assert_eq!(words("a.conllu", bare), "in|Bonn");
        assert_eq!(words("a.jsonl", "{\"tokens\": [\"in\", \"Bonn\"]}\n"), "in|Bonn");
        assert_eq!(words("b.jsonl", "{\"text\": \"in\", \"label\": [[0, 2, \"x\"]]}\n"), "in");
    }

    #[test]
    fn files_give_their_texts_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut texts = Texts::default();
        for (name, data) in [
            ("a.txt", "Licht an.\n\nLicht aus.\nLicht an.\n"),
            ("b.tsv", "Licht an.\tlights on\n"),
            ("c.csv", "text,label\n\"an, aus\",on\n"),
            (
                "d.jsonl",
                "{\"text\": \"Licht in Wohn\", \"slots\": [{\"start\": 9, \"end\": 13, \"slot\": \"area\"}]}\n",
            ),
            ("e.conll", "Licht O\nan O\n"),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, data).unwrap();
            texts.add_file(&path, &Columns::default(), None).unwrap();
        }
        let inputs: Vec<String> = texts
            .inputs()
            .iter()
            .map(|input| match input {
                TokenizerInput::Text(text) => text.to_string(),
                TokenizerInput::Words(words) => words.join("|"),
            })
            .collect();
        let expected = [
            "Licht an.",
            "Licht aus.",
            "lights on",
            "text",
            "label",
            "an, aus",
            "on",
            "Licht in Wohn",
            "Licht|in|Wohn",
            "Licht|an",
        ];
        assert_eq!(inputs, expected);
        let path = folder.path().join("none.tsv");
        std::fs::write(&path, "").unwrap();
        assert!(
            texts
                .add_file(&path, &Columns::default(), None)
                .unwrap_err()
                .to_string()
                .ends_with("none.tsv: no example in this file")
        );
    }

    /// huggingface/tokenizers lower-cases by character; str::to_lowercase ends a word in ς.
    #[test]
    fn lower_case_is_by_character() {
        assert_eq!(lowercase("ΟΔΟΣ İstanbul"), "οδοσ i\u{307}stanbul");
    }
}
