//! CoNLL reader: one word and its tag per line, a blank line after each sentence.
//!
//! It supports the layouts of CoNLL-2002, CoNLL-2003, OntoNotes, WikiANN (words such as `en:Bonn`),
//! MultiCoNER, MasakhaNER, UNER, HIPE (a header) and CoNLL-U Plus (`# global.columns`).
//! Columns are separated by tabs, or else by ASCII white space; other white space is part of a
//! word.

mod layout;
mod line;
mod ontonotes;

use layout::Layout;
use line::Line;

use crate::reader::options::ReadOptions;
use crate::reader::words::Sentences;
use crate::source::Source;
use crate::{Example, TextError};

/// Whether a file of tab-separated values has the header of HIPE-2022: it is read as column file.
pub(crate) fn is_hipe(source: &Source) -> bool {
    source.lines().next().is_some_and(|(_, line)| line.starts_with("TOKEN\tNE-"))
}

/// Reads the sentences of a CoNLL file as examples.
pub(crate) fn read(source: &Source, options: &ReadOptions) -> Result<Vec<Example>, TextError> {
    let lines = Line::all(source);
    let Some(layout) = Layout::find(source, &lines, options)? else { return Ok(Vec::new()) };
    let mut sentences = Sentences::new(source, options, "tag");
    let (mut begun, mut is_over) = (false, false);
    for line in &lines {
        if line.is_border(layout.word) {
            sentences.end(None);
            (begun, is_over) = (false, false);
        } else if !layout.passes_over(line, begun) {
            let (word, tag) = layout.cells(source, line)?;
            // A span may go on beyond a mark (hipe-eval/HIPE-2022-data#21), and is not cut in two.
            let begins = is_over && !tag.starts_with("I-");
            if begins {
                sentences.end(None);
            }
            sentences.push(line.number, word, tag)?;
            is_over = layout.ends_sentence(line) || is_over && !begins;
            begun = true;
        }
    }
    sentences.finish()
}

#[cfg(test)]
mod tests {
    use crate::{
        Annotation, Columns, Content, Example, Format, ReadOptions, TextError, read_examples,
    };

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

    /// The words and tags of spans, as `word/tag` with `|` between sentences.
    fn spans(data: &str, columns: Columns) -> String {
        let options = ReadOptions::new(Format::Conll).with_columns(columns);
        let options = options.with_annotation(Annotation::Spans);
        let examples = match read_examples(data.as_bytes(), "x.conll".as_ref(), &options) {
            Ok(examples) => examples,
            Err(error) => return error.to_string(),
        };
        let sentence = |example: &Example| match &example.content {
            Content::Words { words, tags } => {
                let words = words.iter().zip(tags).map(|(word, tag)| format!("{word}/{tag}"));
                words.collect::<Vec<_>>().join(" ")
            }
            other => panic!("no words but {other:?}"),
        };
        examples.iter().map(sentence).collect::<Vec<_>>().join(" | ")
    }

    /// Nested spans (GermEval 2014, datasets PR #139) and predictions (conlleval) are asked about,
    /// chunks beside parts of speech (CoNLL-2003) are not.
    #[test]
    fn several_columns_of_spans_are_asked_for_where_there_is_nothing_else() {
        let nested = "1\tin\tO\tO\n2\tBonn\tB-LOC\tO\n";
        for (data, columns) in [(nested, "[2, 3]"), ("in O O\nBonn B-LOC B-PER\n", "[1, 2]")] {
            assert!(spans(data, Columns::default()).contains(columns), "{data}");
        }
        let numbered = "1 in IN B-PP O\n2 Bonn NNP B-NP B-LOC\n";
        let plain = "in IN B-PP O\nBonn NNP B-NP B-LOC\n";
        for data in [numbered, plain, "in O O\nBonn O B-LOC\n"] {
            assert_eq!(spans(data, Columns::default()), "in/O Bonn/B-LOC", "{data}");
        }
    }

    /// The index of a table of pandas numbers all words of a file.
    #[test]
    fn numbers_of_words_may_go_on_over_sentences() {
        let data = "0 in IN O\n1 Bonn NNP B-LOC\n\n2 ab IN O\n3 Rom NNP B-LOC\n";
        assert_eq!(spans(data, Columns::default()), "in/O Bonn/B-LOC | ab/O Rom/B-LOC");
    }

