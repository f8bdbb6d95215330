//! Featurization shared by all tasks: features, options, parallel processing and truncation counts.

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokenizers::parallelism::MaybeParallelRefIterator as _;

use crate::{Encoded, Example, LabelSet, Target, TextError};

/// Features of one example: the token encoding (model input) and the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// The token encoding, the model input.
    pub input: Encoded,
    /// The training target (label).
    pub target: Target,
}

/// Policy for unseen labels: what to do with an example whose label is not in the label set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unseen {
    /// Stop with [`TextError::UnknownLabel`].
    #[default]
    Error,
    /// Skip the example and count it.
    Skip,
    /// Keep the example, without a target for that label, and count the word; only for
    /// [`featurize_parsing`](crate::featurize_parsing).
    Keep,
}

/// Options of featurization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureOptions {
    /// The maximum number of tokens of one example, special tokens included.
    pub max_length: usize,
    /// The policy for labels that are not in the label set.
    pub unseen: Unseen,
}

impl FeatureOptions {
    /// Options with this maximum length, where an unseen label is an error.
    pub fn new(max_length: usize) -> Self {
        Self { max_length, unseen: Unseen::Error }
    }

    /// Sets the policy for labels that are not in the label set.
    #[must_use]
    pub fn with_unseen(mut self, unseen: Unseen) -> Self {
        self.unseen = unseen;
        self
    }
}

/// Featurized dataset: the features of a list of examples, with counts of truncated and skipped
/// ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Featurized {
    /// The features, in the order of the examples.
    pub features: Vec<Features>,
    /// The index in the list of examples of each of `features`.
    pub kept: Vec<usize>,
    /// The tagged words without a token of each of `features`, in text order, and after them the
    /// spans without a tag.
    pub lost: Vec<Vec<LostWord>>,
    /// Truncation statistics.
    pub truncation: TruncationReport,
    /// Spans of running text that do not fit its words or tokens.
    pub misfits: SpanMisfits,
    /// The number of skipped examples by unseen label; an example counts for the first of its
    /// unseen labels.
    pub skipped: BTreeMap<String, usize>,
    /// The number of words without a target by unseen label, in examples that [`Unseen::Keep`]
    /// keeps.
    pub unseen: BTreeMap<String, usize>,
}

impl Featurized {
    /// Sequence lengths: the number of tokens of each of the features.
    pub fn lengths(&self) -> Vec<usize> {
        self.features.iter().map(|features| features.input.len()).collect()
    }
}

/// Truncation statistics: how many examples and words lost tokens to the maximum length, or have
/// none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TruncationReport {
    /// The number of truncated examples.
    pub n_truncated: usize,
    /// The number of tokens of the longest example before truncation, special tokens included.
    pub longest: usize,
    /// The number of tagged words without a token, truncated or unknown to the tokenizer; for
    /// running text, whose words have no tags, the number of its spans.
    pub n_words_lost: usize,
    /// How many of these are in the truncated part.
    pub n_words_cut: usize,
    /// The number of examples of which a text has no token, see [`Encoded::lacks_tokens`].
    pub n_without_tokens: usize,
}

/// Spans of running text, by character offsets, that do not fit the units that are tagged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpanMisfits {
    /// The number of spans that begin or end inside a word or token, which is tagged whole.
    pub n_widened: usize,
    /// The number of spans without a tag, because each of their words or tokens is tagged for
    /// another span, or because it covers white space alone; they count as missed.
    pub n_untagged: usize,
}

/// Tagged word, or part of a span, without a token: the model makes no prediction for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostWord {
    /// The index of the token that follows it; the number of tokens if none does.
    pub at: usize,
    /// The label id of its tag.
    pub label: u32,
    /// Whether truncation removed it.
    pub is_cut: bool,
}

/// Features of one example, with the token range of its first text and its words without tokens.
pub(crate) struct FeaturizedExample {
    pub(crate) features: Features,
    /// The token range of the first text; all tokens if the input is pre-tokenized words.
    pub(crate) first_text: Range<usize>,
    /// The tagged words without a token.
    pub(crate) lost: Vec<LostWord>,
    /// The number of words without a token, and how many of them were truncated.
    pub(crate) n_words_lost: [usize; 2],
    /// Spans that do not fit the units of the text.
    pub(crate) misfits: SpanMisfits,
    /// The unseen labels of words, one for each word and kind of label.
    pub(crate) unseen: Vec<String>,
}

/// Featurizes examples in parallel with `one`, and collects the results in order.
pub(super) fn featurize(
    examples: &[Example],
    unseen: Unseen,
    one: impl Fn(&Example) -> Result<FeaturizedExample, TextError> + Send + Sync,
) -> Result<Featurized, TextError> {
    let results: Vec<_> = examples.maybe_par_iter().map(one).collect();
    let mut featurized = Featurized::default();
    for (idx, result) in results.into_iter().enumerate() {
        match result {
            Ok(FeaturizedExample {
                features,
                lost,
                n_words_lost: [n_lost, n_cut],
                misfits,
                unseen: labels,
                ..
            }) => {
                for label in labels {
                    *featurized.unseen.entry(label).or_default() += 1;
                }
                featurized.misfits.n_widened += misfits.n_widened;
                featurized.misfits.n_untagged += misfits.n_untagged;
                let report = &mut featurized.truncation;
                report.n_truncated += usize::from(features.input.n_truncated > 0);
                report.longest =
                    report.longest.max(features.input.len() + features.input.n_truncated);
                report.n_words_lost += n_lost;
                report.n_words_cut += n_cut;
                report.n_without_tokens += usize::from(features.input.lacks_tokens);
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

/// Adds the token range of the first text, which is all tokens.
pub(super) fn whole(input: Encoded) -> (Encoded, Range<usize>) {
    let n_tokens = input.len();
    (input, 0..n_tokens)
}

/// Looks up the id of a label; the error of an unknown label names the example.
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

/// Converts a label id to the target of a token.
pub(super) fn token_label(id: u32) -> i32 {
    i32::try_from(id).expect("label names fit in memory, so their ids fit in i32")
}
