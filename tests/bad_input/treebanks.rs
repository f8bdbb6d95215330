//! Bad treebanks, and incomplete parsers.

use std::fs;

use burn::tensor::Device;
use isogloss::Outcome;
use isogloss::text::{check_tree, read_treebank_file};
use isogloss_model::{HeadChoice, load};
use serde_json::json;

use crate::folders::edit_json;
use crate::job::{Job, with_file};
use crate::{assert_refused, copy_of, replace_bytes};

const TREE: &str = "# text = turn the light on\n\
    1\tturn\t_\tVERB\t_\t_\t0\troot\t_\t_\n\
    2\tthe\t_\tDET\t_\t_\t3\tdet\t_\t_\n\
    3\tlight\t_\tNOUN\t_\t_\t1\tobj\t_\t_\n\
    4\ton\t_\tADP\t_\t_\t1\tcompound:prt\t_\t_\n\n";

/// Dependency parsing job on a small treebank; four steps an epoch.
fn job() -> Job {
    let mut job = Job::new();
    job.edit_recipe(".{split}.jsonl", ".{split}.conllu");
    job.edit_recipe("[data]", "[task.parsing]\narc_width = 8\nlabel_width = 8\n[data]");
    for (name, n) in [("en.train", 8), ("en.dev", 2), ("en.test", 2), ("de.test", 2)] {
        fs::write(job.path("data").join(format!("{name}.conllu")), TREE.repeat(n)).unwrap();
    }
    job
}

#[test]
fn a_fault_of_a_tree_names_file_and_line_and_leaves_the_run_as_it_was() {
    let job = job();
    assert!(matches!(job.run_until(Some(5)).0, Ok(Outcome::Stopped { step: 5 })));
    for (file, old, new, part) in [
        ("en.train", "1\tobj", "2\tobj", "en.train.conllu:9: word 2 is its own head or above"),
        ("en.dev", "3\tdet", "2\tdet", "en.dev.conllu:9: word 2 is its own head or above"),
        ("en.train", "1\tobj", "0\tobj", "en.train.conllu:10: words 1 and 3 are both the root"),
        ("de.test", "0\troot", "1\troot", "de.test.conllu:8: no word is the root"),
        ("en.test", "3\tdet", "9\tdet", "en.test.conllu:9: head 9 of word 2 is beyond the 4 words"),
        ("en.train", "3\tdet", "-1\tdet", "en.train.conllu:9: head \"-1\" is neither a number nor"),
        ("en.train", "3\tdet", "_\tdet", "en.train.conllu:9: word 2 has no head"),
        ("en.train", "\tdet", "\t_", "en.train.conllu:9: empty \"deprel\""),
        ("en.train", "\tDET", "\t_", "en.train.conllu:9: empty \"upos\""),
        ("en.train", "2\tthe", "3\tthe", "en.train.conllu:9: expected token ID 2, found 3"),
        ("de.test", "\tobj", "\tobl", "de.test.conllu:10: unknown label \"obl\""),
        ("en.dev", "\tdet\t_\t_", "\tdet\t_", "en.dev.conllu:9: expected 10 columns, found 9"),
    ] {
        let path = job.path("data").join(format!("{file}.conllu"));
        assert!(TREE.contains(old), "{old:?}");
        let text = TREE.to_owned() + &TREE.replacen(old, new, 1);
        let (outcome, told) = with_file(&path, Some(text.as_bytes()), || job.run());
        assert_refused(part, outcome, &[part]);
        assert!(told.losses.is_empty(), "{part}: no step before the data is known");
        job.assert_readable(part, 5);
    }
    job.finish();
}

#[test]
fn files_without_trees_and_languages_without_files_are_named() {
    let mut job = job();
    let path = job.path("data/en.train.conllu");
    for (case, content, part) in [
        ("nothing", Some(&b""[..]), "en.train.conllu: no example in this file"),
        ("no file", None, "en.train.conllu: cannot be read"),
        ("comments alone", Some(b"# text = on\n\n"), "en.train.conllu:1: a sentence without words"),
        ("running text", Some(b"turn the light on\n"), "en.train.conllu:1: expected 10 columns"),
        ("not UTF-8", Some(b"# \xff\n"), "en.train.conllu:1: not valid UTF-8"),
    ] {
        let (outcome, _) = with_file(&path, content, || job.run());
        assert_refused(case, outcome, &[part]);
    }
    job.edit_recipe("[\"de\"]", "[\"de\", \"fr\"]");
    assert_refused("no file", job.run().0, &["fr.test.conllu: cannot be read"]);
}

