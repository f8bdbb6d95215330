//! Safetensors writer.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use burn::tensor::{DType, TensorData};
use safetensors::tensor::{Dtype, SafeTensorError, View};

use crate::SaveError;
use crate::params::NamedParam;

/// Writes parameters to a safetensors file as `f32`; each is copied from its device only when it is
/// written.
///
/// # Errors
/// If the file cannot be written in full.
pub fn write_safetensors(path: &Path, params: Vec<NamedParam>) -> Result<(), SaveError> {
    let tensors = params.into_iter().map(|param| (param.path.clone(), Lazy(param)));
    write_tensors(path, tensors)
}

/// Writes tensors to a safetensors file in their own dtypes.
pub(crate) fn write_tensors<T: View>(
    path: &Path,
    tensors: impl Iterator<Item = (String, T)>,
) -> Result<(), SaveError> {
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let io = |source| SaveError::Io { path: path.to_owned(), source };
    // `safetensors` moves a temporary file with private permissions into place; the default
    // permissions of new files are restored below.
    let permissions =
        File::create(path).and_then(|file| file.metadata()).map_err(io)?.permissions();
    safetensors::serialize_to_file(tensors, Some(metadata), path).map_err(|error| match error {
        SafeTensorError::IoError(source) => io(source),
        other => io(std::io::Error::other(other)),
    })?;
    File::open(path)
        .and_then(|file| file.set_permissions(permissions).and_then(|()| file.sync_all()))
        .map_err(io)
}

/// Parameter that is copied from its device when it is written.
struct Lazy(NamedParam);

impl View for Lazy {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let data: TensorData = self.0.data().convert_dtype(DType::F32);
        Cow::Owned(data.as_bytes().to_vec())
    }

    fn data_len(&self) -> usize {
        self.0.shape.iter().product::<usize>() * size_of::<f32>()
    }
}

/// Tensor as raw bytes.
pub(crate) struct Bytes {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl View for Bytes {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
