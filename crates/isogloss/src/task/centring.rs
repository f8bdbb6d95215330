//! Language centring (mean-centering; Libovický et al. 2020, "On the language neutrality of
//! pre-trained multilingual representations", arXiv:2004.05160): the features of a language are
//! moved onto those of the source languages, by statistics of unlabeled text that are stored with
//! the model.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use isogloss_model::{FeatureCentring, HeadSpec};
use isogloss_text::Language;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::error::{ToolError, io};

/// The file of a model folder that holds its [`Centring`].
pub const CENTRING: &str = "centring.json";

/// Language centring of a model: the statistics of its features in each language, and which of them
/// are aligned.
///
/// The features `z` of a language `l` become `z - μ_l + μ_s`, or by mean and deviation
/// `(z - μ_l) σ_s / σ_l + μ_s`, where `s` are the source languages together. Features are the inputs
/// of the classifier's last layer: vectors of texts, or of the tokens that carry a tag. The source
/// languages, which the classifier has learned from, stay as they are.
///
/// # Source
/// Libovický et al. 2020, arXiv:2004.05160, §3, centers each language at zero, for retrieval and
/// for probes trained on centered vectors. Here the target languages are moved onto the source, so
/// that a finished classifier reads them; the deviation is not theirs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Centring {
    /// Which moments are aligned.
    pub by: CentringBy,
    /// The source languages.
    pub sources: Vec<Language>,
    /// The features of the source languages together.
    pub source: FeatureStatistics,
    /// The features of each other language.
    pub languages: BTreeMap<Language, FeatureStatistics>,
}

/// Which moments of a language's features are aligned with those of the source languages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CentringBy {
    /// The mean, as in the paper.
    #[default]
    Mean,
    /// The mean and the standard deviation of each feature.
    MeanAndDeviation,
}

/// Statistics of features: the mean and the standard deviation of each, over rows of unlabeled text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureStatistics {
    /// Number of rows: texts, or the tokens that carry a tag.
    pub n: u64,
    /// Mean of each feature.
    pub mean: Vec<f32>,
    /// Standard deviation of each feature, over all rows (not `n - 1`).
    pub deviation: Vec<f32>,
}

/// Deviations below this are taken for those of a constant feature, such as a saturated tanh: the
/// quotient of two of them would be one of rounding errors.
const MIN_DEVIATION: f32 = 1e-6;

impl FeatureStatistics {
    /// Statistics of the rows of several sets together.
    pub fn pooled(sets: &[Self]) -> Self {
        let n: u64 = sets.iter().map(|set| set.n).sum();
        let width = sets.first().map_or(0, |set| set.mean.len());
        let sum = |of: &dyn Fn(&Self, usize) -> f64, i: usize| -> f64 {
            sets.iter().map(|set| set.n as f64 * of(set, i)).sum::<f64>() / n as f64
        };
        let mean = |set: &Self, i: usize| f64::from(set.mean[i]);
        let square = |set: &Self, i: usize| {
            f64::from(set.mean[i]).powi(2) + f64::from(set.deviation[i]).powi(2)
        };
        let moments = (0..width).map(|i| (sum(&mean, i), sum(&square, i)));
        let (mean, deviation) = moments
            .map(|(mean, square)| (mean as f32, (square - mean * mean).max(0.0).sqrt() as f32))
            .unzip();
        Self { n, mean, deviation }
    }

    fn is_valid(&self, width: usize) -> bool {
        let is_number = |x: &f32| x.is_finite();
        let deviation = self.deviation.iter();
        self.n > 0
            && [self.mean.len(), self.deviation.len()] == [width; 2]
            && self.mean.iter().all(is_number)
            && deviation.clone().all(|x| is_number(x) && *x >= 0.0)
    }
}

impl Centring {
    /// Reads the centring of a model folder; `None` if the model has none.
    ///
    /// # Errors
    /// If the file cannot be read, or is not of a model with this head and hidden size.
    pub fn read(folder: &Path, head: &HeadSpec, hidden_size: usize) -> Result<Option<Self>, Error> {
        let path = folder.join(CENTRING);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = std::fs::read(&path).map_err(io(&path))?;
        Self::from_json(&bytes, &path, head, hidden_size).map(Some)
    }

    /// Parses the bytes of a centring; `path` names them in error messages.
    ///
    /// # Errors
    /// If it is malformed, or not of a model with this head and hidden size.
    pub fn from_json(
        bytes: &[u8],
        path: &Path,
        head: &HeadSpec,
        hidden_size: usize,
    ) -> Result<Self, Error> {
        let error = |problem: String| ToolError::Centring { path: path.to_owned(), problem };
        let this: Self = serde_json::from_slice(bytes).map_err(|e| error(e.to_string()))?;
        if let HeadSpec::Parser(_) = head {
            return Err(error("a parser has no features to center".to_owned()).into());
        }
        let expected = || {
            format!("expected numbers, {hidden_size} a mean and a deviation, of one row or more")
        };
        if !this.source.is_valid(hidden_size) {
            return Err(error(format!("source: {}", expected())).into());
        }
        if this.sources.is_empty() {
            return Err(error("sources: expected a language".to_owned()).into());
        }
        for (language, statistics) in &this.languages {
            let problem = match statistics.is_valid(hidden_size) {
                _ if this.sources.contains(language) => "a source language too".to_owned(),
                false => expected(),
                true => continue,
            };
            return Err(error(format!("languages.{language}: {problem}")).into());
        }
        Ok(this)
    }

