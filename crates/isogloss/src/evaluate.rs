//! Scores of a model, language by language.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, read_sync};
use isogloss_methods::{IGNORE_INDEX, Subnetwork, cross_entropy};
use isogloss_model::{ForwardOptions, InputError, Model};
use isogloss_text::{
    LabelSet, Language, SentencePair, Targets, TokenBatch, TreeError, Treebank, score_parses,
    sequential_by_length,
};
use serde::{Deserialize, Serialize};

use crate::embedding::retrieval::{PairTexts, Scoring};
use crate::embedding::text_encoder::TextEncoder;
use crate::ground::device::read;
use crate::ground::tensors::integers;
use crate::metrics::{ClassificationScores, SpanScores, TransferSummary};
use crate::parsing::trees;
use crate::{Error, LabeledSet, Task};

/// The scores of one language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LanguageResult {
    /// Examples scored.
    pub n: usize,
    /// Examples left out because the source language lacks their label.
    pub left_out: usize,
    /// Examples whose end was cut off.
    pub truncated: usize,
    /// The scores.
    #[serde(flatten)]
    pub scores: Scores,
}

/// The scores of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scores {
    /// Of whole texts.
    Classification {
        /// The share of right labels.
        accuracy: f64,
        /// The mean of the labels' F1, each label counting the same.
        macro_f1: f64,
    },
    /// Of spans, as seqeval counts them.
    Tagging {
        /// The harmonic mean of precision and recall.
        span_f1: f64,
        /// The share of predicted spans that are right.
        precision: f64,
        /// The share of true spans that were found.
        recall: f64,
    },
    /// Of trees, as the CoNLL 2018 shared task counts them: shares of words.
    Parsing {
        /// With the right head and relation.
        las: f64,
        /// With the right head.
        uas: f64,
        /// With the right part of speech, if those were learned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upos: Option<f64>,
    },
    /// Of sentences that look for their translations.
    Retrieval {
        /// The mean of both directions.
        accuracy: f64,
        /// The share of sentences of the left language that found theirs.
        forward: f64,
        /// The share of sentences of the right language that found theirs.
        backward: f64,
    },
    /// Of masked tokens that are guessed.
    LanguageModeling {
        /// The share of tokens that were guessed.
        accuracy: f64,
        /// The mean of `-log p(token)`, in nats.
        loss: f64,
    },
}

impl Scores {
    /// The score that models are chosen by: accuracy, span F1 or LAS.
    pub fn main(&self) -> f64 {
        match self {
            Self::Classification { accuracy, .. }
            | Self::Retrieval { accuracy, .. }
            | Self::LanguageModeling { accuracy, .. } => *accuracy,
            Self::Tagging { span_f1, .. } => *span_f1,
            Self::Parsing { las, .. } => *las,
        }
    }
}

/// What a run ends with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// `classification`, `tagging`, `parsing`, `retrieval` or `language_modeling`.
    pub task: String,
    /// The name of the main score.
    pub metric: String,
    /// The source languages, the main one first.
    pub sources: Vec<String>,
    /// How the model was chosen.
    pub selection: Selection,
    /// Scores by language.
    pub languages: BTreeMap<String, LanguageResult>,
    /// The mean of the main score over the languages that were not trained on.
    pub mean_target: Option<f64>,
    /// The score of the source, or the mean over all of them, minus that mean.
    pub gap: Option<f64>,
    /// How many languages the mean is over.
    pub n_targets: usize,
    /// The scores of languages that were not trained on after a few of their examples, if the recipe has
    /// a `[few_shot]` table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub few_shot: BTreeMap<String, Scores>,
    /// The mean of their main score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_few_shot: Option<f64>,
}

