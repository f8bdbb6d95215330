//! The alignment of languages, layer by layer: what `alignment.json` holds, and its rank correlation with
//! zero-shot transfer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::correlation::{Correlation, RESAMPLES};

/// A share of right answers for each direction, in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BothWays {
    /// From left to right: from the source language to the other one.
    pub forward: f64,
    /// From right to left.
    pub backward: f64,
}

impl BothWays {
    /// The mean of both directions.
    pub fn mean(&self) -> f64 {
        0.5 * (self.forward + self.backward)
    }

    /// The shares of `n` questions that `is_right` answers with yes.
    pub fn from_answers(n: usize, is_right: [&dyn Fn(usize) -> bool; 2]) -> Self {
        let share = |is_right: &dyn Fn(usize) -> bool| {
            (0..n).filter(|at| is_right(*at)).count() as f64 / n.max(1) as f64
        };
        Self { forward: share(is_right[0]), backward: share(is_right[1]) }
    }
}

/// The alignment of one language with the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LanguageAlignment {
    /// Pairs of sentences for retrieval.
    pub n_sentences: usize,
    /// Sentences of each side that have an equal one before them.
    pub n_repeated: [usize; 2],
    /// Sentences of both sides, of those looked at, whose end was cut off.
    pub n_truncated: usize,
    /// Pairs of words.
    pub n_words: usize,
    /// Pairs of sentences that words were looked for in.
    pub n_searched: usize,
    /// Pairs of sentences among them without a pair of words to take.
    pub n_without_words: usize,
    /// Pairs of words left out because one of them was cut off.
    pub n_words_cut_off: usize,
    /// The measures of each layer.
    pub layers: Vec<LayerAlignment>,
}

/// The alignment of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerAlignment {
    /// The layer, 0 for the embeddings.
    pub layer: usize,
    /// Sentences whose nearest is their translation.
    pub retrieval: BothWays,
    /// Words whose nearest is their translation; none without pairs of words.
    #[serde(flatten)]
    pub words: Option<WordAlignment>,
}

/// The alignment of pairs of words.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WordAlignment {
    /// Among the words of the other language.
    pub weak: BothWays,
    /// Among the words of both languages but the word itself.
    pub strong: BothWays,
}

/// A number that tells how well a layer aligns a language, the mean of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Of sentences.
    Retrieval,
    /// Of words, among those of the other language.
    Weak,
    /// Of words, among those of both.
    Strong,
}

impl Quantity {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Retrieval, Self::Weak, Self::Strong];

    /// Its name within a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retrieval => "sentence retrieval",
            Self::Weak => "weak alignment",
            Self::Strong => "strong alignment",
        }
    }

    /// Its value, in 0..=1; none where no words were measured.
    pub fn in_layer(self, layer: &LayerAlignment) -> Option<f64> {
        match self {
            Self::Retrieval => Some(layer.retrieval.mean()),
            Self::Weak => layer.words.map(|words| words.weak.mean()),
            Self::Strong => layer.words.map(|words| words.strong.mean()),
        }
    }
}

/// What `isogloss alignment` writes: `alignment.json` in a run folder.
///
/// `Options` is the type in which the one who measured says how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlignmentReport<Options = serde_json::Value> {
    /// The model, as it was named.
    pub model: String,
    /// The language of the left side of all pairs.
    pub source: String,
    /// How it was measured.
    #[serde(default)]
    pub options: Options,
    /// By language.
    pub languages: BTreeMap<String, LanguageAlignment>,
    /// For languages of the scores under another tag, such as `zh-CN`, the one that was measured, such as
    /// `zh`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measured_as: BTreeMap<String, String>,
    /// The correlation with the scores of a run, where they were given.
    #[serde(default)]
    pub correlations: Vec<LayerCorrelation>,
}

/// How the alignment of a layer goes together with scores, over languages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerCorrelation {
    /// What is correlated with the scores.
    pub quantity: Quantity,
    /// The layer.
    pub layer: usize,
    /// The languages that have both, without the source.
    pub languages: Vec<String>,
    /// None for fewer than [`MIN_PAIRS`](crate::MIN_PAIRS) languages, or where all are
    /// equal.
    pub correlation: Option<Correlation>,
}

impl<Options> AlignmentReport<Options> {
    /// The layers of any language, in order, each once.
    pub fn layers(&self) -> Vec<usize> {
        let layers = self.languages.values().flat_map(|language| &language.layers);
        let mut layers: Vec<usize> = layers.map(|layer| layer.layer).collect();
        layers.sort_unstable();
        layers.dedup();
        layers
    }

    /// A quantity of a language, or of the one that it was measured as, and a layer.
    pub fn value(&self, quantity: Quantity, language: &str, layer: usize) -> Option<f64> {
        let measured = self.measured_as.get(language).map_or(language, String::as_str);
        let mut layers = self.languages.get(measured)?.layers.iter();
        quantity.in_layer(layers.find(|measured| measured.layer == layer)?)
    }

    /// Correlates every quantity of every layer with the scores of target languages, over the languages
    /// that have both.
    ///
    /// Each has its interval from [`Correlation::bootstrap`], with [`RESAMPLES`] resamples and the
    /// same seed, so that all are over the same draws of languages.
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
        let both = |share| BothWays { forward: share, backward: share };
        let words = strong.map(|strong| WordAlignment { weak: both(0.5), strong: both(strong) });
        LanguageAlignment {
            n_sentences: 10,
            n_repeated: [0, 1],
            n_truncated: 0,
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
        // One language has no words, and four are too few; weak alignment is the same everywhere.
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
