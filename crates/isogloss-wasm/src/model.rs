//! A model in the browser: predictions, sentence embeddings, word alignment.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use burn::module::Module as _;
use isogloss::device::{DeviceChoice, DeviceInfo, check_embedding_matrix, open, open_webgpu};
use isogloss::model::{
    EncoderConfig, ForwardOptions, LoadedModel, load_bytes, read_sentence_modules_bytes,
};
use isogloss::report::SUBNETWORKS;
use isogloss::text::{Extraction, Language, Tokenizer, sequential_by_length};
use isogloss::{CENTRING, DataReport, EncoderAligner, Prediction, Predictor, TextEncoder};
use js_sys::{Float32Array, Object, Reflect, Uint8Array};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

use crate::labeler::Labeler;
use crate::{Evaluation, to_js};

/// A model on a device: an encoder, and a predictor if it has a head.
#[derive(Debug)]
#[wasm_bindgen]
pub struct Model {
    encoder: TextEncoder,
    /// Why sentence embeddings cannot be made as the folder says, if a file of them is missing.
    sentences: Result<(), String>,
    labeler: Option<Rc<Labeler>>,
    info: Value,
    batch_size: usize,
    /// Counts of the texts so far, without those of the predictor.
    counts: RefCell<DataReport>,
}

/// Batch size in texts. On the single thread of the CPU a larger batch only adds padding; a GPU is
/// busy only with many texts, of which the library takes as many at a time as its buffers do.
const CPU_BATCH: usize = 4;
const GPU_BATCH: usize = 32;

/// Why an encoder without a head has no labels.
const NO_HEAD: &str = "this model has no head; fine-tune it first";

