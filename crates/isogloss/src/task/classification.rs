//! Text classification: one label for each text, or pair of texts; accuracy and macro-F1.

use isogloss_methods::{DataNeed, MethodInfo, method_options};
use isogloss_model::{HeadSpec, Pooling};
use isogloss_text::{
    Annotation, Example, FeatureOptions, Featurized, LabelSet, TextError, Tokenizer,
    featurize_classification,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scores::Scores;
use super::traits::{LabeledTask, LearnedLabels, Supervision, TargetKind, Task};
use crate::Error;
use crate::metrics::ClassificationScores;

/// The `[task.classification]` table: text classification, without options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Classification {}

impl Classification {
    /// Method registry entry.
    pub(super) const INFO: MethodInfo = MethodInfo {
        key: "classification",
        title: "Text classification",
        paper: "Devlin et al. 2019, BERT, arXiv:1810.04805",
        formula: "softmax(W pool(h) + b), one label a text or a pair of texts; scored by accuracy",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || method_options(Self::default()),
    };
}

impl Task for Classification {
    fn name(&self) -> &'static str {
        "classification"
    }

    fn metric(&self) -> &'static str {
        "accuracy"
    }

    fn supervision(&self) -> Supervision<'_> {
        Supervision::Labels(self)
    }
}

impl LabeledTask for Classification {
    fn target(&self) -> TargetKind {
        TargetKind::Class
    }

    fn annotation(&self) -> Annotation {
        Annotation::Class
    }

    fn labels(&self, examples: &[Example]) -> LabelSet {
        LabelSet::classes(examples)
    }

    fn featurize(
        &self,
        tokenizer: &Tokenizer,
        examples: &[Example],
        learned: LearnedLabels<'_>,
        options: &FeatureOptions,
    ) -> Result<Featurized, TextError> {
        featurize_classification(tokenizer, examples, Some(learned.labels), options)
    }

    fn head(&self, labels: &LabelSet, _aux: &LabelSet, pooling: Pooling) -> HeadSpec {
        HeadSpec::sequence(labels.names().to_vec(), pooling)
    }

    fn scores(
        &self,
        _labels: &LabelSet,
        gold: &[Vec<usize>],
        predicted: &[Vec<usize>],
    ) -> Result<Scores, Error> {
        let flat = |rows: &[Vec<usize>]| rows.iter().flatten().copied().collect::<Vec<_>>();
        let scores = ClassificationScores::from_ids(&flat(gold), &flat(predicted))?;
        Ok(Scores::new([("accuracy", scores.accuracy), ("macro_f1", scores.macro_f1)]))
    }
}
