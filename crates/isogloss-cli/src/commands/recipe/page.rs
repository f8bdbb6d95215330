//! Generator of `docs/methods.md`: description, requirements, results and keys of each method.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use isogloss::methods::{DataNeed, MethodInfo};

use super::axes::{Axis, axes};
use super::keys::{Key, Schema, value_at};
use super::shipped::{RESULTS, Shipped, recipes_for, shipped};
use super::template::apart;

/// Columns of the results with the score of a recipe, over the languages without training data
/// where there are any.
const SCORE_COLUMNS: [&str; 4] =
    ["mean of targets", "other languages", "ten targets, zero-shot", "LAS"];

const HEAD: &str = "\
# Methods

What can stand in a recipe: what it is, the paper, the formula, what it needs and its options.
`cargo xtask methods` writes this page and [recipe.schema.json](recipe.schema.json) from the registry of methods and the comments of their options.

In a recipe, `extends = \"other.toml\"` goes before what differs.
`isogloss recipe NEW.toml` writes a recipe with every key, `isogloss recipe --resolve RECIPE` shows one with all of its defaults.
For completion in an editor, begin a recipe with `#:schema PATH/docs/recipe.schema.json`, as Taplo and Even Better TOML read it.
";

/// Text of `docs/methods.md` for the repository at `root`.
pub(super) fn methods_page(root: &Path) -> anyhow::Result<String> {
    let axes = axes();
    let schema = Schema::new(apart(&axes));
    let recipes = shipped(root)?;
    let results = fs::read_to_string(root.join(RESULTS)).context(RESULTS)?;
    let results = sections(&results);
    let mut text = HEAD.to_owned();
    for axis in &axes {
        text.push_str(&index(axis));
    }
    text.push_str("\n[Tables of a recipe](#tables-of-a-recipe) has all other keys.\n");
    for axis in &axes {
        text.push_str(&format!("\n## {}\n", axis.title));
        for info in axis.rows {
            ensure!(root.join(info.file).is_file(), "{}: no file {}", info.key, info.file);
            text.push_str(&method(&schema, axis, info, &recipes, &results)?);
        }
    }
    text.push_str("\n## Tables of a recipe\n\n");
    text.push_str(&keys_table(&schema.values_at_top()));
    let has_section = |name: &str| {
        axes.iter().any(|axis| axis.entry == name || axis.rows.iter().any(|row| row.key == name))
    };
    for name in schema.top().into_iter().filter(|name| !has_section(name)) {
        let keys = schema.keys(name);
        if !keys.is_empty() {
            let table =
                if name == "objective" { "[[objective]]".into() } else { format!("[{name}]") };
            let description = schema.description(name);
            text.push_str(&format!("\n### `{table}`\n\n{description}\n\n{}", keys_table(&keys)));
        }
    }
    Ok(text)
}

/// Splits a text into the lines of each section, by heading.
fn sections(results: &str) -> BTreeMap<&str, Vec<&str>> {
    let (mut sections, mut heading) = (BTreeMap::<_, Vec<_>>::new(), "");
    for line in results.lines() {
        if line.starts_with('#') {
            heading = line.trim_start_matches('#').trim();
        }
        sections.entry(heading).or_default().push(line);
    }
    sections
}

/// Score of a recipe from a table of results, as ` (other languages: 36.2)`.
fn score(lines: &[&str], recipe: &str) -> Option<String> {
    let row = |name: &str| {
        let rows = lines.iter().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
        let mut rows = rows.map(|row| row.split(" | ").map(str::trim).collect::<Vec<_>>());
        rows.find(|row| row.first() == Some(&name))
    };
    let (header, scores) = (row("recipe")?, row(recipe)?);
    let column = header.iter().position(|name| SCORE_COLUMNS.contains(name))?;
    Some(format!(" ({}: {})", header[column], scores.get(column)?))
}

/// Index table of an axis: a row for each method, with its formula.
fn index(axis: &Axis) -> String {
    let mut text = format!("\n**{}**: {}\n\n| | | |\n|---|---|---|\n", axis.title, axis.how);
    for info in axis.rows {
        let (anchor, key) = (slug(&axis.short_path(info)), info.key);
        text.push_str(&format!(
            "| [`{key}`](#{anchor}) | {} | `{}` |\n",
            info.title,
            cell(info.formula)
        ));
    }
    text
}

/// Section of a method.
fn method(
    schema: &Schema,
    axis: &Axis,
    info: &MethodInfo,
    recipes: &[Shipped],
    results: &BTreeMap<&str, Vec<&str>>,
) -> anyhow::Result<String> {
    let mut text = format!("\n### `{}`\n\n{}.\n", axis.short_path(info), info.title);
    if !info.paper.is_empty() {
        text.push_str(&format!("{}.\n", with_links(info.paper)));
    }
    text.push_str(&format!("\n```text\n{}\n```\n\n", info.formula));
    let needs: Vec<&str> = info.needs.iter().copied().map(DataNeed::description).collect();
    if !needs.is_empty() {
        text.push_str(&format!("- Needs {}\n", needs.join("; ")));
    }
    let fitting = recipes_for(recipes, &paths(axis, info), info.key);
    if !fitting.is_empty() {
        let links = fitting.iter().map(|r| format!("[{}](../{})", r.name, r.path()));
        text.push_str(&format!("- Recipe: {}\n", links.collect::<Vec<_>>().join(", ")));
    }
    let mut sections = Vec::new();
    for (recipe, section) in fitting.iter().filter_map(|recipe| Some((recipe, recipe.section()?))) {
        let lines = results.get(section).with_context(|| format!("{RESULTS}: no {section:?}"))?;
        let score = score(lines, recipe.stem()).unwrap_or_default();
        sections.push(format!("[{section}](../{RESULTS}#{}){score}", slug(section)));
    }
    if !sections.is_empty() {
        text.push_str(&format!("- Scores: {}\n", sections.join(", ")));
    }
    text.push_str(&format!("- Source: [{0}](../{0})\n", info.file));
    let mut keys = schema.keys(&axis.path(info));
    for key in &mut keys {
        // Defaults of the registry take precedence: they are what is built.
        if !key.is_required {
            key.default = value_at(&info.options(), &key.path).or(key.default.take());
        }
    }
    if !keys.is_empty() {
        text.push_str(&format!("\n{}", keys_table(&keys)));
    }
    Ok(text)
}

