//! Recipe template: every key with its default and description.

use isogloss::methods::MethodInfo;

use super::axes::{Axis, axes};
use super::keys::{Key, Schema, first_sentence, toml_text, value_at};

const HEAD: &str = "\
# A recipe: everything that affects a number. Only the model, the files and the language of training
# have no default.
#
# A `#` before a space begins a comment; without a space it switches off what can be switched on. What
# is on has its default. `isogloss recipe --list` tells what methods there are.
";

/// Example values of required keys, which have no default.
const EXAMPLES: [(&str, &str); 3] = [
    ("model.source", "\"models/multilingual-e5-small\""),
    ("data.path", "\"data/{language}.jsonl\""),
    ("data.sources", "[\"en\"]"),
];

/// Text of the template.
pub(super) fn template() -> String {
    let axes = axes();
    let schema = Schema::new(apart(&axes));
    let mut text = HEAD.to_owned();
    for key in schema.values_at_top() {
        text.push('\n');
        text.push_str(&key_text(&key, ""));
    }
    for name in schema.top().into_iter().filter(|name| schema.is_table(name)) {
        match axes.iter().find(|axis| axis.entry.split('.').next() == Some(name)) {
            Some(axis) if name == "objective" => text.push_str(&objectives(&schema, axis)),
            Some(axis) if name != "data" => text.push_str(&methods(&schema, axis)),
            _ => text.push_str(&table(&schema, &axes, name)),
        }
    }
    text
}

/// Entries that belong to an axis and have a section of their own.
pub(super) fn apart(axes: &[Axis]) -> Vec<&'static str> {
    let samplings = ["pairs.sampling", "monolingual.sampling", "unlabeled.sampling"];
    axes.iter().map(|axis| axis.entry).chain(samplings).collect()
}

/// A table with its keys.
fn table(schema: &Schema, axes: &[Axis], name: &str) -> String {
    let keys = schema.keys(name);
    let is_off = keys.iter().all(|key| key.is_off);
    let mark = if is_off { "#" } else { "" };
    let mut text = format!("\n{}{mark}[{name}]\n", comment(&schema.description(name)));
    for key in &keys {
        match axes.last().filter(|_| key.path == "sampling") {
            Some(samplings) => text.push_str(&sampling(key, samplings)),
            None => text.push_str(&key_text(key, name)),
        }
    }
    text
}

/// Tables of an axis's methods, commented out except for the default task, classification.
fn methods(schema: &Schema, axis: &Axis) -> String {
    let mut text = heading(axis);
    for info in axis.rows {
        let path = axis.path(info);
        let is_on = path == "task.classification";
        let mark = if is_on { "" } else { "#" };
        text.push_str(&format!("\n{}{mark}[{path}]\n", comment(&summary(info))));
        for key in schema.keys(&path) {
            let default = value_at(&info.options(), &key.path).or(key.default);
            text.push_str(&key_text(&Key { is_off: true, default, ..key }, &path));
        }
    }
    text
}

/// Objectives, commented out except for cross-entropy, which shows the keys that each of them has.
fn objectives(schema: &Schema, axis: &Axis) -> String {
    let keys = schema.keys("objective").into_iter();
    let keys = keys.filter(|key| key.path != "weight" && !key.path.starts_with("method"));
    let keys: String =
        keys.map(|key| key_text(&Key { is_off: true, ..key }, "objective")).collect();
    let mut text = heading(axis);
    for info in axis.rows {
        let (mark, keys) = if info.key == "cross_entropy" { ("", &*keys) } else { ("#", "") };
        let options = toml_text(&info.options());
        let method = format!("{mark}method.{} = {options}", info.key);
        let summary = comment(&summary(info));
        text.push_str(&format!(
            "\n{summary}{mark}[[objective]]\n{mark}weight = 1.0\n{keys}{method}\n"
        ));
    }
    text
}

/// Language sampling methods, commented out except for the default.
fn sampling(key: &Key, axis: &Axis) -> String {
    let mut text = comment(key.line());
    for info in axis.rows {
        let options = info.options();
        let is_on = key.default.as_ref().is_some_and(|default| default.contains(info.key));
        let mark = if is_on && !key.is_off { "" } else { "#" };
        text.push_str(&format!("{mark}sampling.{} = {}\n", info.key, toml_text(&options)));
    }
    text
}

fn heading(axis: &Axis) -> String {
    format!("\n{}", comment(&format!("{}: {}.", axis.title, axis.how)))
}

fn summary(info: &MethodInfo) -> String {
    format!("{}: {}.", info.title, info.formula)
}

/// A key with its default, or with the type of its values; `table` is the table that holds it.
fn key_text(key: &Key, table: &str) -> String {
    let path = format!("{table}.{}", key.path);
    let example = EXAMPLES.iter().find(|(entry, _)| *entry == path).map(|(_, value)| *value);
    let text = comment(key.line());
    match (example.or(key.default.as_deref()), key.is_off) {
        (Some(value), false) => format!("{text}{} = {value}\n", key.path),
        (Some(value), true) => format!("{text}#{} = {value}\n", key.path),
        // The keys of the table follow.
        (None, _) if key.kind.contains('{') => text,
        (None, _) => format!("{text}#{} = <{}>\n", key.path, key.kind),
    }
}

/// Comment with the first sentence of a text, in lines of at most 100 characters.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in first_sentence(text).split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < 100 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("# {word}")),
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use isogloss::Plan;

    use super::*;

    #[test]
    fn the_recipe_to_start_from_has_no_fault() {
        let text = template();
        let plan =
            Plan::from_toml(&text, "new.toml".as_ref()).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let mut expected = isogloss::Recipe::default();
        expected.model.source = plan.recipe().model.source.clone();
        expected.data.path = plan.recipe().data.path.clone();
        expected.data.sources = plan.recipe().data.sources.clone();
        // The values in it are the defaults.
        assert_eq!(*plan.recipe(), expected);
    }

    #[test]
    fn every_key_stands_in_it() {
        let (text, axes) = (template(), axes());
        let schema = Schema::new(apart(&axes));
        for name in schema.top() {
            assert!(text.contains(name), "{name}");
            for key in schema.keys(name) {
                // A method has a table of its own.
                let in_section = key.path.split_once('.').is_some_and(|(method, rest)| {
                    let section = text.split_once(&format!("[{name}.{method}]\n"));
                    let keys = section.and_then(|(_, after)| after.split("\n\n").next());
                    keys.is_some_and(|keys| keys.contains(rest))
                });
                assert!(in_section || text.contains(&key.path), "{name}.{}", key.path);
            }
        }
        for axis in &axes {
            for info in axis.rows {
                let name = info.key.rsplit('.').next().unwrap();
                assert!(text.contains(name), "{}", info.key);
            }
        }
    }
}
