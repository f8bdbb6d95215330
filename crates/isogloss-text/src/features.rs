//! Examples as token ids and label ids.

mod one;
mod trees;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokenizers::parallelism::MaybeParallelRefIterator as _;

use crate::tokenizer::Encoder;
use crate::{Encoded, Example, LabelSet, TextError, Tokenizer};
pub(crate) use one::{Featured, classification, tagging};
pub use trees::{ParseLabels, WordTargets, featurize_parsing};

/// One example as a model takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// The tokens.
    pub input: Encoded,
    /// What the model should say.
    pub target: Target,
}

/// What the model should say about one example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nothing known: the example is to be predicted.
    None,
    /// A class.
    Class(u32),
    /// A label for each token, [`IGNORE_INDEX`](crate::IGNORE_INDEX) where there is none.
    Tokens(Vec<i32>),
    /// A head, a relation and a part of speech for each word.
    Words(WordTargets),
}

/// Which tokens carry the tags of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagUnits {
    /// The first token of each word; running text is split at whitespace.
    Word,
    /// Every token that stands for a visible character, which also suits languages that put no space between words.
    ///
    /// The later tokens of a word with the tag `B-<name>` have the tag `I-<name>`.
    Subword,
}

/// What to do with an example whose label is not in the label set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unseen {
    /// Stop with [`TextError::UnknownLabel`].
    #[default]
    Error,
    /// Leave the example out and count it.
    Skip,
    /// Keep the example, without a target where the label stands; [`featurize_parsing`] alone can.
    Keep,
}

/// How to turn examples into features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureOptions {
    /// The greatest number of tokens of one example, special tokens included.
    pub max_length: usize,
    /// What to do with a label that is not in the label set.
    pub unseen: Unseen,
}

impl FeatureOptions {
    /// Options with this greatest length, where an unseen label is an error.
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

/// The features of a list of examples, and what was lost on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Featurized {
    /// The features, in the order of the examples.
    pub features: Vec<Features>,
    /// The place of each of `features` in the list of examples.
    pub kept: Vec<usize>,
    /// What was cut off.
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

/// What the greatest length has cut off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TruncationReport {
    /// The number of examples that lost tokens.
    pub n_truncated: usize,
    /// The number of tokens of the longest example before it was cut, special tokens included.
    pub longest: usize,
    /// The number of tagged words that no token stands for, cut off or unknown to the tokenizer.
    pub n_words_lost: usize,
}

/// Features with one class for each text or pair; no class where `labels` is `None`.
///
/// # Errors
/// [`TextError::MissingField`] for an example without a label, [`TextError::UnknownLabel`] for a label that is not in `labels` unless such examples are to be skipped, and the errors of [`Tokenizer::encode`].
/// The error is that of the first faulty example.
pub fn featurize_classification(
    tokenizer: &Tokenizer,
    examples: &[Example],
    labels: Option<&LabelSet>,
    options: &FeatureOptions,
) -> Result<Featurized, TextError> {
    featurize(examples, options.unseen, |example| {
        classification(Encoder::new(tokenizer), example, labels, options.max_length)
    })
}

/// Features with one tag for each word or subword; no tags where `labels` is `None`.
///
/// Slots become BIO tags, see [`bio_labels`](crate::bio_labels); the second text of a pair is left out.
///
/// # Errors
/// [`TextError::UnknownLabel`] for a tag that is not in `labels` unless such examples are to be skipped, and the errors of [`Tokenizer::encode`].
/// The error is that of the first faulty example.
pub fn featurize_tagging(
    tokenizer: &Tokenizer,
    examples: &[Example],
    labels: Option<&LabelSet>,
    units: TagUnits,
    options: &FeatureOptions,
) -> Result<Featurized, TextError> {
    featurize(examples, options.unseen, |example| {
        tagging(Encoder::new(tokenizer), example, labels, units, options.max_length)
    })
}

