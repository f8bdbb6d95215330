//! Reader of TSV and CSV tables: columns found by header or by number.

use std::borrow::Cow;

use crate::reader::columns::Named;
use crate::reader::options::ReadOptions;
use crate::reader::row::Row;
use crate::source::Source;
use crate::{Example, LineProblem, Slot, TextError};

/// The line of a row and its cells.
pub(crate) type Cells<'a> = (usize, Vec<Cow<'a, str>>);

/// The rows of a TSV file.
pub(crate) fn tsv_rows(source: &Source) -> impl Iterator<Item = Result<Cells<'_>, TextError>> {
    source.rows().map(|row| {
        row.map(|(line, content)| (line, content.split('\t').map(Cow::Borrowed).collect()))
    })
}

/// The examples of a table; `rows` begins with the header, if there is one.
pub(crate) fn read<'a>(
    source: &'a Source,
    mut rows: impl Iterator<Item = Result<Cells<'a>, TextError>>,
    options: &ReadOptions,
) -> Result<Vec<Example>, TextError> {
    let Some(first) = rows.next().transpose()? else {
        return Ok(Vec::new());
    };
    let layout = Layout::new(source, &first, options)?;
    let first = (!options.header).then_some(Ok(first));
    first.into_iter().chain(rows).map(|row| layout.example(source, row?, options)).collect()
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
                find_by_name(source, *line, cells, column)
            } else {
                find_by_number(source, *line, cells.len(), column)
            }
        };
        let text = Named { name: &options.columns.text, required: true };
        let optional = options.columns.optional();
        Ok(Self {
            n_columns: cells.len(),
            text: find(text)?.expect("a required column is found or an error"),
            pair: optional.pair.map(find).transpose()?.flatten(),
            label: find(optional.label)?,
            slots: find(optional.slots)?,
            split: find(optional.split)?,
        })
    }

    fn example(
        &self,
        source: &Source,
        (line, cells): Cells<'_>,
        options: &ReadOptions,
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
            label: self.label.and_then(cell),
            slots: slots.map_or(Ok(Vec::new()), |cell| {
                serde_json::from_str::<Vec<Slot>>(&cell)
                    .map_err(|error| source.json(line, None, &error))
            })?,
            split: self.split.and_then(cell),
        };
        row.check(source, &options.columns)
    }
}

fn find_by_name(
    source: &Source,
    line: usize,
    header: &[Cow<'_, str>],
    column: Named<'_>,
) -> Result<Option<usize>, TextError> {
    let mut matches = header.iter().enumerate().filter(|(_, name)| name.trim() == column.name);
    match (matches.next(), matches.next()) {
        (Some(_), Some(_)) => {
            Err(source.fault(line, LineProblem::DuplicateColumn { column: column.name.to_owned() }))
        }
        (Some((idx, _)), None) => Ok(Some(idx)),
        (None, _) if column.required => {
            Err(source.missing_column(line, column.name, header.iter().map(|name| name.trim())))
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
        Ok(_) => Err(source.missing_column(line, column.name, [])),
        Err(_) if column.required => Err(TextError::ColumnNumber {
            path: source.path.to_path_buf(),
            column: column.name.to_owned(),
        }),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Columns, Content, Example, Format, ReadOptions, TextError, read_examples};

    fn read(data: &str, options: &ReadOptions) -> Result<Vec<Example>, TextError> {
        read_examples(data.as_bytes(), "x.tsv".as_ref(), options)
    }

    fn message(data: &str, options: &ReadOptions) -> String {
        read(data, options).unwrap_err().to_string()
    }

    fn numbered() -> ReadOptions {
        let columns = Columns { text: "1".into(), label: "0".into(), ..Columns::default() };
        ReadOptions::new(Format::Tsv).with_columns(columns).with_header(false)
    }

    #[test]
    fn quotes_have_no_meaning_between_tabs() {
        let examples = read(
            "\u{feff}label\ttext\r\non\t\"an\r\noff\taus\r\n\r\n",
            &ReadOptions::new(Format::Tsv),
        )
        .unwrap();
        let seen: Vec<_> =
            examples.iter().map(|example| (example.origin.line, &example.content)).collect();
        let content = |text: &str, label: &str| Content::Text {
            text: text.into(),
            pair: None,
            label: Some(label.into()),
            slots: vec![],
        };
        assert_eq!(seen, [(2, &content("\"an", "on")), (3, &content("aus", "off"))]);
    }

    #[test]
    fn slots_are_a_json_cell() {
        let data =
            "text\tslots\nLicht an\t[{\"start\": 0, \"end\": 5, \"slot\": \"what\"}]\naus\t\n";
        let examples = read(data, &ReadOptions::new(Format::Tsv)).unwrap();
        let n_slots = |example: &Example| match &example.content {
            Content::Text { slots, .. } => slots.len(),
            Content::Words { .. } | Content::Tree(_) => 0,
        };
        assert_eq!(examples.iter().map(n_slots).collect::<Vec<_>>(), [1, 0]);
    }

    #[test]
    fn columns_without_a_header_are_numbers() {
        let examples = read("on\tan\noff\taus\n", &numbered()).unwrap();
        assert_eq!(examples.len(), 2);
        assert_eq!(examples[0].origin.line, 1);
        assert_eq!(message("an\n", &numbered()), "x.tsv:1: no column \"1\"");
        assert_eq!(
            message("an\n", &ReadOptions::new(Format::Tsv).with_header(false)),
            "x.tsv: column \"text\" is not a zero-based number, and this file has no header"
        );
    }

    #[test]
    fn every_fault_names_its_line() {
        let options = ReadOptions::new(Format::Tsv);
        assert_eq!(
            message("texts\tlabel\na\tb\n", &options),
            "x.tsv:1: no column \"text\", did you mean \"texts\"?"
        );
        assert_eq!(
            message("text\ttext\na\tb\n", &options),
            "x.tsv:1: column \"text\" is named twice"
        );
        assert_eq!(
            message("text\tlabel\na\tb\nc\n", &options),
            "x.tsv:3: expected 2 columns, found 1"
        );
        assert_eq!(message("text\tlabel\n \tb\n", &options), "x.tsv:2: empty \"text\"");
        assert_eq!(message("text\tlabel\na\t\n", &options), "x.tsv:2: empty \"label\"");
        assert_eq!(message("text\tslots\na\t[\n", &options), "x.tsv:2: EOF while parsing a list");
    }
}
