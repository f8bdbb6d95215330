//! Biaffine dependency parsing (Dozat and Manning 2017): a tree over the words of a sentence, and
//! their parts of speech; LAS, UAS and UPOS.

use std::io::Read;
use std::path::Path;

use burn::module::Module;
use isogloss_methods::faults::{below_one, zero_or_more};
use isogloss_methods::{
    DataNeed, MethodInfo, ObjectiveConfig, Reduction, Role, TextView, View, method_options,
};
use isogloss_model::{HeadSpec, ParserConfig, ParserSpec, Pooling};
use isogloss_text::{
    Example, FeatureOptions, Featurized, LabelSet, ParseLabels, ReadOptions, Subtypes, Targets,
    TextError, Tokenizer, TreeError, Treebank, featurize_parsing, read_treebank, score_parses,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::classification::Classification;
use super::label_predictor::{LabelPredictor, Predictions};
use super::labeled_set::{LabeledSet, sentences};
use super::scores::Scores;
use super::traits::{LabeledTask, LearnedLabels, Supervision, TargetKind, Task};
use super::trees::trees;
use crate::Error;
use crate::error::DataError;
use crate::ground::batch_limit::BatchLimit;

/// The `[task.parsing]` table: options of a biaffine parser (Dozat and Manning 2017).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parsing {
    /// Width of the arc representations of a word, as head and as dependent.
    pub arc_width: usize,
    /// Width of the relation representations of a word, as head and as dependent.
    pub label_width: usize,
    /// Variational dropout of the words and of all these representations: the same units are
    /// dropped for all words of a sentence.
    pub dropout: f64,
    /// Layer dropout: the rate at which a layer is left out of the scalar mix.
    pub layer_dropout: f64,
    /// Word dropout: the share of training words that are replaced by mask tokens; UDify has 0.2.
    pub word_dropout: f64,
    /// Relation subtypes: whether relations are learned with them, `acl:relcl`, or without, `acl`;
    /// scores compare relations without subtypes in either case.
    pub subtypes: Subtypes,
    /// Whether part-of-speech tags (UPOS) are learned together with trees.
    pub tags: bool,
    /// Loss weight of the part-of-speech tags; the losses of arcs and of relations have weight 1.
    pub tag_weight: f64,
}

impl Default for Parsing {
    fn default() -> Self {
        let ParserConfig { arc_width, label_width, dropout, layer_dropout } =
            ParserConfig::default();
        Self {
            arc_width,
            label_width,
            dropout,
            layer_dropout,
            word_dropout: 0.0,
            subtypes: Subtypes::Cut,
            tags: true,
            tag_weight: 1.0,
        }
    }
}

impl Parsing {
    /// Task options of a saved parser; options that it does not store have their defaults.
    pub fn from_spec(spec: &ParserSpec) -> Self {
        let ParserConfig { arc_width, label_width, dropout, layer_dropout } = spec.config;
        let has_subtypes = spec.relations.iter().any(|relation| relation.contains(':'));
        Self {
            arc_width,
            label_width,
            dropout,
            layer_dropout,
            subtypes: if has_subtypes { Subtypes::Keep } else { Subtypes::Cut },
            tags: !spec.tags.is_empty(),
            ..Self::default()
        }
    }

    /// Parser specification for these relations and part-of-speech tags.
    pub(crate) fn spec(&self, relations: &LabelSet, tags: &LabelSet) -> ParserSpec {
        let Self { arc_width, label_width, dropout, layer_dropout, .. } = *self;
        let config = ParserConfig { arc_width, label_width, dropout, layer_dropout };
        let (relations, tags) = (relations.names().to_vec(), tags.names().to_vec());
        ParserSpec { config, relations, tags }
    }
}

impl Parsing {
    /// Method registry entry.
    pub(super) const INFO: MethodInfo = MethodInfo {
        key: "parsing",
        title: "Biaffine dependency parsing with parts of speech",
        paper: "Dozat & Manning 2017, arXiv:1611.01734; Kondratyuk & Straka 2019, UDify, arXiv:1904.02099",
        formula: "score(head j of word i) = [dᵢ; 1]ᵀ U hⱼ; the tree with one root of the highest sum; scored by LAS",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || method_options(Self::default()),
    };
}

impl Task for Parsing {
    fn name(&self) -> &'static str {
        "parsing"
    }

    fn metric(&self) -> &'static str {
        "las"
    }

    fn faults(&self) -> Vec<(&'static str, String)> {
        let none = LabelSet::default();
        let mut faults = self.spec(&none, &none).config.faults();
        faults.extend(below_one("word_dropout", self.word_dropout));
        faults.extend(zero_or_more("tag_weight", self.tag_weight));
        faults
    }

    fn supervision(&self) -> Supervision<'_> {
        Supervision::Labels(self)
    }
}

impl LabeledTask for Parsing {
    fn target(&self) -> TargetKind {
        TargetKind::Tree
    }

    /// Reads the sentences of a CoNLL-U treebank.
    fn read_from(
        &self,
        reader: &mut dyn Read,
        path: &Path,
        options: &ReadOptions,
    ) -> Result<Vec<Example>, Error> {
        if let Some(split) = &options.split {
            let (path, split) = (path.to_owned(), split.clone());
            return Err(DataError::SplitOfTreebank { path, split }.into());
        }
        let treebank = read_treebank(reader, path)?;
        Ok(treebank.sentences.into_iter().map(Example::from).collect())
    }

    /// Dependency relations.
    fn labels(&self, examples: &[Example]) -> LabelSet {
        LabelSet::deprels(sentences(examples), self.subtypes)
    }

