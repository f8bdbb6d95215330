//! A run with language adapters (MAD-X), from other working folders and moved, and the commands that
//! use the adapter of each file's language.

use std::fs;
use std::path::Path;

use isogloss_tests::{copy_folder, copy_model, fixtures};
use serde_json::Value;
use tempfile::TempDir;

use super::{TAGGED, best, isogloss, refused};

/// Temporary folder with a finished run `work/run` on language adapters `work/lm/LANGUAGE`, which its
/// recipe names by a path from the folder `work`.
fn finished() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    fs::create_dir(&work).unwrap();
    copy_model("xlm-roberta", &work.join("model"));
    for language in ["en", "de"] {
        let adapter = fixtures().join(format!("adapters/mad_x-{language}"));
        copy_folder(&adapter, &work.join("lm").join(language));
    }
    for name in ["en.train", "en.dev", "en.test", "de.test", "de"] {
        fs::write(work.join(format!("{name}.conll")), TAGGED.repeat(4)).unwrap();
    }
    let recipe = "seed = 1\n[model]\nsource = \"model\"\n[task.tagging]\nunits = \"word\"\n\
                  [data]\npath = \"{language}.{split}.conll\"\nsources = [\"en\"]\nlanguages = [\"de\"]\n\
                  [language_adapter]\npath = \"lm/{language}\"\n[adapter.seq_bn]\nreduction_factor = 2\n\
                  [optimizer]\nlearning_rate = 2e-2\n[training]\nepochs = 4\nbatch_size = 2\n";
    fs::write(work.join("recipe.toml"), recipe).unwrap();
    isogloss(&work, "finetune recipe.toml --device flex --out run");
    folder
}

/// The score of German of a run's best model, by `evaluate` in a working folder.
#[track_caller]
fn score(folder: &Path, model: &Path, data: &Path) -> Value {
    let args = format!("evaluate {} {} --device flex --json", model.display(), data.display());
    let (out, _) = isogloss(folder, &args);
    serde_json::from_str::<Value>(&out).unwrap()["languages"]["de"].clone()
}

#[test]
fn a_run_finds_its_language_adapters_from_anywhere() {
    let folder = finished();
    let work = folder.path().join("work");
    let best = best(&work);
    let results = work.join(best).with_file_name("results.json");
    let results: Value = serde_json::from_slice(&fs::read(results).unwrap()).unwrap();
    let expected = &results["languages"]["de"];
    let (model, data) = (Path::new(&best), Path::new("de.conll"));
    let stored = fs::read(work.join(best).join("isogloss.json")).unwrap();
    let stored: Value = serde_json::from_slice(&stored).unwrap();
    let path = &stored["scoring"]["language_adapter"]["path"];
    assert_eq!(path, "../../../../lm/{language}", "{stored}");

    assert_eq!(&score(&work, model, data), expected);
    // From another working folder.
    let (above, elsewhere) = (folder.path(), tempfile::tempdir().unwrap());
    assert_eq!(
        &score(above, &Path::new("work").join(model), &Path::new("work").join(data)),
        expected
    );
    assert_eq!(&score(elsewhere.path(), &work.join(model), &work.join(data)), expected);
    // The model alone is moved: the absolute path is left.
    let alone = elsewhere.path().join("alone");
    copy_folder(&work.join(model), &alone);
    assert_eq!(&score(elsewhere.path(), &alone, &work.join(data)), expected);
    // The run is moved with its adapters and its base.
    let moved = elsewhere.path().join("deep/moved");
    fs::create_dir_all(moved.parent().unwrap()).unwrap();
    fs::rename(&work, &moved).unwrap();
    assert_eq!(&score(above, &moved.join(model), &moved.join(data)), expected);
    // They are in neither place.
    fs::rename(moved.join("lm"), moved.join("gone")).unwrap();
    let args = format!("evaluate {} de.conll --device flex", model.display());
    let error = refused(&moved, &args);
    assert!(error.contains("lm/de: no language adapter for de"), "{error}");
    assert!(error.contains("--language-adapter"), "{error}");

    // Earlier versions wrote the path from the working folder.
    let path = moved.join(model).join("isogloss.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["scoring"]["language_adapter"] =
        serde_json::json!({"source": "en", "path": "gone/{language}"});
    fs::write(&path, json.to_string()).unwrap();
    assert_eq!(&score(&moved, model, data), expected);
}

#[test]
fn fisher_and_subnetwork_use_the_adapter_of_the_language() {
    let folder = finished();
    let work = folder.path().join("work");
    let best = best(&work);
    for command in ["fisher --radius 0 --json", "subnetwork --threshold 0.3 --out found --json"] {
        let with = |adapter: &str| {
            isogloss(&work, &format!("{command} {best} de.conll --device flex{adapter}")).0
        };
        let found = with("");
        assert_eq!(found, with(" --language-adapter lm/de"), "{command}");
        assert_ne!(found, with(" --language-adapter lm/en"), "{command}");
    }
}
