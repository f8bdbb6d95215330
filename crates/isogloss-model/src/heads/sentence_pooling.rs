//! Sentence pooling modes of sentence-transformers: CLS, max, mean, weighted mean and last token.

use burn::tensor::{Int, Tensor};

use super::pooling::mean_pool;

/// Sentence pooling mode of sentence-transformers: how the hidden states of a sentence become one
/// embedding.
///
/// # Source
/// `Pooling` of sentence-transformers; the tests of this file check its formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SentencePooling {
    /// CLS pooling: the first token's hidden state.
    Cls,
    /// Max pooling: the element-wise maximum of the real tokens' hidden states.
    Max,
    /// Mean pooling: the mean of the real tokens' hidden states.
    #[default]
    Mean,
    /// Sum of the real tokens' hidden states, divided by the square root of their number.
    MeanSqrtLen,
    /// Weighted mean of the real tokens' hidden states; the weights are the positions, from 1.
    WeightedMean,
    /// Last-token pooling: the last real token's hidden state.
    LastToken,
}

impl SentencePooling {
    const NAMES: [(&'static str, Self); 6] = [
        ("cls", Self::Cls),
        ("max", Self::Max),
        ("mean", Self::Mean),
        ("mean_sqrt_len_tokens", Self::MeanSqrtLen),
        ("weightedmean", Self::WeightedMean),
        ("lasttoken", Self::LastToken),
    ];

    /// Field of a `Pooling` module's configuration that turns on each mode.
    pub(crate) const FIELDS: [(&'static str, Self); 6] = [
        ("pooling_mode_cls_token", Self::Cls),
        ("pooling_mode_max_tokens", Self::Max),
        ("pooling_mode_mean_tokens", Self::Mean),
        ("pooling_mode_mean_sqrt_len_tokens", Self::MeanSqrtLen),
        ("pooling_mode_weightedmean_tokens", Self::WeightedMean),
        ("pooling_mode_lasttoken", Self::LastToken),
    ];

    /// Names of all modes.
    pub fn names() -> [&'static str; 6] {
        Self::NAMES.map(|(name, _)| name)
    }

    /// Parses the name of a mode.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, this)| this)
    }

    /// Name of the mode.
    pub fn name(self) -> &'static str {
        Self::NAMES.into_iter().find(|(_, this)| *this == self).map_or("", |(name, _)| name)
    }

    /// Pools the hidden states of a right-padded batch into sentence embeddings.
    ///
    /// # Shapes
    /// - `hidden`: `[batch, seq, hidden]`
    /// - `attention_mask`: `[batch, seq]`
    /// - returns: `[batch, hidden]`
    pub fn pool(self, hidden: Tensor<3>, attention_mask: Tensor<2>) -> Tensor<2> {
        let [batch, seq, width] = hidden.dims();
        let mask = attention_mask;
        let weights = match self {
            Self::Mean => return mean_pool(hidden, mask),
            Self::Cls => return hidden.narrow(1, 0, 1).reshape([batch, width]),
            Self::Max => {
                // The library adds the same number to padding.
                let padding = (mask - 1.0).mul_scalar(1e9).reshape([batch, seq, 1]);
                return (hidden + padding).max_dim(1).reshape([batch, width]);
            }
            Self::MeanSqrtLen => {
                let n_tokens = mask.clone().sum_dim(1).clamp_min(1.0);
                mask / n_tokens.sqrt()
            }
            Self::WeightedMean => {
                let positions = Tensor::<1, Int>::arange(1..seq as i64 + 1, &mask.device());
                let weights = mask * positions.float().reshape([1, seq]);
                let sum = weights.clone().sum_dim(1).clamp_min(1.0);
                weights / sum
            }
            Self::LastToken => {
                let after = Tensor::zeros([batch, 1], &mask.device());
                let next = Tensor::cat(vec![mask.clone(), after], 1).narrow(1, 1, seq);
                (mask - next).clamp_min(0.0)
            }
        };
        weights.reshape([batch, 1, seq]).matmul(hidden).reshape([batch, width])
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn each_way_of_pooling_is_what_its_formula_says() {
        let device = Device::flex();
        let hidden = Tensor::<3>::from_data([[[1.0], [-4.0], [6.0], [99.0]]], &device);
        let mask = Tensor::<2>::from_data([[1.0, 1.0, 1.0, 0.0]], &device);
        let expected = [
            (SentencePooling::Cls, 1.0),
            (SentencePooling::Max, 6.0),
            (SentencePooling::Mean, 1.0),
            (SentencePooling::MeanSqrtLen, 3.0 / 3f32.sqrt()),
            (SentencePooling::WeightedMean, (1.0 - 8.0 + 18.0) / 6.0),
            (SentencePooling::LastToken, 6.0),
        ];
        for (pooling, expected) in expected {
            let found = pooling.pool(hidden.clone(), mask.clone()).into_scalar::<f32>();
            assert!((found - expected).abs() < 1e-5, "{}: {found}", pooling.name());
            assert_eq!(SentencePooling::from_name(pooling.name()), Some(pooling));
        }
    }

    #[test]
    fn one_token_is_the_last() {
        let device = Device::flex();
        let hidden = Tensor::<3>::from_data([[[5.0]]], &device);
        let mask = Tensor::<2>::from_data([[1.0]], &device);
        let found = SentencePooling::LastToken.pool(hidden, mask).into_scalar::<f32>();
        assert_eq!(found, 5.0);
    }
}
