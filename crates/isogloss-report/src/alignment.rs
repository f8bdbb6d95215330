//! Cross-lingual alignment by layer: the contents of `alignment.json`, and its rank correlation
//! with zero-shot transfer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::correlation::{Correlation, RESAMPLES};

/// Accuracy in both translation directions, each in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BidirectionalAccuracy {
    /// From the source language to the other language (left to right).
    pub forward: f64,
    /// From the other language to the source language (right to left).
    pub backward: f64,
}

impl BidirectionalAccuracy {
    /// The mean of both directions.
    pub fn mean(&self) -> f64 {
        0.5 * (self.forward + self.backward)
    }

    /// Computes both accuracies: the share of the items `0..n` for which each function returns
    /// true.
    pub fn from_answers(n: usize, is_right: [&dyn Fn(usize) -> bool; 2]) -> Self {
        let share = |is_right: &dyn Fn(usize) -> bool| {
            (0..n).filter(|at| is_right(*at)).count() as f64 / n.max(1) as f64
        };
        Self { forward: share(is_right[0]), backward: share(is_right[1]) }
    }
}

/// Cross-lingual alignment of one language with the source language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LanguageAlignment {
    /// Number of sentence pairs used for sentence retrieval.
    pub n_sentences: usize,
    /// Number of duplicates on each side: sentences with an equal one before them.
    pub n_repeated: [usize; 2],
    /// Number of truncated sentences of both sides, among those that were encoded.
    pub n_truncated: usize,
    /// Number of sentences without a token of both sides, among those that were encoded.
    #[serde(default)]
    pub n_without_tokens: usize,
    /// Number of word pairs.
    pub n_words: usize,
    /// Number of sentence pairs in which word pairs were searched for.
    pub n_searched: usize,
    /// Number of those sentence pairs that gave no word pair.
    pub n_without_words: usize,
    /// Number of word pairs left out because one of the words has no token: truncation removed it, or
    /// it is unknown to the tokenizer.
    pub n_words_cut_off: usize,
    /// The alignment measures of each layer.
    pub layers: Vec<LayerAlignment>,
}

/// Alignment measures of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerAlignment {
    /// Layer index; 0 is the embeddings.
    pub layer: usize,
    /// Sentence retrieval accuracy: the share of sentences whose nearest neighbor is their
    /// translation.
    pub retrieval: BidirectionalAccuracy,
    /// Word alignment; `None` without word pairs.
    #[serde(flatten)]
    pub words: Option<WordAlignment>,
}

/// Word alignment: the share of words whose nearest neighbor is their translation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WordAlignment {
    /// Weak alignment: the neighbors are the words of the other language.
    pub weak: BidirectionalAccuracy,
    /// Strong alignment: the neighbors are the words of both languages except the word itself.
    pub strong: BidirectionalAccuracy,
}

/// Alignment measure of a layer, as the mean of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Sentence retrieval accuracy.
    Retrieval,
    /// Weak alignment: word retrieval among the words of the other language.
    Weak,
    /// Strong alignment: word retrieval among the words of both languages.
    Strong,
}

impl Quantity {
    /// All measures.
    pub const ALL: [Self; 3] = [Self::Retrieval, Self::Weak, Self::Strong];

    /// Display name, as it is written within a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retrieval => "sentence retrieval",
            Self::Weak => "weak alignment",
            Self::Strong => "strong alignment",
        }
    }

    /// The measure's value in a layer, in 0..=1; `None` without word pairs.
    pub fn in_layer(self, layer: &LayerAlignment) -> Option<f64> {
        match self {
            Self::Retrieval => Some(layer.retrieval.mean()),
            Self::Weak => layer.words.map(|words| words.weak.mean()),
            Self::Strong => layer.words.map(|words| words.strong.mean()),
        }
    }
}

/// Alignment report: the JSON that `isogloss alignment` writes, `alignment.json` in a run folder.
///
/// `Options` is the type of the measurement's options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlignmentReport<Options = serde_json::Value> {
    /// The model's name or path, as the user gave it.
    pub model: String,
    /// The source language: the left side of all pairs.
    pub source: String,
    /// Options of the measurement.
    #[serde(default)]
    pub options: Options,
    /// Alignment by language.
    pub languages: BTreeMap<String, LanguageAlignment>,
    /// Tag aliases: for languages that the scores name by another tag, such as `zh-CN`, the tag
    /// that was measured, such as `zh`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measured_as: BTreeMap<String, String>,
    /// Rank correlations with the scores of a run; empty without scores.
    #[serde(default)]
    pub correlations: Vec<LayerCorrelation>,
}

/// Rank correlation of a layer's alignment with scores, over languages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerCorrelation {
    /// The alignment measure that is correlated with the scores.
    pub quantity: Quantity,
    /// The layer.
    pub layer: usize,
    /// The languages that have both values, without the source language.
    pub languages: Vec<String>,
    /// `None` for fewer than [`MIN_PAIRS`](crate::MIN_PAIRS) languages, or if all values of one
    /// side are equal.
    pub correlation: Option<Correlation>,
}

