//! Files of float32 rows, written as a stream: NumPy's `.npy`, `.safetensors`, JSON lines.

use std::fs::{self, File};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use isogloss::search::Vectors;
use serde_json::json;

/// Name of the tensor in a safetensors file.
const TENSOR: &str = "embeddings";
/// Bytes of a binary file before its numbers: enough for the number of rows, which is known at the
/// end, and a multiple of the alignment that both formats ask for.
const HEADER: usize = 256;

/// Format of a file of rows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Npy,
    Safetensors,
    Jsonl,
}

/// File of rows, written as a stream beside its path; it takes its name once it is whole, so that a
/// file from before stays until then.
pub(super) struct RowFile {
    format: Format,
    /// JSON lines on the standard output without a path.
    path: Option<PathBuf>,
    /// The file under its other name, made by the first write.
    partial: Option<(BufWriter<File>, PathBuf)>,
    n_rows: usize,
}

impl RowFile {
    /// A file whose format its extension says; JSON lines on the standard output without a path.
    pub(super) fn new(path: Option<&Path>) -> anyhow::Result<Self> {
        let extension = path.map(|path| path.extension().unwrap_or_default().to_string_lossy());
        let format = match extension.as_deref() {
            None | Some("jsonl") => Format::Jsonl,
            Some("npy") => Format::Npy,
            Some("safetensors") => Format::Safetensors,
            Some(_) => {
                let name = path.unwrap_or(Path::new("")).display();
                bail!("--out {name}: expected a name that ends in .npy, .safetensors or .jsonl");
            }
        };
        Ok(Self { format, path: path.map(Path::to_owned), partial: None, n_rows: 0 })
    }

    /// Appends the rows of some texts.
    pub(super) fn write(&mut self, texts: &[String], rows: &Vectors) -> anyhow::Result<()> {
        self.n_rows += rows.len();
        let line = |at: usize| json!({ "text": texts[at], "embedding": rows.row(at) });
        let format = self.format;
        let Some((file, partial)) = self.file()? else {
            (0..rows.len()).for_each(|at| println!("{}", line(at)));
            return Ok(());
        };
        let written = match format {
            Format::Jsonl => (0..rows.len()).try_for_each(|at| writeln!(file, "{}", line(at))),
            Format::Npy | Format::Safetensors => {
                rows.values().iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))
            }
        };
        written.with_context(|| partial.display().to_string())
    }

    /// Writes the header, with the number of rows, and gives the file its name.
    pub(super) fn finish(mut self, width: usize) -> anyhow::Result<()> {
        let (format, n_rows) = (self.format, self.n_rows);
        let Some((file, partial)) = self.file()? else { return Ok(()) };
        let header = match format {
            Format::Npy => npy_header(n_rows, width),
            Format::Safetensors => safetensors_header(n_rows, width),
            Format::Jsonl => Vec::new(),
        };
        let mut write = || {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&header)?;
            file.flush()?;
            file.get_ref().sync_all()
        };
        write().with_context(|| partial.display().to_string())?;
        if let (Some(path), Some((_, partial))) = (&self.path, self.partial.take()) {
            fs::rename(partial, path).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// The file under its other name; `None` for the standard output.
    fn file(&mut self) -> anyhow::Result<Option<&mut (BufWriter<File>, PathBuf)>> {
        let Some(path) = &self.path else { return Ok(None) };
        if self.partial.is_none() {
            let mut partial = path.as_os_str().to_owned();
            partial.push(".partial");
            let partial = PathBuf::from(partial);
            let create = || {
                let mut file = BufWriter::new(File::create(&partial)?);
                if self.format != Format::Jsonl {
                    file.write_all(&[0; HEADER])?;
                }
                Ok::<_, std::io::Error>(file)
            };
            let file = create().with_context(|| partial.display().to_string())?;
            self.partial = Some((file, partial));
        }
        Ok(self.partial.as_mut())
    }
}

impl Drop for RowFile {
    /// Removes a file that is not whole.
    fn drop(&mut self) {
        if let Some((_, partial)) = &self.partial {
            _ = fs::remove_file(partial);
        }
    }
}

/// Header of an `.npy` file of version 1.0, as `numpy.lib.format` describes it.
fn npy_header(n_rows: usize, width: usize) -> Vec<u8> {
    let fields =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n_rows}, {width}), }}");
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    let n_bytes = HEADER - header.len() - 2;
    header.extend((n_bytes as u16).to_le_bytes());
    header.extend(format!("{fields:<0$}\n", n_bytes - 1).bytes());
    header
}

/// Header of a safetensors file with one tensor: its length, then JSON filled up with spaces.
fn safetensors_header(n_rows: usize, width: usize) -> Vec<u8> {
    let n_bytes = n_rows * width * size_of::<f32>();
    let tensor = json!({ "dtype": "F32", "shape": [n_rows, width], "data_offsets": [0, n_bytes] });
    let fields = json!({ TENSOR: tensor }).to_string();
    let mut header = ((HEADER - 8) as u64).to_le_bytes().to_vec();
    header.extend(format!("{fields:<0$}", HEADER - 8).bytes());
    header
}
