//! Texts that were cut, words that were lost, examples and pairs that were left out: as public
//! trackers report them, counted by a run or refused with their line.

use std::fs;

use isogloss::{DataReport, Outcome};

use crate::assert_refused;
use crate::job::{Job, RecordedEvents};
use crate::layouts::tagging_job;
use crate::pairs::{LINKS, PAIRS, job as pairs_job, objective};

/// Text of this many words, each of one token.
fn long(n_words: usize) -> String {
    vec!["licht"; n_words].join(" ")
}

#[track_caller]
fn finish(job: &Job) -> RecordedEvents {
    let (outcome, told) = job.run();
    assert!(matches!(outcome, Ok(Outcome::Finished(_))), "{outcome:?}");
    told
}

#[test]
fn long_examples_are_kept_cut_and_counted() {
    // OpenNMT/OpenNMT-py#1263, OpenNMT/OpenNMT#18, allenai/bi-att-flow#35: data sets that were
    // smaller after preprocessing, because long examples were dropped.
    let job = Job::new();
    let path = job.path("data/en.train.jsonl");
    let mut lines = fs::read_to_string(&path).unwrap();
    // 16 tokens are read, 2 of them special.
    for n_words in [14, 15, 40] {
        lines += &format!("{{\"text\": {:?}, \"label\": \"on\"}}\n", long(n_words));
    }
    fs::write(&path, lines).unwrap();
    let expected = DataReport { n: 11, n_truncated: 2, longest: 42, ..DataReport::default() };
    assert_eq!(finish(&job).data[0], expected);
}

#[test]
fn labels_that_training_lacks_are_refused_or_counted() {
    // EducationalTestingService/skll#279, Hironsan/anago#37 and #49: labels of an evaluation set
    // that are not in the training set.
    let mut job = tagging_job("conll", "turn B-x\non O\n\nlamp B-y\n\n");
    let more = "turn B-x\n\nlamp B-PRT\non I-PRT\n\nturn O\n\noff B-PRT\n\n";
    fs::write(job.path("data/de.test.conll"), more).unwrap();
    let parts = ["de.test.conll:3: unknown label \"B-PRT\""];
    assert_refused("error", job.run().0, &parts);
    job.edit_recipe("[data]\n", "[data]\nunseen_labels = \"skip\"\n");
    let report = finish(&job).data.pop().unwrap();
    assert_eq!((report.n, report.n_left_out()), (2, 2));
    assert_eq!(report.left_out, [("B-PRT".to_owned(), 2)].into());
}

#[test]
fn words_beyond_the_maximum_length_are_counted() {
    // huggingface/transformers#2882: no prediction for the last words of long sentences.
    let sentence = |n_words: usize| "licht B-x\n".repeat(n_words) + "\n";
    let job = tagging_job("conll", &[sentence(14), sentence(20), sentence(3)].concat());
    let expected = DataReport {
        n: 3,
        n_truncated: 1,
        longest: 22,
        n_words_lost: 6,
        n_words_cut: 6,
        ..DataReport::default()
    };
    assert!(finish(&job).data.iter().all(|report| *report == expected));
}

#[test]
fn pairs_without_links_are_counted() {
    // mozilla/translations#570: an aligner leaves some pairs without links.
    let job = pairs_job(PAIRS, LINKS, &objective("realign = {}"));
    fs::write(job.path("data/en-de.align"), "0-3\n\n1-0 2-2\n\n").unwrap();
    assert_eq!(finish(&job).unlinked, [2]);
}

#[test]
fn a_side_without_text_is_refused_with_its_line() {
    // stefan-it/nmt-en-vi#6, OpenNMT/OpenNMT-py PR #39, awslabs/sockeye#649: empty lines on one
    // side, which shift or end what follows if they are dropped there alone.
    for (pairs, problem) in [
        ("lamp on\tlampe an\n\tlicht\nlight\tlicht\n", "en-de.tsv:2: empty \"left\""),
        ("lamp on\tlampe an\nlamp\t \n", "en-de.tsv:2: empty \"right\""),
        ("lamp on\tlampe an\n\nlight\tlicht\n", "en-de.tsv:2: empty line"),
    ] {
        let job = pairs_job(pairs, "", &objective("info_nce = {}"));
        assert_refused(problem, job.run().0, &[problem]);
    }
}

#[test]
fn cut_sentences_of_pairs_are_counted_with_their_scores() {
    // huggingface/sentence-transformers#285: how many sentences are longer than the maximum.
    let pairs =
        format!("{}\tlicht\nlamp\t{}\nlight\t{}\nturn on\tlicht an\n", long(5), long(6), long(4));
    let mut job = pairs_job(&pairs, "held_out = 3\nmax_length = 6", "");
    job.edit_recipe("[model]\n", "[task.retrieval]\n[model]\n");
    job.edit_recipe("cross_entropy", "info_nce");
    // Without labeled data.
    let recipe = job.recipe.lines().filter(|line| {
        let is_path = line.starts_with("path = ") && line.contains("{split}");
        !is_path && *line != "languages = [\"de\"]"
    });
    job.recipe = recipe.collect::<Vec<_>>().join("\n");
    let (outcome, _) = job.run();
    let Ok(Outcome::Finished(results)) = outcome else { panic!("{outcome:?}") };
    let found = &results.languages["de"];
    // Evenly spread over 4 pairs: the first three are held out. 6 tokens hold 4 words.
    assert_eq!((found.n, found.truncated), (3, 2));
}

#[test]
fn examples_without_a_translation_are_counted() {
    let mut job = Job::new();
    let translations = "turn on the light\tmach das licht an\nlamp off\tlampe aus\n";
    fs::write(job.path("data/en-de.tsv"), translations).unwrap();
    let path = job.path("data/en-{language}.tsv");
    job.recipe.push_str(&format!(
        "[[objective]]\nmethod.cross_entropy = {{}}\n\
         [[objective]]\nmethod.consistency = {{ view = \"translated\" }}\n\
         [views.translated]\npath = {path:?}\nlanguages = [\"de\"]\n"
    ));
    let report = &finish(&job).data[0];
    assert_eq!((report.n, report.n_untranslated), (8, 6));
}
