//! Tests of tag schemes: detection, errors and conversion.

use super::{TagScheme, TaggedLines, to_bio};
use crate::source::Source;

/// Converts the tags of sentences to BIO; one word per line, an empty line before each sentence.
fn bio(scheme: TagScheme, sentences: &[&str]) -> Result<Vec<String>, String> {
    let source = Source::read(&b"x"[..], "de.conll".as_ref()).unwrap();
    let mut line = 0;
    let mut all: Vec<(Vec<String>, Vec<usize>)> = sentences
        .iter()
        .map(|tags| {
            line += 1;
            tags.split(' ')
                .map(|tag| {
                    line += 1;
                    (tag.to_owned(), line)
                })
                .unzip()
        })
        .collect();
    let mut views: Vec<_> =
        all.iter_mut().map(|(tags, lines)| TaggedLines { tags, lines }).collect();
    to_bio(&source, scheme, &mut views).map_err(|error| error.to_string())?;
    Ok(all.into_iter().map(|(tags, _)| tags.join(" ")).collect())
}

#[test]
fn each_scheme_is_told_and_its_spans_are_written_as_bio() {
    for (tags, expected) in [
        ("O B-PER I-PER B-PER O", "O B-PER I-PER B-PER O"),
        // IOB1, dkpro/dkpro-core#770: CoNLL-2003 as it is published.
        ("I-ORG O I-PER I-PER B-PER O I-LOC", "B-ORG O B-PER I-PER B-PER O B-LOC"),
        ("I-PER I-LOC", "B-PER B-LOC"),
        // seqeval#71: the same spans in both schemes of five letters.
        ("S-LOC B-LOC I-LOC E-LOC S-LOC", "B-LOC B-LOC I-LOC I-LOC B-LOC"),
        ("U-LOC B-LOC I-LOC L-LOC U-LOC", "B-LOC B-LOC I-LOC I-LOC B-LOC"),
        ("B-LOC M-LOC E-LOC O", "B-LOC I-LOC I-LOC O"),
        // conlleval.py#1: an E ends a span before the next B of its type.
        ("B-MISC E-MISC B-MISC E-MISC", "B-MISC I-MISC B-MISC I-MISC"),
        ("O O", "O O"),
        ("B I O", "B I O"),
        ("B-a-b I-a-b", "B-a-b I-a-b"),
    ] {
        assert_eq!(bio(TagScheme::Detect, &[tags]).unwrap(), [expected], "{tags}");
    }
    assert_eq!(
        bio(TagScheme::Io, &["person-actor person-actor O art person-actor"]).unwrap(),
        ["B-person-actor I-person-actor O B-art B-person-actor"]
    );
}

#[test]
fn brackets_are_spans() {
    // sfu-natlang/glm-parser#32, allenai/allennlp PR #571: named entities of CoNLL-2012.
    for (tags, expected) in [
        ("* (GPE) *", "O B-GPE O"),
        ("(PERSON* *) (GPE) (GPE)", "B-PERSON I-PERSON B-GPE B-GPE"),
        ("(WORK_OF_ART* * *) *", "B-WORK_OF_ART I-WORK_OF_ART I-WORK_OF_ART O"),
        ("(DATE*) *", "B-DATE O"),
        ("* *", "O O"),
    ] {
        for scheme in [TagScheme::Detect, TagScheme::Brackets] {
            assert_eq!(bio(scheme, &[tags]).unwrap(), [expected], "{tags}");
        }
    }
    for (tags, line, tag) in [
        ("* (PERSON* *", 3, "(PERSON*"),
        ("*) *", 2, "*)"),
        // The column of parses nests its brackets.
        ("(NP* (NP* *) *)", 3, "(NP*"),
        ("(NP(NP* *))", 2, "(NP(NP*"),
        ("* O", 3, "O"),
    ] {
        let message = bio(TagScheme::Brackets, &[tags]).unwrap_err();
        let expected = format!("de.conll:{line}: tag \"{tag}\" spells no span in the scheme");
        assert!(message.starts_with(&expected), "{message}");
    }
    // A span does not reach into the next sentence, and one other tag makes no file of brackets.
    bio(TagScheme::Detect, &["(PERSON*", "*)"]).unwrap_err();
    let message = bio(TagScheme::Detect, &["* B-PERSON"]).unwrap_err();
    assert!(message.starts_with("de.conll:2: tag \"*\" spells no span"), "{message}");
}

#[test]
fn files_that_keep_to_no_scheme_are_refused_with_the_line() {
    for (sentences, expected) in [
        (
            &["B-PER O", "O I-PER"][..],
            "de.conll:6: tag \"I-PER\" is of another scheme than \"B-PER\" of line 2; data.tag_scheme says how both are read",
        ),
        (
            &["S-PER U-PER"],
            "de.conll:3: tag \"U-PER\" is of another scheme than \"S-PER\" of line 2",
        ),
        // seqeval#95: BILO, in which a single word has B-.
        (
            &["B-PER L-PER O B-MISC", "O"],
            "de.conll:5: tag \"B-MISC\" is of another scheme than \"L-PER\" of line 3",
        ),
        (
            &["S-PER E-PER"],
            "de.conll:3: tag \"E-PER\" is of another scheme than \"S-PER\" of line 2",
        ),
        // elasticsearch#87091: underscores instead of hyphens.
        (&["O B_PER"], "de.conll:3: tag \"B_PER\" spells no span in the scheme \"detect\""),
        (&["O PER"], "data.tag_scheme = \"io\" reads bare types"),
        // norne#7: another field in front of the tag.
        (&["name=B-PER"], "de.conll:2: tag \"name=B-PER\" spells no span"),
        (&["O b-per"], "de.conll:3: tag \"b-per\" spells no span"),
    ] {
        let message = bio(TagScheme::Detect, sentences).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_scheme_that_is_asked_for_is_read_as_conlleval_reads_it() {
    assert_eq!(bio(TagScheme::Bio, &["B-PER O I-PER I-LOC"]).unwrap(), ["B-PER O B-PER B-LOC"]);
    assert_eq!(bio(TagScheme::Bilou, &["B-PER L-PER O B-PER"]).unwrap(), ["B-PER I-PER O B-PER"]);
    let message = bio(TagScheme::Bio, &["O S-PER"]).unwrap_err();
    assert!(message.contains("de.conll:3: tag \"S-PER\" spells no span in the scheme \"bio\""));
}

#[test]
fn bio_is_written_in_the_scheme_of_the_labels_of_a_model() {
    let names = |names: &[&str]| -> Vec<String> { names.iter().map(|n| (*n).to_owned()).collect() };
    let bio = names(&["B-x", "I-x", "B-x", "O", "B-y"]);
    for (labels, scheme, expected) in [
        (&["O", "B-x", "I-x", "B-y", "I-y"][..], TagScheme::Bio, "B-x I-x B-x O B-y"),
        (&["O", "B-x", "I-x", "E-x", "S-x"], TagScheme::Bioes, "B-x E-x S-x O S-y"),
        (&["O", "B-x", "I-x", "L-x", "U-x"], TagScheme::Bilou, "B-x L-x U-x O U-y"),
        (&["O", "B-x", "I-x", "I-y"], TagScheme::Iob1, "I-x I-x B-x O I-y"),
        (&["DET", "NOUN"], TagScheme::Bio, "B-x I-x B-x O B-y"),
    ] {
        let from_labels = TagScheme::from_labels(&names(labels));
        assert_eq!(
            (from_labels, from_labels.encode(&bio).join(" ")),
            (scheme, expected.to_owned())
        );
    }
}
