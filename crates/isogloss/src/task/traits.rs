//! The traits of a task: its examples, its head, its targets, its scores and the metric that models are
//! selected by.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use burn::tensor::Device;
use isogloss_methods::ObjectiveConfig;
use isogloss_model::{HeadSpec, Model, Pooling};
use isogloss_text::{
    Annotation, Example, FeatureOptions, Featurized, LabelSet, Language, ReadOptions, SentencePair,
    TagUnits, TextError, TokenBatch, Tokenizer, ViewTask, read_file,
};

use super::label_predictor::{LabelPredictor, Predictions};
use super::labeled_set::LabeledSet;
use super::scores::{LanguageResult, Scores};
use crate::Error;

/// What a model learns, or is scored by alone.
pub trait Task: Debug + Send + Sync {
    /// The name used in recipes and results.
    fn name(&self) -> &'static str;

    /// The name of the score that models are selected by, the first of its [`Scores`].
    fn metric(&self) -> &'static str;

    /// What is wrong with its options: the field and the reason.
    fn faults(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Whether it has examples with labels, and what follows from that.
    fn supervision(&self) -> Supervision<'_>;
}

/// Where a task's scores come from.
#[derive(Clone, Copy, Debug)]
pub enum Supervision<'a> {
    /// From examples with labels, which a head learns.
    Labels(&'a dyn LabeledTask),
    /// From held-out text without labels.
    HeldOutText(&'a dyn UnlabeledTask),
}

/// What a row of the logits is trained towards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// One label of a text.
    Class,
    /// One BIO tag of a token.
    Tag(TagUnits),
    /// The head of a word in a tree, its relation and its part of speech, in a treebank.
    Tree,
}

impl TargetKind {
    /// What views of an example carry; a parser reads none but the original.
    pub(crate) fn view_task(self) -> ViewTask {
        match self {
            Self::Class | Self::Tree => ViewTask::Classification,
            Self::Tag(units) => ViewTask::Tagging(units),
        }
    }
}

/// The labels that a head learns.
#[derive(Clone, Copy, Debug)]
pub struct LearnedLabels<'a> {
    /// Those of the logits: classes, tags or relations.
    pub labels: &'a LabelSet,
    /// Those of the auxiliary logits: parts of speech.
    pub aux: Option<&'a LabelSet>,
}

/// A task whose examples have labels.
pub trait LabeledTask: Task {
    /// What a row of the logits is trained towards.
    fn target(&self) -> TargetKind;

    /// What it reads of an example beside the text.
    fn annotation(&self) -> Annotation {
        Annotation::Any
    }

    /// The examples of a file.
    ///
    /// # Errors
    /// If the file is missing or faulty.
    fn read(&self, path: &Path, options: &ReadOptions) -> Result<Vec<Example>, Error> {
        Ok(read_file(path, &options.clone().with_annotation(self.annotation()))?)
    }

    /// The labels that examples have for this task, in the order of the logits.
    fn labels(&self, examples: &[Example]) -> LabelSet;

    /// The labels of the auxiliary logits; none for most tasks.
    fn aux_labels(&self, _examples: &[Example]) -> LabelSet {
        LabelSet::default()
    }

    /// The weight of the loss over the auxiliary logits' labels.
    fn aux_weight(&self) -> f64 {
        1.0
    }

    /// How many of the source's labels another language has.
    fn n_shared_labels(&self, source: &LabelSet, other: &LabelSet) -> usize {
        other.names().iter().filter(|name| source.id(name).is_some()).count()
    }

    /// The share of the words of training that the model sees as mask tokens.
    fn word_dropout(&self) -> f64 {
        0.0
    }

    /// Tokens and targets of examples.
    ///
    /// # Errors
    /// If an example has a label that is not learned and is not to be left out, or cannot be tokenized.
    fn featurize(
        &self,
        tokenizer: &Tokenizer,
        examples: &[Example],
        learned: LearnedLabels<'_>,
        options: &FeatureOptions,
    ) -> Result<Featurized, TextError>;

    /// The head that learns these labels.
    fn head(&self, labels: &LabelSet, aux: &LabelSet, pooling: Pooling) -> HeadSpec;

    /// Why an objective cannot train this task, if it cannot.
    fn refuses(&self, _objective: &ObjectiveConfig) -> Option<&'static str> {
        None
    }

    /// What a model says of a set, and its scores.
    ///
    /// # Errors
    /// If a batch does not suit the model.
    fn evaluate(
        &self,
        predictor: &LabelPredictor<'_>,
        labels: &LabelSet,
        set: &LabeledSet,
    ) -> Result<(Scores, Predictions), Error> {
        let (gold, predicted) = predictor.predict_all(set)?;
        Ok((self.scores(labels, &gold, &predicted)?, Predictions::Labels(predicted)))
    }

    /// The scores of predicted label ids of examples against the gold ones.
    ///
    /// # Errors
    /// If there are none.
    fn scores(
        &self,
        labels: &LabelSet,
        gold: &[Vec<usize>],
        predicted: &[Vec<usize>],
    ) -> Result<Scores, Error>;
}

/// The table of a recipe whose held-out part scores a task without labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldOutTable {
    /// `[pairs]`: parallel sentences.
    Pairs,
    /// `[monolingual]`: blocks of text.
    Monolingual,
}

impl HeldOutTable {
    /// Its name in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pairs => "pairs",
            Self::Monolingual => "monolingual",
        }
    }
}

/// Text without labels that is never trained on.
#[derive(Clone, Debug)]
pub struct HeldOut<'a> {
    /// Parallel sentences by the language of the right side.
    pub pairs: Vec<(&'a Language, &'a [SentencePair])>,
    /// How the sentences of pairs are tokenized, and the tokens after which they are cut.
    pub pair_tokenizer: Option<(&'a Tokenizer, usize)>,
    /// Blocks of masked text by language.
    pub blocks: Vec<(&'a Language, &'a TokenBatch)>,
    /// The folder of the model, for messages.
    pub model_folder: &'a Path,
}

/// A task without labels and without a head of its own.
pub trait UnlabeledTask: Task {
    /// The table that it is scored on.
    fn held_out(&self) -> HeldOutTable;

    /// The scores of a model, by language.
    ///
    /// # Errors
    /// If a batch does not suit the model.
    fn evaluate(
        &self,
        model: &Model,
        held_out: &HeldOut<'_>,
        batch_size: usize,
        device: &Device,
    ) -> Result<BTreeMap<String, LanguageResult>, Error>;
}
