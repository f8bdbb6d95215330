//! A pruned model has the same outputs, gradients and dropout as the masked model.

use burn::tensor::Device;
use isogloss::text::{Columns, Texts};
use isogloss::{Predictor, PruneOptions, TrimOptions, prune, trim, write_subnetwork};
use isogloss_methods::{Gradients, Subnetwork};
use isogloss_model::{
    Encoder, ForwardOptions, HeadChoice, Model, NamedParam, load, named_parameters,
};
use isogloss_tests::runs::{Trace, Workshop, plan_of};
use isogloss_tests::{assert_close, devices, difference, fixtures, saved_model, values};

use super::{FAMILIES, PrunedFolder, input, outputs, subnetwork, subnetworks};

const HEAD_WIDTH: usize = 8;

fn masked(subnetwork: &Subnetwork, device: &Device) -> ForwardOptions {
    ForwardOptions { subnetwork: Some(subnetwork.mask(device)), ..ForwardOptions::evaluation() }
}

/// Values of a parameter that belong to kept units.
fn kept(path: &str, values: &[f32], subnetwork: &Subnetwork) -> Vec<f32> {
    let Some((layer, part)) = path.strip_prefix("encoder.layers.").and_then(|p| p.split_once('.'))
    else {
        return values.to_vec();
    };
    let heads = &subnetwork.heads()[layer.parse::<usize>().unwrap()];
    let (width, is_column) = match part {
        "attention.output.weight" => (HEAD_WIDTH, true),
        "attention.output.bias" => return values.to_vec(),
        _ if !part.starts_with("attention.") => return values.to_vec(),
        _ => (HEAD_WIDTH, false),
    };
    let n_units = heads.len() * width;
    let of_unit = if is_column { 1 } else { values.len() / n_units };
    let units = values.chunks(of_unit).enumerate();
    let kept = units.filter(|(unit, _)| heads[unit % n_units / width]);
    kept.flat_map(|(_, values)| values).copied().collect()
}

#[test]
fn outputs_are_those_of_the_masked_model() {
    for family in FAMILIES {
        for (name, subnetwork) in subnetworks() {
            let cut = PrunedFolder::new(&fixtures().join(family), &subnetwork);
            assert!(cut.report.states.largest_difference <= 5e-6, "{:?}", cut.report);
            for (device_name, device) in devices() {
                let (whole, pruned) = (saved_model(family, &device), cut.load(&device));
                assert_eq!((pruned.report.fresh.len(), pruned.report.unused.len()), (0, 0));
                let expected = outputs(&whole.model, &masked(&subnetwork, &device), &device);
                let found = outputs(&pruned.model, &ForwardOptions::evaluation(), &device);
                for (layer, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let (absolute, relative) = difference(found, expected);
                    assert!(
                        relative <= 1e-6,
                        "{family}, {name}, {device_name}, layer {layer}: {absolute:e}, {relative:e}"
                    );
                }
                let unmasked = outputs(&whole.model, &ForwardOptions::evaluation(), &device);
                assert!(difference(&found[2], &unmasked[2]).0 > 1e-2, "{family}, {name}");
            }
        }
    }
}

#[test]
fn gradients_are_those_of_the_masked_model() {
    for family in FAMILIES {
        for (name, subnetwork) in subnetworks() {
            let cut = PrunedFolder::new(&fixtures().join(family), &subnetwork);
            for (device_name, device) in devices() {
                let device = device.autodiff();
                let (whole, pruned) = (saved_model(family, &device).model, cut.load(&device).model);
                let gradients = |model: &Model, pass: &ForwardOptions| {
                    let output = model.forward(&input(model.encoder.config(), &device), pass);
                    Gradients::from_loss(&output.logits.square().sum(), model)
                };
                let expected = gradients(&whole, &masked(&subnetwork, &device));
                let found = gradients(&pruned, &ForwardOptions::evaluation());
                for NamedParam { path, .. } in named_parameters(&pruned) {
                    let of = |gradients: &Gradients| values(gradients.get(&path).unwrap().clone());
                    let expected = kept(&path, &of(&expected), &subnetwork);
                    let found = of(&found);
                    // The key's bias shifts all scores of a query alike: its gradient is only
                    // rounding.
                    if path.ends_with("key.bias") {
                        assert_eq!(found.len(), expected.len());
                        continue;
                    }
                    let what = format!("{family}, {name}, {device_name}, {path}");
                    assert_close(&what, &found, &expected, 1e-5);
                }
            }
        }
    }
}