    /// JSON of the file in a model folder.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("names and numbers are printable");
        bytes.push(b'\n');
        bytes
    }

    /// The factor and the shift of each feature of a language; `None` for a source language and for
    /// one without statistics, whose features stay as they are.
    pub fn factors(&self, language: &Language) -> Option<(Vec<f32>, Vec<f32>)> {
        let of = self.languages.get(language)?;
        let scale = |(source, target): (&f32, &f32)| match self.by {
            CentringBy::MeanAndDeviation if source.min(*target) > MIN_DEVIATION => source / target,
            CentringBy::MeanAndDeviation | CentringBy::Mean => 1.0,
        };
        let scale: Vec<f32> = self.source.deviation.iter().zip(&of.deviation).map(scale).collect();
        let means = self.source.mean.iter().zip(&of.mean).zip(&scale);
        let shift = means.map(|((source, target), scale)| source - target * scale).collect();
        Some((scale, shift))
    }

    /// The centring of a language's features on a device, as [`factors`](Self::factors).
    pub fn for_language(&self, language: &Language, device: &Device) -> Option<FeatureCentring> {
        let (scale, shift) = self.factors(language)?;
        let row = |values: Vec<f32>| {
            let shape = [1, values.len()];
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        Some(FeatureCentring { scale: row(scale), shift: row(shift) })
    }

    /// Whether the language is a source, or is moved onto the sources.
    pub fn has(&self, language: &Language) -> bool {
        self.sources.contains(language) || self.languages.contains_key(language)
    }
}

#[cfg(test)]
mod tests {
    use isogloss_model::Pooling;

    use super::*;

    fn statistics(n: u64, mean: [f32; 2], deviation: [f32; 2]) -> FeatureStatistics {
        FeatureStatistics { n, mean: mean.to_vec(), deviation: deviation.to_vec() }
    }

    fn centring(by: CentringBy) -> Centring {
        Centring {
            by,
            sources: vec!["en".parse().unwrap()],
            source: statistics(4, [1.0, -2.0], [3.0, 0.5]),
            languages: [("de".parse().unwrap(), statistics(2, [5.0, 0.0], [1.5, 0.0]))].into(),
        }
    }

    #[test]
    fn means_are_moved_and_deviations_scaled() {
        let de = "de".parse().unwrap();
        let (scale, shift) = centring(CentringBy::Mean).factors(&de).unwrap();
        assert_eq!((scale, shift), (vec![1.0, 1.0], vec![-4.0, -2.0]));
        // (z - 5) 3 / 1.5 + 1; the second feature is constant in German.
        let (scale, shift) = centring(CentringBy::MeanAndDeviation).factors(&de).unwrap();
        assert_eq!((scale, shift), (vec![2.0, 1.0], vec![-9.0, -2.0]));
        for other in ["en", "fr"] {
            assert_eq!(centring(CentringBy::Mean).factors(&other.parse().unwrap()), None);
        }
    }

    #[test]
    fn sources_are_pooled_by_their_rows() {
        // The rows 0, 2 and 7, 7, 7, 7: their mean is 5, their mean square 200 / 6.
        let sets = [statistics(2, [1.0, 0.0], [1.0, 0.0]), statistics(4, [7.0, 0.0], [0.0, 0.0])];
        let pooled = FeatureStatistics::pooled(&sets);
        assert_eq!((pooled.n, pooled.mean[0]), (6, 5.0));
        assert!((pooled.deviation[0] - (200.0f32 / 6.0 - 25.0).sqrt()).abs() < 1e-6);
    }

    #[test]
    fn files_of_other_models_are_refused() {
        let head = HeadSpec::sequence(vec!["a".into(), "b".into()], Pooling::Mean);
        let read = |centring: &Centring, width| {
            Centring::from_json(&centring.to_json(), "centring.json".as_ref(), &head, width)
        };
        let whole = centring(CentringBy::Mean);
        assert_eq!(read(&whole, 2).unwrap(), whole);
        let error = read(&whole, 3).unwrap_err().to_string();
        assert!(error.starts_with("centring.json: source: expected numbers, 3 a mean"), "{error}");
        let mut twice = whole.clone();
        twice.languages.insert("en".parse().unwrap(), whole.source.clone());
        let error = read(&twice, 2).unwrap_err().to_string();
        assert_eq!(error, "centring.json: languages.en: a source language too");
        let mut empty = whole.clone();
        empty.languages.values_mut().for_each(|of| of.n = 0);
        let error = read(&empty, 2).unwrap_err().to_string();
        assert!(error.starts_with("centring.json: languages.de: expected numbers"), "{error}");
    }
}
