//! Tests of the JSON Lines reader: texts, and words with tags.

use crate::{
    Annotation, Columns, Content, Example, Format, ReadOptions, Slot, TextError, read_examples,
};

fn read(data: &str, columns: Columns) -> Result<Vec<Example>, TextError> {
    read_examples(
        data.as_bytes(),
        "de.jsonl".as_ref(),
        &ReadOptions::new(Format::Jsonl).with_columns(columns),
    )
}

fn message(data: &str) -> String {
    read(data, Columns::default()).unwrap_err().to_string()
}

#[test]
fn slots_count_characters_not_bytes() {
    // The flag is two characters and eight bytes.
    let data = r#"{"text": "🇩🇪 打开 灯", "label": "on", "slots": [{"start": 6, "end": 7, "slot": "what"}], "split": "train"}"#;
    let examples = read(data, Columns::default()).unwrap();
    let expected = Content::Text {
        text: "🇩🇪 打开 灯".into(),
        pair: None,
        label: Some("on".into()),
        slots: vec![Slot { start: 6, end: 7, name: "what".into() }],
    };
    assert_eq!(examples[0].content, expected);
    assert_eq!(examples[0].split.as_deref(), Some("train"));
    assert!(
        message(&data.replace("\"end\": 7", "\"end\": 8"))
            .contains("does not fit a text of 7 characters")
    );
}

