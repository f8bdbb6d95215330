//! Subnetworks of a fine-tuned model: importances of heads and feed-forward blocks, iterative pruning for a
//! language, and structured pruning to a model of the kept parts alone.

mod choice;
mod prune;

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use isogloss_methods::{Importance, Subnetwork};
use isogloss_model::{EncoderConfig, ForwardOptions, Model, SubnetworkMask};
use isogloss_report::SUBNETWORKS;
use isogloss_text::{Language, sequential_by_length};
use serde::{Deserialize, Serialize};

use crate::error::{DataError, ToolError, io};
use crate::ground::files::write_atomically;
use crate::ground::tensors::row_targets;
use crate::{Error, Evaluator, LabeledSet};
pub(crate) use choice::Subnetworks;
pub use prune::{PruneOptions, PruneReport, prune};

/// Options of iterative pruning for a language.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SubnetworkSearchOptions {
    /// The least share of the whole model's score that what is left must have.
    pub threshold: f64,
    /// The share of all heads that goes in each round, at least one head.
    pub share: f64,
    /// Whether a feed-forward block goes in each round too.
    pub feed_forward: bool,
    /// Examples of one pass for importances.
    pub batch_size: usize,
}

impl Default for SubnetworkSearchOptions {
    /// 95 % of the score as Choenni et al. 2023; 10 % of the heads a round as Michel et al. 2019.
    fn default() -> Self {
        Self { threshold: 0.95, share: 0.1, feed_forward: false, batch_size: 16 }
    }
}

/// The subnetwork that pruning found, and the rounds to it.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundSubnetwork {
    /// The smallest subnetwork before the score fell below the threshold.
    pub subnetwork: Subnetwork,
    /// Heads, feed-forward blocks and score, round by round, from the whole model to the first
    /// subnetwork that was too small.
    pub rounds: Vec<(usize, usize, f64)>,
}

/// Prunes heads, and feed-forward blocks if wanted, iteratively, those that matter least first,
/// until its score in a language falls below a share of the whole model's.
///
/// Importances are taken on `train`, anew in each round, and scores on `dev`. The rules of [`Subnetwork`]
/// break ties.
///
/// # Errors
/// If a batch does not suit the model, or it was pruned for good.
pub fn find_subnetwork(
    evaluator: &Evaluator<'_>,
    train: &LabeledSet,
    dev: &LabeledSet,
    options: SubnetworkSearchOptions,
) -> Result<FoundSubnetwork, Error> {
    let config = evaluator.model.encoder.config();
    check_whole_model(config)?;
    let (n_layers, n_heads) = (config.num_hidden_layers, config.num_attention_heads);
    let n_gone = ((n_layers * n_heads) as f64 * options.share).floor().max(1.0) as usize;
    let mut kept = Subnetwork::whole(n_layers, n_heads);
    let score = |subnetwork: &Subnetwork| {
        let evaluator = Evaluator { subnetwork: Some(subnetwork), ..*evaluator };
        Ok::<_, Error>(evaluator.score(dev)?.0.scores.main())
    };
    let whole = score(&kept)?;
    let mut rounds = vec![(kept.n_heads(), kept.n_feed_forward(), whole)];
    while kept.n_heads() > 0 {
        let importance = importance(evaluator.model, train, &kept, options, evaluator.device)?;
        let mut fewer = kept.clone().without_heads(&importance.clone().normalized(), n_gone);
        if options.feed_forward {
            fewer = fewer.without_feed_forward(&importance);
        }
        let found = score(&fewer)?;
        rounds.push((fewer.n_heads(), fewer.n_feed_forward(), found));
        if found < options.threshold * whole {
            break;
        }
        kept = fewer;
    }
    Ok(FoundSubnetwork { subnetwork: kept, rounds })
}

