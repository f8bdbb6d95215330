//! CLI arguments of `isogloss recipe`.

use std::path::PathBuf;

use clap::{ArgGroup, ValueHint};

#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("what").required(true)))]
pub(crate) struct RecipeArgs {
    /// Write a recipe template here, with every key, its default and its description
    #[arg(group = "what", value_name = "NEW.toml", value_hint = ValueHint::FilePath)]
    pub(crate) new: Option<PathBuf>,
    /// List the tasks, objectives, views, schedules, updates, samplings and adapters
    #[arg(long, group = "what")]
    pub(crate) list: bool,
    /// Check this recipe, and print it with all that it extends and every default
    #[arg(long, group = "what", value_name = "RECIPE", value_hint = ValueHint::FilePath)]
    pub(crate) resolve: Option<PathBuf>,
    /// Print the JSON Schema of a recipe, for editors
    #[arg(long, group = "what")]
    pub(crate) schema: bool,
    /// Print docs/methods.md, in the root of the repository
    #[arg(long, group = "what", hide = true)]
    pub(crate) methods_page: bool,
}
