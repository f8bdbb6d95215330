//! Shipped recipes of `examples/recipes`, and the sections of their results.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use isogloss::Plan;
use serde_json::Value;

const RECIPES: &str = "examples/recipes";
pub(super) const RESULTS: &str = "examples/results.md";

/// Section of the results with a recipe's scores, by the start of the recipe's path.
const SECTIONS: [(&str, &str); 10] = [
    ("adapters/", "Scheduled unfreezing"),
    ("alignment/", "Realignment and transfer"),
    ("consistency/", "Consistency, flatness and transfer"),
    ("intents.toml", "Zero-shot intents"),
    ("parsing.toml", "Dependency parsing"),
    ("retrieval/", "Sentence retrieval"),
    ("slots.toml", "Zero-shot slots"),
    ("small/", "Small recipes"),
    ("subnetworks/", "Subnetworks and meta-learning"),
    ("tiny/", "isogloss-tiny"),
];

/// Shipped recipe.
pub(super) struct Shipped {
    /// Path below `examples/recipes`.
    pub(super) name: String,
    /// Text of the file.
    text: String,
    /// The recipe with all that it extends, as JSON.
    resolved: Value,
}

impl Shipped {
    /// Path from the root of the repository.
    pub(super) fn path(&self) -> String {
        format!("{RECIPES}/{}", self.name)
    }

    /// File stem: the name without folder and extension.
    pub(super) fn stem(&self) -> &str {
        let name = self.name.rsplit('/').next().unwrap_or_default();
        name.strip_suffix(".toml").unwrap_or(name)
    }

    /// Heading of its results.
    pub(super) fn section(&self) -> Option<&'static str> {
        let of_name = SECTIONS.iter().find(|(start, _)| self.name.starts_with(start));
        of_name.map(|(_, section)| *section)
    }

    /// Whether the recipe sets this path, such as `objective.method.r_drop`.
    pub(super) fn names(&self, path: &str) -> bool {
        has(&self.resolved, path)
    }

    fn n_objectives(&self) -> usize {
        self.resolved["objective"].as_array().map_or(0, Vec::len)
    }

    fn is_small(&self) -> bool {
        self.name.starts_with("small/")
    }

    /// Whether its own file, without what it extends, contains a key.
    fn says(&self, key: &str) -> bool {
        self.text.lines().any(|line| !line.starts_with('#') && line.contains(key))
    }
}

fn has(value: &Value, path: &str) -> bool {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    match value {
        Value::Array(elements) => elements.iter().any(|element| has(element, path)),
        value => match (value.get(name), rest) {
            (Some(inner), Some(rest)) => has(inner, rest),
            (inner, _) => inner.is_some(),
        },
    }
}

/// Example recipes of a method: the closest small one, and the closest of the larger experiments.
pub(super) fn recipes_for<'a>(all: &'a [Shipped], paths: &[String], key: &str) -> Vec<&'a Shipped> {
    let mut fitting: Vec<&Shipped> =
        all.iter().filter(|recipe| paths.iter().any(|path| recipe.names(path))).collect();
    fitting.sort_by_key(|recipe| {
        let is_about = recipe.stem() == key;
        (!is_about, !recipe.says(key), recipe.n_objectives(), recipe.text.lines().count())
    });
    let small = fitting.iter().find(|recipe| recipe.is_small());
    let large = fitting.iter().find(|recipe| !recipe.is_small() && recipe.says(key));
    let large = large.or(fitting.iter().find(|recipe| !recipe.is_small()));
    small.into_iter().chain(large).copied().collect()
}

/// Reads all shipped recipes, sorted by name.
pub(super) fn shipped(root: &Path) -> anyhow::Result<Vec<Shipped>> {
    let folder = root.join(RECIPES);
    let mut paths = Vec::new();
    files(&folder, &mut paths)?;
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&folder)?.display().to_string().replace('\\', "/");
        let text = fs::read_to_string(&path).with_context(|| name.clone())?;
        let resolved = serde_json::to_value(Plan::from_file(&path)?.recipe())?;
        Ok(Shipped { name, text, resolved })
    };
    paths.into_iter().map(read).collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_goes_through_every_element_of_an_array() {
        let value = json!({ "objective": [{ "method": { "a": {} } }, { "method": { "b": {} } }] });
        assert!(has(&value, "objective.method.b"));
        assert!(!has(&value, "objective.method.c") && !has(&value, "objective.a"));
    }
}
