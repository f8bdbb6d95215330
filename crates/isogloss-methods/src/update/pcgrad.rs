//! PCGrad (gradient surgery, Yu et al. 2020): projects conflicting gradients of several languages.

use std::collections::BTreeMap;

use isogloss_kernels::split_seed;
use isogloss_model::Model;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{GradientSource, Update, UpdateMethod};
use crate::gradients::Gradients;
use crate::method::{DataNeed, Method, MethodInfo, options};

/// PCGrad (gradient surgery): where the gradient of one language conflicts with that of another
/// (negative dot product), its component along the other is removed; the results are added up.
///
/// The languages are those of the step's batches, whose number is `training.accumulate`; each
/// language's gradient is that of its batches together. The other languages are taken in a new
/// random order for each step and language. It keeps a gradient of all parameters for each language
/// in memory.
///
/// # Source
/// Yu et al. 2020, arXiv:2001.06782, alg. 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PcGradConfig {}

impl Method for PcGradConfig {
    const INFO: MethodInfo = MethodInfo {
        key: "pcgrad",
        title: "PCGrad (projecting conflicting gradients)",
        paper: "Yu et al. 2020, arXiv:2001.06782",
        formula: "gᵢ ← gᵢ - (gᵢ·gⱼ / ‖gⱼ‖²) gⱼ for each j with gᵢ·gⱼ < 0; then Σᵢ gᵢ",
        needs: &[DataNeed::Languages],
        file: file!(),
        required: &[],
        example: || options(Self::default()),
    };
}

impl UpdateMethod for PcGradConfig {
    fn key(&self) -> &'static str {
        Self::INFO.key
    }
}

impl<E> Update<E> for PcGradConfig {
    fn name(&self) -> &'static str {
        Self::INFO.key
    }

    fn gradients(
        &mut self,
        model: &Model,
        step: u64,
        source: &mut dyn GradientSource<E>,
    ) -> Result<Gradients, E> {
        let n_batches = source.n_batches();
        let mut by_language: BTreeMap<usize, Gradients> = BTreeMap::new();
        for batch in 0..n_batches {
            let gradients = source.batch_gradients(model, batch)?.scaled(1.0 / n_batches as f64);
            let of_language = by_language.entry(source.batch_language(batch)).or_default();
            *of_language = std::mem::take(of_language).plus(gradients);
        }
        let own: Vec<Gradients> = by_language.into_values().collect();
        let squares: Vec<f64> = own.iter().map(|own| own.global_norm().powi(2)).collect();
        let mut total = Gradients::default();
        for (language, gradients) in own.iter().enumerate() {
            let mut others: Vec<usize> = (0..own.len()).filter(|at| *at != language).collect();
            let seed = split_seed(step, language as u64);
            others.sort_by_key(|other| split_seed(seed, *other as u64));
            let mut projected = gradients.clone();
            for other in others {
                let product = projected.dot(&own[other]);
                if product < 0.0 {
                    let along = own[other].clone().scaled(-product / squares[other]);
                    projected = projected.plus(along);
                }
            }
            total = total.plus(projected);
        }
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use burn::tensor::{Device, Tensor};
    use isogloss_model::{RandomParams, presets};

    use super::*;
    use crate::view::EmbeddingNoise;

    /// Batches of given languages and gradients.
    struct Given(Vec<(usize, [f32; 2])>);

    impl GradientSource<Infallible> for Given {
        fn gradients(&mut self, model: &Model) -> Result<Gradients, Infallible> {
            PcGradConfig {}.gradients(model, 0, self)
        }

        fn n_batches(&self) -> usize {
            self.0.len()
        }

        fn batch_language(&self, batch: usize) -> usize {
            self.0[batch].0
        }

        fn batch_gradients(&mut self, _: &Model, batch: usize) -> Result<Gradients, Infallible> {
            let mut gradients = Gradients::default();
            let values = Tensor::from_floats(self.0[batch].1, &Device::flex());
            gradients.add("weight".into(), values);
            Ok(gradients)
        }

        fn sampled_gradients(&mut self, model: &Model) -> Result<Gradients, Infallible> {
            self.gradients(model)
        }

        fn noise_divergence(&mut self, _: &Model, _: EmbeddingNoise) -> Result<f64, Infallible> {
            unreachable!("PCGrad does not ask for it")
        }

        fn parameter_divergence(&mut self, _: &Model, _: &Model) -> Result<f64, Infallible> {
            unreachable!("PCGrad does not ask for it")
        }
    }

    fn projected(batches: &[(usize, [f32; 2])]) -> [f32; 2] {
        let source = &mut RandomParams::new(1);
        let model = Model::init(&presets::tiny(10), None, source, &Device::flex());
        let total = Given(batches.to_vec()).gradients(&model).unwrap();
        total.get("weight").unwrap().to_data().try_into_vec().unwrap().try_into().unwrap()
    }

    #[test]
    fn a_gradient_loses_what_points_against_another_language() {
        // By hand: (1, 0) becomes (½, ½) beside (-1, 1), which becomes (0, 1); each is half of
        // the step.
        assert_eq!(projected(&[(0, [1.0, 0.0]), (1, [-1.0, 1.0])]), [0.25, 0.75]);
        assert_eq!(projected(&[(0, [1.0, 0.0]), (1, [1.0, 1.0])]), [1.0, 0.5]);
        // Opposite gradients cancel.
        assert_eq!(projected(&[(0, [1.0, 2.0]), (1, [-1.0, -2.0])]), [0.0, 0.0]);
    }

    #[test]
    fn batches_of_one_language_do_not_conflict() {
        assert_eq!(projected(&[(3, [1.0, 0.0]), (3, [-1.0, 1.0])]), [0.0, 0.5]);
        // Language 0 is (1, 1) in all, against (-1, 0): (0, 1) and (-½, ½), each a third.
        let [a, b] = projected(&[(0, [2.0, 1.0]), (1, [-1.0, 0.0]), (0, [-1.0, 0.0])]);
        assert!((a + 1.0 / 6.0).abs() < 1e-6 && (b - 0.5).abs() < 1e-6, "{a} {b}");
    }
}
