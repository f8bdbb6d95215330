//! Estimation of language centring (Libovický et al. 2020): the mean and the deviation of a finished
//! model's features over unlabeled text.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::{Device, read_sync};
use isogloss_model::{ForwardOptions, HeadSpec, Model, ModelFolder};
use isogloss_text::Language;

use super::{EncodedTexts, Predictor};
use crate::Error;
use crate::error::ToolError;
use crate::ground::files::write_atomically;
use crate::ground::outputs::{quoted_beginning, read_outputs};
use crate::ground::plain_text::read_plain_texts;
use crate::task::{CENTRING, Centring, CentringBy, DataReport, FeatureStatistics};
use crate::tools::subnetwork::read_saved_subnetwork;

/// Options of the estimation of language centring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CentringOptions {
    /// Which moments are aligned.
    pub by: CentringBy,
    /// Maximum number of texts of each language, spread evenly over its file; all if absent.
    pub limit: Option<usize>,
    /// Batch size, in texts.
    pub batch_size: usize,
}

/// Language centring: estimates the statistics of a finished model's features in each language from
/// its file of texts, one a line, and writes them into the model folder, where evaluation and
/// prediction find them. Each language is run with the language adapter and the subnetwork that it
/// had in the model's run. Also returns the counts of truncated texts and of those without a token.
///
/// # Errors
/// If the model has no classifier, a source language has no file, or a file cannot be read.
pub fn estimate_centring(
    folder: &ModelFolder,
    files: &[(Language, PathBuf)],
    sources: &[Language],
    options: CentringOptions,
    device: &Device,
) -> Result<(Centring, DataReport), Error> {
    let predictor = Predictor::load(folder, device)?;
    let mut languages = BTreeMap::new();
    for (language, path) in files {
        let texts = read_plain_texts(path, options.limit)?;
        let exchanged = predictor.exchanged_for(language)?;
        let model = exchanged.as_ref().unwrap_or(&predictor.loaded.model);
        let subnetwork = read_saved_subnetwork(model.encoder.config(), &folder.path, language)?;
        let subnetwork = subnetwork.map(|of| of.mask(device));
        let pass = ForwardOptions { subnetwork, ..ForwardOptions::evaluation() };
        let statistics = predictor.feature_statistics(model, &pass, &texts, options.batch_size)?;
        let statistics = statistics.ok_or_else(|| ToolError::NoRows { path: path.clone() })?;
        if languages.insert(language.clone(), statistics).is_some() {
            return Err(
                ToolError::SecondFile { path: path.clone(), language: language.clone() }.into()
            );
        }
    }
    let mut of_sources = Vec::new();
    for source in sources {
        let found = languages.remove(source);
        let source_language = || source.clone();
        of_sources.push(
            found.ok_or_else(|| ToolError::NoSourceText { source_language: source_language() })?,
        );
    }
    let (by, source) = (options.by, FeatureStatistics::pooled(&of_sources));
    let centring = Centring { by, sources: sources.to_vec(), source, languages };
    write_atomically(&folder.path.join(CENTRING), &centring.to_json())?;
    Ok((centring, predictor.counts()))
}

impl Predictor {
    /// Statistics of the features of texts: of the vector of each text, or of each token that
    /// carries a tag; `None` without such rows.
    fn feature_statistics(
        &self,
        model: &Model,
        pass: &ForwardOptions,
        texts: &[String],
        batch_size: usize,
    ) -> Result<Option<FeatureStatistics>, Error> {
        if let HeadSpec::Parser(_) = self.head {
            return Err(ToolError::NothingToCenter { path: self.config_path.clone() }.into());
        }
        let width = model.encoder.config().hidden_size;
        let (mut n, mut sums, mut squares) = (0, vec![0.0; width], vec![0.0; width]);
        // Texts of one length need the least padding.
        let mut order: Vec<&str> = texts.iter().map(String::as_str).collect();
        order.sort_by_key(|text| text.len());
        for batch in order.chunks(batch_size) {
            let batch: Vec<_> = batch.iter().map(|text| (*text, None)).collect();
            for encoded in self.encode_all(&batch)? {
                let output = self.run(model, &encoded, pass)?;
                let rows_of_text = output.features.dims()[0] / encoded.texts.len();
                let whose = |row: usize| quoted_beginning(encoded.texts[row / rows_of_text].0);
                let features = read_sync(read_outputs(output.features, whose))?;
                for row in self.labeled_rows(&encoded) {
                    n += 1;
                    let row = &features[row * width..][..width];
                    for ((sum, square), x) in sums.iter_mut().zip(&mut squares).zip(row) {
                        *sum += f64::from(*x);
                        *square += f64::from(*x).powi(2);
                    }
                }
            }
        }
        let moments = sums.iter().zip(&squares).map(|(sum, square)| {
            let mean = sum / n as f64;
            let variance = (square / n as f64 - mean * mean).max(0.0);
            (mean as f32, variance.sqrt() as f32)
        });
        let (mean, deviation) = moments.unzip();
        Ok((n > 0).then_some(FeatureStatistics { n, mean, deviation }))
    }

    /// The rows of the features that carry a label: all, or of a tagger those of tagged units.
    fn labeled_rows(&self, encoded: &EncodedTexts<'_>) -> Vec<usize> {
        let texts = encoded.encoded.iter().zip(encoded.texts).enumerate();
        match self.head {
            HeadSpec::Tokens { .. } => texts
                .flat_map(|(row, (of, (text, _)))| {
                    let units = self.units(of, text).into_iter();
                    units.map(move |(_, token)| row * encoded.seq_len + token)
                })
                .collect(),
            HeadSpec::Sequence { .. } | HeadSpec::Parser(_) => texts.map(|(row, _)| row).collect(),
        }
    }
}
