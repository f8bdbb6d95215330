//! Tests of translated views.

use std::collections::BTreeSet;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::Translator;
use crate::{Content, Example, Origin, Quoting, Slot, TranslationConfig};

/// A translator with these files, or its error message without the folder.
fn translator(files: &[(&str, &str)]) -> Result<Translator, String> {
    quoted(files, None)
}

/// A translator with files of this quoting.
fn quoted(files: &[(&str, &str)], quoting: Option<Quoting>) -> Result<Translator, String> {
    let folder = tempfile::tempdir().unwrap();
    for (language, pairs) in files {
        std::fs::write(folder.path().join(format!("en-{language}.tsv")), pairs).unwrap();
    }
    let path = folder.path().join("en-{language}.tsv").to_str().unwrap().into();
    let languages = files.iter().map(|(language, _)| language.parse().unwrap()).collect();
    Translator::new(&TranslationConfig { path, languages, quoting })
        .map_err(|error| error.to_string().replace(folder.path().to_str().unwrap(), ""))
}

fn example(text: &str, pair: Option<&str>) -> Example {
    let slots = vec![Slot { start: 0, end: 1, name: "x".into() }];
    let (label, pair) = (Some("on".to_owned()), pair.map(str::to_owned));
    let path = std::path::Path::new("en.jsonl").into();
    let content = Content::Text { text: text.into(), pair, label, slots };
    Example { origin: Origin { path, line: 1 }, content, split: None, lacks_spans: false }
}

/// All translations of an example over many seeds.
fn all(translator: &Translator, example: &Example) -> BTreeSet<(String, Option<String>)> {
    let seen = |seed| {
        let seen = translator.translate(example, &mut ChaCha8Rng::seed_from_u64(seed));
        match &seen.example.content {
            Content::Text { text, pair, label, .. } => {
                assert_eq!(label.as_deref(), Some("on"));
                (text.clone(), pair.clone())
            }
            Content::Words { .. } | Content::Tree(_) => panic!("no text"),
        }
    };
    (0..100).map(seen).collect()
}

#[test]
fn both_texts_of_a_pair_are_in_one_language() {
    let translator = translator(&[
        ("de", "yes\tja\nno\tnein\nno\tnö\nonly\tnur\n"),
        ("tr", "yes\tevet\nno\thayır\n"),
    ])
    .unwrap();
    let strings = |pairs: &[(&str, Option<&str>)]| -> BTreeSet<_> {
        pairs.iter().map(|(text, pair)| (text.to_string(), pair.map(str::to_owned))).collect()
    };
    assert_eq!(
        all(&translator, &example(" yes", Some("no"))),
        strings(&[("ja", Some("nein")), ("ja", Some("nö")), ("evet", Some("hayır"))])
    );
    assert_eq!(all(&translator, &example("only", Some("yes"))), strings(&[("nur", Some("ja"))]));
    assert_eq!(all(&translator, &example("yes", None)), strings(&[("ja", None), ("evet", None)]));
}

#[test]
fn what_has_no_translation_stays_and_is_not_counted() {
    let translator = translator(&[("de", "yes\tja\n")]).unwrap();
    let words = Content::Words { words: vec!["Yes".into()], tags: vec!["O".into()] };
    let examples = [
        example("yes", None),
        example("Yes", None),
        example("yes", Some("no")),
        Example { content: words, ..example("", None) },
    ];
    assert_eq!(translator.n_translated(&examples), 1);
    for example in &examples[1..] {
        let seen = translator.translate(example, &mut ChaCha8Rng::seed_from_u64(0));
        assert_eq!(seen.example.as_ref(), example);
    }
}

#[test]
fn cells_are_unquoted_as_the_file_tells_or_the_table_says() {
    // A sentence in quotes among others without: only the table can say that it was quoted.
    let files = [("de", "\"yes\"\tja\nno\tnein\n")];
    for (quoting, text, expected) in [
        (None, "\"yes\"", 1),
        (None, "yes", 0),
        (Some(Quoting::Minimal), "yes", 1),
        (Some(Quoting::None), "\"yes\"", 1),
    ] {
        let translator = quoted(&files, quoting).unwrap();
        assert_eq!(translator.n_translated(&[example(text, None)]), expected, "{quoting:?} {text}");
    }
    let written = [("de", "\"say \"\"yes\"\"\"\tja\n")];
    assert_eq!(quoted(&written, None).unwrap().n_translated(&[example("say \"yes\"", None)]), 1);
}

#[test]
fn a_translation_has_words_of_its_own_and_no_slots_or_tags() {
    let translator = translator(&[("de", "a b c\tx y\n")]).unwrap();
    let example = example("a b c", None);
    let seen = translator.translate(&example, &mut ChaCha8Rng::seed_from_u64(0));
    assert!(matches!(&seen.example.content, Content::Text { slots, .. } if slots.is_empty()));
    assert_eq!(seen.word_spans, [Some((0, 1)), Some((2, 3))]);
    let words = ["a", "b", "c"].map(str::to_owned).to_vec();
    let tags = vec!["O".to_owned(); 3];
    let words = Example { content: Content::Words { words, tags }, ..example.clone() };
    let seen = translator.translate(&words, &mut ChaCha8Rng::seed_from_u64(0));
    let Content::Words { words, tags } = &seen.example.content else { panic!("no words") };
    assert_eq!((&words[..], tags.len()), (&["x".to_owned(), "y".to_owned()][..], 2));
}

#[test]
fn what_is_no_pair_is_refused_by_line() {
    let message = translator(&[("de", "yes\tja\nno\n")]).unwrap_err();
    assert_eq!(message, "/en-de.tsv:2: expected 2 columns, found 1");
}
