//! TOML parser of a [`Recipe`] with error recovery: reports all errors, not only the first.
//!
//! A deserializer stops at its first error. To report all of them at once, the faulty entry is
//! removed and the rest is deserialized again.

use std::collections::BTreeMap;
use std::ops::Range;

use isogloss_text::nearest;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, ValueDeserializer};

use super::Recipe;
use super::extends::merged;
use super::file::RecipeFile;
use super::positions::{Positions, fault_at};
use crate::RecipeFault;

/// Renamed keys: the names of earlier versions, and the names to write now.
const RENAMED: [(&str, &str); 7] = [
    ("before", "`pretrain_recipe`"),
    ("data.source", "`sources`, a list,"),
    ("data.more_sources", "`sources`, with the main language first,"),
    ("optimizer.curve", "`learning_rate_schedule`"),
    ("training.zero_shot", "`zero_shot_eval_examples`"),
    ("training.frozen.drops", "`dropout`"),
    ("update.project_conflicts", "`pcgrad`"),
];

/// Parses a recipe: returns it without its faulty entries if the rest is valid, all errors, and the
/// positions of the entries.
pub(super) fn recipe(files: Vec<RecipeFile>) -> (Option<Recipe>, Vec<RecipeFault>, Positions) {
    let (mut spans, mut removed) = (BTreeMap::new(), Vec::new());
    let read = merged(&files).map(|table| read(table, &files, &mut spans, &mut removed));
    let (recipe, faults) = read.unwrap_or_else(|faults| (None, faults));
    (recipe, faults, Positions::new(files, spans, removed))
}

/// Deserializes a table, removing one faulty entry after another; `spans` receives the positions of
/// all entries, `removed` the names of those that were removed.
fn read(
    mut table: DeTable<'_>,
    files: &[RecipeFile],
    spans: &mut BTreeMap<String, Range<usize>>,
    removed: &mut Vec<String>,
) -> (Option<Recipe>, Vec<RecipeFault>) {
    let root = files.first().map(RecipeFile::span).unwrap_or_default();
    let mut faults = Vec::new();
    loop {
        let entries = entries(&table);
        spans.extend(entries.iter().map(|entry| (entry.name(), entry.key.clone())));
        let whole = Spanned::new(root.clone(), DeValue::Table(table.clone()));
        let error = match Recipe::deserialize(ValueDeserializer::from(whole)) {
            Ok(recipe) => return (Some(recipe), faults),
            Err(error) => error,
        };
        let entry = faulty(&error, &entries);
        if !entry.is_some_and(|entry| lacks_removed(&error, entry, removed)) {
            faults.push(fault_of(files, &error, &entries));
        }
        let Some(entry) = entry else { return (None, faults) };
        removed.push(entry.name());
        remove(&mut table, &entry.path);
    }
}

/// TOML entry: a key with its value, or an element of an array.
struct Entry {
    /// Keys and indices from the root.
    path: Vec<String>,
    key: Range<usize>,
    value: Range<usize>,
}

impl Entry {
    fn name(&self) -> String {
        self.path.join(".")
    }
}

fn entries(table: &DeTable<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    collect(table, &[], &mut entries);
    entries
}

fn collect(table: &DeTable<'_>, parent: &[String], entries: &mut Vec<Entry>) {
    for (key, value) in table {
        collect_value(value, key.span(), &[parent, &[key.get_ref().to_string()]].concat(), entries);
    }
}

fn collect_value(
    value: &Spanned<DeValue<'_>>,
    key: Range<usize>,
    path: &[String],
    entries: &mut Vec<Entry>,
) {
    entries.push(Entry { path: path.to_owned(), key, value: value.span() });
    match value.get_ref() {
        DeValue::Table(table) => collect(table, path, entries),
        DeValue::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                let path = [path, &[index.to_string()]].concat();
                collect_value(element, element.span(), &path, entries);
            }
        }
        _ => {}
    }
}

