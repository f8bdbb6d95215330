//! The alignment of all languages, and how it goes together with transfer.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{AlignmentOptions, LanguageAlignment, LayerAlignment};
use crate::correlation::{Correlation, RESAMPLES};
use crate::error::io;
use crate::run_folder::write_atomically;
use crate::{Error, Results};

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
    pub fn of(self, layer: &LayerAlignment) -> Option<f64> {
        match self {
            Self::Retrieval => Some(layer.retrieval.mean()),
            Self::Weak => layer.words.map(|words| words.weak.mean()),
            Self::Strong => layer.words.map(|words| words.strong.mean()),
        }
    }
}

/// What `isogloss alignment` writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlignmentReport {
    /// The model, as it was named.
    pub model: String,
    /// The language of the left side of all pairs.
    pub source: String,
    /// How it was measured.
    #[serde(default)]
    pub options: AlignmentOptions,
    /// By language.
    pub languages: BTreeMap<String, LanguageAlignment>,
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
    /// None for fewer than [`MIN_PAIRS`](crate::correlation::MIN_PAIRS) languages, or where all are
    /// equal.
    pub correlation: Option<Correlation>,
}

impl AlignmentReport {
    /// The layers of any language, in order, each once.
    pub fn layers(&self) -> Vec<usize> {
        let layers = self.languages.values().flat_map(|language| &language.layers);
        let mut layers: Vec<usize> = layers.map(|layer| layer.layer).collect();
        layers.sort_unstable();
        layers.dedup();
        layers
    }

    /// A quantity of a language and a layer.
    pub fn value(&self, quantity: Quantity, language: &str, layer: usize) -> Option<f64> {
        let mut layers = self.languages.get(language)?.layers.iter();
        quantity.of(layers.find(|measured| measured.layer == layer)?)
    }

    /// Correlates every quantity of every layer with the main scores of a run, over the languages
    /// that have both, without the source.
    ///
    /// Each has its interval from [`Correlation::bootstrap`], with [`RESAMPLES`] resamples and the
    /// same seed, so that all are over the same draws of languages.
    pub fn correlate(&mut self, results: &Results, seed: u64) {
        let mut correlations = Vec::new();
        for quantity in Quantity::ALL {
            for layer in self.layers() {
                let targets = results.languages.iter().filter(|(tag, _)| *tag != results.source());
                let pairs = targets.filter_map(|(tag, result)| {
                    Some((tag.clone(), (self.value(quantity, tag, layer)?, result.scores.main())))
                });
                let (languages, pairs): (Vec<_>, Vec<_>) = pairs.unzip();
                let correlation = Correlation::bootstrap(&pairs, RESAMPLES, seed);
                correlations.push(LayerCorrelation { quantity, layer, languages, correlation });
            }
        }
        self.correlations = correlations;
    }

    /// Writes the report as JSON.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| Error::Damaged {
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
        bytes.push(b'\n');
        write_atomically(path, &bytes)
    }
}

impl Results {
    /// Reads the `results.json` of a run.
    ///
    /// # Errors
    /// If the file is missing or does not hold results.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(io(path))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::Damaged { path: path.to_owned(), problem: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alignment::WordAlignment;
    use crate::retrieval::BothWays;

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

    fn report() -> AlignmentReport {
        let tags = ["ar", "de", "fi", "fr", "hi"];
        let of = |(at, tag): (usize, &&str)| {
            let strong = (at != 4).then_some(0.1 * at as f64);
            ((*tag).to_owned(), language(0.1 * at as f64, strong))
        };
        AlignmentReport {
            model: "m".to_owned(),
            source: "en".to_owned(),
            options: AlignmentOptions::default(),
            languages: tags.iter().enumerate().map(of).collect(),
            correlations: Vec::new(),
        }
    }

    fn results() -> Results {
        let scores = [("ar", 0.2), ("de", 0.3), ("en", 0.9), ("fi", 0.4), ("fr", 0.5), ("hi", 0.6)];
        let languages = scores.map(|(tag, score)| {
            format!(
                r#""{tag}":{{"n":1,"left_out":0,"truncated":0,"accuracy":{score},"macro_f1":0}}"#
            )
        });
        let text = format!(
            r#"{{"task":"classification","metric":"accuracy","source":"en",
            "selection":{{"rule":"","step":1,"score":1}},"languages":{{{}}},
            "mean_target":0.4,"gap":0.5,"n_targets":5}}"#,
            languages.join(",")
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Results::read(file.path()).unwrap()
    }

    #[test]
    fn correlations_are_over_the_languages_that_have_both() {
        let mut report = report();
        report.correlate(&results(), 1);
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
    fn writing_and_reading_is_the_identity() {
        let mut report = report();
        report.correlate(&results(), 1);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alignment.json");
        report.write(&path).unwrap();
        let read: AlignmentReport = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(read, report);
        let error = Results::read(&path).unwrap_err().to_string();
        assert!(error.contains("alignment.json: missing field"), "{error}");
    }
}
