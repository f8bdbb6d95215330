//! Tests of code-switching, with tags and slots.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::{CodeSwitcher, parts};
use crate::{CaseRule, CodeSwitchConfig, Content, Example, Origin, Slot};

fn dictionaries(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (language, entries) in files {
        std::fs::write(folder.path().join(format!("en-{language}.txt")), entries).unwrap();
    }
    folder
}

fn config(folder: &TempDir, languages: &[&str]) -> CodeSwitchConfig {
    CodeSwitchConfig {
        dictionaries: folder.path().join("en-{language}.txt").to_str().unwrap().into(),
        languages: languages.iter().map(|language| language.parse().unwrap()).collect(),
        rate: 1.0,
        case: CaseRule::Lower,
    }
}

fn german() -> CodeSwitcher {
    let entries = "turn\tschalte\nthe\tdie\nkitchen\tKüche\nlights\tLichter\nliving room\tWohnzimmer\n\
        on\tan\noff\tganz aus\nc++\tC\nc\tZeh\n'tis\tes ist\n";
    let folder = dictionaries(&[("de", entries)]);
    CodeSwitcher::new(&config(&folder, &["de"])).unwrap()
}

fn text(text: &str, slots: &[(usize, usize)]) -> Example {
    let slot = |&(start, end): &(usize, usize)| Slot { start, end, name: "x".into() };
    let slots = slots.iter().map(slot).collect();
    let content = Content::Text { text: text.into(), pair: None, label: None, slots };
    let path = std::path::Path::new("en.jsonl").into();
    Example { origin: Origin { path, line: 1 }, content, split: None, lacks_spans: false }
}

/// The code-switched text, its slots, and the texts at the new spans of its words.
fn switch(switcher: &CodeSwitcher, example: &Example) -> (String, Vec<String>, Vec<String>) {
    let seen = switcher.switch(example, &mut ChaCha8Rng::seed_from_u64(0));
    let Content::Text { text, slots, .. } = &seen.example.content else { panic!("no text") };
    let chars: Vec<char> = text.chars().collect();
    let part = |start: usize, end: usize| chars[start..end].iter().collect::<String>();
    let slots = slots.iter().map(|slot| part(slot.start, slot.end)).collect();
    let words = seen.word_spans.iter().flatten().map(|&(start, end)| part(start, end)).collect();
    (text.clone(), slots, words)
}

#[test]
fn slots_and_words_move_with_the_text() {
    // Words are looked up one by one, so "living room" is not found.
    let example = text("Turn \"off\" the kitchen-light, kitchen lights!", &[(5, 10), (30, 44)]);
    let (switched, slots, words) = switch(&german(), &example);
    assert_eq!(switched, "schalte \"ganz aus\" die kitchen-light, Küche Lichter!");
    assert_eq!(slots, ["\"ganz aus\"", "Küche Lichter"]);
    assert_eq!(words, ["schalte", "\"ganz aus\"", "die", "kitchen-light,", "Küche", "Lichter!"]);
}

#[test]
fn a_word_that_a_slot_cuts_stays() {
    let (switched, slots, _) = switch(&german(), &text("kitchen lights on", &[(0, 4), (4, 14)]));
    assert_eq!(switched, "kitchen Lichter an");
    assert_eq!(slots, ["kitc", "hen Lichter"]);
}

#[test]
fn the_longest_part_that_the_dictionary_knows_is_looked_up() {
    let switched = |word: &str| switch(&german(), &text(word, &[])).0;
    assert_eq!(switched("c++,"), "C,");
    assert_eq!(switched("(c)"), "(Zeh)");
    assert_eq!(switched("'tis..."), "es ist...");
    assert_eq!(switched("打开灯 🎵 --"), "打开灯 🎵 --");
    let shown = |word: &'static str| parts(word).map(|part| &word[part]).collect::<Vec<_>>();
    assert_eq!(shown("\"c.\""), ["\"c.\"", "c.\"", "\"c.", "c.", "\"c", "c"]);
    assert_eq!(shown("..."), ["..."]);
}

