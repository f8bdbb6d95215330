//! Part-of-speech tagging: one tag for each word; accuracy over words and macro-F1 over tags.

use std::io::Read;
use std::path::Path;

use isogloss_methods::{DataNeed, MethodInfo, method_options};
use isogloss_model::{HeadSpec, Pooling};
use isogloss_text::{
    Annotation, Bio, Content, Example, FeatureOptions, Featurized, LabelSet, ReadOptions, TagUnits,
    TextError, Tokenizer, featurize_tagging, read_examples,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::classification::Classification;
use super::scores::Scores;
use super::traits::{LabeledTask, LearnedLabels, Supervision, TargetKind, Task};
use crate::Error;
use crate::error::DataError;

/// The `[task.pos_tagging]` table: part-of-speech tagging, without options.
///
/// The first subword of a word carries its tag. A word whose first subword was truncated, or that
/// has no token, counts as wrong; the dataset statistics count these words.
///
/// # Source
/// Wu & Dredze 2019, arXiv:1904.09077: a classifier of first subwords, scored by accuracy. XTREME
/// (Hu et al. 2020, arXiv:2003.11080) reads such tags as spans and reports their span F1, another
/// number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PosTagging {}

impl PosTagging {
    /// Method registry entry.
    pub(super) const INFO: MethodInfo = MethodInfo {
        key: "pos_tagging",
        title: "Part-of-speech tagging",
        paper: "Wu & Dredze 2019, arXiv:1904.09077",
        formula: "softmax(W hᵢ + b), i the first subword of a word; scored by accuracy over words",
        needs: &[DataNeed::Labels],
        file: file!(),
        required: &[],
        example: || method_options(Self::default()),
    };

    /// Whether none of the labels is a BIO tag, which is a part of a span.
    pub(super) fn has_labels(labels: &[String]) -> bool {
        !labels.iter().any(|tag| matches!(tag.parse(), Ok(Bio::Begin(_) | Bio::Inside(_))))
    }
}

impl Task for PosTagging {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn metric(&self) -> &'static str {
        "accuracy"
    }

    fn supervision(&self) -> Supervision<'_> {
        Supervision::Labels(self)
    }
}

impl LabeledTask for PosTagging {
    fn target(&self) -> TargetKind {
        TargetKind::Tag(TagUnits::Word)
    }

    fn annotation(&self) -> Annotation {
        Annotation::Tags
    }

    fn read_from(
        &self,
        reader: &mut dyn Read,
        path: &Path,
        options: &ReadOptions,
    ) -> Result<Vec<Example>, Error> {
        let options = options.clone().with_annotation(self.annotation());
        let examples = read_examples(reader, path, &options)?;
        let is_tagged = |example: &Example| match &example.content {
            Content::Words { tags, .. } => Self::has_labels(tags),
            Content::Text { .. } | Content::Tree(_) => false,
        };
        let Some(other) = examples.iter().find(|example| !is_tagged(example)) else {
            return Ok(examples);
        };
        let expected = "words with a tag each that is no BIO tag, from CoNLL, CoNLL-U or JSON Lines; spans are \
             read where the labels of the model are BIO tags";
        let (path, line) = (path.to_owned(), other.origin.line);
        Err(DataError::Form { path, line, task: self.name(), expected }.into())
    }

    fn labels(&self, examples: &[Example]) -> LabelSet {
        LabelSet::tags(examples)
    }

    fn featurize(
        &self,
        tokenizer: &Tokenizer,
        examples: &[Example],
        learned: LearnedLabels<'_>,
        options: &FeatureOptions,
    ) -> Result<Featurized, TextError> {
        featurize_tagging(tokenizer, examples, Some(learned.labels), TagUnits::Word, options)
    }

    fn head(&self, labels: &LabelSet, _aux: &LabelSet, _pooling: Pooling) -> HeadSpec {
        HeadSpec::tokens(labels.names().to_vec())
    }

    /// Accuracy over words and macro-F1 over tags.
    fn scores(
        &self,
        labels: &LabelSet,
        gold: &[Vec<usize>],
        predicted: &[Vec<usize>],
    ) -> Result<Scores, Error> {
        Classification {}.scores(labels, gold, predicted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Task;
    use crate::task::TaskConfig;

    #[test]
    fn scores_count_words_and_not_sentences_or_spans() {
        let labels = LabelSet::new(["DET", "NOUN", "VERB"]).unwrap();
        // the lamp | turn the light on
        let gold = [vec![0, 1], vec![2, 0, 1, 2]];
        let predicted = [vec![0, 1], vec![1, 0, 1, 1]];
        let scores = PosTagging {}.scores(&labels, &gold, &predicted).unwrap();
        assert_eq!(scores.get("accuracy"), Some(4.0 / 6.0));
        // F1 of DET is 1, of NOUN 2 · 2 / (2 + 4), of VERB 0.
        let macro_f1 = (1.0 + 4.0 / 6.0) / 3.0;
        assert!((scores.get("macro_f1").unwrap() - macro_f1).abs() < 1e-12, "{scores:?}");
        assert_eq!(scores.main(), scores.get(PosTagging {}.metric()).unwrap());
    }

    #[test]
    fn a_saved_head_without_bio_tags_is_of_this_task() {
        let task = |labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            TaskConfig::for_head(&HeadSpec::tokens(labels)).name()
        };
        assert_eq!(task(&["ADJ", "NOUN", "X"]), "pos_tagging");
        assert_eq!(task(&["B", "I-", "NN-SG", "O"]), "pos_tagging");
        assert_eq!(task(&["B-LOC", "I-LOC", "O"]), "tagging");
        assert_eq!(task(&["I-LOC", "O"]), "tagging");
    }
}
