//! Reader of JSON Lines: one object a line.

use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::reader::columns::{Columns, Named};
use crate::reader::row::Row;
use crate::source::Source;
use crate::{Example, LineProblem, Slot, TextError};

/// The examples of a JSON Lines file.
pub(crate) fn read(source: &Source, columns: &Columns) -> Result<Vec<Example>, TextError> {
    let optional = columns.optional();
    source
        .rows()
        .map(|row| {
            let (line, content) = row?;
            let fields = serde_json::from_str(content)
                .map_err(|error| source.json(line, Some(error.column()), &error))?;
            let object = Object { source, line, fields };
            let text = Named { name: &columns.text, required: true };
            let row = Row {
                line,
                text: object.string(text)?.unwrap_or_default(),
                pair: optional.pair.map(|pair| object.string(pair)).transpose()?.flatten(),
                label: object.string(optional.label)?,
                slots: object.slots(optional.slots)?,
                split: object.string(optional.split)?,
            };
            row.check(source, columns)
        })
        .collect()
}

/// The object of one line.
struct Object<'a> {
    source: &'a Source,
    line: usize,
    fields: Map<String, Value>,
}

impl Object<'_> {
    /// The text of a field; a number is taken as it is written, because labels are often numbers.
    fn string(&self, field: Named<'_>) -> Result<Option<String>, TextError> {
        match self.value(field)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(self.wrong_type(field, "string", other)),
        }
    }

    fn slots(&self, field: Named<'_>) -> Result<Vec<Slot>, TextError> {
        match self.value(field)? {
            None => Ok(Vec::new()),
            Some(value @ Value::Array(_)) => Vec::<Slot>::deserialize(value)
                .map_err(|error| self.source.json(self.line, None, &error)),
            Some(other) => Err(self.wrong_type(field, "list", other)),
        }
    }

    fn value(&self, field: Named<'_>) -> Result<Option<&Value>, TextError> {
        match self.fields.get(field.name) {
            Some(Value::Null) | None if field.required => Err(self.source.missing_field(
                self.line,
                field.name,
                self.fields.keys().map(String::as_str),
            )),
            Some(Value::Null) | None => Ok(None),
            found => Ok(found),
        }
    }

    fn wrong_type(&self, field: Named<'_>, expected: &'static str, value: &Value) -> TextError {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        };
        self.source.fault(
            self.line,
            LineProblem::WrongType { field: field.name.to_owned(), expected, found },
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::{Columns, Content, Example, Format, ReadOptions, Slot, TextError, read_examples};

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
            read(r#"{"premise": "a", "hypotesis": "b", "gold": 2}"#, columns)
                .unwrap_err()
                .to_string(),
            r#"de.jsonl:1: no field "hypothesis", did you mean "hypotesis"?"#
        );
    }

    #[test]
    fn every_fault_names_its_line() {
        for (line, expected) in [
            ("{\"text\": \"a\",}", "de.jsonl:3:14: trailing comma"),
            ("[1]", "de.jsonl:3: invalid type: sequence, expected a map"),
            ("{\"label\": \"a\"}", "de.jsonl:3: no field \"text\""),
            ("{\"text\": null}", "de.jsonl:3: no field \"text\""),
            ("{\"text\": \" \"}", "de.jsonl:3: empty \"text\""),
            ("{\"text\": [\"a\"]}", "de.jsonl:3: \"text\" must be a string, found a list"),
            ("{\"text\": \"a\", \"label\": \"\"}", "de.jsonl:3: empty \"label\""),
            (
                "{\"text\": \"a\", \"slots\": 3}",
                "de.jsonl:3: \"slots\" must be a list, found a number",
            ),
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
}
