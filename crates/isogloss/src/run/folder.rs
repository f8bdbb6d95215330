//! Run folder: its layout, and atomic writes, so that a crash at any moment leaves either the old
//! state or the new one.
//!
//! ```text
//! lock                 file lock of the process that trains here
//! recipe.toml          the resolved recipe
//! data.json            hashes of the data files, and of the files of the model
//! pretrain/            the run of its `pretrain_recipe`
//! environment.json     versions, device, precision and machine
//! metrics.jsonl        a JSON line for each logged step, evaluation and measure
//! checkpoints/         the newest checkpoint, from which training is resumed
//! best/                the selected model, a Hugging Face model folder
//! predictions/         one file for each language
//! results.json         the scores; present once the run is finished
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use isogloss_text::Treebank;
use serde::Serialize;

use crate::error::{RunError, io, json};
use crate::ground::files::{remove_file, remove_folder, write_atomically};
use crate::{Error, Recipe, Results};

/// The file of the data fingerprints.
pub(super) const DATA_FILES: &str = "data.json";

/// The file of versions, device and precision.
pub(super) const ENVIRONMENT: &str = "environment.json";

/// How often a folder that is in use is asked for, and the pause in between.
const LOCK_TRIES: usize = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// The status of a run: new, unfinished, or done with its results.
#[derive(Clone, Debug, PartialEq)]
pub enum RunStatus {
    /// No checkpoint and no results.
    New,
    /// Not finished; the newest checkpoint is of this step.
    Unfinished(u64),
    /// Finished, with its results.
    Done(Box<Results>),
}

