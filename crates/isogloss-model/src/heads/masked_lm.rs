//! Masked-language-model head (BERT): maps hidden states to logits over the vocabulary.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use isogloss_kernels::{Dropout, linear, linear_gelu};

use crate::nn::{Dense, LayerNorm};
use crate::params::Builder;
use crate::{EncoderConfig, Init, ParamSource};

/// Kind of masked-language-model head; both kinds multiply by the token embedding matrix (weight
/// tying).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LmHeadKind {
    /// The family's pretrained head: a dense layer, GELU and a layer normalization before the
    /// product.
    Own,
    /// The product alone, for checkpoints without the pretrained head.
    Tied,
}

/// Masked-language-model head: `transform(h) Eᵀ + b`, where `E` is the encoder's token embedding
/// matrix.
///
/// `E` is shared with the encoder, so training the head also trains the embeddings.
///
/// # Source
/// Devlin et al. 2019, arXiv:1810.04805, §3.1; weight tying, Press & Wolf 2017, arXiv:1608.05859.
#[derive(Module, Debug)]
pub struct MaskedLmHead {
    transform: Option<Transform>,
    bias: Param<Tensor<1>>,
}

/// Transform before the decoder: `LN(gelu(W h + c))`.
#[derive(Module, Debug)]
struct Transform {
    dense: Dense,
    norm: LayerNorm,
    #[module(skip)]
    epsilon: f64,
}

impl MaskedLmHead {
    /// Builds a head with parameters from `source`.
    pub(crate) fn init(
        config: &EncoderConfig,
        kind: LmHeadKind,
        source: &mut dyn ParamSource,
        device: &Device,
    ) -> Self {
        let mut builder = Builder { source, device };
        let (width, std) = (config.hidden_size, config.initializer_range);
        let transform = (kind == LmHeadKind::Own).then(|| Transform {
            dense: Dense::init("lm_head.transform.dense", [width, width], std, &mut builder),
            norm: LayerNorm::init("lm_head.transform.norm", width, &mut builder),
            epsilon: config.layer_norm_eps,
        });
        let bias = builder.param("lm_head.bias", [config.vocab_size], Init::Zeros);
        Self { transform, bias }
    }

    /// Kind of this head.
    pub(crate) fn kind(&self) -> LmHeadKind {
        if self.transform.is_some() { LmHeadKind::Own } else { LmHeadKind::Tied }
    }

    /// Applies the transform of a pretrained head, `[n, hidden]` to the same shape; a tied head
    /// returns `states`.
    pub(crate) fn transform(&self, mut states: Tensor<2>) -> Tensor<2> {
        if let Some(Transform { dense, norm, epsilon }) = &self.transform {
            states = linear_gelu(states, dense.weight.val(), dense.bias.val());
            let nothing = states.zeros_like();
            states = norm.add(states, nothing, *epsilon, Dropout::OFF);
        }
        states
    }

    /// Logits over the vocabulary from transformed states.
    ///
    /// # Shapes
    /// - `states`: `[n, hidden]`
    /// - `embeddings`: `[vocab, hidden]`
    /// - returns: `[n, vocab]`
    pub(crate) fn logits(&self, states: Tensor<2>, embeddings: Tensor<2>) -> Tensor<2> {
        linear(states, embeddings, self.bias.val())
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::{ForwardOptions, Model, RandomParams, named_parameters, presets};

    fn model(kind: LmHeadKind, device: &Device) -> Model {
        let mut source = RandomParams::new(3);
        let model = Model::init(&presets::tiny(20), None, &mut source, device);
        model.with_lm_head(kind, &mut source, device)
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    #[test]
    fn a_tied_head_multiplies_by_the_token_embeddings() {
        let device = Device::flex();
        let model = model(LmHeadKind::Tied, &device);
        assert_eq!(model.lm_head_kind(), Some(LmHeadKind::Tied));
        let states = Tensor::<2>::from_data([[0.5f32; 32], [-0.25; 32]], &device);
        let embeddings = named_parameters(&model)[0].data().try_into_vec::<f32>().unwrap();
        let found = values(model.masked_lm_logits(states));
        for (row, factor) in [0.5f32, -0.25].into_iter().enumerate() {
            for (token, embedding) in embeddings.chunks(32).enumerate() {
                let expected = factor * embedding.iter().sum::<f32>();
                assert!((found[row * 20 + token] - expected).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn the_parameters_of_each_kind_have_their_paths() {
        let device = Device::flex();
        let paths = |kind| {
            let params = named_parameters(&model(kind, &device)).into_iter();
            params.map(|param| param.path).filter(|path| path.starts_with("lm_head")).collect()
        };
        let own: Vec<String> = paths(LmHeadKind::Own);
        assert_eq!(
            own,
            [
                "lm_head.transform.dense.weight",
                "lm_head.transform.dense.bias",
                "lm_head.transform.norm.weight",
                "lm_head.transform.norm.bias",
                "lm_head.bias"
            ]
        );
        assert_eq!(paths(LmHeadKind::Tied), ["lm_head.bias"]);
    }

    #[test]
    fn states_of_chosen_positions_give_the_logits_of_those_positions() {
        let device = Device::flex();
        let model = model(LmHeadKind::Own, &device);
        let config = model.encoder.config().clone();
        let input =
            config.input(&[5, 6, 7, 5, 6, 1], &[1, 1, 1, 1, 1, 0], &[0; 6], 3, &device).unwrap();
        let encoded = model.encoder.forward(&input, &ForwardOptions::evaluation());
        let all = encoded.last_hidden_state().reshape([6, 32]);
        let all = values(model.masked_lm_logits(all));
        let chosen = encoded.states_at(Tensor::from_ints([4, 1], &device));
        let chosen = values(model.masked_lm_logits(chosen));
        assert_eq!(chosen, [&all[80..100], &all[20..40]].concat());
    }
}
