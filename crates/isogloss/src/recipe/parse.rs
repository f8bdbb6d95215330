//! From TOML to a [`Recipe`], gathering faults instead of stopping at the first.
//!
//! A deserializer stops at its first fault. So that one pass over a file shows all of them, the
//! entry at fault is blanked out, which keeps every other position, and the file is read again.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::Recipe;
use super::positions::{Positions, fault_at};
use crate::RecipeFault;

/// Entries that had another name in earlier versions, and what to write for them.
const RENAMED: [(&str, &str); 6] = [
    ("before", "`pretrain_recipe`"),
    ("data.source", "`sources`, a list,"),
    ("data.more_sources", "`sources`, with the main language first,"),
    ("training.zero_shot", "`zero_shot_eval_examples`"),
    ("training.frozen.drops", "`dropout`"),
    ("update.project_conflicts", "`pcgrad`"),
];

/// The recipe without its faulty entries, if the rest can be read; the faults, and where the others
/// stand.
pub(super) fn recipe(text: &str) -> (Option<Recipe>, Vec<RecipeFault>, Positions) {
    let (table, syntax_errors) = DeTable::parse_recoverable(text);
    if !syntax_errors.is_empty() {
        let faults = syntax_errors.iter().map(|error| fault_of(text, error, &[])).collect();
        return (None, faults, Positions::default());
    }
    let mut entries = Vec::new();
    collect(table.get_ref(), "", &mut entries);
    let spans = entries.iter().map(|entry| (entry.path.clone(), entry.key.clone()));
    let positions = Positions::new(text, spans);

    let (mut remaining, mut faults) = (text.to_owned(), Vec::new());
    loop {
        let error = match toml::from_str::<Recipe>(&remaining) {
            Ok(recipe) => return (Some(recipe), faults, positions),
            Err(error) => error,
        };
        faults.push(fault_of(text, &error, &entries));
        let cut = error.span().and_then(|span| blank(&remaining, &entries, span));
        match cut {
            Some(cut) if cut != remaining => remaining = cut,
            _ => return (None, faults, positions),
        }
    }
}

struct Entry {
    path: String,
    key: Range<usize>,
    /// From the start of the key, or of the table's header, to the end of the value.
    all: Range<usize>,
}

fn collect(table: &DeTable<'_>, parent: &str, entries: &mut Vec<Entry>) {
    for (key, value) in table.iter() {
        let path = join(parent, key.get_ref());
        collect_value(value.get_ref(), key.span(), value.span(), path, entries);
    }
}

fn collect_value(
    value: &DeValue<'_>,
    key: Range<usize>,
    span: Range<usize>,
    path: String,
    entries: &mut Vec<Entry>,
) {
    match value {
        DeValue::Table(table) => collect(table, &path, entries),
        DeValue::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                let path = join(&path, &index.to_string());
                let span = element.span();
                collect_value(element.get_ref(), span.clone(), span, path, entries);
            }
        }
        _ => {}
    }
    let all = key.start.min(span.start)..key.end.max(span.end);
    entries.push(Entry { path, key, all });
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

/// Overwrites the smallest entry around `span` with spaces; a table goes with all its lines.
fn blank(text: &str, entries: &[Entry], span: Range<usize>) -> Option<String> {
    let line_start = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let range = if text[line_start..].trim_start().starts_with('[') {
        let body =
            line_start + text[line_start..].find('\n').map_or(text.len() - line_start, |n| n + 1);
        let next = text[body..].lines().scan(body, |at, line| {
            let start = *at;
            *at += line.len() + 1;
            Some((start, line))
        });
        let end =
            next.filter(|(_, line)| line.trim_start().starts_with('[')).map(|(at, _)| at).next();
        line_start..end.unwrap_or(text.len())
    } else {
        let around = entries.iter().filter(|entry| {
            let on_line = entry.key.start >= line_start;
            on_line && entry.all.start <= span.start && span.end <= entry.all.end
        });
        // A dotted key has an entry for each of its parts; the whole of it starts the line.
        let entry = around.max_by_key(|entry| entry.all.len())?;
        let lead = text[line_start..entry.all.start].trim_start();
        // Of `a.b.c = 1`, the spans of `a` and `a.b` may end before the value.
        let inside = |other: &&Entry| {
            other.path.strip_prefix(&entry.path).is_some_and(|rest| rest.starts_with('.'))
        };
        let line_end = text[line_start..].find('\n').map_or(text.len(), |n| line_start + n);
        let on_line = |other: &&Entry| (line_start..line_end).contains(&other.key.start);
        let ends = entries.iter().filter(inside).filter(on_line).map(|other| other.all.end);
        let end = ends.fold(entry.all.end, usize::max);
        entry.all.start - lead.len()..end
    };
    let spaces = |c: char| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) };
    let blanked: String = text.get(range.clone())?.chars().map(spaces).collect();
    Some(format!("{}{blanked}{}", &text[..range.start], &text[range.end..]))
}

fn fault_of(text: &str, error: &toml::de::Error, entries: &[Entry]) -> RecipeFault {
    let start = error.span().map_or(0, |span| span.start);
    let renamed = error.span().and_then(|span| renamed(entries.iter().find(|e| e.key == span)?));
    let is_unknown = error.message().starts_with("unknown field");
    let problem = renamed.filter(|_| is_unknown);
    fault_at(text, start, problem.unwrap_or_else(|| error.message().replace('\n', ", ")))
}

/// What to say of an entry by a name that it no longer has.
fn renamed(entry: &Entry) -> Option<String> {
    let (old, new) = RENAMED.iter().find(|(old, _)| *old == entry.path)?;
    let key = old.rsplit('.').next().unwrap_or(old);
    Some(format!("unknown field `{key}`: it is called {new} now"))
}

/// A fault at the first bytes that are not UTF-8.
pub(super) fn not_utf8(error: &std::string::FromUtf8Error) -> RecipeFault {
    // Up to that position both texts are the same.
    let text = String::from_utf8_lossy(error.as_bytes());
    fault_at(&text, error.utf8_error().valid_up_to(), "not valid UTF-8".to_owned())
}