#[test]
fn a_capital_is_kept_only_if_asked() {
    let folder = dictionaries(&[("fr", "élan\tössö\nice\tglace\n")]);
    let switched = |case, word: &str| {
        let switcher = CodeSwitcher::new(&CodeSwitchConfig { case, ..config(&folder, &["fr"]) });
        switch(&switcher.unwrap(), &text(word, &[])).0
    };
    assert_eq!(switched(CaseRule::Lower, "\"ÉLAN\" Ice ice"), "\"össö\" glace glace");
    assert_eq!(switched(CaseRule::Keep, "\"ÉLAN\" Ice ice"), "\"Össö\" Glace glace");
}

#[test]
fn words_of_a_file_keep_their_number_and_tags() {
    let words = ["off", "Kitchen", "nowhere"].map(String::from).to_vec();
    let tags = ["O", "B-x", "O"].map(String::from).to_vec();
    let content = Content::Words { words, tags: tags.clone() };
    let example = Example { content, ..text("", &[]) };
    let seen = german().switch(&example, &mut ChaCha8Rng::seed_from_u64(0));
    let words = ["ganz aus", "Küche", "nowhere"].map(String::from).to_vec();
    assert_eq!(seen.example.content, Content::Words { words, tags });
}

#[test]
fn both_texts_of_a_pair_are_switched() {
    let pair = Some("the lights".to_owned());
    let content = Content::Text { text: "on".into(), pair, label: None, slots: vec![] };
    let example = Example { content, ..text("", &[]) };
    let seen = german().switch(&example, &mut ChaCha8Rng::seed_from_u64(0));
    assert!(matches!(
        &seen.example.content,
        Content::Text { text, pair: Some(pair), .. } if text == "an" && pair == "die Lichter"
    ));
}

#[test]
fn words_languages_and_translations_are_drawn_as_often_as_asked() {
    let folder = dictionaries(&[("de", "a\tx\na\ty\nb\tz\n"), ("tr", "a w\n")]);
    let config = CodeSwitchConfig { rate: 0.4, ..config(&folder, &["de", "tr"]) };
    let switcher = CodeSwitcher::new(&config).unwrap();
    let n_words = 20_000;
    let example = text(&"a ".repeat(n_words), &[]);
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for word in switch(&switcher, &example).2 {
        *counts.entry(word).or_default() += 1.0;
    }
    let n_words = n_words as f64;
    for (word, share) in [("a", 0.6), ("x", 0.1), ("y", 0.1), ("w", 0.2)] {
        // Five standard deviations.
        let width = 5.0 * (n_words * share * (1.0 - share)).sqrt();
        assert!((counts[word] - n_words * share).abs() < width, "{counts:?}");
    }
}

#[test]
fn what_is_no_dictionary_is_refused_by_name() {
    let folder = dictionaries(&[("de", "a b\nc\n"), ("tr", "a b\n")]);
    let message = |language| {
        let error = CodeSwitcher::new(&config(&folder, &[language])).unwrap_err();
        error.to_string().replace(folder.path().to_str().unwrap(), "")
    };
    assert_eq!(message("de"), "/en-de.txt:2: expected at least 2 columns, found 1");
    assert_eq!(message("fi"), "/en-fi.txt: no file for \"fi\", only for \"de\", \"tr\"");
}

proptest! {
    #[test]
    fn slots_still_cover_the_words_that_they_covered(
        words in prop::collection::vec(prop::sample::select(vec!["turn", "The", "(kitchen)", "off,", "x", "灯", "e\u{301}", "🎵on"]), 1..9),
        first in 0usize..9,
        last in 0usize..9,
    ) {
        let (first, last) = (first.min(last).min(words.len() - 1), first.max(last).min(words.len() - 1));
        let n_chars = |words: &[&str]| words.iter().map(|word| word.chars().count() + 1).sum::<usize>();
        let (start, end) = (n_chars(&words[..first]), n_chars(&words[..=last]) - 1);
        let (_, slots, switched) = switch(&german(), &text(&words.join(" "), &[(start, end)]));
        prop_assert_eq!(switched.len(), words.len());
        prop_assert_eq!(&slots[0], &switched[first..=last].join(" "));
    }

    #[test]
    fn any_text_can_be_switched(characters in "\\PC{0,24}|[ofthe, 'İ\u{301}灯🎵\t]{0,24}") {
        let (switched, _, words) = switch(&german(), &text(&characters, &[]));
        prop_assert_eq!(words.len(), characters.split_whitespace().count());
        prop_assert_eq!(words.concat().replace(' ', ""), switched.split_whitespace().collect::<String>());
    }
}
