//! Vocabulary trimming of a `tokenizer.json` file.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use crate::{TextError, Tokenizer};

/// Vocabulary trimming: returns a `tokenizer.json` file with only the pieces `kept`, whose new ids
/// are their indices in `kept`.
///
/// Everything except the pieces is unchanged.
/// `json` is the content from which `tokenizer` was read; `path` names it in error messages.
///
/// # Errors
/// [`TextError::Tokenizer`] if the file does not have the form that `tokenizers` writes, or a
/// special token is not kept.
pub fn trim_tokenizer(
    tokenizer: &Tokenizer,
    json: &[u8],
    path: &Path,
    kept: &[u32],
) -> Result<Vec<u8>, TextError> {
    let fault = |reason: String| TextError::Tokenizer { path: path.to_owned(), reason };
    let mut file: Value = serde_json::from_slice(json).map_err(|error| fault(error.to_string()))?;
    let ids = NewIds(kept.iter().copied().zip(0..).collect());
    trim(tokenizer, &mut file, &ids).map_err(fault)?;
    let trimmed = serde_json::to_vec(&file);
    trimmed.map_err(|error| fault(error.to_string()))
}

fn trim(tokenizer: &Tokenizer, file: &mut Value, ids: &NewIds) -> Result<(), String> {
    let model = file.get_mut("model").ok_or("no \"model\"")?;
    let vocab = model.get_mut("vocab").ok_or("no \"model.vocab\"")?;
    match vocab {
        Value::Array(pieces) => {
            let mut id = 0..;
            pieces.retain(|_| id.next().is_some_and(|id| ids.get(id).is_some()));
        }
        Value::Object(pieces) => pieces.retain(|_, id| ids.replace(id).is_some()),
        _ => return Err("\"model.vocab\" is neither a list nor an object".into()),
    }
    if let Some(id) = model.get_mut("unk_id").filter(|id| !id.is_null()) {
        ids.replace(id).ok_or("the unknown piece is not kept")?;
    }
    let is_kept = |piece: &str| tokenizer.id(piece).is_some_and(|id| ids.get(id).is_some());
    let prefix = model.get("continuing_subword_prefix").and_then(Value::as_str);
    let prefix_len = prefix.map_or(0, str::len);
    if let Some(merges) = model.get_mut("merges").and_then(Value::as_array_mut) {
        merges.retain(|merge| {
            let parts = match merge {
                Value::String(parts) => parts.split_once(' '),
                parts => {
                    let part = |at| parts.get(at).and_then(Value::as_str);
                    part(0).zip(part(1))
                }
            };
            parts.is_some_and(|(left, right)| {
                let made = format!("{left}{}", right.get(prefix_len..).unwrap_or_default());
                [left, right, &made].into_iter().all(is_kept)
            })
        });
    }
    for token in file.get_mut("added_tokens").and_then(Value::as_array_mut).into_iter().flatten() {
        let content = token.get("content").and_then(Value::as_str).unwrap_or_default();
        let new = tokenizer.id(content).and_then(|id| ids.get(id));
        let new = new.ok_or_else(|| format!("the added token {content:?} is not kept"))?;
        if let Some(id) = token.get_mut("id") {
            *id = new.into();
        }
    }
    if let Some(id) = file.pointer_mut("/padding/pad_id") {
        ids.replace(id).ok_or("the padding token is not kept")?;
    }
    if let Some(processor) = file.get_mut("post_processor") {
        let mut is_kept = true;
        each_id(processor, &mut |id| is_kept &= ids.replace(id).is_some());
        if !is_kept {
            return Err("a special token of the post-processor is not kept".into());
        }
    }
    Ok(())
}

/// Calls `see` with the id of each special token that a post-processor may add.
pub(super) fn each_id(processor: &mut Value, see: &mut impl FnMut(&mut Value)) {
    let special = processor.get_mut("special_tokens").and_then(Value::as_object_mut);
    for special in special.into_iter().flat_map(|special| special.values_mut()) {
        special
            .get_mut("ids")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .for_each(&mut *see);
    }
    for name in ["cls", "sep"] {
        processor.get_mut(name).and_then(|token| token.get_mut(1)).into_iter().for_each(&mut *see);
    }
    let parts = processor.get_mut("processors").and_then(Value::as_array_mut);
    parts.into_iter().flatten().for_each(|part| each_id(part, see));
}

/// Id mapping: the new id of each kept piece.
struct NewIds(HashMap<u32, u32>);

impl NewIds {
    fn get(&self, id: u32) -> Option<u32> {
        self.0.get(&id).copied()
    }

    /// Replaces the old id by the new one; `None` if the piece is not kept.
    fn replace(&self, id: &mut Value) -> Option<()> {
        let new = self.get(u32::try_from(id.as_u64()?).ok()?)?;
        *id = new.into();
        Some(())
    }
}
