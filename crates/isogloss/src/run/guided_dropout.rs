//! Guided dropout: the dropout rates by unit, estimated once before the first step and stored in
//! the run folder.

use std::fs;
use std::sync::Arc;

use isogloss_kernels::split_seed;
use isogloss_methods::{GradientSource, GuidedDropoutConfig, UnitScores};
use isogloss_model::{Model, UnitDropout};
use serde::{Deserialize, Serialize};

use super::folder::RunFolder;
use crate::error::{RunError, io, json};
use crate::ground::seeds;
use crate::loader::LabeledLoader;
use crate::step::{StepContext, StepGradients};
use crate::{Error, Plan};

/// The file of the rates in the run folder.
const FILE: &str = "guided_dropout.json";

#[derive(Serialize, Deserialize)]
struct RatesFile {
    /// Dropout rates of units by layer: after attention, and after the feed-forward network.
    layers: Vec<[Vec<f32>; 2]>,
}

/// Estimates the dropout rates of a new run and writes them to the run folder.
pub(super) fn estimate(
    config: &GuidedDropoutConfig,
    plan: &Plan,
    run: &RunFolder,
    data: &LabeledLoader,
    model: &Model,
    context: &StepContext,
) -> Result<Arc<UnitDropout>, Error> {
    let sizes = model.encoder.config();
    let mut scores = UnitScores::new(sizes.num_hidden_layers, sizes.hidden_size);
    let seed = split_seed(plan.recipe().seed, seeds::GUIDED_DROPOUT);
    for batch in data.first_batches(plan, seed, config.n_batches)? {
        let path = &data.corpus.train.path;
        let mut gradients = StepGradients::new(context, model, vec![batch], path)?;
        scores.add(&gradients.sampled_gradients(model)?);
    }
    let UnitDropout { layers } = config.unit_dropout(scores, sizes.hidden_dropout_prob);
    let file = RatesFile { layers };
    run.write_json(FILE, &file)?;
    Ok(Arc::new(UnitDropout { layers: file.layers }))
}

/// Reads the dropout rates of a resumed run.
pub(super) fn read(run: &RunFolder, model: &Model) -> Result<Arc<UnitDropout>, Error> {
    let path = run.path().join(FILE);
    let bytes = fs::read(&path).map_err(io(&path))?;
    let RatesFile { layers } = serde_json::from_slice(&bytes).map_err(json(&path))?;
    let config = model.encoder.config();
    let fits = |[a, b]: &[Vec<f32>; 2]| [a, b].iter().all(|r| r.len() == config.hidden_size);
    if layers.len() != config.num_hidden_layers || !layers.iter().all(fits) {
        return Err(RunError::UnitDropout { path }.into());
    }
    Ok(Arc::new(UnitDropout { layers }))
}
