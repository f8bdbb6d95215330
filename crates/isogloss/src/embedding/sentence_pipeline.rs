//! Sentence embedding pipeline (sentence-transformers): pooling of hidden states, dense layers, the
//! scale to length 1, and the first dimensions.

use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_kernels::linear;
use isogloss_model::{ConfigError, LoadError, SentenceDense, SentencePooling};

/// Sentence embedding pipeline (sentence-transformers): pooling, then dense layers, then the scale to
/// length 1, then the first dimensions; by default mean pooling alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct SentencePipeline {
    pub(crate) pooling: SentencePooling,
    dense: Vec<Dense>,
    /// Scales vectors to length 1.
    pub(crate) is_normalized: bool,
    /// Number of dimensions that are kept, the first ones; `None` for all.
    pub(crate) truncate_dim: Option<usize>,
}

/// Lower bound of the length by which a vector is divided, that of PyTorch.
const MIN_LENGTH: f32 = 1e-12;

/// A dense layer on a device, its weight `[out, in]`.
#[derive(Clone, Debug)]
struct Dense {
    weight: Tensor<2>,
    bias: Tensor<1>,
    has_tanh: bool,
}

impl SentencePipeline {
    /// Creates a pipeline with dense layers over vectors of `width` numbers, on a device.
    ///
    /// # Errors
    /// If the input width of a layer is not the output width of the one before.
    pub(crate) fn new(
        pooling: SentencePooling,
        dense: &[SentenceDense],
        mut width: usize,
        device: &Device,
    ) -> Result<Self, LoadError> {
        let mut layers = Vec::new();
        for layer in dense {
            if layer.in_features != width {
                let problem = format!("{}, for vectors of {width} numbers", layer.in_features);
                let source = ConfigError::Mismatch { field: "in_features".to_owned(), problem };
                return Err(LoadError::Config { path: layer.path.clone(), source });
            }
            let shape = [layer.out_features, layer.in_features];
            let weight = TensorData::new(layer.weight.clone(), shape);
            let bias = TensorData::new(layer.bias.clone(), [layer.out_features]);
            layers.push(Dense {
                weight: Tensor::<2>::from_data(weight, device),
                bias: Tensor::<1>::from_data(bias, device),
                has_tanh: layer.has_tanh,
            });
            width = layer.out_features;
        }
        Ok(Self { pooling, dense: layers, ..Self::default() })
    }

    /// The pipeline for inner layers: pooling alone, as the rest is trained for the last layer.
    pub(crate) fn for_inner_layers(self) -> Self {
        Self { pooling: self.pooling, ..Self::default() }
    }

    /// The width of sentence embeddings; all but pooling applies to the encoder's last layer only.
    pub(crate) fn width(&self, hidden_size: usize, is_last: bool) -> usize {
        if !is_last {
            return hidden_size;
        }
        let width = self.dense.last().map_or(hidden_size, |dense| dense.bias.dims()[0]);
        self.truncate_dim.map_or(width, |kept| kept.min(width))
    }

    /// Computes the sentence embeddings of a batch, without the first `n_unpooled` tokens of each row.
    ///
    /// # Shapes
    /// - `hidden`: `[batch, seq, hidden]`
    /// - `attention_mask`: `[batch, seq]`
    /// - returns: `[batch, width]`
    pub(crate) fn embed(
        &self,
        hidden: Tensor<3>,
        attention_mask: Tensor<2>,
        n_unpooled: usize,
        is_last: bool,
    ) -> Tensor<2> {
        let [batch, seq, hidden_size] = hidden.dims();
        let width = self.width(hidden_size, is_last);
        let pooled = match self.pooling {
            SentencePooling::Cls if n_unpooled < seq => {
                hidden.narrow(1, n_unpooled, 1).reshape([batch, hidden_size])
            }
            pooling => pooling.pool(hidden, without_first(attention_mask, n_unpooled)),
        };
        let dense = self.dense.iter().filter(|_| is_last);
        let vectors = dense.fold(pooled, |vectors, dense| {
            let vectors = linear(vectors, dense.weight.clone(), dense.bias.clone());
            if dense.has_tanh { tanh(vectors) } else { vectors }
        });
        let vectors = match self.is_normalized && is_last {
            true => {
                let length = vectors.clone().square().sum_dim(1).sqrt().clamp_min(MIN_LENGTH);
                vectors / length
            }
            false => vectors,
        };
        vectors.narrow(1, 0, width)
    }
}

/// An attention mask `[batch, seq]` without the first `n` tokens of each row. The others keep their
/// positions, by which weighted pooling weighs them.
fn without_first(attention_mask: Tensor<2>, n: usize) -> Tensor<2> {
    if n == 0 {
        return attention_mask;
    }
    let [_, seq] = attention_mask.dims();
    let columns: Vec<f32> = (0..seq).map(|at| if at < n { 0.0 } else { 1.0 }).collect();
    let columns = TensorData::new(columns, [1, seq]);
    attention_mask.clone() * Tensor::<2>::from_data(columns, &attention_mask.device())
}
