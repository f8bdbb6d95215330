//! Tensors that have to fit into one buffer of a device, and the batches of inference that do.
//!
//! A GPU with small buffers takes fewer texts in a pass; a text that does not fit alone is refused
//! with the tensor.

use std::ops::Range;

use burn::tensor::Device;
use isogloss_kernels::attention_stores_scores;
use isogloss_model::{EncoderConfig, Model};
use isogloss_text::sequential_by_length;

use super::device::{DeviceError, DeviceInfo, batch_size_within, check_buffer, info_of};

/// Tensor of `f32` on a device.
#[derive(Debug, PartialEq)]
pub(crate) struct DeviceTensor {
    pub(crate) name: &'static str,
    pub(crate) shape: Vec<usize>,
    /// What makes it smaller.
    pub(crate) remedy: &'static str,
}

impl DeviceTensor {
    pub(crate) fn new(
        name: &'static str,
        shape: impl Into<Vec<usize>>,
        remedy: &'static str,
    ) -> Self {
        Self { name, shape: shape.into(), remedy }
    }

    /// Largest tensors of an encoder's pass over a batch of `[n, seq_len]` tokens: those inside the
    /// feed-forward networks, and the attention scores where attention stores them.
    pub(crate) fn for_pass(
        config: &EncoderConfig,
        stores_scores: bool,
        [n, seq_len]: [usize; 2],
        remedy: &'static str,
    ) -> Vec<Self> {
        let width = config.intermediate_size.max(config.hidden_size);
        let activations = Self::new("feed-forward activation tensor", [n, seq_len, width], remedy);
        let shape = [n, config.num_attention_heads, seq_len, seq_len];
        let scores = stores_scores.then(|| Self::new("attention score tensor", shape, remedy));
        [activations].into_iter().chain(scores).collect()
    }

    fn n_bytes(&self) -> u64 {
        let sizes = self.shape.iter();
        sizes.fold(size_of::<f32>() as u64, |n, size| n.saturating_mul(*size as u64))
    }

    /// Fails if the tensor does not fit into a buffer of the device.
    pub(crate) fn check(&self, info: &DeviceInfo) -> Result<(), DeviceError> {
        let shape: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        let what = format!("{} of {}", self.name, shape.join(" × "));
        check_buffer(info, &what, self.n_bytes(), self.remedy)
    }
}

/// Whether attention stores its scores on a device; see [`attention_stores_scores`].
pub(crate) fn stores_scores(device: &Device, config: &EncoderConfig, is_training: bool) -> bool {
    let head_width = config.hidden_size / config.num_attention_heads.max(1);
    attention_stores_scores(device, head_width, is_training)
}

/// Limit of the batches of inference with a model on a device.
#[derive(Clone, Debug)]
pub(crate) struct BatchLimit {
    /// The device, if it has a largest buffer.
    pub(crate) info: Option<DeviceInfo>,
    stores_scores: bool,
    /// Sizes of the relation scores of a word in a parser.
    relations: Option<[usize; 2]>,
}

impl BatchLimit {
    /// Limit for an encoder.
    pub(crate) fn for_encoder(device: &Device, config: &EncoderConfig) -> Self {
        let info = info_of(device).filter(|info| info.max_buffer_bytes.is_some());
        let stores_scores = info.is_some() && stores_scores(device, config, false);
        Self { info, stores_scores, relations: None }
    }

    /// Limit for a model with its head.
    pub(crate) fn for_model(device: &Device, model: &Model) -> Self {
        let relations = model.parser().map(|parser| {
            let spec = parser.spec();
            [spec.relations.len(), spec.config.label_width]
        });
        Self { relations, ..Self::for_encoder(device, model.encoder.config()) }
    }

    /// Number of texts of `seq_len` tokens that a batch can have, from 1 to `most`.
    pub(crate) fn n_texts(&self, config: &EncoderConfig, seq_len: usize, most: usize) -> usize {
        let Some(info) = &self.info else { return most.max(1) };
        let mut tensors = self.for_text(config, seq_len);
        // A word has at least one token.
        let relations = self.relations.map(|[n, width]| [seq_len, n, width]);
        tensors
            .extend(relations.map(|shape| DeviceTensor::new("relation score tensor", shape, "")));
        let sizes = tensors.iter().map(DeviceTensor::n_bytes);
        sizes.fold(most.max(1), |most, bytes| batch_size_within(info, most, bytes))
    }

    /// Splits a batch of texts of these lengths, in order, into batches that fit.
    ///
    /// # Errors
    /// [`DeviceError::TooLarge`] if the longest text does not fit alone.
    pub(crate) fn split(
        &self,
        config: &EncoderConfig,
        lengths: &[usize],
    ) -> Result<Vec<Range<usize>>, DeviceError> {
        let longest = lengths.iter().copied().max().unwrap_or(0).max(1);
        if let Some(info) = &self.info {
            self.for_text(config, longest).iter().try_for_each(|tensor| tensor.check(info))?;
        }
        let n = self.n_texts(config, longest, lengths.len());
        let starts = (0..lengths.len()).step_by(n);
        Ok(starts.map(|start| start..(start + n).min(lengths.len())).collect())
    }

