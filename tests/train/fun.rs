//! FUN's choice of layers, by the traces that JAX computes
//! (`tests/fixtures/make/method_gradients.py`).

use std::fs;

use isogloss_tests::fixtures;
use isogloss_tests::runs::{Trace, Workshop, plan_of};
use serde_json::{Value, json};

/// Writes the texts of the reference as every split of their languages, and the subnetworks.
fn workshop(reference: &Value) -> Workshop {
    let shop = Workshop::new();
    fs::create_dir(shop.path("texts")).unwrap();
    fs::create_dir(shop.path("subnetworks")).unwrap();
    for (language, subnetwork) in reference["subnetworks"].as_object().unwrap() {
        let texts = reference["texts"].as_array().unwrap().iter();
        let texts = texts.filter(|text| text["language"] == language.as_str());
        let lines: String = ["train", "dev", "test"]
            .iter()
            .flat_map(|split| texts.clone().map(move |text| (split, text)))
            .map(|(split, text)| {
                let line = json!({ "text": text["text"], "label": text["label"], "split": split });
                format!("{line}\n")
            })
            .collect();
        fs::write(shop.path(&format!("texts/{language}.jsonl")), lines).unwrap();
        let marks = |units: &Value| -> String {
            let mark = |unit: &Value| if *unit == 1 { '#' } else { '.' };
            units.as_array().unwrap().iter().map(mark).collect()
        };
        let heads: Vec<_> = subnetwork["heads"].as_array().unwrap().iter().map(marks).collect();
        let feed_forward = marks(&subnetwork["feed_forward"]);
        let text = format!("heads = {heads:?}\nfeed_forward = {feed_forward:?}\n");
        fs::write(shop.path(&format!("subnetworks/{language}.toml")), text).unwrap();
    }
    shop
}

#[test]
fn the_authors_traces_choose_the_layer_through_the_subnetworks_in_use() {
    let bytes = fs::read(fixtures().join("method_gradients.json")).unwrap();
    let reference: Value = serde_json::from_slice(&bytes).unwrap();
    let shop = workshop(&reference);
    let subnetworks =
        format!("[subnetworks]\npath = {:?}\n", shop.path("subnetworks/{language}.toml"));
    for (kind, tables) in [("whole", String::new()), ("subnetworks", subnetworks)] {
        let recipe = format!(
            "seed = 7\n[model]\nsource = {:?}\nhead = \"as_is\"\npooling = \"first_token\"\n\
             [data]\npath = {:?}\nsources = [\"en\", \"de\"]\nlanguages = []\n\
             [optimizer]\nlearning_rate = 1e-3\n\
             [training]\nmax_steps = 1\nbatch_size = 3\n\
             [schedule.fun]\nevery_steps = 1\nn_batches = 2\nestimator = \"argmax\"\n{tables}",
            shop.path("model"),
            shop.path("texts/{language}.jsonl"),
        );
        let run = shop.run(kind);
        shop.finish(&plan_of(&recipe), &run);
        let metrics = Trace::read(&run).metrics;
        let line = metrics.iter().find(|line| line["kind"] == "open").unwrap();
        let numbers = |values: &Value| -> Vec<f64> {
            values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
        };
        let (found, expected) = (numbers(&line["traces"]), numbers(&reference["fun"][kind]));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-3 * expected, "{kind}: {found}, not {expected}");
        }
        // With the whole model it is the upper layer, through the subnetworks the lower one.
        let largest = usize::from(expected[1] > expected[0]);
        assert_eq!(line["layers"], json!([largest]), "{kind}");
        assert_eq!(largest, usize::from(kind == "whole"));
    }
}
