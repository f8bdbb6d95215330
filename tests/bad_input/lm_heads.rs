//! Bad masked-language-model heads: incomplete, or of a form that cannot be trained.

use std::path::Path;

use burn::tensor::Device;
use isogloss_model::{
    HeadChoice, LmHeadKind, LoadError, LoadedModel, RandomParams, load, load_masked_lm, save,
};
use serde_json::json;

use crate::folders::edit_json;
use crate::{assert_refused, copy_of, replace_bytes};

fn open(folder: &Path) -> Result<LoadedModel, LoadError> {
    load_masked_lm(folder, &HeadChoice::Saved, &Device::flex())
}

#[test]
fn a_partial_head_names_what_is_missing() {
    for (family, from, to) in [
        (
            "bert",
            "cls.predictions.transform.dense.weight",
            "cls.predictions.transform.dense.weihgt",
        ),
        ("bert", "\"cls.predictions.bias\"", "\"cls.predictions.vias\""),
        ("xlm-roberta", "lm_head.layer_norm.bias", "lm_head.layer_norm.vias"),
        ("distilbert", "vocab_projector.bias", "vocab_projector.vias"),
        ("electra", "generator_lm_head.bias", "generator_lm_head.vias"),
    ] {
        let folder = copy_of(&format!("{family}-lm"));
        replace_bytes(&folder.path().join("model.safetensors"), from, to);
        let (name, nearest) = (from.trim_matches('"'), to.trim_matches('"'));
        let part = format!("model.safetensors: no tensor \"{name}\", the nearest is \"{nearest}\"");
        assert_refused(family, open(folder.path()), &[&part]);
        assert!(load(folder.path(), &HeadChoice::Saved, &Device::flex()).is_ok(), "{family}");
    }
}

#[test]
fn a_head_of_another_size_names_its_tensor() {
    let folder = copy_of("bert-lm");
    edit_json(&folder.path().join("config.json"), |json| json["vocab_size"] = json!(61));
    let part = "tensor \"cls.predictions.bias\": expected shape [61], found [60]";
    assert_refused("61 tokens", open(folder.path()), &[part]);
}

#[test]
fn a_decoder_of_its_own_is_not_taken_for_a_tied_one() {
    for family in ["bert", "xlm-roberta", "distilbert", "electra"] {
        let folder = copy_of(&format!("{family}-lm"));
        let config = folder.path().join("config.json");
        edit_json(&config, |json| json["tie_word_embeddings"] = json!(false));
        let parts = ["config.json: field \"tie_word_embeddings\": only true is supported"];
        assert_refused(family, open(folder.path()), &parts);
        assert!(load(folder.path(), &HeadChoice::Saved, &Device::flex()).is_ok(), "{family}");
    }
}

#[test]
fn a_saved_tied_head_must_have_its_bias() {
    let device = Device::flex();
    let loaded = load(copy_of("bert").path(), &HeadChoice::Without, &device).unwrap();
    let model = loaded.model.with_lm_head(LmHeadKind::Tied, &mut RandomParams::new(1), &device);
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), &model, None, &loaded.config_json).unwrap();
    assert!(open(folder.path()).is_ok());
    replace_bytes(&folder.path().join("model.safetensors"), "lm_bias", "lm_vias");
    let part = "no tensor \"lm_bias\", the nearest is \"lm_vias\"";
    assert_refused("another name", open(folder.path()), &[part]);
}
