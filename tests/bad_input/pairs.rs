//! Bad parallel pairs, and objectives that lack the data they need.

use std::fs;

use crate::assert_refused;
use crate::job::Job;

pub(crate) const PAIRS: &str = "turn on the light\tmach das licht an\n\
                     the lamp\tdie lampe\n\
                     turn off the light please\tbitte mach das licht aus\n\
                     light on\tlicht an\n";

/// A job with English-German pairs; `fields` go into their table, where `DATA` is the folder of the
/// pairs, and `tables` after it.
pub(crate) fn job(pairs: &str, fields: &str, tables: &str) -> Job {
    let mut job = Job::new();
    fs::write(job.path("data/en-de.tsv"), pairs).unwrap();
    let fields = fields.replace("DATA", job.path("data").to_str().unwrap());
    let path = job.path("data/en-{language}.tsv");
    job.recipe.push_str(&format!(
        "[pairs]\npath = {path:?}\nlanguages = [\"de\"]\nbatch_size = 2\n{fields}\n\
         [[objective]]\nmethod.cross_entropy = {{}}\n{tables}"
    ));
    job
}

pub(crate) const LINKS: &str = "aligner.pharaoh = { path = \"DATA/en-{language}.align\" }";

pub(crate) fn objective(method: &str) -> String {
    format!("[[objective]]\nmethod.{method}\n")
}

#[test]
fn faults_of_pairs_have_their_place_in_the_recipe() {
    let with = |fields: &str, method: &str| job(PAIRS, fields, &objective(method)).recipe;
    let without = |tables: &str| Job::new().recipe + tables;
    let retrieval = |tables: &str| without("[task.retrieval]\n") + tables;
    for (case, recipe, parts) in [
        ("no pairs", without(&objective("info_nce = {}")), &["info_nce needs a table [pairs]"][..]),
        ("no text", without(&objective("mmlm = {}")), &["mmlm needs a table [monolingual]"]),
        ("no aligner", with("", "realign = {}"), &["realign needs pairs.aligner to link words"]),
        (
            "one file for all languages",
            with("aligner.pharaoh = { path = \"all.align\" }", "realign = {}"),
            &["pairs.aligner.pharaoh.path: expected {language}"],
        ),
        (
            "no probability",
            with("aligner.encoder.extraction.entmax = { threshold = 1.5 }", "realign = {}"),
            &["pairs.aligner.encoder.extraction.entmax.threshold: expected [0, 1), found 1.5"],
        ),
        (
            "no iteration",
            with("aligner.statistical = { iterations = 0 }", "realign = {}"),
            &["pairs.aligner.statistical.iterations: expected at least 1, found 0"],
        ),
        (
            "one layer and several",
            with(LINKS, "realign = { layer = 1, layers = [2] }"),
            &["layers: name them here, or one as layer, not both"],
        ),
        (
            "no pairs a batch",
            with("", "info_nce = {}")
                .replace("[\"de\"]\nbatch_size = 2", "[\"de\"]\nbatch_size = 0"),
            &["pairs.batch_size: expected at least 1, found 0"],
        ),
        (
            "two queues",
            with("", &format!("xlco = {{}}\n{}", objective("xlco = {}"))),
            &["only one objective can keep a queue"],
        ),
        (
            "two averages of the model",
            with("", &format!("mean_teacher = {{}}\n{}", objective("xlco = {}"))),
            &["only one objective can keep a momentum encoder"],
        ),
        (
            "an empty queue",
            with("", "xlco = { queue_size = 0 }"),
            &["queue_size: expected at least 1, found 0"],
        ),
        ("no temperature", with("", "info_nce = { temperature = 0.0 }"), &["temperature"]),
        (
            "labels without a task",
            retrieval(&objective("cross_entropy = {}")),
            &["cross_entropy needs a task with labels", "retrieval has no labeled examples"],
        ),
        (
            "retrieval without pairs",
            retrieval(&objective("info_nce = {}")),
            &["task.retrieval: needs a table [pairs]"],
        ),
        (
            "no layers to compare",
            with("", "state_distillation = {}"),
            &["layers: name at least one [student, teacher]"],
        ),
        (
            "attention of the embeddings",
            with("", "attention_distillation = { layers = [[0, 1]] }"),
            &["layers: the embeddings, 0, have no attention: count from 1"],
        ),
        (
            "a teacher that is not there",
            with("", "embedding_distillation = {}"),
            &["a teacher needs a table [teacher]"],
        ),
    ] {
        let mut job = Job::new();
        job.recipe = recipe;
        assert_refused(case, job.run().0, parts);
    }
}

