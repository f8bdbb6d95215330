//! Word aligners of a recipe: the model itself or a frozen copy of it, and fast_align's options,
//! each against a run on files of the links that it should make.

use std::collections::BTreeMap;
use std::fs;

use burn::tensor::Device;
use isogloss::text::{
    Bitext, Extraction, FastAlignConfig, Symmetrization, WordForm, align_bidirectional,
    read_pair_file,
};
use isogloss::{EncoderAligner, LinkUnit, TextEncoder};
use isogloss_tests::runs::{Trace, Workshop, plan_of};
use safetensors::SafeTensors;

use super::TRAINING;

/// Recipe that realigns words with this aligner.
fn recipe(shop: &Workshop, aligner: &str) -> String {
    let dictionaries = shop.path("dictionaries/en-{language}.txt");
    let before = format!("aligner.dictionary = {{ path = {dictionaries:?} }}");
    let objective = "[[objective]]\nmethod.realign = { layers = [0, 2] }\n";
    let recipe = shop.pairs_recipe(TRAINING, objective);
    assert!(recipe.contains(&before));
    recipe.replace(&before, &format!("aligner.{aligner}"))
}

fn losses(shop: &Workshop, name: &str, aligner: &str) -> Vec<f64> {
    let run = shop.run(name);
    shop.finish(&plan_of(&recipe(shop, aligner)), &run);
    Trace::read(&run).losses()
}

/// Writes the links of each language's pairs, and returns the aligner that reads them.
fn write_links(
    shop: &Workshop,
    links: impl Fn(&[(&str, &str)]) -> Vec<isogloss::text::Alignment>,
) -> String {
    for language in ["de", "xx"] {
        let pairs = read_pair_file(&shop.path(&format!("pairs/en-{language}.tsv")), None).unwrap();
        let texts: Vec<_> =
            pairs.iter().map(|pair| (pair.left.as_str(), pair.right.as_str())).collect();
        let lines = links(&texts).into_iter().map(|links| format!("{links}\n"));
        let lines: Vec<String> = lines.collect();
        fs::write(shop.path(&format!("links/en-{language}.align")), lines.concat()).unwrap();
    }
    format!("pharaoh = {{ path = {:?} }}", shop.path("links/en-{language}.align"))
}

#[test]
fn the_initial_model_aligns_as_a_file_of_its_links_does() {
    let shop = Workshop::new().with_pairs();
    for (name, extraction, fields) in [
        ("matching", Extraction::MaxWeightMatching, "extraction = \"max_weight_matching\""),
        ("entmax", Extraction::entmax(), "extraction.entmax = { threshold = 0.0 }"),
    ] {
        let aligner = EncoderAligner { layer: 1, extraction, unit: LinkUnit::Word };
        let encoder = TextEncoder::load(shop.path("model"), &Device::flex()).unwrap();
        let file = write_links(&shop, |pairs| aligner.align(&encoder, pairs).unwrap().0);
        let expected = losses(&shop, &format!("{name} file"), &file);
        let table = format!("encoder = {{ layer = 1, unit = \"word\", {fields} }}");
        assert_eq!(losses(&shop, name, &table), expected, "{name}");
    }
}

#[test]
fn the_model_aligns_anew_in_each_step_and_resumes() {
    // Without dropout the first step's links are all that differs, and they are the same.
    let shop = Workshop::new().without_dropout().with_pairs();
    let table = |model: &str| {
        let extraction = "extraction = \"max_weight_matching\"";
        format!("encoder = {{ layer = 2, unit = \"word\", {extraction}, model = \"{model}\" }}")
    };
    let initial = losses(&shop, "initial", &table("initial"));
    let trained = losses(&shop, "trained", &table("trained"));
    assert_eq!(trained.len(), 6);
    assert!((trained[0] - initial[0]).abs() < 1e-6, "{trained:?}, {initial:?}");
    assert!(trained.iter().zip(&initial).any(|(a, b)| (a - b).abs() > 1e-4), "{trained:?}");
    let shop = Workshop::new().with_pairs();
    shop.assert_resumes("resumed", &plan_of(&recipe(&shop, &table("trained"))), &[2, 3]);
}

#[test]
fn fast_align_has_the_options_of_the_recipe() {
    let shop = Workshop::new().with_pairs();
    let config = FastAlignConfig {
        iterations: 3,
        null_probability: 0.2,
        tension: 1.0,
        optimize_tension: false,
        variational_bayes: None,
    };
    let file = write_links(&shop, |pairs| {
        let bitext = Bitext::from_pairs(pairs.iter().copied(), WordForm::Verbatim);
        align_bidirectional(&config, &bitext, Symmetrization::Intersection)
    });
    let expected = losses(&shop, "file", &file);
    let table = "statistical = { iterations = 3, null_probability = 0.2, tension = 1.0, \
                 optimize_tension = false, variational_bayes = 0.0, words = \"verbatim\", \
                 symmetrization = \"intersection\" }";
    assert_eq!(losses(&shop, "options", table), expected);
}

/// Parameters of the model after one step of cross-entropy and, if given, of realignment too.
fn after_a_step(shop: &Workshop, name: &str, realign: Option<&str>) -> BTreeMap<String, Vec<u8>> {
    let realign = realign.map(|freeze| {
        format!("[[objective]]\nweight = 5.0\nfreeze = {freeze}\nmethod.realign = {{}}\n")
    });
    let tables = format!(
        "{}[[objective]]\nmethod.cross_entropy = {{}}\n{}",
        shop.pairs_table(""),
        realign.unwrap_or_default()
    );
    // Gradients that are clipped together depend on each other.
    let recipe = shop.recipe("max_steps = 1\nlog_every = 1", &tables).replace(
        "adamw.weight_decay = 0.1",
        "warmup_ratio = 0.0\nadamw = { weight_decay = 0.1, max_grad_norm = 1e9 }",
    );
    let run = shop.run(name);
    shop.finish(&plan_of(&recipe), &run);
    let bytes = fs::read(run.best().join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    tensors.tensors().into_iter().map(|(name, of)| (name, of.data().to_vec())).collect()
}

#[test]
fn a_frozen_layer_learns_from_the_other_losses_alone() {
    let shop = Workshop::new().with_pairs();
    let task = after_a_step(&shop, "task", None);
    let both = after_a_step(&shop, "both", Some("[]"));
    let frozen = after_a_step(&shop, "frozen", Some("[\"encoder.layers.0.\"]"));
    let mut n = [0; 2];
    for (name, value) in &frozen {
        let is_frozen = name.contains("layer.0.");
        assert_eq!(value, if is_frozen { &task[name] } else { &both[name] }, "{name}");
        n[usize::from(is_frozen)] += usize::from(task[name] != both[name]);
    }
    assert!(n.iter().all(|n| *n > 10), "{n:?}");
}
