//! Subnetworks of a fine-tuned model: importance of heads and feed-forward blocks, iterative
//! pruning for a language, and structured pruning.

mod choice;
mod prune;

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use isogloss_methods::{Importance, ScoredSubnetwork, Subnetwork};
use isogloss_model::{EncoderConfig, ForwardOptions, Model, SubnetworkMask};
use isogloss_report::SUBNETWORKS;
use isogloss_text::{Language, sequential_by_length};
use serde::{Deserialize, Serialize};

use crate::error::{DataError, ToolError, io};
use crate::ground::files::write_atomically;
use crate::ground::outputs::finite;
use crate::ground::tensors::row_targets;
use crate::{Error, Evaluator, LabeledSet};
pub(crate) use choice::Subnetworks;
pub use prune::{PruneOptions, PruneReport, prune};

/// Options of iterative pruning for a language.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SubnetworkSearchOptions {
    /// The minimum share of the whole model's score that the pruned model must reach.
    pub threshold: f64,
    /// The share of all heads that is pruned in each round, at least one head.
    pub share: f64,
    /// Whether a feed-forward block is pruned in each round too.
    pub feed_forward: bool,
    /// Batch size for importances.
    pub batch_size: usize,
}

impl Default for SubnetworkSearchOptions {
    /// 95 % of the score as in Choenni et al. 2023; 10 % of the heads a round as in Michel et al.
    /// 2019.
    fn default() -> Self {
        Self { threshold: 0.95, share: 0.1, feed_forward: false, batch_size: 16 }
    }
}

/// Result of iterative pruning: the subnetwork, and the pruning rounds.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundSubnetwork {
    /// The smallest subnetwork before the score fell below the threshold.
    pub subnetwork: Subnetwork,
    /// The importance of each unit for the subnetwork that was found, masked units too.
    pub importance: Importance,
    /// Number of heads, number of feed-forward blocks and score, by round: from the whole model to
    /// the first subnetwork below the threshold.
    pub rounds: Vec<(usize, usize, f64)>,
}

/// Iterative pruning for a language (Michel et al. 2019; Choenni et al. 2023): prunes the least
/// important heads, and feed-forward blocks if wanted, round by round, until the score in the
/// language falls below a share of the whole model's.
///
/// Importances are computed on `train` in each round, scores on `dev`. Ties are broken by the rules
/// of [`Subnetwork`].
///
/// # Errors
/// If a batch is no valid input of the model, or the model is already pruned.
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
    let importance = importance(evaluator.model, train, &kept, options, evaluator.device)?;
    Ok(FoundSubnetwork { subnetwork: kept, importance, rounds })
}

/// Head importance (Michel et al. 2019): the importance of each head and feed-forward block of a
/// subnetwork for the loss on a dataset. It is the mean over batches of the absolute gradient of
/// its mask, weighted by the tokens of the batch, without dropout.
///
/// Masked units have an importance too: the gradient at a mask of zero.
///
/// # Errors
/// If the dataset has no labels, a batch is no valid input of the model, the model computes numbers
/// that are not finite, or it is already pruned.
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
    finite(heads.iter().chain(&feed_forward).sum(), || set.path.display().to_string())?;
    let mean = |sum: f64| sum / n_tokens.max(1.0);
    Ok(Importance {
        heads: heads.chunks(n_heads).map(|row| row.iter().copied().map(mean).collect()).collect(),
        feed_forward: feed_forward.into_iter().map(mean).collect(),
    })
}

/// Fails if an encoder is pruned, so that no mask applies to it.
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

/// Writes a subnetwork with the importance of its units as TOML.
///
/// # Errors
/// If the file cannot be written.
pub fn write_scored_subnetwork(path: &Path, scored: &ScoredSubnetwork) -> Result<(), Error> {
    let text = toml::to_string(scored).expect("marks and numbers are printable");
    write_atomically(path, text.as_bytes())
}