#[test]
fn faults_of_pair_files_name_file_and_line() {
    let realign = objective("realign = {}");
    for (case, pairs, links, parts) in [
        ("one column", "light on\tlicht an\nlamp\n", None, &["en-de.tsv:2"][..]),
        ("an empty side", "light on\tlicht an\nlamp\t \n", None, &["en-de.tsv:2"]),
        ("an empty file", "", None, &["en-de.tsv"]),
        (
            "a link to a word that is not there",
            PAIRS,
            Some("0-0\n0-0 1-2\n\n0-0\n"),
            &["en-de.align:2: link \"1-2\" does not fit texts of 2 and 2 words"],
        ),
        ("not a link", PAIRS, Some("0-0\n0:0\n\n0-0\n"), &["en-de.align:2"]),
        ("fewer links than pairs", PAIRS, Some("0-0\n0-0\n"), &["en-de.align", "4", "2"]),
        ("no links", PAIRS, None, &["en-de.align"]),
        ("no linked word", PAIRS, Some("\n\n\n\n"), &["en-de.tsv", "no words of 4 pairs"]),
    ] {
        let job = job(pairs, LINKS, &realign);
        if let Some(links) = links {
            fs::write(job.path("data/en-de.align"), links).unwrap();
        }
        assert_refused(case, job.run().0, parts);
    }
}

#[test]
fn pairs_without_linked_words_are_left_out() {
    let dictionary = "aligner.dictionary = { path = \"DATA/en-{language}.txt\" }";
    let job = job(PAIRS, dictionary, &objective("realign = {}"));
    fs::write(job.path("data/en-de.txt"), "light\tlicht\non\tan\n").unwrap();
    let (_, told) = job.run();
    assert_eq!(told.unlinked, [1]);
    assert!(told.losses.len() == 8 && told.losses.iter().all(|loss| loss.is_finite()), "{told:?}");
}

#[test]
fn a_layer_that_the_aligning_model_lacks_is_named() {
    for model in ["initial", "trained"] {
        let aligner = format!("aligner.encoder = {{ layer = 9, model = \"{model}\" }}");
        let job = job(PAIRS, &aligner, &objective("realign = {}"));
        assert_refused(model, job.run().0, &["no layer 9: the model has layers 0"]);
    }
}

#[test]
fn parameters_that_no_model_has_are_not_frozen_in_silence() {
    let schedule = "[schedule.freeze]\nparameters = [\"head\", \"enkoder.\"]\n";
    let key = "schedule.freeze.parameters: no parameter of the model begins with \"enkoder.\"";
    assert_refused("schedule", job(PAIRS, "", schedule).run().0, &[key]);
    let job =
        job(PAIRS, "", "[[objective]]\nfreeze = [\"encoder.layer.0.\"]\nmethod.info_nce = {}\n");
    let expected = "objective.1.freeze: no parameter of the model begins with \"encoder.layer.0.\"";
    assert_refused("a name of transformers", job.run().0, &[expected]);
}

#[test]
fn a_language_without_pairs_is_named() {
    let mut job = job(PAIRS, "", &objective("info_nce = {}"));
    job.edit_recipe("[\"de\"]\nbatch", "[\"de\", \"fr\"]\nbatch");
    assert_refused("no file", job.run().0, &["en-fr.tsv"]);
}

