//! Words with a tag each, sentence by sentence, from column files and JSON Lines.

use crate::reader::label_names::LabelNames;
use crate::reader::options::{Annotation, ReadOptions};
use crate::source::Source;
use crate::tag_scheme::{TaggedLines, to_bio};
use crate::{Content, Example, TextError};

/// Sentences under construction, word by word.
pub(crate) struct Sentences<'a> {
    source: &'a Source,
    options: &'a ReadOptions,
    /// The name of the tags, for messages.
    field: &'a str,
    sentences: Vec<Sentence>,
    current: Sentence,
}

/// Words with their tags and lines.
#[derive(Default)]
struct Sentence {
    words: Vec<String>,
    tags: Vec<String>,
    lines: Vec<usize>,
    split: Option<String>,
}

impl<'a> Sentences<'a> {
    /// No sentence yet.
    pub(crate) fn new(source: &'a Source, options: &'a ReadOptions, field: &'a str) -> Self {
        let (sentences, current) = (Vec::new(), Sentence::default());
        Self { source, options, field, sentences, current }
    }

    /// Adds a word, which may be white space that is not ASCII, and its tag.
    pub(crate) fn push(&mut self, line: usize, word: &str, tag: &str) -> Result<(), TextError> {
        for (cell, column) in [(word, "word"), (tag, self.field)] {
            if cell.trim_ascii().is_empty() {
                return Err(self.source.empty_field(line, column));
            }
        }
        let names = LabelNames::new(self.source, self.options);
        let tag = names.written(line, self.field, tag.trim().to_owned())?;
        self.current.words.push(word.to_owned());
        self.current.tags.push(tag);
        self.current.lines.push(line);
        Ok(())
    }

    /// Ends the sentence, if one has begun; `split` is the one it belongs to.
    pub(crate) fn end(&mut self, split: Option<String>) {
        if !self.current.words.is_empty() {
            let sentence = std::mem::take(&mut self.current);
            self.sentences.push(Sentence { split, ..sentence });
        }
    }

    /// All sentences, their tags as the options want them.
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
        };
        Ok(sentences.into_iter().map(example).collect())
    }
}
