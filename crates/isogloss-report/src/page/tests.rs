//! Tests of rendered pages: their contents, and that they are well-formed.

use std::fs;

use super::*;
use crate::example_runs::{METRICS, alignment, load, measure, results, run};
use crate::group::{copied_seeds, unlike_seeds, unlike_test_data};

/// Panics unless every tag is closed in order and every `<` and `&` in text is escaped.
fn assert_well_formed(html: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html.trim_start_matches("<!doctype html>");
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        let in_style = open.last() == Some(&"style");
        for (at, _) in text.match_indices('&').filter(|_| !in_style) {
            let entity = text[at..].split_inclusive(';').next().unwrap();
            assert!(entity.len() < 9 && entity.ends_with(';'), "bare & before {entity:?}");
        }
        let end = tag.find('>').expect("tag is closed");
        let inner = &tag[1..end];
        assert_eq!(inner.matches('"').count() % 2, 0, "quotes in <{inner}>");
        let name = inner.split([' ', '/', '\n']).find(|part| !part.is_empty()).unwrap();
        if inner.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closes what is open");
        } else if !inner.ends_with('/') && !matches!(name, "meta" | "br") {
            open.push(name);
        }
        rest = &tag[end + 1..];
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn a_killed_run_is_shown_up_to_where_it_got() {
    let root = tempfile::tempdir().unwrap();
    let cut = &METRICS[..METRICS.len() - 20];
    let record = load(&run(root.path(), "seed-1", cut, ""));
    assert!(record.truncated);
    assert_eq!(record.train.len(), 2);
    let html = render(&[record]);
    assert_well_formed(&html);
    assert!(html.contains("ends in the middle of a line"));
    assert!(html.contains("not finished"));
}

#[test]
fn seeds_with_unlike_recipes_are_told() {
    let root = tempfile::tempdir().unwrap();
    let scored = |seed: u64, rate: &str| {
        let name = format!("plain/seed-{seed}");
        let folder = run(root.path(), &name, METRICS, &results(0.8, 0.4));
        let recipe = format!("seed = {seed}\n[optimizer]\nlearning_rate = {rate}\n");
        fs::write(folder.join("recipe.toml"), recipe).unwrap();
        load(&folder)
    };
    let records = [scored(1, "1e-5"), scored(2, "1e-5"), scored(3, "1e-4")];
    assert_eq!(unlike_seeds(&records[..2]), <[[&RunRecord; 2]; 0]>::default());
    assert_eq!(unlike_seeds(&records), [[&records[2], &records[0]]]);
    let note = "plain: seed-3 has another recipe than seed-1; both are in the mean over seeds";
    assert!(render(&records).contains(note));

    // The same recipe, but the file of a language was another one, or a language was added.
    assert_eq!(unlike_test_data(&records), <[[&RunRecord; 2]; 0]>::default());
    for (old, new) in [("\"n\": 10,", "\"n\": 9,"), ("x<y", "fi")] {
        let name = format!("plain/seed-{}", new.len());
        let folder = run(root.path(), &name, METRICS, &results(0.8, 0.4).replace(old, new));
        let seeds = [records[0].clone(), load(&folder)];
        assert_eq!(unlike_test_data(&seeds), [[&seeds[1], &seeds[0]]]);
        assert!(
            render(&seeds).contains("was scored in other languages or on other test data than")
        );
    }
}

#[test]
fn a_copy_of_a_seed_is_told_and_counts_once() {
    let root = tempfile::tempdir().unwrap();
    let scored = |folder: &str, seed: u64, source: f64, target: f64| {
        let folder = run(root.path(), folder, METRICS, &results(source, target));
        fs::write(folder.join("recipe.toml"), format!("seed = {seed}\n")).unwrap();
        load(&folder)
    };
    // The copy has the smaller number, and still is the copy.
    let records = [
        scored("plain/seed-1", 2, 0.80, 0.40),
        scored("plain/seed-2", 2, 0.80, 0.40),
        scored("plain/seed-3", 3, 0.84, 0.50),
        scored("other/seed-2", 2, 0.80, 0.40),
    ];
    let copies = copied_seeds(&records).into_iter().map(|runs| runs.map(RunRecord::dir));
    let folders = ["plain/seed-1", "plain/seed-2"].map(|name| root.path().join(name));
    assert_eq!(copies.collect::<Vec<_>>(), [folders.each_ref().map(|folder| folder.as_path())]);
    let html = render(&records);
    assert_well_formed(&html);
    let note = "plain: seed-1 has the seed of seed-2 in its recipe; it is left out";
    assert!(html.contains(note), "{html}");
    // Of 80 and 84 as of two seeds: 82 ± 2.83; with the copy it would be 81.3 ± 2.3.
    assert!(html.contains("82.0<span class=\"std\"> ± 2.8</span>"), "{html}");
    assert!(html.contains("<span>3 runs</span>"), "{html}");
}

