//! Tests of views (data augmentation), as a trainer uses them.

use proptest::prelude::*;
use tempfile::TempDir;

use super::{ViewKind, ViewTask, Viewed, Viewer, ViewsConfig};
use crate::subword::fixture;
use crate::tokenizer::tests::{BYTE_LEVEL, UNIGRAM, WORD_PIECE, read, unigram};
use crate::{
    Example, FeatureOptions, Format, LabelSet, ReadOptions, TagUnits, Target,
    featurize_classification, featurize_tagging, read_examples,
};

const X: i32 = crate::IGNORE_INDEX;

const TASKS: [ViewTask; 3] = [
    ViewTask::Classification,
    ViewTask::Tagging(TagUnits::Word),
    ViewTask::Tagging(TagUnits::Subword),
];

/// A configuration of all views: every word is resampled and looked up.
fn config() -> (TempDir, ViewsConfig) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    std::fs::write(folder.path().join("en-de.txt"), "light\tLicht\nhome\tWohn\noff\tganz aus\n")
        .unwrap();
    std::fs::write(folder.path().join("en-de.tsv"), "light off\tLicht aus\n").unwrap();
    let json = format!(
        r#"{{
            "subword_sampled": {{"rate": 1.0, "alpha": 0.2}},
            "code_switched": {{"dictionaries": "{root}/en-{{language}}.txt", "languages": ["de"], "rate": 1.0}},
            "translated": {{"path": "{root}/en-{{language}}.tsv", "languages": ["de"]}}
        }}"#
    );
    let config = serde_json::from_str(&json).unwrap();
    (folder, config)
}

fn viewer() -> Viewer {
    let (_folder, config) = config();
    Viewer::new(&config, &unigram(), &"en".parse().unwrap()).unwrap()
}

fn labels() -> LabelSet {
    LabelSet::new(["B-x", "I-x", "O", "on"]).unwrap()
}

fn jsonl(row: serde_json::Value) -> Example {
    let options = ReadOptions::new(Format::Jsonl);
    read_examples(row.to_string().as_bytes(), "en.jsonl".as_ref(), &options).unwrap().remove(0)
}

fn text(text: &str) -> Example {
    jsonl(serde_json::json!({"text": text, "label": "on"}))
}

fn see(viewer: &Viewer, view: ViewKind, example: &Example, task: ViewTask) -> Viewed {
    viewer.view(view, example, task, &labels(), 32, 7).unwrap()
}

fn tokens(viewed: &Viewed) -> &[i32] {
    match &viewed.features.target {
        Target::Tokens(labels) => labels,
        other => panic!("expected labels for tokens, found {other:?}"),
    }
}

#[test]
fn a_viewer_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Viewer>();
}

#[test]
fn names_are_those_of_recipes() {
    for view in
        [ViewKind::Original, ViewKind::SubwordSampled, ViewKind::CodeSwitched, ViewKind::Translated]
    {
        assert_eq!(serde_json::to_string(&view).unwrap(), format!("\"{view}\""));
    }
}

