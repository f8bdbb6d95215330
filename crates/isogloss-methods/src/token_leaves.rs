//! Token embeddings as leaves of the autodiff graph: their gradient, summed by token, is the sparse
//! gradient of the embedding matrix, so that a step makes no gradient of the whole vocabulary.

use burn::tensor::{Int, Tensor};
use isogloss_model::{Encoder, Model, ModelInput, Tokens};

use crate::gradients::Gradients;
use crate::parameters::TOKEN_EMBEDDINGS;
use crate::sparse_gradient::{LookupIndex, SparseGradient};

/// Token embeddings of some texts, each a leaf of the autodiff graph, to be given to the encoder in
/// place of token IDs.
#[derive(Debug)]
pub struct TokenLeaves {
    leaves: Vec<Tensor<3>>,
    index: LookupIndex,
    vocab_size: usize,
}

/// Tokens of a text, on the device and on the host.
#[derive(Clone, Debug)]
pub struct TokenIds<'a> {
    /// Token IDs, `[batch, seq]`.
    pub on_device: Tensor<2, Int>,
    /// The same, row after row.
    pub on_host: &'a [i32],
}

impl TokenLeaves {
    /// Looks up the tokens of texts; `None` if the embedding matrix is frozen, or if there is no
    /// text.
    ///
    /// The gradient of what else reads the matrix, as a language-model head does that is tied to
    /// it, is not in theirs.
    pub fn new<'a>(
        encoder: &Encoder,
        texts: impl Iterator<Item = &'a TokenIds<'a>> + Clone,
    ) -> Option<Self> {
        if !encoder.trains_token_embeddings() {
            return None;
        }
        let device = texts.clone().next()?.on_device.device().without_autodiff();
        let ids: Vec<i32> = texts.clone().flat_map(|text| text.on_host).copied().collect();
        // Before the lookup, because a GPU submits what is launched at the next upload.
        let index = LookupIndex::new(&ids, &device);
        let leaves = texts.map(|text| encoder.embed_tokens_as_leaf(text.on_device.clone()));
        let leaves = leaves.collect::<Option<_>>()?;
        Some(Self { leaves, index, vocab_size: encoder.config().vocab_size })
    }

    /// Looks up the tokens of one input, whose IDs are `ids`, row after row; `None` if the embedding
    /// matrix is frozen, or if the input has none.
    pub fn for_input(encoder: &Encoder, input: &ModelInput, ids: &[i32]) -> Option<Self> {
        let Tokens::Ids(on_device) = &input.tokens else { return None };
        let text = TokenIds { on_device: on_device.clone(), on_host: ids };
        Self::new(encoder, std::iter::once(&text))
    }

    /// The embeddings of each text, `[batch, seq, hidden]`.
    pub fn embeddings(&self) -> &[Tensor<3>] {
        &self.leaves
    }

    /// Extracts the gradients of a backward pass, see [`Gradients::from_tape`], with the sparse
    /// gradient of the token embeddings if they are leaves.
    pub fn gradients(
        leaves: Option<&Self>,
        tape: burn::tensor::Gradients,
        models: &[&Model],
    ) -> Gradients {
        let sparse = leaves.and_then(|leaves| leaves.gradient(&tape));
        let gradients = Gradients::from_tape(tape, models);
        match sparse {
            Some(sparse) => gradients.plus_sparse(TOKEN_EMBEDDINGS, sparse),
            None => gradients,
        }
    }

    /// The sparse gradient of the embedding matrix; `None` if the loss depends on no embedding.
    fn gradient(&self, tape: &burn::tensor::Gradients) -> Option<SparseGradient> {
        let found: Vec<_> = self.leaves.iter().map(|leaf| leaf.grad(tape)).collect();
        if found.iter().all(Option::is_none) {
            return None;
        }
        let places = self.leaves.iter().zip(found).map(|(leaf, grad)| {
            let grad = grad.unwrap_or_else(|| leaf.clone().without_autodiff().zeros_like());
            grad.flatten::<2>(0, 1)
        });
        let places = match <[Tensor<2>; 1]>::try_from(places.collect::<Vec<_>>()) {
            Ok([only]) => only,
            Err(several) => Tensor::cat(several, 0),
        };
        Some(SparseGradient::from_lookup(&self.index, places, self.vocab_size))
    }
}