/// The entry that causes an error, and whose removal removes the error.
fn faulty<'a>(error: &toml::de::Error, entries: &'a [Entry]) -> Option<&'a Entry> {
    let span = error.span()?;
    let is_around = |range: &Range<usize>| range.start <= span.start && span.end <= range.end;
    let of_key = entries.iter().find(|entry| entry.key == span);
    let of_value = || entries.iter().rfind(|entry| entry.value == span);
    let around = || entries.iter().filter(|entry| is_around(&entry.value));
    let entry = of_key.or_else(of_value).or_else(|| around().min_by_key(|e| e.value.len()))?;
    // An unknown variant is removed together with its table.
    let mut path = entry.path.as_slice();
    if error.message().starts_with("unknown variant") && entry.key == span && path.len() > 1 {
        path = &path[..path.len() - 1];
    }
    entries.iter().find(|entry| entry.path == path)
}

/// Whether the error is about a missing field that was removed before.
fn lacks_removed(error: &toml::de::Error, table: &Entry, removed: &[String]) -> bool {
    let field = error.message().strip_prefix("missing field `").and_then(|m| m.strip_suffix('`'));
    field.is_some_and(|field| removed.contains(&format!("{}.{field}", table.name())))
}

/// Removes an entry; for an element of an array of plain values, the whole array.
fn remove(table: &mut DeTable<'_>, path: &[String]) {
    let Some((key, rest)) = path.split_first() else { return };
    let Some(value) = table.get_mut(key.as_str()) else { return };
    if rest.is_empty() || !remove_inside(value.get_mut(), rest) {
        table.remove(key.as_str());
    }
}

/// Removes an entry inside a value; `false` if the value has to be removed as a whole.
fn remove_inside(value: &mut DeValue<'_>, path: &[String]) -> bool {
    match value {
        DeValue::Table(table) => remove(table, path),
        DeValue::Array(array) => {
            let index = path[0].parse().unwrap_or(usize::MAX);
            match array.get_mut(index).map(Spanned::get_mut) {
                Some(element) if path.len() > 1 => return remove_inside(element, &path[1..]),
                Some(DeValue::Table(_)) => {
                    let elements = std::mem::replace(array, DeArray::new()).into_iter().enumerate();
                    *array = elements.filter(|(at, _)| *at != index).map(|(_, e)| e).collect();
                }
                _ => return false,
            }
        }
        _ => return false,
    }
    true
}

fn fault_of(files: &[RecipeFile], error: &toml::de::Error, entries: &[Entry]) -> RecipeFault {
    let start = error.span().map_or(0, |span| span.start);
    let renamed = error.span().and_then(|span| renamed(entries.iter().find(|e| e.key == span)?));
    let is_unknown = error.message().starts_with("unknown field");
    let problem = renamed.filter(|_| is_unknown).or_else(|| nearest_first(error.message()));
    fault_at(files, start, problem.unwrap_or_else(|| error.message().replace('\n', ", ")))
}

/// Did-you-mean suggestion: the message about an unknown key or variant with the most similar known
/// one first; none for other messages, or if no known one is similar.
fn nearest_first(message: &str) -> Option<String> {
    let (unknown, known) = message.split_once(", expected ")?;
    let name = |text: &str| Some(text.split_once('`')?.1.split_once('`')?.0.to_owned());
    let wanted = name(unknown.strip_prefix("unknown ")?)?;
    let names: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let words = |name: &str| {
        let mut words: Vec<&str> = name.split('_').collect();
        words.sort_unstable();
        words.concat()
    };
    let turned = || names.iter().find(|name| words(name) == words(&wanted));
    let nearest = nearest(&wanted, names.iter().copied());
    let nearest = nearest.or_else(|| turned().map(ToString::to_string));
    let nearest = nearest.map(|name| format!("`{name}`")).or_else(|| elsewhere(&wanted))?;
    Some(format!("{unknown}: did you mean {nearest}? expected {known}"))
}

/// Suggests a key of the same name in another table.
fn elsewhere(key: &str) -> Option<String> {
    let defaults = toml::Table::try_from(Recipe::default()).ok()?;
    let tables = defaults.iter().filter_map(|(name, table)| Some((name, table.as_table()?)));
    let mut with_key = tables.filter(|(_, table)| table.contains_key(key));
    with_key.next().map(|(name, _)| format!("`{key}` of [{name}]"))
}

/// The error message for a renamed key.
fn renamed(entry: &Entry) -> Option<String> {
    let name = entry.name();
    let (old, new) = RENAMED.iter().find(|(old, _)| *old == name)?;
    let key = old.rsplit('.').next().unwrap_or(old);
    Some(format!("unknown field `{key}`: it is called {new} now"))
}