#[test]
fn a_queue_holds_fewer_keys_than_there_are_pairs() {
    let xlco = |size: usize| {
        let method =
            format!("xlco = {{ queue_size = {size}, layer = 1, mixup = false, masked = false }}");
        job(PAIRS, "", &objective(&method))
    };
    assert_refused("too long", xlco(4).run().0, &["queue_size", "4 keys", "4 pairs"]);
    xlco(3).finish();
}

#[test]
fn a_layer_that_is_not_there_is_named() {
    for method in [
        "info_nce = { layer = 9 }",
        "xlco = { layer = 9, queue_size = 2, mixup = false, masked = false }",
    ] {
        let job = job(PAIRS, "", &objective(method));
        assert_refused(method, job.run().0, &["layer 9: the last layer of the model is 2"]);
    }
}

#[test]
fn everything_held_out_leaves_nothing_to_train_on() {
    let job = job(PAIRS, "held_out = 9", &objective("info_nce = {}"));
    assert_refused("held out", job.run().0, &["en-de.tsv", "all are held out"]);
}

#[test]
fn students_that_cannot_be_made_say_why() {
    let distillation = objective("embedding_distillation = {}");
    for (case, student, method, parts) in [
        ("no layers", "", "", &["student.layers: name at least one of the teacher's"][..]),
        ("a layer too many", "layers = [2]", "", &["the teacher has layers 0 to 1, not 2"]),
        (
            "wider than the teacher",
            "layers = [0]\nintermediate_size = 4096",
            "",
            &["student.intermediate_size: the teacher has", "the student cannot have 4096"],
        ),
        (
            "another width",
            "layers = [0]\nhidden_size = 16\nnum_attention_heads = 2",
            "",
            &["embedding_distillation", "16 dimensions in the student, 32 in the teacher"],
        ),
        (
            "heads that do not match",
            "layers = [0]\nnum_attention_heads = 2",
            "attention_distillation = { layers = [[1, 1]] }",
            &["attention_distillation", "2 heads in the student, 4 in the teacher"],
        ),
        (
            "a layer that the teacher lacks",
            "layers = [0]",
            "state_distillation = { layers = [[1, 3]] }",
            &["state_distillation", "layer 3: the last layer of the model is 2"],
        ),
    ] {
        let tables = match method {
            "" => format!("{distillation}[student]\n{student}\n"),
            method => format!("{}[student]\n{student}\n", objective(method)),
        };
        assert_refused(case, job(PAIRS, "", &tables).run().0, parts);
    }
}

#[test]
fn a_teacher_of_states_must_read_the_same_tokens() {
    let method = "state_distillation = { layers = [[1, 1]] }";
    let mut job = job(PAIRS, "", &objective(method));
    let teacher = job.path("teacher");
    isogloss_tests::copy_folder(&job.path("model"), &teacher);
    let tokenizer = teacher.join("tokenizer.json");
    let json = fs::read_to_string(&tokenizer).unwrap();
    fs::write(&tokenizer, json + "\n").unwrap();
    job.recipe.push_str(&format!("[teacher]\nsource = {teacher:?}\n"));
    assert_refused("another tokenizer", job.run().0, &["tokenizer.json", "has another tokenizer"]);
}

#[test]
fn a_damaged_cache_of_a_teacher_is_told_and_can_be_made_again() {
    let tables = objective("embedding_distillation = {}") + "[student]\nlayers = [0]\n";
    let job = job(PAIRS, "", &tables);
    assert!(job.run_until(Some(2)).0.is_ok());
    let path = job.run.path().join("teacher.vectors");
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[200] ^= 1;
    let mut header = whole.clone();
    header[9] ^= 1;
    let parts = &["teacher.vectors", "is damaged; remove this file to have it made again"];
    for (case, bytes) in [
        ("a bit", flipped),
        ("the header", header),
        ("cut", whole[..whole.len() - 5].to_vec()),
        ("empty", Vec::new()),
    ] {
        fs::write(&path, bytes).unwrap();
        assert_refused(case, job.run().0, parts);
    }
    fs::remove_file(&path).unwrap();
    job.finish();
}
