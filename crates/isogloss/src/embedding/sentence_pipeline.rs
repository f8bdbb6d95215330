//! Sentence embedding pipeline of sentence-transformers: pooling of hidden states, then dense layers.

use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_kernels::linear;
use isogloss_model::{ConfigError, LoadError, SentenceDense, SentencePooling};

/// What makes sentence embeddings of hidden states. Without more than that it is their mean.
#[derive(Clone, Debug, Default)]
pub(crate) struct SentencePipeline {
    pub(crate) pooling: SentencePooling,
    dense: Vec<Dense>,
}

/// A dense layer on a device, its weight `[out, in]`.
#[derive(Clone, Debug)]
struct Dense {
    weight: Tensor<2>,
    bias: Tensor<1>,
    has_tanh: bool,
}

impl SentencePipeline {
    /// The dense layers over vectors of `width` numbers, put on a device.
    ///
    /// # Errors
    /// If one does not read vectors of the width that the one before gives.
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
        Ok(Self { pooling, dense: layers })
    }

    /// The same without dense layers, which are made for the last layer's vectors.
    pub(crate) fn without_dense(self) -> Self {
        Self { dense: Vec::new(), ..self }
    }

    /// The width of the embeddings of an encoder's last layer, or of another.
    pub(crate) fn width(&self, hidden_size: usize, is_last: bool) -> usize {
        let last = self.dense.last().filter(|_| is_last);
        last.map_or(hidden_size, |dense| dense.bias.dims()[0])
    }

    /// The embeddings of a batch.
    ///
    /// # Shapes
    /// - `hidden`: `[batch, seq, hidden]`
    /// - `attention_mask`: `[batch, seq]`
    /// - returns: `[batch, width]`
    pub(crate) fn embed(
        &self,
        hidden: Tensor<3>,
        attention_mask: Tensor<2>,
        is_last: bool,
    ) -> Tensor<2> {
        let pooled = self.pooling.pool(hidden, attention_mask);
        let dense = self.dense.iter().filter(|_| is_last);
        dense.fold(pooled, |vectors, dense| {
            let vectors = linear(vectors, dense.weight.clone(), dense.bias.clone());
            if dense.has_tanh { tanh(vectors) } else { vectors }
        })
    }
}
