//! The teacher of a run, and whether it has the tokens and labels of the model that is trained.

use std::path::Path;

use burn::tensor::Device;
use isogloss_model::{HeadChoice, HeadSpec, Model, base_folder, load};

use crate::Error;
use crate::error::io;

/// Fails unless two folders cut texts into the same tokens.
pub(super) fn check_same_tokens(teacher: &Path, student: &Path) -> Result<(), Error> {
    let read = |folder: &Path| {
        let path = base_folder(folder)?.join("tokenizer.json");
        std::fs::read(&path).map_err(io(&path))
    };
    if read(teacher)? == read(student)? {
        return Ok(());
    }
    let problem =
        "the teacher reads the tokens of the model that is trained, and has another tokenizer";
    Err(Error::Damaged { path: teacher.join("tokenizer.json"), problem: problem.into() })
}

/// A finished model with the labels of this run, or without a head if only its vectors are wanted.
pub(super) fn load_teacher(
    folder: &Path,
    head: Option<&HeadSpec>,
    device: &Device,
) -> Result<Model, Error> {
    let Some(head) = head else {
        return Ok(load(folder, &HeadChoice::Without, device)?.model);
    };
    let loaded = load(folder, &HeadChoice::Saved, device)?;
    let labels = loaded.head.as_ref().map(HeadSpec::labels).unwrap_or_default();
    if labels == head.labels() {
        return Ok(loaded.model);
    }
    let problem = match labels.iter().find(|label| !head.labels().contains(label)) {
        _ if labels.is_empty() => {
            "the teacher has no head; name a finished run's `best`".to_owned()
        }
        Some(label) => format!("the teacher's label {label:?} is not in the training data"),
        None => format!(
            "the teacher has {} labels, the training data {}; their order must be the same too",
            labels.len(),
            head.labels().len()
        ),
    };
    Err(Error::Damaged { path: folder.join("config.json"), problem })
}
