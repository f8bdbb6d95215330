//! `isogloss new`: the project that it makes, and every command of its README.

use std::fs;
use std::path::Path;

use isogloss::Plan;
use isogloss_tests::copy_model;

use crate::{fails, succeeds};

/// Recipes of the project.
const RECIPES: [&str; 4] = ["classification", "tagging", "parsing", "retrieval"];

/// Model of the project's recipes.
pub(crate) const MODEL: &str = "intfloat/multilingual-e5-small";

/// A recipe of the project that trains a tiny model for a few steps.
fn made_small(project: &Path, recipe: &str) -> String {
    let text = fs::read_to_string(project.join(format!("{recipe}.toml"))).unwrap();
    // It is valid as it is.
    Plan::from_toml(&text, recipe.as_ref()).unwrap();
    let small = smaller(&text);
    assert_ne!(small, text);
    small
}

/// A recipe's text with the model in the folder `model`, which has two layers, and two steps.
pub(crate) fn smaller(text: &str) -> String {
    text.replace(MODEL, "model")
        .replace("layer = 12", "layer = 2")
        .replace("[training]\n", "[training]\nmax_steps = 2\n")
}

#[test]
fn every_recipe_of_a_new_project_trains() {
    let folder = tempfile::tempdir().unwrap();
    let (out, _) = succeeds(folder.path(), "new project");
    assert!(out.contains("cd project") && out.contains("isogloss finetune classification.toml"));
    let project = folder.path().join("project");
    copy_model("xlm-roberta", &project.join("model"));
    for recipe in RECIPES {
        fs::write(project.join(format!("{recipe}.toml")), made_small(&project, recipe)).unwrap();
        let (out, _) = succeeds(&project, &format!("finetune {recipe}.toml --device flex"));
        assert!(out.contains("de "), "{out}");
    }
    let readme = fs::read_to_string(project.join("README.md")).unwrap();
    let commands = readme.lines().filter_map(|line| line.strip_prefix("isogloss "));
    let commands: Vec<_> = commands.map(|line| line.split('#').next().unwrap().trim()).collect();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        succeeds(&project, command);
    }
    assert!(project.join("report.html").is_file());
}

#[test]
fn a_folder_with_content_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("recipe.toml"), "mine").unwrap();
    fails(folder.path(), "new .", &["not empty, it has recipe.toml"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_version_names_commit_and_backends() {
    let folder = tempfile::tempdir().unwrap();
    let (out, _) = succeeds(folder.path(), "--version");
    let version = out.strip_prefix("isogloss 0.").unwrap();
    assert!(version.contains('(') && version.contains("flex"), "{out}");
}
