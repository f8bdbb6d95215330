//! Tests of recipe validation: error messages with their positions.

use crate::Plan;

const GOOD: &str = r#"
[model]
source = "models/tiny"
[data]
path = "data/{language}.jsonl"
sources = ["en"]
"#;

fn faults(text: &str) -> Vec<String> {
    match Plan::from_toml(text, "r.toml".as_ref()) {
        Ok(_) => Vec::new(),
        Err(error) => error.faults.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_plan_prints_as_a_recipe_that_gives_the_same_plan() {
    let plan = Plan::from_toml(GOOD, "good.toml".as_ref()).unwrap();
    assert_eq!(plan.name(), "good");
    let again = Plan::from_toml(&plan.to_toml(), "good.toml".as_ref()).unwrap();
    assert_eq!(again, plan);
}

#[test]
fn all_faults_come_at_once_with_their_positions() {
    let text = r#"
seed = "many"
[model]
source = "models/tiny"
max_length = 1
[data]
path = "data.jsonl"
langauges = ["de"]
[[objective]]
method.cross_entropy = {}
[[objective]]
weight = -2.0
method.cross_entropi = {}
[optimizer]
learning_rate = 0.0
[trainning]
epochs = 3
"#;
    let found = faults(text);
    for expected in [
        "2:8: invalid type",
        "5:1: model.max_length: expected at least 3, found 1",
        "6:2: data.sources: name the language",
        "7:1: data.path: expected {language}",
        "8:1: unknown field `langauges`",
        "13:8: unknown variant `cross_entropi`",
        "15:1: optimizer.learning_rate",
        "16:2: unknown field `trainning`",
    ] {
        assert!(
            found.iter().any(|fault| fault.starts_with(expected)),
            "no fault {expected:?} in {found:#?}"
        );
    }
}

#[test]
fn broken_syntax_has_a_position_too() {
    let found = faults("[model\nsource = 1 2\n");
    assert!(found.iter().any(|fault| fault.starts_with("1:")), "{found:?}");
    // Missing keys are not reported for a file that cannot be parsed.
    assert!(found.iter().all(|fault| !fault.contains("model.source")), "{found:?}");
}
#[test]
fn an_entry_that_cannot_be_read_is_not_missed_too() {
    for source in ["sources = [\"english\"]", "source = \"english\""] {
        let found = faults(&format!("[data]\n{source}\n"));
        let is_read = found.iter().any(|fault| fault.contains("\"english\" is not a language tag"));
        assert!(
            is_read && !found.iter().any(|fault| fault.contains("data.sources:")),
            "{found:#?}"
        );
    }
    assert!(faults("[data]\n").iter().any(|fault| fault.contains("data.sources: name the")));
}

#[test]
fn a_column_of_splits_is_not_read_where_the_path_tells_them() {
    let found = |path: &str| {
        faults(&format!("[task.tagging]\n[data]\npath = \"{path}\"\ncolumns.split = \"part\"\n"))
    };
    let is_refused = |found: &[String]| {
        let expected = "4:9: data.columns.split: data.path has {split}, which says";
        found.iter().any(|fault| fault.starts_with(expected))
    };
    assert!(is_refused(&found("{language}.{split}.tsv")), "{:#?}", found("{language}.{split}.tsv"));
    assert!(!is_refused(&found("{language}.tsv")));
}

#[test]
fn an_old_name_of_a_key_is_answered_with_its_new_one() {
    for (old, expected) in [
        (
            "before = \"x.toml\"\n",
            "1:1: unknown field `before`: it is called `pretrain_recipe` now",
        ),
        (
            "[data]\nmore_sources = [\"de\"]\n",
            "2:1: unknown field `more_sources`: it is called `sources`",
        ),
        (
            "data = { source = \"en\", sources = [\"en\"] }\n",
            "1:10: unknown field `source`: it is called `sources`, a list, now",
        ),
        (
            "[training]\n zero_shot = 3\n",
            "2:2: unknown field `zero_shot`: it is called `zero_shot_eval_examples` now",
        ),
        (
            "[training]\nfrozen = { drops = true }\n",
            "2:12: unknown field `drops`: it is called `dropout` now",
        ),
        (
            "[update.project_conflicts]\n",
            "1:9: unknown field `project_conflicts`: it is called `pcgrad` now",
        ),
    ] {
        let found = faults(old);
        assert!(found.iter().any(|fault| fault.starts_with(expected)), "{old}: {found:#?}");
    }
}

#[test]
fn two_objectives_that_keep_a_momentum_encoder_are_both_named() {
    let text = format!(
        "{GOOD}[[objective]]\nmethod.mean_teacher = {{}}\n[[objective]]\nmethod.xlco = {{}}\n"
    );
    let found = faults(&text);
    for line in ["8:1: ", "10:1: "] {
        let expected = format!("{line}only one objective can keep a momentum encoder");
        assert!(found.iter().any(|fault| fault.starts_with(&expected)), "{found:#?}");
    }
}

const TREEBANK: &str = "[model]\nsource = \"m\"\n\
    [data]\npath = \"ud/{language}-{split}.conllu\"\nsources = [\"en\"]\n";

#[test]
fn a_ramp_up_ends_after_it_begins_and_leaves_a_loss_for_the_first_steps() {
    let objective = |ramp_up: &str| {
        format!("{GOOD}[[objective]]\nramp_up = {ramp_up}\nmethod.cross_entropy = {{}}\n")
    };
    let found = faults(&objective("{ begin = 0.5, end = 0.25 }"));
    assert!(found.iter().any(|fault| fault.contains("ramp_up.end: expected at least begin, 0.5")));
    let found = faults(&objective("{ begin = 0.25, end = 0.5 }"));
    assert!(found[0].ends_with("one must begin at 0"), "{found:?}");
    assert!(faults(&objective("{ end = 0.5 }")).is_empty());
    // What a loss needs from the first steps on.
    let late = |rest: &str| {
        format!(
            "{GOOD}[[objective]]\nmethod.cross_entropy = {{}}\n\
             [[objective]]\nramp_up = {{ begin = 0.5, end = 0.5 }}\n{rest}"
        )
    };
    let ucb = "method.entropy_minimization = {}\n[unlabeled]\npath = \"texts/{language}.txt\"\n";
    for (rest, part) in [
        (format!("{ucb}sampling.ucb = {{}}\n"), "losses that are not there yet"),
        ("method.xlco = {}\n".to_owned(), "keys of an old model"),
    ] {
        let found = faults(&late(&rest));
        assert!(found.iter().any(|fault| fault.contains(part)), "{found:?}");
    }
    assert!(faults(&late(ucb)).is_empty(), "{:?}", faults(&late(ucb)));
}

#[test]
fn a_parser_goes_with_passes_over_the_same_text() {
    let none: [String; 0] = [];
    for more in [
        "[task.parsing]\n",
        "[task.parsing]\nsubtypes = \"keep\"\ntags = false\nword_dropout = 0.2\n",
        "[task.parsing]\n[[objective]]\nmethod.r_drop = {}\n",
        "[task.parsing]\n[[objective]]\nmethod.cross_entropy = {}\n[[objective]]\n\
         method.consistency = { view = { noised = {} } }\n",
    ] {
        assert_eq!(faults(&format!("{TREEBANK}{more}")), none, "{more}");
    }
}

#[test]
fn what_does_not_go_with_a_parser_is_refused() {
    let objective = |method: &str| format!("[task.parsing]\n[[objective]]\nmethod.{method}\n");
    for (more, expected) in [
        (objective("r4f = {}"), "8:1: r4f needs a classifier"),
        (objective("cross_entropy = { label_smoothing = 0.1 }"), "8:1: cross_entropy cannot"),
        (objective("fisher_penalty = {}"), "8:1: fisher_penalty needs one label"),
        (objective("r_drop = { reduction = \"element_mean\" }"), "8:1: r_drop has no mean"),
        (
            objective("consistency = { view = \"code_switched\" }"),
            "8:1: consistency reads texts that have no trees",
        ),
        (objective("mean_teacher = {}"), "8:1: mean_teacher does not know a parser's teacher"),
        ("[task.parsing]\narc_width = 0\n".into(), "7:1: task.parsing.arc_width: expected 1"),
        ("[task.parsing]\nword_dropout = 1.0\n".into(), "7:1: task.parsing.word_dropout"),
        ("[task.parsing]\ntag_weight = -1.0\n".into(), "7:1: task.parsing.tag_weight"),
        ("[task.parsing]\n[measure]\n".into(), "7:2: measure: needs a task with one label"),
        ("[task.parsing]\nwidth = 3\n".into(), "7:1: unknown field `width`"),
    ] {
        let found = faults(&format!("{TREEBANK}{more}"));
        assert!(found.iter().any(|fault| fault.starts_with(expected)), "{more}: {found:#?}");
    }
    let jsonl = format!("{}[task.parsing]\n", TREEBANK.replace(".conllu", ".jsonl"));
    assert_eq!(faults(&jsonl), ["4:1: data.path: a parser reads CoNLL-U, .conllu"]);
    let no_split = format!("{}[task.parsing]\n", TREEBANK.replace("-{split}", ""));
    assert!(faults(&no_split)[0].starts_with("4:1: data.path: expected {split}"));
    let keep =
        TREEBANK.replace("sources = [\"en\"]", "sources = [\"en\"]\nunseen_labels = \"keep\"");
    assert!(faults(&keep)[0].starts_with("6:1: data.unseen_labels: \"keep\" is for parsing"));
}
