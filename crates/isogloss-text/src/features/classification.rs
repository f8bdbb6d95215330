//! Featurization for text classification: tokenizes a text or text pair and looks up the id of its
//! class.

use crate::features::featurize::{FeaturizedExample, SpanMisfits, featurize, label_id, whole};
use crate::tokenizer::Encoder;
use crate::{
    Content, Example, FeatureOptions, Features, Featurized, LabelSet, Target, TextError, Tokenizer,
};

/// Featurizes examples for text (sequence) classification: one class for each text or text pair; no
/// classes if `labels` is `None`.
///
/// # Errors
/// [`TextError::MissingField`] for an example without a label, [`TextError::UnknownLabel`] for a
/// label that is not in `labels` unless such examples are to be skipped, and the errors of
/// [`Tokenizer::encode`].
/// The error is that of the first invalid example.
pub fn featurize_classification(
    tokenizer: &Tokenizer,
    examples: &[Example],
    labels: Option<&LabelSet>,
    options: &FeatureOptions,
) -> Result<Featurized, TextError> {
    featurize(examples, options.unseen, |example| {
        classification(Encoder::new(tokenizer), example, labels, options.max_length)
    })
}

/// Featurizes one example for text classification, see
/// [`featurize_classification`](crate::featurize_classification).
pub(crate) fn classification(
    encoder: Encoder<'_>,
    example: &Example,
    labels: Option<&LabelSet>,
    max_length: usize,
) -> Result<FeaturizedExample, TextError> {
    let ((input, first_text), label) = match &example.content {
        Content::Text { text, pair, label, .. } => {
            (encoder.encode(text, pair.as_deref(), max_length)?, label.as_deref())
        }
        Content::Words { words, .. } => (whole(encoder.encode_words(words, max_length)?), None),
        Content::Tree(sentence) => {
            (whole(encoder.encode_words(&sentence.forms(), max_length)?), None)
        }
    };
    let target = match (labels, label) {
        (None, _) => Target::None,
        (Some(labels), Some(label)) => Target::Class(label_id(labels, label, example)?),
        (Some(_), None) => {
            return Err(TextError::MissingField {
                path: example.origin.path.to_path_buf(),
                line: example.origin.line,
                field: "label".into(),
                nearest: None,
                key: Some("label"),
            });
        }
    };
    let features = Features { input, target };
    let (lost, misfits, unseen) = (Vec::new(), SpanMisfits::default(), Vec::new());
    Ok(FeaturizedExample { features, first_text, lost, n_words_lost: [0; 2], misfits, unseen })
}

#[cfg(test)]
mod tests {
    use super::featurize_classification;
    use crate::tokenizer::tests::unigram;
    use crate::{
        Example, FeatureOptions, Format, LabelSet, ReadOptions, Target, Unseen, read_examples,
    };

    fn jsonl(data: &str) -> Vec<Example> {
        read_examples(data.as_bytes(), "de.jsonl".as_ref(), &ReadOptions::new(Format::Jsonl))
            .unwrap()
    }

    #[test]
    fn an_unseen_class_is_an_error_or_is_counted() {
        let examples = jsonl(
            "{\"text\": \"an\", \"label\": \"on\"}\n{\"text\": \"aus\", \"label\": \"of\"}\n{\"text\": \"an\", \"label\": \"off\"}",
        );
        let labels = LabelSet::new(["off", "on"]).unwrap();
        let options = FeatureOptions::new(8);
        let error =
            featurize_classification(&unigram(), &examples, Some(&labels), &options).unwrap_err();
        assert_eq!(error.to_string(), "de.jsonl:2: unknown label \"of\", did you mean \"off\"?");

        let skipping = options.with_unseen(Unseen::Skip);
        let featurized =
            featurize_classification(&unigram(), &examples, Some(&labels), &skipping).unwrap();
        assert_eq!(featurized.kept, [0, 2]);
        assert_eq!(featurized.skipped.into_iter().collect::<Vec<_>>(), [("of".to_owned(), 1)]);
        let targets: Vec<_> =
            featurized.features.into_iter().map(|features| features.target).collect();
        assert_eq!(targets, [Target::Class(1), Target::Class(0)]);
    }

    #[test]
    fn a_missing_label_is_an_error_only_where_labels_are_wanted() {
        let examples = jsonl("{\"text\": \"an\"}");
        let options = FeatureOptions::new(8);
        let labels = LabelSet::new(["on"]).unwrap();
        let error =
            featurize_classification(&unigram(), &examples, Some(&labels), &options).unwrap_err();
        assert_eq!(
            error.to_string(),
            "de.jsonl:1: no field \"label\"; data.columns.label says which holds it"
        );
        let featurized = featurize_classification(&unigram(), &examples, None, &options).unwrap();
        assert_eq!(featurized.features[0].target, Target::None);
    }
}