    #[test]
    fn layouts_that_are_published_give_their_words_and_tags() {
        let named = |tag: &str| Columns { tag: Some(tag.into()), ..Columns::default() };
        let bonn = "in/O Bonn/B-LOC";
        for (name, data, columns, expected) in [
            (
                "UNER",
                "# sent_id = a-1\n# text = in Bonn\n1\tin\tO\t-\tanno\n2\tBonn\tB-LOC\t-\tanno\n\n",
                Columns::default(),
                bonn,
            ),
            (
                "UNER, its columns named",
                "# text = in Bonn\n1\tin\tO\t-\t-\n2\tBonn\tB-LOC\t-\t-\n",
                Columns { word: 1, ..named("2") },
                bonn,
            ),
            ("CoNLL-2002", "in Prep O\nBonn NC B-LOC\n\n", Columns::default(), bonn),
            (
                // dkpro-core#770: spaces at the end, several between columns, IOB1.
                "CoNLL-2003",
                "-DOCSTART- -X- -X- O\n\nin         IN   I-PP  O \nBonn     NNP  I-NP  I-LOC \n\n-DOCSTART- -X- O O\n",
                Columns::default(),
                bonn,
            ),
            (
                "OntoNotes",
                "#begin document (bc/cctv/00/cctv_0000); part 000\nbc/cctv/00 0 0 in IN O\nbc/cctv/00 0 1 Bonn NNP B-LOC\n\n#end document\n",
                Columns { word: 3, ..Columns::default() },
                bonn,
            ),
            ("WikiANN", "de:in\tO\nde:Bonn\tB-LOC\n\n", Columns::default(), bonn),
            (
                "MultiCoNER",
                "# id 5239d808-f300\tdomain=train\nin _ _ O\nBonn _ _ B-LOC\n\n# id 7 domain=train\n# _ _ O\n",
                Columns::default(),
                "in/O Bonn/B-LOC | #/O",
            ),
            ("MasakhaNER", "in O\nBonn B-LOC\n\n\n", Columns::default(), bonn),
            (
                "CoNLL-U Plus",
                "# global.columns = ID FORM UPOS NER\n# text = in Bonn\n1-2\tinBonn\t_\t_\n1\tin\tADP\tO\n2\tBonn\tPROPN\tB-LOC\n",
                named("NER"),
                bonn,
            ),
            (
                // GermEval: `#`, the source and the date, separated by tabs.
                "GermEval",
                "#\thttp://a.de [2009-10-17]\n1\tin\tO\tO\n2\tBonn\tB-LOC\tO\n",
                Columns { word: 1, ..named("2") },
                bonn,
            ),
            (
                // nltk#137: sentence boundaries of NEGRA.
                "NEGRA",
                "#BOS 2 2 899973978 1\nin\tO\nBonn\tB-LOC\n#EOS 2\n",
                Columns::default(),
                bonn,
            ),
        ] {
            assert_eq!(spans(data, columns), expected, "{name}");
        }
    }

    #[test]
    fn sentences_of_hipe_end_at_their_marks() {
        let named = |tag: &str| Columns { tag: Some(tag.into()), ..Columns::default() };
        let bonn = "in/O Bonn/B-LOC";
        for (name, data, columns, expected) in [
            (
                "HIPE",
                "TOKEN\tNE-COARSE-LIT\tNE-COARSE-METO\tMISC\n# hipe2022:document_id = x\nin\tO\tO\t_\n# segment_iiif_link = _\nBonn\tB-LOC\tO\tNoSpaceAfter\n",
                named("NE-COARSE-LIT"),
                bonn,
            ),
            (
                "HIPE, no column named",
                "TOKEN\tNE-COARSE-LIT\tNE-COARSE-METO\tMISC\nin\tO\tO\t_\n",
                Columns::default(),
                "x.conll:2: columns [1, 2] hold tags of spans; data.columns.tag says which is read",
            ),
        ] {
            assert_eq!(spans(data, columns), expected, "{name}");
        }
    }

    #[test]
    fn sentences_of_hipe_end_where_a_column_says() {
        let read = |rows: &str| {
            let columns = Columns { tag: Some("NE-COARSE-LIT".into()), ..Columns::default() };
            spans(&format!("TOKEN\tNE-COARSE-LIT\tNE-COARSE-METO\tMISC\n{rows}"), columns)
        };
        // flairNLP/flair#2675: blank lines end documents.
        let rows = "in\tO\tO\t_\nBonn\tB-LOC\tO\tNoSpaceAfter|EndOfSentence\n# segment = _\n\
                    am\tO\tO\tEndOfLine\nRhein\tB-LOC\tO\tEndOfSentence\n\nan\tO\tO\t_\n";
        assert_eq!(read(rows), "in/O Bonn/B-LOC | am/O Rhein/B-LOC | an/O");
        // hipe-eval/HIPE-2022-data#21: a mark inside a span.
        let rows = "St\tB-LOC\tO\tEndOfSentence\nGallen\tI-LOC\tO\t_\nan\tO\tO\t_\n";
        assert_eq!(read(rows), "St/B-LOC Gallen/I-LOC | an/O");
    }

