//! CoNLL-U reader for tagging: words with tags from the ten-column format of Universal
//! Dependencies.
//!
//! The rows of multiword tokens (`1-2`) and empty nodes (`1.1`) are checked and skipped.

use crate::reader::options::{Annotation, ReadOptions};
use crate::source::Source;
use crate::tag_scheme::{TaggedLines, to_bio};
use crate::treebank::{self, NO_VALUE, Sentence, TokenId};
use crate::{Content, Example, TextError};

/// Reads the sentences of a CoNLL-U file as examples, with the tags of `columns.tag`; where spans
/// are read, these must be tags of spans.
pub(crate) fn read(source: &Source, options: &ReadOptions) -> Result<Vec<Example>, TextError> {
    let tag_column = match options.columns.tag.as_deref() {
        _ if options.annotation == Annotation::Text => TagColumn::None,
        None | Some("upos") => TagColumn::Upos,
        Some("xpos") => TagColumn::Xpos,
        Some(other) => {
            return Err(TextError::TagColumn {
                path: source.path.to_path_buf(),
                column: other.to_owned(),
            });
        }
    };
    let sentences = treebank::parse(source)?.sentences;
    let examples = sentences.iter().map(|sentence| example(source, sentence, tag_column));
    let mut examples = examples.collect::<Result<Vec<_>, _>>()?;
    if options.annotation == Annotation::Spans {
        tags_to_bio(source, options, &sentences, &mut examples)?;
    }
    Ok(examples)
}