    /// Batches of texts of similar lengths, of `batch_size` texts at most, as indices.
    ///
    /// # Errors
    /// As [`split`](Self::split).
    pub(crate) fn batches(
        &self,
        config: &EncoderConfig,
        lengths: &[usize],
        batch_size: usize,
    ) -> Result<Vec<Vec<usize>>, DeviceError> {
        let mut batches = Vec::new();
        for indices in sequential_by_length(lengths, batch_size) {
            let of_batch: Vec<usize> = indices.iter().map(|index| lengths[*index]).collect();
            let parts = self.split(config, &of_batch)?;
            batches.extend(parts.into_iter().map(|part| indices[part].to_vec()));
        }
        Ok(batches)
    }

    /// Tensors of a pass over one text.
    fn for_text(&self, config: &EncoderConfig, seq_len: usize) -> Vec<DeviceTensor> {
        let remedy = "shorten the text or lower the maximum length";
        DeviceTensor::for_pass(config, self.stores_scores, [1, seq_len], remedy)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use isogloss_model::presets;

    use super::*;
    use crate::ground::device::test_device;
    use crate::{Error, Predictor, TextEncoder};

    fn limit(max_buffer_bytes: u64, stores_scores: bool) -> BatchLimit {
        BatchLimit { info: Some(test_device(max_buffer_bytes)), stores_scores, relations: None }
    }

    #[test]
    fn a_batch_is_split_by_what_its_longest_text_needs() {
        // 10 tokens in feed-forward networks of 64 units have 2560 bytes.
        let config = presets::tiny(100);
        let lengths = [3, 10, 7, 2, 1];
        let split = |bytes, stores_scores| limit(bytes, stores_scores).split(&config, &lengths);
        assert_eq!(split(2 * 2560, false), Ok(vec![0..2, 2..4, 4..5]));
        assert_eq!(split(5 * 2560, false).map(|parts| parts.len()), Ok(1));
        assert_eq!(split(2560, false), Ok(vec![0..1, 1..2, 2..3, 3..4, 4..5]));
        let error = split(2559, false).unwrap_err().to_string();
        let begin = "feed-forward activation tensor of 1 × 10 × 64 needs 2560 bytes";
        assert!(error.starts_with(begin), "{error}");
        assert!(error.contains("shorten the text"), "{error}");
        // Scores of four heads over 40 tokens, 25 600 bytes, are larger than activations, 10 240.
        let long = |bytes| limit(bytes, true).split(&config, &[40, 40, 40]);
        assert_eq!(long(2 * 25_600), Ok(vec![0..2, 2..3]));
        let error = long(25_599).unwrap_err().to_string();
        assert!(error.starts_with("attention score tensor of 1 × 4 × 40 × 40 needs"), "{error}");
    }

    #[test]
    fn relation_scores_of_a_parser_count() {
        let config = presets::tiny(100);
        let parser = BatchLimit { relations: Some([20, 40]), ..limit(10 * 20 * 40 * 4 * 3, false) };
        assert_eq!(parser.n_texts(&config, 10, 32), 3);
        assert_eq!(BatchLimit { info: None, ..parser }.n_texts(&config, 10, 32), 32);
    }

    /// The fixture's BERT, with feed-forward networks of 64 units.
    fn folder() -> tempfile::TempDir {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
        let folder = tempfile::tempdir().unwrap();
        for file in ["bert/config.json", "bert/model.safetensors", "tokenizer.json"] {
            let name = Path::new(file).file_name().unwrap();
            std::fs::copy(fixtures.join(file), folder.path().join(name)).unwrap();
        }
        folder
    }

    #[test]
    fn inference_stays_within_the_largest_buffer() {
        let (folder, device) = (folder(), Device::flex());
        let texts = ["turn on the lamp", "open the door", "play music"];
        let pairs = texts.map(|text| (text, None));
        let mut predictor = Predictor::load(folder.path(), &device).unwrap();
        let mut encoder = TextEncoder::load(folder.path(), &device).unwrap();
        let tokenized = encoder.tokenize(&texts).unwrap();
        let longest = predictor.tokenizer().encode(texts[0], None, 40).unwrap().len();
        let whole = predictor.predict(&pairs).unwrap();
        let vectors = encoder.encode(&tokenized, &[], &[2]).unwrap();
        let text_bytes = (longest * 64 * 4) as u64;
        // One text a pass, and the longest one not even alone.
        for (bytes, fits) in [(text_bytes, true), (text_bytes - 1, false)] {
            predictor.limit = limit(bytes, false);
            encoder.limit = limit(bytes, false);
            let found = predictor.predict(&pairs);
            let encoded = encoder.encode(&tokenized, &[], &[2]);
            if fits {
                let names = |of: &[_]| of.iter().map(label).collect::<Vec<_>>();
                assert_eq!(names(&found.unwrap()), names(&whole));
                let (found, whole) = (&encoded.unwrap()[0].sentences, &vectors[0].sentences);
                let differences = found.values().iter().zip(whole.values());
                assert!(differences.map(|(a, b)| (a - b).abs()).all(|by| by < 1e-5));
                continue;
            }
            for error in [found.unwrap_err(), encoded.unwrap_err()] {
                assert!(matches!(error, Error::Device(DeviceError::TooLarge { .. })), "{error}");
            }
        }
    }

    fn label(prediction: &crate::Prediction) -> String {
        match prediction {
            crate::Prediction::Class { label, .. } => label.clone(),
            other => panic!("a class was asked for: {other:?}"),
        }
    }
}
