//! Bad methods: views, objectives, updates and teachers with impossible settings.

use std::fs;

use crate::assert_refused;
use crate::job::Job;

const CONSISTENCY: &str = "[[objective]]\nmethod.cross_entropy = {}\n[[objective]]\nmethod.consistency = { view = \"VIEW\" }\n";

fn consistency(view: &str) -> String {
    CONSISTENCY.replace("VIEW", view)
}

fn consistency_of(of: &str, view: &str) -> String {
    consistency(view).replace("{ view", &format!("{{ of = \"{of}\", view"))
}

const TRANSLATED: &str = "[views.translated]\npath = \"x/{language}.tsv\"\nlanguages = [\"de\"]\n";

#[test]
fn faults_of_methods_have_their_place_in_the_recipe() {
    let views = consistency("subword_sampled") + "[views.subword_sampled]\n";
    let noise = "[[objective]]\nmethod.r3f = { noise = { scale = 1e30 } }\n";
    for (case, tables, parts) in [
        ("alpha 0", format!("{views}alpha = 0.0\n"), &["alpha", "found 0"][..]),
        ("a rate above 1", format!("{views}rate = 1.5\n"), &["views.subword_sampled.rate", "1.5"]),
        (
            "no table for the view",
            consistency("code_switched"),
            &["the view code_switched needs a table [views.code_switched]"],
        ),
        (
            "no text without labels",
            "[[objective]]\nmethod.cross_entropy = {}\n[[objective]]\nmethod.entropy_minimization = {}\n"
                .to_owned(),
            &["entropy_minimization needs a table [unlabeled]"],
        ),
        (
            "labels of text without labels",
            "[[objective]]\nmethod.cross_entropy = { text = \"unlabeled\" }\n".to_owned(),
            &["text: it has no labels", "needs a table [unlabeled]"],
        ),
        (
            "no table for the view of text without labels",
            "[[objective]]\nmethod.uda = {}\n[unlabeled]\npath = \"{language}.txt\"\n".to_owned(),
            &["the view subword_sampled needs a table [views.subword_sampled]"],
        ),
        (
            "text without labels under a language adapter that is exchanged",
            "[unlabeled]\npath = \"{language}.txt\"\n[language_adapter]\npath = \"lm/{language}\"\n\
             [adapter.seq_bn]\n"
                .to_owned(),
            &["unlabeled: its languages are read with the language adapter of the source"],
        ),
        (
            "text without labels beside subnetworks, through which its languages are scored",
            "[unlabeled]\npath = \"{language}.txt\"\n[subnetworks]\npath = \"{language}.json\"\n"
                .to_owned(),
            &["unlabeled: its texts run through the whole model"],
        ),
        (
            "two kinds of thresholds by class",
            "[[objective]]\nmethod.pseudo_labels = { view = \"second_pass\", confidence.by_class = { momentum = 0.9 } }\n"
                .repeat(2)
                + "[unlabeled]\npath = \"{language}.txt\"\n",
            &["only one pseudo_labels can have thresholds by class"],
        ),
        (
            "a path without the language, and no examples to adapt to",
            "[few_shot]\n[centring]\npath = \"texts.txt\"\nlimit = 0\n".to_owned(),
            &[
                "centring.path: expected {language}",
                "centring.limit: expected at least 1",
                "centring: [few_shot] learns from features that are not moved",
            ],
        ),
        (
            "noise that half floats cannot hold",
            noise.to_owned(),
            &["noise.scale: expected a number in (0, 1e4), found"],
        ),
        (
            "no teacher",
            "[[objective]]\nmethod.model_consistency = { text = \"original\" }\n".to_owned(),
            &["a teacher needs a table [teacher]"],
        ),
        (
            "the first pass trained twice",
            "[[objective]]\nmethod.cross_entropy = {}\n[[objective]]\nmethod.r_drop = {}\n"
                .to_owned(),
            &["r_drop has the cross-entropy of both passes already"],
        ),
        (
            "a radius of zero",
            "[update.sam]\nrho = 0.0\n".to_owned(),
            &["update.sam.rho", "found 0"],
        ),
        (
            "two that look for another place",
            "[update.sam]\n[update.tram]\n".to_owned(),
            &["update.tram: sam takes the gradient elsewhere already"],
        ),
        (
            "a penalty every 0 steps",
            "[update.fisher_penalty]\nevery = 0\n".to_owned(),
            &["update.fisher_penalty.every: expected at least 1"],
        ),
        (
            "rates below zero",
            "[guided_dropout]\ngamma = 3.0\n".to_owned(),
            &["guided_dropout.gamma: expected [0, 2], found 3"],
        ),
        (
            "masked text that is not there",
            "[guided_dropout]\nscores = \"masked_lm\"\n".to_owned(),
            &["guided_dropout.scores: \"masked_lm\" needs a table [monolingual]"],
        ),
        (
            "embeddings beside an adapter",
            "[adapter.seq_bn]\n[schedule.lpft]\nsteps = 2\nembeddings = true\n".to_owned(),
            &["schedule.lpft.embeddings: adapters are trained in place of the pretrained weights"],
        ),
        (
            "no measure",
            "[measure]\nevery = 0\n".to_owned(),
            &["measure.every: expected at least 1"],
        ),
        (
            "an unknown divergence",
            consistency("second_pass").replace("\" }", "\", divergence = \"kll\" }"),
            &["unknown variant `kll`", "symmetric_kl"],
        ),
        (
            "words of a translation beside those of the text",
            format!("[task.tagging]\n{}{TRANSLATED}", consistency("translated")),
            &["a translation has words of its own, which tagging cannot compare with those"],
        ),
        (
            "words of two translations",
            format!("[task.tagging]\n{}{TRANSLATED}", consistency_of("translated", "translated")),
            &["a translation has words of its own, which tagging cannot compare with those"],
        ),
        (
            "tags of translations",
            format!(
                "[task.tagging]\n[[objective]]\nmethod.cross_entropy.text = \"translated\"\n\
                 {TRANSLATED}"
            ),
            &["translations have no tags"],
        ),
        (
            "dictionaries for a translation",
            consistency_of("translated", "code_switched") + TRANSLATED,
            &["view: dictionaries are of the original text's language, not of a translation's"],
        ),
        (
            "subwords of a translation without a table",
            consistency_of("translated", "subword_sampled") + TRANSLATED,
            &["the view subword_sampled needs a table [views.subword_sampled]"],
        ),
        (
            "a second draw of a second draw",
            consistency_of("second_translated", "translated") + TRANSLATED,
            &["of: expected \"original\", \"subword_sampled\", \"code_switched\" or"],
        ),
        (
            "words of a classifier",
            consistency("second_pass").replace("\" }", "\", words = \"unswitched\" }"),
            &["words = \"unswitched\" is for tagging"],
        ),
        (
            "pooled words of a classifier",
            consistency("second_pass").replace("\" }", "\", subword_pooling = \"sum\" }"),
            &["subword_pooling is for tagging, whose words have several subwords"],
        ),
        (
            "pooled words of a parser",
            "[task.parsing]\n[[objective]]\nmethod.model_consistency = { text = \"original\", \
             subword_pooling = \"mean\" }\n"
                .to_owned(),
            &["subword_pooling is for tagging, whose words have several subwords"],
        ),
        (
            "pooled words of a translation beside those of the text",
            format!("[task.tagging]\n{}{TRANSLATED}", consistency("translated"))
                .replace("\" }", "\", subword_pooling = \"sum\" }"),
            &["a translation has words of its own, which tagging cannot compare with those"],
        ),
        (
            "a pooling that there is not",
            consistency("second_pass").replace("\" }", "\", subword_pooling = \"max\" }"),
            &["unknown variant `max`", "first_subword", "mean", "sum"],
        ),
    ] {
        let mut job = Job::new();
        job.recipe.push_str(&tables);
        assert_refused(case, job.run().0, parts);
    }
}