impl<Options> AlignmentReport<Options> {
    /// All measured layers, in ascending order, each once.
    pub fn layers(&self) -> Vec<usize> {
        let layers = self.languages.values().flat_map(|language| &language.layers);
        let mut layers: Vec<usize> = layers.map(|layer| layer.layer).collect();
        layers.sort_unstable();
        layers.dedup();
        layers
    }

    /// Value of a measure for a language, or for its alias in `measured_as`, in a layer.
    pub fn value(&self, quantity: Quantity, language: &str, layer: usize) -> Option<f64> {
        let measured = self.measured_as.get(language).map_or(language, String::as_str);
        let mut layers = self.languages.get(measured)?.layers.iter();
        quantity.in_layer(layers.find(|measured| measured.layer == layer)?)
    }

    /// Computes the rank correlation of every measure of every layer with the scores of the target
    /// languages, over the languages that have both.
    ///
    /// The confidence intervals come from [`Correlation::bootstrap`] with [`RESAMPLES`] resamples
    /// and one seed, so that all are over the same draws of languages.
    pub fn correlate(&mut self, scores: &BTreeMap<String, f64>, seed: u64) {
        let mut correlations = Vec::new();
        for quantity in Quantity::ALL {
            for layer in self.layers() {
                let pairs = scores.iter().filter_map(|(tag, score)| {
                    Some((tag.clone(), (self.value(quantity, tag, layer)?, *score)))
                });
                let (languages, pairs): (Vec<_>, Vec<_>) = pairs.unzip();
                let correlation = Correlation::bootstrap(&pairs, RESAMPLES, seed);
                correlations.push(LayerCorrelation { quantity, layer, languages, correlation });
            }
        }
        self.correlations = correlations;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(retrieval: f64, strong: Option<f64>) -> LanguageAlignment {
        let both = |share| BidirectionalAccuracy { forward: share, backward: share };
        let words = strong.map(|strong| WordAlignment { weak: both(0.5), strong: both(strong) });
        LanguageAlignment {
            n_sentences: 10,
            n_repeated: [0, 1],
            n_truncated: 0,
            n_without_tokens: 0,
            n_words: 0,
            n_searched: 0,
            n_without_words: 0,
            n_words_cut_off: 0,
            layers: vec![LayerAlignment { layer: 3, retrieval: both(retrieval), words }],
        }
    }

    fn report() -> AlignmentReport<u64> {
        let tags = ["ar", "de", "fi", "fr", "hi"];
        let of = |(at, tag): (usize, &&str)| {
            let strong = (at != 4).then_some(0.1 * at as f64);
            ((*tag).to_owned(), language(0.1 * at as f64, strong))
        };
        AlignmentReport {
            model: "m".to_owned(),
            source: "en".to_owned(),
            options: 7,
            languages: tags.iter().enumerate().map(of).collect(),
            measured_as: BTreeMap::new(),
            correlations: Vec::new(),
        }
    }

    fn scores() -> BTreeMap<String, f64> {
        let scores = [("ar", 0.2), ("de", 0.3), ("fi", 0.4), ("fr", 0.5), ("hi", 0.6)];
        scores.map(|(tag, score)| (tag.to_owned(), score)).into()
    }

    #[test]
    fn correlations_are_over_the_languages_that_have_both() {
        let mut report = report();
        report.correlate(&scores(), 1);
        assert_eq!(report.correlations.len(), 3);
        let retrieval = &report.correlations[0];
        assert_eq!((retrieval.layer, retrieval.languages.len()), (3, 5));
        let correlation = retrieval.correlation.unwrap();
        assert_eq!((correlation.rho, correlation.n), (1.0, 5));
        // Strong: one language has no words, and four are too few. Weak: all values are equal.
        let strong = &report.correlations[2];
        assert_eq!((strong.quantity, strong.languages.len()), (Quantity::Strong, 4));
        assert_eq!(strong.correlation, None);
    }

    #[test]
    fn scores_under_another_tag_meet_what_was_measured_for_them() {
        let mut report = report();
        let scores: BTreeMap<String, f64> = scores().into_iter().collect();
        let renamed = |(tag, score): (String, f64)| match tag.as_str() {
            "ar" => ("ar-EG".to_owned(), score),
            _ => (tag, score),
        };
        let scores: BTreeMap<String, f64> = scores.into_iter().map(renamed).collect();
        report.correlate(&scores, 1);
        assert_eq!(report.correlations[0].languages.len(), 4);
        report.measured_as = [("ar-EG".to_owned(), "ar".to_owned())].into();
        report.correlate(&scores, 1);
        assert_eq!(report.correlations[0].languages, ["ar-EG", "de", "fi", "fr", "hi"]);
        assert_eq!(report.correlations[0].correlation.unwrap().rho, 1.0);
    }

    #[test]
    fn writing_and_reading_is_the_identity() {
        let mut report = report();
        report.correlate(&scores(), 1);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<AlignmentReport<u64>>(&text).unwrap(), report);
    }
}
