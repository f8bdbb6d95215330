//! The rates of guided dropout: estimated once, before the first step, and kept beside the run.

use std::fs;
use std::sync::Arc;

use isogloss_kernels::split_seed;
use isogloss_methods::{GradientSource, Gradients, GuidedDropoutConfig};
use isogloss_model::{Model, UnitDropout};
use serde::{Deserialize, Serialize};

use super::batches::TrainingData;
use super::learner::StepGradients;
use super::passes::Passes;
use super::streams;
use crate::error::io;
use crate::{Error, Plan, RunFolder};

/// The file in the run's folder.
const FILE: &str = "guided_dropout.json";

#[derive(Serialize, Deserialize)]
struct Guide {
    /// Rates by layer: after attention, and after the feed-forward network.
    layers: Vec<[Vec<f32>; 2]>,
}

/// The rates of a run that begins, or those that it began with.
pub(super) fn unit_dropout(
    config: &GuidedDropoutConfig,
    plan: &Plan,
    run: &RunFolder,
    data: &TrainingData,
    model: &Model,
    is_new: bool,
    passes: &Passes,
) -> Result<Arc<UnitDropout>, Error> {
    let path = run.path().join(FILE);
    let guide = if is_new {
        let guide = Guide { layers: estimate(config, plan, data, model, passes)? };
        run.write_json(FILE, &guide)?;
        guide
    } else {
        let bytes = fs::read(&path).map_err(io(&path))?;
        let damaged = |problem: String| Error::Damaged { path: path.clone(), problem };
        let guide: Guide =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        let config = model.encoder.config();
        let fits = |[a, b]: &[Vec<f32>; 2]| [a, b].iter().all(|r| r.len() == config.hidden_size);
        if guide.layers.len() != config.num_hidden_layers || !guide.layers.iter().all(fits) {
            return Err(damaged("the model has other layers".into()));
        }
        guide
    };
    Ok(Arc::new(UnitDropout { layers: guide.layers }))
}

fn estimate(
    config: &GuidedDropoutConfig,
    plan: &Plan,
    data: &TrainingData,
    model: &Model,
    passes: &Passes,
) -> Result<Vec<[Vec<f32>; 2]>, Error> {
    let sizes = model.encoder.config();
    let (n_layers, width) = (sizes.num_hidden_layers, sizes.hidden_size);
    let mut scores = vec![[vec![0.0; width], vec![0.0; width]]; n_layers];
    let seed = split_seed(plan.recipe().seed, streams::GUIDE);
    for batch in data.first_batches(plan, seed, config.n_batches)? {
        let path = &data.corpus.train.path;
        let mut learner = StepGradients::new(passes, model, vec![batch], path)?;
        let gradients = learner.sampled_gradients(model)?;
        for (layer, scores) in scores.iter_mut().enumerate() {
            for (output, scores) in ["attention.output", "feed_forward.down"].iter().zip(scores) {
                let path = format!("encoder.layers.{layer}.{output}.weight");
                add_row_squares(&gradients, &path, scores);
            }
        }
    }
    let mean = sizes.hidden_dropout_prob;
    let rates = |scores: [Vec<f64>; 2]| scores.map(|scores| config.rates(&scores, mean));
    Ok(scores.into_iter().map(rates).collect())
}

/// Adds to each unit the squares of its row of a gradient.
fn add_row_squares(gradients: &Gradients, path: &str, sums: &mut [f64]) {
    let Some(gradient) = gradients.get(path) else { return };
    let n_columns = gradient.dims()[0] / sums.len();
    let rows = gradient.clone().reshape([sums.len(), n_columns]).square().sum_dim(1);
    let rows = rows.into_data().convert::<f64>().try_into_vec::<f64>();
    let rows = rows.expect("the numbers were just converted to this type");
    sums.iter_mut().zip(rows).for_each(|(sum, row)| *sum += row);
}
