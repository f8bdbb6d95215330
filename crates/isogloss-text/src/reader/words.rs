//! Builder of sentences of tagged words, from CoNLL files and JSON Lines.

use crate::reader::label_names::LabelNames;
use crate::reader::options::{Annotation, ReadOptions};
use crate::source::Source;
use crate::tag_scheme::{TaggedLines, to_bio};
use crate::{Content, Example, TextError};

/// Builder of tagged sentences, word by word.
pub(crate) struct Sentences<'a> {
    source: &'a Source,
    options: &'a ReadOptions,
    /// The name of the tag field, for error messages.
    field: &'a str,
    sentences: Vec<Sentence>,
    current: Sentence,
    names: LabelNames<'a>,
}

/// One sentence: its words, with their tags and line numbers.
#[derive(Default)]
struct Sentence {
    words: Vec<String>,
    tags: Vec<String>,
    lines: Vec<usize>,
    split: Option<String>,
}

impl<'a> Sentences<'a> {
    /// Creates an empty builder.
    pub(crate) fn new(source: &'a Source, options: &'a ReadOptions, field: &'a str) -> Self {
        let (sentences, current) = (Vec::new(), Sentence::default());
        let names = LabelNames::new(source, options);
        Self { source, options, field, sentences, current, names }
    }

    /// Adds a word and its tag; the word may be non-ASCII white space.
    pub(crate) fn push(&mut self, line: usize, word: &str, tag: &str) -> Result<(), TextError> {
        for (cell, column) in [(word, "word"), (tag, self.field)] {
            if cell.trim_ascii().is_empty() {
                return Err(self.source.empty_field(line, column));
            }
        }
        let tag = self.names.one_kind(line, self.field, tag.trim().to_owned())?;
        self.current.words.push(word.to_owned());
        self.current.tags.push(tag);
        self.current.lines.push(line);
        Ok(())
    }

    /// Ends the current sentence, if it has words; `split` is its dataset split.
    pub(crate) fn end(&mut self, split: Option<String>) {
        if !self.current.words.is_empty() {
            let sentence = std::mem::take(&mut self.current);
            self.sentences.push(Sentence { split, ..sentence });
        }
    }

    /// Returns all sentences as examples; if the options ask for spans, their tags are converted to
    /// BIO.
    pub(crate) fn finish(mut self) -> Result<Vec<Example>, TextError> {
        self.end(None);
        let mut sentences = self.sentences;
        if self.options.annotation == Annotation::Spans {
            let tagged = sentences.iter_mut();
            let mut tagged: Vec<_> = tagged
                .map(|sentence| TaggedLines { tags: &mut sentence.tags, lines: &sentence.lines })
                .collect();
            to_bio(self.source, self.options.tag_scheme, &mut tagged)?;
        }
        let example = |sentence: Sentence| Example {
            origin: self.source.origin(sentence.lines.first().copied().unwrap_or(1)),
            content: Content::Words { words: sentence.words, tags: sentence.tags },
            split: sentence.split,
            lacks_spans: false,
        };
        Ok(sentences.into_iter().map(example).collect())
    }
}
