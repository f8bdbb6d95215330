//! Weight file, safetensors or PyTorch pickle, read one tensor at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::tensor::TensorInfo;

use super::header::{n_elements, read_header};
use crate::{LoadError, LoadFault, SafetensorsError};

/// Suffix of the name of a matrix that is quantized to 8 bits.
pub(crate) const INT8: &str = ".int8";

/// Suffix of the name of its row scales.
pub(crate) const SCALE: &str = ".scale";

/// Open weight file.
#[derive(Debug)]
pub(super) struct WeightFile {
    path: PathBuf,
    content: Content,
}

/// Format of a weight file, with the positions of its tensors.
#[derive(Debug)]
enum Content {
    Safetensors { file: Source, tensors: BTreeMap<String, TensorInfo>, data_start: u64 },
    Pytorch(pytorch_reader::PytorchReader),
}

/// Reader of a file on disk or in memory.
#[derive(Debug)]
enum Source {
    Disk(File),
    Memory(Cursor<Vec<u8>>),
}

impl Source {
    fn read_at(&mut self, start: u64, n_bytes: usize) -> std::io::Result<Vec<u8>> {
        fn read(mut from: impl Read + Seek, start: u64, bytes: &mut [u8]) -> std::io::Result<()> {
            from.seek(SeekFrom::Start(start))?;
            from.read_exact(bytes)
        }
        let mut bytes = vec![0; n_bytes];
        match self {
            Self::Disk(file) => read(file, start, &mut bytes)?,
            Self::Memory(memory) => read(memory, start, &mut bytes)?,
        }
        Ok(bytes)
    }
}

impl WeightFile {
    /// Opens a safetensors file from its bytes; `path` is used in messages.
    pub(super) fn from_safetensors(bytes: Vec<u8>, path: &Path) -> Result<Self, LoadError> {
        let n_bytes = bytes.len() as u64;
        let content = safetensors(Source::Memory(Cursor::new(bytes)), n_bytes, path)?;
        Ok(Self { path: path.to_owned(), content })
    }

    /// Opens a file: PyTorch pickle if the extension is `bin`, else safetensors.
    pub(super) fn open(path: PathBuf) -> Result<Self, LoadError> {
        let content = if path.extension().is_some_and(|extension| extension == "bin") {
            open_pytorch(&path)?
        } else {
            open_safetensors(&path)?
        };
        Ok(Self { path, content })
    }

    /// Names of the tensors, without quantization suffixes.
    pub(super) fn names(&self) -> Vec<String> {
        let stored = match &self.content {
            Content::Safetensors { tensors, .. } => tensors.keys().cloned().collect(),
            Content::Pytorch(reader) => reader.keys(),
        };
        let is_scale = |name: &String| {
            name.strip_suffix(SCALE)
                .is_some_and(|name| self.stored_shape(&format!("{name}{INT8}")).is_some())
        };
        let names = stored.into_iter().filter(|name| !is_scale(name));
        names.map(|name| name.strip_suffix(INT8).map(str::to_owned).unwrap_or(name)).collect()
    }