    #[test]
    fn hipe_is_read_by_its_header_whatever_its_file_is_called() {
        let data = "TOKEN\tNE-COARSE-LIT\tMISC\n\"in\tO\t_\nBonn\tB-LOC\t_\n";
        let options = ReadOptions::new(Format::Tsv).with_annotation(Annotation::Spans);
        let examples = read_examples(data.as_bytes(), "x.tsv".as_ref(), &options).unwrap();
        assert_eq!(examples[0].content, sentence(&["\"in", "Bonn"], &["O", "B-LOC"]));
    }

    /// Rows of CoNLL-2012 as `skeleton2conll` writes them; sentences have a column of arguments for
    /// each of their predicates.
    const CONLL_2012: &str = "#begin document (bc/cctv/00/cctv_0001); part 000\n\
        bc/cctv/00/cctv_0001   0   0       In    IN   (TOP(S(PP*          -    -   -   Speaker#1           *   (ARGM-LOC*          -\n\
        bc/cctv/00/cctv_0001   0   1     Bonn   NNP       (NP*))          -    -   -   Speaker#1       (GPE)            *)   (12)|(3\n\
        bc/cctv/00/cctv_0001   0   2   smiles   VBZ       (VP*)))     smile   01   1   Speaker#1           *          (V*)         3)\n\n\
        bc/cctv/00/cctv_0001   0   0      Yes    UH   (TOP(INTJ*))        -    -   -   Speaker#1           *          -\n\n\
        #end document\n";

    #[test]
    fn columns_of_conll_2012_are_asked_for_by_their_numbers() {
        let columns = |word, tag: Option<&str>| Columns {
            word,
            tag: tag.map(str::to_owned),
            ..Columns::default()
        };
        assert_eq!(spans(CONLL_2012, columns(3, Some("10"))), "In/O Bonn/B-GPE smiles/O | Yes/O");
        let advice = "x.conll:2: the layout of CoNLL-2012 (OntoNotes), whose last column holds \
                      coreference; its words and named entities are read by data.columns.word = 3 \
                      and data.columns.tag = \"10\"";
        for columns in [columns(0, None), columns(3, None), columns(0, Some("10"))] {
            assert_eq!(spans(CONLL_2012, columns), advice);
        }
        // No mention in the whole file.
        let without = CONLL_2012.replace("(12)|(3", "-").replace("         3)", "  -");
        assert_eq!(spans(&without, Columns::default()), advice);
        let options = ReadOptions::new(Format::Conll).with_annotation(Annotation::Tags);
        let read = |options: &ReadOptions| {
            read_examples(CONLL_2012.as_bytes(), "x.conll".as_ref(), options)
        };
        let message = read(&options).unwrap_err().to_string();
        let part = "parts of speech are read by data.columns.word = 3 and data.columns.tag = \"4\"";
        assert!(message.ends_with(part), "{message}");
        let examples = read(&options.with_columns(columns(3, Some("4")))).unwrap();
        assert_eq!(examples[0].content, sentence(&["In", "Bonn", "smiles"], &["IN", "NNP", "VBZ"]));
    }

    #[test]
    fn skeletons_and_coreference_are_no_tags() {
        let skeleton = CONLL_2012.replace("In  ", "[WORD]").replace("Bonn", "[WORD]");
        let skeleton = skeleton.replace("smiles", "[WORD]").replace("Yes", "[WORD]");
        let columns = Columns { word: 3, tag: Some("10".into()), ..Columns::default() };
        for columns in [Columns::default(), columns] {
            assert_eq!(
                spans(&skeleton, columns),
                "x.conll:2: each word is \"[WORD]\": a skeleton, into which the words are still to be put"
            );
        }
        // Two columns of the task: the words, and mentions.
        assert_eq!(
            spans("In -\nBonn (12)|(3\nsmiles 3)\n", Columns::default()),
            "x.conll:1: the last column holds mentions of coreference, such as \"(12)\"; data.columns.tag says which column holds the tags"
        );
        // Tags of spans beside mentions are the only ones that there are.
        assert_eq!(spans("In O -\nBonn B-GPE (12)\n", Columns::default()), "In/O Bonn/B-GPE");
        // Types of entities may be numbers.
        assert_eq!(spans("In *\nBonn (12)\n", Columns::default()), "In/O Bonn/B-12");
    }

