//! Evaluation metrics: accuracy, macro-F1 and span F1 of predictions against gold labels.
//!
//! Accuracy and macro-F1 are for sequence classification, span F1 for tagging. Re-exports the two
//! summaries that cross-lingual papers report: transfer over languages and mean ± standard
//! deviation over seeds. No tensors and no files: everything here works on slices.

use std::collections::{BTreeMap, BTreeSet};

pub use isogloss_report::{LanguageScore, MeanStd, TransferSummary};
use serde::{Deserialize, Serialize};

/// Missing prediction, for a word without a token: wrong, whatever the gold label is.
pub const NO_PREDICTION: usize = usize::MAX;

/// Error of a metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// No examples to score.
    #[error("expected at least one example to score, found none")]
    Empty,
    /// The numbers of gold labels and of predictions differ.
    #[error("expected {expected} predictions, one for each gold label, found {found}")]
    Count {
        /// Number of gold examples.
        expected: usize,
        /// Number of predicted examples.
        found: usize,
    },
    /// The numbers of gold and of predicted tags of one sentence differ.
    #[error("sentence {sentence}: expected {expected} predicted tags, found {found}")]
    SentenceLength {
        /// Index of the sentence, from 0.
        sentence: usize,
        /// Number of gold tags.
        expected: usize,
        /// Number of predicted tags.
        found: usize,
    },
}

/// Accuracy, macro-F1 and the confusion matrix of single-label predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassificationScores {
    /// Number of examples.
    pub n: usize,
    /// Share of examples with the right label, in 0..=1.
    pub accuracy: f64,
    /// Unweighted mean of the F1 of every label, in 0..=1.
    pub macro_f1: f64,
    /// The label ids that occur in the gold labels or in the predictions, ascending.
    pub labels: Vec<usize>,
    /// Confusion matrix: `confusion[i][j]` counts examples of gold `labels[i]` predicted as
    /// `labels[j]`; those without a prediction are in no column.
    pub confusion: Vec<Vec<usize>>,
}

impl ClassificationScores {
    /// Computes accuracy, macro-F1 and the confusion matrix; `labels` and `predictions` are label
    /// ids in the same order.
    ///
    /// A label's F1 is `2 tp / (2 tp + fp + fn)`. Macro-F1 is its mean over the labels that occur
    /// in the gold labels or the predictions, as scikit-learn's `f1_score(average="macro",
    /// zero_division=0)` counts them: a label that occurs in neither does not lower the mean.
    /// [`NO_PREDICTION`] is no label, but a false negative of the gold one.
    ///
    /// # Errors
    /// [`MetricError::Empty`] without examples, [`MetricError::Count`] on unequal lengths.
    pub fn from_ids(labels: &[usize], predictions: &[usize]) -> Result<Self, MetricError> {
        same_count(labels.len(), predictions.len())?;
        if labels.is_empty() {
            return Err(MetricError::Empty);
        }
        let known = labels.iter().chain(predictions).copied();
        let known: BTreeSet<usize> = known.filter(|id| *id != NO_PREDICTION).collect();
        let position: BTreeMap<usize, usize> =
            known.iter().enumerate().map(|(at, &id)| (id, at)).collect();
        let mut confusion = vec![vec![0; known.len()]; known.len()];
        let mut n_missed = vec![0; known.len()];
        for (label, prediction) in labels.iter().zip(predictions) {
            match position.get(prediction) {
                Some(predicted) => confusion[position[label]][*predicted] += 1,
                None => n_missed[position[label]] += 1,
            }
        }

        let n = labels.len();
        let right: usize = (0..known.len()).map(|i| confusion[i][i]).sum();
        let f1_sum: f64 = (0..known.len())
            .map(|i| {
                let gold: usize = n_missed[i] + confusion[i].iter().sum::<usize>();
                let predicted: usize = confusion.iter().map(|row| row[i]).sum();
                // Every known label occurs, so the denominator 2 tp + fp + fn is positive.
                2.0 * confusion[i][i] as f64 / (gold + predicted) as f64
            })
            .sum();
        Ok(Self {
            n,
            accuracy: right as f64 / n as f64,
            macro_f1: f1_sum / known.len() as f64,
            labels: known.into_iter().collect(),
            confusion,
        })
    }
}

/// Precision, recall and F1 of the spans of one type.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SpanScore {
    /// Number of gold spans.
    pub n_spans: usize,
    /// Share of predicted spans that are gold spans; 0 without predicted spans.
    pub precision: f64,
    /// Share of gold spans that are predicted; 0 without gold spans.
    pub recall: f64,
    /// Harmonic mean of precision and recall; 0 when both are.
    pub f1: f64,
}