    /// Part-of-speech tags, if they are learned together with relations.
    fn aux_labels(&self, examples: &[Example]) -> LabelSet {
        if self.tags { LabelSet::upos(sentences(examples)) } else { LabelSet::default() }
    }

    fn aux_weight(&self) -> f64 {
        self.tag_weight
    }

    fn word_dropout(&self) -> f64 {
        self.word_dropout
    }

    fn featurize(
        &self,
        tokenizer: &Tokenizer,
        examples: &[Example],
        LearnedLabels { labels: relations, aux: tags, scored_aux }: LearnedLabels<'_>,
        options: &FeatureOptions,
    ) -> Result<Featurized, TextError> {
        let (subtypes, scored_tags) = (self.subtypes, scored_aux);
        let labels = ParseLabels { relations, subtypes, tags, scored_tags };
        featurize_parsing(tokenizer, examples, Some(labels), options)
    }

    fn head(&self, relations: &LabelSet, tags: &LabelSet, _pooling: Pooling) -> HeadSpec {
        HeadSpec::Parser(self.spec(relations, tags))
    }

    /// A parser's logits score the heads of a word, one column for each word of the batch: a loss
    /// that depends on the number of columns has no meaning, and one that reads other texts would
    /// need the words of these texts.
    fn refuses(&self, objective: &ObjectiveConfig) -> Option<&'static str> {
        let views = objective.init().needs().views;
        let reads =
            |test: fn(&View) -> bool| views.iter().filter(|view| view.text.is_of_task()).any(test);
        match objective {
            ObjectiveConfig::CrossEntropy(config) if config.label_smoothing > 0.0 => {
                Some("cannot smooth the heads of words; leave label_smoothing out")
            }
            ObjectiveConfig::R4f(_) => Some("needs a classifier; use r3f for a parser"),
            ObjectiveConfig::FisherPenalty(_) => {
                Some("needs one label a row; a parser has several")
            }
            ObjectiveConfig::Consistency(config) if config.reduction == Reduction::ElementMean => {
                Some("has no mean over elements for a parser, whose rows are as wide as the batch")
            }
            ObjectiveConfig::RDrop(config) if config.reduction == Reduction::ElementMean => {
                Some("has no mean over elements for a parser, whose rows are as wide as the batch")
            }
            _ if reads(|view| view.role != Role::Student) => {
                Some("does not know a parser's teacher, which says more than one thing of a word")
            }
            _ if reads(|view| view.text != TextView::Original) => {
                Some("reads texts that have no trees; a parser compares passes over the same text")
            }
            _ => None,
        }
    }

    /// Parses the set, and scores it as the CoNLL 2018 shared task does: LAS, UAS, UPOS.
    fn evaluate(
        &self,
        predictor: &LabelPredictor<'_>,
        labels: &LabelSet,
        set: &LabeledSet,
    ) -> Result<(Scores, Predictions), Error> {
        let Some(gold) = &set.treebank else {
            let (gold, predicted) = predictor.predict_all(set)?;
            return Ok((self.scores(labels, &gold, &predicted)?, Predictions::Labels(predicted)));
        };
        let parsed = parse(predictor, set, gold)?;
        let found = score_parses(gold, &parsed)?;
        let has_tags =
            predictor.model.parser().is_some_and(|parser| !parser.spec().tags.is_empty());
        let scores = Scores::new([("las", found.las.f1()), ("uas", found.uas.f1())]);
        let scores = if has_tags { scores.with("upos", found.upos.f1()) } else { scores };
        Ok((scores, Predictions::Trees(parsed)))
    }

    /// Accuracy and macro-F1 of label ids; trees are scored by `evaluate`.
    fn scores(
        &self,
        labels: &LabelSet,
        gold: &[Vec<usize>],
        predicted: &[Vec<usize>],
    ) -> Result<Scores, Error> {
        Classification {}.scores(labels, gold, predicted)
    }
}

/// Parses a set: its sentences with the highest-scoring dependency trees.
fn parse(
    predictor: &LabelPredictor<'_>,
    set: &LabeledSet,
    gold: &Treebank,
) -> Result<Treebank, Error> {
    let model = predictor.model.valid();
    let pass = predictor.forward_options();
    let mut parsed = gold.clone();
    let refuse = |source: TreeError| DataError::NoTree { path: set.path.clone(), source };
    let (config, lengths) = (model.encoder.config(), set.lengths());
    let limit = BatchLimit::for_model(predictor.device, &model);
    for indices in limit.batches(config, &lengths, predictor.batch_size)? {
        let (batch, input) = set.batch(&indices, model.encoder.config(), predictor.device)?;
        let Targets::Words(words) = &batch.targets else { continue };
        let lengths = indices.iter().map(|index| gold.sentences[*index].words().len());
        let lengths: Vec<usize> = lengths.collect();
        let whose = |row: usize| set.name(indices[row]);
        let trees = trees(&model, &pass, words, &input, &lengths, &whose)?;
        for (index, tree) in indices.iter().zip(trees) {
            tree.write_to(&mut parsed.sentences[*index]).map_err(refuse)?;
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_parser_tells_what_it_was_trained_for() {
        let names = |names: &[&str]| LabelSet::new(names.iter().copied()).unwrap();
        let recipe = Parsing { subtypes: Subtypes::Keep, tags: false, ..Default::default() };
        let spec = recipe.spec(&names(&["acl", "acl:relcl"]), &LabelSet::default());
        assert_eq!(Parsing::from_spec(&spec), recipe);
        let recipe = Parsing { arc_width: 8, ..Default::default() };
        let spec = recipe.spec(&names(&["acl"]), &names(&["NOUN"]));
        assert_eq!(Parsing::from_spec(&spec), recipe);
    }
}