    #[test]
    fn numbers_of_classes_are_not_mixed_with_names() {
        let options = ReadOptions::new(Format::Conll).with_label_names(["B-x", "O"]);
        let read = |data: &str| match read_examples(data.as_bytes(), "x".as_ref(), &options) {
            Ok(examples) => format!("{:?}", examples[0].content),
            Err(error) => error.to_string(),
        };
        assert_eq!(
            read("in 1\nBonn 0\n"),
            format!("{:?}", sentence(&["in", "Bonn"], &["O", "B-x"]))
        );
        // In the corrected CoNLL-2003 of CODAIT, pull request 33, a line read `- : 0 0`.
        assert_eq!(
            read("in O\n: 0\n"),
            "x:2: label \"0\", and \"O\" in line 1: one is the number of a class, the other a name"
        );
        assert_eq!(
            read("in 1\n: B-x\n"),
            "x:2: label \"B-x\", and \"1\" in line 1: one is the number of a class, the other a name"
        );
    }

    #[test]
    fn parts_of_speech_of_conllu_plus_are_its_upos() {
        let options = ReadOptions::new(Format::Conll).with_annotation(Annotation::Tags);
        let read = |data: &str, tag: Option<&str>| {
            let columns = Columns { tag: tag.map(str::to_owned), ..Columns::default() };
            let options = options.clone().with_columns(columns);
            match read_examples(data.as_bytes(), "x.conllup".as_ref(), &options) {
                Ok(examples) => format!("{:?}", examples[0].content),
                Err(error) => error.to_string(),
            }
        };
        let data = "# global.columns = ID FORM UPOS NER\n1\tin\tADP\tO\n2\tBonn\tPROPN\tB-LOC\n";
        let expected = format!("{:?}", sentence(&["in", "Bonn"], &["ADP", "PROPN"]));
        assert_eq!(read(data, None), expected);
        assert_eq!(read(data, Some("upos")), expected);
        assert_eq!(
            read(&data.replace("UPOS", "XPOS"), None),
            "x.conllup:2: no column of \"# global.columns\" is called UPOS; data.columns.tag says which is read"
        );
    }

    #[test]
    fn a_number_sign_with_a_tag_is_a_token() {
        // mead-baseline#408: first in its sentence, and in the middle of one.
        for (data, expected) in [
            ("# O\nBonn B-LOC\n", "#/O Bonn/B-LOC"),
            ("Bonn B-LOC\n# O\n#Bonn B-LOC\n", "Bonn/B-LOC #/O #Bonn/B-LOC"),
            ("#\tO\nBonn\tB-LOC\n", "#/O Bonn/B-LOC"),
            ("# a comment of its own\nBonn B-LOC\n", "Bonn/B-LOC"),
            ("# comment\nBonn B-LOC\n", "Bonn/B-LOC"),
            ("# O\n", "#/O"),
            ("# a comment alone\n", "x.conll: no example in this file"),
            ("Bonn B-LOC\n#Bonn\n", "x.conll:2: expected at least 2 columns, found 1"),
        ] {
            assert_eq!(spans(data, Columns::default()), expected, "{data}");
        }
        let tags = read("# #\n£ $\n", Columns::default()).unwrap();
        assert_eq!(tags[0].content, sentence(&["#", "£"], &["#", "$"]));
    }

    #[test]
    fn words_end_at_ascii_white_space_alone() {
        // pyconll#126: a space that is a word.
        let data = "10\u{a0}000 O\n\u{3000} O\n東\u{3000}京 B-LOC\n\u{a0}\tO\n";
        let expected = "10\u{a0}000/O \u{3000}/O 東\u{3000}京/B-LOC \u{a0}/O";
        assert_eq!(spans(data, Columns::default()), expected);
        // spaCy#4385: an ASCII space in a word moves the tag.
        assert_eq!(
            spans("an O\n: \" O\n", Columns::default()),
            "x.conll:2: expected 2 columns, found 3"
        );
    }

    #[test]
    fn word_numbers_are_no_words() {
        assert_eq!(
            spans("1\tBonn\tNOUN\n2\tliegt\tVERB\n", Columns::default()),
            "x.conll:1: the first column counts the words; data.columns.word and data.columns.tag say which others are read"
        );
        let message = read("1\tBonn\tNOUN\n", Columns::default()).unwrap_err().to_string();
        assert!(message.starts_with("x.conll:1: the first column counts the words"), "{message}");
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
