//! TSV and CSV reader: examples of a table, with columns located by header or by number.

use std::borrow::Cow;

use crate::reader::columns::{Columns, Named};
use crate::reader::label_names::LabelNames;
use crate::reader::options::{Annotation, ReadOptions};
use crate::reader::row::Row;
use crate::source::Source;
use crate::{Example, LineProblem, Slot, TextError, nearest};

/// Row of a table: its line number and its cells.
pub(crate) type Cells<'a> = (usize, Vec<Cow<'a, str>>);

/// Iterates over the rows of a table without quoting.
pub(crate) fn plain_rows(
    source: &Source,
    delimiter: char,
) -> impl Iterator<Item = Result<Cells<'_>, TextError>> {
    source.rows().map(move |row| {
        row.map(|(line, content)| (line, content.split(delimiter).map(Cow::Borrowed).collect()))
    })
}

/// Reads the examples of a table; `rows` begins with the header, if there is one.
pub(crate) fn read<'a>(
    source: &'a Source,
    mut rows: impl Iterator<Item = Result<Cells<'a>, TextError>>,
    options: &ReadOptions,
) -> Result<Vec<Example>, TextError> {
    let Some(first) = rows.next().transpose()? else {
        return Ok(Vec::new());
    };
    let layout = Layout::new(source, &first, options).map_err(|error| match error {
        TextError::MissingColumn { line, .. } if has_word_rows(source, &first.1, options) => {
            source.fault(line, LineProblem::WordRows { column: options.columns.text.clone() })
        }
        error => error,
    })?;
    let mut names = LabelNames::new(source, options);
    let first = (!options.header).then_some(Ok(first));
    let rows = first.into_iter().chain(rows);
    rows.map(|row| layout.example(source, row?, options, &mut names)).collect()
}

/// Whether a table of tags seems to have a word in each row: no column of texts, and one of words in
/// the header, or empty lines between sentences.
fn has_word_rows(source: &Source, header: &[Cow<'_, str>], options: &ReadOptions) -> bool {
    let reads_tags = matches!(options.annotation, Annotation::Tags | Annotation::Spans);
    let is_words =
        |name: &str| ["word", "token", "form"].contains(&name.trim().to_lowercase().as_str());
    let has_texts = header.iter().any(|name| name.trim() == options.columns.text);
    let mut rows = source.rows();
    reads_tags
        && !has_texts
        && (header.iter().any(|name| is_words(name)) || rows.any(|row| row.is_err()))
}

/// The index of each column in a row.
struct Layout {
    n_columns: usize,
    text: usize,
    pair: Option<usize>,
    label: Option<usize>,
    slots: Option<usize>,
    split: Option<usize>,
}

impl Layout {
    fn new(
        source: &Source,
        (line, cells): &Cells<'_>,
        options: &ReadOptions,
    ) -> Result<Self, TextError> {
        let find = |column: Named<'_>| {
            if options.header {
                find_by_name(source, *line, cells, column, &options.columns)
            } else {
                find_by_number(source, *line, cells.len(), column)
            }
        };
        let text = Named { name: &options.columns.text, required: true, key: Some("text") };
        let optional = options.optional_columns();
        Ok(Self {
            n_columns: cells.len(),
            text: find(text)?.expect("a required column is found or an error"),
            pair: optional.pair.map(find).transpose()?.flatten(),
            label: optional.label.map(find).transpose()?.flatten(),
            slots: optional.slots.map(find).transpose()?.flatten(),
            split: find(optional.split)?,
        })
    }

    fn example(
        &self,
        source: &Source,
        (line, cells): Cells<'_>,
        options: &ReadOptions,
        names: &mut LabelNames<'_>,
    ) -> Result<Example, TextError> {
        if cells.len() != self.n_columns {
            return Err(source.fault(
                line,
                LineProblem::ColumnCount { expected: self.n_columns, found: cells.len() },
            ));
        }
        let cell = |idx: usize| cells.get(idx).map(|cell| cell.to_string());
        let slots = self.slots.and_then(cell).filter(|cell| !cell.trim().is_empty());
        let row = Row {
            line,
            text: cell(self.text).unwrap_or_default(),
            pair: self.pair.and_then(cell),
            label: self
                .label
                .and_then(cell)
                .map(|label| {
                    let column = &options.columns.label;
                    match options.annotation {
                        Annotation::Class => names.class(line, column, label),
                        Annotation::Any
                        | Annotation::Text
                        | Annotation::Tags
                        | Annotation::Spans => names.written(line, column, label),
                    }
                })
                .transpose()?,
            slots: slots.map_or(Ok(Vec::new()), |cell| {
                serde_json::from_str::<Vec<Slot>>(&cell)
                    .map_err(|error| source.json(line, None, &error))
            })?,
            split: self.split.and_then(cell),
            lacks_spans: false,
        };
        row.check(source, &options.columns)
    }
}

fn find_by_name(
    source: &Source,
    line: usize,
    header: &[Cow<'_, str>],
    column: Named<'_>,
    columns: &Columns,
) -> Result<Option<usize>, TextError> {
    let mut matches = header.iter().enumerate().filter(|(_, name)| name.trim() == column.name);
    match (matches.next(), matches.next()) {
        (Some(_), Some(_)) => {
            Err(source.fault(line, LineProblem::DuplicateColumn { column: column.name.to_owned() }))
        }
        (Some((idx, _)), None) => Ok(Some(idx)),
        (None, _) if column.required => {
            if let [cell] = header
                && let Some(found) = cell.chars().find(|c| [';', ',', '\t', '|'].contains(c))
            {
                return Err(source.fault(line, LineProblem::OtherSeparator { found }));
            }
            let names = columns.free_names(column.name, header.iter().map(|name| name.trim()));
            let nearest = nearest(column.name, names);
            let is_free = |name: &Cow<'_, str>| {
                columns.free_names("", [name.trim()].into_iter()).next().is_some()
            };
            let names_none = nearest.is_none() && header.iter().all(is_free);
            Err(missing(source, line, column, nearest, names_none))
        }
        (None, _) => Ok(None),
    }
}

fn find_by_number(
    source: &Source,
    line: usize,
    n_columns: usize,
    column: Named<'_>,
) -> Result<Option<usize>, TextError> {
    match column.name.parse::<usize>() {
        Ok(idx) if idx < n_columns => Ok(Some(idx)),
        Ok(_) => Err(missing(source, line, column, None, false)),
        Err(_) if column.required => Err(TextError::ColumnNumber {
            path: source.path.to_path_buf(),
            column: column.name.to_owned(),
        }),
        Err(_) => Ok(None),
    }
}

/// The error of a table without a required column, with a name of its header as a hint, and whether
/// this names no column that is read.
fn missing(
    source: &Source,
    line: usize,
    column: Named<'_>,
    nearest: Option<String>,
    names_none: bool,
) -> TextError {
    let (path, column, key) = (source.path.to_path_buf(), column.name.to_owned(), column.key);
    TextError::MissingColumn { path, line, column, nearest, key, names_none }
}

#[cfg(test)]
mod tests;
