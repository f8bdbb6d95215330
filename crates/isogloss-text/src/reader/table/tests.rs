//! Tests of the table reader.

use crate::{
    Annotation, Columns, Content, Example, Format, Quoting, ReadOptions, TextError, read_examples,
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
    assert_eq!(message("label", "text\nan\n"), format!("x.tsv:1: no column \"label\"; {ending}"));
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
fn a_first_line_of_data_is_told_from_a_header() {
    let options = ReadOptions::new(Format::Tsv).with_annotation(Annotation::Class);
    let hint = "; if this line is no header, data.header = false names columns by numbers";
    let found = message("turn on\task\nlights off\torder\n", &options);
    assert!(found.starts_with("x.tsv:1: no column \"text\"; data.columns.text"), "{found}");
    assert!(found.contains(hint), "{found}");
    for header in ["utterance\tlabel", "texts\tclass"] {
        let found = message(&format!("{header}\nan\task\n"), &options);
        assert!(!found.contains(hint), "{header}: {found}");
    }
}

#[test]
fn slots_are_a_json_cell() {
    let data = "text\tslots\nLicht an\t[{\"start\": 0, \"end\": 5, \"slot\": \"what\"}]\naus\t\n";
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
    assert_eq!(message("text\ttext\na\tb\n", &options), "x.tsv:1: column \"text\" is named twice");
    assert_eq!(message("text\tlabel\na\tb\nc\n", &options), "x.tsv:3: expected 2 columns, found 1");
    assert_eq!(message("text\tlabel\n \tb\n", &options), "x.tsv:2: empty \"text\"");
    assert_eq!(message("text\tlabel\na\t\n", &options), "x.tsv:2: empty \"label\"");
    assert_eq!(message("text\tslots\na\t[\n", &options), "x.tsv:2: EOF while parsing a list");
}
