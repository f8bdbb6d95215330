//! Errors of tools for finished models.

use std::path::PathBuf;

use isogloss_model::{AdapterError, InputError, ProblemType};
use isogloss_text::{Language, TextError, TreeError};

/// Error of a tool for finished models.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// A check of the device that others are compared with.
    #[error("flex, the CPU, is what devices are compared with; {choices}")]
    ReferenceDevice {
        /// What to do instead.
        choices: String,
    },
    /// Inference with a model that has no head.
    #[error("{}: this model has no head; fine-tune it first", path.display())]
    NoHead {
        /// Its configuration.
        path: PathBuf,
    },
    /// Invalid saved evaluation options (`isogloss.scoring`) of a model.
    #[error("{}: isogloss.scoring: {problem}", path.display())]
    Scoring {
        /// The file.
        path: PathBuf,
        /// The field and the reason.
        problem: String,
    },
    /// Invalid labels of a model, such as duplicates.
    #[error("{}: field \"id2label\": {source}", path.display())]
    Labels {
        /// Its configuration.
        path: PathBuf,
        /// The error of the labels.
        source: Box<TextError>,
    },
    /// Single-label evaluation of a multi-label or regression model.
    #[error(
        "{}: field \"problem_type\": {}{}: no metric of this program compares its answers with one \
         label a text",
        path.display(), problem.name(), if *n_labels == 1 { ", or one output" } else { "" }
    )]
    NotOneLabel {
        /// Its configuration.
        path: PathBuf,
        /// Its problem type.
        problem: ProblemType,
        /// Number of outputs.
        n_labels: usize,
    },
    /// An invalid file of language centring.
    #[error("{}: {problem}", path.display())]
    Centring {
        /// The file.
        path: PathBuf,
        /// The field and the reason.
        problem: String,
    },
    /// Language centring of a model without a classifier of one label a row.
    #[error("{}: language centring is of a classifier, and this model has none", path.display())]
    NothingToCenter {
        /// The configuration of the model.
        path: PathBuf,
    },
    /// A source language of a centring without texts.
    #[error("{source_language}: no file of texts for this source language")]
    NoSourceText {
        /// The language.
        source_language: Language,
    },
    /// Two files of texts of one language.
    #[error("{}: a second file of texts for {language}", path.display())]
    SecondFile {
        /// The second file.
        path: PathBuf,
        /// The language.
        language: Language,
    },
    /// A language without any row to center: no text has a token that carries a tag.
    #[error("{}: no token carries a label", path.display())]
    NoRows {
        /// The file of its texts.
        path: PathBuf,
    },
    /// The model has no language adapter to exchange.
    #[error("this model has no language adapter under another one to exchange")]
    NoLanguageAdapter,
    /// The language adapter that a run scored a language with is missing.
    #[error(
        "{}: no language adapter for {language}, which the model's run exchanged here; name a \
         folder, or none, with --language-adapter", folder.display()
    )]
    LanguageAdapterNotFound {
        /// The folder.
        folder: PathBuf,
        /// The language.
        language: Language,
    },
    /// An adapter that cannot be exchanged or merged.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A batch that is not a valid input of the model.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A batch that does not fit into the device's largest buffer, or is empty.
    #[error("a batch of {n} texts: the device's largest buffer takes {most} of these at a time")]
    BatchSize {
        /// The number of texts.
        n: usize,
        /// How many fit.
        most: usize,
    },
    /// A dependency parser with running text as input, instead of a treebank.
    #[error("a parser reads the sentences of a treebank, not running text")]
    NeedsTreebank,
    /// Dependency parsing with a model that is not a parser.
    #[error("this model is no parser")]
    NoParser,
    /// No dependency tree: the parser's scores of a sentence are not finite.
    #[error("no tree: {0}")]
    NoTree(#[from] TreeError),
    /// Fisher information of a dependency parser, which predicts several labels for a word.
    #[error(
        "the Fisher information is that of one label a row; a parser says several things of a word"
    )]
    FisherOfParser,
    /// Pruning or masking of a model that is already pruned.
    #[error("the model is pruned already: take the whole one")]
    Pruned,
    /// A subnetwork of a whole model, applied to a pruned one.
    #[error(
        "{}: a subnetwork of a whole model; {n_heads} heads and {n_feed_forward} feed-forward blocks \
         of this one are pruned",
        path.display()
    )]
    SubnetworkOfUnprunedModel {
        /// The file of the subnetwork.
        path: PathBuf,
        /// Number of pruned heads.
        n_heads: usize,
        /// Number of pruned feed-forward blocks.
        n_feed_forward: usize,
    },
    /// An invalid subnetwork file.
    #[error("{}: {problem}", path.display())]
    NoSubnetwork {
        /// The file.
        path: PathBuf,
        /// The message of the TOML parser.
        problem: String,
    },
    /// A subnetwork file without the importance of its units.
    #[error(
        "{}: no importance of heads and feed-forward blocks, which subnetworks.dynamic.start needs; make \
         the file again with isogloss subnetwork",
        path.display()
    )]
    NoImportance {
        /// The file.
        path: PathBuf,
    },
    /// A subnetwork of another architecture.
    #[error(
        "{}: a subnetwork of {} layers of {} heads; the model has {} of {}",
        path.display(), found[0], found[1], expected[0], expected[1]
    )]
    SubnetworkSize {
        /// The file of the subnetwork.
        path: PathBuf,
        /// Layers and heads of the model.
        expected: [usize; 2],
        /// Layers and heads of the subnetwork.
        found: [usize; 2],
    },
    /// An invalid line in a file of language distances.
    #[error(
        "{}: line {line}: expected two language tags and a distance between tabs, found {found:?}",
        path.display()
    )]
    Distance {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The text of the line.
        found: String,
    },
    /// A language without a distance from any training language.
    #[error("{}: no distance of {language} from any language of training", path.display())]
    NoDistance {
        /// The file of distances.
        path: PathBuf,
        /// The language.
        language: Language,
    },
    /// An adapter-only checkpoint where a whole model is needed.
    #[error(
        "{}: these are adapters on a base: take the base, or merge them into it first",
        folder.display()
    )]
    AdapterOnly {
        /// The folder.
        folder: PathBuf,
    },
    /// An adapter that cannot be merged into weights, such as a bottleneck adapter.
    #[error(
        "{}: the adapter {name:?} is of the kind {kind}, which cannot be merged",
        folder.display()
    )]
    NotMergeable {
        /// The folder.
        folder: PathBuf,
        /// The adapter.
        name: String,
        /// Its kind.
        kind: &'static str,
    },
    /// A model without adapters to merge.
    #[error("{}: no adapter to merge", folder.display())]
    NoAdapter {
        /// The folder.
        folder: PathBuf,
    },
    /// A trimmed vocabulary that changes the segmentation of texts.
    #[error("{}: {n_texts} texts would be cut in another way", path.display())]
    SegmentationChanged {
        /// The tokenizer.
        path: PathBuf,
        /// Number of texts with another segmentation.
        n_texts: usize,
    },
    /// A trimmed or pruned model whose hidden states differ from the whole model's.
    #[error("{}: hidden states{} would differ by {difference}", folder.display(), up_to(*largest))]
    HiddenStateMismatch {
        /// The whole model.
        folder: PathBuf,
        /// The largest difference.
        difference: f32,
        /// The largest absolute value among the hidden states, if the tolerance is relative to it.
        largest: Option<f32>,
    },
}

fn up_to(largest: Option<f32>) -> String {
    largest.map_or_else(String::new, |largest| format!(" of up to {largest}"))
}
