//! Guided dropout: estimates the rates before the first step, or restores them from a checkpoint.

use burn::tensor::{Device, Tensor};
use isogloss_kernels::split_seed;
use isogloss_methods::{
    GradientSource, Gradients, GuidedDropoutConfig, GuidedDropoutScores, GuidedDropoutState,
    cross_entropy, sample_labels,
};
use isogloss_model::{ForwardOptions, HeadChoice, Model, load_masked_lm};
use isogloss_text::TokenBatch;

use super::checkpoint::SavedMethods;
use super::event::RunOptions;
use crate::ground::seeds;
use crate::ground::tensors::{integers, model_input};
use crate::loader::{LabeledLoader, UnlabeledLoaders};
use crate::step::{StepContext, StepGradients};
use crate::{Error, Plan};

/// The name of the state in a checkpoint.
pub(super) const GUIDED_DROPOUT: &str = "guided_dropout";

/// Estimates the rates before the first step, or restores them from a checkpoint; `None` if the
/// recipe has no guided dropout.
pub(super) fn begin(
    plan: &Plan,
    options: &RunOptions<'_>,
    loaders: (&LabeledLoader, &UnlabeledLoaders),
    model: &Model,
    context: &StepContext,
    saved: Option<&SavedMethods>,
) -> Result<Option<GuidedDropoutState>, Error> {
    let Some(config) = &plan.recipe().guided_dropout else { return Ok(None) };
    Ok(Some(match saved {
        None => estimate(config, plan, options, loaders, model, context)?,
        Some(saved) => restore(saved, model)?,
    }))
}

/// Estimates the rates from the first batches, of an order of their own.
fn estimate(
    config: &GuidedDropoutConfig,
    plan: &Plan,
    options: &RunOptions<'_>,
    (data, unlabeled): (&LabeledLoader, &UnlabeledLoaders),
    model: &Model,
    context: &StepContext,
) -> Result<GuidedDropoutState, Error> {
    let seed = split_seed(plan.recipe().seed, seeds::GUIDED_DROPOUT);
    if let (GuidedDropoutScores::MaskedLm, Some(blocks)) = (config.scores, &unlabeled.blocks) {
        let pretrained = pretrained(options)?;
        let batches = blocks.separate(seed, config.n_batches)?;
        let gradients = batches.iter().zip(0..).map(|(batch, number)| {
            let seed = split_seed(seed, number);
            masked_gradients(&pretrained, batch, seed, &options.device)
        });
        return GuidedDropoutState::estimate(config, model, gradients);
    }
    let batches = data.first_batches(plan, seed, config.n_batches)?;
    let gradients = |batch| {
        let path = &data.corpus.train.path;
        StepGradients::new(context, model, vec![batch], path)?.sampled_gradients(model)
    };
    GuidedDropoutState::estimate(config, model, batches.into_iter().map(gradients))
}

/// The model that training starts from, with its language-model head.
fn pretrained(options: &RunOptions<'_>) -> Result<Model, Error> {
    let device = options.device.clone().autodiff();
    Ok(load_masked_lm(options.model_folder.clone(), &HeadChoice::Without, &device)?.model)
}

/// Gradient of `-Σ log p(ŷ)` over the masked tokens of a batch, without dropout: the tokens ŷ are
/// sampled from the model.
fn masked_gradients(
    model: &Model,
    batch: &TokenBatch,
    seed: u64,
    device: &Device,
) -> Result<Gradients, Error> {
    let (positions, _) = batch.labeled_tokens();
    if positions.is_empty() {
        return Ok(Gradients::default());
    }
    let n_masked = positions.len() as f64;
    let logits = masked_logits(model, batch, positions, device)?;
    let tokens = integers(sample_labels(logits.clone(), seed), &logits.device());
    Ok(Gradients::from_loss(&(cross_entropy(logits, tokens, 0.0) * n_masked), model))
}

/// Logits of the tokens at some positions, `[positions, vocabulary]`.
fn masked_logits(
    model: &Model,
    batch: &TokenBatch,
    positions: Vec<i32>,
    device: &Device,
) -> Result<Tensor<2>, Error> {
    let device = device.clone().autodiff();
    let input = model_input(batch, model.encoder.config(), "[monolingual]".as_ref(), &device)?;
    let encoded = model.encoder.forward(&input, &ForwardOptions::evaluation());
    Ok(model.masked_lm_logits(encoded.states_at(integers(positions, &device))))
}

/// Restores the rates from a checkpoint.
fn restore(saved: &SavedMethods, model: &Model) -> Result<GuidedDropoutState, Error> {
    let mut reader = saved.state(GUIDED_DROPOUT)?;
    GuidedDropoutState::restored(&mut reader, model).map_err(|error| reader.error(error))
}

#[cfg(test)]
mod tests {
    use isogloss_methods::shifted;
    use isogloss_model::{LmHeadKind, RandomParams, presets};
    use isogloss_text::Targets;

    use super::*;

    /// A tiny model with a tied language-model head.
    fn model(device: &Device) -> Model {
        let source = &mut RandomParams::new(3);
        let model = Model::init(&presets::tiny(20), None, source, device);
        model.with_lm_head(LmHeadKind::Tied, source, device)
    }

    #[test]
    fn masked_gradients_meet_finite_differences_of_the_sampled_tokens() {
        let device = Device::flex();
        let model = model(&device.clone().autodiff());
        let mut batch = TokenBatch::from_ids(&[&[2, 5, 7, 9], &[2, 4, 8]], 1);
        let masked = [-100, 5, -100, 9, -100, -100, 8, -100];
        batch.targets = Targets::Tokens(masked.to_vec());
        let (positions, _) = batch.labeled_tokens();
        assert_eq!(positions, [1, 3, 6]);
        let logits =
            |model: &Model| masked_logits(model, &batch, positions.clone(), &device).unwrap();
        let tokens = sample_labels(logits(&model), 11);
        // The sum of -log p, without the loss of the program.
        let loss = |model: &Model| -> f64 {
            let logs = burn::tensor::activation::log_softmax(logits(model), 1);
            let logs = logs.into_data().try_into_vec::<f32>().unwrap();
            let rows = logs.chunks(20).zip(&tokens);
            -rows.map(|(row, token)| f64::from(row[*token as usize])).sum::<f64>()
        };
        let gradients = masked_gradients(&model, &batch, 11, &device).unwrap();
        let h = 1e-3 / gradients.global_norm();
        let moved = |h: f64| loss(&shifted(model.clone(), &gradients, h));
        let slope = (moved(h) - moved(-h)) / (2.0 * h);
        let expected = gradients.global_norm().powi(2);
        assert!((slope - expected).abs() < 1e-2 * expected, "{slope}, expected {expected}");
    }
}