    /// Shape of a tensor, quantized or not.
    pub(super) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.stored_shape(name).or_else(|| self.stored_shape(&format!("{name}{INT8}")))
    }

    /// Shape of the tensor stored under this name.
    fn stored_shape(&self, name: &str) -> Option<Vec<usize>> {
        match &self.content {
            Content::Safetensors { tensors, .. } => Some(tensors.get(name)?.shape.clone()),
            Content::Pytorch(reader) => Some(reader.get(name)?.shape().to_vec()),
        }
    }

    /// Reads a tensor as `f32`, with dequantization.
    pub(super) fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadFault> {
        let int8 = format!("{name}{INT8}");
        if self.stored_shape(&int8).is_none() {
            return self.read_stored(name, shape, to_f32);
        }
        let numbers = self.read_stored(&int8, shape, |dtype, bytes| {
            (dtype == "I8").then(|| bytes.iter().map(|b| f32::from(b.cast_signed())).collect())
        })?;
        let n_rows = shape.first().copied().unwrap_or_default();
        let scales = self.read_stored(&format!("{name}{SCALE}"), &[n_rows], to_f32)?;
        let rows = numbers.chunks(numbers.len().div_ceil(n_rows.max(1)).max(1)).zip(scales);
        Ok(rows.flat_map(|(row, scale)| row.iter().map(move |x| x * scale)).collect())
    }

    /// Reads the tensor stored under this name; `widen` converts bytes of a dtype, or returns
    /// `None` if the dtype is not supported.
    fn read_stored(
        &mut self,
        name: &str,
        shape: &[usize],
        widen: impl Fn(&str, &[u8]) -> Option<Vec<f32>>,
    ) -> Result<Vec<f32>, LoadFault> {
        let (path, tensor) = (self.path.clone(), name.to_owned());
        let Some(found) = self.stored_shape(name) else {
            return Err(LoadFault::Missing { path, tensor, nearest: None });
        };
        if found != shape {
            let expected = shape.to_vec();
            return Err(LoadFault::Shape { path, tensor, expected, found });
        }
        let unreadable = |problem: String| LoadFault::Unreadable {
            path: path.clone(),
            tensor: tensor.clone(),
            problem,
        };
        let (dtype, bytes) = match &mut self.content {
            Content::Safetensors { file, tensors, data_start } => {
                let info = tensors.get(name).expect("it has a shape");
                let (start, end) = info.data_offsets;
                let bytes = file.read_at(*data_start + start as u64, end - start);
                let bytes = bytes.map_err(|error| unreadable(error.to_string()))?;
                (format!("{:?}", info.dtype), bytes)
            }
            Content::Pytorch(reader) => {
                let tensor = reader.get(name).expect("it has a shape");
                let bytes = tensor.read().map_err(|error| unreadable(error.to_string()))?;
                (format!("{:?}", tensor.dtype()), bytes)
            }
        };
        match widen(&dtype, &bytes) {
            Some(values) if Some(values.len()) == n_elements(shape) => Ok(values),
            Some(_) => Err(unreadable(format!("{} bytes do not fit its shape", bytes.len()))),
            None => Err(LoadFault::DType { path, tensor, found: dtype }),
        }
    }
}

fn open_safetensors(path: &Path) -> Result<Content, LoadError> {
    let io = |source| LoadError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let n_bytes = file.metadata().map_err(io)?.len();
    safetensors(Source::Disk(file), n_bytes, path)
}

fn safetensors(mut file: Source, file_len: u64, path: &Path) -> Result<Content, LoadError> {
    let io = |source| LoadError::Io { path: path.to_owned(), source };
    let damaged = |source| LoadError::Safetensors { path: path.to_owned(), source };
    let header_len = file.read_at(0, 8).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => damaged(SafetensorsError::NoHeader { found: file_len }),
        _ => io(error),
    })?;
    let header_len = u64::from_le_bytes(header_len.try_into().expect("eight bytes were read"));
    let data_start =
        header_len.checked_add(8).filter(|start| *start <= file_len).ok_or_else(|| {
            damaged(SafetensorsError::HeaderLength { header: header_len, found: file_len })
        })?;
    let header = file.read_at(8, (data_start - 8) as usize).map_err(io)?;
    let (tensors, data_len) = read_header(&header).map_err(damaged)?;
    let expected = data_start.saturating_add(data_len as u64);
    if expected != file_len {
        return Err(damaged(SafetensorsError::FileLength { expected, found: file_len }));
    }
    Ok(Content::Safetensors { file, tensors, data_start })
}

fn open_pytorch(path: &Path) -> Result<Content, LoadError> {
    File::open(path).map_err(|source| LoadError::Io { path: path.to_owned(), source })?;
    let reader = pytorch_reader::PytorchReader::new(path)
        .map_err(|error| LoadError::Pickle { path: path.to_owned(), problem: error.to_string() })?;
    Ok(Content::Pytorch(reader))
}

/// Converts little-endian floats to `f32`; `None` for other dtypes.
fn to_f32(dtype: &str, bytes: &[u8]) -> Option<Vec<f32>> {
    let halves = || bytes.as_chunks::<2>().0.iter();
    match dtype {
        "F32" => Some(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        "F16" => Some(halves().map(|b| f16::from_le_bytes(*b).to_f32()).collect()),
        "BF16" => Some(halves().map(|b| bf16::from_le_bytes(*b).to_f32()).collect()),
        "F64" => {
            Some(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect())
        }
        _ => None,
    }
}