#[test]
fn a_view_is_the_same_on_every_machine() {
    let tokenizer = read(&fixture("subword_sampling_tokenizer.json"));
    let config = serde_json::from_str(r#"{"subword_sampled": {"rate": 0.8}}"#).unwrap();
    let viewer = Viewer::new(&config, &tokenizer, &"en".parse().unwrap()).unwrap();
    let example = text("leisänei lsiti teimte");
    let seen = |seed| {
        let view = ViewKind::SubwordSampled;
        viewer.view(view, &example, TASKS[0], &labels(), 32, seed).unwrap()
    };
    assert_eq!(seen(3), seen(3));
    assert_eq!(seen(0).features.input.ids, [73, 60, 27, 38, 80]);
    assert_eq!(seen(1).features.input.ids, [4, 32, 10, 7, 76, 80]);
}

#[test]
fn subwords_keep_the_tags_and_positions_of_their_words() {
    let slots = serde_json::json!([{"start": 6, "end": 8, "slot": "x"}]);
    let example = jsonl(serde_json::json!({"text": "Licht ee aus", "slots": slots}));
    // <s> ▁Licht ▁ e e ▁aus </s>: "e" has no other segmentation, and its metaspace covers no
    // character.
    let viewed =
        see(&viewer(), ViewKind::SubwordSampled, &example, ViewTask::Tagging(TagUnits::Subword));
    let first = viewed.first_subwords();
    let spans = unigram().spans(&viewed.features.input, "Licht ee aus");
    for (label, &(start, end)) in tokens(&viewed).iter().zip(&spans) {
        match (start, end) {
            _ if start == end => assert_eq!(*label, X),
            (6, 7) => assert_eq!(*label, 0),
            (7, 8) => assert_eq!(*label, 1),
            _ => assert_eq!(*label, 2),
        }
    }
    let starts: Vec<usize> = first.into_iter().map(|idx| spans[idx.unwrap()].0).collect();
    assert_eq!(starts, [0, 6, 9]);
}

#[test]
fn switched_words_are_found_where_they_stand_now() {
    let slots = serde_json::json!([{"start": 11, "end": 14, "slot": "x"}]);
    let example =
        jsonl(serde_json::json!({"text": "light home off e", "slots": slots, "label": "on"}));
    let viewer = viewer();
    // <s> ▁Licht ▁W ohn ▁ <unk> ▁aus ▁ e </s>
    let viewed = see(&viewer, ViewKind::CodeSwitched, &example, ViewTask::Classification);
    assert_eq!(viewed.features.input.ids, [0, 5, 6, 7, 4, 3, 8, 4, 12, 2]);
    assert_eq!(viewed.features.target, Target::Class(3));
    assert_eq!(viewed.first_subwords(), [Some(1), Some(2), Some(5), Some(8)]);
    assert_eq!(viewed.subwords, [Some(1..2), Some(2..4), Some(5..7), Some(8..9)]);
    // Each word is encoded alone, and "ganz" and "aus" are two words with a tag each.
    let viewed = see(&viewer, ViewKind::CodeSwitched, &example, ViewTask::Tagging(TagUnits::Word));
    assert_eq!(tokens(&viewed), [X, 2, 2, X, 0, X, 1, 2, X, X]);
    assert_eq!(viewed.first_subwords(), [Some(1), Some(2), Some(4), Some(7)]);
    assert_eq!(viewed.subwords, [Some(1..2), Some(2..4), Some(4..7), Some(7..9)]);
    assert_eq!(viewed.whole_words(), viewed.subwords);
    let viewed =
        see(&viewer, ViewKind::CodeSwitched, &example, ViewTask::Tagging(TagUnits::Subword));
    assert_eq!(tokens(&viewed), [X, 2, 2, 2, X, 0, 1, X, 2, X]);
    assert_eq!(viewed.first_subwords(), [Some(1), Some(2), Some(5), Some(8)]);
}

#[test]
fn words_of_a_file_are_found_by_their_number() {
    let data = "home B-x\noff O\n";
    let options = ReadOptions::new(Format::Conll);
    let example = read_examples(data.as_bytes(), "en.conll".as_ref(), &options).unwrap().remove(0);
    // <s> ▁W ohn ▁ <unk> ▁aus </s>: "ganz aus" is one word with one tag.
    let viewed =
        see(&viewer(), ViewKind::CodeSwitched, &example, ViewTask::Tagging(TagUnits::Word));
    assert_eq!(tokens(&viewed), [X, 0, X, 2, X, X, X]);
    assert_eq!(viewed.subwords, [Some(1..3), Some(3..6)]);
}

#[test]
fn the_word_at_the_cut_of_a_truncated_text_is_not_whole() {
    // <s> ▁Licht ▁W ohn ▁aus </s>
    let right = viewer();
    let (_folder, config) = config();
    let left = read(&UNIGRAM.replacen("Right", "Left", 1));
    let left = Viewer::new(&config, &left, &"en".parse().unwrap()).unwrap();
    let example = text("Licht Wohn aus");
    for task in TASKS {
        let seen = |viewer: &Viewer, max_length| {
            viewer.view(ViewKind::Original, &example, task, &labels(), max_length, 0).unwrap()
        };
        let all = [Some(1..2), Some(2..4), Some(4..5)];
        assert_eq!(seen(&right, 6).whole_words(), all, "{task:?}");
        let viewed = seen(&right, 4);
        assert_eq!(viewed.subwords, [Some(1..2), Some(2..3), None], "{task:?}");
        assert_eq!(viewed.whole_words(), [Some(1..2), None, None], "{task:?}");
        let viewed = seen(&left, 4);
        assert_eq!(viewed.subwords, [None, Some(1..2), Some(2..3)], "{task:?}");
        assert_eq!(viewed.whole_words(), [None, None, Some(2..3)], "{task:?}");
    }
}

#[test]
fn words_cut_off_are_nowhere() {
    let example =
        jsonl(serde_json::json!({"text": "Licht aus Wohn", "pair": "Licht", "label": "on"}));
    let read = ReadOptions::new(Format::Jsonl);
    let columns = crate::Columns { pair: Some("pair".into()), ..crate::Columns::default() };
    let row = r#"{"text": "Licht aus Wohn", "pair": "Licht Licht", "label": "on"}"#;
    let pair =
        read_examples(row.as_bytes(), "x".as_ref(), &read.with_columns(columns)).unwrap().remove(0);
    let first = |example| {
        let viewer = viewer();
        viewer
            .view(ViewKind::Original, example, ViewTask::Classification, &labels(), 5, 0)
            .unwrap()
            .first_subwords()
    };
    assert_eq!(first(&example), [Some(1), Some(2), Some(3)]);
    assert_eq!(first(&pair), [Some(1), None, None]);
}

#[test]
fn a_translation_keeps_its_class_and_has_words_of_its_own_without_tags() {
    let viewer = viewer();
    let viewed = see(&viewer, ViewKind::Translated, &text("light off"), ViewTask::Classification);
    assert_eq!(viewed.features.input.ids, [0, 5, 8, 2]);
    assert_eq!(viewed.features.target, Target::Class(3));
    assert_eq!(viewer.n_translated(&[text("light off"), text("light")]), 1);
    // <s> ▁Licht ▁aus </s>
    let words = "light B-x\noff O\n";
    let options = ReadOptions::new(Format::Conll);
    let words = read_examples(words.as_bytes(), "en.conll".as_ref(), &options).unwrap().remove(0);
    assert_eq!(viewer.n_translated(std::slice::from_ref(&words)), 1);
    for (example, task) in
        [(text("light off"), TASKS[1]), (text("light off"), TASKS[2]), (words, TASKS[1])]
    {
        let viewed = see(&viewer, ViewKind::Translated, &example, task);
        assert_eq!(viewed.features.input.ids, [0, 5, 8, 2], "{task:?}");
        assert_eq!(viewed.features.target, Target::None);
        assert_eq!(viewed.first_subwords(), [Some(1), Some(2)]);
        // What has no translation has no tags either, for its batch is of translations.
        let viewed = see(&viewer, ViewKind::Translated, &text("Licht"), task);
        assert_eq!(viewed.features.target, Target::None);
    }
}

#[test]
fn subwords_of_a_translation_are_sampled_from_the_translation_of_the_same_seed() {
    let (folder, mut config) = config();
    std::fs::write(folder.path().join("en-de.tsv"), "off\tLicht Wohn\noff\tWohn aus\n").unwrap();
    for task in TASKS {
        let mut different = [0, 0];
        for (rate, n) in [0.0, 1.0].into_iter().zip(&mut different) {
            config.subword_sampled.as_mut().unwrap().rate = rate;
            let viewer = Viewer::new(&config, &unigram(), &"en".parse().unwrap()).unwrap();
            for seed in 0..30 {
                let see = |view| viewer.view(view, &text("off"), task, &labels(), 32, seed);
                let whole = see(ViewKind::Translated).unwrap();
                let sampled = see(ViewKind::TranslatedSubwordSampled).unwrap();
                assert_eq!(sampled.features.target, whole.features.target);
                *n += usize::from(sampled.features.input.ids != whole.features.input.ids);
            }
        }
        assert_eq!(different[0], 0, "{task:?}");
        assert!(different[1] > 0, "{task:?}");
    }
}

#[test]
fn what_was_not_configured_or_cannot_be_is_an_error() {
    let (_folder, config) = config();
    let new = |config: &ViewsConfig, source: &str| {
        Viewer::new(config, &unigram(), &source.parse().unwrap())
    };
    let plain = new(&ViewsConfig::default(), "en").unwrap();
    let see = |view| plain.view(view, &text("aus"), TASKS[0], &labels(), 8, 0);
    assert!(see(ViewKind::Original).is_ok());
    for view in [ViewKind::SubwordSampled, ViewKind::CodeSwitched, ViewKind::Translated] {
        let message = see(view).unwrap_err().to_string();
        assert_eq!(message, format!("there is no table [views.{view}] for the view \"{view}\""));
    }
    assert_eq!(plain.n_translated(&[text("aus")]), 0);
    assert_eq!(
        new(&config, "de").unwrap_err().to_string(),
        "views.code_switched.languages: \"de\" is the language of the examples"
    );
    let mut faulty = config;
    faulty.code_switched.as_mut().unwrap().rate = 1.5;
    assert_eq!(
        new(&faulty, "en").unwrap_err().to_string(),
        "views.code_switched.rate: expected [0, 1], found 1.5"
    );
}

/// The result of the functions for whole datasets.
fn featurized(tokenizer: &crate::Tokenizer, example: &Example, task: ViewTask) -> crate::Features {
    let (examples, labels, options) = ([example.clone()], labels(), FeatureOptions::new(12));
    let all = match task {
        ViewTask::Classification => {
            featurize_classification(tokenizer, &examples, Some(&labels), &options)
        }
        ViewTask::Tagging(units) => {
            featurize_tagging(tokenizer, &examples, Some(&labels), units, &options)
        }
    };
    all.unwrap().features.remove(0)
}

proptest! {
    #[test]
    fn originals_and_unsampled_subwords_are_plain_features(
        characters in "[Lichtauseo🎵\u{301}打开灯 <s>]{1,24}|\\PC{1,12}",
        json in prop::sample::select(vec![UNIGRAM, WORD_PIECE, BYTE_LEVEL]),
        seed: u64,
    ) {
        prop_assume!(!characters.trim().is_empty());
        let tokenizer = read(json);
        let config = serde_json::from_str(r#"{"subword_sampled": {"rate": 0.0}}"#).unwrap();
        let viewer = Viewer::new(&config, &tokenizer, &"en".parse().unwrap()).unwrap();
        let example = text(&characters);
        for task in TASKS {
            let expected = featurized(&tokenizer, &example, task);
            for view in [ViewKind::Original, ViewKind::SubwordSampled] {
                let viewed = viewer.view(view, &example, task, &labels(), 12, seed).unwrap();
                prop_assert_eq!(&viewed.features, &expected);
            }
        }
    }

    #[test]
    fn any_text_has_views_with_tokens_inside_it(
        characters in "[lightomf Lichtaus🎵\u{301}打开灯,\t]{1,30}|\\PC{1,16}",
        json in prop::sample::select(vec![UNIGRAM, WORD_PIECE, BYTE_LEVEL]),
        max_length in 3usize..24,
        seed: u64,
    ) {
        prop_assume!(!characters.trim().is_empty());
        let (_folder, config) = config();
        let viewer = Viewer::new(&config, &read(json), &"en".parse().unwrap()).unwrap();
        let example = text(&characters);
        let n_words = characters.split_whitespace().count();
        for view in [ViewKind::Original, ViewKind::SubwordSampled, ViewKind::CodeSwitched] {
            for task in TASKS {
                let viewed = viewer.view(view, &example, task, &labels(), max_length, seed).unwrap();
                let input = &viewed.features.input;
                prop_assert!(input.len() <= max_length);
                prop_assert_eq!(viewed.first_subwords().len(), n_words);
                let indices: Vec<usize> = viewed.first_subwords().iter().flatten().copied().collect();
                prop_assert!(indices.iter().all(|&idx| idx < input.len() && !input.special[idx]));
                prop_assert!(indices.is_sorted());
                let tokens = viewed.subwords.iter().flatten();
                let tokens: Vec<usize> = tokens.flat_map(|tokens| tokens.clone()).collect();
                prop_assert!(tokens.iter().all(|&idx| idx < input.len() && !input.special[idx]));
                if view != ViewKind::CodeSwitched {
                    let n_chars = characters.chars().count();
                    prop_assert!(input.offsets.iter().all(|&(start, end)| start <= end && end <= n_chars));
                }
                if let Target::Tokens(labels) = &viewed.features.target {
                    prop_assert_eq!(labels.len(), input.len());
                }
            }
        }
    }
}

#[test]
fn a_text_without_labels_is_seen_as_an_example_and_has_no_target() {
    let viewer = viewer();
    for task in TASKS {
        for view in [ViewKind::Original, ViewKind::SubwordSampled, ViewKind::CodeSwitched] {
            let labeled = see(&viewer, view, &text("light off"), task);
            let unlabeled = viewer.view_unlabeled(view, "light off", task, 32, 7).unwrap();
            assert_eq!(unlabeled.features.input, labeled.features.input, "{view} {task:?}");
            assert_eq!(unlabeled.subwords, labeled.subwords, "{view} {task:?}");
            assert_eq!(unlabeled.features.target, Target::None);
        }
    }
}
