//! Transformer encoder: embeddings and a stack of transformer blocks.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use isogloss_kernels::embedding;

use super::adapter_set::AdapterSet;
use super::embeddings::Embeddings;
use super::layer::{Layer, LayerOptions};
use super::options::ForwardOptions;
use crate::named::Named;
use crate::nn::DropoutMasks;
use crate::params::Builder;
use crate::peft::Coupling;
use crate::{EncoderConfig, ModelInput, ParamSource, Tokens};

/// Transformer encoder of any [`Family`](crate::Family).
#[derive(Module, Debug)]
pub struct Encoder {
    pub(super) embeddings: Embeddings,
    pub(super) layers: Vec<Layer>,
    pub(super) invertible_adapters: Named<Coupling>,
    #[module(skip)]
    pub(super) config: EncoderConfig,
    #[module(skip)]
    pub(super) added: AdapterSet,
}

/// Encoder output: the hidden states of one forward pass.
#[derive(Clone, Debug)]
pub struct EncoderOutput {
    /// Hidden states, `num_hidden_layers + 1` tensors of `[batch, seq, hidden]`: index 0 is the
    /// output of the embeddings, after an invertible adapter, index `n` the output of block `n`. A
    /// pass that starts from [`Tokens::States`] has only the states from that layer on.
    pub hidden_states: Vec<Tensor<3>>,
}

impl EncoderOutput {
    /// Last hidden state: the output of the last block, `[batch, seq, hidden]`.
    pub fn last_hidden_state(&self) -> Tensor<3> {
        self.hidden_states.last().expect("the embeddings are always there").clone()
    }

    /// Last hidden states at selected positions, to run a head on these alone.
    ///
    /// # Shapes
    /// - `indices`: `[n]`, each `row * seq + column`
    /// - returns: `[n, hidden]`
    pub fn states_at(&self, indices: Tensor<1, Int>) -> Tensor<2> {
        let hidden = self.last_hidden_state();
        let [batch, seq, width] = hidden.dims();
        hidden.reshape([batch * seq, width]).select(0, indices)
    }
}

impl Encoder {
    /// Builds an encoder with parameters from `source`.
    pub fn init(config: &EncoderConfig, source: &mut dyn ParamSource, device: &Device) -> Self {
        let mut builder = Builder { source, device };
        Self {
            embeddings: Embeddings::init(config, &mut builder),
            layers: (0..config.num_hidden_layers)
                .map(|index| Layer::init(config, index, &mut builder))
                .collect(),
            invertible_adapters: Named::new(),
            config: config.clone(),
            added: AdapterSet::default(),
        }
    }

    /// The encoder configuration.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Sets all dropout rates of the configuration.
    #[must_use]
    pub(crate) fn with_dropout(mut self, rate: f64) -> Self {
        self.config.hidden_dropout_prob = rate;
        self.config.attention_probs_dropout_prob = rate;
        self.config.sequence_dropout_prob = rate;
        self.config.token_dropout_prob = rate;
        self
    }

    /// Keeps the first `n_layers` blocks and removes those above.
    #[must_use]
    pub fn truncated(mut self, n_layers: usize) -> Self {
        self.layers.truncate(n_layers);
        self.config.num_hidden_layers = self.layers.len();
        self.config.pruned.truncate(n_layers);
        self
    }

    /// Whether the token embedding matrix has a gradient.
    pub fn trains_token_embeddings(&self) -> bool {
        self.token_embeddings().is_require_grad()
    }

    /// Token embedding matrix, `[vocab, hidden]`.
    pub(crate) fn token_embeddings(&self) -> Tensor<2> {
        self.embeddings.token.weight.val()
    }

    /// Token embeddings: lookup in the embedding matrix, before position embeddings are added.
    ///
    /// # Shapes
    /// - `input_ids`: `[batch, seq]`
    /// - returns: `[batch, seq, hidden]`
    pub fn embed_tokens(&self, input_ids: Tensor<2, Int>) -> Tensor<3> {
        self.embeddings.token.rows(input_ids)
    }

    /// Token embeddings of several batches by one lookup, so that the gradient of the embedding
    /// matrix is computed once.
    ///
    /// # Shapes
    /// - `input_ids`: each `[batch, seq]`
    /// - returns: each `[batch, seq, hidden]`
    pub fn embed_token_batches(&self, input_ids: &[Tensor<2, Int>]) -> Vec<Tensor<3>> {
        let flat = input_ids.iter().map(|ids| {
            let [batch, seq] = ids.dims();
            ids.clone().reshape([1, batch * seq])
        });
        let all = self.embed_tokens(Tensor::cat(flat.collect(), 1));
        let mut start = 0;
        let mut next = |ids: &Tensor<2, Int>| {
            let [batch, seq] = ids.dims();
            let rows = all.clone().narrow(1, start, batch * seq);
            start += batch * seq;
            rows.reshape([batch, seq, self.config.hidden_size])
        };
        input_ids.iter().map(&mut next).collect()
    }

