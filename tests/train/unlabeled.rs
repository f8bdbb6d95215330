//! Objectives on the task's text without labels: their first losses in a run are those of the
//! predictions of the model that it starts from, by the formulas.

use std::fs;

use burn::tensor::{Device, read_sync};
use isogloss::Predictor;
use isogloss_tests::runs::{Trace, Workshop, plan_of};

const TRAINING: &str = "epochs = 1\nbatch_size = 4\nlog_every = 1\nmax_steps = 2";

/// Probabilities of each label for texts, by `predict`.
fn probabilities(shop: &Workshop, texts: &[String]) -> Vec<Vec<f64>> {
    let predictor = Predictor::load(shop.run("first").best(), &Device::flex()).unwrap();
    let texts: Vec<_> = texts.iter().map(|text| (text.as_str(), None)).collect();
    let (encoded, logits) = predictor.forward(&texts).unwrap();
    let n_labels = logits.dims()[1];
    let found = read_sync(predictor.read(&encoded, logits)).unwrap();
    let found: Vec<f64> = found.into_iter().map(f64::from).collect();
    found.chunks(n_labels).map(<[f64]>::to_vec).collect()
}

fn highest(row: &[f64]) -> f64 {
    row.iter().copied().fold(0.0, f64::max)
}

fn entropy(row: &[f64]) -> f64 {
    -row.iter().map(|p| p * p.ln()).sum::<f64>()
}

/// `KL(softmax(z / τ)‖softmax(z))` from the probabilities `softmax(z)`.
fn sharpened(row: &[f64], temperature: f64) -> f64 {
    let powers: Vec<f64> = row.iter().map(|p| p.powf(1.0 / temperature)).collect();
    let sum: f64 = powers.iter().sum();
    let terms = powers.iter().zip(row).map(|(power, p)| power / sum * (power / sum / p).ln());
    terms.sum()
}

#[test]
fn first_losses_are_those_of_the_model_that_a_run_starts_from() {
    let shop = Workshop::new().without_dropout();
    let texts = shop.write_texts();
    shop.finish(&shop.plan("epochs = 4\nbatch_size = 4", ""), &shop.run("first"));
    let rows = probabilities(&shop, &texts[1]);
    // A threshold that about half of the texts pass, and no text is near to.
    let mut sorted: Vec<f64> = rows.iter().map(|row| highest(row)).collect();
    sorted.sort_by(f64::total_cmp);
    let threshold = (sorted[11] + sorted[12]) / 2.0;
    assert!(sorted[12] - sorted[11] > 1e-5, "{sorted:?}");

    let uda =
        format!("uda = {{ view = \"second_pass\", temperature = 0.5, confidence = {threshold} }}");
    let pseudo = |labels: &str| {
        format!(
            "pseudo_labels = {{ view = \"second_pass\", labels = {labels:?}, \
             confidence.fixed = {threshold} }}"
        )
    };
    let methods = [
        "cross_entropy = {}".to_owned(),
        uda,
        pseudo("hard"),
        pseudo("soft"),
        "entropy_minimization = {}".to_owned(),
        "class_balance = {}".to_owned(),
    ];
    let objectives: String =
        methods.iter().map(|method| format!("[[objective]]\nmethod.{method}\n")).collect();
    let path = shop.path("texts/{language}.txt");
    let unlabeled =
        format!("[unlabeled]\npath = {path:?}\nlanguages = [\"de\"]\nbatch_size = 100\n");
    let recipe = shop.recipe(TRAINING, &format!("{objectives}{unlabeled}"));
    let first = shop.run("first").best();
    let from = format!("source = {first:?}\nhead = \"as_is\"");
    let recipe = recipe.replace(&format!("source = {:?}", shop.path("model")), &from);
    let run = shop.run("second");
    shop.finish(&plan_of(&recipe), &run);
    let metrics = Trace::read(&run).metrics;
    let losses = &metrics.iter().find(|line| line["kind"] == "train").unwrap()["losses"];

    let n = rows.len() as f64;
    let mean = |of: &dyn Fn(&[f64]) -> f64| rows.iter().map(|row| of(row)).sum::<f64>() / n;
    let is_sure = |row: &[f64]| f64::from(highest(row) > threshold);
    let shares: Vec<f64> = (0..rows[0].len()).map(|label| mean(&|row| row[label])).collect();
    for (name, expected) in [
        ("uda", mean(&|row| is_sure(row) * sharpened(row, 0.5))),
        ("pseudo_labels", mean(&|row| -is_sure(row) * highest(row).ln())),
        ("pseudo_labels_2", mean(&|row| is_sure(row) * entropy(row))),
        ("entropy_minimization", mean(&|row| entropy(row))),
        ("class_balance", (shares.len() as f64).ln() - entropy(&shares)),
    ] {
        let found = losses[name].as_f64().unwrap();
        assert!(expected > 1e-4, "{name}: {expected}");
        assert!((found - expected).abs() < 1e-4, "{name}: {found}, expected {expected}");
    }
}

