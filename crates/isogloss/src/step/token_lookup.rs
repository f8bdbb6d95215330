//! Lookup of the token embeddings of a batch's texts, as leaves of the autodiff graph.

use std::ops::Range;

use isogloss_methods::{TokenIds, TokenLeaves};
use isogloss_model::{Model, Tokens};

use super::context::StepContext;
use super::device_batch::DeviceText;

impl DeviceText {
    /// The tokens of the text; `None` if its pass starts from cached activations.
    pub(super) fn ids(&self) -> Option<TokenIds<'_>> {
        let Tokens::Ids(ids) = &self.input.tokens else { return None };
        Some(TokenIds { on_device: ids.clone(), on_host: &self.input_ids })
    }

    /// The tokens of some rows of the text, as [`ids`](Self::ids).
    pub(super) fn ids_of_rows(&self, rows: &Range<usize>) -> Option<TokenIds<'_>> {
        let TokenIds { on_device, on_host } = self.ids()?;
        let [_, seq] = on_device.dims();
        let on_device = on_device.narrow(0, rows.start, rows.len());
        Some(TokenIds { on_device, on_host: &on_host[rows.start * seq..rows.end * seq] })
    }
}

impl StepContext {
    /// Looks up the tokens of texts; `None` if the gradient of the embedding matrix is dense, if it
    /// has none, or if there is no text.
    pub(super) fn token_leaves<'a>(
        &self,
        model: &Model,
        texts: impl Iterator<Item = &'a TokenIds<'a>> + Clone,
    ) -> Option<TokenLeaves> {
        if !self.sparse_embeddings {
            return None;
        }
        TokenLeaves::new(&model.encoder, texts)
    }
}

#[cfg(test)]
mod tests;
