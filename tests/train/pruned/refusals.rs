//! Unsupported operations on pruned models, and files that do not fit them.

use std::fs;

use burn::tensor::Device;
use isogloss::{
    Classification, Error, Evaluator, Plan, Predictor, PruneOptions, SubnetworkSearchOptions,
    importance, prune, read_subnetwork_for, write_subnetwork,
};
use isogloss_methods::{Importance, Subnetwork};
use isogloss_model::{HeadChoice, load};
use isogloss_tests::fixtures;
use isogloss_tests::runs::{Workshop, plan_of};
use serde_json::{Value, json};

use super::{PrunedFolder, subnetwork};

#[test]
fn models_cannot_be_pruned_twice_nor_masked_again() {
    let device = Device::flex();
    let part = subnetwork(["#.##", "####"], "#.");
    let shop = Workshop::new();
    let file = shop.path("en.toml");
    write_subnetwork(&file, &part).unwrap();
    let cut = shop.path("cut");
    prune(&shop.path("model"), &file, None, PruneOptions::default(), &cut).unwrap();

    let again = prune(&cut, &file, None, PruneOptions::default(), &shop.path("again"));
    let error = again.unwrap_err().to_string();
    assert!(error.ends_with("cut/config.json: the model is pruned already: take the whole one"));
    assert!(!shop.path("again").exists());

    let loaded = load(&cut, &HeadChoice::Without, &device).unwrap();
    let error = read_subnetwork_for(loaded.model.encoder.config(), &file).unwrap_err().to_string();
    assert!(
        error.contains("en.toml: a subnetwork of a whole model; 1 heads and 1 feed"),
        "{error}"
    );

    let recipe = shop.recipe("epochs = 1\nbatch_size = 4", "");
    let recipe = recipe.replace(shop.path("model").to_str().unwrap(), cut.to_str().unwrap());
    let tables = format!("[subnetworks]\npath = {:?}\n", shop.path("{language}.toml"));
    let refused = shop.try_finish(&plan_of(&(recipe.clone() + &tables)), &shop.run("masked"));
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("{language}.toml: a subnetwork of a whole model"), "{error}");
    let student = recipe + "[student]\nlayers = [0]\n";
    let refused = Plan::from_toml(&student, "tiny.toml".as_ref())
        .map(|plan| shop.try_finish(&plan, &shop.run("student")).map(|_| ()));
    let error = match refused {
        Ok(refused) => refused.unwrap_err().to_string(),
        Err(error) => panic!("{error}"),
    };
    assert!(error.contains("student.layers: the teacher is pruned"), "{error}");
}

#[test]
fn subnetworks_of_other_architectures_are_refused() {
    let error = |subnetwork: &Subnetwork| {
        let cut = PrunedFolder::try_new(&fixtures().join("bert"), subnetwork);
        cut.map(|_| ()).unwrap_err().to_string()
    };
    for (sizes, words) in [([3, 4], "3 layers of 4 heads"), ([2, 8], "2 layers of 8 heads")] {
        let error = error(&Subnetwork::whole(sizes[0], sizes[1]));
        let expected = format!("part.toml: a subnetwork of {words}; the model has 2 of 4");
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[test]
fn configurations_that_do_not_fit_the_tensors_name_them() {
    let cut = PrunedFolder::new(&fixtures().join("bert"), &subnetwork(["#.##", "...."], "#."));
    let path = cut.path().join("config.json");
    let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let error = |heads: Value, feed_forward: Value| {
        let mut config = written.clone();
        config["pruned_heads"] = heads;
        config["pruned_feed_forward"] = feed_forward;
        fs::write(&path, config.to_string()).unwrap();
        load(cut.path(), &HeadChoice::Saved, &Device::flex()).unwrap_err().to_string()
    };
    let (heads, blocks) = (&written["pruned_heads"], &written["pruned_feed_forward"]);
    let all = json!([0, 1, 2, 3]);
    for (heads, blocks, expected) in [
        (
            &json!({ "0": [1, 2], "1": all }),
            blocks,
            "tensor \"bert.encoder.layer.0.attention.self.query.weight\": expected shape [16, 32], \
             found [24, 32]",
        ),
        (
            &json!({ "0": [1], "1": [0, 1, 2] }),
            blocks,
            "no tensor \"bert.encoder.layer.1.attention.self.query.weight\"",
        ),
        (&json!({ "1": all }), blocks, "expected shape [32, 32], found [24, 32]"),
        (
            &json!({ "0": all, "1": all }),
            blocks,
            "tensor \"bert.encoder.layer.0.attention.output.dense.weight\": config.json says that \
             this is pruned",
        ),
        (heads, &json!([]), "no tensor \"bert.encoder.layer.1.intermediate.dense.weight\""),
        (
            heads,
            &json!([0, 1]),
            "tensor \"bert.encoder.layer.0.output.dense.bias\": config.json says that this is pruned",
        ),
        (
            &json!({ "2": [0] }),
            blocks,
            "config.json: field \"pruned_heads\": layer 2 of a model of 2",
        ),
        (&json!({ "0": [4] }), blocks, "config.json: field \"pruned_heads\": head 4 of 4"),
        (heads, &json!([2]), "field \"pruned_feed_forward\": layer 2 of a model of 2"),
    ] {
        let error = error(heads.clone(), blocks.clone());
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn importances_of_pruned_models_are_refused() {
    let shop = Workshop::new();
    let plan = shop.plan("epochs = 1\nbatch_size = 4", "");
    let run = shop.run("whole");
    shop.finish(&plan, &run);
    let file = shop.path("en.toml");
    write_subnetwork(&file, &subnetwork(["#.##", "####"], "##")).unwrap();
    let cut = shop.path("cut");
    prune(&run.best(), &file, None, PruneOptions::default(), &cut).unwrap();
    let device = Device::flex();
    let predictor = Predictor::load(&cut, &device).unwrap();
    let labels = predictor.labels().unwrap();
    let set = isogloss::LabeledSet::read(
        &shop.path("data/en.jsonl"),
        &isogloss::text::ReadOptions::new(isogloss::text::Format::Jsonl).with_split("dev"),
        &Classification {},
        "en".parse().unwrap(),
        predictor.tokenizer(),
        &labels,
        &isogloss::text::FeatureOptions::new(32),
    )
    .unwrap();
    let model = &predictor.loaded().model;
    let options = SubnetworkSearchOptions::default();
    let found: Result<Importance, Error> =
        importance(model, &set, &Subnetwork::whole(2, 4), options, &device);
    assert!(found.unwrap_err().to_string().contains("the model is pruned already"));
    let evaluator = Evaluator {
        model,
        task: &Classification {},
        labels: &labels,
        batch_size: 8,
        device: &device,
        subnetwork: None,
        centring: None,
    };
    let pruned = isogloss::find_subnetwork(&evaluator, &set, &set, options);
    assert!(pruned.unwrap_err().to_string().contains("the model is pruned already"));
    assert!(evaluator.score(&set).is_ok());
}
