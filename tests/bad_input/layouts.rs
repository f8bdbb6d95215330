//! Data file formats as people publish and export them: their fields and conventions are followed,
//! or refused with the file and line.

use std::fs;

use burn::tensor::Device;
use isogloss::metrics::NO_PREDICTION;
use isogloss::{LabelPredictor, LabeledSet, Outcome, Tagging};
use isogloss_model::{HeadChoice, load};
use isogloss_text::{FeatureOptions, Format, LabelSet, ReadOptions, TagUnits, Tokenizer};

use crate::assert_refused;
use crate::job::Job;

/// Tagging job with the same content in all splits, in files with this extension.
pub(crate) fn tagging_job(extension: &str, content: &str) -> Job {
    let mut job = Job::new();
    job.edit_recipe("[data]", "[task.tagging]\nunits = \"word\"\n[data]");
    job.edit_recipe(".{split}.jsonl", &format!(".{{split}}.{extension}"));
    for name in ["en.train", "en.dev", "en.test", "de.test"] {
        fs::write(job.path("data").join(format!("{name}.{extension}")), content).unwrap();
    }
    job
}

/// The labels of the model that a finished job selected.
fn labels_of(job: &Job) -> Vec<String> {
    let loaded = load(job.run.best(), &HeadChoice::Saved, &Device::flex()).unwrap();
    loaded.head.unwrap().labels().to_vec()
}

const UNER: &str = "# sent_id = a-1\n# text = turn on the lamp\n\
    1\tturn\tO\t-\tanno\n2\ton\tO\t-\tanno\n3\tthe\tO\t-\tanno\n4\tlamp\tB-x\t-\tanno\n\n\
    # sent_id = a-2\n# text = lamp off\n1\tlamp\tB-y\t-\tanno\n2\toff\tI-y\t-\tanno\n\n";

#[test]
fn comments_and_word_numbers_of_uner_are_no_words() {
    // flair#3020.
    let job = tagging_job("iob2", UNER);
    let (outcome, told) = job.run();
    assert!(matches!(outcome, Ok(Outcome::Finished(_))), "{outcome:?}");
    assert!(told.data.iter().all(|report| (report.n, report.n_words_lost) == (2, 0)));
    assert_eq!(labels_of(&job), ["B-x", "B-y", "I-x", "I-y", "O"]);
}

#[test]
fn every_scheme_is_learned_as_bio() {
    // dkpro-core#770, seqeval#71, NCRFpp#23: the same spans in four tagging schemes.
    for tags in [
        ["B-x", "I-x", "O", "B-y"],
        ["I-x", "I-x", "O", "I-y"],
        ["B-x", "E-x", "O", "S-y"],
        ["B-x", "L-x", "O", "U-y"],
    ] {
        let words = ["turn", "on", "the", "lamp"];
        let lines = words.iter().zip(tags).map(|(word, tag)| format!("{word} {tag}\n"));
        let job = tagging_job("conll", &lines.collect::<String>());
        job.finish();
        assert_eq!(labels_of(&job), ["B-x", "B-y", "I-x", "I-y", "O"], "{tags:?}");
    }
    let mut job = tagging_job("conll", "lamp B-x\n\non O\nlamp I-x\n");
    let part = "en.train.conll:4: tag \"I-x\" is of another scheme than \"B-x\" of line 1";
    assert_refused("contradiction", job.run().0, &[part, "data.tag_scheme"]);
    job.edit_recipe("[data]\n", "[data]\ntag_scheme = \"bio\"\n");
    job.finish();
}

/// Columns of CoNLL-2012: document, part, word number, word, part of speech, parse, lemma, frameset,
/// sense, speaker, named entities, and coreference.
const CONLL_2012: &str = "#begin document (bn/abc/00/abc_0009); part 000\n\
    bn/abc/00/abc_0009 0 0 turn VB (TOP(S* - - - - * -\n\
    bn/abc/00/abc_0009 0 1 the DT (NP* - - - - (x* (12\n\
    bn/abc/00/abc_0009 0 2 lamp NN *) - - - - *) 12)\n\
    bn/abc/00/abc_0009 0 3 off RP *)) - - - - (y) -\n\n\
    #end document\n";

#[test]
fn named_entities_of_conll_2012_are_brackets() {
    // sfu-natlang/glm-parser#32, allenai/allennlp PR #571.
    let mut job = tagging_job("conll", CONLL_2012);
    job.edit_recipe("[data]\n", "[data]\ncolumns.word = 3\ncolumns.tag = \"10\"\n");
    let (outcome, told) = job.run();
    assert!(matches!(outcome, Ok(Outcome::Finished(_))), "{outcome:?}");
    assert!(told.data.iter().all(|report| (report.n, report.n_words_lost) == (1, 0)));
    assert_eq!(labels_of(&job), ["B-x", "B-y", "I-x", "I-y", "O"]);
    // The column of parses is no column of spans.
    let mut job = tagging_job("conll", CONLL_2012);
    job.edit_recipe("[data]\n", "[data]\ncolumns.word = 3\ncolumns.tag = \"5\"\n");
    assert_refused("parses", job.run().0, &["en.train.conll:2: tag \"(TOP(S*\" spells no span"]);
}

