//! Many methods in one recipe: each computes what it computes alone.

use std::fs;

use isogloss_tests::runs::{Trace, Workshop, plan_of};
use serde_json::Value;

/// Objectives by their names in the log, each with its method as a recipe has it.
///
/// XLCo is not among them: the pairs that fill its queue come before those of the first step, so
/// that the others would read other pairs beside it.
const OBJECTIVES: [(&str, &str); 9] = [
    ("cross_entropy", "cross_entropy = {}"),
    ("consistency", "consistency = { view = \"code_switched\" }"),
    ("r3f", "r3f = { noise = { scale = 0.05 } }"),
    ("model_consistency", "model_consistency = { text = \"subword_sampled\" }"),
    ("mean_teacher", "mean_teacher = { text = \"code_switched\" }"),
    ("info_nce", "info_nce = { layer = 1 }"),
    ("realign", "realign = {}"),
    ("tlm", "tlm = {}"),
    ("mmlm", "mmlm = {}"),
];

/// Workshop with everything that the objectives read, without dropout, whose masks depend on how
/// many passes there are.
fn workshop() -> (Workshop, String) {
    let shop = Workshop::new().without_dropout().with_pairs();
    fs::create_dir_all(shop.path("dictionaries")).unwrap();
    let entries = "turn\tdas\non\tan\noff\taus\nlamp\tlicht\nplease\tbitte\nthe\tdas\n";
    fs::write(shop.path("dictionaries/de.txt"), entries).unwrap();
    shop.finish(&shop.plan("epochs = 2\nbatch_size = 4", ""), &shop.run("teacher"));
    let tables = format!(
        "{}[monolingual]\npath = {:?}\nbatch_size = 3\nmax_length = 12\n\
         [views.subword_sampled]\nrate = 0.8\nalpha = 0.2\n\
         [views.code_switched]\ndictionaries = {:?}\nlanguages = [\"de\"]\nrate = 0.7\n\
         [teacher]\nsource = {:?}\n",
        shop.pairs_table(""),
        shop.path("text/{language}.txt"),
        shop.path("dictionaries/{language}.txt"),
        shop.path("teacher/best"),
    );
    (shop, tables)
}

/// Line of the log of the first step, with its losses before any update.
fn first_line(shop: &Workshop, name: &str, tables: &str) -> Value {
    let run = shop.run(name);
    let training = "max_steps = 1\nbatch_size = 4\nlog_every = 1";
    shop.finish(&plan_of(&shop.recipe(training, tables)), &run);
    let metrics = Trace::read(&run).metrics;
    metrics.into_iter().find(|line| line["kind"] == "train").unwrap()
}

#[test]
fn nine_objectives_have_the_losses_that_each_has_alone() {
    let (shop, tables) = workshop();
    let objective = |method: &str| format!("[[objective]]\nmethod.{method}\n");
    let all: String = OBJECTIVES.iter().map(|(_, method)| objective(method)).collect();
    let joint = first_line(&shop, "joint", &format!("{tables}{all}"));
    assert_eq!(joint["losses"].as_object().unwrap().len(), OBJECTIVES.len(), "{joint}");
    for (name, method) in OBJECTIVES {
        let alone = first_line(&shop, name, &format!("{tables}{}", objective(method)));
        let losses = [&alone["loss"], &joint["losses"][name]];
        let [alone, together] = losses.map(|loss| loss.as_f64().unwrap());
        let error = (together - alone).abs();
        assert!(alone > 0.0 && error < 1e-5 * alone, "{name}: {together}, alone {alone}");
    }
}

#[test]
fn token_normalized_losses_are_shares_of_one_sum_over_pairs_and_masked_tokens() {
    let (shop, tables) = workshop();
    let losses = |weighting: &str| {
        let objectives: String = [
            format!("xlco = {{ layer = 1, queue_size = 20, weighting = \"{weighting}\" }}"),
            "tlm = {}".to_owned(),
            "mmlm = {}".to_owned(),
        ]
        .map(|method| format!("[[objective]]\nmethod.{method}\n"))
        .concat();
        let cross_entropy = "[[objective]]\nmethod.cross_entropy = {}\n";
        let tables = format!("{tables}{cross_entropy}{objectives}");
        first_line(&shop, weighting, &tables)["losses"].clone()
    };
    let (means, weighted) = (losses("per_sample"), losses("fairseq_token_normalized"));
    let share = |name: &str| weighted[name].as_f64().unwrap() / means[name].as_f64().unwrap();
    assert_eq!(share("cross_entropy"), 1.0);
    // Six pairs are mixed to three texts: of n texts and masked tokens, XLCo has the share 3 / n.
    let n = 3.0 / share("xlco");
    let [n_tlm, n_mmlm] = ["tlm", "mmlm"].map(|name| share(name) * n);
    for counted in [n, n_tlm, n_mmlm] {
        assert!((counted - counted.round()).abs() < 1e-3 && counted.round() >= 1.0, "{counted}");
    }
    assert!((3.0 + n_tlm + n_mmlm - n).abs() < 1e-3, "3 + {n_tlm} + {n_mmlm}, expected {n}");
}
