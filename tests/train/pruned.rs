//! Pruned models: they equal the masked models, can be used like any other, and refuse what they do
//! not support.

mod as_masked;
mod folders;
mod refusals;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use isogloss::{Error, PruneOptions, PruneReport, prune, write_subnetwork};
use isogloss_methods::Subnetwork;
use isogloss_model::{
    EncoderConfig, ForwardOptions, HeadChoice, LoadedModel, Model, ModelInput, load,
    named_parameters,
};
use isogloss_tests::values;
use serde_json::json;
use tempfile::TempDir;

const FAMILIES: [&str; 4] = ["bert", "xlm-roberta", "distilbert", "electra"];

/// Subnetwork of a tiny model, with `#` for each kept part.
fn subnetwork(heads: [&str; 2], feed_forward: &str) -> Subnetwork {
    let json = json!({ "heads": heads, "feed_forward": feed_forward });
    serde_json::from_value(json).unwrap()
}

/// Subnetworks that prune a layer in each possible way.
fn subnetworks() -> [(&'static str, Subnetwork); 4] {
    [
        ("heads", subnetwork(["#.##", ".##."], "##")),
        ("heads and feed-forward", subnetwork(["...#", "####"], "#.")),
        ("a layer without heads", subnetwork(["##.#", "...."], "##")),
        ("a layer without anything", subnetwork(["....", "#..#"], ".#")),
    ]
}

struct PrunedFolder {
    folder: TempDir,
    report: PruneReport,
}

impl PrunedFolder {
    fn new(whole: &Path, subnetwork: &Subnetwork) -> Self {
        Self::try_new(whole, subnetwork).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_new(whole: &Path, subnetwork: &Subnetwork) -> Result<Self, Error> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("part.toml");
        write_subnetwork(&file, subnetwork).unwrap();
        let options = PruneOptions { n_checked: 4 };
        let report = prune(whole, &file, None, options, &folder.path().join("model"))?;
        Ok(Self { folder, report })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("model")
    }

    fn load(&self, device: &Device) -> LoadedModel {
        load(self.path(), &HeadChoice::Saved, device).unwrap_or_else(|error| panic!("{error}"))
    }
}

fn input(config: &EncoderConfig, device: &Device) -> ModelInput {
    let ids = [5, 6, 7, 8, 9, 10, 3, 50, 11, 70, 2, 1];
    let mask = [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0];
    config.input(&ids, &mask, &[0; 12], 6, device).unwrap()
}

/// Hidden states of every layer, and logits.
fn outputs(model: &Model, pass: &ForwardOptions, device: &Device) -> Vec<Vec<f32>> {
    let output = model.forward(&input(model.encoder.config(), device), pass);
    let states = output.hidden_states.into_iter().map(values);
    states.chain([values(output.logits)]).collect()
}

/// The values of all parameters, by name.
fn parameters(model: &Model) -> Vec<(String, Vec<f32>)> {
    let params = named_parameters(model).into_iter();
    params.map(|param| (param.path.clone(), param.data().try_into_vec().unwrap())).collect()
}
