//! Evaluation scores: the values of metrics by name.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Evaluation scores: the values of metrics by name, the selection metric first.
///
/// They are serialized as fields: `"accuracy": 0.9, "macro_f1": 0.8`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores(Vec<(String, f64)>);

/// Evaluation result of one language: scores and counts of examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LanguageResult {
    /// Number of examples scored.
    pub n: usize,
    /// Examples left out because the source language lacks their label.
    pub left_out: usize,
    /// Truncated examples.
    pub truncated: usize,
    /// Examples of which a text has no token.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub without_tokens: usize,
    /// Whether the model read this language's features by its language centring.
    #[serde(default, skip_serializing_if = "is_false")]
    pub centred: bool,
    /// Hash of the test data, texts and gold labels; none for a task without them, and in results of an
    /// earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_hash: Option<String>,
    /// The scores.
    #[serde(flatten)]
    pub scores: Scores,
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Display names of metrics; others are shown by their name, with spaces.
const TITLES: [(&str, &str); 5] = [
    ("macro_f1", "macro-F1"),
    ("span_f1", "span F1"),
    ("las", "LAS"),
    ("uas", "UAS"),
    ("upos", "UPOS"),
];

impl Scores {
    /// Scores from names and values, the selection metric first.
    pub fn new<const N: usize>(scores: [(&str, f64); N]) -> Self {
        Self(scores.map(|(name, score)| (name.to_owned(), score)).into())
    }

    /// Adds a score.
    #[must_use]
    pub fn with(mut self, name: &str, score: f64) -> Self {
        self.0.push((name.to_owned(), score));
        self
    }

    /// The value of the selection metric; 0 without scores.
    pub fn main(&self) -> f64 {
        self.0.first().map_or(0.0, |(_, score)| *score)
    }

    /// The score of a metric, by name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.iter().find(|(other, _)| *other == name).map(|(_, score)| score)
    }

    /// All names and scores.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, score)| (name.as_str(), *score))
    }

    /// Display name of a metric in tables.
    pub fn title(name: &str) -> String {
        let known = TITLES.iter().find(|(other, _)| *other == name);
        known.map_or_else(|| name.replace('_', " "), |(_, title)| (*title).to_owned())
    }

    /// Whether a metric is a share of 1, and not a loss.
    pub fn is_share(name: &str) -> bool {
        name != "loss"
    }

    /// Macro average over languages of each metric of the first of them; empty without languages.
    pub fn mean<'a>(all: impl ExactSizeIterator<Item = &'a Self>) -> Self {
        let n = all.len().max(1) as f64;
        let mut mean = Self::default();
        for (at, scores) in all.enumerate() {
            if at == 0 {
                mean.0.extend(scores.iter().map(|(name, _)| (name.to_owned(), 0.0)));
            }
            for (name, sum) in &mut mean.0 {
                *sum += scores.get(name).unwrap_or_default() / n;
            }
        }
        mean
    }
}

impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OrderedScores)
    }
}

/// Deserializes fields in their order, as the first is the selection metric.
struct OrderedScores;

impl<'de> Visitor<'de> for OrderedScores {
    type Value = Scores;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scores by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scores, A::Error> {
        let mut scores = Vec::new();
        while let Some(score) = map.next_entry()? {
            scores.push(score);
        }
        Ok(Scores(scores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_fields_in_their_order() {
        let scores = Scores::new([("span_f1", 0.5), ("recall", 0.25)]).with("precision", 1.0);
        let text = serde_json::to_string(&scores).unwrap();
        assert_eq!(text, r#"{"span_f1":0.5,"recall":0.25,"precision":1.0}"#);
        let again: Scores = serde_json::from_str(&text).unwrap();
        assert_eq!((again.main(), again.get("precision")), (0.5, Some(1.0)));
        assert_eq!(again, scores);
    }

    #[test]
    fn the_mean_is_over_languages_score_by_score() {
        let all =
            [[0.5, 1.0], [0.25, 0.0]].map(|[las, uas]| Scores::new([("las", las), ("uas", uas)]));
        assert_eq!(Scores::mean(all.iter()), Scores::new([("las", 0.375), ("uas", 0.5)]));
        assert_eq!(Scores::mean([].iter()), Scores::default());
    }

    #[test]
    fn titles_follow_names() {
        assert_eq!(Scores::title("span_f1"), "span F1");
        assert_eq!(Scores::title("exact_match"), "exact match");
    }
}