/// Paths at which a recipe can name a method.
fn paths(axis: &Axis, info: &MethodInfo) -> Vec<String> {
    match axis.entry {
        "data.sampling" => {
            let tables = ["data", "pairs", "monolingual", "unlabeled"];
            tables.iter().map(|table| format!("{table}.sampling.{}", info.key)).collect()
        }
        _ => vec![axis.path(info)],
    }
}

/// Table of keys: a row for each, with its default.
fn keys_table(keys: &[Key]) -> String {
    let mut text = "| key | default | |\n|---|---|---|\n".to_owned();
    for key in keys {
        let default = match key.default.as_deref() {
            // The default of a required key is empty.
            None | Some(r#""""#) if key.is_required || key.default.is_some() => "required".into(),
            Some(value) => format!("`{}`", cell(value)),
            None => String::new(),
        };
        let kind = cell(&key.kind);
        let kind =
            if kind.contains('"') { format!(" One of `{kind}`.") } else { format!(" ({kind})") };
        let what = cell(&key.description);
        text.push_str(&format!("| `{}` | {default} | {what}{kind} |\n", key.path));
    }
    text
}

/// Escapes a text for a table cell.
fn cell(text: &str) -> String {
    text.replace("\n\n", " ").replace('|', "\\|")
}

/// Turns the arXiv numbers of papers into links.
fn with_links(paper: &str) -> String {
    let link = |word: &str| {
        let number = word.trim_end_matches([',', ';', '.']);
        match number.strip_prefix("arXiv:") {
            Some(id) => word.replace(number, &format!("[{number}](https://arxiv.org/abs/{id})")),
            None => word.to_owned(),
        }
    };
    paper.split(' ').map(link).collect::<Vec<_>>().join(" ")
}

/// Anchor (slug) of a heading.
fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    /// Every key of a schema, by an independent walk.
    fn names(schema: &Value, found: &mut BTreeSet<String>) {
        match schema {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if let ("properties", Some(keys)) = (name.as_str(), value.as_object()) {
                        found.extend(keys.keys().cloned());
                    }
                    names(value, found);
                }
            }
            Value::Array(elements) => elements.iter().for_each(|element| names(element, found)),
            _ => {}
        }
    }

    #[test]
    fn page_and_schema_are_up_to_date() {
        let schema = serde_json::to_string_pretty(&isogloss::recipe_schema()).unwrap() + "\n";
        for (name, expected) in
            [("methods.md", methods_page(root()).unwrap()), ("recipe.schema.json", schema)]
        {
            let found = fs::read_to_string(root().join("docs").join(name)).unwrap();
            let is_fresh = found.replace("\r\n", "\n") == expected;
            assert!(is_fresh, "docs/{name} is not up to date: run `cargo xtask methods`");
        }
    }

    #[test]
    fn every_key_of_a_recipe_is_on_the_page() {
        let page = methods_page(root()).unwrap();
        let mut keys = BTreeSet::new();
        names(&isogloss::recipe_schema(), &mut keys);
        assert!(keys.len() > 100, "{keys:?}");
        let on_page = |key: &String| {
            let whole = [format!("`{key}`"), format!(".{key}`"), format!("[{key}]")];
            let parts = [format!(".{key}."), format!("`{key}."), format!("{key} = {{")];
            whole.iter().chain(&parts).any(|text| page.contains(text.as_str()))
        };
        let missing: Vec<_> = keys.iter().filter(|key| !on_page(key)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn every_method_has_a_recipe_but_for_want_of_data() {
        let recipes = shipped(root()).unwrap();
        for axis in axes() {
            for info in axis.rows.iter().filter(|info| info.key != "translated") {
                let found = recipes_for(&recipes, &paths(&axis, info), info.key);
                assert!(!found.is_empty(), "{}", axis.path(info));
            }
        }
    }

    #[test]
    fn scores_are_found_by_the_name_of_a_recipe() {
        let results = "# A\n| recipe | en | mean of targets | s |\n|---|---|---:|---|\n| plain | 80 | 36.2 | 9 |\n# B\n";
        let sections = sections(results);
        assert_eq!(score(&sections["A"], "plain").unwrap(), " (mean of targets: 36.2)");
        assert_eq!(score(&sections["A"], "other").or(score(&sections["B"], "plain")), None);
    }

    #[test]
    fn anchors_and_papers_are_links() {
        assert_eq!(slug("Consistency, flatness and transfer"), "consistency-flatness-and-transfer");
        assert_eq!(slug("`method.r_drop`"), "methodr_drop");
        let paper = with_links("Chi et al. 2021, arXiv:2007.07834; and others");
        assert_eq!(
            paper,
            "Chi et al. 2021, [arXiv:2007.07834](https://arxiv.org/abs/2007.07834); and others"
        );
    }
}
