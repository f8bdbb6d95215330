//! Inference with a fine-tuned model: labels for texts, tags for tokens, dependency trees for
//! sentences.

mod centring;
mod decode;
mod encoded_texts;
mod language;
mod parsing;
mod prediction;
mod probabilities;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::Error;
use crate::error::ToolError;
use crate::ground::batch_limit::BatchLimit;
use crate::ground::vocabulary::check_vocabulary;
use crate::task::{
    Centring, DataReport, LabeledSet, LabeledTask, LearnedLabels, SavedScoring, TargetKind,
};
use burn::module::Module;
use burn::tensor::{Device, Tensor, read_sync};
use isogloss_model::{
    FeatureCentring, ForwardOptions, HeadChoice, HeadSpec, LoadedModel, Model, ModelFolder,
    ModelOutput, ProblemType, SubnetworkMask, base_folder, load, tokenizer_folder,
};
use isogloss_text::{
    Encoded, Example, LabelSet, Language, TagUnits, TextError, TokenBatch, Tokenizer, Unseen,
    whitespace_words,
};

pub use centring::{CentringOptions, estimate_centring};
pub use encoded_texts::EncodedTexts;
pub use prediction::{LabelProbability, LabelScore, Prediction, TokenPrediction};

/// Inference pipeline: a fine-tuned model with its tokenizer and labels.
#[derive(Debug)]
pub struct Predictor {
    loaded: LoadedModel,
    tokenizer: Tokenizer,
    head: HeadSpec,
    scoring: SavedScoring,
    /// The file of the labels, for error messages.
    config_path: PathBuf,
    device: Device,
    /// The mask of the heads and blocks that are used; `None` for all.
    subnetwork: Option<SubnetworkMask>,
    /// The language centring of the model's file, if it has one.
    centring: Option<Centring>,
    /// The centring of the language that is predicted; `None` for features as they are.
    feature_centring: Option<FeatureCentring>,
    counts: Mutex<DataReport>,
    /// How many texts fit into a pass on the device.
    pub(crate) limit: BatchLimit,
}

impl Predictor {
    /// Loads a fine-tuned model.
    ///
    /// # Errors
    /// If the folder holds no model with a head.
    pub fn load(folder: impl Into<ModelFolder>, device: &Device) -> Result<Self, Error> {
        let folder = folder.into();
        let loaded = load(&folder, &HeadChoice::Saved, device)?;
        let own = folder.path.join("config.json");
        let config = if own.exists() { own } else { base_folder(&folder)?.join("config.json") };
        let tokenizer_path = tokenizer_folder(&folder)?.join("tokenizer.json");
        let tokenizer = Tokenizer::from_file(&tokenizer_path)?;
        let is_adapter_only = folder.path.join("isogloss.json").exists();
        let scoring = if is_adapter_only { "isogloss.json" } else { "config.json" };
        let paths = [config, folder.path.join(scoring), tokenizer_path];
        let mut this = Self::new(loaded, tokenizer, &paths, device)?;
        let hidden_size = this.loaded.model.encoder.config().hidden_size;
        this.centring = Centring::read(&folder.path, &this.head, hidden_size)?;
        Ok(this)
    }

    /// Creates a predictor from a loaded model and its tokenizer.
    ///
    /// # Errors
    /// As [`load`](Self::load); messages name `config.json` and `tokenizer.json`.
    pub fn from_loaded(
        loaded: LoadedModel,
        tokenizer: Tokenizer,
        device: &Device,
    ) -> Result<Self, Error> {
        let paths = ["config.json", "config.json", "tokenizer.json"].map(PathBuf::from);
        Self::new(loaded, tokenizer, &paths, device)
    }

    fn new(
        loaded: LoadedModel,
        tokenizer: Tokenizer,
        [config_path, scoring_path, tokenizer_path]: &[PathBuf; 3],
        device: &Device,
    ) -> Result<Self, Error> {
        let Some(head) = loaded.head.clone() else {
            return Err(ToolError::NoHead { path: config_path.clone() }.into());
        };
        check_vocabulary(&tokenizer, tokenizer_path, loaded.model.encoder.config())?;
        let scoring = SavedScoring::from_model(&loaded, &head, &tokenizer, scoring_path)?;
        let (config_path, device) = (config_path.to_owned(), device.clone());
        let limit = BatchLimit::for_model(&device, &loaded.model);
        Ok(Self {
            loaded,
            tokenizer,
            head,
            scoring,
            config_path,
            device,
            subnetwork: None,
            centring: None,
            feature_centring: None,
            counts: Mutex::default(),
            limit,
        })
    }