/// Span F1 (as in seqeval), precision and recall: the micro average over all types, and each type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanScores {
    /// Number of gold spans.
    pub n_spans: usize,
    /// Share of predicted spans that are gold spans, over all types.
    pub precision: f64,
    /// Share of gold spans that are predicted, over all types.
    pub recall: f64,
    /// Harmonic mean of precision and recall, over all types.
    pub f1: f64,
    /// The same for each type that occurs in the gold or the predicted spans.
    pub per_type: BTreeMap<String, SpanScore>,
}

impl SpanScores {
    /// Span F1 of predicted tags against gold tags, one slice of tags for each sentence.
    ///
    /// A predicted span counts as right when type, start and end all match. The spans are those
    /// of [`spans`], so the scores equal seqeval's default (non-strict) mode.
    ///
    /// # Errors
    /// [`MetricError::Count`] or [`MetricError::SentenceLength`] when the numbers of tags differ.
    ///
    /// # Source
    /// Nakayama 2018, seqeval, `f1_score(average="micro", zero_division=0)`.
    pub fn from_tags<G, P, T, U>(gold: &[G], predicted: &[P]) -> Result<Self, MetricError>
    where
        G: AsRef<[T]>,
        P: AsRef<[U]>,
        T: AsRef<str>,
        U: AsRef<str>,
    {
        same_count(gold.len(), predicted.len())?;
        let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
        for (sentence, (gold, predicted)) in gold.iter().zip(predicted).enumerate() {
            let (gold, predicted) = (gold.as_ref(), predicted.as_ref());
            if gold.len() != predicted.len() {
                return Err(MetricError::SentenceLength {
                    sentence,
                    expected: gold.len(),
                    found: predicted.len(),
                });
            }
            let gold: BTreeSet<Span<'_>> = spans(gold).into_iter().collect();
            for span in &gold {
                counts.entry(span.kind).or_default().gold += 1;
            }
            for span in spans(predicted) {
                let count = counts.entry(span.kind).or_default();
                count.predicted += 1;
                count.right += usize::from(gold.contains(&span));
            }
        }
        let mut total = Counts::default();
        for count in counts.values() {
            total.gold += count.gold;
            total.predicted += count.predicted;
            total.right += count.right;
        }
        let SpanScore { n_spans, precision, recall, f1 } = total.score();
        let per_type = counts.iter().map(|(kind, count)| ((*kind).to_owned(), count.score()));
        Ok(Self { n_spans, precision, recall, f1, per_type: per_type.collect() })
    }
}

#[derive(Default)]
struct Counts {
    gold: usize,
    predicted: usize,
    right: usize,
}

impl Counts {
    fn score(&self) -> SpanScore {
        let share = |of: usize| if of == 0 { 0.0 } else { self.right as f64 / of as f64 };
        let (precision, recall) = (share(self.predicted), share(self.gold));
        let f1 =
            if self.right == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
        SpanScore { n_spans: self.gold, precision, recall, f1 }
    }
}

/// Span of IOB tags, such as a named entity: consecutive tags of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span<'a> {
    /// Index of the first tag.
    pub start: usize,
    /// Index of the last tag, inclusive.
    pub end: usize,
    /// The part of the tag after `B-` or `I-`; `_` when there is none.
    pub kind: &'a str,
}

/// Decodes spans from the IOB or IOBES tags of one sentence; accepts ill-formed sequences.
///
/// `B-` and `S-` always start a span. `I-` and `E-` continue one of the same type and otherwise
/// start one, so an `I-` at the start of a sentence, after `O` or after another type opens a span.
/// `O`, a new start and a change of type end a span; `E-` and `S-` end theirs at once.
///
/// # Source
/// Nakayama 2018, seqeval, default mode, which follows the CoNLL-2000 `conlleval` script.
pub fn spans<T: AsRef<str>>(tags: &[T]) -> Vec<Span<'_>> {
    let mut found = Vec::new();
    let mut open: Option<Span<'_>> = None;
    for (at, tag) in tags.iter().enumerate() {
        let (prefix, kind) = split_tag(tag.as_ref());
        let continues =
            !matches!(prefix, 'B' | 'S' | 'O') && open.is_some_and(|span| span.kind == kind);
        if !continues {
            found.extend(open.take());
        }
        if prefix != 'O' {
            let start = open.map_or(at, |span| span.start);
            open = Some(Span { start, end: at, kind });
        }
        if matches!(prefix, 'E' | 'S') {
            found.extend(open.take());
        }
    }
    found.extend(open);
    found
}

fn split_tag(tag: &str) -> (char, &str) {
    let mut rest = tag.chars();
    let prefix = match rest.next() {
        // conlleval writes the outside tag as `.` in chunked punctuation.
        None | Some('.') => 'O',
        Some(prefix) => prefix,
    };
    let rest = rest.as_str();
    let kind = rest.split_once('-').map_or(rest, |(_, kind)| kind);
    (prefix, if kind.is_empty() { "_" } else { kind })
}

