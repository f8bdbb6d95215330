//! Commands of the documentation's pages, run in order in a project of `isogloss new`, whose recipes
//! are made small.
//!
//! Blocks of `sh` are run by a shell, and fail where the page says so; a block of `toml` that begins
//! with the name of a file is written into it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use isogloss_tests::{copy_model, fixtures};

use crate::project::{MODEL, smaller};
use crate::succeeds;

/// Marks above a block: its commands are not run, or they fail with the text of the next block.
const NOT_RUN: &str = "<!-- not run: ";
const FAILS: &str = "<!-- fails -->";

/// Code block of a page.
struct Block {
    /// Number of its first line.
    line: usize,
    language: String,
    /// The line above it that is not empty.
    above: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut above = "";
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let code = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            let text: String = code.flat_map(|line| [line, "\n"]).collect();
            let (language, above) = (language.to_owned(), above.to_owned());
            blocks.push(Block { line: at + 1, language, above, text });
        } else if !line.is_empty() {
            above = line;
        }
    }
    blocks
}

/// Shell whose current folder is kept from one block to the next.
struct Shell {
    folder: PathBuf,
    /// The file that each block leaves the name of its folder in.
    left_in: PathBuf,
}

impl Shell {
    fn run(&mut self, commands: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_isogloss"));
        let mut path = vec![program.parent().unwrap().to_owned()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let script = format!("{commands}pwd >\"$LEFT_IN\"\n");
        let mut shell = Command::new("sh");
        shell.args(["-euc", &script]).current_dir(&self.folder);
        shell.env("PATH", std::env::join_paths(path).unwrap()).env("LEFT_IN", &self.left_in);
        // A test downloads nothing.
        let output = shell.env("HF_HUB_OFFLINE", "1").output().unwrap();
        if output.status.success() {
            self.folder = fs::read_to_string(&self.left_in).unwrap().trim_end().into();
        }
        output
    }

    /// Replaces the model of the recipes in the current folder by a tiny one.
    fn make_recipes_small(&self) {
        for entry in fs::read_dir(&self.folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = fs::read_to_string(&path).unwrap();
                if text.contains(MODEL) {
                    fs::write(&path, smaller(&text)).unwrap();
                    copy_model("xlm-roberta", &self.folder.join("model"));
                }
            }
        }
    }
}

/// Runs the blocks of a page; gives the folder in which they end, and how many were run.
fn run_page(name: &str, start: &Path, left_in: PathBuf) -> (PathBuf, usize) {
    let page = fixtures().join("../../docs").join(name);
    let page = fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
    let mut shell = Shell { folder: start.to_owned(), left_in };
    let mut n_run = 0;
    // What the block before wrote to the standard error, if it failed.
    let mut failure: Option<String> = None;
    for Block { line, language, above, text } in blocks(&page) {
        shell.make_recipes_small();
        let expected = failure.take();
        match language.as_str() {
            "sh" if above.starts_with(NOT_RUN) => {}
            "sh" => {
                assert!(text.contains("isogloss "), "{name}:{line}: neither run nor {NOT_RUN:?}");
                let output = shell.run(&text);
                let error = String::from_utf8(output.stderr).unwrap();
                let fails = above == FAILS;
                assert_eq!(output.status.success(), !fails, "{name}:{line}: {text}{error}");
                failure = fails.then_some(error);
                n_run += 1;
            }
            "toml" => {
                if let Some(file) = text.lines().next().and_then(|line| line.strip_prefix("# ")) {
                    fs::write(shell.folder.join(file), &text).unwrap();
                }
            }
            _ => {
                for part in expected.iter().flat_map(|_| text.lines()) {
                    let error = expected.as_deref().unwrap_or_default();
                    assert!(error.contains(part), "{name}:{line}: no {part:?} in {error}");
                }
            }
        }
    }
    (shell.folder, n_run)
}

#[test]
#[cfg_attr(windows, ignore = "needs a POSIX shell")]
fn the_commands_of_start_work() {
    let folder = tempfile::tempdir().unwrap();
    let (project, n_run) = run_page("start.md", folder.path(), folder.path().join("left_in"));
    assert!(n_run >= 9, "{n_run}");
    assert!(project.join("report.html").is_file());
}

#[test]
#[cfg_attr(windows, ignore = "needs a POSIX shell")]
fn the_commands_of_recipes_work() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), "new project");
    let project = folder.path().join("project");
    let (_, n_run) = run_page("recipes.md", &project, folder.path().join("left_in"));
    assert!(n_run >= 9, "{n_run}");
    assert!(project.join("runs-shard").is_dir());
}
