//! Saving and loading of projection heads, in a folder separate from the model's.

use std::path::Path;

use burn::tensor::Device;

use super::weights::{WeightFiles, write_safetensors};
use crate::params::named_parameters;
use crate::{Init, LoadError, Model, ParamSource, Projection, SaveError};

/// Saves the projection heads of a model, if it has any, to a separate folder, which is created.
///
/// [`load_projections`] reads them.
///
/// # Errors
/// If the folder or its file cannot be written.
pub fn save_projections(folder: &Path, model: &Model) -> Result<(), SaveError> {
    let mut params = named_parameters(model);
    params.retain(|param| Projection::owns(&param.path));
    if params.is_empty() {
        return Ok(());
    }
    let io = |source| SaveError::Io { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(io)?;
    write_safetensors(&folder.join("model.safetensors"), params)
}

/// Loads the projection heads that [`save_projections`] wrote; empty if the folder does not exist.
///
/// # Errors
/// If the file is corrupt, or the input width of a layer is not the output width of the previous
/// one.
pub fn load_projections(folder: &Path, device: &Device) -> Result<Vec<Projection>, LoadError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut files = WeightFiles::open(folder)?;
    let mut projections = Vec::new();
    loop {
        let index = projections.len();
        let (mut widths, mut weights) = (Vec::new(), Vec::new());
        while let Some(shape) = files.shape(&Projection::path(index, weights.len())) {
            let [n_outputs, n_inputs] = [0, 1].map(|dim| shape.get(dim).copied().unwrap_or(1));
            if widths.is_empty() {
                widths.push(n_inputs);
            }
            let expected = [n_outputs, widths[widths.len() - 1]];
            let values = files.read(&Projection::path(index, weights.len()), &expected);
            weights.push(values.map_err(|fault| LoadError::Tensors { faults: vec![fault] })?);
            widths.push(n_outputs);
        }
        if weights.is_empty() {
            return Ok(projections);
        }
        let mut source = OrderedScores(weights.into_iter());
        projections.push(Projection::init(index, &widths, &mut source, device));
    }
}

/// Parameter source that returns the loaded weights in order.
struct OrderedScores(std::vec::IntoIter<Vec<f32>>);

impl ParamSource for OrderedScores {
    fn take(&mut self, _path: &str, _shape: &[usize], _init: Init) -> Option<Vec<f32>> {
        self.0.next()
    }
}