#[test]
fn relations_that_training_has_not_seen_are_left_out_or_kept_as_wrong() {
    let unseen = TREE.replace("\tobj", "\tobl:arg").replace("DET", "Det");
    let count = |labels: &[&str]| labels.iter().map(|label| ((*label).to_owned(), 1)).collect();
    for (rule, n, left_out, kept) in [("skip", 2, 1, &[][..]), ("keep", 3, 0, &["Det", "obl"])] {
        let mut job = job();
        job.edit_recipe(
            "sources = [\"en\"]",
            &format!("sources = [\"en\"]\nunseen_labels = \"{rule}\""),
        );
        let path = job.path("data/de.test.conllu");
        fs::write(&path, format!("{TREE}{unseen}{TREE}")).unwrap();
        let (outcome, told) = job.run();
        let Ok(Outcome::Finished(results)) = outcome else { panic!("{rule}: {outcome:?}") };
        let german = &results.languages["de"];
        assert_eq!((german.n, german.left_out), (n, left_out), "{rule}");
        assert_eq!(told.data[2].unseen, count(kept), "{rule}");
    }
}

#[test]
fn words_of_long_sentences_are_lost_counted_and_still_in_the_tree() {
    let mut job = job();
    job.edit_recipe("max_length = 16", "max_length = 5");
    let path = job.path("data/de.test.conllu");
    let tree = TREE.replace("\tturn\t", "\tturned\t");
    fs::write(&path, format!("{TREE}{tree}")).unwrap();
    let (outcome, told) = job.run();
    let Ok(Outcome::Finished(results)) = outcome else { panic!("{outcome:?}") };
    // Without <s> and </s>, three tokens are left; "turned" has two.
    let [train, _, german] = &told.data[..] else { panic!("{:?}", told.data) };
    assert_eq!((train.n_truncated, train.n_words_lost, train.longest), (8, 8, 6));
    assert_eq!((german.n_truncated, german.n_words_lost), (2, 3));
    assert_eq!(results.languages["de"].truncated, 2);
    let parsed = read_treebank_file(&job.run.path().join("predictions/de.conllu")).unwrap();
    for sentence in &parsed.sentences {
        check_tree(&sentence.heads().unwrap()).unwrap();
        let last = &sentence.words()[3];
        assert_eq!((last.deprel.as_str(), last.upos.as_str()), ("dep", "X"));
    }
}

#[test]
fn a_mask_token_is_needed_to_hide_words() {
    let mut job = job();
    job.edit_recipe("arc_width = 8", "arc_width = 8\nword_dropout = 0.2");
    assert_refused("no mask token", job.run().0, &["this tokenizer has no mask token"]);
}

#[test]
fn a_damaged_parser_names_the_field_or_the_tensor() {
    let open = |folder: &std::path::Path| load(folder, &HeadChoice::Saved, &Device::flex());
    for (field, value, part) in [
        ("arc_width", json!(0), "arc_width: expected 1 to 16384, found 0"),
        ("arc_width", json!(7), "tensor \"parser.arc_dependent.weight\": expected shape [7, 32]"),
        ("label_width", json!(1u64 << 40), "label_width: expected 1 to 16384"),
        ("label_width", json!("five"), "field \"isogloss.parser\": invalid type"),
        ("dropout", json!(1.0), "dropout: expected a number in [0, 1), found 1"),
        ("tags", json!(["NOUN"]), "tensor \"parser.tagger.weight\": expected shape [1, 32]"),
        ("tags", json!(3), "field \"isogloss.parser\": tags: invalid type"),
        ("width", json!(3), "field \"isogloss.parser\": unknown field `width`"),
    ] {
        let folder = copy_of("parser");
        let config = folder.path().join("config.json");
        edit_json(&config, |json| json["isogloss"]["parser"][field] = value.clone());
        assert_refused(&format!("{field} = {value}"), open(folder.path()), &[part]);
    }
    let folder = copy_of("parser");
    let weights = folder.path().join("model.safetensors");
    replace_bytes(&weights, "parser.label_bilinear.weight", "parser.label_bilinear.wieght");
    let part = "no tensor \"parser.label_bilinear.weight\"";
    assert_refused("a missing tensor", open(folder.path()), &[part]);
}
