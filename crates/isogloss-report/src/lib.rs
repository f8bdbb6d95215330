//! One HTML page that shows what training runs did and how well they transfer.
//!
//! [`find_runs`] finds run folders, [`RunRecord::load`] reads one, [`render`] makes the page.
//! The page is a single file: styles and figures are inside it, it asks for nothing from any
//! server, and it needs no script.
//! Runs that differ only in their seed are shown as one recipe, as mean ± standard deviation.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

mod alignment;
mod axis;
mod chart;
mod color;
pub mod correlation;
mod group;
mod heads;
mod html;
mod language;
mod page;
mod quantity;
mod record;
mod summary;

pub use alignment::{
    AlignmentReport, BothWays, LanguageAlignment, LayerAlignment, LayerCorrelation, Quantity,
    WordAlignment,
};
pub use correlation::{Correlation, MIN_PAIRS, RESAMPLES, spearman};
pub use heads::head_overlap;
pub use page::render;
pub use record::{ReportError, RunRecord, SUBNETWORKS};
pub use summary::{LanguageScore, MeanStd, TransferSummary};

/// Returns every run folder at or below the paths, in order, each once.
///
/// A run folder is one that holds `metrics.jsonl`; folders inside a run are not searched.
/// Paths that do not exist hold no runs.
pub fn find_runs(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut runs = Vec::new();
    let mut seen = BTreeSet::new();
    for path in paths {
        walk(path, &mut seen, &mut runs);
    }
    runs
}