#[test]
fn texts_that_a_run_cannot_use_are_refused() {
    let shop = Workshop::new();
    shop.write_texts();
    let table = |path: &str| format!("[unlabeled]\npath = {:?}\n", shop.path(path));
    let entropy = "[[objective]]\nmethod.cross_entropy = {}\n[[objective]]\nmethod.entropy_minimization = {}\n";
    let refused = |tables: String| {
        let plan = shop.plan(TRAINING, &tables);
        shop.try_finish(&plan, &shop.run("refused")).unwrap_err().to_string()
    };
    let error = refused(format!("{entropy}{}", table("data/{language}.jsonl")));
    assert!(error.contains("de.jsonl: expected a file with one text on each line"), "{error}");
    fs::write(shop.path("texts/de.txt"), "\n").unwrap();
    let error = refused(format!("{entropy}{}", table("texts/{language}.txt")));
    assert!(error.ends_with("de.txt: no example in this file"), "{error}");
}

/// Ramp-up of a weight: until it begins, a run is the run without that loss; from `end` on, the total
/// is the weighted sum.
#[test]
fn a_loss_with_a_ramp_up_joins_the_others_where_it_begins() {
    let shop = Workshop::new();
    shop.write_texts();
    let path = shop.path("texts/{language}.txt");
    let unlabeled = format!("[unlabeled]\npath = {path:?}\nlanguages = [\"de\"]\nbatch_size = 4\n");
    let cross_entropy = "[[objective]]\nmethod.cross_entropy = {}\n";
    let training = "epochs = 2\nbatch_size = 4\nlog_every = 1";
    let losses_of = |metrics: &[serde_json::Value], name: &str| -> Vec<Option<f64>> {
        let train = metrics.iter().filter(|line| line["kind"] == "train");
        train.map(|line| line["losses"].get(name).map(|loss| loss.as_f64().unwrap())).collect()
    };
    let plain = shop.run("plain");
    shop.finish(&plan_of(&shop.recipe(training, cross_entropy)), &plain);
    let plain = Trace::read(&plain).losses();
    let second_pass = "{ view = \"second_pass\" }";
    for (method, options, table) in
        [("entropy_minimization", "{}", &*unlabeled), ("consistency", second_pass, "")]
    {
        let ramped = format!(
            "{cross_entropy}[[objective]]\nweight = 0.5\nramp_up = {{ begin = 0.5, end = 0.75 }}\n\
             method.{method} = {options}\n{table}"
        );
        // Stopped before it begins, and where it has half of its weight.
        let plan = plan_of(&shop.recipe(training, &ramped));
        let trace = shop.assert_resumes(method, &plan, &[4, 7]);
        let (found, total) = (losses_of(&trace.metrics, method), trace.losses());
        assert_eq!((total.len(), &total[..6], &found[..6]), (12, &plain[..6], &[None; 6][..]));
        let found: Vec<f64> = found.into_iter().map(Option::unwrap_or_default).collect();
        assert!(found[6..].iter().all(|loss| *loss > 1e-6), "{method}: {found:?}");
        let cross_entropy = losses_of(&trace.metrics, "cross_entropy");
        let cross_entropy: Vec<f64> = cross_entropy.into_iter().map(Option::unwrap).collect();
        // At 6/12, 7/12 and 8/12 of the steps, t is 0, ⅓ and ⅔; then the weight is whole.
        let factors = [(-5.0_f64).exp(), (-20.0_f64 / 9.0).exp(), (-5.0_f64 / 9.0).exp(), 1.0, 1.0];
        for (step, factor) in (6..).zip(factors) {
            let expected = cross_entropy[step] + 0.5 * factor * found[step];
            assert!((total[step] - expected).abs() < 1e-9, "{method}, step {step}: {total:?}");
        }
        assert_ne!(total[7..], plain[7..], "{method} changes nothing");

        // A line for four steps has the means over them, of the loss from its first step on.
        let recipe = shop.recipe("epochs = 2\nbatch_size = 4\nlog_every = 4", &ramped);
        let run = shop.run(&format!("{method}, every fourth"));
        shop.finish(&plan_of(&recipe), &run);
        let every_fourth = Trace::read(&run);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let expected: Vec<f64> = total.chunks(4).map(mean).collect();
        assert_eq!(every_fourth.losses(), expected, "{method}");
        let expected = [None, Some(mean(&found[6..8])), Some(mean(&found[8..]))];
        assert_eq!(losses_of(&every_fourth.metrics, method), expected, "{method}");
    }
}

