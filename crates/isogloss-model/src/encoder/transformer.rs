//! The encoder: embeddings and a stack of transformer blocks.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

use super::adapter_set::AdapterSet;
use super::embeddings::Embeddings;
use super::layer::{Layer, LayerOptions};
use super::options::ForwardOptions;
use crate::named::Named;
use crate::nn::DropoutMasks;
use crate::params::Builder;
use crate::peft::Coupling;
use crate::{EncoderConfig, ModelInput, ParamSource, Tokens};

/// A transformer encoder of any [`Family`](crate::Family).
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

/// The hidden states of one pass.
#[derive(Clone, Debug)]
pub struct EncoderOutput {
    /// `num_hidden_layers + 1` tensors of `[batch, seq, hidden]`: index 0 is the embeddings' output,
    /// after an invertible adapter, index `n` that of block `n`. A pass that began from
    /// [`Tokens::States`] has only those from there on.
    pub hidden_states: Vec<Tensor<3>>,
}

impl EncoderOutput {
    /// The output of the last block, `[batch, seq, hidden]`.
    pub fn last_hidden_state(&self) -> Tensor<3> {
        self.hidden_states.last().expect("the embeddings are always there").clone()
    }

    /// The output of the last block at some positions, so that a head may be run on these alone.
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
    /// Builds an encoder with the parameters of `source`.
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

    /// The sizes it was built with.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// The same encoder with another rate of dropout everywhere.
    #[must_use]
    pub(crate) fn with_dropout(mut self, rate: f64) -> Self {
        self.config.hidden_dropout_prob = rate;
        self.config.attention_probs_dropout_prob = rate;
        self.config.sequence_dropout_prob = rate;
        self.config.token_dropout_prob = rate;
        self
    }

    /// The same encoder without the blocks above the first `n_layers`, for the states below them.
    #[must_use]
    pub fn truncated(mut self, n_layers: usize) -> Self {
        self.layers.truncate(n_layers);
        self.config.num_hidden_layers = self.layers.len();
        self.config.pruned.truncate(n_layers);
        self
    }

    /// The embedding matrix of tokens, `[vocab, hidden]`.
    pub(crate) fn token_embeddings(&self) -> Tensor<2> {
        self.embeddings.token.weight.val()
    }

    /// Token embeddings: rows of the embedding matrix, before those of positions are added.
    ///
    /// # Shapes
    /// - `input_ids`: `[batch, seq]`
    /// - returns: `[batch, seq, hidden]`
    pub fn embed_tokens(&self, input_ids: Tensor<2, Int>) -> Tensor<3> {
        self.embeddings.token.rows(input_ids)
    }

    /// Token embeddings of several batches: however many there are, the gradient of the embedding
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

    /// The attention maps of a block, from the hidden states that enter it.
    ///
    /// # Shapes
    /// - `states`: `[batch, seq, hidden]`, the hidden states at index `block`, from zero
    /// - returns: `[batch, heads, seq, seq]`, logarithms of probabilities over the last dimension,
    ///   which are zero for padding; none if all heads of the block are pruned
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

    /// Encodes a batch.
    ///
    /// # Panics
    /// If the options have a mask and the encoder is pruned: a mask is for all parts.
    pub fn forward(&self, input: &ModelInput, options: &ForwardOptions) -> EncoderOutput {
        self.forward_with(input, options, &mut options.dropout_masks())
    }

    /// Encodes a batch with dropout masks that a head draws from after it.
    pub(crate) fn forward_with(
        &self,
        input: &ModelInput,
        options: &ForwardOptions,
        masks: &mut DropoutMasks,
    ) -> EncoderOutput {
        let is_whole = self.config.pruned.is_empty();
        assert!(options.subnetwork.is_none() || is_whole, "masks are for encoders with all parts");
        // Blocks that drop nothing draw nothing: those above draw the same wherever a pass begins.
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

    /// The invertible adapter of the lowest active adapter.
    pub(super) fn invertible_adapter(&self) -> Option<&Coupling> {
        self.invertible_adapters.get(self.added.stack.first()?)
    }
}
