//! Inference with a fine-tuned model: labels for texts, tags for tokens, dependency trees for
//! sentences.

mod centring;
mod decode;
mod encoded_texts;
mod language;
mod prediction;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::Error;
use crate::error::ToolError;
use crate::ground::outputs::{quoted_beginning, read_outputs};
use crate::ground::tensors::model_input;
use crate::ground::vocabulary::check_vocabulary;
use crate::task::{Centring, DataReport, LabeledSet, LabeledTask, SavedScoring, TargetKind, trees};
use burn::module::Module;
use burn::tensor::{Device, Tensor, read_sync};
use isogloss_model::{
    FeatureCentring, ForwardOptions, HeadChoice, HeadSpec, LoadedModel, Model, ModelFolder,
    ModelOutput, ProblemType, SubnetworkMask, base_folder, load, tokenizer_folder,
};
use isogloss_text::{
    Encoded, Example, LabelSet, Language, Sentence, TagUnits, Targets, TextError, TokenBatch,
    Tokenizer, TreeError, Unseen, featurize_parsing, whitespace_words,
};

pub(crate) use centring::copy_centring;
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
        LabeledSet::from_examples(path, examples, task, language, tokenizer, &labels, &options)
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
        LabelSet::new(self.head.labels().iter().cloned())
            .map_err(|source| ToolError::Labels { path: path(), source: source.into() }.into())
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
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn predict(&self, texts: &[(&str, Option<&str>)]) -> Result<Vec<Prediction>, Error> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let (encoded, logits) = self.forward(texts)?;
        let outputs = read_sync(self.read(&encoded, logits))?;
        Ok(self.decode(&encoded, &outputs))
    }

    /// Forward pass over a batch of at least one text. Returns, on the device, the logit of each
    /// label: `[batch, n_labels]` for texts, `[batch * seq, n_labels]` for tokens.
    ///
    /// [`read`](Self::read) reads them back to the host, which is asynchronous in a browser, and
    /// [`decode`](Self::decode) turns what it gives into predictions.
    ///
    /// # Errors
    /// If a text cannot be tokenized, or the model is a parser.
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
        let (encoded, output) = self.run(&self.loaded.model, texts, options)?;
        Ok((encoded, output.logits))
    }

    /// Reads the logits of [`forward`](Self::forward) back to the host, as the probability of each
    /// label, or its score for a [regression](ProblemType::Regression), row by row.
    ///
    /// # Errors
    /// [`Error::OutputNotFinite`] if a logit is not finite, [`Error::Device`] if the device was lost.
    pub async fn read(
        &self,
        encoded: &EncodedTexts<'_>,
        logits: Tensor<2>,
    ) -> Result<Vec<f32>, Error> {
        let rows_of_text = (logits.dims()[0] / encoded.texts.len().max(1)).max(1);
        let whose = |row: usize| quoted_beginning(encoded.texts[row / rows_of_text].0);
        let mut outputs = read_outputs(logits, whose).await?;
        match self.head.problem() {
            ProblemType::SingleLabel => {
                outputs.chunks_mut(self.head.labels().len()).for_each(softmax);
            }
            ProblemType::MultiLabel => {
                outputs.iter_mut().for_each(|logit| *logit = 1.0 / (1.0 + (-*logit).exp()));
            }
            ProblemType::Regression => {}
        }
        Ok(outputs)
    }

    /// Tokenizes a batch of at least one text, and runs the model on it.
    fn run<'a>(
        &self,
        model: &Model,
        texts: &'a [(&'a str, Option<&'a str>)],
        options: &ForwardOptions,
    ) -> Result<(EncodedTexts<'a>, ModelOutput), Error> {
        if let HeadSpec::Parser(_) = self.head {
            return Err(ToolError::NeedsTreebank.into());
        }
        let config = self.loaded.model.encoder.config();
        let encoded = texts.iter().map(|(text, pair)| self.encode(text, *pair));
        let encoded = encoded.collect::<Result<Vec<_>, _>>()?;
        let mut counts = DataReport::from_encodings(&encoded);
        if self.task().target() == TargetKind::Tag(TagUnits::Word) {
            for (encoded, (text, _)) in encoded.iter().zip(texts) {
                let first = encoded.first_subwords(whitespace_words(text).len());
                counts.add_lost_words(encoded.count_lost(&first));
            }
        }
        self.count(&counts);
        let rows: Vec<_> = encoded.iter().map(|encoded| encoded.ids.as_slice()).collect();
        let mut batch = TokenBatch::from_ids(&rows, config.pad_token_id);
        for (row, encoded) in encoded.iter().enumerate() {
            for (column, type_id) in encoded.type_ids.iter().enumerate() {
                batch.token_type_ids[row * batch.seq_len + column] = *type_id as i32;
            }
        }
        let (ids, types) = (&batch.input_ids, &batch.token_type_ids);
        let input = config
            .input(ids, &batch.attention_mask, types, batch.seq_len, &self.device)
            .map_err(ToolError::from)?;
        let output = model.forward(&input, options);
        Ok((EncodedTexts { texts, encoded, seq_len: batch.seq_len }, output))
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

    /// Dependency parsing: sets the trees with the highest score, and part-of-speech tags if the
    /// model predicts them; other fields of the sentences stay unchanged. Returns the number of
    /// words without a token, which are attached to the root.
    ///
    /// # Errors
    /// If the model is not a parser, or a sentence cannot be tokenized.
    pub fn parse(&self, sentences: &mut [Sentence]) -> Result<usize, Error> {
        let model = &self.loaded.model;
        if model.parser().is_none() {
            return Err(ToolError::NoParser.into());
        }
        let config = model.encoder.config();
        let examples: Vec<Example> = sentences.iter().cloned().map(Example::from).collect();
        let options = self.scoring.feature_options();
        let featurized = featurize_parsing(&self.tokenizer, &examples, None, &options)?;
        let features: Vec<_> = featurized.features.iter().collect();
        self.count(&DataReport::from_encodings(features.iter().map(|features| &features.input)));
        let indices = (0..features.len()).collect();
        let batch = TokenBatch::collate(&features, indices, config.pad_token_id)?;
        let Targets::Words(words) = &batch.targets else { return Ok(0) };
        let path = sentences.first().map_or("".as_ref(), |sentence| &*sentence.origin().path);
        let input = model_input(&batch, config, path, &self.device)?;
        let lengths: Vec<usize> = sentences.iter().map(|one| one.words().len()).collect();
        let refuse = |error: TreeError| ToolError::from(error);
        let pass = self.pass();
        let whose = |row: usize| quoted_beginning(&sentences[row].forms().join(" "));
        let trees = trees(model, &pass, words, &input, &lengths, &whose)?;
        for (sentence, tree) in sentences.iter_mut().zip(trees) {
            tree.write_to(sentence).map_err(refuse)?;
        }
        Ok(featurized.truncation.n_words_lost)
    }
}

/// Softmax of one row of logits, in place.
fn softmax(row: &mut [f32]) {
    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|logit| *logit = (*logit - highest).exp());
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|weight| *weight /= sum);
}
