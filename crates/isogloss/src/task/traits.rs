//! Task traits: the examples, head, targets, scores and selection metric of a task.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use burn::tensor::Device;
use isogloss_methods::ObjectiveConfig;
use isogloss_model::{HeadSpec, Model, ModelFolder, Pooling};
use isogloss_text::{
    Annotation, Example, FeatureOptions, Featurized, LabelSet, Language, ReadOptions, SentencePair,
    TagUnits, TextError, TokenBatch, Tokenizer, ViewTask, read_examples,
};

use super::label_predictor::{LabelPredictor, Predictions};
use super::labeled_set::LabeledSet;
use super::scores::{LanguageResult, Scores};
use crate::Error;

/// Task that a model is trained for, or only evaluated on.
pub trait Task: Debug + Send + Sync {
    /// The name used in recipes and results.
    fn name(&self) -> &'static str;

    /// Selection metric: the name of the score that models are selected by, the first of its
    /// [`Scores`].
    fn metric(&self) -> &'static str;

    /// Validation errors of its options: the field and the reason.
    fn faults(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Whether it is supervised, by examples with labels, or evaluated on unlabeled text.
    fn supervision(&self) -> Supervision<'_>;
}

/// Supervision of a task: labeled examples, or only held-out text to be evaluated on.
#[derive(Clone, Copy, Debug)]
pub enum Supervision<'a> {
    /// Examples with labels, which a head learns.
    Labels(&'a dyn LabeledTask),
    /// Held-out text without labels.
    HeldOutText(&'a dyn UnlabeledTask),
}

/// Prediction target of a row of the logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// The class of a text.
    Class,
    /// The tag of a token.
    Tag(TagUnits),
    /// The head, the relation and the part of speech of a word in a dependency tree.
    Tree,
}

impl TargetKind {
    /// The targets that augmented views of an example have; a parser reads only the original text.
    pub(crate) fn view_task(self) -> ViewTask {
        match self {
            Self::Class | Self::Tree => ViewTask::Classification,
            Self::Tag(units) => ViewTask::Tagging(units),
        }
    }
}

/// Label sets that a head learns.
#[derive(Clone, Copy, Debug)]
pub struct LearnedLabels<'a> {
    /// Labels of the logits: classes, tags or relations.
    pub labels: &'a LabelSet,
    /// Labels of the auxiliary logits: parts of speech.
    pub aux: Option<&'a LabelSet>,
    /// Labels of the auxiliary logits that are scored by their names, where they are no targets.
    pub scored_aux: Option<&'a LabelSet>,
}

/// Supervised task: its examples have labels.
pub trait LabeledTask: Task {
    /// Prediction target of a row of the logits.
    fn target(&self) -> TargetKind;

    /// The annotation of an example that is read beside the text.
    fn annotation(&self) -> Annotation {
        Annotation::Any
    }

    /// Reads the examples of a file.
    ///
    /// # Errors
    /// If the file is missing or faulty.
    fn read(&self, path: &Path, options: &ReadOptions) -> Result<Vec<Example>, Error> {
        let io = |source| TextError::Io { path: path.to_owned(), source };
        self.read_from(&mut File::open(path).map_err(io)?, path, options)
    }

    /// Reads the examples of a byte stream; `path` names it in error messages.
    ///
    /// # Errors
    /// If the data are faulty.
    fn read_from(
        &self,
        reader: &mut dyn Read,
        path: &Path,
        options: &ReadOptions,
    ) -> Result<Vec<Example>, Error> {
        Ok(read_examples(reader, path, &options.clone().with_annotation(self.annotation()))?)
    }

    /// The label set of examples, in the order of the logits.
    fn labels(&self, examples: &[Example]) -> LabelSet;

    /// The label set of the auxiliary logits; empty for most tasks.
    fn aux_labels(&self, _examples: &[Example]) -> LabelSet {
        LabelSet::default()
    }

    /// Loss weight of the auxiliary logits.
    fn aux_weight(&self) -> f64 {
        1.0
    }

    /// Number of source labels that another language has.
    fn n_shared_labels(&self, source: &LabelSet, other: &LabelSet) -> usize {
        other.names().iter().filter(|name| source.id(name).is_some()).count()
    }

    /// Word dropout: the share of training words that are replaced by mask tokens.
    fn word_dropout(&self) -> f64 {
        0.0
    }

    /// Tokenizes examples and makes their targets.
    ///
    /// # Errors
    /// If an example has an unseen label that is not to be left out, or cannot be tokenized.
    fn featurize(
        &self,
        tokenizer: &Tokenizer,
        examples: &[Example],
        learned: LearnedLabels<'_>,
        options: &FeatureOptions,
    ) -> Result<Featurized, TextError>;

    /// The head that learns these labels.
    fn head(&self, labels: &LabelSet, aux: &LabelSet, pooling: Pooling) -> HeadSpec;

    /// The reason why an objective cannot train this task, if it cannot.
    fn refuses(&self, _objective: &ObjectiveConfig) -> Option<&'static str> {
        None
    }

    /// Predicts a set and computes its scores.
    ///
    /// # Errors
    /// If a batch is not valid input of the model.
    fn evaluate(
        &self,
        predictor: &LabelPredictor<'_>,
        labels: &LabelSet,
        set: &LabeledSet,
    ) -> Result<(Scores, Predictions), Error> {
        let (gold, predicted) = predictor.predict_all(set)?;
        Ok((self.scores(labels, &gold, &predicted)?, Predictions::Labels(predicted)))
    }

    /// Computes the scores of predicted label ids against the gold ones.
    ///
    /// # Errors
    /// If there are no examples.
    fn scores(
        &self,
        labels: &LabelSet,
        gold: &[Vec<usize>],
        predicted: &[Vec<usize>],
    ) -> Result<Scores, Error>;
}

/// Held-out data of an unsupervised task: the recipe table that it is evaluated on.
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

/// Held-out data: unlabeled text that is never trained on.
#[derive(Clone, Debug)]
pub struct HeldOut<'a> {
    /// Parallel sentences by the language of the right side.
    pub pairs: Vec<(&'a Language, &'a [SentencePair])>,
    /// Tokenizer and maximum sequence length of the sentences of pairs.
    pub pair_tokenizer: Option<(&'a Tokenizer, usize)>,
    /// Blocks of masked text by language.
    pub blocks: Vec<(&'a Language, &'a TokenBatch)>,
    /// The folder of the model, whose sentence-transformers modules make sentence embeddings.
    pub model_folder: &'a ModelFolder,
}

/// Unsupervised task: it has no labels and no head of its own, and is evaluated on held-out text.
pub trait UnlabeledTask: Task {
    /// The recipe table whose held-out data it is evaluated on.
    fn held_out(&self) -> HeldOutTable;

    /// The layer whose hidden states are pooled into the sentence embeddings that it scores; `None`
    /// for the last.
    fn sentence_layer(&self) -> Option<usize> {
        None
    }

    /// Evaluates a model: its scores by language.
    ///
    /// # Errors
    /// If a batch is not valid input of the model.
    fn evaluate(
        &self,
        model: &Model,
        held_out: &HeldOut<'_>,
        batch_size: usize,
        device: &Device,
    ) -> Result<BTreeMap<String, LanguageResult>, Error>;
}