/// Attention dropout is drawn by head; all other dropout masks are unchanged.
#[test]
fn blocks_that_are_gone_leave_dropout_as_it_is() {
    let device = Device::flex();
    let subnetwork = subnetwork(["####", "...."], ".#");
    let cut = PrunedFolder::new(&fixtures().join("bert"), &subnetwork);
    let pass = ForwardOptions::training(3);
    let masked = ForwardOptions { subnetwork: Some(subnetwork.mask(&device)), ..pass.clone() };
    let found = outputs(&cut.load(&device).model, &pass, &device);
    assert_eq!(found, outputs(&saved_model("bert", &device).model, &masked, &device));
    assert_ne!(found, outputs(&cut.load(&device).model, &ForwardOptions::evaluation(), &device));
}

#[test]
fn where_tokens_look_is_told_of_the_heads_that_are_left() {
    let device = Device::flex();
    let cut = PrunedFolder::new(&fixtures().join("bert"), &subnetwork(["#..#", "...."], "##"));
    let (whole, pruned) = (saved_model("bert", &device).model, cut.load(&device).model);
    let batch = input(whole.encoder.config(), &device);
    let states =
        whole.encoder.forward(&batch, &ForwardOptions::evaluation()).hidden_states.remove(0);
    let logs =
        |encoder: &Encoder, block| encoder.attention_log_probs(block, states.clone(), &batch);
    let expected = logs(&whole.encoder, 0).unwrap();
    let found = logs(&pruned.encoder, 0).unwrap();
    assert_eq!(found.dims(), [2, 2, 6, 6]);
    for (at, head) in [(0, 0), (1, 3)] {
        let found = values(found.clone().narrow(1, at, 1));
        assert_close(
            "log-probabilities",
            &found,
            &values(expected.clone().narrow(1, head, 1)),
            1e-6,
        );
    }
    assert!(logs(&pruned.encoder, 1).is_none());
}

#[test]
fn pruned_models_train_as_masked_ones() {
    let shop = Workshop::new().without_dropout();
    let subnetwork = subnetwork(["#.##", "...."], "#.");
    let file = shop.path("en.toml");
    write_subnetwork(&file, &subnetwork).unwrap();
    let recipe = shop.recipe("epochs = 2\nbatch_size = 4\nlog_every = 1", "");
    let masked = recipe.clone()
        + &format!(
            "[subnetworks]\npath = {:?}\nunseen = \"union\"\n",
            shop.path("{language}.toml")
        );
    let (masked_run, pruned_run) = (shop.run("masked"), shop.run("pruned"));
    shop.finish(&plan_of(&masked), &masked_run);

    let mut texts = Texts::default();
    texts.add_file(&shop.path("data/en.jsonl"), &Columns::default(), None).unwrap();
    let cut = shop.path("cut");
    let report =
        prune(&shop.path("model"), &file, Some(&texts), PruneOptions::default(), &cut).unwrap();
    assert!(report.states.n_texts > 20 && report.states.largest_difference < 5e-6, "{report:?}");
    let pruned = recipe.replace(shop.path("model").to_str().unwrap(), cut.to_str().unwrap());
    shop.finish(&plan_of(&pruned), &pruned_run);
    let [masked, pruned] = [&masked_run, &pruned_run].map(|run| Trace::read(run).losses());
    assert_eq!(masked.len(), pruned.len());
    for (masked, pruned) in masked.iter().zip(&pruned) {
        // Weight decay acts on masked parameters too, without an effect on the output.
        assert!((masked - pruned).abs() <= 1e-4 * masked.abs(), "{masked} {pruned}");
    }

    let device = Device::flex();
    let best = load(pruned_run.best(), &HeadChoice::Saved, &device).unwrap();
    let gone = load(&cut, &HeadChoice::Without, &device).unwrap().model.encoder.config().clone();
    assert_eq!(best.model.encoder.config().pruned, gone.pruned);
    let predictor = Predictor::load(pruned_run.best(), &device).unwrap();
    assert_eq!(predictor.predict(&[("a lamp", None)]).unwrap().len(), 1);

    // Vocabulary trimming works after head pruning.
    let trimmed = shop.path("trimmed");
    let report = trim(&cut, &[texts], None, TrimOptions::default(), &trimmed).unwrap();
    assert_eq!(report.states.largest_difference, 0.0);
    let trimmed = load(&trimmed, &HeadChoice::Without, &device).unwrap();
    assert_eq!(trimmed.model.encoder.config().pruned, gone.pruned);
}