    /// The loaded model with its head, configuration and load report.
    pub fn loaded(&self) -> &LoadedModel {
        &self.loaded
    }

    /// The model with parameters that require gradients.
    pub fn into_trainable(self) -> Model {
        self.loaded.model.train()
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The head.
    pub fn head(&self) -> &HeadSpec {
        &self.head
    }

    /// The task that the model was fine-tuned for.
    pub fn task(&self) -> &dyn LabeledTask {
        self.scoring.labeled()
    }

    /// The task and evaluation options: those saved with the model, else those derived from its
    /// head.
    pub fn scoring(&self) -> &SavedScoring {
        &self.scoring
    }

    /// Sets the task and the evaluation options; the maximum length is at most the model's own.
    ///
    /// # Errors
    /// If the task does not fit the model's head.
    pub fn with_scoring(self, scoring: SavedScoring) -> Result<Self, Error> {
        let scoring = scoring.for_model(&self.loaded, &self.head, "the given scoring".as_ref())?;
        Ok(Self { scoring, ..self })
    }

    /// Creates an evaluation dataset from labeled examples that were read from the file `path`.
    ///
    /// # Errors
    /// If none is left, or an example cannot be tokenized or has a label that the model lacks.
    pub fn labeled_set(
        &self,
        path: &Path,
        examples: &[Example],
        language: Language,
        unseen: Unseen,
    ) -> Result<LabeledSet, Error> {
        let labels = self.labels()?;
        let options = self.scoring.feature_options().with_unseen(unseen);
        let (task, tokenizer) = (self.task(), &self.tokenizer);
        let tags = match &self.head {
            HeadSpec::Parser(parser) if !parser.tags.is_empty() => {
                Some(self.label_set(&parser.tags)?)
            }
            _ => None,
        };
        let learned = LearnedLabels { labels: &labels, aux: None, scored_aux: tags.as_ref() };
        LabeledSet::from_examples(path, examples, task, language, tokenizer, learned, &options)
    }

    /// The label set of a single-label model, of which each text or token gets one label.
    ///
    /// # Errors
    /// If two labels are the same, or the model is multi-label or a regression.
    pub fn labels(&self) -> Result<LabelSet, Error> {
        let path = || self.config_path.clone();
        let problem = self.head.problem();
        if problem != ProblemType::SingleLabel {
            let n_labels = self.head.labels().len();
            return Err(ToolError::NotOneLabel { path: path(), problem, n_labels }.into());
        }
        self.label_set(self.head.labels())
    }

    fn label_set(&self, names: &[String]) -> Result<LabelSet, Error> {
        LabelSet::new(names.iter().cloned()).map_err(|source| {
            let path = self.config_path.clone();
            ToolError::Labels { path, source: source.into() }.into()
        })
    }

    /// Counts of the texts predicted so far: how many were truncated, and how many have no token.
    pub fn counts(&self) -> DataReport {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, counts: &DataReport) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).add(counts);
    }

    /// Predicts a batch of texts, each with an optional second text (text pair).
    ///
    /// Texts that do not fit into the device's buffers together are predicted in several passes.
    ///
    /// # Errors
    /// If a text cannot be tokenized or does not fit alone, or a logit is not finite.
    pub fn predict(&self, texts: &[(&str, Option<&str>)]) -> Result<Vec<Prediction>, Error> {
        let mut predictions = Vec::with_capacity(texts.len());
        for encoded in self.encode_all(texts)? {
            let output = self.run(&self.loaded.model, &encoded, &self.pass())?;
            let outputs = read_sync(self.read(&encoded, output.logits))?;
            predictions.extend(self.decode(&encoded, &outputs));
        }
        Ok(predictions)
    }

    /// Largest number of texts, at most `most`, that [`forward`](Self::forward) takes on this device
    /// whatever their lengths: as many as fit into its largest buffer.
    pub fn largest_batch(&self, most: usize) -> usize {
        let max_length = self.scoring.max_length;
        self.limit.n_texts(self.loaded.model.encoder.config(), max_length, most)
    }

    /// Forward pass over a batch of at least one text. Returns, on the device, the logit of each
    /// label: `[batch, n_labels]` for texts, `[batch * seq, n_labels]` for tokens.
    ///
    /// [`read`](Self::read) reads them back to the host, which is asynchronous in a browser, and
    /// [`decode`](Self::decode) turns what it gives into predictions.
    ///
    /// # Errors
    /// If a text cannot be tokenized, the batch does not fit into the device's buffers
    /// ([`largest_batch`](Self::largest_batch)), or the model is a parser.
    pub fn forward<'a>(
        &self,
        texts: &'a [(&'a str, Option<&'a str>)],
    ) -> Result<(EncodedTexts<'a>, Tensor<2>), Error> {
        self.forward_with(texts, &self.pass())
    }

    /// [`forward`](Self::forward) with other options of the pass, such as the centring of a
    /// language.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_with<'a>(
        &self,
        texts: &'a [(&'a str, Option<&'a str>)],
        options: &ForwardOptions,
    ) -> Result<(EncodedTexts<'a>, Tensor<2>), Error> {
        let mut encoded = self.encode_all(texts)?;
        if encoded.len() != 1 {
            let most = encoded.first().map_or(0, |first| first.texts.len());
            return Err(ToolError::BatchSize { n: texts.len(), most }.into());
        }
        let encoded = encoded.remove(0);
        let output = self.run(&self.loaded.model, &encoded, options)?;
        Ok((encoded, output.logits))
    }

    /// Tokenizes texts, into batches that fit into the device's buffers.
    fn encode_all<'a>(
        &self,
        texts: &'a [(&'a str, Option<&'a str>)],
    ) -> Result<Vec<EncodedTexts<'a>>, Error> {
        if let HeadSpec::Parser(_) = self.head {
            return Err(ToolError::NeedsTreebank.into());
        }
        let encoded = texts.iter().map(|(text, pair)| self.encode(text, *pair));
        let mut encoded = encoded.collect::<Result<Vec<_>, _>>()?;
        let mut counts = DataReport::from_encodings(&encoded);
        if self.task().target() == TargetKind::Tag(TagUnits::Word) {
            for (encoded, (text, _)) in encoded.iter().zip(texts) {
                let first = encoded.first_subwords(whitespace_words(text).len());
                counts.add_lost_words(encoded.count_lost(&first));
            }
        }
        self.count(&counts);
        let lengths: Vec<usize> = encoded.iter().map(Encoded::len).collect();
        let parts = self.limit.split(self.loaded.model.encoder.config(), &lengths)?;
        let parts = parts.into_iter().map(|part| {
            let encoded: Vec<_> = encoded.drain(..part.len()).collect();
            let seq_len = encoded.iter().map(|of| of.len().max(1)).max().unwrap_or(0);
            EncodedTexts { texts: &texts[part], encoded, seq_len }
        });
        Ok(parts.collect())
    }

    /// Runs a model on a batch of at least one text.
    fn run(
        &self,
        model: &Model,
        texts: &EncodedTexts<'_>,
        options: &ForwardOptions,
    ) -> Result<ModelOutput, Error> {
        let config = self.loaded.model.encoder.config();
        let rows: Vec<_> = texts.encoded.iter().map(|encoded| encoded.ids.as_slice()).collect();
        let mut batch = TokenBatch::from_ids(&rows, config.pad_token_id);
        for (row, encoded) in texts.encoded.iter().enumerate() {
            for (column, type_id) in encoded.type_ids.iter().enumerate() {
                batch.token_type_ids[row * batch.seq_len + column] = *type_id as i32;
            }
        }
        let (ids, types) = (&batch.input_ids, &batch.token_type_ids);
        let input = config
            .input(ids, &batch.attention_mask, types, batch.seq_len, &self.device)
            .map_err(ToolError::from)?;
        Ok(model.forward(&input, options))
    }

    /// Forward options of inference: no dropout, the mask of the subnetwork and the centring.
    fn pass(&self) -> ForwardOptions {
        let (subnetwork, centring) = (self.subnetwork.clone(), self.feature_centring.clone());
        ForwardOptions { subnetwork, centring, ..ForwardOptions::evaluation() }
    }

    /// Tokenizes a text as the task's examples are tokenized.
    fn encode(&self, text: &str, pair: Option<&str>) -> Result<Encoded, TextError> {
        let max_length = self.scoring.max_length;
        match self.task().target() {
            TargetKind::Tag(TagUnits::Word) => {
                let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
                self.tokenizer.encode_words(&words, max_length)
            }
            TargetKind::Tag(TagUnits::Subword) => self.tokenizer.encode(text, None, max_length),
            TargetKind::Class | TargetKind::Tree => self.tokenizer.encode(text, pair, max_length),
        }
    }
}
