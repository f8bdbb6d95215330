//! Tests of reading, writing and changing treebanks.

use proptest::prelude::*;

use crate::{TextError, TokenId, TreeError, Treebank, read_treebank, read_treebank_file};

const SENTENCE: &str = "# sent_id = 1\n\
    # text = d'or zum Tor\n\
    0.1\tvu\tvoir\tVERB\t_\t_\t_\t_\t0:root\t_\n\
    1\td'or 1\t_\tNOUN\tN\tA=1|B=2\t0\troot\t0:root|3:obj>x\t_\n\
    1.1\ta\t_\t_\t_\t_\t_\t_\t_\t_\n\
    1.2\tb\t_\t_\t_\t_\t_\t_\t_\t_\n\
    2-3\tzum\t_\t_\t_\tTypo=Yes\t_\t_\t_\tSpaceAfter=No\n\
    2\tzu\t_\tADP\tP\t_\t4\tcase\t_\t_\n\
    2.1\tc\t_\t_\t_\t_\t_\t_\t_\t_\n\
    3\tdem\t_\tDET\tD\t_\t4\tdet\t_\t_\n\
    4\t_\t_\tNOUN\tN\t_\t1\tacl:relcl\t_\t_\n\
    4.1\td\t_\t_\t_\t_\t_\t_\t_\t_\n\n";

fn read(text: &str) -> Result<Treebank, TextError> {
    read_treebank(text.as_bytes(), "x.conllu".as_ref())
}