impl Results {
    /// Sums up the scores of languages.
    pub(crate) fn new(
        task: &Task,
        sources: &[Language],
        selection: Selection,
        languages: BTreeMap<String, LanguageResult>,
    ) -> Self {
        let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
        let main =
            languages.iter().map(|(tag, result)| (tag.clone(), result.scores.main())).collect();
        let tags: Vec<&str> = sources.iter().map(String::as_str).collect();
        let summary = TransferSummary::from_scores(&tags, &main);
        Self {
            task: task.name().to_owned(),
            metric: task.metric().to_owned(),
            sources,
            selection,
            languages,
            mean_target: summary.mean_target,
            gap: summary.gap,
            n_targets: summary.n_targets,
            few_shot: BTreeMap::new(),
            mean_few_shot: None,
        }
    }

    /// With the scores of languages after a few of their examples.
    pub(crate) fn with_few_shot(self, few_shot: BTreeMap<String, Scores>) -> Self {
        let n = few_shot.len() as f64;
        let sum: f64 = few_shot.values().map(Scores::main).sum();
        Self { mean_few_shot: (n > 0.0).then_some(sum / n), few_shot, ..self }
    }

    /// The main source language.
    pub fn source(&self) -> &str {
        self.sources.first().map_or("", String::as_str)
    }

    /// Whether a language was trained on.
    pub fn is_source(&self, language: &str) -> bool {
        self.sources.iter().any(|source| source == language)
    }
}

/// How well the sentences of pairs find each other by the cosine of their mean vectors.
pub(crate) fn score_retrieval(
    encoder: &TextEncoder,
    pairs: &[SentencePair],
    layer: Option<usize>,
) -> Result<LanguageResult, Error> {
    let layer = layer.unwrap_or(encoder.n_layers() - 1);
    encoder.check_layer(layer)?;
    let texts = pairs.iter().map(|pair| (pair.left.as_str(), pair.right.as_str()));
    let texts: PairTexts<'_> = texts.collect();
    let mut truncated = 0;
    let mut vectors = |side: &[&str]| {
        let tokenized = encoder.tokenize(side)?;
        truncated += tokenized.iter().filter(|text| text.is_truncated()).count();
        let layers = encoder.encode(&tokenized, &[], &[layer])?;
        let sentences = layers.into_iter().next().map(|layer| layer.sentences.normalized());
        sentences.ok_or_else(|| Error::Unsuitable("no sentences to compare".into()))
    };
    let (left, right) = (vectors(texts.left())?, vectors(texts.right())?);
    let found = texts.accuracy(&left, &right, Scoring::Cosine, encoder.device());
    let (forward, backward) = (found.forward, found.backward);
    let scores = Scores::Retrieval { accuracy: found.mean(), forward, backward };
    Ok(LanguageResult { n: pairs.len(), left_out: 0, truncated, scores })
}

/// How many masked tokens of a batch a model guesses.
pub(crate) fn score_guesses(
    model: &Model,
    blocks: &TokenBatch,
    batch_size: usize,
    device: &Device,
) -> Result<LanguageResult, InputError> {
    let (model, seq_len) = (model.valid(), blocks.seq_len);
    let (places, labels) = blocks.labeled_tokens();
    let masked: Vec<(i32, i32)> = places.into_iter().zip(labels).collect();
    let (mut n_masked, mut n_guessed, mut loss) = (0, 0, 0.0);
    for first in (0..blocks.n).step_by(batch_size.max(1)) {
        let rows = first * seq_len..(first + batch_size).min(blocks.n) * seq_len;
        let here = masked.iter().filter(|(place, _)| rows.contains(&(*place as usize)));
        let (places, labels): (Vec<i32>, Vec<i32>) =
            here.map(|(place, label)| (place - rows.start as i32, *label)).unzip();
        if places.is_empty() {
            continue;
        }
        let (ids, mask) = (&blocks.input_ids[rows.clone()], &blocks.attention_mask[rows.clone()]);
        let types = &blocks.token_type_ids[rows];
        let input = model.encoder.config().input(ids, mask, types, seq_len, device)?;
        let encoded = model.encoder.forward(&input, &ForwardOptions::evaluation());
        let logits = model.masked_lm_logits(encoded.states_at(integers(places, device)));
        let best = logits.clone().argmax(1).into_data().convert::<i64>().try_into_vec::<i64>();
        let best = best.expect("the numbers were just converted to this type");
        let n = labels.len();
        n_masked += n;
        n_guessed += best.iter().zip(&labels).filter(|(a, b)| **a == i64::from(**b)).count();
        let mean = cross_entropy(logits, integers(labels, device), 0.0).into_scalar::<f32>();
        loss += f64::from(mean) * n as f64;
    }
    let n = n_masked.max(1) as f64;
    let scores = Scores::LanguageModeling { accuracy: n_guessed as f64 / n, loss: loss / n };
    Ok(LanguageResult { n: blocks.n, left_out: 0, truncated: 0, scores })
}

