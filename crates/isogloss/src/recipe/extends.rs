//! Configuration inheritance, `extends = "plain.toml"`: a recipe states only its differences from
//! another one.
//!
//! The parent is read first; its path is relative to the folder of the recipe. Tables are merged
//! key by key; every other value, including lists and `[[objective]]`, replaces the inherited one.
//! A table that holds one of several variants, such as `[task]`, is replaced if the variant is
//! another. Inherited keys can be changed, not removed.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::RecipeFile;
use crate::RecipeFault;

const KEY: &str = "extends";

/// Enum tables: their single key is the variant.
pub(super) const ONE_OF: [&str; 8] = [
    "adapter",
    "data.sampling",
    "monolingual.sampling",
    "pairs.aligner",
    "pairs.sampling",
    "subnetworks.unseen",
    "task",
    "unlabeled.sampling",
];

/// Inheritance chain: the recipe at `path` and the recipes that it extends, the nearest first.
pub(super) fn chain(path: &Path, recipe: RecipeFile) -> Result<Vec<RecipeFile>, Vec<RecipeFault>> {
    let (mut files, mut paths) = (vec![recipe], vec![path.to_owned()]);
    while let Some((path, file)) = extended(&files[files.len() - 1], &paths)? {
        paths.push(path);
        files.push(file);
    }
    Ok(files)
}

/// Reads the parent of `file`, the last of the chain, if it extends one.
fn extended(
    file: &RecipeFile,
    paths: &[PathBuf],
) -> Result<Option<(PathBuf, RecipeFile)>, Vec<RecipeFault>> {
    let table = file.table()?;
    let Some((key, value)) = table.get_key_value(KEY) else { return Ok(None) };
    let fault = |problem: String| vec![file.fault(key.span().start, format!("{KEY}: {problem}"))];
    let DeValue::String(named) = value.get_ref() else {
        return Err(fault("expected the path of a recipe".into()));
    };
    let path = paths[paths.len() - 1].with_file_name(named.as_ref());
    let bytes = fs::read(&path)
        .map_err(|error| fault(format!("cannot read {}: {error}", path.display())))?;
    if paths.iter().any(|other| canonical(other) == canonical(&path)) {
        return Err(fault(format!("a circle: {} is read already", path.display())));
    }
    let parent = RecipeFile::from_bytes(Some(path.clone()), bytes, file.end());
    Ok(Some((path, parent.map_err(|fault| vec![fault])?)))
}

/// Canonical path of a file, or the path itself if that fails.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Merges the files of a chain; the first has the highest precedence.
pub(super) fn merged(files: &[RecipeFile]) -> Result<DeTable<'_>, Vec<RecipeFault>> {
    let mut whole = DeTable::new();
    for (index, file) in files.iter().enumerate().rev() {
        let mut table = file.table()?;
        single_source(&mut table);
        if let Some((key, value)) = table.remove_entry(KEY) {
            if index + 1 == files.len() {
                let problem = "extends: a text alone extends nothing; read the recipe's file";
                return Err(vec![file.fault(key.span().start, problem)]);
            }
            if let DeValue::String(named) = value.into_inner() {
                move_pretrain_recipe(&mut whole, &named);
            }
        }
        inherit(&mut table, whole, "");
        whole = table;
    }
    Ok(whole)
}

/// Reads `data.source`, the source language if there is one alone, as `data.sources` with it; beside
/// `sources` it stays an unknown key.
fn single_source(table: &mut DeTable<'_>) {
    let Some(data) = table.get_mut("data") else { return };
    let DeValue::Table(data) = data.get_mut() else { return };
    let is_alone = data.get("source").is_some_and(|value| value.get_ref().is_str());
    if data.contains_key("sources") || !is_alone {
        return;
    }
    if let Some((key, value)) = data.remove_entry("source") {
        let (at, span) = (key.span(), value.span());
        let sources = DeValue::Array([value].into_iter().collect());
        data.insert(Spanned::new(at, "sources".into()), Spanned::new(span, sources));
    }
}

/// Makes the path of an inherited `pretrain_recipe` relative to the recipe that inherits it.
fn move_pretrain_recipe(parent: &mut DeTable<'_>, parent_path: &str) {
    let Some((folder, _)) = parent_path.rsplit_once('/') else { return };
    if let Some(value) = parent.get_mut("pretrain_recipe")
        && let DeValue::String(path) = value.get_mut()
        && Path::new(path.as_ref()).is_relative()
    {
        *path = Cow::Owned(format!("{folder}/{path}"));
    }
}

