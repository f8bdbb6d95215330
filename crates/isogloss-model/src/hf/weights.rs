//! The tensors of a folder: safetensors in one file or several, or PyTorch's pickle.
//!
//! A matrix `name` may be stored in 8 bits, as [`Storage::Int8`](crate::Storage::Int8) does: its
//! numbers as `name.int8`, what each row is multiplied by as `name.scale`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::tensor::TensorInfo;
use serde::Deserialize as _;
use serde_json::Value;

use crate::{LoadError, LoadFault};

/// What stands behind the name of a matrix stored in 8 bits.
pub(crate) const INT8: &str = ".int8";

/// What stands behind the name of what its rows are multiplied by.
pub(crate) const SCALE: &str = ".scale";

/// The weight files of a folder, opened; tensors are read one at a time.
#[derive(Debug)]
pub struct WeightFiles {
    /// The one file, or the index of several.
    path: PathBuf,
    files: Vec<WeightFile>,
    /// Tensor name to file.
    index: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct WeightFile {
    path: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Safetensors { file: Source, tensors: BTreeMap<String, TensorInfo>, data_start: u64 },
    Pytorch(pytorch_reader::PytorchReader),
}

/// What the bytes of a file are read from.
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

impl WeightFiles {
    /// Takes the bytes of a safetensors file; `path` stands for it in messages.
    ///
    /// # Errors
    /// If they are damaged.
    pub fn from_safetensors(bytes: Vec<u8>, path: &Path) -> Result<Self, LoadError> {
        let n_bytes = bytes.len() as u64;
        let content = safetensors(Source::Memory(Cursor::new(bytes)), n_bytes, path)?;
        Ok(Self::of(path.to_owned(), vec![WeightFile { path: path.to_owned(), content }]))
    }

    /// Opens whichever weights the folder has, safetensors first.
    ///
    /// # Errors
    /// If there are none, or a file is missing or damaged.
    pub fn open(folder: &Path) -> Result<Self, LoadError> {
        for (single, sharded) in [
            ("model.safetensors", "model.safetensors.index.json"),
            ("pytorch_model.bin", "pytorch_model.bin.index.json"),
        ] {
            if folder.join(single).exists() {
                return Self::open_files(folder.join(single), vec![folder.join(single)]);
            }
            if folder.join(sharded).exists() {
                let index = folder.join(sharded);
                let shards = shards(folder, &index)?;
                return Self::open_files(index, shards);
            }
        }
        Err(LoadError::NoWeights { path: folder.to_owned() })
    }

    /// Opens the first of these files that the folder has.
    ///
    /// # Errors
    /// If it has none of them, or the file is damaged.
    pub(crate) fn open_one_of(folder: &Path, names: &[&str]) -> Result<Self, LoadError> {
        match names.iter().map(|name| folder.join(name)).find(|path| path.exists()) {
            Some(path) => Self::open_files(path.clone(), vec![path]),
            None => Err(LoadError::NoAdapterWeights {
                path: folder.to_owned(),
                expected: names.join(" or "),
            }),
        }
    }

    fn open_files(path: PathBuf, paths: Vec<PathBuf>) -> Result<Self, LoadError> {
        let files = paths.into_iter().map(WeightFile::open).collect::<Result<_, _>>()?;
        Ok(Self::of(path, files))
    }

    fn of(path: PathBuf, files: Vec<WeightFile>) -> Self {
        let mut index = BTreeMap::new();
        for (number, file) in files.iter().enumerate() {
            index.extend(file.names().into_iter().map(|name| (name, number)));
        }
        Self { path, files, index }
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    /// Tells whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// The file that stands for the folder in messages: the only one, or the index of several.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let file = &self.files[*self.index.get(name)?];
        file.shape(name).or_else(|| file.shape(&format!("{name}{INT8}")))
    }

    /// Reads a tensor as `f32`, whatever float it is stored as.
    ///
    /// # Errors
    /// If it is missing, of another shape or type, or cannot be read.
    pub fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadFault> {
        let Some(number) = self.index.get(name) else {
            return Err(LoadFault::Missing {
                path: self.path().to_owned(),
                tensor: name.to_owned(),
                nearest: nearest(name, self.names()),
            });
        };
        self.files[*number].read(name, shape)
    }
}

/// The most similar of `names`, if any is similar at all.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    names
        .map(|other| (strsim::normalized_levenshtein(name, other), other))
        .filter(|(similarity, _)| *similarity > 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other.to_owned())
}

