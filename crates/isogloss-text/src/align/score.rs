//! Precision, recall and alignment error rate (AER) against gold alignments (Och and Ney 2003, A
//! Systematic Comparison of Various Statistical Alignment Models).

use crate::Alignment;

/// Gold (reference) word alignment by human annotators: sure links and possible links (Och and Ney
/// 2003).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoldAlignment {
    sure: Alignment,
    possible: Alignment,
}

impl GoldAlignment {
    /// A gold alignment of sure and possible links; each sure link counts as possible too.
    pub fn new(sure: Alignment, possible: Alignment) -> Self {
        Self { possible: possible.union(&sure), sure }
    }

    /// The sure links.
    pub fn sure(&self) -> &Alignment {
        &self.sure
    }

    /// The possible links, including the sure ones.
    pub fn possible(&self) -> &Alignment {
        &self.possible
    }
}

/// Precision, recall and alignment error rate (AER) of alignments A against gold alignments with
/// sure links S and possible links P, over all pairs of a corpus.
///
/// A ratio whose denominator is 0 is 0.
///
/// ```
/// use isogloss_text::{Alignment, AlignmentScores, GoldAlignment};
///
/// let found = Alignment::parse("0-0 1-2", 2, 3)?;
/// let gold = GoldAlignment::parse("0-0 1-1 1?2", 2, 3)?;
/// let scores = AlignmentScores::new([(&found, &gold)]);
/// assert_eq!((scores.precision, scores.recall, scores.error_rate), (1.0, 0.5, 0.25));
/// # Ok::<(), isogloss_text::LineProblem>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AlignmentScores {
    /// Precision, |A ∩ P| / |A|.
    pub precision: f64,
    /// Recall, |A ∩ S| / |S|.
    pub recall: f64,
    /// Alignment error rate (AER), 1 − (|A ∩ S| + |A ∩ P|) / (|A| + |S|).
    pub error_rate: f64,
}

impl AlignmentScores {
    /// Computes the scores of alignments, each with its gold alignment; links are counted over all
    /// pairs before the division (micro average).
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a Alignment, &'a GoldAlignment)>) -> Self {
        let (mut n_found, mut n_sure, mut n_found_sure, mut n_found_possible) = (0, 0, 0, 0);
        for (found, gold) in pairs {
            n_found += found.len();
            n_sure += gold.sure.len();
            n_found_sure += found.intersection(&gold.sure).len();
            n_found_possible += found.intersection(&gold.possible).len();
        }
        let n_missed = n_found + n_sure - n_found_sure - n_found_possible;
        Self {
            precision: ratio(n_found_possible, n_found),
            recall: ratio(n_found_sure, n_sure),
            error_rate: ratio(n_missed, n_found + n_sure),
        }
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::{AlignmentScores, GoldAlignment};
    use crate::align::tests::alignment;

    #[test]
    fn links_are_summed_before_they_are_divided() {
        let first = (alignment("0-0 1-1 2-2"), GoldAlignment::parse("0-0 1?1", 9, 9).unwrap());
        let second = (alignment("0-1"), GoldAlignment::parse("0-0 0-1 1-1", 9, 9).unwrap());
        let scores = AlignmentScores::new([&first, &second].map(|(found, gold)| (found, gold)));
        // |A| = 4, |S| = 4, |A ∩ S| = 2, |A ∩ P| = 3.
        assert_eq!((scores.precision, scores.recall), (0.75, 0.5));
        assert_eq!(scores.error_rate, 1.0 - 5.0 / 8.0);
    }

    #[test]
    fn nothing_found_of_nothing_is_no_error() {
        let nothing = (alignment(""), GoldAlignment::default());
        let scores = AlignmentScores::new([(&nothing.0, &nothing.1)]);
        assert_eq!(scores, AlignmentScores::default());
        let missed = (alignment(""), GoldAlignment::parse("0-0", 1, 1).unwrap());
        assert_eq!(AlignmentScores::new([(&missed.0, &missed.1)]).error_rate, 1.0);
    }
}