#[test]
fn faults_of_dictionaries_and_translations_name_file_and_line() {
    let table = |name: &str, key: &str, job: &Job, file: &str| {
        let path = job.path("data").join(file);
        format!("[views.{name}]\n{key} = {path:?}\nlanguages = [\"de\"]\n")
    };
    for (case, file, content, parts) in [
        ("a line of one column", "en-de.txt", Some("light licht\nlamp\n"), &["en-de.txt:2"][..]),
        ("an empty dictionary", "en-de.txt", Some(""), &["en-de.txt"]),
        ("no dictionary", "en-fr.txt", Some("light lumière\n"), &["en-de.txt", "\"de\"", "fr"]),
    ] {
        let mut job = Job::new();
        if let Some(content) = content {
            fs::write(job.path("data").join(file), content).unwrap();
        }
        let views = table("code_switched", "dictionaries", &job, "en-{language}.txt");
        job.recipe.push_str(&(consistency("code_switched") + &views));
        assert_refused(case, job.run().0, parts);
    }
    for (case, content, parts) in [
        ("unequal columns", "lamp on\tlampe an\nlamp off\n", &["en-de.tsv:2"][..]),
        ("other texts", "a text\tein Text\n", &["en.train.jsonl", "has a translation"]),
    ] {
        let mut job = Job::new();
        fs::write(job.path("data/en-de.tsv"), content).unwrap();
        let views = table("translated", "path", &job, "en-{language}.tsv");
        job.recipe.push_str(&(consistency("translated") + &views));
        assert_refused(case, job.run().0, parts);
    }
}

#[test]
fn a_teacher_must_know_the_same_labels() {
    let tables = |source: &str, job: &Job| {
        let objective = "[[objective]]\nmethod.model_consistency = { text = \"original\" }\n";
        format!("{objective}[teacher]\nsource = {:?}\n", job.path(source))
    };
    let mut stranger = Job::new();
    stranger.recipe.push_str(&tables("model", &stranger));
    let parts = ["config.json", "the teacher's label \"greet\" is not in the training data"];
    assert_refused("a teacher of other labels", stranger.run().0, &parts);

    let mut other = Job::new();
    assert!(other.run().0.is_ok());
    let train = other.path("data/en.train.jsonl");
    let lines = fs::read_to_string(&train).unwrap();
    fs::write(&train, format!("{lines}{{\"text\": \"stop\", \"label\": \"stop\"}}\n")).unwrap();
    other.recipe.push_str(&tables("run/best", &other));
    other.run = isogloss::RunFolder::new(other.path("student"));
    assert_refused("a teacher of fewer labels", other.run().0, &["config.json", "2 labels", "3"]);
}
