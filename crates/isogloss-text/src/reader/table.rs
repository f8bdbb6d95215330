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
            Err(missing(source, line, column, nearest(column.name, names)))
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
        Ok(_) => Err(missing(source, line, column, None)),
        Err(_) if column.required => Err(TextError::ColumnNumber {
            path: source.path.to_path_buf(),
            column: column.name.to_owned(),
        }),
        Err(_) => Ok(None),
    }
}

/// The error of a table without a required column, with a name of its header as a hint.
fn missing(source: &Source, line: usize, column: Named<'_>, nearest: Option<String>) -> TextError {
    let (path, column, key) = (source.path.to_path_buf(), column.name.to_owned(), column.key);
    TextError::MissingColumn { path, line, column, nearest, key }
}

#[cfg(test)]
mod tests {
    use crate::{
        Annotation, Columns, Content, Example, Format, Quoting, ReadOptions, TextError,
        read_examples,
    };

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

    fn texts(data: &str, quoting: Quoting) -> Result<Vec<(usize, String)>, String> {
        let options = ReadOptions::new(Format::Tsv).with_quoting(quoting);
        let examples = read(data, &options).map_err(|error| error.to_string())?;
        let text = |example: Example| match example.content {
            Content::Text { text, .. } => (example.origin.line, text),
            Content::Words { .. } | Content::Tree(_) => panic!("a table holds texts"),
        };
        Ok(examples.into_iter().map(text).collect())
    }

    #[test]
    fn a_table_with_a_word_in_each_row_is_asked_for_as_conll() {
        let options = ReadOptions::new(Format::Tsv).with_annotation(Annotation::Spans);
        let rows = "x.tsv:1: no column \"text\" of texts, and a row for each word, as in CoNLL \
                    files: data.format = \"conll\" reads them";
        // GermEval 2014 has a source line and numbered words.
        for data in ["word\tlabel\nBonn\tB-LOC\n", "# a [1]\n1\tBonn\tB-LOC\n\n# b\n1\tab\tO\n"] {
            assert_eq!(message(data, &options), rows);
        }
        assert!(!message("utterance\tslots\nan\t[]\n", &options).contains("CoNLL"));
        assert!(!message("word\tlabel\na\tb\n", &ReadOptions::new(Format::Tsv)).contains("CoNLL"));
    }

    #[test]
    fn cells_between_tabs_are_unquoted_as_pandas_quotes_them() {
        let data = "\u{feff}label\ttext\r\nask\t\"er sagte \"\"licht an\"\"\"\r\noff\t12\" aus\r\non\t\"licht\nan\"\r\non\t\"a\tb\"\r\n\r\n";
        let expected = [
            (2, "er sagte \"licht an\"".to_owned()),
            (3, "12\" aus".to_owned()),
            (4, "licht\nan".to_owned()),
            (6, "a\tb".to_owned()),
        ];
        assert_eq!(texts(data, Quoting::Minimal).unwrap(), expected);
        let plain = "text\tlabel\n\"an\ton\naus\toff\n";
        let expected = [(2, "\"an".to_owned()), (3, "aus".to_owned())];
        assert_eq!(texts(plain, Quoting::None).unwrap(), expected);
    }

    #[test]
    fn a_stray_quote_is_told_with_its_line() {
        for (data, line) in [
            // polars#22312: a quoted word at the start of a cell.
            ("text\tlabel\njava\ta\n\"Lorem Ipsum\" dolor sit\tb\n", 3),
            // pandas#13860: two cells of one quote each would swallow the rows between them.
            ("text\tlabel\na1\tb1\n\"\tc\na3\tb3\n\"\td4\n", 3),
            // pytext#777: a quote that is never closed would take the rest of the file.
            ("text\tlabel\nan\ton\n\"aus\toff\nan\ton\n", 3),
            // cudf#10490.
            ("text\tlabel\nK \"\"\ta\n\"\tb\n", 3),
        ] {
            let message = texts(data, Quoting::Minimal).unwrap_err();
            assert!(message.starts_with(&format!("x.tsv:{line}: a stray quote")), "{message}");
            assert!(message.contains("data.quoting = \"none\""), "{message}");
            assert!(texts(data, Quoting::None).is_ok(), "{data}");
        }
    }

    #[test]
    fn lone_cr_ends_lines_where_no_lf_does() {
        let options = ReadOptions::new(Format::Csv);
        let examples = read("text,label\rlicht an,ask\rlicht aus,order\r", &options).unwrap();
        assert_eq!(examples.iter().map(|e| e.origin.line).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn spans_must_have_a_column_where_they_are_read() {
        let options = ReadOptions::new(Format::Tsv).with_annotation(Annotation::Spans);
        assert_eq!(
            message("text\tslot\na\t\n", &options),
            "x.tsv:1: no column \"slots\", did you mean \"slot\"? data.columns.slots says which holds it"
        );
    }

    #[test]
    fn what_neither_the_task_nor_a_split_needs_may_be_missing() {
        let columns = Columns {
            label: "intent".into(),
            slots: "spans".into(),
            split: "part".into(),
            ..Columns::default()
        };
        let options = ReadOptions::new(Format::Tsv).with_columns(columns);
        let classes = options.clone().with_annotation(Annotation::Class);
        let spans = options.with_annotation(Annotation::Spans);
        assert!(read("text\tintent\nan\ton\n", &classes).is_ok());
        assert!(read("text\tspans\nan\t[]\n", &spans).is_ok());
        assert_eq!(
            message("text\tintent\nan\ton\n", &classes.with_split("te")),
            "x.tsv:1: no column \"part\"; data.columns.split says which holds it"
        );
    }

    #[test]
    fn a_column_of_another_part_is_no_hint() {
        let message = |label: &str, data: &str| {
            let columns = Columns { label: label.into(), ..Columns::default() };
            let options = ReadOptions::new(Format::Tsv).with_columns(columns);
            message(data, &options.with_annotation(Annotation::Class))
        };
        let ending = "data.columns.label says which holds it";
        assert_eq!(
            message("test", "text\tclass\nan\ton\n"),
            format!("x.tsv:1: no column \"test\"; {ending}")
        );
        assert_eq!(
            message("label", "text\tlable\nan\ton\n"),
            format!("x.tsv:1: no column \"label\", did you mean \"lable\"? {ending}")
        );
        assert_eq!(
            message("label", "text\nan\n"),
            format!("x.tsv:1: no column \"label\"; {ending}")
        );
    }

    #[test]
    fn a_header_of_another_separator_is_told() {
        for (format, data, found) in [
            (Format::Csv, "text;label\nLicht an;ask\n", ';'),
            (Format::Csv, "label\ttext\nask\tan\n", '\t'),
            (Format::Tsv, "text,label\nLicht an,ask\n", ','),
        ] {
            let error = read(data, &ReadOptions::new(format)).unwrap_err().to_string();
            let expected = format!("x.tsv:1: the header is one cell with {found:?} in it");
            assert!(error.starts_with(&expected), "{error}");
        }
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
        assert_eq!(
            message("an\n", &numbered()),
            "x.tsv:1: no column \"1\"; data.columns.text says which holds it"
        );
        assert_eq!(
            message("an\n", &ReadOptions::new(Format::Tsv).with_header(false)),
            "x.tsv: column \"text\" is not a zero-based number, and this file names no such column"
        );
    }

    #[test]
    fn every_fault_names_its_line() {
        let options = ReadOptions::new(Format::Tsv);
        assert_eq!(
            message("texts\tlabel\na\tb\n", &options),
            "x.tsv:1: no column \"text\", did you mean \"texts\"? data.columns.text says which holds it"
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
