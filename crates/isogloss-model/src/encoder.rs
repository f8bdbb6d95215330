//! The transformer encoder: post-norm blocks over the sum of three embeddings.
//!
//! What is put into it later, adapters and low-rank changes, is empty in a new encoder and then
//! costs nothing.

mod adapters;
mod layer;
mod lora;

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};
use isogloss_kernels::{Dropout, dropout, dropout_add_layer_norm, linear, split_seed};

use adapters::AdapterSet;
use layer::{Layer, LayerPass};

use crate::named::Named;
use crate::params::Builder;
use crate::peft::invertible::Coupling;
use crate::{EncoderConfig, Init, ModelInput, ParamSource, Tokens};

/// How one pass through the model differs from another.
#[derive(Clone, Debug, Default)]
pub struct ForwardOptions {
    /// Draws all dropout masks of the pass; nothing is dropped without it.
    pub dropout_seed: Option<u64>,
    /// Multiplies the output of each head and of each feed-forward block.
    pub subnetwork: Option<SubnetworkMask>,
    /// Rates of dropout, unit by unit, in place of the encoder's one rate after each block.
    pub unit_dropout: Option<Arc<UnitDropout>>,
    /// The embeddings and so many of the lowest blocks drop nothing; none has all drop.
    pub undropped_layers: Option<usize>,
    /// Divides the classifier's weight by its largest singular value.
    pub normalized_head: bool,
}

/// What multiplies the outputs of an encoder's parts, on the device of the pass.
#[derive(Clone, Debug)]
pub struct SubnetworkMask {
    /// `[num_hidden_layers, num_attention_heads]`: of each head, before the output projection.
    pub heads: Tensor<2>,
    /// `[num_hidden_layers]`: of each feed-forward block, its bias included, before what it is added
    /// to.
    pub feed_forward: Tensor<1>,
}

/// The rates at which the units of each layer's two outputs are dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitDropout {
    /// By layer: a rate for each unit that attention puts out, and for each of the feed-forward
    /// network's.
    pub layers: Vec<[Vec<f32>; 2]>,
}

impl ForwardOptions {
    /// Without dropout.
    pub fn evaluation() -> Self {
        Self::default()
    }

    /// With the dropout masks of this seed.
    pub fn training(dropout_seed: u64) -> Self {
        Self { dropout_seed: Some(dropout_seed), ..Self::default() }
    }

    pub(crate) fn draws(&self) -> Draws {
        Draws { seed: self.dropout_seed, n_drawn: 0 }
    }
}

/// Hands out the dropout masks of a pass, one a site.
pub(crate) struct Draws {
    seed: Option<u64>,
    n_drawn: u64,
}

impl Draws {
    pub(crate) fn next(&mut self, rate: f64) -> Dropout {
        self.n_drawn += 1;
        match self.seed {
            Some(seed) => Dropout { rate: rate as f32, seed: split_seed(seed, self.n_drawn) },
            None => Dropout::OFF,
        }
    }
}

/// An encoder of any [`Family`](crate::Family).
#[derive(Module, Debug)]
pub struct Encoder {
    embeddings: Embeddings,
    layers: Vec<Layer>,
    invertible_adapters: Named<Coupling>,
    #[module(skip)]
    config: EncoderConfig,
    #[module(skip)]
    added: AdapterSet,
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