fn same_count(expected: usize, found: usize) -> Result<(), MetricError> {
    if expected == found { Ok(()) } else { Err(MetricError::Count { expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: usize, end: usize, kind: &str) -> Span<'_> {
        Span { start, end, kind }
    }

    fn split(tags: &str) -> Vec<&str> {
        tags.split_whitespace().collect()
    }

    #[test]
    fn macro_f1_counts_labels_of_either_side_only() {
        // Label 3 is only predicted and gets F1 0; label 2 occurs nowhere and is not counted.
        let scores = ClassificationScores::from_ids(&[0, 0, 1, 1], &[0, 1, 1, 3]).unwrap();
        assert_eq!(scores.labels, [0, 1, 3]);
        assert_eq!(scores.confusion, [[1, 1, 0], [0, 1, 1], [0, 0, 0]]);
        assert_eq!(scores.accuracy, 0.5);
        assert!((scores.macro_f1 - (2.0 / 3.0 + 0.5 + 0.0) / 3.0).abs() < 1e-15);
    }

    #[test]
    fn what_has_no_prediction_is_missed_and_is_no_label() {
        let scores = ClassificationScores::from_ids(&[0, 0, 1], &[0, NO_PREDICTION, 1]).unwrap();
        assert_eq!((scores.n, scores.labels.as_slice()), (3, &[0, 1][..]));
        assert!((scores.accuracy - 2.0 / 3.0).abs() < 1e-15);
        assert!((scores.macro_f1 - (2.0 / 3.0 + 1.0) / 2.0).abs() < 1e-15);
    }

    #[test]
    fn unpaired_or_absent_labels_are_errors() {
        assert_eq!(ClassificationScores::from_ids(&[], &[]), Err(MetricError::Empty));
        let error = ClassificationScores::from_ids(&[0, 1], &[0]).unwrap_err();
        assert_eq!(error.to_string(), "expected 2 predictions, one for each gold label, found 1");
        let error = SpanScores::from_tags(&[split("O"), split("O O")], &[split("O"), split("O")]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "sentence 1: expected 2 predicted tags, found 1"
        );
    }

    #[test]
    fn ill_formed_tags_open_spans_as_in_conlleval() {
        assert_eq!(spans(&split("I-PER I-PER O I-LOC")), [span(0, 1, "PER"), span(3, 3, "LOC")]);
        assert_eq!(spans(&split("B-PER I-LOC I-LOC")), [span(0, 0, "PER"), span(1, 2, "LOC")]);
        assert_eq!(spans(&split("B-PER B-PER I-PER")), [span(0, 0, "PER"), span(1, 2, "PER")]);
        assert_eq!(spans(&split("O B-PER")), [span(1, 1, "PER")]);
        assert_eq!(spans::<&str>(&[]), []);
    }

    #[test]
    fn end_and_single_tags_close_spans() {
        assert_eq!(
            spans(&split("S-PER B-LOC I-LOC E-LOC I-LOC E-PER")),
            [span(0, 0, "PER"), span(1, 3, "LOC"), span(4, 4, "LOC"), span(5, 5, "PER")]
        );
    }

    #[test]
    fn types_keep_inner_hyphens_and_may_be_missing() {
        assert_eq!(
            spans(&split("B-geo-loc I-geo-loc B")),
            [span(0, 1, "geo-loc"), span(2, 2, "_")]
        );
    }

    #[test]
    fn span_scores_are_micro_averages_over_exact_matches() {
        let gold = [split("B-PER I-PER O B-LOC"), split("B-LOC O")];
        let predicted = [split("B-PER I-PER O B-PER"), split("B-LOC O")];
        let scores = SpanScores::from_tags(&gold, &predicted).unwrap();
        assert_eq!(scores.n_spans, 3);
        assert!((scores.precision - 2.0 / 3.0).abs() < 1e-15);
        assert!((scores.recall - 2.0 / 3.0).abs() < 1e-15);
        assert!((scores.f1 - 2.0 / 3.0).abs() < 1e-15);
        let person = scores.per_type["PER"];
        assert_eq!((person.n_spans, person.precision, person.recall), (1, 0.5, 1.0));
        assert_eq!(scores.per_type["LOC"].recall, 0.5);
    }

    #[test]
    fn no_spans_score_zero_not_nan() {
        let scores = SpanScores::from_tags(&[split("O O")], &[split("O O")]).unwrap();
        assert_eq!((scores.precision, scores.recall, scores.f1), (0.0, 0.0, 0.0));
    }
}
