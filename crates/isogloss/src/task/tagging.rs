//! Sequence tagging, such as named entities or slots: one BIO tag for each token; span F1 as in
//! seqeval.

use isogloss_methods::{DataNeed, MethodInfo, method_options};
use isogloss_model::{HeadSpec, Pooling};
use isogloss_text::{
    Annotation, Example, FeatureOptions, Featurized, LabelSet, TagUnits, TextError, Tokenizer,
    featurize_tagging,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scores::Scores;
use super::traits::{LabeledTask, LearnedLabels, Supervision, TargetKind, Task};
use crate::Error;
use crate::metrics::SpanScores;

/// The `[task.tagging]` table: sequence tagging, such as named entities or slots, with BIO tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tagging {
    /// Tagged units: the first subword of a word, or every subword.
    pub units: TagUnits,
}

impl Default for Tagging {
    fn default() -> Self {
        Self { units: TagUnits::Subword }
    }
}

impl Tagging {
    /// Method registry entry.
    pub(super) const INFO: MethodInfo = MethodInfo {
        key: "tagging",
        title: "Sequence tagging: slots, named entities",
        paper: "Devlin et al. 2019, BERT, arXiv:1810.04805",
        formula: "softmax(W hᵢ + b), one BIO tag a word or subword i; scored by the F1 of spans",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || method_options(Self::default()),
    };
}

impl Task for Tagging {
    fn name(&self) -> &'static str {
        "tagging"
    }

    fn metric(&self) -> &'static str {
        "span_f1"
    }

    fn supervision(&self) -> Supervision<'_> {
        Supervision::Labels(self)
    }
}

impl LabeledTask for Tagging {
    fn target(&self) -> TargetKind {
        TargetKind::Tag(self.units)
    }

    /// Reads tags of any tagging scheme as spans, which become BIO tags.
    fn annotation(&self) -> Annotation {
        Annotation::Spans
    }

    fn labels(&self, examples: &[Example]) -> LabelSet {
        LabelSet::tags(examples)
    }

    /// Counts each span type once, not its `B-` and its `I-` tag.
    fn n_shared_labels(&self, source: &LabelSet, other: &LabelSet) -> usize {
        let counts = |name: &&String| *name != "O" && !name.starts_with("I-");
        let shared = other.names().iter().filter(|name| source.id(name).is_some());
        shared.filter(counts).count()
    }

    fn featurize(
        &self,
        tokenizer: &Tokenizer,
        examples: &[Example],
        learned: LearnedLabels<'_>,
        options: &FeatureOptions,
    ) -> Result<Featurized, TextError> {
        featurize_tagging(tokenizer, examples, Some(learned.labels), self.units, options)
    }

    fn head(&self, labels: &LabelSet, _aux: &LabelSet, _pooling: Pooling) -> HeadSpec {
        HeadSpec::tokens(labels.names().to_vec())
    }

    fn scores(
        &self,
        labels: &LabelSet,
        gold: &[Vec<usize>],
        predicted: &[Vec<usize>],
    ) -> Result<Scores, Error> {
        // A word without a token is predicted as `O`.
        let name =
            |id: &usize| u32::try_from(*id).ok().and_then(|id| labels.name(id)).unwrap_or("O");
        let names = |rows: &[Vec<usize>]| -> Vec<Vec<&str>> {
            rows.iter().map(|row| row.iter().map(name).collect()).collect()
        };
        let scores = SpanScores::from_tags(&names(gold), &names(predicted))?;
        let SpanScores { f1, precision, recall, .. } = scores;
        Ok(Scores::new([("span_f1", f1), ("precision", precision), ("recall", recall)]))
    }
}