/// `KL(p‖q)` from probabilities.
fn kl(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).map(|(p, q)| p * (p / q).ln()).sum()
}

#[test]
fn code_switched_and_translated_views_are_of_the_language_of_each_text() {
    let shop = Workshop::new().without_dropout();
    let texts = shop.write_texts();
    shop.finish(&shop.plan("epochs = 4\nbatch_size = 4", ""), &shop.run("first"));
    // Every German word has one translation, and every text one; English is as it is.
    let words = ["licht", "an", "aus", "tür", "bitte", "das", "in", "der", "küche"];
    let others = ["свет", "на", "stop", "灯", "warm", "厨房", "кухне", "time", "打开"];
    fs::create_dir(shop.path("views")).unwrap();
    let entries = words.iter().zip(others).map(|(word, other)| format!("{word}\t{other}\n"));
    fs::write(shop.path("views/de-xx.txt"), entries.collect::<String>()).unwrap();
    let switched = |text: &String| -> String {
        let word = |word| others[words.iter().position(|known| *known == word).unwrap()];
        text.split(' ').map(word).collect::<Vec<_>>().join(" ")
    };
    let translated = |text: &String| format!("включи {text}");
    let pairs = texts[1].iter().map(|text| format!("{text}\t{}\n", translated(text)));
    fs::write(shop.path("views/de-xx.tsv"), pairs.collect::<String>()).unwrap();

    let tables = |objectives: &str, languages: &str, path: &str| {
        format!(
            "[[objective]]\nmethod.cross_entropy = {{}}\n{objectives}\
             [unlabeled]\npath = {:?}\nlanguages = {languages}\nbatch_size = 100\n\
             [views.code_switched]\ndictionaries = {:?}\nlanguages = [\"de\", \"xx\"]\nrate = 1.0\n\
             [views.translated]\npath = {:?}\nlanguages = [\"de\", \"xx\"]\n",
            shop.path("texts/{language}.txt"),
            shop.path(&format!("views/{path}.txt")),
            shop.path(&format!("views/{path}.tsv")),
        )
    };
    let uda = |view: &str| {
        format!(
            "[[objective]]\nmethod.uda = {{ view = \"{view}\", temperature = 1.0, confidence = 0.0 }}\n"
        )
    };
    let both = uda("code_switched") + &uda("translated");
    let recipe = shop.recipe(TRAINING, &tables(&both, "[\"de\"]", "{source}-{language}"));
    let from = format!("source = {:?}\nhead = \"as_is\"", shop.run("first").best());
    let recipe = recipe.replace(&format!("source = {:?}", shop.path("model")), &from);
    let trace = shop.assert_resumes("views", &plan_of(&recipe), &[1]);
    let line = trace.metrics.iter().find(|line| line["kind"] == "train").unwrap().clone();
    let originals = probabilities(&shop, &texts[1]);
    for (name, view) in [
        ("uda", texts[1].iter().map(switched).collect::<Vec<_>>()),
        ("uda_2", texts[1].iter().map(translated).collect()),
    ] {
        let rows = probabilities(&shop, &view);
        let sum: f64 = originals.iter().zip(&rows).map(|(p, q)| kl(p, q)).sum();
        let (expected, found) = (sum / rows.len() as f64, line["losses"][name].as_f64().unwrap());
        assert!(expected > 1e-4, "{name}: {expected}");
        assert!((found - expected).abs() < 1e-4, "{name}: {found}, expected {expected}");
    }

    // A path for one language alone, a language without another one, and texts without translations.
    let refused = |objectives: &str, languages: &str, path: &str| {
        let recipe = shop.recipe(TRAINING, &tables(objectives, languages, path));
        match isogloss::Plan::from_toml(&recipe, "refused.toml".as_ref()) {
            Err(error) => error.to_string(),
            Ok(plan) => shop.try_finish(&plan, &shop.run("refused")).unwrap_err().to_string(),
        }
    };
    for languages in ["[\"de\"]", "\"all\""] {
        let error = refused(&uda("code_switched"), languages, "de-{language}");
        let expected = "views.code_switched.dictionaries: expected a path with {source}";
        assert!(error.contains(expected), "{error}");
    }
    let tagging = format!("[task.tagging]\n{}", uda("translated"));
    let error = refused(&tagging, "[\"de\"]", "{source}-{language}");
    assert!(error.contains("a translation has words of its own"), "{error}");
    fs::write(shop.path("views/de-xx.tsv"), "ja\tда\n").unwrap();
    let error = refused(&uda("translated"), "[\"de\"]", "{source}-{language}");
    assert!(error.contains("none of its texts has a translation"), "{error}");
}
