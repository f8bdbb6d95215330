//! Output of a command: lines to a file or to the standard output, or a new folder.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::streams::check_broken_pipe;

/// Output file or standard output. The file is created at the first write, so that a command that
/// fails before does not overwrite it.
pub(super) struct Output {
    path: Option<PathBuf>,
    to: Option<Box<dyn Write>>,
}

impl Output {
    /// Output to a file, else to the standard output; fails if the file is an input of the command.
    pub(super) fn new<'a>(
        path: Option<&Path>,
        inputs: impl IntoIterator<Item = &'a PathBuf>,
    ) -> anyhow::Result<Self> {
        if let Some(path) = path.and_then(|path| path.canonicalize().ok()) {
            for input in inputs {
                if input.canonicalize().is_ok_and(|input| input == path) {
                    bail!("--out {}: the file is read, and would be lost", input.display());
                }
            }
        }
        Ok(Self { path: path.map(Path::to_owned), to: None })
    }

    /// Appends lines, and flushes.
    pub(super) fn write(
        &mut self,
        lines: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> anyhow::Result<()> {
        let to = match &mut self.to {
            Some(to) => to,
            to => to.insert(open(self.path.as_deref()).with_context(|| name(&self.path))?),
        };
        let written = lines(to).and_then(|()| to.flush());
        if written.as_ref().is_err_and(check_broken_pipe) {
            return Ok(());
        }
        written.with_context(|| name(&self.path))
    }
}

fn open(path: Option<&Path>) -> std::io::Result<Box<dyn Write>> {
    Ok(match path {
        None => Box::new(BufWriter::new(std::io::stdout())),
        Some(path) => Box::new(BufWriter::new(File::create(path)?)),
    })
}

fn name(path: &Option<PathBuf>) -> String {
    path.as_ref().map_or("standard output".to_owned(), |path| path.display().to_string())
}

/// Fails if a folder that a command is to write has content, which stays untouched.
pub(super) fn check_is_empty(folder: &Path) -> anyhow::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let mut entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    match entries.next() {
        None => Ok(()),
        Some(entry) => {
            let name = entry?.file_name();
            bail!("{}: not empty, it has {}", folder.display(), name.to_string_lossy());
        }
    }
}