/// Merges an inherited table into a table, whose own values take precedence; `path` is the key path
/// of both.
fn inherit<'a>(table: &mut DeTable<'a>, inherited: DeTable<'a>, path: &str) {
    for (key, value) in inherited {
        let path =
            if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{key}") };
        let Some(own) = table.get_mut(key.get_ref().as_ref()) else {
            table.insert(key, value);
            continue;
        };
        if let (DeValue::Table(own), DeValue::Table(value)) = (own.get_mut(), value.into_inner()) {
            let is_other_kind =
                ONE_OF.contains(&path.as_str()) && !own.keys().any(|key| value.contains_key(key));
            if !is_other_kind {
                inherit(own, value, &path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Plan;

    const PLAIN: &str = r#"
seed = 7
[model]
source = "models/tiny"
max_length = 32
[data]
path = "data/{language}.jsonl"
sources = ["en", "de"]
sampling.by_size = { temperature = 2.0 }
[task.tagging]
units = "word"
[[objective]]
method.cross_entropy = {}
[[objective]]
weight = 0.5
method.r3f = {}
"#;

    /// The resolved recipe `b.toml`, or its error message without the folder.
    fn resolved(files: &[(&str, &str)]) -> Result<toml::Table, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        match Plan::from_file(&folder.path().join("b.toml")) {
            Ok(plan) => Ok(plan.to_toml().parse().unwrap()),
            Err(error) => {
                Err(error.to_string().replace(&format!("{}/", folder.path().display()), ""))
            }
        }
    }

    /// The resolved recipe of a text that extends nothing.
    fn whole(text: &str) -> toml::Table {
        Plan::from_toml(text, "b.toml".as_ref()).unwrap().to_toml().parse().unwrap()
    }

    #[test]
    fn one_source_language_needs_no_list() {
        let plain = PLAIN.replace("sources = [\"en\", \"de\"]\n", "sources = [\"en\"]\n");
        let plain = plain.replace("sampling.by_size = { temperature = 2.0 }\n", "");
        let single = plain.replace("sources = [\"en\"]", "source = \"en\"");
        assert!(single != plain && whole(&single) == whole(&plain));
        // Either takes precedence over the other in the recipe that is extended.
        let french = whole(&plain.replace("[\"en\"]", "[\"fr\"]"));
        for (parent, child) in [
            (&plain, "extends = \"plain.toml\"\n[data]\nsource = \"fr\"\n"),
            (&single, "extends = \"plain.toml\"\n[data]\nsources = [\"fr\"]\n"),
        ] {
            assert_eq!(resolved(&[("plain.toml", parent), ("b.toml", child)]).unwrap(), french);
        }
        let wrong = "extends = \"plain.toml\"\n[data]\n source = \"english\"\n";
        let message = resolved(&[("plain.toml", &plain), ("b.toml", wrong)]).unwrap_err();
        assert!(message.starts_with("b.toml:3:11: \"english\" is not"), "{message}");
    }

    #[test]
    fn tables_merge_and_other_values_replace() {
        let differs = r#"
extends = "plain.toml"
[model]
max_length = 64
[data]
sources = ["fr", "es", "it"]
[[objective]]
method.r_drop = {}
[training]
epochs = 9
"#;
        let expected = r#"
seed = 7
[model]
source = "models/tiny"
max_length = 64
[data]
path = "data/{language}.jsonl"
sources = ["fr", "es", "it"]
sampling.by_size = { temperature = 2.0 }
[task.tagging]
units = "word"
[[objective]]
method.r_drop = {}
[training]
epochs = 9
"#;
        assert_eq!(
            resolved(&[("plain.toml", PLAIN), ("b.toml", differs)]).unwrap(),
            whole(expected)
        );
    }

    #[test]
    fn another_kind_replaces_and_the_same_kind_merges() {
        let resolve = |text: &str| {
            let text = format!("extends = \"plain.toml\"\n{text}");
            resolved(&[("plain.toml", PLAIN), ("b.toml", &text)]).unwrap()
        };
        let other = resolve("[task.classification]\n[data]\nsampling.uniform = {}\n");
        assert_eq!(other["task"].as_table().unwrap().len(), 1);
        assert!(other["task"].get("classification").is_some());
        assert!(other["data"]["sampling"].get("uniform").is_some());
        let same = resolve("[task.tagging]\n");
        assert_eq!(same["task"]["tagging"]["units"].as_str(), Some("word"));
    }

    #[test]
    fn single_texts_are_read_where_pairs_are_inherited() {
        let pairs =
            PLAIN.replace("[\"en\", \"de\"]\n", "[\"en\", \"de\"]\ncolumns.pair = \"second\"\n");
        let resolve = |text: &str| {
            let text = format!("extends = \"plain.toml\"\n{text}");
            resolved(&[("plain.toml", &pairs), ("b.toml", &text)]).unwrap()
        };
        let pair = |recipe: &toml::Table| {
            recipe["data"].get("columns").and_then(|c| c.get("pair")).cloned()
        };
        assert_eq!(pair(&resolve("")), Some("second".into()));
        assert_eq!(pair(&resolve("[data]\ncolumns.pair = \"\"\n")), None);
    }

    #[test]
    fn a_chain_is_followed_from_folder_to_folder() {
        let files = [
            ("b.toml", "extends = \"x/c.toml\"\nseed = 1"),
            ("x/c.toml", "extends = \"../y/plain.toml\"\nseed = 2\ntraining.epochs = 4"),
            ("y/plain.toml", &format!("pretrain_recipe = \"z/first.toml\"\n{PLAIN}")),
            ("y/z/first.toml", PLAIN),
        ];
        let found = resolved(&files).unwrap();
        assert_eq!(found["seed"].as_integer(), Some(1));
        assert_eq!(found["training"]["epochs"].as_integer(), Some(4));
        assert_eq!(found["pretrain_recipe"].as_str(), Some("x/../y/z/first.toml"));
        assert!(found.get("extends").is_none());
    }

    #[test]
    fn faults_are_told_with_the_file_that_they_stand_in() {
        let parent = PLAIN.replace("max_length = 32", "max_length = 1\nlenght = 3");
        let child = "extends = \"plain.toml\"\n\n[training]\nepochs = 0\n[data]\n sources = []\n";
        let found = resolved(&[("plain.toml", &parent), ("b.toml", child)]).unwrap_err();
        let expected = [
            "b.toml:4:1: training.epochs: expected at least 1, found 0",
            "b.toml:6:2: data.sources: name the language to train on",
            "plain.toml:5:1: model.max_length: expected at least 3, found 1",
            "plain.toml:6:1: unknown field `lenght`",
        ];
        let found: Vec<&str> = found.lines().collect();
        for expected in expected {
            assert!(found.iter().any(|fault| fault.starts_with(expected)), "{found:#?}");
        }
        // A list replaces the whole inherited one, and so do the positions of its elements.
        let child = "extends = \"plain.toml\"\n[[objective]]\nweight = -1.0\nmethod.r_drop = {}\n";
        let found = resolved(&[("plain.toml", PLAIN), ("b.toml", child)]).unwrap_err();
        assert_eq!(found, "b.toml:3:1: objective.0.weight: expected zero or more, found -1");
    }

    #[test]
    fn what_cannot_be_extended_is_told_where_it_is_named() {
        let refused = |parent: &str, child: &str, expected: &str| {
            let found = resolved(&[("plain.toml", parent), ("b.toml", child)]).unwrap_err();
            assert!(found.starts_with(expected), "{found:?}, expected {expected:?}");
        };
        refused(PLAIN, "extends = \"plan.toml\"\n", "b.toml:1:1: extends: cannot read plan.toml: ");
        refused(PLAIN, " extends = 3\n", "b.toml:1:2: extends: expected the path of a recipe");
        refused(PLAIN, "extends = \"b.toml\"\n", "b.toml:1:1: extends: a circle: b.toml is read");
        let (plain, b) = ("seed = 1\nextends = \"b.toml\"\n", "extends = \"plain.toml\"\n");
        refused(plain, b, "plain.toml:2:1: extends: a circle: b.toml is read already");
        refused("[model\n", b, "plain.toml:1:7: ");
        let text = Plan::from_toml(b, "b.toml".as_ref()).unwrap_err().to_string();
        assert!(text.starts_with("b.toml:1:1: extends: a text alone"), "{text}");
    }
}
