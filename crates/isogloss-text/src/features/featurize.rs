//! Features of an example, and the featurization that all tasks share: options, threads, truncation counts.

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokenizers::parallelism::MaybeParallelRefIterator as _;

use crate::{Encoded, Example, LabelSet, Target, TextError};

/// The features of one example: its encoding and its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// The tokens.
    pub input: Encoded,
    /// What the model should predict.
    pub target: Target,
}

/// What to do with an example whose label is not in the label set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unseen {
    /// Stop with [`TextError::UnknownLabel`].
    #[default]
    Error,
    /// Leave the example out and count it.
    Skip,
    /// Keep the example, without a target for that label; [`featurize_parsing`](crate::featurize_parsing) alone can.
    Keep,
}

/// Options of featurization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureOptions {
    /// The maximum number of tokens of one example, special tokens included.
    pub max_length: usize,
    /// What to do with a label that is not in the label set.
    pub unseen: Unseen,
}

impl FeatureOptions {
    /// Options with this maximum length, where an unseen label is an error.
    pub fn new(max_length: usize) -> Self {
        Self { max_length, unseen: Unseen::Error }
    }

    /// Sets what to do with a label that is not in the label set.
    #[must_use]
    pub fn with_unseen(mut self, unseen: Unseen) -> Self {
        self.unseen = unseen;
        self
    }
}

/// The features of a list of examples, with counts of what was truncated and skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Featurized {
    /// The features, in the order of the examples.
    pub features: Vec<Features>,
    /// The index of each of `features` in the list of examples.
    pub kept: Vec<usize>,
    /// The tagged words of each of `features` that no token stands for, in their order.
    pub lost: Vec<Vec<LostWord>>,
    /// What truncation cut off.
    pub truncation: TruncationReport,
    /// The number of examples left out, by the first of their labels that is not in the label set.
    pub skipped: BTreeMap<String, usize>,
}

impl Featurized {
    /// The number of tokens of each of the features.
    pub fn lengths(&self) -> Vec<usize> {
        self.features.iter().map(|features| features.input.len()).collect()
    }
}

/// What truncation to the maximum length cut off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TruncationReport {
    /// The number of examples that lost tokens.
    pub n_truncated: usize,
    /// The number of tokens of the longest example before truncation, special tokens included.
    pub longest: usize,
    /// The number of tagged words without a token, truncated or unknown to the tokenizer; of running text, whose words have no tags, the number of its spans.
    pub n_words_lost: usize,
    /// How many of these lie in the end that truncation cut off.
    pub n_words_cut: usize,
}

/// A tagged word, or the part of a span, that no token stands for: no prediction can be right about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostWord {
    /// The index of the token that it stands before; the number of tokens at the end.
    pub at: usize,
    /// The id of its tag.
    pub label: u32,
    /// Whether truncation cut it off.
    pub is_cut: bool,
}

/// The features of one example, with the range of its first text.
pub(crate) struct FeaturizedExample {
    pub(crate) features: Features,
    /// The range of the tokens of the first text; all tokens where the text was given as words.
    pub(crate) first_text: Range<usize>,
    /// The tagged words without a token.
    pub(crate) lost: Vec<LostWord>,
    /// The number of words without a token, and how many of them were cut off.
    pub(crate) n_words_lost: [usize; 2],
}

/// Featurizes examples by `one` in parallel and gathers the results in order.
pub(super) fn featurize(
    examples: &[Example],
    unseen: Unseen,
    one: impl Fn(&Example) -> Result<FeaturizedExample, TextError> + Send + Sync,
) -> Result<Featurized, TextError> {
    let results: Vec<_> = examples.maybe_par_iter().map(one).collect();
    let mut featurized = Featurized::default();
    for (idx, result) in results.into_iter().enumerate() {
        match result {
            Ok(FeaturizedExample { features, lost, n_words_lost: [n_lost, n_cut], .. }) => {
                let report = &mut featurized.truncation;
                report.n_truncated += usize::from(features.input.n_truncated > 0);
                report.longest =
                    report.longest.max(features.input.len() + features.input.n_truncated);
                report.n_words_lost += n_lost;
                report.n_words_cut += n_cut;
                featurized.lost.push(lost);
                featurized.features.push(features);
                featurized.kept.push(idx);
            }
            Err(TextError::UnknownLabel { label, .. }) if unseen == Unseen::Skip => {
                *featurized.skipped.entry(label).or_default() += 1;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(featurized)
}

/// The number of words without a first subword, and how many of them truncation cut off.
pub(super) fn count_lost(input: &Encoded, first_subwords: &[Option<usize>]) -> [usize; 2] {
    let n_lost = first_subwords.iter().filter(|first| first.is_none()).count();
    [n_lost, first_subwords.len() - first_cut(input, first_subwords)]
}

/// The index of the first of the words at the end that truncation cut off; their number if it cut none.
pub(super) fn first_cut(input: &Encoded, first_subwords: &[Option<usize>]) -> usize {
    let n_words = first_subwords.len();
    let after_last = first_subwords.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    if input.n_truncated > 0 { after_last } else { n_words }
}

/// Tokens that all belong to the first text.
pub(super) fn whole(input: Encoded) -> (Encoded, Range<usize>) {
    let n_tokens = input.len();
    (input, 0..n_tokens)
}

/// The id of a label, or the error that names the example.
pub(super) fn label_id(
    labels: &LabelSet,
    label: &str,
    example: &Example,
) -> Result<u32, TextError> {
    labels.id(label).ok_or_else(|| TextError::UnknownLabel {
        path: example.origin.path.to_path_buf(),
        line: example.origin.line,
        label: label.to_owned(),
        nearest: labels.nearest(label),
    })
}

/// A label id as the target of a token.
pub(super) fn token_label(id: u32) -> i32 {
    i32::try_from(id).expect("label names fit in memory, so their ids fit in i32")
}
