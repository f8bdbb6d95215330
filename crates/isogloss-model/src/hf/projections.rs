//! Projection heads in a folder of their own: they are trained beside a model and are no part of it.

use std::path::Path;

use burn::tensor::Device;

use super::weights::{WeightFiles, write_safetensors};
use crate::params::named_parameters;
use crate::{Init, LoadError, Model, ParamSource, Projection, SaveError};

/// Writes the projections of a model, if it has any, into a folder of their own, which is made.
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

/// Reads the projections that [`save_projections`] wrote; none without the
/// folder.
///
/// # Errors
/// If the file is damaged, or a layer does not take what the one before it gives.
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
        let mut source = InOrder(weights.into_iter());
        projections.push(Projection::init(index, &widths, &mut source, device));
    }
}

/// Gives parameters the values that were read for them.
struct InOrder(std::vec::IntoIter<Vec<f32>>);

impl ParamSource for InOrder {
    fn take(&mut self, _path: &str, _shape: &[usize], _init: Init) -> Option<Vec<f32>> {
        self.0.next()
    }
}
