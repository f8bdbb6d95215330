//! Sentence embedding pipeline (sentence-transformers): pooling of hidden states, then dense
//! layers, then the first dimensions.

use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_kernels::linear;
use isogloss_model::{ConfigError, LoadError, SentenceDense, SentencePooling};

/// Sentence embedding pipeline (sentence-transformers): pooling, then dense layers, then the
/// first dimensions; by default mean pooling alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct SentencePipeline {
    pub(crate) pooling: SentencePooling,
    dense: Vec<Dense>,
    /// Number of dimensions that are kept, the first ones; `None` for all.
    pub(crate) truncate_dim: Option<usize>,
}

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
        Ok(Self { pooling, dense: layers, truncate_dim: None })
    }

    /// The pipeline for inner layers: pooling alone, as the rest is trained for the last layer.
    pub(crate) fn for_inner_layers(self) -> Self {
        Self { dense: Vec::new(), truncate_dim: None, ..self }
    }

    /// The width of sentence embeddings; all but pooling applies to the encoder's last layer only.
    pub(crate) fn width(&self, hidden_size: usize, is_last: bool) -> usize {
        if !is_last {
            return hidden_size;
        }
        let width = self.dense.last().map_or(hidden_size, |dense| dense.bias.dims()[0]);
        self.truncate_dim.map_or(width, |kept| kept.min(width))
    }

    /// Computes the sentence embeddings of a batch.
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
        let width = self.width(hidden.dims()[2], is_last);
        let pooled = self.pooling.pool(hidden, attention_mask);
        let dense = self.dense.iter().filter(|_| is_last);
        let vectors = dense.fold(pooled, |vectors, dense| {
            let vectors = linear(vectors, dense.weight.clone(), dense.bias.clone());
            if dense.has_tanh { tanh(vectors) } else { vectors }
        });
        vectors.narrow(1, 0, width)
    }
}