    /// The output of the last block at some places, so that a head may be run on these alone.
    ///
    /// # Shapes
    /// - `places`: `[n]`, each `row * seq + column`
    /// - returns: `[n, hidden]`
    pub fn states_at(&self, places: Tensor<1, Int>) -> Tensor<2> {
        let hidden = self.last_hidden_state();
        let [batch, seq, width] = hidden.dims();
        hidden.reshape([batch * seq, width]).select(0, places)
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

    /// The table of token embeddings, `[vocab, hidden]`.
    pub(crate) fn token_table(&self) -> Tensor<2> {
        self.embeddings.token.weight.val()
    }

    /// Looks tokens up in the embedding table, before positions are added.
    ///
    /// # Shapes
    /// - `input_ids`: `[batch, seq]`
    /// - returns: `[batch, seq, hidden]`
    pub fn embed_tokens(&self, input_ids: Tensor<2, Int>) -> Tensor<3> {
        burn::tensor::module::embedding(self.embeddings.token.weight.val(), input_ids)
    }

    /// Looks several batches up at once: however many there are, the gradient of the table is made
    /// once.
    ///
    /// # Shapes
    /// - `input_ids`: each `[batch, seq]`
    /// - returns: each `[batch, seq, hidden]`
    pub fn embed_tokens_of(&self, input_ids: &[Tensor<2, Int>]) -> Vec<Tensor<3>> {
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

    /// Where the tokens look in a block, from the states that enter it.
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
        self.layers[block].attention_log_probs(states, input.attention_bias(), head_width)
    }

    /// Encodes a batch.
    ///
    /// # Panics
    /// If the pass has a mask and the encoder is pruned: a mask is for all parts.
    pub fn forward(&self, input: &ModelInput, pass: &ForwardOptions) -> EncoderOutput {
        self.forward_with(input, pass, &mut pass.draws())
    }

    pub(crate) fn forward_with(
        &self,
        input: &ModelInput,
        pass: &ForwardOptions,
        draws: &mut Draws,
    ) -> EncoderOutput {
        let is_whole = self.config.pruned.is_empty();
        assert!(pass.subnetwork.is_none() || is_whole, "masks are for encoders with all parts");
        // Blocks that drop nothing draw nothing: those above draw the same wherever a pass begins.
        let mut no_draws = Draws { seed: None, n_drawn: 0 };
        let drops = |n_blocks| pass.undropped_layers.is_none_or(|undropped| undropped < n_blocks);
        let embed = |tokens, draws: &mut Draws| {
            let hidden = self.embeddings.forward(tokens, input, &self.config, draws);
            self.invertible_adapter().map_or_else(|| hidden.clone(), |c| c.forward(hidden.clone()))
        };
        let of_embeddings = if drops(0) { &mut *draws } else { &mut no_draws };
        let (mut hidden, first) = match &input.tokens {
            Tokens::Ids(ids) => (embed(self.embed_tokens(ids.clone()), of_embeddings), 0),
            Tokens::Embeddings(embeddings) => (embed(embeddings.clone(), of_embeddings), 0),
            Tokens::States { states, layer } => (states.clone(), *layer),
        };
        let stack = self.active_adapters();
        let bias = input.attention_bias();
        let mut hidden_states = Vec::with_capacity(self.layers.len() + 1);
        for (index, layer) in self.layers.iter().enumerate().skip(first) {
            hidden_states.push(hidden.clone());
            let mask = pass.subnetwork.as_ref().map(|mask| {
                let heads = mask.heads.clone().narrow(0, index, 1);
                (heads, mask.feed_forward.clone().narrow(0, index, 1))
            });
            let (head_mask, feed_forward_mask) = mask.unzip();
            let units = pass.unit_dropout.as_ref().map(|units| &units.layers[index]);
            let bias = bias.clone();
            let pass = LayerPass { bias, head_mask, feed_forward_mask, units, stack };
            let of_layer = if drops(index + 1) { &mut *draws } else { &mut no_draws };
            hidden = layer.forward(hidden, pass, &self.config, of_layer);
        }
        hidden_states.push(hidden);
        EncoderOutput { hidden_states }
    }
}

#[derive(Module, Debug)]
struct Embeddings {
    token: Table,
    position: Table,
    token_type: Option<Table>,
    norm: Norm,
}

impl Embeddings {
    fn init(config: &EncoderConfig, builder: &mut Builder<'_>) -> Self {
        let width = config.hidden_size;
        let init = Init::Normal(config.initializer_range);
        let mut table = |name: &str, n_rows| Table {
            weight: builder.param(&format!("embeddings.{name}.weight"), [n_rows, width], init),
        };
        let token = table("token", config.vocab_size);
        let position = table("position", config.max_position_embeddings);
        let token_type =
            (config.type_vocab_size > 0).then(|| table("token_type", config.type_vocab_size));
        Self { token, position, token_type, norm: Norm::init("embeddings.norm", width, builder) }
    }

    fn forward(
        &self,
        tokens: Tensor<3>,
        input: &ModelInput,
        config: &EncoderConfig,
        draws: &mut Draws,
    ) -> Tensor<3> {
        let mut places = self.position.rows(input.position_ids.clone());
        if let Some(token_type) = &self.token_type {
            places = places + token_type.rows(input.token_type_ids.clone());
        }
        let hidden = self.norm.add(tokens, places, config.layer_norm_eps, Dropout::OFF);
        dropout(hidden, draws.next(config.hidden_dropout_prob))
    }
}

#[derive(Module, Debug)]
struct Table {
    weight: Param<Tensor<2>>,
}

impl Table {
    fn rows(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        burn::tensor::module::embedding(self.weight.val(), ids)
    }
}

/// A layer normalization of a sum.
#[derive(Module, Debug)]
pub(crate) struct Norm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
}

impl Norm {
    pub(crate) fn init(path: &str, width: usize, builder: &mut Builder<'_>) -> Self {
        Self {
            weight: builder.param(&format!("{path}.weight"), [width], Init::Ones),
            bias: builder.param(&format!("{path}.bias"), [width], Init::Zeros),
        }
    }

    pub(crate) fn add<const D: usize>(
        &self,
        x: Tensor<D>,
        residual: Tensor<D>,
        epsilon: f64,
        dropout: Dropout,
    ) -> Tensor<D> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        dropout_add_layer_norm(x, residual, weight, bias, epsilon, dropout)
    }
}

/// An affine map with PyTorch's layout, `[out, in]`.
#[derive(Module, Debug)]
pub(crate) struct Dense {
    pub(crate) weight: Param<Tensor<2>>,
    pub(crate) bias: Param<Tensor<1>>,
}

impl Dense {
    pub(crate) fn init(path: &str, sizes: [usize; 2], std: f64, builder: &mut Builder<'_>) -> Self {
        Self::init_with(path, sizes, Init::Normal(std), builder)
    }

    pub(crate) fn init_with(
        path: &str,
        [n_inputs, n_outputs]: [usize; 2],
        init: Init,
        builder: &mut Builder<'_>,
    ) -> Self {
        let (weight, bias) = (format!("{path}.weight"), format!("{path}.bias"));
        Self {
            weight: builder.param(&weight, [n_outputs, n_inputs], init),
            bias: builder.param(&bias, [n_outputs], Init::Zeros),
        }
    }

    pub(crate) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        linear(x, self.weight.val(), self.bias.val())
    }
}