/// The importance of each head and feed-forward block of a subnetwork for the loss of a set: the mean over batches of the
/// absolute gradient of its mask, weighted by the tokens of the batch, without dropout.
///
/// The gradient of units that are masked is taken too, at a mask of zero.
///
/// # Errors
/// If the set has no labels, a batch does not suit the model, or it was pruned for good.
pub fn importance(
    model: &Model,
    set: &LabeledSet,
    subnetwork: &Subnetwork,
    options: SubnetworkSearchOptions,
    device: &Device,
) -> Result<Importance, Error> {
    check_whole_model(model.encoder.config())?;
    let device = device.clone().autodiff();
    let model = model.clone().to_device(&device).no_grad();
    let [n_layers, n_heads] = subnetwork.sizes();
    let (mut heads, mut feed_forward) = (vec![0.0; n_layers * n_heads], vec![0.0; n_layers]);
    let mut n_tokens = 0.0;
    for indices in sequential_by_length(&set.lengths(), options.batch_size) {
        let (batch, input) = set.batch(&indices, model.encoder.config(), &device)?;
        let Some(targets) = row_targets(&batch.targets, 1.0, &device) else {
            let path = set.path.clone();
            return Err(DataError::NoTargets { path, purpose: "measure at" }.into());
        };
        let mask = subnetwork.mask(&device);
        let mask = SubnetworkMask {
            heads: mask.heads.require_grad(),
            feed_forward: mask.feed_forward.require_grad(),
        };
        let pass =
            ForwardOptions { subnetwork: Some(mask.clone()), ..ForwardOptions::evaluation() };
        let gradients = targets.cross_entropy(&model.forward(&input, &pass), 0.0).backward();
        let real = batch.attention_mask.iter().filter(|real| **real != 0).count() as f64;
        add(&mut heads, mask.heads.grad(&gradients), real);
        add(&mut feed_forward, mask.feed_forward.grad(&gradients), real);
        n_tokens += real;
    }
    let mean = |sum: f64| sum / n_tokens.max(1.0);
    Ok(Importance {
        heads: heads.chunks(n_heads).map(|row| row.iter().copied().map(mean).collect()).collect(),
        feed_forward: feed_forward.into_iter().map(mean).collect(),
    })
}

/// Fails if some parts of an encoder are gone, and no mask can be laid on them.
fn check_whole_model(config: &EncoderConfig) -> Result<(), Error> {
    if config.pruned.is_empty() {
        return Ok(());
    }
    Err(ToolError::Pruned.into())
}

fn add<const D: usize>(sums: &mut [f64], gradient: Option<Tensor<D>>, weight: f64) {
    let Some(gradient) = gradient else { return };
    let values = gradient.into_data().convert::<f64>().try_into_vec::<f64>();
    let values = values.expect("the numbers were just converted to this type");
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value.abs() * weight;
    }
}

/// Writes a subnetwork as TOML.
///
/// # Errors
/// If the file cannot be written.
pub fn write_subnetwork(path: &Path, subnetwork: &Subnetwork) -> Result<(), Error> {
    let text = toml::to_string(subnetwork).expect("marks are printable");
    write_atomically(path, text.as_bytes())
}

/// Reads a subnetwork of an encoder of this many layers and heads.
///
/// # Errors
/// If the file cannot be read, or is of another architecture.
pub fn read_subnetwork(path: &Path, sizes: [usize; 2]) -> Result<Subnetwork, Error> {
    let text = std::fs::read_to_string(path).map_err(io(path))?;
    let found: Subnetwork = toml::from_str(&text).map_err(|error| ToolError::NoSubnetwork {
        path: path.to_owned(),
        problem: error.message().to_owned(),
    })?;
    if found.sizes() != sizes {
        let (path, found) = (path.to_owned(), found.sizes());
        return Err(ToolError::SubnetworkSize { path, expected: sizes, found }.into());
    }
    Ok(found)
}

/// Reads a subnetwork that a model of this configuration is to be masked by.
///
/// # Errors
/// As [`read_subnetwork`], or if some parts of the model are gone.
pub fn read_subnetwork_for(config: &EncoderConfig, path: &Path) -> Result<Subnetwork, Error> {
    check_parts(config, path)?;
    read_subnetwork(path, [config.num_hidden_layers, config.num_attention_heads])
}

/// Reads the parts that a language uses of a model whose run had subnetworks, from beside the model; none if
/// it uses all.
///
/// # Errors
/// As [`read_subnetwork_for`].
pub fn read_saved_subnetwork(
    config: &EncoderConfig,
    folder: &Path,
    language: &Language,
) -> Result<Option<Subnetwork>, Error> {
    let path = folder.join(SUBNETWORKS).join(format!("{language}.toml"));
    path.exists().then(|| read_subnetwork_for(config, &path)).transpose()
}

/// Fails if the encoder is pruned, so that the subnetworks of `path` are of another.
pub(crate) fn check_parts(config: &EncoderConfig, path: &Path) -> Result<(), Error> {
    let pruned = &config.pruned;
    if pruned.is_empty() {
        return Ok(());
    }
    let error = ToolError::SubnetworkOfWhole {
        path: path.to_owned(),
        n_heads: pruned.n_heads(),
        n_feed_forward: pruned.n_feed_forward(),
    };
    Err(error.into())
}
