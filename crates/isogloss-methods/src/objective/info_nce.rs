//! InfoNCE (multiple negatives ranking): contrasts sentence embeddings of translations with the
//! other sentences of a batch.

use burn::tensor::{Int, Tensor};
use isogloss_kernels::cross_entropy;
use isogloss_model::Pooling;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ObjectiveError;
use crate::faults::{Faults, at_least_one, positive};
use crate::loss::{GradCache, Objective};
use crate::method::{DataNeed, Method, MethodInfo, options};
use crate::needs::Needs;
use crate::normalize::l2_normalized;
use crate::sentence_embedding::SentenceEmbedding;
use crate::step::{Sentences, StepInput};
use crate::view::View;

/// InfoNCE: contrastive loss of sentence embeddings with in-batch negatives, see [`info_nce`].
///
/// *Also called* multiple negatives ranking, or bidirectional dual-encoder loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InfoNceConfig {
    /// Temperature T; similarities are divided by it.
    pub temperature: f64,
    /// Layer of the hidden states, where 0 is the embeddings' output; the last by default.
    pub layer: Option<usize>,
    /// Whether similarities are cosines rather than dot products.
    pub normalized: bool,
    /// Whether the loss is the mean of both directions, left to right and right to left.
    pub both_directions: bool,
    /// GradCache: number of pairs that are encoded at a time; all by default. The loss and its
    /// gradient stay those of the whole batch, see [`embedding_gradients`](crate::embedding_gradients).
    pub chunk_size: Option<usize>,
    /// Pooling of a sentence embedding, see [`sentence_embeddings`](crate::sentence_embeddings).
    pub pooling: Pooling,
}

impl Default for InfoNceConfig {
    fn default() -> Self {
        Self {
            temperature: 0.05,
            layer: None,
            normalized: true,
            both_directions: true,
            chunk_size: None,
            pooling: Pooling::Mean,
        }
    }
}

impl Method for InfoNceConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "info_nce",
        title: "InfoNCE (multiple negatives ranking)",
        paper: "van den Oord et al. 2018, arXiv:1807.03748; Henderson et al. 2017, arXiv:1705.00652",
        formula: "-log (exp(s(lᵢ, rᵢ) / T) / Σⱼ exp(s(lᵢ, rⱼ) / T))",
        needs: &[DataNeed::Pairs],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };

    fn faults(&self) -> Faults {
        let chunk_size = self.chunk_size.and_then(|size| at_least_one("chunk_size", size as u64));
        positive("temperature", self.temperature).into_iter().chain(chunk_size).collect()
    }
}

impl Objective for InfoNceConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn needs(&self) -> Needs {
        let embedding = SentenceEmbedding { layer: self.layer, pooling: self.pooling };
        Needs {
            views: vec![View::PAIR_LEFT, View::PAIR_RIGHT],
            sentence_embedding: Some(embedding),
            ..Needs::default()
        }
    }

    fn grad_cache(&self) -> Option<&dyn GradCache> {
        self.chunk_size.is_some().then_some(self)
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let left = input.sentences(View::PAIR_LEFT, self.name())?;
        let right = input.sentences(View::PAIR_RIGHT, self.name())?;
        Ok(info_nce(self.embeddings(left)?, self.embeddings(right)?, self))
    }
}

impl GradCache for InfoNceConfig {
    fn chunk_size(&self) -> usize {
        self.chunk_size.unwrap_or(usize::MAX)
    }

    fn embeddings(&self, sentences: &Sentences) -> Result<Tensor<2>, ObjectiveError> {
        let embeddings = sentences.vectors(self.layer, self.pooling);
        embeddings.map_err(ObjectiveError::alignment(self.name()))
    }

    fn loss(&self, [left, right]: [Tensor<2>; 2]) -> Tensor<1> {
        info_nce(left, right, self)
    }
}