/// The bytes of the file `name` in `files`.
fn file(files: &Object, name: &str) -> Result<Vec<u8>, JsError> {
    let value = Reflect::get(files, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let bytes = value.dyn_into::<Uint8Array>();
    bytes.map(|bytes| bytes.to_vec()).map_err(|_| JsError::new(&format!("{name}: no such file")))
}

/// Refuses a folder of adapters without their base model.
fn check_whole(files: &Object) -> Result<(), JsError> {
    let has = |name: &str| Reflect::has(files, &name.into()).unwrap_or(false);
    let adapter_files = ["isogloss.json", "adapter_config.json"];
    match adapter_files.into_iter().find(|name| has(name)) {
        Some(name) if !has("model.safetensors") => Err(JsError::new(&format!(
            "{name}: these are adapters without their base model; `isogloss merge` makes a whole \
             model of those of peft"
        ))),
        _ => Ok(()),
    }
}

/// Files of subnetworks that a run saved in the model folder, by language tag.
fn subnetworks(files: &Object) -> Result<BTreeMap<String, Vec<u8>>, JsError> {
    let names = Object::keys(files).into_iter().filter_map(|name| name.as_string());
    let tag = |name: &str| {
        let name = name.strip_prefix(SUBNETWORKS)?.strip_prefix('/')?;
        Some(name.strip_suffix(".toml")?.to_owned())
    };
    names
        .filter_map(|name| Some((tag(&name)?, name)))
        .map(|(tag, name)| Ok((tag, file(files, &name)?)))
        .collect()
}

/// Checks that the embedding matrix fits into one buffer of the device.
///
/// A malformed configuration passes: the loading of the model reports what is wrong with it.
fn check_table(config: &[u8], info: &DeviceInfo) -> Result<(), JsError> {
    let Ok(json) = serde_json::from_slice(config) else { return Ok(()) };
    let Ok(sizes) = EncoderConfig::from_json(&json) else { return Ok(()) };
    Ok(check_embedding_matrix(info, [sizes.vocab_size, sizes.hidden_size])?)
}

#[wasm_bindgen]
impl Model {
    /// Loads a model from the files of its folder.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the device cannot be used for this model.
    pub async fn load(
        #[wasm_bindgen(unchecked_param_type = "ModelFiles")] files: Object,
        #[wasm_bindgen(unchecked_param_type = "DeviceName")] device: String,
    ) -> Result<Model, JsError> {
        check_whole(&files)?;
        let config = file(&files, "config.json")?;
        let tokenizer = file(&files, "tokenizer.json")?;
        let weights = file(&files, "model.safetensors")?;
        let (open, most) = match device.as_str() {
            "cpu" => (open(DeviceChoice::Flex)?, CPU_BATCH),
            "webgpu" => (open_webgpu().await?, GPU_BATCH),
            other => return Err(JsError::new(&format!("no device {other:?}: cpu or webgpu"))),
        };
        check_table(&config, &open.info)?;
        let device = open.device;
        let loaded = load_bytes(&config, weights, &device)?;
        let beside = |name: &str| file(&files, name).ok();
        let tokenizer = Tokenizer::from_folder_bytes(&tokenizer, beside)?;
        let encoder = TextEncoder::from_loaded(&loaded, tokenizer.clone(), &device)?;
        let read = |name: &str| file(&files, name).ok();
        // A model without the files of its modules still predicts and aligns.
        let (encoder, sentences) = match read_sentence_modules_bytes(&read) {
            Ok(Some(modules)) => (encoder.with_modules(modules)?, Ok(())),
            Ok(None) => (encoder, Ok(())),
            Err(error) => (encoder, Err(error.to_string())),
        };
        let encoder = encoder.with_batch_size(most);
        let mut info = description(&loaded);
        let (mut labeler, mut batch_size) = (None, most);
        if loaded.head.is_some() {
            let mut predictor = Predictor::from_loaded(loaded, tokenizer, &device)?;
            if let Ok(bytes) = file(&files, CENTRING) {
                predictor = predictor.with_centring(&bytes, CENTRING.as_ref())?;
            }
            batch_size = predictor.largest_batch(most);
            let languages = predictor.centring().map(|of| of.languages.keys().collect());
            info["centring"] = json!(languages.unwrap_or_else(Vec::new));
            info["task"] = json!(predictor.task().name());
            info["labels"] = json!(predictor.head().labels());
            let subnetworks = subnetworks(&files)?;
            info["subnetworks"] = json!(subnetworks.keys().collect::<Vec<_>>());
            let with_head = Labeler { predictor, device, subnetworks };
            info["not_scored"] = json!(with_head.labels().err());
            info["reads_pairs"] = json!(with_head.reads_pairs());
            labeler = Some(Rc::new(with_head));
        }
        info["pooling"] = json!(encoder.pooling().name());
        let counts = RefCell::default();
        Ok(Self { encoder, sentences, labeler, info, batch_size, counts })
    }

    /// Model information: architecture, task and labels.
    ///
    /// # Errors
    /// Only if memory runs out.
    #[wasm_bindgen(unchecked_return_type = "ModelInfo")]
    pub fn info(&self) -> Result<JsValue, JsError> {
        to_js(&self.info)
    }

    /// Number of truncated texts so far: those that were too long for the model in calls of
    /// `predict`, `embed`, `similarity` and `align`.
    #[wasm_bindgen(getter)]
    pub fn n_truncated(&self) -> usize {
        self.counts().n_truncated
    }

    /// Number of texts without a token so far, such as zero-width spaces alone, in the same calls:
    /// the model read special tokens only.
    #[wasm_bindgen(getter)]
    pub fn n_without_tokens(&self) -> usize {
        self.counts().n_without_tokens
    }

    /// Predicts the labels of texts, with the whole model. `languages`, if given, are the language
    /// tags of the texts, one for each: each text is predicted with the centring of its language,
    /// where the model has one. A model that was trained on pairs (`info().reads_pairs`) reads two
    /// texts with one tab between them.
    ///
    /// # Errors
    /// If a text cannot be tokenized, or is no pair where the model reads pairs, there is no language tag for each text, the device is lost, or
    /// the model is a parser or has no head.
    #[wasm_bindgen(unchecked_return_type = "Prediction[]")]
    pub async fn predict(
        &self,
        texts: Vec<String>,
        languages: Option<Vec<String>>,
    ) -> Result<JsValue, JsError> {
        let labeler = self.labeler()?;
        let predictor = &labeler.predictor;
        let texts = texts.iter().map(|text| labeler.parts(text)).collect::<Result<Vec<_>, _>>()?;
        let mut predictions = vec![Value::Null; texts.len()];
        for (language, indices) in by_language(texts.len(), languages)? {
            let centring = language.and_then(|language| predictor.feature_centring(&language));
            let pass = ForwardOptions { centring, ..ForwardOptions::evaluation() };
            self.predict_some(predictor, &texts, &indices, &pass, &mut predictions).await?;
        }
        to_js(&predictions)
    }

    /// Sentence embeddings of texts, concatenated: of the sentence-transformers modules of the
    /// folder, else means of their hidden states in the last layer.
    ///
    /// # Errors
    /// If a file of the modules was not given, a text cannot be tokenized, or the device is lost.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Float32Array, JsError> {
        Ok(self.vectors(&texts).await?.values().into())
    }

    /// Cosine similarity matrix of the sentence embeddings of texts, row by row.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub async fn similarity(&self, texts: Vec<String>) -> Result<Float32Array, JsError> {
        let vectors = self.vectors(&texts).await?.normalized();
        let n = vectors.len();
        let mut cosines = Vec::with_capacity(n * n);
        for i in 0..n {
            let row = vectors.row(i);
            let cosine = |j| row.iter().zip(vectors.row(j)).map(|(a, b)| a * b).sum::<f32>();
            cosines.extend((0..n).map(cosine));
        }
        Ok(cosines.as_slice().into())
    }

    /// Word alignment of two texts: links words whose subwords are each other's most similar
    /// (mutual argmax) in the layer two thirds of the way up the encoder.
    ///
    /// Words are separated by white space; each character of Chinese and Japanese is a word.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    #[wasm_bindgen(unchecked_return_type = "WordAlignment")]
    pub async fn align(&self, left: String, right: String) -> Result<JsValue, JsError> {
        let (left, right) = (words(&left), words(&right));
        let layer = (2 * (self.encoder.n_layers() - 1)).div_ceil(3);
        let extraction = Extraction::MutualArgmax;
        let aligner = EncoderAligner { layer, extraction, ..EncoderAligner::default() };
        let (left_text, right_text) = (left.join(" "), right.join(" "));
        let pairs = [(left_text.as_str(), right_text.as_str())];
        let (alignments, counts) = aligner.align_async(&self.encoder, &pairs).await?;
        self.counts.borrow_mut().add(&counts);
        let links = alignments.iter().flat_map(|of_pair| of_pair.links());
        let links = links.map(|(left, right)| json!({ "left": left, "right": right }));
        let links: Vec<_> = links.collect();
        to_js(&json!({ "left": left, "right": right, "links": links }))
    }

    /// Starts the evaluation of the model on a labeled file, whose name tells format and language,
    /// with the parts of the model that its run used for the language. `unseen` says what to do with
    /// labels that the model does not know, in place of what is saved with the model.
    ///
    /// # Errors
    /// If the file cannot be read, a label is unknown and not to be left out, no example is left,
    /// the model has no head, or it needs the language and the name of the file does not tell it.
    pub fn evaluation(
        &self,
        bytes: &[u8],
        name: &str,
        batch_size: usize,
        #[wasm_bindgen(unchecked_optional_param_type = "UnseenLabels")] unseen: Option<String>,
    ) -> Result<Evaluation, JsError> {
        Evaluation::new(self.labeler()?.clone(), bytes, name, batch_size, unseen.as_deref())
    }
}

