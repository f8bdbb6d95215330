//! Summaries of scores that cross-lingual papers report: zero-shot transfer over languages, and
//! mean ± standard deviation over seeds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A score in one language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LanguageScore {
    /// BCP-47 tag.
    pub language: String,
    /// The score, in 0..=1.
    pub score: f64,
}

/// Zero-shot transfer summary: the scores in the training languages against those in all others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferSummary {
    /// The training languages.
    pub sources: Vec<String>,
    /// Unweighted mean over the training languages that were evaluated; `None` if none was.
    pub source_score: Option<f64>,
    /// Number of target languages: those that were not trained on.
    pub n_targets: usize,
    /// Unweighted mean over the target languages, sources excluded; `None` without targets.
    pub mean_target: Option<f64>,
    /// Transfer gap: source score − mean target score, lower is better.
    pub gap: Option<f64>,
    /// The target language with the lowest score, the first by tag among equals.
    pub worst: Option<LanguageScore>,
    /// The target language with the highest score, the first by tag among equals.
    pub best: Option<LanguageScore>,
}

impl TransferSummary {
    /// Summarizes one score for each language tag.
    pub fn from_scores(sources: &[&str], scores: &BTreeMap<String, f64>) -> Self {
        let targets =
            || scores.iter().filter(|(language, _)| !sources.contains(&language.as_str()));
        let named = |(language, score): (&String, &f64)| LanguageScore {
            language: language.clone(),
            score: *score,
        };
        let of_sources: Vec<f64> =
            sources.iter().filter_map(|source| scores.get(*source).copied()).collect();
        let source_score = MeanStd::from_values(&of_sources).map(|summary| summary.mean);
        let n_targets = targets().count();
        let mean_target =
            MeanStd::from_values(&targets().map(|(_, &score)| score).collect::<Vec<_>>())
                .map(|summary| summary.mean);
        Self {
            sources: sources.iter().map(|source| (*source).to_owned()).collect(),
            source_score,
            n_targets,
            mean_target,
            gap: source_score.zip(mean_target).map(|(source, target)| source - target),
            worst: targets().min_by(|a, b| a.1.total_cmp(b.1)).map(named),
            best: targets().rev().max_by(|a, b| a.1.total_cmp(b.1)).map(named),
        }
    }
}

/// Mean and sample standard deviation of a score over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeanStd {
    /// Number of values.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation with `n - 1` in the denominator; `None` for a single value.
    pub std: Option<f64>,
}

impl MeanStd {
    /// Summarizes the values; `None` when there are none.
    pub fn from_values(values: &[f64]) -> Option<Self> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let std = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        Some(Self { n, mean, std })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfer_summary_leaves_the_source_out_of_the_mean() {
        let scores = [("en", 0.9), ("de", 0.8), ("sw", 0.5), ("th", 0.5)];
        let scores = scores.map(|(language, score)| (language.to_owned(), score)).into();
        let summary = TransferSummary::from_scores(&["en"], &scores);
        assert_eq!((summary.n_targets, summary.source_score), (3, Some(0.9)));
        assert!((summary.mean_target.unwrap() - 0.6).abs() < 1e-15);
        assert!((summary.gap.unwrap() - 0.3).abs() < 1e-15);
        assert_eq!(summary.worst.unwrap().language, "sw");
        assert_eq!(summary.best.unwrap().language, "de");
    }

    #[test]
    fn missing_source_or_targets_leave_the_gap_open() {
        let scores = BTreeMap::from([("de".to_owned(), 0.5)]);
        assert_eq!(TransferSummary::from_scores(&["en"], &scores).gap, None);
        assert_eq!(TransferSummary::from_scores(&["de"], &scores).mean_target, None);
    }

    #[test]
    fn deviation_is_of_the_sample_and_needs_two_values() {
        assert_eq!(MeanStd::from_values(&[]), None);
        assert_eq!(MeanStd::from_values(&[2.0]).unwrap().std, None);
        let summary = MeanStd::from_values(&[1.0, 2.0, 4.0]).unwrap();
        assert!((summary.mean - 7.0 / 3.0).abs() < 1e-15);
        assert!((summary.std.unwrap() - (7.0f64 / 3.0).sqrt()).abs() < 1e-15);
    }
}
