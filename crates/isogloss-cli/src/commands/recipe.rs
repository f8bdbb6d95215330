//! `isogloss recipe`: recipe templates, and the methods that a recipe can name.

mod axes;
mod keys;
mod page;
mod shipped;
mod template;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context;
use isogloss::{Plan, recipe_schema};

use super::End;
use crate::args::RecipeArgs;

pub(crate) fn run(args: &RecipeArgs) -> anyhow::Result<End> {
    if let Some(path) = &args.new {
        write_new(path)?;
    } else if let Some(path) = &args.resolve {
        print!("{}", Plan::from_file(path)?.to_toml());
    } else if args.list {
        print!("{}", list());
    } else if args.schema {
        println!("{}", serde_json::to_string_pretty(&recipe_schema())?);
    } else if args.methods_page {
        print!("{}", page::methods_page(Path::new(""))?);
    }
    Ok(End::Done)
}

/// Writes a recipe template to a new file; fails if the file exists.
fn write_new(path: &Path) -> anyhow::Result<()> {
    let named = || path.display().to_string();
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(path).with_context(named)?;
    file.write_all(template::template().as_bytes()).with_context(named)?;
    println!("{}: fill in model.source and [data], then `isogloss finetune {0}`", path.display());
    Ok(())
}

/// List of methods: the keys of each axis, a line each.
fn list() -> String {
    let mut text = String::new();
    for axis in axes::axes() {
        text.push_str(&format!("{}: {}\n", axis.title, axis.how));
        for info in axis.rows {
            text.push_str(&format!("  {:<24} {}\n", info.key, info.title));
        }
        text.push('\n');
    }
    text + "`isogloss recipe NEW.toml` writes a recipe with all of their options.\n"
}