impl Model {
    /// Predicts the texts at these indices, with these options of the pass.
    async fn predict_some(
        &self,
        predictor: &Predictor,
        texts: &[(&str, Option<&str>)],
        indices: &[usize],
        pass: &ForwardOptions,
        predictions: &mut [Value],
    ) -> Result<(), JsError> {
        let n_labels = predictor.head().labels().len();
        let length = |(text, pair): (&str, Option<&str>)| text.len() + pair.map_or(0, str::len);
        let lengths: Vec<usize> = indices.iter().map(|index| length(texts[*index])).collect();
        for batch in sequential_by_length(&lengths, self.batch_size) {
            let batch: Vec<usize> = batch.into_iter().map(|at| indices[at]).collect();
            let texts: Vec<_> = batch.iter().map(|i| texts[*i]).collect();
            let (encoded, logits) = predictor.forward_with(&texts, pass)?;
            let probabilities = predictor.read(&encoded, logits).await?;
            let rows = probabilities.chunks(n_labels);
            let answers = predictor.decode(&encoded, &probabilities).into_iter().zip(rows);
            for (at, (index, (prediction, row))) in batch.into_iter().zip(answers).enumerate() {
                let mut answer = match prediction {
                    Prediction::Class { label, probability } => {
                        json!({ "label": label, "probability": probability, "probabilities": row })
                    }
                    Prediction::Labels { labels } => json!({ "labels": labels }),
                    Prediction::Scores { scores } => json!({ "scores": scores }),
                    Prediction::Tokens(tokens) => json!({ "tokens": tokens }),
                };
                answer["truncated"] = json!(encoded.is_truncated(at));
                answer["without_tokens"] = json!(encoded.lacks_tokens(at));
                predictions[index] = answer;
            }
        }
        Ok(())
    }