/// Converts the tags of the words of all sentences to BIO.
fn tags_to_bio(
    source: &Source,
    options: &ReadOptions,
    sentences: &[Sentence],
    examples: &mut [Example],
) -> Result<(), TextError> {
    let lines = |sentence: &Sentence| -> Vec<usize> {
        let words = sentence.lines().filter(|(_, row)| matches!(row.id, TokenId::Word(_)));
        words.map(|(line, _)| line).collect()
    };
    let lines: Vec<_> = sentences.iter().map(lines).collect();
    let tagged =
        examples.iter_mut().zip(&lines).filter_map(|(example, lines)| match &mut example.content {
            Content::Words { tags, .. } => Some(TaggedLines { tags, lines }),
            Content::Text { .. } | Content::Tree(_) => None,
        });
    to_bio(source, options.tag_scheme, &mut tagged.collect::<Vec<_>>())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TagColumn {
    /// Words alone, which are their own tags.
    None,
    Upos,
    Xpos,
}

fn example(
    source: &Source,
    sentence: &Sentence,
    tag_column: TagColumn,
) -> Result<Example, TextError> {
    let mut words = Vec::new();
    let mut tags = Vec::new();
    for (word, id) in sentence.words().iter().zip(1..) {
        let (tag, name) = match tag_column {
            TagColumn::None => (&word.form, "form"),
            TagColumn::Upos => (&word.upos, "upos"),
            TagColumn::Xpos => (&word.xpos, "xpos"),
        };
        if tag == NO_VALUE && tag_column != TagColumn::None {
            return Err(source.empty_field(sentence.line(TokenId::Word(id)), name));
        }
        words.push(word.form.clone());
        tags.push(tag.trim().to_owned());
    }
    Ok(Example {
        origin: source.origin(sentence.line(TokenId::Word(1))),
        content: Content::Words { words, tags },
        split: None,
        lacks_spans: false,
    })
}

#[cfg(test)]
mod tests {
    use crate::{
        Annotation, Columns, Content, Example, Format, ReadOptions, TagScheme, TextError,
        read_examples,
    };

    const SENTENCE: &str = "# text = au feu\n\
        1-2\tau\t_\t_\t_\t_\t_\t_\t_\t_\n\
        1\tà\tà\tADP\tP\t_\t3\tcase\t_\t_\n\
        2\tle\tle\tDET\tD\t_\t3\tdet\t_\t_\n\
        3\tfeu\tfeu\tNOUN\tN\t_\t0\troot\t_\t_\n\
        3.1\tvu\tvoir\tVERB\tV\t_\t_\t_\t_\t_\n\n";

    fn read(data: &str, tag: Option<&str>) -> Result<Vec<Example>, TextError> {
        let columns = Columns { tag: tag.map(Into::into), ..Columns::default() };
        read_examples(
            data.as_bytes(),
            "x.conllu".as_ref(),
            &ReadOptions::new(Format::Conllu).with_columns(columns),
        )
    }

    fn message(data: &str) -> String {
        read(data, None).unwrap_err().to_string()
    }

    #[test]
    fn words_are_the_rows_with_whole_number_ids() {
        for (tag, expected) in [
            (None, ["ADP", "DET", "NOUN"]),
            (Some("upos"), ["ADP", "DET", "NOUN"]),
            (Some("xpos"), ["P", "D", "N"]),
        ] {
            let examples = read(&SENTENCE.repeat(2), tag).unwrap();
            assert_eq!(examples.len(), 2);
            assert_eq!(examples[1].origin.line, 10);
            let Content::Words { words, tags } = &examples[1].content else {
                panic!("a sentence has words")
            };
            assert_eq!(
                (words.as_slice(), tags.as_slice()),
                (&["à", "le", "feu"].map(String::from)[..], &expected.map(String::from)[..])
            );
        }
        assert_eq!(
            read(SENTENCE, Some("ner")).unwrap_err().to_string(),
            r#"x.conllu: tag column "ner" is neither "upos" nor "xpos""#
        );
    }

    #[test]
    fn parts_of_speech_are_no_tags_of_spans() {
        let read = |data: &str, scheme: TagScheme, tag: &str| {
            let columns = Columns { tag: Some(tag.into()), ..Columns::default() };
            let options = ReadOptions::new(Format::Conllu).with_columns(columns);
            let options = options.with_annotation(Annotation::Spans).with_tag_scheme(scheme);
            let examples = read_examples(data.as_bytes(), "x.conllu".as_ref(), &options);
            match &examples.map_err(|error| error.to_string())?[0].content {
                Content::Words { tags, .. } => Ok(tags.join(" ")),
                other => panic!("no words but {other:?}"),
            }
        };
        let error: String = read(SENTENCE, TagScheme::Detect, "upos").unwrap_err();
        assert!(error.starts_with("x.conllu:3: tag \"ADP\" spells no span"), "{error}");
        assert!(error.ends_with("task.pos_tagging parts of speech"), "{error}");
        assert_eq!(read(SENTENCE, TagScheme::Io, "upos").unwrap(), "B-ADP B-DET B-NOUN");
        // Tags of spans in a column of CoNLL-U.
        let tagged = SENTENCE.replace("\tP\t", "\tO\t").replace("\tD\t", "\tI-x\t");
        let tagged = tagged.replace("\tN\t", "\tI-x\t");
        assert_eq!(read(&tagged, TagScheme::Detect, "xpos").unwrap(), "O B-x I-x");
    }

    #[test]
    fn every_fault_names_its_line() {
        assert_eq!(
            message(&SENTENCE.replace("\t_\n3", "\n3")),
            "x.conllu:4: expected 10 columns, found 9"
        );
        assert_eq!(
            message(&SENTENCE.replace("2\tle", "4\tle")),
            "x.conllu:4: expected token ID 2, found 4"
        );
        assert_eq!(message(&SENTENCE.replace("DET", "_")), "x.conllu:4: empty \"upos\"");
        assert_eq!(message(&SENTENCE.replace("\tle\t", "\t\t")), "x.conllu:4: empty \"form\"");
        for id in ["", "a", "1-", "2-1", "0-1", "1.", "1.0", "1.a", "+1", "1-2-3"] {
            let data = SENTENCE.replace("1-2\t", &format!("{id}\t"));
            assert_eq!(
                message(&data),
                format!("x.conllu:2: token ID {id:?} is neither a number, a range nor a decimal")
            );
        }
    }
}
