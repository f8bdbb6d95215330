//! Projection head of contrastive learning: a small MLP over embeddings, trained together with a
//! model and not saved with it.

use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use crate::params::Builder;
use crate::{Init, ParamSource};

/// Name of the model's field, the prefix of the paths of all projections.
const FIELD: &str = "projections";

/// Standard deviation of the initial weights, as in InfoXLM.
///
/// A ReLU network without biases is homogeneous in its weights, so the cosine similarity of its
/// outputs does not depend on this number.
const STD: f64 = 0.02;

/// Projection head: an MLP of linear layers without bias, with a ReLU between each two.
///
/// The widths `[d, d]` give the optional linear projection of queries and keys in InfoXLM,
/// `[d, d, 128]` the projection head of contrastive realignment.
#[derive(Module, Debug)]
pub struct Projection {
    layers: Vec<Linear>,
}

/// Linear layer without bias, in PyTorch's layout `[out, in]`.
#[derive(Module, Debug)]
struct Linear {
    weight: Param<Tensor<2>>,
}

impl Projection {
    /// Builds projection number `index` of a model with these layer widths and parameters from
    /// `source`.
    pub fn init(
        index: usize,
        widths: &[usize],
        source: &mut dyn ParamSource,
        device: &Device,
    ) -> Self {
        let mut builder = Builder { source, device };
        let layer = |(layer, sizes): (usize, &[usize])| {
            let path = Self::path(index, layer);
            Linear { weight: builder.param(&path, [sizes[1], sizes[0]], Init::Normal(STD)) }
        };
        Self { layers: widths.windows(2).enumerate().map(layer).collect() }
    }

    /// Forward pass.
    ///
    /// # Shapes
    /// - `x`: `[rows, first width]`
    /// - returns: `[rows, last width]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let map = |x: Tensor<2>, layer: &Linear| x.matmul(layer.weight.val().transpose());
        let Some((first, others)) = self.layers.split_first() else { return x };
        others.iter().fold(map(x, first), |x, layer| map(relu(x), layer))
    }

    /// Path of a weight in a model, `projections.<index>.layers.<layer>.weight`.
    pub(crate) fn path(index: usize, layer: usize) -> String {
        format!("{FIELD}.{index}.layers.{layer}.weight")
    }

    /// Whether the parameter at `path` belongs to a projection.
    pub(crate) fn owns(path: &str) -> bool {
        path.strip_prefix(FIELD).is_some_and(|rest| rest.starts_with('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Model, RandomParams, load_projections, named_parameters, presets};
    use crate::{parameter_name, save, save_projections};

    /// Source that returns the given weights in order.
    struct Given(Vec<Vec<f32>>);

    impl ParamSource for Given {
        fn take(&mut self, _path: &str, _shape: &[usize], _init: Init) -> Option<Vec<f32>> {
            Some(self.0.remove(0))
        }
    }

    fn model() -> Model {
        Model::init(&presets::tiny(10), None, &mut RandomParams::new(1), &Device::flex())
    }

    #[test]
    fn a_relu_stands_between_layers_and_not_after_the_last() {
        // 3 → 2 → 1; the second unit of the middle is negative.
        let weights = vec![vec![1.0, 2.0, 3.0, -1.0, 0.0, 0.0], vec![-1.0, 10.0]];
        let device = Device::flex();
        let projection = Projection::init(0, &[3, 2, 1], &mut Given(weights), &device);
        let y = projection.forward(Tensor::from_floats([[1.0, 1.0, 1.0]], &device));
        assert_eq!(y.into_data().try_into_vec::<f32>().unwrap(), [-6.0]);
        let identity = Projection::init(0, &[3], &mut Given(Vec::new()), &device);
        let x = Tensor::<2>::from_floats([[-1.0, 2.0, 3.0]], &device);
        let y = identity.forward(x).into_data().try_into_vec::<f32>();
        assert_eq!(y.unwrap(), [-1.0, 2.0, 3.0]);
    }

    #[test]
    fn projections_are_parameters_at_their_paths_and_stay_out_of_the_model_folder() {
        let model = model();
        let n_without = named_parameters(&model).len();
        let model = model.with_projections(&[vec![32, 32, 8], vec![32, 32]], 5, &Device::flex());
        let named = named_parameters(&model);
        let added: Vec<_> = named.iter().skip(n_without).map(|p| p.path.clone()).collect();
        let expected = [(0, 0), (0, 1), (1, 0)].map(|(i, j)| Projection::path(i, j));
        assert_eq!(added, expected);
        assert_eq!(named[n_without + 1].shape, [8, 32]);

        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), &model, None, &serde_json::json!({})).unwrap();
        let files = crate::WeightFiles::open(folder.path()).unwrap();
        let config = model.encoder.config();
        let encoder = named[..n_without].iter().map(|p| parameter_name(config, None, &p.path));
        let mut encoder: Vec<String> = encoder.collect();
        encoder.sort();
        assert_eq!(files.names().collect::<Vec<_>>(), encoder);
    }

    #[test]
    fn projections_come_back_from_their_folder() {
        let device = Device::flex();
        let widths: Vec<Vec<usize>> = (0..11).map(|i| vec![4, i + 1, 2]).collect();
        let mut model = model().with_projections(&widths, 5, &device);
        let folder = tempfile::tempdir().unwrap();
        save_projections(folder.path(), &model).unwrap();
        let before = named_parameters(&model);
        model.projections = load_projections(folder.path(), &device).unwrap();
        let after = named_parameters(&model);
        assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before.path, after.path);
            assert_eq!(before.data(), after.data(), "{}", before.path);
        }
    }

    #[test]
    fn layers_that_do_not_fit_together_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let tensor = |layer, shape: [usize; 2]| {
            let tensor = Tensor::<2>::zeros(shape, &Device::flex());
            crate::NamedParam::new(Projection::path(0, layer), tensor)
        };
        let path = folder.path().join("model.safetensors");
        crate::write_safetensors(&path, vec![tensor(0, [3, 4]), tensor(1, [2, 5])]).unwrap();
        let error = load_projections(folder.path(), &Device::flex()).unwrap_err().to_string();
        assert!(error.contains("projections.0.layers.1.weight"), "{error}");
        assert!(error.contains("expected shape [2, 3], found [2, 5]"), "{error}");
    }
}
