//! Validation of a tokenizer file: errors that the `tokenizers` crate does not check and panics on.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::PostProcessorWrapper;
use tokenizers::normalizers::Precompiled;

/// Checks that the precompiled character maps of a normalizer can be parsed.
pub(super) fn check_normalizer(normalizer: &Value) -> Result<(), String> {
    if normalizer.get("type").and_then(Value::as_str) == Some("Precompiled") {
        let map = normalizer.to_string();
        serde_json::from_str::<Precompiled>(&map).map_err(|error| error.to_string())?;
    }
    let parts = normalizer.get("normalizers").and_then(Value::as_array);
    parts.into_iter().flatten().try_for_each(check_normalizer)
}

/// Checks that the templates of a post-processor contain each text once, and that its special
/// tokens are defined and in the vocabulary.
pub(super) fn check_post_processor(
    processor: &PostProcessorWrapper,
    vocab_size: usize,
) -> Result<(), String> {
    let value = serde_json::to_value(processor).map_err(|error| error.to_string())?;
    let parts = Processor::deserialize(value).map_err(|error| error.to_string())?;
    parts.check(vocab_size)
}

/// Post-processor, as in `tokenizer.json`.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Processor {
    TemplateProcessing {
        single: Vec<Piece>,
        pair: Vec<Piece>,
        special_tokens: BTreeMap<String, Special>,
    },
    BertProcessing {
        cls: (String, u32),
        sep: (String, u32),
    },
    RobertaProcessing {
        cls: (String, u32),
        sep: (String, u32),
    },
    Sequence {
        processors: Vec<Processor>,
    },
    #[serde(untagged)]
    Other(#[expect(dead_code, reason = "any other post-processor adds no token")] Value),
}

/// An element of a template.
#[derive(Deserialize)]
enum Piece {
    Sequence { id: String },
    SpecialToken { id: String },
}

/// A special token of a template, which may be several tokens.
#[derive(Deserialize)]
struct Special {
    ids: Vec<u32>,
    tokens: Vec<String>,
}

impl Processor {
    fn check(&self, vocab_size: usize) -> Result<(), String> {
        match self {
            Self::TemplateProcessing { single, pair, special_tokens } => {
                for (name, special) in special_tokens {
                    if special.ids.len() != special.tokens.len() {
                        return Err(format!(
                            "special token {name:?} has not one id for each token"
                        ));
                    }
                    special.ids.iter().try_for_each(|&id| check_id(name, id, vocab_size))?;
                }
                let unknown = single.iter().chain(pair).find_map(|piece| match piece {
                    Piece::SpecialToken { id } if !special_tokens.contains_key(id) => Some(id),
                    _ => None,
                });
                if let Some(name) = unknown {
                    return Err(format!("the template names an unknown special token {name:?}"));
                }
                let count = |template: &[Piece], text: &str| {
                    template
                        .iter()
                        .filter(|piece| matches!(piece, Piece::Sequence { id } if id == text))
                        .count()
                };
                let counts = [(single, "A", 1), (single, "B", 0), (pair, "A", 1), (pair, "B", 1)];
                if counts
                    .iter()
                    .any(|&(template, text, expected)| count(template, text) != expected)
                {
                    return Err("a template does not hold each text once".into());
                }
                Ok(())
            }
            Self::BertProcessing { cls, sep } | Self::RobertaProcessing { cls, sep } => {
                [cls, sep].into_iter().try_for_each(|(name, id)| check_id(name, *id, vocab_size))
            }
            Self::Sequence { processors } => {
                processors.iter().try_for_each(|processor| processor.check(vocab_size))
            }
            Self::Other(_) => Ok(()),
        }
    }
}

fn check_id(name: &str, id: u32, vocab_size: usize) -> Result<(), String> {
    match usize::try_from(id) {
        Ok(idx) if idx < vocab_size => Ok(()),
        _ => {
            Err(format!("special token {name:?} has the id {id}, the vocabulary {vocab_size} ids"))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Tokenizer;
    use crate::tokenizer::tests::UNIGRAM;

    fn message(from: &str, to: &str) -> String {
        let json = UNIGRAM.replacen(from, to, 1);
        assert_ne!(json, UNIGRAM);
        Tokenizer::from_bytes(json.as_bytes(), "t.json".as_ref()).unwrap_err().to_string()
    }

    #[test]
    fn special_tokens_must_be_defined_and_in_the_vocabulary() {
        assert_eq!(
            message(r#"{"SpecialToken": {"id": "<s>""#, r#"{"SpecialToken": {"id": "<S>""#),
            "t.json: not a usable tokenizer: the template names an unknown special token \"<S>\""
        );
        assert_eq!(
            message(r#""ids": [0]"#, r#""ids": [14]"#),
            "t.json: not a usable tokenizer: special token \"<s>\" has the id 14, the vocabulary 14 ids"
        );
        assert!(
            message(r#""ids": [0]"#, r#""ids": [0, 1]"#).ends_with("has not one id for each token")
        );
    }

    #[test]
    fn character_maps_must_be_readable() {
        for map in ["", "????", "AAAA"] {
            let normalizer =
                format!(r#"{{"type": "Precompiled", "precompiled_charsmap": "{map}"}}"#);
            let sequence = format!(r#"{{"type": "Sequence", "normalizers": [{normalizer}]}}"#);
            for normalizer in [normalizer, sequence] {
                let message =
                    message("\"normalizer\": null", &format!("\"normalizer\": {normalizer}"));
                assert!(message.starts_with("t.json: not a usable tokenizer: "), "{message}");
            }
        }
    }

    #[test]
    fn templates_must_hold_each_text_once() {
        assert!(
            message(r#"{"id": "A", "type_id": 0}"#, r#"{"id": "B", "type_id": 0}"#)
                .ends_with("each text once")
        );
        assert!(
            message(r#"{"id": "B", "type_id": 1}"#, r#"{"id": "A", "type_id": 1}"#)
                .ends_with("each text once")
        );
    }
}