    /// Token embeddings as a leaf of the autodiff graph: the gradient of the embedding matrix stops
    /// at the rows that were looked up, and is theirs. `None` if the matrix is frozen.
    ///
    /// # Shapes
    /// - `input_ids`: `[batch, seq]`
    /// - returns: `[batch, seq, hidden]`
    pub fn embed_tokens_as_leaf(&self, input_ids: Tensor<2, Int>) -> Option<Tensor<3>> {
        if !self.trains_token_embeddings() {
            return None;
        }
        let weight = self.token_embeddings();
        let rows = embedding(weight.without_autodiff(), input_ids.without_autodiff());
        Some(rows.autodiff().require_grad())
    }

    /// Attention maps of a block, computed from its input hidden states.
    ///
    /// # Shapes
    /// - `states`: `[batch, seq, hidden]`, the hidden states at index `block`, from zero
    /// - returns: `[batch, heads, seq, seq]`, log-probabilities over the last dimension; padding
    ///   has probability zero; `None` if all heads of the block are pruned
    ///
    /// # Panics
    /// If there is no such block.
    pub fn attention_log_probs(
        &self,
        block: usize,
        states: Tensor<3>,
        input: &ModelInput,
    ) -> Option<Tensor<4>> {
        let head_width = self.config.head_width();
        self.layers[block].attention.log_probs(states, input.attention_bias(), head_width)
    }

    /// Forward pass of the encoder.
    ///
    /// # Panics
    /// If the options have a subnetwork mask and the encoder is pruned.
    pub fn forward(&self, input: &ModelInput, options: &ForwardOptions) -> EncoderOutput {
        self.forward_with(input, options, &mut options.dropout_masks())
    }

    /// Forward pass with dropout masks that a task head continues to draw from.
    pub(crate) fn forward_with(
        &self,
        input: &ModelInput,
        options: &ForwardOptions,
        masks: &mut DropoutMasks,
    ) -> EncoderOutput {
        let is_whole = self.config.pruned.is_empty();
        assert!(options.subnetwork.is_none() || is_whole, "masks are for encoders with all parts");
        // Blocks without dropout draw no masks, so that the blocks above draw the same masks
        // wherever the pass starts.
        let mut no_masks = DropoutMasks::new(None);
        let embed = |tokens, masks: &mut DropoutMasks| {
            let hidden = self.embeddings.forward(tokens, input, &self.config, masks);
            self.invertible_adapter().map_or_else(|| hidden.clone(), |c| c.forward(hidden.clone()))
        };
        let embedding_masks = if options.has_dropout(0) { &mut *masks } else { &mut no_masks };
        let (mut hidden, first) = match &input.tokens {
            Tokens::Ids(ids) => (embed(self.embed_tokens(ids.clone()), embedding_masks), 0),
            Tokens::Embeddings(embeddings) => (embed(embeddings.clone(), embedding_masks), 0),
            Tokens::States { states, layer } => (states.clone(), *layer),
        };
        let bias = input.attention_bias();
        let mut hidden_states = Vec::with_capacity(self.layers.len() + 1);
        for (index, layer) in self.layers.iter().enumerate().skip(first) {
            hidden_states.push(hidden.clone());
            let mask = options.subnetwork.as_ref().map(|mask| {
                let heads = mask.heads.clone().narrow(0, index, 1);
                (heads, mask.feed_forward.clone().narrow(0, index, 1))
            });
            let (head_mask, feed_forward_mask) = mask.unzip();
            let layer_options = LayerOptions {
                bias: bias.clone(),
                head_mask,
                feed_forward_mask,
                unit_rates: options.unit_dropout.as_ref().map(|rates| &rates.layers[index]),
                stack: &self.added.stack,
            };
            let masks = if options.has_dropout(index + 1) { &mut *masks } else { &mut no_masks };
            hidden = layer.forward(hidden, layer_options, &self.config, masks);
        }
        hidden_states.push(hidden);
        EncoderOutput { hidden_states }
    }

    /// Invertible adapter of the first active adapter.
    pub(super) fn invertible_adapter(&self) -> Option<&Coupling> {
        self.invertible_adapters.get(self.added.stack.first()?)
    }
}