/// The files that an index names, in order, each once.
fn shards(folder: &Path, index: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let damaged = |problem: String| LoadError::Damaged { path: index.to_owned(), problem };
    let bytes =
        std::fs::read(index).map_err(|source| LoadError::Io { path: index.to_owned(), source })?;
    let json: Value = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    let map = json.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| damaged("no object \"weight_map\"".to_owned()))?;
    let mut names = std::collections::BTreeSet::new();
    for (tensor, file) in map {
        let name = file.as_str().filter(|name| is_file_name(name));
        let file = name.ok_or_else(|| {
            damaged(format!(
                "tensor \"{tensor}\": expected the name of a file beside it, found {file}"
            ))
        })?;
        names.insert(file);
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Whether a name leads to nowhere but the folder it is used in, on any system.
fn is_file_name(name: &str) -> bool {
    !name.contains(['/', '\\', ':', '\0']) && !["", ".", ".."].contains(&name)
}

impl WeightFile {
    fn open(path: PathBuf) -> Result<Self, LoadError> {
        let content = if path.extension().is_some_and(|extension| extension == "bin") {
            open_pytorch(&path)?
        } else {
            open_safetensors(&path)?
        };
        Ok(Self { path, content })
    }

    /// The names of the tensors, whatever they are stored as.
    fn names(&self) -> Vec<String> {
        let stored = match &self.content {
            Content::Safetensors { tensors, .. } => tensors.keys().cloned().collect(),
            Content::Pytorch(reader) => reader.keys(),
        };
        let is_scale = |name: &String| {
            name.strip_suffix(SCALE)
                .is_some_and(|name| self.shape(&format!("{name}{INT8}")).is_some())
        };
        let names = stored.into_iter().filter(|name| !is_scale(name));
        names.map(|name| name.strip_suffix(INT8).map(str::to_owned).unwrap_or(name)).collect()
    }

    /// The shape of a tensor that is stored under this name.
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        match &self.content {
            Content::Safetensors { tensors, .. } => Some(tensors.get(name)?.shape.clone()),
            Content::Pytorch(reader) => Some(reader.get(name)?.shape().to_vec()),
        }
    }

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadFault> {
        let int8 = format!("{name}{INT8}");
        if self.shape(&int8).is_none() {
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

    /// Reads a tensor by the name that it is stored under; `widen` makes numbers of the bytes of a
    /// type, or nothing.
    fn read_stored(
        &mut self,
        name: &str,
        shape: &[usize],
        widen: impl Fn(&str, &[u8]) -> Option<Vec<f32>>,
    ) -> Result<Vec<f32>, LoadFault> {
        let (path, tensor) = (self.path.clone(), name.to_owned());
        let Some(found) = self.shape(name) else {
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
    let damaged = |problem: String| LoadError::Damaged { path: path.to_owned(), problem };
    let header_len = file.read_at(0, 8).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => damaged(format!("truncated: {file_len} bytes hold no header")),
        _ => io(error),
    })?;
    let header_len = u64::from_le_bytes(header_len.try_into().expect("eight bytes were read"));
    let data_start =
        header_len.checked_add(8).filter(|start| *start <= file_len).ok_or_else(|| {
            damaged(format!("truncated: a header of {header_len} bytes in a file of {file_len}"))
        })?;
    let header = file.read_at(8, (data_start - 8) as usize).map_err(io)?;
    let (tensors, data_len) = read_header(&header).map_err(damaged)?;
    let expected = data_start.saturating_add(data_len as u64);
    if expected != file_len {
        let truncated = if file_len < expected { "truncated: " } else { "" };
        return Err(damaged(format!("{truncated}expected {expected} bytes, found {file_len}")));
    }
    Ok(Content::Safetensors { file, tensors, data_start })
}

/// The tensors that a header lists, and the bytes that they take together.
///
/// This is stricter than the header's JSON, as the format asks: each tensor begins where another
/// ends, and has as many bytes as its shape needs.
fn read_header(header: &[u8]) -> Result<(BTreeMap<String, TensorInfo>, usize), String> {
    let mut fields: BTreeMap<String, Value> =
        serde_json::from_slice(header).map_err(|error| format!("header: {error}"))?;
    fields.remove("__metadata__");
    let tensors = fields.into_iter().map(|(name, info)| match TensorInfo::deserialize(info) {
        Ok(info) => Ok((name, info)),
        Err(error) => Err(format!("tensor \"{name}\": {error}")),
    });
    let tensors = tensors.collect::<Result<BTreeMap<_, _>, _>>()?;

    let mut in_order: Vec<_> = tensors.iter().collect();
    in_order.sort_by_key(|(_, info)| info.data_offsets);
    let mut data_len = 0;
    for (name, info) in in_order {
        let (start, end) = info.data_offsets;
        if start != data_len {
            let problem = format!("its bytes begin at {start}, those before it end at {data_len}");
            return Err(format!("tensor \"{name}\": {problem}"));
        }
        let n_bits = n_elements(&info.shape).and_then(|n| n.checked_mul(info.dtype.bitsize()));
        let len = end.checked_sub(start).and_then(|len| len.checked_mul(8));
        if len.is_none() || n_bits != len {
            return Err(format!("tensor \"{name}\": its bytes do not fit its shape"));
        }
        data_len = end;
    }
    Ok((tensors, data_len))
}

fn open_pytorch(path: &Path) -> Result<Content, LoadError> {
    File::open(path).map_err(|source| LoadError::Io { path: path.to_owned(), source })?;
    let reader = pytorch_reader::PytorchReader::new(path).map_err(|error| LoadError::Damaged {
        path: path.to_owned(),
        problem: error.to_string(),
    })?;
    Ok(Content::Pytorch(reader))
}

fn n_elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, dim| n.checked_mul(*dim))
}

/// Widens little-endian floats; `None` for any other type.
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
