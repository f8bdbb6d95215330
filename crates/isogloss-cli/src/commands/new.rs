//! `isogloss new`: a starting project with recipes and a few lines of data in each format.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::End;
use super::output::check_is_empty;
use crate::args::NewArgs;

/// Paths and texts of files below `project/`.
macro_rules! files {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/project/", $path)))),*]
    };
}

/// Files of the project: path and text.
const FILES: [(&str, &str); 18] = files![
    "README.md",
    "classification.toml",
    "tagging.toml",
    "parsing.toml",
    "retrieval.toml",
    "data/commands/en.jsonl",
    "data/commands/de.jsonl",
    "data/commands/es.jsonl",
    "data/names/en-train.conll",
    "data/names/en-dev.conll",
    "data/names/en-test.conll",
    "data/names/de-test.conll",
    "data/trees/en-train.conllu",
    "data/trees/en-dev.conllu",
    "data/trees/en-test.conllu",
    "data/trees/de-test.conllu",
    "data/pairs/en-de.tsv",
    "data/pairs/en-es.tsv",
];

pub(crate) fn run(args: &NewArgs) -> anyhow::Result<End> {
    let folder = args.folder.as_path();
    check_is_empty(folder)?;
    for (path, text) in FILES {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    let shown = folder.display();
    println!(
        "{shown}: four recipes with a few lines of data each; README.md explains them. Next:\n"
    );
    if folder != Path::new(".") {
        println!("    cd {shown}");
    }
    println!("    isogloss finetune classification.toml");
    Ok(End::Done)
}