fn message(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn a_valid_file_is_written_as_it_was() {
    let text = SENTENCE.repeat(2);
    let treebank = read(&text).unwrap();
    assert_eq!(treebank.to_string(), text);
    let sentence = &treebank.sentences[1];
    assert_eq!(sentence.origin().line, 14);
    assert_eq!(sentence.comments(), ["# sent_id = 1", "# text = d'or zum Tor"]);
    let forms: Vec<&str> = sentence.words().iter().map(|word| word.form.as_str()).collect();
    assert_eq!(forms, ["d'or 1", "zu", "dem", "_"]);
    assert_eq!(sentence.words()[0].deps, "0:root|3:obj>x");
    assert_eq!(sentence.heads().unwrap(), [0, 4, 4, 1]);
    let token = &sentence.multiword_tokens()[0];
    assert_eq!((token.first, token.last, token.columns.form.as_str()), (2, 3, "zum"));
    let positions = sentence.empty_nodes().iter().map(|node| (node.after, node.number));
    assert_eq!(positions.collect::<Vec<_>>(), [(0, 1), (1, 1), (1, 2), (2, 1), (4, 1)]);
    assert_eq!(sentence.line(TokenId::Range(2, 3)), 20);
    assert_eq!(sentence.line(TokenId::Word(4)), 24);
}

#[test]
fn what_is_no_part_of_the_format_is_read_and_not_written() {
    let loose =
        format!("\u{feff}\n \n{}\n\n{}", SENTENCE.replace('\n', "\r\n"), SENTENCE.trim_end());
    assert_eq!(read(&loose).unwrap().to_string(), SENTENCE.repeat(2));
}

#[test]
fn every_fault_names_its_line() {
    let faults = [
        ("2\tzu", "3\tzu", "8: expected token ID 2, found 3"),
        ("2-3", "3-4", "7: expected token ID 2, found 3-4"),
        ("2-3", "2-9", "7: token ID 2-9 in a sentence of 4 words"),
        ("3\tdem", "3-4\tdem", "10: expected token ID 3, found 3-4"),
        ("2\tzu", "1.3\tzu", "8: expected token ID 2, found 1.3"),
        ("1.2", "1.3", "6: expected token ID 1.2, found 1.3"),
        ("1.2", "2.1", "6: expected token ID 1.2, found 2.1"),
        ("0.1", "1.1", "3: expected token ID 0.1, found 1.1"),
        ("0.1", "01", "3: token ID \"01\" is neither a number, a range nor a decimal"),
        ("4\tdet", "5\tdet", "10: head 5 of word 3 is beyond the 4 words of the sentence"),
        ("4\tdet", "04\tdet", "10: head \"04\" is neither a number nor \"_\""),
        ("\tdet", "\t", "10: empty \"deprel\""),
        ("1\td'or", "# late\n1\td'or", "4: a comment after the first row of a sentence"),
        ("4\tdet\t_\t_", "4\tdet\t_\t_\t_", "10: expected 10 columns, found 11"),
        ("4\tdet\t_\t_", "4\tdet\t_", "10: expected 10 columns, found 9"),
    ];
    for (old, new, expected) in faults {
        assert!(SENTENCE.contains(old));
        assert_eq!(message(&SENTENCE.replacen(old, new, 1)), format!("x.conllu:{expected}"));
    }
    assert_eq!(message(&format!("{SENTENCE}# end\n\n")), "x.conllu:14: a sentence without words");
    assert_eq!(message("1"), "x.conllu:1: expected 10 columns, found 1");
}

#[test]
fn a_file_without_sentences_and_bytes_without_characters_are_refused() {
    for text in ["", "\n\n", "\u{feff}"] {
        assert_eq!(message(text), "x.conllu: no example in this file");
    }
    let error = read_treebank(&b"# a\n1\t\xff"[..], "x.conllu".as_ref()).unwrap_err();
    assert_eq!(error.to_string(), "x.conllu:2: not valid UTF-8");
    let error = read_treebank_file("/nowhere/x.conllu".as_ref()).unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/x.conllu: cannot be read");
}

#[test]
fn faults_of_a_tree_name_the_line_of_the_word() {
    let check = |old: &str, new: &str| {
        let treebank = read(&SENTENCE.replacen(old, new, 1)).unwrap();
        treebank.sentences[0].check_tree().unwrap_err().to_string()
    };
    assert!(read(SENTENCE).unwrap().sentences[0].check_tree().is_ok());
    assert_eq!(check("0\troot", "1\troot"), "x.conllu:4: no word is the root");
    assert_eq!(check("4\tdet", "0\tdet"), "x.conllu:10: words 1 and 3 are both the root");
    assert_eq!(check("4\tdet", "_\tdet"), "x.conllu:10: word 3 has no head");
    assert_eq!(
        check("1\tacl", "3\tacl"),
        "x.conllu:11: word 4 is its own head or above its own head"
    );
}

#[test]
fn a_predicted_tree_changes_heads_and_relations_only() {
    let mut treebank = read(SENTENCE).unwrap();
    let sentence = &mut treebank.sentences[0];
    sentence.set_tree(&[4, 4, 4, 0], &["nsubj", "case", "det", "root"]).unwrap();
    let tagged = sentence.clone();
    sentence.set_upos(&["NOUN", "ADP", "DET", "NOUN"]).unwrap();
    assert_eq!(*sentence, tagged, "the tags were these before");
    assert_eq!(
        sentence.set_upos(&["A", "\t", "B", "C"]),
        Err(TreeError::Cell { word: 2, found: "\t".into() })
    );
    let expected = SENTENCE.replace("0\troot\t0", "4\tnsubj\t0").replace("1\tacl:relcl", "0\troot");
    assert_eq!(sentence.to_string(), expected);

    let before = sentence.clone();
    let deprels = ["a", "b", "c", "d"];
    let mut refused = |heads: &[usize], deprels: &[&str]| {
        let error = sentence.set_tree(heads, deprels).unwrap_err();
        assert_eq!(*sentence, before);
        error
    };
    assert_eq!(refused(&[0], &deprels), TreeError::WordCount { expected: 4, found: 1 });
    assert_eq!(refused(&[0; 4], &["a"]), TreeError::WordCount { expected: 4, found: 1 });
    assert_eq!(
        refused(&[0, 0, 5, 0], &deprels),
        TreeError::HeadRange { word: 3, head: 5, n_words: 4 }
    );
    for relation in ["", " ", "a\tb", "a\nb", "a\r"] {
        assert_eq!(
            refused(&[0; 4], &["a", relation, "c", "d"]),
            TreeError::Cell { word: 2, found: relation.into() }
        );
    }
}

/// A valid cell of a treebank: no tab, no line end, not blank.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![Just("_".to_owned()), "[a-zé🎵=|:#.\u{301} -]{0,6}[a-z0-9İ灯]"]
}