/// Which model of a run was scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// In words.
    pub rule: String,
    /// Its optimizer step.
    pub step: u64,
    /// Its score by that rule.
    pub score: f64,
}

/// A model, and how to score it.
#[derive(Clone, Copy)]
pub struct Evaluator<'a> {
    /// The model.
    pub model: &'a Model,
    /// What it was trained for.
    pub task: &'a Task,
    /// The names of its labels.
    pub labels: &'a LabelSet,
    /// Examples of one pass.
    pub batch_size: usize,
    /// Where the model is, without autodiff.
    pub device: &'a Device,
    /// The parts of it that are used; all of them if none.
    pub subnetwork: Option<&'a Subnetwork>,
}

/// What a model says of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predictions {
    /// The label ids of each example.
    Labels(Vec<Vec<usize>>),
    /// The sentences with the trees of a parser.
    Trees(Treebank),
}

/// What is told after each set: the set, its scores, and what the model said.
pub type Scored<'a> =
    dyn FnMut(&LabeledSet, &LanguageResult, &Predictions) -> Result<(), Error> + 'a;

impl Evaluator<'_> {
    /// Scores a set, and returns what the model said beside it.
    ///
    /// # Errors
    /// If a batch does not suit the model.
    pub fn score(&self, set: &LabeledSet) -> Result<(LanguageResult, Predictions), Error> {
        let result = |scores| LanguageResult {
            n: set.report.n,
            left_out: set.report.n_left_out(),
            truncated: set.report.n_truncated,
            scores,
        };
        if let (Task::Parsing(_), Some(gold)) = (self.task, &set.treebank) {
            let parsed = self.parse(set, gold)?;
            let scores = score_parses(gold, &parsed)?;
            let tags = self.model.parser().is_some_and(|parser| !parser.spec().tags.is_empty());
            let scores = Scores::Parsing {
                las: scores.las.f1(),
                uas: scores.uas.f1(),
                upos: tags.then(|| scores.upos.f1()),
            };
            return Ok((result(scores), Predictions::Trees(parsed)));
        }
        let n = set.features.len();
        let (mut gold, mut predicted) = (vec![Vec::new(); n], vec![Vec::new(); n]);
        for indices in sequential_by_length(&set.lengths(), self.batch_size) {
            let batch = read_sync(self.predict(set, &indices))?;
            for (example, (of_gold, of_predicted)) in indices.into_iter().zip(batch) {
                (gold[example], predicted[example]) = (of_gold, of_predicted);
            }
        }
        Ok((result(self.scores(&gold, &predicted)?), Predictions::Labels(predicted)))
    }

    /// The sentences of a set with the trees that the model finds best.
    fn parse(&self, set: &LabeledSet, gold: &Treebank) -> Result<Treebank, Error> {
        let model = self.model.valid();
        let pass = self.pass();
        let mut parsed = gold.clone();
        let refuse = |error: TreeError| {
            let problem = format!("the model's scores make no tree: {error}");
            Error::Damaged { path: set.path.clone(), problem }
        };
        for indices in sequential_by_length(&set.lengths(), self.batch_size) {
            let (batch, input) = set.batch(&indices, model.encoder.config(), self.device)?;
            let Targets::Words(words) = &batch.targets else { continue };
            let lengths = indices.iter().map(|index| gold.sentences[*index].words().len());
            let lengths: Vec<usize> = lengths.collect();
            let trees = trees(&model, &pass, words, &input, &lengths).map_err(refuse)?;
            for (index, tree) in indices.iter().zip(trees) {
                tree.write_to(&mut parsed.sentences[*index]).map_err(refuse)?;
            }
        }
        Ok(parsed)
    }

    /// A pass without dropout through those parts of the model that are used.
    fn pass(&self) -> ForwardOptions {
        ForwardOptions {
            subnetwork: self.subnetwork.map(|of| of.mask(self.device)),
            ..ForwardOptions::evaluation()
        }
    }

    /// Scores predicted label ids of examples.
    ///
    /// # Errors
    /// If there are none.
    pub fn scores(&self, gold: &[Vec<usize>], predicted: &[Vec<usize>]) -> Result<Scores, Error> {
        Ok(match self.task {
            // The others are not scored by labels.
            Task::Classification {}
            | Task::Parsing(_)
            | Task::Retrieval { .. }
            | Task::LanguageModeling {} => {
                let flat = |rows: &[Vec<usize>]| rows.iter().flatten().copied().collect::<Vec<_>>();
                let scores = ClassificationScores::from_ids(&flat(gold), &flat(predicted))?;
                Scores::Classification { accuracy: scores.accuracy, macro_f1: scores.macro_f1 }
            }
            Task::Tagging { .. } => {
                let scores = SpanScores::from_tags(&self.names(gold), &self.names(predicted))?;
                let (precision, recall) = (scores.precision, scores.recall);
                Scores::Tagging { span_f1: scores.f1, precision, recall }
            }
        })
    }

    /// Scores every set and sums them up.
    ///
    /// # Errors
    /// As [`score`](Self::score), and those of `scored`.
    pub fn score_all(
        &self,
        sets: &[LabeledSet],
        source: &Language,
        selection: Selection,
        scored: &mut Scored<'_>,
    ) -> Result<Results, Error> {
        let mut languages = BTreeMap::new();
        for set in sets {
            let (result, predicted) = self.score(set)?;
            scored(set, &result, &predicted)?;
            languages.insert(set.language.to_string(), result);
        }
        Ok(Results::new(self.task, std::slice::from_ref(source), selection, languages))
    }

    /// The gold and the predicted label ids of some examples: one of a text, one of each labeled token.
    ///
    /// # Errors
    /// If the batch does not suit the model, or the device does not give back its numbers.
    pub async fn predict(
        &self,
        set: &LabeledSet,
        indices: &[usize],
    ) -> Result<Vec<(Vec<usize>, Vec<usize>)>, Error> {
        let model = self.model.valid();
        let (batch, input) = set.batch(indices, model.encoder.config(), self.device)?;
        let best: Vec<i64> = read(model.forward(&input, &self.pass()).logits.argmax(1)).await?;
        let (targets, rows_per_example) = match &batch.targets {
            Targets::None | Targets::Words(_) => (&[][..], 1),
            Targets::Classes(classes) => (classes.as_slice(), 1),
            Targets::Tokens(tags) => (tags.as_slice(), batch.seq_len),
        };
        let mut labels = vec![(Vec::new(), Vec::new()); indices.len()];
        for (row, (best, target)) in best.iter().zip(targets).enumerate() {
            if *target != IGNORE_INDEX {
                let (gold, predicted) = &mut labels[row / rows_per_example];
                gold.push(*target as usize);
                predicted.push(*best as usize);
            }
        }
        Ok(labels)
    }

    fn names(&self, rows: &[Vec<usize>]) -> Vec<Vec<&str>> {
        let name = |id: &usize| self.labels.name(*id as u32).unwrap_or("O");
        rows.iter().map(|row| row.iter().map(name).collect()).collect()
    }
}