/// Runs `one` over the examples in parallel and joins the results in order.
fn featurize(
    examples: &[Example],
    unseen: Unseen,
    one: impl Fn(&Example) -> Result<Featured, TextError> + Send + Sync,
) -> Result<Featurized, TextError> {
    let results: Vec<_> = examples.maybe_par_iter().map(one).collect();
    let mut featurized = Featurized::default();
    for (idx, result) in results.into_iter().enumerate() {
        match result {
            Ok(Featured { features, n_words_lost, .. }) => {
                let report = &mut featurized.truncation;
                report.n_truncated += usize::from(features.input.n_truncated > 0);
                report.longest =
                    report.longest.max(features.input.len() + features.input.n_truncated);
                report.n_words_lost += n_words_lost;
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

#[cfg(test)]
mod tests {
    use super::{
        FeatureOptions, Featurized, TagUnits, Target, Unseen, featurize_classification,
        featurize_tagging,
    };
    use crate::tokenizer::tests::unigram;
    use crate::{Example, Format, LabelSet, ReadOptions, TextError, read_examples};

    const X: i32 = crate::IGNORE_INDEX;

    fn jsonl(data: &str) -> Vec<Example> {
        read_examples(data.as_bytes(), "de.jsonl".as_ref(), &ReadOptions::new(Format::Jsonl))
            .unwrap()
    }

    fn conll(data: &str) -> Vec<Example> {
        read_examples(data.as_bytes(), "de.conll".as_ref(), &ReadOptions::new(Format::Conll))
            .unwrap()
    }

    fn tag(
        examples: &[Example],
        names: &[&str],
        units: TagUnits,
        max_length: usize,
    ) -> Result<Featurized, TextError> {
        let labels = LabelSet::new(names.iter().copied()).unwrap();
        featurize_tagging(
            &unigram(),
            examples,
            Some(&labels),
            units,
            &FeatureOptions::new(max_length),
        )
    }

    fn tokens(featurized: &Featurized) -> &[i32] {
        match &featurized.features[0].target {
            Target::Tokens(labels) => labels,
            other => panic!("expected labels for tokens, found {other:?}"),
        }
    }

    #[test]
    fn an_unseen_class_is_an_error_or_is_counted() {
        let examples = jsonl(
            "{\"text\": \"an\", \"label\": \"on\"}\n{\"text\": \"aus\", \"label\": \"of\"}\n{\"text\": \"an\", \"label\": \"off\"}",
        );
        let labels = LabelSet::new(["off", "on"]).unwrap();
        let options = FeatureOptions::new(8);
        let error =
            featurize_classification(&unigram(), &examples, Some(&labels), &options).unwrap_err();
        assert_eq!(error.to_string(), "de.jsonl:2: unknown label \"of\", did you mean \"off\"?");

        let skipping = options.with_unseen(Unseen::Skip);
        let featurized =
            featurize_classification(&unigram(), &examples, Some(&labels), &skipping).unwrap();
        assert_eq!(featurized.kept, [0, 2]);
        assert_eq!(featurized.skipped.into_iter().collect::<Vec<_>>(), [("of".to_owned(), 1)]);
        let targets: Vec<_> =
            featurized.features.into_iter().map(|features| features.target).collect();
        assert_eq!(targets, [Target::Class(1), Target::Class(0)]);
    }

    #[test]
    fn a_missing_label_is_an_error_only_where_labels_are_wanted() {
        let examples = jsonl("{\"text\": \"an\"}");
        let options = FeatureOptions::new(8);
        let labels = LabelSet::new(["on"]).unwrap();
        let error =
            featurize_classification(&unigram(), &examples, Some(&labels), &options).unwrap_err();
        assert_eq!(error.to_string(), "de.jsonl:1: no field \"label\"");
        let featurized = featurize_classification(&unigram(), &examples, None, &options).unwrap();
        assert_eq!(featurized.features[0].target, Target::None);
    }

    #[test]
    fn words_carry_their_tag_on_their_first_token() {
        // <s> ▁Licht ▁W ohn ▁aus </s>
        let examples = jsonl(
            r#"{"text": "Licht Wohn aus", "slots": [{"start": 6, "end": 10, "slot": "area"}]}"#,
        );
        let names = ["B-area", "I-area", "O"];
        assert_eq!(
            tokens(&tag(&examples, &names, TagUnits::Word, 16).unwrap()),
            [X, 2, 0, X, 2, X]
        );
        assert_eq!(
            tokens(&tag(&examples, &names, TagUnits::Subword, 16).unwrap()),
            [X, 2, 0, 1, 2, X]
        );
    }

    #[test]
    fn later_subwords_of_a_tagged_word_are_inside() {
        let examples = conll("Licht O\nWohn B-area\n");
        let names = ["B-area", "I-area", "O"];
        assert_eq!(tokens(&tag(&examples, &names, TagUnits::Word, 16).unwrap()), [X, 2, 0, X, X]);
        assert_eq!(
            tokens(&tag(&examples, &names, TagUnits::Subword, 16).unwrap()),
            [X, 2, 0, 1, X]
        );
    }

    #[test]
    fn subwords_label_text_without_spaces() {
        // <s> ▁ 打开 灯 </s>: the lone mark of the start stands for no character.
        let examples = jsonl(
            r#"{"text": "打开灯", "slots": [{"start": 0, "end": 2, "slot": "do"}, {"start": 2, "end": 3, "slot": "what"}]}"#,
        );
        let featurized = tag(&examples, &["B-do", "B-what", "O"], TagUnits::Subword, 16).unwrap();
        assert_eq!(tokens(&featurized), [X, X, 0, 1, X]);
    }

    #[test]
    fn what_is_cut_off_is_reported() {
        let examples = conll("Licht O\nWohn B-area\naus O\n");
        let featurized = tag(&examples, &["B-area", "O"], TagUnits::Word, 4).unwrap();
        assert_eq!(tokens(&featurized), [X, 1, 0, X]);
        let report = featurized.truncation;
        assert_eq!((report.n_truncated, report.longest, report.n_words_lost), (1, 6, 1));
    }

    #[test]
    fn an_unseen_tag_names_the_sentence() {
        let examples = conll("aus O\n\nLicht O\nWohn B-arae\n");
        let error = tag(&examples, &["B-area", "O"], TagUnits::Word, 8).unwrap_err();
        assert_eq!(
            error.to_string(),
            "de.conll:3: unknown label \"B-arae\", did you mean \"B-area\"?"
        );
    }
}
