//! Class of a task model whose `config.json` has no `architectures`, or that of a model without a
//! head, by the tensors of its head.
//!
//! `transformers` loads such a folder with the class that its user names.

use serde_json::{Value, json};

use super::config_json::class_name;
use super::weights::WeightFiles;
use crate::family::FamilySpec;
use crate::{ConfigError, EncoderConfig};

const SEQUENCE: &str = "ForSequenceClassification";
const TOKENS: &str = "ForTokenClassification";
const CHOICE: &str = "ForMultipleChoice";
/// Classes of `transformers` with a head of their own, read here or not.
const WITH_HEAD: [&str; 5] =
    [SEQUENCE, TOKENS, CHOICE, "ForQuestionAnswering", "ForNextSentencePrediction"];
/// Classes of pretrained models: a configuration of such a one is often copied beside the weights of
/// a classifier.
const PRETRAINED: [&str; 4] = ["Model", "ForMaskedLM", "ForPreTraining", "LMHeadModel"];

/// Adds the class to a `config.json` without one, or with that of a pretrained model, if the weight
/// files have a classifier.
///
/// # Errors
/// If the classifier may be of several classes, or is that of a class of its own, which may do more
/// with its logits.
pub(super) fn add_class(
    json: &mut Value,
    config: &EncoderConfig,
    files: &WeightFiles,
) -> Result<(), ConfigError> {
    let class = class_name(json);
    let has_head = WITH_HEAD.iter().any(|kind| class.ends_with(kind));
    if has_head || json.pointer("/isogloss/parser").is_some() {
        return Ok(());
    }
    let family = config.family.spec();
    let is_pretrained = family
        .model_types
        .iter()
        .any(|of| class.strip_prefix(of.class_stem).is_some_and(|kind| PRETRAINED.contains(&kind)));
    let Some(classes) = classes(json, family, files) else { return Ok(()) };
    let stem = family.class_stem(json.get("model_type").and_then(Value::as_str));
    let names: Vec<String> = classes.kinds.iter().map(|kind| format!("{stem}{kind}")).collect();
    if let [name] = names.as_slice()
        && (class.is_empty() || is_pretrained)
    {
        json["architectures"] = json!([name]);
        return Ok(());
    }
    let found = match class {
        "" => "there is none".to_owned(),
        class if is_pretrained => format!("\"{class}\" has no classifier"),
        class => format!("\"{class}\" is not known"),
    };
    let (tensors, first) = (classes.tensors.join("\" and \""), &names[0]);
    let problem = format!(
        "{found}, and \"{tensors}\" may be of {}; [\"{first}\"] says so",
        names.join(" or ")
    );
    Err(ConfigError::mismatch("architectures", problem))
}

/// Classes that a classifier may be of, the likeliest first.
struct Classes {
    kinds: Vec<&'static str>,
    /// The tensors that tell.
    tensors: Vec<String>,
}

/// Classes by the tensors of the weight files; `None` without a classifier.
fn classes(json: &Value, family: &FamilySpec, files: &WeightFiles) -> Option<Classes> {
    let find = |module: &str| {
        let name = format!("{module}.weight");
        let bare = name.strip_prefix(family.prefix).unwrap_or(&name).to_owned();
        [name, bare].into_iter().find(|name| files.contains(name))
    };
    let rows = |name: &String| files.shape(name).and_then(|shape| shape.first().copied());
    let dense = find(family.pooler.dense);
    let after_dense = find(family.pooler.classifier);
    let bare = find("classifier");
    let is_one = |name: &String| rows(name) == Some(1);
    let is_bert = family.pooler.dense.starts_with(family.prefix);
    let (kinds, tensors) = match (dense, after_dense, bare) {
        (_, None, None) => return None,
        // BERT's pooler is the encoder's own, which token classifiers of transformers 3 have too.
        (Some(dense), Some(classifier), _) if is_bert => {
            let one = is_one(&classifier);
            (by_config(json, one, &[SEQUENCE, TOKENS]), vec![classifier, dense])
        }
        (Some(dense), Some(classifier), other) => {
            // Elsewhere the classifier of multiple choice has a name of its own.
            let one = other.as_ref() == Some(&classifier) && is_one(&classifier);
            let both = other.filter(|other| *other != classifier);
            let kinds: &[_] = if both.is_some() { &[SEQUENCE, TOKENS] } else { &[SEQUENCE] };
            (by_config(json, one, kinds), [classifier, dense].into_iter().chain(both).collect())
        }
        (_, _, Some(classifier)) => {
            (by_config(json, is_one(&classifier), &[TOKENS]), vec![classifier])
        }
        (_, Some(classifier), None) => (vec![SEQUENCE], vec![classifier]),
    };
    Some(Classes { kinds, tensors })
}

/// Narrows classes down by the labels and the problem type of the configuration; a classifier of
/// `one` row may also be that of multiple choice.
fn by_config(json: &Value, one: bool, kinds: &[&'static str]) -> Vec<&'static str> {
    let has = |field: &str| json.get(field).is_some_and(|value| !value.is_null());
    let names = json.get("id2label").and_then(Value::as_object);
    let is_tag = |name: &Value| {
        let prefix = name.as_str().and_then(|name| name.split_once('-'));
        prefix.is_some_and(|(prefix, _)| ["B", "I"].contains(&prefix))
    };
    if kinds.contains(&SEQUENCE) && has("problem_type") {
        return vec![SEQUENCE];
    }
    if kinds.contains(&TOKENS) && names.is_some_and(|names| names.values().any(is_tag)) {
        return vec![TOKENS];
    }
    // One label of a configuration is a score; a token has no single label.
    let is_score = has("num_labels") || names.is_some_and(|names| names.len() == 1);
    match one {
        true if is_score && kinds.contains(&SEQUENCE) => vec![SEQUENCE],
        true => {
            let others = kinds.iter().filter(|kind| **kind != TOKENS).copied();
            others.chain([CHOICE]).collect()
        }
        false => kinds.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{CHOICE, SEQUENCE, TOKENS, by_config};

    #[test]
    fn a_configuration_tells_classes_apart() {
        let both = [SEQUENCE, TOKENS];
        let tags = json!({"id2label": {"0": "O", "1": "B-PER", "2": "I-PER"}});
        let names = json!({"id2label": {"0": "yes", "1": "e-mail"}});
        let several = json!({"problem_type": "multi_label_classification"});
        let score = json!({"num_labels": 1});
        for (json, one, kinds, expected) in [
            (&tags, false, &both[..], &[TOKENS][..]),
            (&tags, false, &[SEQUENCE], &[SEQUENCE]),
            (&names, false, &both, &both),
            (&several, false, &both, &[SEQUENCE]),
            (&json!({"problem_type": null}), false, &both, &both),
            (&json!({}), true, &both, &[SEQUENCE, CHOICE]),
            (&score, true, &both, &[SEQUENCE]),
            (&json!({}), true, &[TOKENS], &[CHOICE]),
        ] {
            assert_eq!(by_config(json, one, kinds), expected, "{json} {one} {kinds:?}");
        }
    }
}
