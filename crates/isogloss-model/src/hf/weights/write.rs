//! Writing safetensors files.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use burn::tensor::{DType, TensorData};
use safetensors::tensor::{Dtype, SafeTensorError, View};

use crate::SaveError;
use crate::params::NamedParam;

/// Writes tensors as `f32` safetensors; each is read from its device only when its turn comes.
///
/// # Errors
/// If the file cannot be written in full.
pub fn write_safetensors(path: &Path, params: Vec<NamedParam>) -> Result<(), SaveError> {
    let tensors = params.into_iter().map(|param| (param.path.clone(), Lazy(param)));
    write_tensors(path, tensors)
}

/// Writes tensors as they are.
pub(crate) fn write_tensors<T: View>(
    path: &Path,
    tensors: impl Iterator<Item = (String, T)>,
) -> Result<(), SaveError> {
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let io = |source| SaveError::Io { path: path.to_owned(), source };
    // The crate moves a private file into place; whoever may read other files may read this one.
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

/// A parameter that is read from its device when it is written.
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

/// A tensor as its bytes in a file.
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