#[test]
fn numbers_of_tags_are_named_by_the_recipe_and_then_by_the_model() {
    // transformers#8698, datasets#797.
    let lines = "{\"tokens\": [\"turn\", \"lamp\"], \"ner_tags\": [0, 1]}\n";
    let mut job = tagging_job("jsonl", lines);
    let part = "en.train.jsonl:1: \"ner_tags\" holds the numbers of classes; data.label_names";
    assert_refused("no names", job.run().0, &[part]);
    job.edit_recipe("[data]\n", "[data]\nlabel_names = [\"O\", \"B-x\", \"I-x\"]\n");
    job.finish();
    // The labels keep the order of the class numbers, so that the finished model reads the same
    // file.
    assert_eq!(labels_of(&job), ["O", "B-x", "I-x"]);
}

#[test]
fn spans_under_another_name_are_asked_for_and_not_scored_as_none() {
    let job = tagging_job("jsonl", "{\"text\": \"lamp on\", \"entities\": [[0, 4, \"x\"]]}\n");
    let parts = ["en.train.jsonl:1: no field \"slots\"", "found [\"text\", \"entities\"]"];
    assert_refused("entities", job.run().0, &parts);
    // Files that leave the field out where a text has no spans: such lines are counted.
    let spans = r#"[{"start": 0, "end": 4, "slot": "x"}]"#;
    let lines =
        format!("{{\"text\": \"lamp on\", \"slots\": {spans}}}\n{{\"text\": \"on\"}}\n").repeat(2);
    let (outcome, told) = tagging_job("jsonl", &lines).run();
    outcome.unwrap();
    assert!(told.data.iter().all(|report| report.n_without_spans == 2), "{:?}", told.data);
}

#[test]
fn words_that_no_token_stands_for_are_predictions_that_miss() {
    // camel_tools#105, flair#1860: a zero-width space. transformers#18050, masakhane-ner#16: a
    // truncated word.
    let job = tagging_job("conll", "turn B-x\n\u{200b} B-x\non O\nlamp B-x\n");
    job.finish();
    let loaded = load(job.run.best(), &HeadChoice::Saved, &Device::flex()).unwrap();
    let labels = LabelSet::new(loaded.head.unwrap().labels().iter().cloned()).unwrap();
    let path = job.path("data/de.test.conll");
    let tokenizer = Tokenizer::from_file(&job.path("model/tokenizer.json")).unwrap();
    let set = LabeledSet::read(
        &path,
        &ReadOptions::new(Format::Conll),
        &Tagging { units: TagUnits::Word },
        "de".parse().unwrap(),
        &tokenizer,
        &labels,
        &FeatureOptions::new(4),
    )
    .unwrap();
    let predictor = LabelPredictor {
        model: &loaded.model,
        batch_size: 1,
        device: &Device::flex(),
        subnetwork: None,
        centring: None,
    };
    let (gold, predicted) = predictor.predict_all(&set).unwrap();
    let names: Vec<_> = gold[0].iter().map(|id| labels.name(*id as u32).unwrap()).collect();
    assert_eq!(names, ["B-x", "B-x", "O", "B-x"]);
    let n_missed = predicted[0].iter().filter(|id| **id == NO_PREDICTION).count();
    assert_eq!(set.report.n_words_lost, n_missed);
    assert!(set.report.n_words_cut >= 1 && predicted[0][3] == NO_PREDICTION);
}

#[test]
fn tables_of_pandas_are_unquoted_and_stray_quotes_told() {
    // soseki PR #2, readr#844; pandas#13860.
    let quoted = "text\tlabel\r\n\"turn \"\"on\"\"\"\ton\r\n\"turn\noff\"\toff\r\n";
    let stray = "text\tlabel\n\"turn on\ton\n\"turn off\toff\n";
    for (extension, content) in [
        ("tsv", quoted.to_owned()),
        ("csv", "text,label\rturn on,on\rturn off,off\r".to_owned()),
        ("tsv", format!("\u{feff}{quoted}")),
    ] {
        let mut job = Job::new();
        job.edit_recipe(".jsonl", &format!(".{extension}"));
        for name in ["en.train", "en.dev", "en.test", "de.test"] {
            fs::write(job.path("data").join(format!("{name}.{extension}")), &content).unwrap();
        }
        let results = job.finish();
        assert_eq!(results.languages["de"].n, 2);
        assert_eq!(labels_of(&job), ["off", "on"]);
    }
    let mut job = Job::new();
    job.edit_recipe(".jsonl", ".tsv");
    for name in ["en.train", "en.dev", "en.test", "de.test"] {
        fs::write(job.path("data").join(format!("{name}.tsv")), stray).unwrap();
    }
    let parts = ["en.train.tsv:2: a stray quote", "data.quoting = \"none\""];
    assert_refused("stray", job.run().0, &parts);
    job.edit_recipe("[data]\n", "[data]\nquoting = \"none\"\n");
    job.finish();
}
