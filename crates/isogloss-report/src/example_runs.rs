//! Run folders for tests.

use std::fs;
use std::path::{Path, PathBuf};

use crate::record::RunRecord;

pub(crate) const METRICS: &str = r#"{"kind":"train","step":1,"epoch":0.5,"loss":1.5,"grad_norm":2.0,"lr":1e-5,"tokens_per_sec":900.0}
{"kind":"train","step":2,"epoch":1.0,"loss":null,"lr":2e-5,"new_field":[1]}
{"kind":"dev","step":2,"epoch":1.0,"language":"en","loss":0.7,"accuracy":0.9}
{"kind":"something_new","step":2}
"#;

/// Writes a run folder; `results` is left out when it is empty.
pub(crate) fn run(root: &Path, name: &str, metrics: &str, results: &str) -> PathBuf {
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

pub(crate) fn results(source: f64, target: f64) -> String {
    format!(
        r#"{{"task": "classification", "metric": "accuracy", "sources": ["en"],
        "selection": {{"rule": "best dev accuracy in en", "step": 2, "score": 0.9}},
        "languages": {{"en": {{"n": 10, "accuracy": {source}, "macro_f1": 0.5}},
                       "x<y": {{"n": 8, "left_out": 2, "truncated": 1, "accuracy": {target}}}}},
        "mean_target": {target}, "gap": {}, "n_targets": 1}}"#,
        source - target
    )
}

pub(crate) fn load(folder: &Path) -> RunRecord {
    RunRecord::load(folder).unwrap()
}

pub(crate) fn measure(step: u64, estimator: &str, trace: f64, sharpness: Option<f64>) -> String {
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

/// JSON as `isogloss alignment` writes it, for layers 0 and 1 of languages with these shares.
pub(crate) fn alignment(shares: &[(&str, f64)]) -> String {
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