fn cells(head: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (prop::collection::vec(cell(), 5), head, prop::collection::vec(cell(), 3)).prop_map(
        |(before, head, after)| format!("{}\t{head}\t{}", before.join("\t"), after.join("\t")),
    )
}

/// Empty nodes after the start of a sentence or after a word.
fn nodes() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![4 => Just(vec![]), 1 => prop::collection::vec(cells(Just("_".to_owned())), 1..3)]
}

fn sentence() -> impl Strategy<Value = String> {
    let comments = prop::collection::vec("#[ a-z=#\t]{0,8}", 0..3);
    (comments, 1usize..7).prop_flat_map(|(comments, n_words)| {
        let head =
            prop_oneof![Just("_".to_owned()), (0..=n_words).prop_map(|head| head.to_string())];
        let words = prop::collection::vec((cells(head), nodes()), n_words);
        // For each word, the width of a range that would begin there.
        let ranges = prop::collection::vec((0usize..4, cells(Just("_".to_owned()))), n_words);
        (nodes(), words, ranges).prop_map(move |(first, words, ranges)| {
            let mut lines = comments.clone();
            let numbered = |after: usize, nodes: &[String]| -> Vec<String> {
                nodes
                    .iter()
                    .zip(1..)
                    .map(|(cells, number)| format!("{after}.{number}\t{cells}"))
                    .collect()
            };
            lines.extend(numbered(0, &first));
            let mut covered = 0;
            for (((cells, nodes), (width, range)), id) in words.iter().zip(&ranges).zip(1..) {
                let last = id + width - usize::from(*width > 0);
                if *width > 0 && id > covered && last <= n_words {
                    lines.push(format!("{id}-{last}\t{range}"));
                    covered = last;
                }
                lines.push(format!("{id}\t{cells}"));
                lines.extend(numbered(id, nodes));
            }
            lines.join("\n") + "\n\n"
        })
    })
}

proptest! {
    #[test]
    fn generated_sentences_are_written_as_they_were_read(sentences in prop::collection::vec(sentence(), 1..4)) {
        let text = sentences.concat();
        prop_assert_eq!(read(&text).unwrap().to_string(), text);
    }

    #[test]
    fn any_bytes_are_read_as_they_would_be_written_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Ok(treebank) = read_treebank(bytes.as_slice(), "x".as_ref()) {
            let written = treebank.to_string();
            prop_assert_eq!(read(&written).unwrap().to_string(), written);
        }
    }

    #[test]
    fn any_shuffled_syntax_is_read_as_it_would_be_written_or_refused(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "1", "2", "1-2", "0.1", "1.1", "\ta\t_\t_\t_\t_\t_\t_\t_\t_\n", "\t_\t_\t_\t_\t_\t0\troot\t_\tx\r\r\n",
                "\t_\t_\t_\t_\t_\t1\t \t_\t_", "\n", "\r", "\t", "# a\n", "#", "\u{feff}", "\u{85}", "_", "é",
            ]),
            0..20,
        ),
    ) {
        let text = parts.concat();
        if let Ok(treebank) = read(&text) {
            let written = treebank.to_string();
            let again = read(&written).unwrap();
            prop_assert_eq!(again.to_string(), written);
            for sentence in &treebank.sentences {
                prop_assert!(sentence.lines().all(|(line, _)| line <= text.split('\n').count()));
                let _ = sentence.check_tree();
            }
        }
    }
}