#[test]
fn fields_are_read_under_their_names() {
    let columns = Columns {
        text: "premise".into(),
        pair: Some("hypothesis".into()),
        label: "gold".into(),
        ..Columns::default()
    };
    let examples =
        read(r#"{"premise": "a", "hypothesis": "b", "gold": 2}"#, columns.clone()).unwrap();
    let expected = Content::Text {
        text: "a".into(),
        pair: Some("b".into()),
        label: Some("2".into()),
        slots: vec![],
    };
    assert_eq!(examples[0].content, expected);
    assert_eq!(
        read(r#"{"premise": "a", "hypotesis": "b", "gold": 2}"#, columns).unwrap_err().to_string(),
        r#"de.jsonl:1: no field "hypothesis", did you mean "hypotesis"? data.columns.pair says which holds it"#
    );
}

/// Words and their tags.
type Sentence = (Vec<String>, Vec<String>);

fn spans(data: &str, options: &ReadOptions) -> Result<Vec<Sentence>, String> {
    let options = options.clone().with_annotation(Annotation::Spans);
    let examples = read_examples(data.as_bytes(), "de.jsonl".as_ref(), &options);
    let content = |example: Example| match example.content {
        Content::Words { words, tags } => (words, tags),
        other => panic!("no words but {other:?}"),
    };
    Ok(examples.map_err(|error| error.to_string())?.into_iter().map(content).collect())
}

#[test]
fn words_with_tags_are_read_as_datasets_writes_them() {
    let options = ReadOptions::new(Format::Jsonl);
    let named = options.clone().with_label_names(["O", "B-x", "I-x", "B-y", "I-y"]);
    let owned = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let expected = [(owned(&["licht", "an"]), owned(&["B-x", "O"]))];
    // transformers#8698; datasets#850 for the names of fields.
    for data in [
        r#"{"id": "0", "tokens": ["licht", "an"], "ner_tags": [1, 0]}"#,
        r#"{"words": ["licht", "an"], "labels": ["B-x", "O"]}"#,
        r#"{"text": ["licht", "an"], "tags": ["I-x", "O"]}"#,
        r#"{"text": "licht an", "tokens": ["licht", "an"], "ner_tags": [1, 0], "pos_tags": [3, 4]}"#,
    ] {
        assert_eq!(spans(data, &named).unwrap(), expected, "{data}");
    }
    let columns = Columns { tag: Some("chunks".into()), ..Columns::default() };
    let chunks = r#"{"tokens": ["licht", "an"], "tags": [1, 0], "chunks": ["B-x", "O"]}"#;
    assert_eq!(spans(chunks, &named.with_columns(columns)).unwrap(), expected);
    // datasets#797: class numbers without label names.
    for (data, message) in [
        (
            r#"{"tokens": ["licht"], "ner_tags": [1]}"#,
            "de.jsonl:1: \"ner_tags\" holds the numbers of classes; data.label_names names them in their order",
        ),
        (
            r#"{"tokens": ["licht", "an"], "ner_tags": ["O"]}"#,
            "de.jsonl:1: 2 words in \"tokens\", 1 tags in \"ner_tags\"",
        ),
        (
            r#"{"tokens": ["licht"], "ner_tags": ["O"], "tags": ["O"]}"#,
            "de.jsonl:1: [\"ner_tags\", \"tags\"] may all be the tags; data.columns.tag says which",
        ),
        (r#"{"tokens": ["licht"], "ner": ["O"]}"#, "de.jsonl:1: no field \"ner_tags\""),
        (r#"{"tokens": [], "tags": []}"#, "de.jsonl:1: empty \"tokens\""),
        (
            r#"{"tokens": ["a"], "tags": [null]}"#,
            "de.jsonl:1: \"tags\" must be a list of strings, found a null",
        ),
    ] {
        let found = spans(data, &options).unwrap_err();
        assert!(found.starts_with(message), "{found}");
    }
    let beyond = r#"{"tokens": ["licht"], "ner_tags": [7]}"#;
    let two = options.with_label_names(["O", "B-x"]);
    assert_eq!(
        spans(beyond, &two).unwrap_err(),
        "de.jsonl:1: \"ner_tags\" holds class 7, of 2 that have names"
    );
}

#[test]
fn spans_under_another_name_are_asked_for() {
    let options = ReadOptions::new(Format::Jsonl).with_annotation(Annotation::Spans);
    let message = |data: &str| match read_examples(data.as_bytes(), "de.jsonl".as_ref(), &options) {
        Ok(examples) => format!("{examples:?}"),
        Err(error) => error.to_string(),
    };
    let expected = |line: usize, found: &str| {
        format!(
            "de.jsonl:{line}: no field \"slots\", which holds the spans of a text, [] where there are \
             none; found [{found}]; data.columns.slots says which holds them"
        )
    };
    let other = r#"{"text": "Bonn", "entities": [[0, 4, "LOC"]]}"#;
    assert_eq!(message(other), expected(1, "\"text\", \"entities\""));
    assert_eq!(message("{\"text\": \"Bonn\"}\n{\"text\": \"a\"}"), expected(1, "\"text\""));
    assert!(message("{\"text\": \"Bonn\", \"slots\": []}").contains("lacks_spans: false"));
    // So are spans beside a field that is empty on all lines.
    let (objects, lists) = (r#"[{"start": 0, "end": 4, "label": "LOC"}]"#, r#"[[0, 4, "LOC"]]"#);
    for entities in [objects, lists] {
        let beside = |slots: &str| {
            format!(r#"{{"text": "Bonn", "slots": {slots}, "entities": {entities}}}"#)
        };
        let told = "de.jsonl:1: \"entities\" has spans, and \"slots\" is empty on every line; \
                    data.columns.slots says which holds them";
        for slots in ["[]", "null"] {
            assert_eq!(message(&format!("{}\n{}", beside(slots), beside("[]"))), told);
        }
        assert!(!message(&format!("{}\n{}", beside("[]"), beside(objects))).contains("empty on"));
    }
    let words = "{\"text\": \"Bonn\", \"slots\": [], \"words\": [\"Bonn\"]}";
    assert!(message(words).contains("lacks_spans: false"));
    // An example without the span field beside one with it.
    let some = "{\"text\": \"an\"}\n{\"text\": \"Bonn\", \"slots\": [{\"start\": 0, \"end\": 4, \"label\": \"LOC\"}]}";
    assert!(message(some).contains("name: \"LOC\""), "{}", message(some));
    let lacking = |data: &str| {
        let examples = read_examples(data.as_bytes(), "de.jsonl".as_ref(), &options).unwrap();
        examples.iter().map(|example| example.lacks_spans).collect::<Vec<_>>()
    };
    assert_eq!(lacking(some), [true, false]);
    let null = "{\"text\": \"an\", \"slots\": null}\n{\"text\": \"an\", \"slots\": []}";
    assert_eq!(lacking(null), [true, false]);
    // So it is with a field of another name.
    let columns = Columns { slots: "entities".into(), ..Columns::default() };
    let named = options.clone().with_columns(columns);
    let renamed = some.replace("slots", "entities");
    let examples = read_examples(renamed.as_bytes(), "de.jsonl".as_ref(), &named).unwrap();
    assert_eq!([examples[0].lacks_spans, examples[1].lacks_spans], [true, false]);
    let nowhere = "{\"text\": \"an\"}".as_bytes();
    let error = read_examples(nowhere, "de.jsonl".as_ref(), &named).unwrap_err().to_string();
    assert!(error.contains("no field \"entities\""), "{error}");
    // A list under another name is spans, unless it stands beside the spans of another line.
    let beside = format!("{some}\n{other}");
    assert_eq!(message(&beside), expected(3, "\"text\", \"entities\""));
    let words = r#"{"text": "an", "words": ["an"]}"#;
    let with_words = r#"{"text": "an", "words": ["an"], "slots": []}"#;
    assert_eq!(lacking(&format!("{words}\n{with_words}")), [true, false]);
}

#[test]
fn a_class_is_no_fraction() {
    let options = ReadOptions::new(Format::Jsonl).with_annotation(Annotation::Class);
    let read = |line: &str| {
        let lines = format!("{{\"text\": \"an\", \"label\": 1}}\n{line}\n");
        read_examples(lines.as_bytes(), "de.jsonl".as_ref(), &options)
    };
    for (number, found) in [("1.0", "1.0"), ("0.5", "0.5"), ("1e3", "1000.0")] {
        let error = read(&format!("{{\"text\": \"an\", \"label\": {number}}}")).unwrap_err();
        let expected = format!(
            "de.jsonl:2: \"label\" must be the name of a class, or its number as an integer, found {found}; \
             data.label_names lists classes of such names"
        );
        assert_eq!(error.to_string(), expected);
    }
    for label in ["0", "-1", "\"0.5\"", "\"on\""] {
        read(&format!("{{\"text\": \"an\", \"label\": {label}}}")).unwrap();
    }
}

#[test]
fn every_fault_names_its_line() {
    for (line, expected) in [
        ("{\"text\": \"a\",}", "de.jsonl:3:14: trailing comma"),
        (
            "[1]",
            "de.jsonl:3: a list; in JSON Lines each line is an object, such as {\"text\": …}, which `jq -c '.[]'` makes of a list of objects",
        ),
        ("{", "de.jsonl:3:1: EOF while parsing an object"),
        (
            "{\"label\": \"a\"}",
            "de.jsonl:3: no field \"text\"; data.columns.text says which holds it",
        ),
        ("{\"text\": null}", "de.jsonl:3: \"text\" must be a string, found a null"),
        ("{\"text\": \" \"}", "de.jsonl:3: empty \"text\""),
        ("{\"text\": [\"a\"]}", "de.jsonl:3: \"text\" must be a string, found a list"),
        ("{\"text\": \"a\", \"label\": \"\"}", "de.jsonl:3: empty \"label\""),
        ("{\"text\": \"a\", \"slots\": 3}", "de.jsonl:3: \"slots\" must be a list, found a number"),
        (
            "{\"text\": \"a\", \"slots\": [{\"start\": -1}]}",
            "de.jsonl:3: invalid value: integer `-1`, expected usize",
        ),
        (
            "{\"text\": \"ab\", \"slots\": [{\"start\": 1, \"end\": 1, \"slot\": \"s\"}]}",
            "de.jsonl:3: slot \"s\" at 1..1 does not fit a text of 2 characters",
        ),
        (
            "{\"text\": \"abc\", \"slots\": [{\"start\": 1, \"end\": 3, \"slot\": \"s\"}, {\"start\": 0, \"end\": 2, \"slot\": \"r\"}]}",
            "de.jsonl:3: slots \"r\" and \"s\" overlap",
        ),
    ] {
        assert_eq!(
            message(&format!("{{\"text\": \"a\"}}\n{{\"text\": \"b\"}}\n{line}\n")),
            expected
        );
    }
}

#[test]
fn a_field_that_is_there_twice_is_refused_with_its_line() {
    let data = "{\"text\": \"an\", \"label\": \"on\"}\n{\"text\": \"aus\", \"label\": \"off\", \"label\": \"on\"}";
    let error = message(data);
    assert!(error.starts_with("de.jsonl:2:"), "{error}");
    assert!(error.ends_with("field \"label\" is there twice"), "{error}");
    // The same names in two objects are no repetition.
    let slots = r#"[{"start": 0, "end": 1, "slot": "a"}, {"start": 1, "end": 2, "slot": "a"}]"#;
    let data = format!("{{\"text\": \"an\", \"slots\": {slots}}}");
    assert_eq!(read(&data, Columns::default()).unwrap().len(), 1);
}

#[test]
fn the_field_that_is_named_holds_the_words() {
    let options = ReadOptions::new(Format::Jsonl).with_annotation(Annotation::Tags);
    let words = |data: &str, text: &str| {
        let columns = Columns { text: text.into(), ..Columns::default() };
        let options = options.clone().with_columns(columns);
        let examples = read_examples(data.as_bytes(), "de.jsonl".as_ref(), &options);
        examples.map_err(|error| error.to_string()).map(|examples| match &examples[0].content {
            Content::Words { words, .. } => words.join(" "),
            other => panic!("expected words, found {other:?}"),
        })
    };
    let one = r#"{"words": ["licht", "an"], "tags": ["N", "V"]}"#;
    assert_eq!(words(one, "words").unwrap(), "licht an");
    let two = r#"{"tokens": ["Licht", "an"], "words": ["licht", "an"], "tags": ["N", "V"]}"#;
    assert_eq!(words(two, "words").unwrap(), "licht an");
    assert_eq!(words(two, "tokens").unwrap(), "Licht an");
    let message = r#"["tokens", "words"] may all be the words; data.columns.text says which"#;
    assert!(words(two, "text").unwrap_err().contains(message));
}

#[test]
fn a_label_that_is_null_is_told_from_a_missing_one() {
    let data = "{\"text\": \"an\", \"label\": \"on\"}\n{\"text\": \"aus\", \"label\": null}\n";
    let options = ReadOptions::new(Format::Jsonl);
    let message = |annotation: Annotation| {
        let options = options.clone().with_annotation(annotation);
        read_examples(data.as_bytes(), "de.jsonl".as_ref(), &options).map_err(|e| e.to_string())
    };
    let found = message(Annotation::Class).unwrap_err();
    assert_eq!(found, "de.jsonl:2: \"label\" must be a string, found a null");
    assert_eq!(message(Annotation::Text).unwrap().len(), 2);
}

#[test]
fn a_missing_label_is_never_taken_for_the_text() {
    let message = |data: &str| {
        let columns = Columns { label: "intent".into(), ..Columns::default() };
        read(data, columns).unwrap_err().to_string()
    };
    assert_eq!(
        message(r#"{"text": "an", "class": "on"}"#),
        r#"de.jsonl:1: no field "intent"; data.columns.label says which holds it"#
    );
    assert_eq!(
        message(r#"{"text": "an", "intend": "on"}"#),
        r#"de.jsonl:1: no field "intent", did you mean "intend"? data.columns.label says which holds it"#
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
    let options = |annotation| {
        let options = ReadOptions::new(Format::Jsonl).with_columns(columns.clone());
        options.with_annotation(annotation)
    };
    let read = |data: &str, options: &ReadOptions| {
        let examples = read_examples(data.as_bytes(), "de.jsonl".as_ref(), options);
        examples.map(|_| ()).map_err(|error| error.to_string())
    };
    let (classes, spans) = (options(Annotation::Class), options(Annotation::Spans));
    assert_eq!(read(r#"{"text": "an", "intent": "on"}"#, &classes), Ok(()));
    assert_eq!(read(r#"{"text": "an", "spans": []}"#, &spans), Ok(()));
    // Fields of other tasks may hold anything.
    assert_eq!(read(r#"{"text": "an", "intent": "on", "spans": "x"}"#, &classes), Ok(()));
    assert_eq!(read(r#"{"text": "an", "intent": [1], "spans": []}"#, &spans), Ok(()));
    let part = read(r#"{"text": "an", "intent": "on"}"#, &classes.clone().with_split("te"));
    assert_eq!(
        part,
        Err("de.jsonl:1: no field \"part\"; data.columns.split says which holds it".to_owned())
    );
    assert!(read(r#"{"text": "an", "spans": []}"#, &classes).is_err());
    assert!(read(r#"{"text": "an", "intent": "on"}"#, &spans).is_err());
}

#[test]
fn a_document_over_several_lines_is_told() {
    let of_several = "de.jsonl:1: an object over several lines; in JSON Lines each is one line: `jq -c .` makes it";
    assert_eq!(message("{\n  \"text\": \"an\"\n}\n"), of_several);
    let list = "[\n  {\n    \"text\": \"an\"\n  }\n]\n";
    assert!(message(list).starts_with("de.jsonl:1: a list; in JSON Lines"), "{}", message(list));
}

#[test]
fn a_field_of_another_part_is_no_hint() {
    let message = |label: &str, data: &str| {
        let columns = Columns { label: label.into(), ..Columns::default() };
        let options = ReadOptions::new(Format::Jsonl).with_columns(columns);
        let options = options.with_annotation(Annotation::Class);
        let error = read_examples(data.as_bytes(), "de.jsonl".as_ref(), &options).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        message("test", r#"{"text": "an", "class": "on"}"#),
        "de.jsonl:1: no field \"test\"; data.columns.label says which holds it"
    );
    assert_eq!(
        message("label", r#"{"text": "an", "lable": "on"}"#),
        "de.jsonl:1: no field \"label\", did you mean \"lable\"? data.columns.label says which holds it"
    );
}