    /// Counts of all texts so far.
    fn counts(&self) -> DataReport {
        let mut counts = self.counts.borrow().clone();
        if let Some(labeler) = &self.labeler {
            counts.add(&labeler.predictor.counts());
        }
        counts
    }

    fn labeler(&self) -> Result<&Rc<Labeler>, JsError> {
        let error = || JsError::new(NO_HEAD);
        self.labeler.as_ref().ok_or_else(error)
    }

    async fn vectors(&self, texts: &[String]) -> Result<isogloss::search::Vectors, JsError> {
        self.sentences.as_ref().map_err(|problem| JsError::new(problem))?;
        let encoder = &self.encoder;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let texts = encoder.tokenize(&texts)?;
        self.counts.borrow_mut().add(&DataReport::from_texts(&texts));
        let layer = encoder.sentence_layer();
        let mut layers = encoder.encode_async(&texts, &[], &[layer]).await?;
        Ok(layers.remove(0).sentences)
    }
}

/// The indices of `n` texts by their language; without languages, all together.
fn by_language(
    n: usize,
    languages: Option<Vec<String>>,
) -> Result<BTreeMap<Option<Language>, Vec<usize>>, JsError> {
    let Some(tags) = languages else { return Ok([(None, (0..n).collect())].into()) };
    if tags.len() != n {
        return Err(JsError::new(&format!("{} languages of {n} texts", tags.len())));
    }
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for (index, tag) in tags.iter().enumerate() {
        found.entry(Some(tag.parse()?)).or_default().push(index);
    }
    Ok(found)
}

/// Model information without task and labels.
fn description(loaded: &LoadedModel) -> Value {
    let config = loaded.model.encoder.config();
    json!({
        "task": "none",
        "labels": [],
        "not_scored": NO_HEAD,
        "subnetworks": [],
        "centring": [],
        "reads_pairs": false,
        "family": loaded.config_json["model_type"],
        "n_layers": config.num_hidden_layers,
        "hidden_size": config.hidden_size,
        "vocab_size": config.vocab_size,
        "n_parameters": loaded.model.num_params(),
        "max_tokens": config.max_tokens(),
    })
}

/// Word segmentation: splits at white space and around characters of Chinese and Japanese.
fn words(text: &str) -> Vec<String> {
    // Han, kana and the marks between them.
    let is_word = |c: char| matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}');
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let mut start_new = true;
        for c in word.chars() {
            if start_new || is_word(c) {
                words.push(String::new());
            }
            words.last_mut().expect("the first character begins one").push(c);
            start_new = is_word(c);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_characters_are_words() {
        assert_eq!(words("turn on  the light"), ["turn", "on", "the", "light"]);
        assert_eq!(words("打开LED灯 吧"), ["打", "开", "LED", "灯", "吧"]);
        assert!(words(" ").is_empty());
    }
}
