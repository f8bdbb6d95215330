//! Commands about a finished model whose run used subnetworks.

use std::fs;

use isogloss_tests::copy_model;
use serde_json::Value;

use super::{TAGGED, isogloss, refused};

#[test]
fn fisher_measures_the_subnetwork_of_the_language() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    copy_model("bert-tokens", &path.join("model"));
    for name in ["de.conll", "fr.conll"] {
        fs::write(path.join(name), TAGGED.repeat(2)).unwrap();
    }
    let traces = |args: &str| -> Vec<f64> {
        let fisher = "--estimator empirical --radius 0 --json --device flex";
        let (out, _) = isogloss(path, &format!("fisher {args} {fisher}"));
        let values = serde_json::Deserializer::from_str(&out).into_iter::<Value>();
        let trace = |value: Value| value["measures"]["fisher"]["trace"].as_f64().unwrap();
        values.map(|value| trace(value.unwrap())).collect()
    };
    let whole = traces("model de.conll fr.conll");
    assert_eq!(whole[0], whole[1]);
    let search = "subnetwork model de.conll --threshold 0.001 --share 0.6 --device flex";
    isogloss(path, &format!("{search} --out found"));
    isogloss(path, "prune model --subnetwork found/de.toml --out pruned");
    fs::rename(path.join("found"), path.join("model/subnetworks")).unwrap();

    // Parameters of masked heads have no gradient, so the model without them has the same trace.
    let found = traces("model de.conll fr.conll");
    let pruned = traces("pruned de.conll")[0];
    assert!((found[0] - pruned).abs() < 1e-4 * pruned, "{found:?}, {pruned}");
    assert!((found[0] - whole[0]).abs() > 1e-2 * whole[0], "{found:?}, {whole:?}");
    assert_eq!(found[1], whole[1]);

    // A search begins with all heads, which the run did not use together.
    let error = refused(path, &format!("{search} --out again"));
    assert!(
        error.contains("model/subnetworks/de.toml: a subnetwork that the model's run"),
        "{error}"
    );
    assert!(!path.join("again").exists());
}

/// Commands that change weights keep the subnetworks; training does not, and says so.
#[test]
fn subnetworks_go_with_their_model_and_their_absence_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    copy_model("bert-tokens", &path.join("model"));
    let splits = ["en.train.conll", "en.dev.conll", "en.test.conll", "de.test.conll"];
    for name in ["de.conll", "fr.conll"].into_iter().chain(splits) {
        fs::write(path.join(name), TAGGED.repeat(2)).unwrap();
    }
    let search = "subnetwork model de.conll --threshold 0.001 --share 0.6 --device flex";
    isogloss(path, &format!("{search} --out found"));
    fs::rename(path.join("found"), path.join("model/subnetworks")).unwrap();
    isogloss(path, "compress model --storage f16 --out small");
    fs::write(path.join("words.txt"), "licht an\n").unwrap();
    isogloss(path, "trim model --corpus words.txt --out trimmed");
    let read = |model: &str| fs::read(path.join(model).join("subnetworks/de.toml")).unwrap();
    assert_eq!((read("small"), read("trimmed")), (read("model"), read("model")));
    // Without its pruned parts a model has no places for the masks of the whole one.
    let (_, told) = isogloss(path, "prune model --subnetwork model/subnetworks/de.toml --out cut");
    assert!(told.contains("model/subnetworks: the subnetworks of languages are"), "{told}");
    assert!(!path.join("cut/subnetworks").exists());
    let (_, told) = isogloss(path, "evaluate small de.conll fr.conll --device flex --json");
    assert!(told.contains("small: no subnetwork of fr"), "{told}");
    assert!(!told.contains("no subnetwork of de"), "{told}");
    let recipe = "seed = 1\n[model]\nsource = \"model\"\n[task.tagging]\nunits = \"word\"\n[data]\n\
        path = \"{language}.{split}.conll\"\nsources = [\"en\"]\nlanguages = [\"de\"]\n\
        [training]\nmax_steps = 1\nbatch_size = 1\n";
    fs::write(path.join("recipe.toml"), recipe).unwrap();
    let (out, told) = isogloss(path, "finetune recipe.toml --device flex --out run");
    assert!((out + &told).contains("those of model are not taken over"));
}
