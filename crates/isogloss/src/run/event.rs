//! The options of a run, its events and its outcome.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use isogloss_model::LabelRows;
use isogloss_text::Language;

use crate::data::pairs::PairSet;
use crate::ground::device::{DeviceInfo, OpenDevice};
use crate::tools::fisher::Measures;
use crate::{Corpus, Results, Scores, TrimReport};

/// What a run needs besides its plan.
#[derive(Clone)]
pub struct RunOptions<'a> {
    /// The folder of the model to start from.
    pub model_folder: PathBuf,
    /// The device, without autodiff.
    pub device: Device,
    /// What is known about that device.
    pub device_info: DeviceInfo,
    /// The folder of the recipe's teacher, if it has one.
    pub teacher_folder: Option<PathBuf>,
    /// Throws away what an earlier run left in the folder.
    pub fresh: bool,
    /// Set from outside to end the run at its next step, with a checkpoint.
    pub stop: &'a AtomicBool,
}

impl RunOptions<'static> {
    /// A run from the model of a folder on a device, which nobody stops.
    pub fn new(model_folder: impl Into<PathBuf>, device: OpenDevice) -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Self {
            model_folder: model_folder.into(),
            device: device.device,
            device_info: device.info,
            teacher_folder: None,
            fresh: false,
            stop: &NEVER,
        }
    }
}

/// What happens in a run, for whoever watches.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The recipe's `pretrain_recipe` begins, or is passed over if it is done; then the recipe begins.
    Recipe {
        /// The recipe that begins.
        name: &'a str,
    },
    /// The vocabulary has been trimmed.
    Trim(&'a TrimReport),
    /// The data has been read.
    Data(&'a Corpus),
    /// The pairs have been read.
    Pairs(&'a [PairSet]),
    /// The model has been built; these parameters are new.
    Model {
        /// Their number in all.
        n_parameters: usize,
        /// The number of those that are trained at any time.
        n_trainable: usize,
        /// Names of those drawn anew.
        fresh: &'a [String],
        /// What became of the rows of labels, where the model had a head; empty where it had none.
        rows: &'a LabelRows,
    },
    /// Training begins or goes on.
    Begin {
        /// Steps done before.
        step: u64,
        /// Steps in all.
        total_steps: u64,
        /// How the model will be chosen.
        rule: &'a str,
    },
    /// Layers begin to learn.
    Open {
        /// Steps done before.
        step: u64,
        /// The layers, from zero.
        layers: &'a [usize],
    },
    /// States that leave the frozen layers are kept, at so many layers.
    Frozen {
        /// In memory.
        in_memory: usize,
        /// On the disk.
        on_disk: usize,
        /// Not at all: they are computed again.
        left_out: usize,
        /// What failed, where it is not the recipe's limits that they are left out for.
        problem: Option<&'a str>,
    },
    /// States that were kept cannot be read any more, and are computed again.
    FrozenLost {
        /// What failed.
        problem: &'a str,
    },
    /// An optimizer step was taken.
    Step {
        /// Steps done.
        step: u64,
        /// Steps in all.
        total_steps: u64,
        /// Mean loss of its batches.
        loss: f64,
        /// Real tokens a second.
        tokens_per_sec: f64,
    },
    /// The source language's dev set was scored.
    Dev {
        /// Steps done.
        step: u64,
        /// Its scores.
        scores: &'a Scores,
        /// Whether this is the best model so far.
        is_best: bool,
    },
    /// The Fisher information and the sharpness were measured.
    Measures {
        /// Steps done.
        step: u64,
        /// What was found.
        measures: &'a Measures,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Steps done.
        step: u64,
    },
    /// A language's test set was scored.
    Language {
        /// Its tag.
        language: &'a str,
        /// Its scores.
        scores: &'a Scores,
    },
    /// A language's test set was scored after a few of its examples.
    FewShot {
        /// Its tag.
        language: &'a str,
        /// Its scores.
        scores: &'a Scores,
    },
    /// The gradients of the languages of training were compared.
    Conflict {
        /// Optimizer steps done.
        step: u64,
        /// The languages.
        languages: &'a [Language],
        /// The cosine between the gradients of each two.
        cosines: &'a [Vec<f64>],
    },
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// With its results.
    Finished(Box<Results>),
    /// At someone's wish, after this many steps; the same call goes on from there.
    Stopped {
        /// Steps done.
        step: u64,
    },
}
