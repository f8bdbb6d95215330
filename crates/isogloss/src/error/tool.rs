//! Why something cannot be done with a finished model.

use std::path::PathBuf;

use isogloss_model::{AdapterError, InputError, ProblemType};
use isogloss_text::{Language, TextError, TreeError};

/// Why something cannot be done with a finished model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// A model without a head was to predict.
    #[error("{}: this model has no head; fine-tune it first", path.display())]
    NoHead {
        /// Its configuration.
        path: PathBuf,
    },
    /// What a model says of how it is scored cannot be used.
    #[error("{}: isogloss.scoring: {problem}", path.display())]
    Scoring {
        /// The file.
        path: PathBuf,
        /// The field and the reason.
        problem: String,
    },
    /// A model whose labels cannot be told apart.
    #[error("{}: field \"id2label\": {source}", path.display())]
    Labels {
        /// Its configuration.
        path: PathBuf,
        /// Which.
        source: Box<TextError>,
    },
    /// A model whose answers are not one label was to be compared with one label a text.
    #[error(
        "{}: field \"problem_type\": {}{}: no metric of this program compares its answers with one \
         label a text",
        path.display(), problem.name(), if *n_labels == 1 { ", or one output" } else { "" }
    )]
    NotOneLabel {
        /// Its configuration.
        path: PathBuf,
        /// How its outputs are read.
        problem: ProblemType,
        /// How many there are.
        n_labels: usize,
    },
    /// There is no language adapter to exchange.
    #[error("this model has no language adapter under another one to exchange")]
    NoLanguageAdapter,
    /// An adapter that cannot be exchanged or merged.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A batch that the model cannot take.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A parser was to label running text.
    #[error("a parser reads the sentences of a treebank, not running text")]
    NeedsTreebank,
    /// Another model was to parse.
    #[error("this model is no parser")]
    NoParser,
    /// A parser's scores of a sentence are not finite.
    #[error("no tree: {0}")]
    NoTree(#[from] TreeError),
    /// The Fisher information of a parser.
    #[error(
        "the Fisher information is that of one label a row; a parser says several things of a word"
    )]
    SeveralLabelsARow,
    /// A pruned model was to be pruned, or to be masked.
    #[error("the model is pruned already: take the whole one")]
    Pruned,
    /// A subnetwork of a whole model for a pruned one.
    #[error(
        "{}: a subnetwork of a whole model; {n_heads} heads and {n_feed_forward} feed-forward blocks \
         of this one are pruned",
        path.display()
    )]
    SubnetworkOfWhole {
        /// The file of the subnetwork.
        path: PathBuf,
        /// Heads that are gone.
        n_heads: usize,
        /// Feed-forward blocks that are gone.
        n_feed_forward: usize,
    },
    /// A file that holds no subnetwork.
    #[error("{}: {problem}", path.display())]
    NoSubnetwork {
        /// The file.
        path: PathBuf,
        /// What the parser of TOML says.
        problem: String,
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
    /// A line of a file of distances that is none.
    #[error(
        "{}: line {line}: expected two language tags and a distance between tabs, found {found:?}",
        path.display()
    )]
    Distance {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What it holds.
        found: String,
    },
    /// A language that no language of training is near to.
    #[error("{}: no distance of {language} from any language of training", path.display())]
    NoDistance {
        /// The file of distances.
        path: PathBuf,
        /// The language.
        language: Language,
    },
    /// A folder that holds adapters on a base, and not a whole model.
    #[error(
        "{}: these are adapters on a base: take the base, or merge them into it first",
        folder.display()
    )]
    OnBase {
        /// The folder.
        folder: PathBuf,
    },
    /// An adapter was to be merged that is no part of any weight.
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
    /// There is nothing to merge.
    #[error("{}: no adapter to merge", folder.display())]
    NoAdapter {
        /// The folder.
        folder: PathBuf,
    },
    /// A smaller vocabulary that would segment texts in another way.
    #[error("{}: {n_texts} texts would be cut in another way", path.display())]
    OtherSegmentation {
        /// The tokenizer.
        path: PathBuf,
        /// Texts that would be segmented in another way.
        n_texts: usize,
    },
    /// A smaller model whose hidden states would be others.
    #[error("{}: hidden states{} would differ by {difference}", folder.display(), up_to(*largest))]
    OtherStates {
        /// The whole model.
        folder: PathBuf,
        /// The largest difference.
        difference: f32,
        /// The largest number among the states, where the difference is measured by it.
        largest: Option<f32>,
    },
}

fn up_to(largest: Option<f32>) -> String {
    largest.map_or_else(String::new, |largest| format!(" of up to {largest}"))
}