fn walk(folder: &Path, seen: &mut BTreeSet<PathBuf>, runs: &mut Vec<PathBuf>) {
    // Canonical names end the walk in folders that are linked in a circle.
    let is_new = fs::canonicalize(folder).is_ok_and(|real| seen.insert(real));
    if !is_new {
        return;
    }
    if folder.join(record::METRICS).is_file() {
        runs.push(folder.to_owned());
        return;
    }
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut inner: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    inner.sort();
    for path in inner.iter().filter(|path| path.is_dir()) {
        walk(path, seen, runs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a run folder; `results` is left out when it is empty.
    fn run(root: &Path, name: &str, metrics: &str, results: &str) -> PathBuf {
        let folder = root.join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("recipe.toml"), "model = \"<b>&\"\n").unwrap();
        fs::write(folder.join("environment.json"), r#"{"device": {"name": "flex"}, "seed": 1}"#)
            .unwrap();
        fs::write(folder.join("metrics.jsonl"), metrics).unwrap();
        if !results.is_empty() {
            fs::write(folder.join("results.json"), results).unwrap();
        }
        folder
    }

    fn results(source: f64, target: f64) -> String {
        format!(
            r#"{{"task": "classification", "metric": "accuracy", "sources": ["en"],
            "selection": {{"rule": "best dev accuracy in en", "step": 2, "score": 0.9}},
            "languages": {{"en": {{"n": 10, "accuracy": {source}, "macro_f1": 0.5}},
                           "x<y": {{"n": 8, "left_out": 2, "truncated": 1, "accuracy": {target}}}}},
            "mean_target": {target}, "gap": {}, "n_targets": 1}}"#,
            source - target
        )
    }

    const METRICS: &str = r#"{"kind":"train","step":1,"epoch":0.5,"loss":1.5,"grad_norm":2.0,"lr":1e-5,"tokens_per_sec":900.0}
{"kind":"train","step":2,"epoch":1.0,"loss":null,"lr":2e-5,"new_field":[1]}
{"kind":"dev","step":2,"epoch":1.0,"language":"en","loss":0.7,"accuracy":0.9}
{"kind":"something_new","step":2}
"#;

    fn load(folder: &Path) -> RunRecord {
        RunRecord::load(folder).unwrap()
    }

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
    fn runs_are_found_once_and_in_order() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b/seed-1", "a/seed-2", "a/seed-1", "a/seed-1/checkpoint"] {
            run(root.path(), name, "", "");
        }
        fs::create_dir(root.path().join("empty")).unwrap();
        let paths = [root.path().join("a/seed-2"), root.path().to_owned(), PathBuf::from("/no")];
        let found = find_runs(&paths);
        let expected = ["a/seed-2", "a/seed-1", "b/seed-1"].map(|name| root.path().join(name));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_record_holds_what_the_files_say() {
        let root = tempfile::tempdir().unwrap();
        let record = load(&run(root.path(), "r_drop/seed-7", METRICS, &results(0.9, 0.5)));
        assert_eq!((record.recipe_name(), record.seed()), ("r_drop".to_owned(), Some(7)));
        assert_eq!(record.train.len(), 2);
        assert_eq!(record.train[1].loss, None);
        assert_eq!(record.dev[0].score("accuracy"), Some(0.9));
        assert_eq!(record.results.unwrap().languages["x<y"].left_out, 2);
        assert!(!record.truncated);
        assert_eq!(record.environment[0], ("device name".to_owned(), "flex".to_owned()));
        assert_eq!(record.environment[1], ("seed".to_owned(), "1".to_owned()));
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
    fn steps_repeated_after_a_resume_are_kept_once() {
        let root = tempfile::tempdir().unwrap();
        let again = "{\"kind\":\"train\",\"step\":1,\"loss\":0.25}\n";
        let record = load(&run(root.path(), "seed-1", &format!("{METRICS}{again}"), ""));
        let steps: Vec<_> = record.train.iter().map(|point| (point.step, point.loss)).collect();
        assert_eq!(steps, [(1, Some(0.25)), (2, None)]);
    }

    #[test]
    fn errors_name_the_file_and_line() {
        let root = tempfile::tempdir().unwrap();
        let folder = run(root.path(), "seed-1", &format!("{{nonsense\n{METRICS}"), "");
        let error = RunRecord::load(&folder).unwrap_err().to_string();
        let start = format!("{}:1: ", folder.join("metrics.jsonl").display());
        assert!(error.starts_with(&start), "{error}");
        for name in ["metrics.jsonl", "environment.json", "recipe.toml"] {
            fs::remove_file(folder.join(name)).unwrap();
            let error = RunRecord::load(&folder).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
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

    fn measure(step: u64, estimator: &str, trace: f64, sharpness: Option<f64>) -> String {
        let sharpness = sharpness.map_or_else(String::new, |growth| {
            format!(r#""sharpness":{{"radius":0.05,"loss":0.9,"adversarial":{growth}}},"#)
        });
        format!(
            r#"{{"kind":"measure","step":{step},"fisher":{{"estimator":"{estimator}",
            "trace":{trace},"blocks":{{"embeddings":0.0,"layers.0":0.5,"head":{}}}}},
            {sharpness}"n_examples":128}}"#,
            trace - 0.5
        )
        .replace('\n', "")
            + "\n"
    }

    #[test]
    fn measures_are_read_as_far_as_they_go() {
        let root = tempfile::tempdir().unwrap();
        let lines = [
            measure(4, "sampled", 2.0, Some(0.25)),
            measure(0, "exact", 7.5, None),
            measure(4, "sampled", 3.0, Some(0.125)),
            r#"{"kind":"measure","step":9,"fisher":{"estimator":"new","trace":null},"more":[]}"#
                .into(),
        ];
        let record = load(&run(root.path(), "seed-1", &lines.concat(), ""));
        let steps: Vec<u64> = record.measures.iter().map(|point| point.step).collect();
        assert_eq!(steps, [0, 4, 9]);
        let fisher = record.measures[1].fisher.as_ref().unwrap();
        assert_eq!((fisher.trace, fisher.blocks["head"]), (Some(3.0), Some(2.5)));
        assert_eq!(record.measures[1].sharpness.as_ref().unwrap().adversarial, Some(0.125));
        assert_eq!(record.measures[2].fisher.as_ref().unwrap().trace, None);

        let nameless = run(root.path(), "seed-2", "{\"kind\":\"measure\"}\n", "");
        let error = RunRecord::load(&nameless).unwrap_err().to_string();
        assert!(error.contains("metrics.jsonl:1: missing field `step`"), "{error}");
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

    /// What `isogloss alignment` writes of languages with these shares, in layers 0 and 1.
    fn alignment(shares: &[(&str, f64)]) -> String {
        let of = |(tag, share): &(&str, f64)| {
            let layer = |layer: usize, share: f64| {
                let both = format!(r#"{{"forward":{share},"backward":{share}}}"#);
                format!(r#"{{"layer":{layer},"retrieval":{both},"weak":{both},"strong":{both}}}"#)
            };
            format!(
                r#""{tag}":{{"n_sentences":9,"n_repeated":[0,0],"n_truncated":0,"n_words":9,
                "n_searched":9,"n_without_words":0,"n_words_cut_off":0,"layers":[{},{}]}}"#,
                layer(0, share / 2.0),
                layer(1, *share)
            )
        };
        let languages: Vec<String> = shares.iter().map(of).collect();
        format!(
            r#"{{"model":"m","source":"en","languages":{{{}}},"options":{{"layers":[],
            "n_sentences":9,"n_words":9,"word_vector":"first","form":"bare","distinct_words":false,
            "scoring":"cosine","seed":1}}}}"#,
            languages.join(",")
        )
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
        assert_eq!(
            html.matches("Target accuracy against").count(),
            4,
            "two charts, each told twice"
        );
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
}