/// Run folder: all files of one training run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Creates a handle for a path; nothing is created on disk.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the selected model: the best one.
    pub fn best(&self) -> PathBuf {
        self.path.join("best")
    }

    /// The run folder of the `pretrain_recipe`.
    pub(crate) fn pretrain(&self) -> Self {
        Self::new(self.path.join("pretrain"))
    }

    pub(crate) fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The folder of the initial model with a trimmed vocabulary.
    pub(crate) fn trimmed(&self) -> PathBuf {
        self.path.join("trimmed")
    }

    /// The folder of the initial student model (knowledge distillation).
    pub(crate) fn student(&self) -> PathBuf {
        self.path.join("student")
    }

    /// The cache file of the teacher's sentence embeddings, removed when the run is finished.
    pub(crate) fn teacher_vectors(&self) -> PathBuf {
        self.path.join("teacher.vectors")
    }

    /// Cleanup of a finished run: removes checkpoints, the teacher cache and the initial model; the
    /// initial model stays if it is the base of adapters.
    pub(crate) fn tidy(&self, recipe: &Recipe) -> Result<(), Error> {
        remove_folder(&self.checkpoints())?;
        remove_file(&self.teacher_vectors())?;
        if recipe.adapter.is_none() { self.remove_initial_model() } else { Ok(()) }
    }

    fn remove_initial_model(&self) -> Result<(), Error> {
        remove_folder(&self.trimmed())?;
        remove_folder(&self.student())
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Run status: new, unfinished or done.
    ///
    /// # Errors
    /// If `results.json` is there but cannot be read.
    pub fn status(&self) -> Result<RunStatus, Error> {
        let path = self.path.join("results.json");
        if path.exists() {
            let bytes = fs::read(&path).map_err(io(&path))?;
            let results = serde_json::from_slice(&bytes).map_err(json(path))?;
            return Ok(RunStatus::Done(Box::new(results)));
        }
        Ok(match self.newest_checkpoint()? {
            Some((step, _)) => RunStatus::Unfinished(step),
            None => RunStatus::New,
        })
    }

    /// The complete checkpoint with the highest step: its step and its folder.
    pub(crate) fn newest_checkpoint(&self) -> Result<Option<(u64, PathBuf)>, Error> {
        let folder = self.checkpoints();
        if !folder.exists() {
            return Ok(None);
        }
        let mut newest = None;
        for entry in fs::read_dir(&folder).map_err(io(&folder))? {
            let path = entry.map_err(io(&folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(Ok(step)) = name.strip_prefix("step-").map(str::parse) {
                newest = newest.max(Some((step, path.clone())));
            }
        }
        Ok(newest)
    }

    /// File lock: locks the folder for this process as long as the file is open, and creates the
    /// folder if needed. Returns `None` where files cannot be created or locked.
    pub(crate) fn lock(&self) -> Result<Option<File>, Error> {
        let path = self.path.join("lock");
        let made = fs::create_dir_all(&self.path);
        let opened = made
            .and_then(|()| OpenOptions::new().create(true).truncate(false).write(true).open(&path));
        let is_missing = |error: &std::io::Error| {
            use ErrorKind::{PermissionDenied, ReadOnlyFilesystem, Unsupported};
            matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | Unsupported)
        };
        let file = match opened {
            Ok(file) => file,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(io(path)(error)),
        };
        let mut tries = LOCK_TRIES;
        let locked = loop {
            tries -= 1;
            match file.try_lock() {
                // A process that another thread starts holds all open files for a moment.
                Err(TryLockError::WouldBlock) if tries > 0 => thread::sleep(LOCK_PAUSE),
                other => break other,
            }
        };
        match locked {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => {
                Err(RunError::InUse { path: self.path.clone() }.into())
            }
            Err(TryLockError::Error(error)) if is_missing(&error) => Ok(None),
            Err(TryLockError::Error(error)) => Err(io(path)(error)),
        }
    }

    /// Creates the folder and writes the recipe; if `fresh`, removes an earlier run first. Fails if
    /// the folder holds a run of another recipe.
    pub(crate) fn prepare(&self, recipe: &str, fresh: bool) -> Result<(), Error> {
        let recipe_path = self.path.join("recipe.toml");
        if fresh {
            // The files that determine the status are removed first: after a crash in between, the
            // status is new.
            remove_file(&self.path.join("results.json"))?;
            for name in ["checkpoints", "best", "predictions"] {
                remove_folder(&self.path.join(name))?;
            }
            self.remove_initial_model()?;
            let names =
                ["teacher.vectors", "metrics.jsonl", "alignment.json", ENVIRONMENT, DATA_FILES];
            for name in names.into_iter().chain(["recipe.toml"]) {
                remove_file(&self.path.join(name))?;
            }
        }
        fs::create_dir_all(&self.path).map_err(io(&self.path))?;
        match fs::read_to_string(&recipe_path) {
            Ok(earlier) if earlier == recipe => Ok(()),
            Ok(_) if self.status()? != RunStatus::New => {
                Err(Error::OtherRecipe { path: self.path.clone() })
            }
            Err(error) if error.kind() != ErrorKind::NotFound => Err(io(recipe_path)(error)),
            // Of a run that ended before its first checkpoint, only the initial model could be
            // mistaken for that of the new run.
            Ok(_) | Err(_) => {
                self.remove_initial_model()?;
                write_atomically(&recipe_path, recipe.as_bytes())
            }
        }
    }

    pub(crate) fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec_pretty(value).expect("these types are printable");
        bytes.push(b'\n');
        write_atomically(&self.path.join(name), &bytes)
    }

    pub(crate) fn write_predictions(
        &self,
        language: &str,
        lines: impl Iterator<Item = impl Serialize>,
    ) -> Result<(), Error> {
        let mut bytes = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut bytes, &line).expect("these types are printable");
            bytes.push(b'\n');
        }
        self.write_prediction(&format!("{language}.jsonl"), &bytes)
    }

    /// Writes predicted dependency trees as CoNLL-U.
    pub(crate) fn write_treebank(&self, language: &str, parsed: &Treebank) -> Result<(), Error> {
        self.write_prediction(&format!("{language}.conllu"), parsed.to_string().as_bytes())
    }

    fn write_prediction(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let folder = self.path.join("predictions");
        fs::create_dir_all(&folder).map_err(io(&folder))?;
        write_atomically(&folder.join(name), bytes)
    }
}