#[test]
fn seeds_of_a_recipe_become_mean_and_deviation() {
    let root = tempfile::tempdir().unwrap();
    let records = [
        load(&run(root.path(), "plain/seed-2", METRICS, &results(0.80, 0.40))),
        load(&run(root.path(), "plain/seed-1", METRICS, &results(0.84, 0.50))),
        load(&run(root.path(), "r_drop/seed-1", METRICS, &results(0.90, 0.70))),
    ];
    let html = render(&records);
    assert_well_formed(&html);
    for expected in [
        "<!doctype html>",
        "82.0<span class=\"std\"> ± 2.8</span>",
        "45.0<span class=\"std\"> ± 7.1</span>",
        "37.0<span class=\"std\"> ± 4.2</span>",
        "best dev accuracy in en",
        "x&lt;y",
        "&lt;b&gt;&amp;",
        "English",
        "<caption>",
        "aria-label",
        "(2 left out, 1 cut short)",
        "prefers-color-scheme: dark",
    ] {
        assert!(html.contains(expected), "{expected}");
    }
    for forbidden in ["http://", "https://", "<script", "<link", "@import", "url(", "NaN"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn centred_scores_are_marked() {
    let root = tempfile::tempdir().unwrap();
    let centred = results(0.8, 0.6).replace("\"truncated\": 1", "\"centred\": true");
    let records = [
        load(&run(root.path(), "centred/seed-1", METRICS, &centred)),
        load(&run(root.path(), "centred/seed-2", METRICS, &centred)),
    ];
    assert!(render(&records).contains("(2 left out, centred)"));
    let plain = load(&run(root.path(), "plain/seed-1", METRICS, &results(0.8, 0.6)));
    let html = render(&[records[0].clone(), records[1].clone(), plain]);
    assert!(html.contains("(2 left out, 1 cut short, centred in 2 of 3 runs)"));
}

#[test]
fn texts_without_a_token_are_counted_beside_the_examples() {
    let root = tempfile::tempdir().unwrap();
    let counted = results(0.8, 0.6).replace("\"truncated\": 1", "\"without_tokens\": 3");
    let html = render(&[load(&run(root.path(), "one/seed-1", METRICS, &counted))]);
    assert!(html.contains("(2 left out, 3 without a token)"));
}

#[test]
fn recipes_of_other_data_stand_apart() {
    let root = tempfile::tempdir().unwrap();
    let others = results(0.95, 0.6).replace("\"n\": 10,", "\"n\": 900,");
    let records = [
        load(&run(root.path(), "plain/seed-1", METRICS, &results(0.80, 0.40))),
        load(&run(root.path(), "r_drop/seed-1", METRICS, &results(0.84, 0.50))),
        load(&run(root.path(), "large/seed-1", METRICS, &others)),
    ];
    assert_other_data(&records);

    // As many examples, but other texts or labels.
    let with_hash = |hash: &str, name: &str| {
        let hash = format!("\"truncated\": 1, \"data_hash\": \"{hash}\"");
        let results = results(0.8, 0.4).replace("\"truncated\": 1", &hash);
        load(&run(root.path(), name, METRICS, &results))
    };
    assert_other_data(&[
        with_hash("a1", "hashed/plain/seed-1"),
        with_hash("a1", "hashed/r_drop/seed-1"),
        with_hash("b2", "hashed/large/seed-1"),
    ]);
}

/// Asserts that the third recipe, `large`, stands apart from the others.
fn assert_other_data(records: &[RunRecord]) {
    let html = render(records);
    assert_well_formed(&html);
    let section = |number: usize| {
        let start = format!("<section id=\"results-classification-accuracy-{number}\">");
        let (_, rest) = html.split_once(&start).unwrap();
        rest.split_once("</section>").unwrap().0.to_owned()
    };
    let (first, second) = (section(1), section(2));
    assert!(first.contains("plain") && first.contains("drop") && !first.contains("large"));
    assert!(second.contains("large") && !second.contains("drop"));
    assert!(first.contains("Recipes with other test data stand apart"));
    assert_eq!(html.matches("<span>classification, accuracy</span>").count(), 1);
    assert!(!render(&records[..2]).contains("stand apart"));
}

#[test]
fn the_title_says_what_the_runs_are_about() {
    let root = tempfile::tempdir().unwrap();
    let record = |name: &str, task: &str| {
        let results = results(0.9, 0.5).replace("classification", task);
        load(&run(root.path(), name, METRICS, &results))
    };
    let (labeled, retrieval) = (record("a/seed-1", "tagging"), record("b/seed-1", "retrieval"));
    let title = |records: &[RunRecord]| {
        let html = render(records);
        let (_, rest) = html.split_once("<h1>").unwrap();
        rest.split_once("</h1>").unwrap().0.to_owned()
    };
    assert_eq!(title(std::slice::from_ref(&retrieval)), "Sentence retrieval");
    assert_eq!(title(&[record("c/seed-1", "language_modeling")]), "Masked language modelling");
    assert_eq!(title(std::slice::from_ref(&labeled)), "Zero-shot transfer from English");
    let both = "Zero-shot transfer from English and sentence retrieval";
    assert_eq!(title(&[labeled, retrieval]), both);
}

#[test]
fn runs_without_measures_or_objectives_say_nothing_of_them() {
    let root = tempfile::tempdir().unwrap();
    let html = render(&[load(&run(root.path(), "seed-1", METRICS, &results(0.9, 0.5)))]);
    for absent in ["Fisher", "Sharpness", "Flatness", "Alignment", "Measures", "objective"] {
        assert!(!html.contains(absent), "{absent}");
    }
}

#[test]
fn measures_become_a_table_scatters_curves_and_maps() {
    let root = tempfile::tempdir().unwrap();
    let record = |at: usize, name: &str| {
        let trace = [8.5, 6.5, 2.5, 1.5, 1.0][at];
        let lines = measure(0, "sampled", 20.0, Some(0.5))
            + METRICS
            + &measure(2, "sampled", trace, Some(0.25));
        load(&run(root.path(), name, &lines, &results(0.9, 0.5 + 0.01 * at as f64)))
    };
    let names = ["a<b/seed-1", "a<b/seed-2", "c/seed-1", "c/seed-2", "c/seed-3"];
    let mut records: Vec<_> = (0..5).map(|at| record(at, names[at])).collect();
    let html = render(&records);
    assert_well_formed(&html);
    for expected in [
        // The table, with the last measure of each seed.
        "<td>7.50<span class=\"std\"> ± 1.41</span></td><td>0.250<span class=\"std\"> ± 0.000<",
        // The scatters.
        "Spearman’s ρ between trace and target mean: −1.00, n = 5 runs (unrelated: 0 ± 0.50)",
        "No rank correlation between sharpness and target mean",
        "<title>a&lt;b, seed 2: x&lt;y, 51.0</title>",
        "<title>a&lt;b, seed 2: mean over targets 51.0, at 6.50</title>",
        // The curves.
        "<figcaption>Sharpness at radius 0.05</figcaption>",
        "<title>c, seed 1: trace of the Fisher information</title>",
        // The maps.
        "<title>Head, step 2: mean 7.00 (seed 1: 8, seed 2: 6)</title>",
        "<title>Embeddings, step 0: mean 0.00 (seed 1: 0, seed 2: 0)</title>",
        ">layer 0</span>",
    ] {
        assert!(html.contains(expected), "{expected}");
    }
    assert!(!html.contains("NaN"));

    records.pop();
    let html = render(&records);
    assert!(html.contains("4 runs: too few for a rank correlation."));
    let html = render(&records[..1]);
    assert!(html.contains("Flatness and transfer"));
    assert!(!html.contains("Target accuracy against"), "one run has nothing to be compared to");
}

#[test]
fn alignment_becomes_maps_and_scatters() {
    let root = tempfile::tempdir().unwrap();
    let record = |name: &str, share: f64| {
        let folder = run(root.path(), name, METRICS, &results(0.9, 0.5));
        fs::write(folder.join("alignment.json"), alignment(&[("de", 0.3), ("x<y", share)]))
            .unwrap();
        load(&folder)
    };
    let html = render(&[record("plain/seed-1", 0.6), record("plain/seed-2", 0.8)]);
    assert_well_formed(&html);
    for expected in [
        "<h2>Alignment of languages by layer</h2>",
        "<title>x&lt;y, layer 1: 70.0</title>",
        "<title>German, layer 0: 15.0</title>",
        "<h2>Alignment and transfer</h2>",
        "<title>plain, seed 2: x&lt;y, 50.0 at 80.0</title>",
        "Spearman’s ρ: plain, seed 1: too few languages (1); plain, seed 2: too few languages (1).",
    ] {
        assert!(html.contains(expected), "{expected}");
    }
    assert_eq!(html.matches("Target accuracy against").count(), 4, "two charts, each told twice");
    let folder = root.path().join("plain/seed-1");
    fs::write(folder.join("alignment.json"), "{}").unwrap();
    let error = RunRecord::load(&folder).unwrap_err().to_string();
    assert!(error.contains("alignment.json:1: missing field"), "{error}");
}

#[test]
fn the_empirical_fisher_information_is_another_quantity() {
    let root = tempfile::tempdir().unwrap();
    let records = ["sampled", "exact", "empirical"].map(|estimator| {
        let folder =
            run(root.path(), estimator, &measure(2, estimator, 3.0, None), &results(0.9, 0.5));
        load(&folder)
    });
    let html = render(&records);
    assert_well_formed(&html);
    let count = |text: &str| html.matches(text).count();
    assert_eq!(count("<figcaption>Trace of the Fisher information<"), 1);
    assert_eq!(count("<figcaption>Trace of the empirical Fisher information<"), 1);
    assert_eq!(count("<td>3.00</td>"), 3, "each run has one of the two traces");
    assert_eq!(count("What each block adds to"), 2);
}

#[test]
fn objectives_have_curves_of_their_own() {
    let root = tempfile::tempdir().unwrap();
    let line = |step: u64, losses: &str| {
        format!("{{\"kind\":\"train\",\"step\":{step},\"loss\":1.0,\"losses\":{losses}}}\n")
    };
    let lines = line(1, r#"{"cross_entropy":0.9,"consistency":0.001}"#)
        + &line(2, r#"{"cross_entropy":0.8,"consistency":null}"#);
    let html = render(&[load(&run(root.path(), "plain/seed-1", &lines, ""))]);
    assert_well_formed(&html);
    let names = ["</svg>cross_entropy</li>", "</svg>consistency</li>"];
    let places = names.map(|name| html.find(name).expect("both are in the key"));
    assert!(places[0] < places[1], "in the recipe's order");
    assert!(html.contains("<title>plain, seed 1: consistency</title>"));
    assert!(html.contains("Loss by objective, plain"));
}

#[test]
fn recipes_of_one_name_in_two_places_stay_apart() {
    let root = tempfile::tempdir().unwrap();
    let records = [
        load(&run(root.path(), "old/plain/seed-1", METRICS, &results(0.8, 0.4))),
        load(&run(root.path(), "new/plain/seed-1", METRICS, &results(0.9, 0.5))),
    ];
    let html = render(&records);
    assert!(html.contains("old/plain") && html.contains("new/plain"));
}

#[test]
fn no_runs_make_a_page_that_says_so() {
    let html = render(&[]);
    assert_well_formed(&html);
    assert!(html.contains("No runs"));
}

#[test]
fn a_run_that_opens_layers_has_a_timeline() {
    let folder = tempfile::tempdir().unwrap();
    let log = r#"{"kind":"open","step":0,"epoch":0.0,"schedule":"gradual_unfreeze","layers":[2]}
{"kind":"train","step":1,"epoch":0.1,"loss":2.0,"grad_norm":1.0,"lr":0.1,"tokens_per_sec":1.0}
{"kind":"open","step":5,"epoch":0.5,"schedule":"gradual_unfreeze","layers":[0,1]}
{"kind":"dev","step":5,"language":"en","accuracy":0.5,"mean_target":0.25}
{"kind":"train","step":10,"epoch":1.0,"loss":1.0,"grad_norm":1.0,"lr":0.1,"tokens_per_sec":1.0}
"#;
    for (name, content) in [("metrics.jsonl", log), ("recipe.toml", ""), ("environment.json", "{}")]
    {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let run = load(folder.path());
    assert_eq!(run.opened, [(0, 5), (1, 5), (2, 0)].into());
    let page = render(&[run]);
    assert!(page.contains("layer 2 learns from step 0"), "{page}");
    assert!(page.contains("opened: 2 at 0, 1 at 5, 0 at 5."), "{page}");
}