/// InfoNCE loss: the mean over rows of
/// `-log (exp(s(lᵢ, rᵢ) / T) / Σⱼ exp(s(lᵢ, rⱼ) / T))`, in nats.
///
/// s is the cosine, or the dot product of unnormalized embeddings. With `both_directions`, half of
/// this plus half of the same with l and r exchanged.
///
/// # Shapes
/// - `left`, `right`: `[rows, width]`, row by row translations of each other
/// - returns: `[1]`; zero without rows, and for a single one
///
/// # Source
/// van den Oord et al. 2018, arXiv:1807.03748, eq. 4; with all other rows of the batch as
/// negatives, Henderson et al. 2017, arXiv:1705.00652. The default temperature is that of Gao et
/// al. 2021, SimCSE, arXiv:2104.08821.
pub fn info_nce(left: Tensor<2>, right: Tensor<2>, config: &InfoNceConfig) -> Tensor<1> {
    let n_rows = left.dims()[0] as i64;
    let [left, right] =
        [left, right].map(|side| if config.normalized { l2_normalized(side) } else { side });
    if n_rows == 0 {
        return Tensor::zeros([1], &left.device());
    }
    let targets = Tensor::<1, Int>::arange(0..n_rows, &left.device());
    let similarities = left.matmul(right.transpose()) / config.temperature;
    let forward = cross_entropy(similarities.clone(), targets.clone(), 0.0);
    if !config.both_directions {
        return forward;
    }
    (forward + cross_entropy(similarities.transpose(), targets, 0.0)) * 0.5
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn rows<const N: usize>(rows: [[f32; 3]; N]) -> Tensor<2> {
        Tensor::from_floats(rows, &Device::flex())
    }

    #[test]
    fn orthogonal_sentences_have_a_closed_form() {
        // Cosines of 1 on the diagonal and 0 beside it: log(1 + 2 exp(-1 / T)).
        let sides = || rows([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.5]]);
        for temperature in [0.05, 1.0] {
            for both_directions in [true, false] {
                let config =
                    InfoNceConfig { temperature, both_directions, ..InfoNceConfig::default() };
                let found: f32 = info_nce(sides(), sides(), &config).into_scalar();
                let expected = (2.0 * (-1.0 / temperature).exp()).ln_1p() as f32;
                assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
            }
        }
    }

    #[test]
    fn the_directions_differ_where_one_row_is_everybodys_neighbor() {
        // Products: both left rows prefer the first right one; the right rows each their own.
        let left = || rows([[2.0, 0.0, 0.0], [1.0, 0.5, 0.0]]);
        let right = || rows([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
        let config = |both_directions| InfoNceConfig {
            temperature: 1.0,
            normalized: false,
            both_directions,
            ..InfoNceConfig::default()
        };
        // The matrix is [[2, 0], [1, 0.5]].
        let nll = |other: f64| other.exp().ln_1p();
        let forward = (nll(0.0 - 2.0) + nll(1.0 - 0.5)) / 2.0;
        let backward = (nll(1.0 - 2.0) + nll(0.0 - 0.5)) / 2.0;
        for (both, expected) in [(false, forward), (true, (forward + backward) / 2.0)] {
            let found: f32 = info_nce(left(), right(), &config(both)).into_scalar();
            assert!((found - expected as f32).abs() < 1e-6, "{found}, expected {expected}");
        }
    }

    #[test]
    fn no_rows_are_no_loss() {
        let none = || Tensor::<2>::zeros([0, 3], &Device::flex());
        let found: f32 = info_nce(none(), none(), &InfoNceConfig::default()).into_scalar();
        assert_eq!(found, 0.0);
    }

    #[test]
    fn each_fault_names_its_field() {
        let config =
            InfoNceConfig { temperature: 0.0, chunk_size: Some(0), ..InfoNceConfig::default() };
        let fields: Vec<_> = config.faults().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["temperature", "chunk_size"]);
        assert!(InfoNceConfig::default().faults().is_empty());
    }
}
