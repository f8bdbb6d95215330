//! RoBERTa and XLM-R: BERT's names, positions that start after the padding's.

use serde_json::Value;

use super::{Family, bert};
use crate::EncoderConfig;
use crate::config::Fields;

pub(super) fn read_config(json: &Value) -> Result<EncoderConfig, String> {
    Ok(EncoderConfig {
        family: Family::Roberta,
        pad_token_id: Fields(json).token_or("pad_token_id", 1)?,
        ..bert::read_config(json)?
    })
}