/// Reads a subnetwork, with the importance of its units if the file has it; `sizes` are as in
/// [`read_subnetwork`].
///
/// # Errors
/// As [`read_subnetwork`].
pub(crate) fn read_scored_subnetwork(
    path: &Path,
    sizes: [usize; 2],
) -> Result<ScoredSubnetwork, Error> {
    parse_scored(&std::fs::read_to_string(path).map_err(io(path))?, path, sizes)
}

/// Reads a subnetwork; `sizes` are the layers, and the heads per layer, of the encoder.
///
/// # Errors
/// If the file cannot be read, or is of another architecture.
pub fn read_subnetwork(path: &Path, sizes: [usize; 2]) -> Result<Subnetwork, Error> {
    parse(&std::fs::read_to_string(path).map_err(io(path))?, path, sizes)
}

/// Parses a subnetwork that masks a model of this configuration; `path` names its file in error
/// messages.
///
/// # Errors
/// As [`read_subnetwork_for`], except that the file cannot be read.
pub fn parse_subnetwork(
    config: &EncoderConfig,
    text: &str,
    path: &Path,
) -> Result<Subnetwork, Error> {
    check_parts(config, path)?;
    parse(text, path, [config.num_hidden_layers, config.num_attention_heads])
}

fn parse(text: &str, path: &Path, sizes: [usize; 2]) -> Result<Subnetwork, Error> {
    Ok(parse_scored(text, path, sizes)?.subnetwork)
}

fn parse_scored(text: &str, path: &Path, sizes: [usize; 2]) -> Result<ScoredSubnetwork, Error> {
    let found: ScoredSubnetwork = toml::from_str(text).map_err(|error| {
        ToolError::NoSubnetwork { path: path.to_owned(), problem: error.message().to_owned() }
    })?;
    if found.subnetwork.sizes() != sizes {
        let (path, found) = (path.to_owned(), found.subnetwork.sizes());
        return Err(ToolError::SubnetworkSize { path, expected: sizes, found }.into());
    }
    Ok(found)
}

/// Reads a subnetwork that masks a model of this configuration.
///
/// # Errors
/// As [`read_subnetwork`], or if the model is pruned.
pub fn read_subnetwork_for(config: &EncoderConfig, path: &Path) -> Result<Subnetwork, Error> {
    check_parts(config, path)?;
    read_subnetwork(path, [config.num_hidden_layers, config.num_attention_heads])
}

/// Reads the subnetwork of a language that a run saved in the model folder; `None` if the language
/// uses the whole model.
///
/// # Errors
/// As [`read_subnetwork_for`].
pub fn read_saved_subnetwork(
    config: &EncoderConfig,
    folder: &Path,
    language: &Language,
) -> Result<Option<Subnetwork>, Error> {
    let path = saved_subnetwork_path(folder, language);
    path.map(|path| read_subnetwork_for(config, &path)).transpose()
}

/// The file of the subnetwork of a language that a run saved in the model folder; `None` if the
/// language uses the whole model.
pub fn saved_subnetwork_path(folder: &Path, language: &Language) -> Option<PathBuf> {
    let path = folder.join(SUBNETWORKS).join(format!("{language}.toml"));
    path.exists().then_some(path)
}

/// Whether a run saved subnetworks of languages in the model folder.
pub fn saves_subnetworks(folder: &Path) -> bool {
    folder.join(SUBNETWORKS).is_dir()
}

/// Fails if the encoder is pruned: the subnetworks at `path` are those of a whole model.
pub(crate) fn check_parts(config: &EncoderConfig, path: &Path) -> Result<(), Error> {
    let pruned = &config.pruned;
    if pruned.is_empty() {
        return Ok(());
    }
    let error = ToolError::SubnetworkOfUnprunedModel {
        path: path.to_owned(),
        n_heads: pruned.n_heads(),
        n_feed_forward: pruned.n_feed_forward(),
    };
    Err(error.into())
}
