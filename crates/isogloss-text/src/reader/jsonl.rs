//! JSON Lines reader: one JSON object per line.

mod unique_fields;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use self::unique_fields::UniqueFields;
use crate::reader::columns::{Columns, Named};
use crate::reader::label_names::LabelNames;
use crate::reader::options::{Annotation, ReadOptions};
use crate::reader::row::Row;
use crate::reader::words::Sentences;
use crate::source::Source;
use crate::{Example, LineProblem, Slot, TextError, nearest};

/// Default names of the field of words, if the text field is not itself a list of words.
const WORDS: [&str; 2] = ["tokens", "words"];

/// Default names of the field of tags, if none is configured.
const TAGS: [&str; 3] = ["ner_tags", "tags", "labels"];

/// Reads the examples of a JSON Lines file: words with tags if the first line has them, texts
/// otherwise.
pub(crate) fn read(source: &Source, options: &ReadOptions) -> Result<Vec<Example>, TextError> {
    let columns = &options.columns;
    let mut objects = source.rows().map(|row| Object::parse(source, columns, row?)).peekable();
    let fields = match objects.peek() {
        Some(Ok(first)) => first.word_fields(options)?,
        _ => None,
    };
    match fields {
        Some(fields) => read_words(source, objects, &fields, options),
        None => read_texts(source, objects, options),
    }
}

/// Names of the fields of a JSON Lines file that hold a string on any line.
pub(crate) fn string_fields(source: &Source) -> Result<BTreeSet<String>, TextError> {
    let columns = Columns::default();
    let mut names = BTreeSet::new();
    for row in source.rows() {
        let fields = Object::parse(source, &columns, row?)?.fields;
        let strings = fields.into_iter().filter(|(_, value)| value.is_string());
        names.extend(strings.map(|(name, _)| name));
    }
    Ok(names)
}

fn read_words<'a>(
    source: &'a Source,
    objects: impl Iterator<Item = Result<Object<'a>, TextError>>,
    fields: &WordFields,
    options: &ReadOptions,
) -> Result<Vec<Example>, TextError> {
    let split = options.optional_columns().split;
    let reads_tags = matches!(options.annotation, Annotation::Tags | Annotation::Spans);
    let mut sentences = Sentences::new(source, options, &fields.tags);
    for object in objects {
        let object = object?;
        let words = object.list(&fields.words)?;
        let tags = object.list(&fields.tags)?;
        if words.is_empty() {
            return Err(source.empty_field(object.line, &fields.words));
        }
        if words.len() != tags.len() {
            let (n_words, n_tags) = (words.len(), tags.len());
            let (words, tags) = (fields.words.clone(), fields.tags.clone());
            let problem = LineProblem::TagCount { words, n_words, tags, n_tags };
            return Err(source.fault(object.line, problem));
        }
        for (word, tag) in words.iter().zip(tags) {
            let Value::String(word) = word else {
                return Err(object.wrong_type(&fields.words, "list of strings", word));
            };
            let tag = match tag {
                Value::String(tag) => tag.clone(),
                Value::Number(_) if options.label_names.is_empty() && reads_tags => {
                    let field = fields.tags.clone();
                    return Err(source.fault(object.line, LineProblem::UnnamedClasses { field }));
                }
                Value::Number(number) => number.to_string(),
                other => return Err(object.wrong_type(&fields.tags, "list of strings", other)),
            };
            sentences.push(object.line, word, &tag)?;
        }
        sentences.end(object.string(split)?);
    }
    sentences.finish()
}

fn read_texts<'a>(
    source: &'a Source,
    objects: impl Iterator<Item = Result<Object<'a>, TextError>>,
    options: &ReadOptions,
) -> Result<Vec<Example>, TextError> {
    let (columns, optional) = (&options.columns, options.optional_columns());
    let reads_spans = options.annotation == Annotation::Spans;
    // Where spans are read, [`SpanField`] says whether they may be missing.
    let not_required = |slots| Named { required: false, ..slots };
    let slots = optional.slots.map(|slots| if reads_spans { not_required(slots) } else { slots });
    let (mut examples, mut spans) = (Vec::new(), SpanField::default());
    let mut names = LabelNames::new(source, options);
    for object in objects {
        let object = object?;
        let text = Named { name: &columns.text, required: true, key: Some("text") };
        let lacks_spans = reads_spans && !spans.is_in(&object, &columns.slots);
        if options.annotation == Annotation::Class {
            object.check_class(&columns.label, &options.label_names)?;
        }
        let optional_string = |field: Option<Named<'_>>| match field {
            Some(field) => object.string(field),
            None => Ok(None),
        };
        let label = optional_string(optional.label)?.map(|label| match options.annotation {
            Annotation::Class => names.one_kind(object.line, &columns.label, label),
            _ => names.written(object.line, &columns.label, label),
        });
        let row = Row {
            line: object.line,
            text: object.string(text)?.unwrap_or_default(),
            pair: optional_string(optional.pair)?,
            label: label.transpose()?,
            slots: slots.map(|slots| object.slots(slots)).transpose()?.unwrap_or_default(),
            split: object.string(optional.split)?,
            lacks_spans,
        };
        examples.push(row.check(source, columns)?);
    }
    match spans.finish() {
        Some(missing) => Err(missing),
        None => Ok(examples),
    }
}

/// Span field of a file: whether any line has it, and which other lists may be the spans.
///
/// Published files leave the field out where a text has no spans, so it may be missing on a line if
/// others have it.
#[derive(Default)]
struct SpanField {
    is_anywhere: bool,
    /// Whether any line has a span in it.
    is_filled: bool,
    /// Error of the first line whose spans are in another list.
    elsewhere: Option<TextError>,
    /// Lists on lines that have the field, which are not spans then.
    other_lists: BTreeSet<String>,
    /// Error of the first line without the field.
    first: Option<TextError>,
    /// Lists on lines without the field, each with the error of its first line.
    in_its_place: BTreeMap<String, TextError>,
}

impl SpanField {
    /// Whether a line has spans; `null` stands for none that are known, as a field that is missing.
    fn is_in(&mut self, object: &Object<'_>, slots: &str) -> bool {
        let lists = object.fields.iter().filter(|(_, value)| value.is_array());
        let lists = lists.map(|(name, _)| name.as_str()).filter(|name| *name != slots);
        if let Some(value) = object.fields.get(slots) {
            self.is_anywhere = true;
            let is_empty = |spans: &Vec<Value>| spans.is_empty();
            self.is_filled |= !value.is_null() && !value.as_array().is_some_and(is_empty);
            if let (false, None) = (self.is_filled, &self.elsewhere) {
                self.elsewhere = lists.clone().find_map(|name| object.spans_elsewhere(slots, name));
            }
            self.other_lists.extend(lists.map(str::to_owned));
            return !value.is_null();
        }
        self.first.get_or_insert_with(|| object.missing_spans(slots));
        for name in lists {
            let missing = || object.missing_spans(slots);
            self.in_its_place.entry(name.to_owned()).or_insert_with(missing);
        }
        false
    }

    /// The error of a file whose spans are not found.
    fn finish(self) -> Option<TextError> {
        if !self.is_anywhere {
            return self.first;
        }
        if let (false, Some(error)) = (self.is_filled, self.elsewhere) {
            return Some(error);
        }
        let is_other = |name: &String| self.other_lists.contains(name);
        self.in_its_place.into_iter().find(|(name, _)| !is_other(name)).map(|(_, error)| error)
    }
}

/// Names of the fields of words and of tags.
struct WordFields {
    words: String,
    tags: String,
}

/// JSON object of one line.
struct Object<'a> {
    source: &'a Source,
    columns: &'a Columns,
    line: usize,
    fields: Map<String, Value>,
}

impl<'a> Object<'a> {
    fn parse(
        source: &'a Source,
        columns: &'a Columns,
        (line, content): (usize, &str),
    ) -> Result<Self, TextError> {
        if content.trim_start().starts_with('[') {
            return Err(source.fault(line, LineProblem::JsonList));
        }
        // A document over several lines begins with a line of its own.
        let is_open = line == 1 && content.trim() == "{";
        let UniqueFields(fields) =
            serde_json::from_str(content).map_err(|error| match is_open {
                true => source.fault(line, LineProblem::OpenObject),
                false => source.json(line, Some(error.column()), &error),
            })?;
        Ok(Self { source, columns, line, fields })
    }

    /// Detects the fields of words and tags; `None` if the object is a text.
    fn word_fields(&self, options: &ReadOptions) -> Result<Option<WordFields>, TextError> {
        let columns = self.columns;
        let is_list = |name: &&str| matches!(self.fields.get(*name), Some(Value::Array(_)));
        let text = Some(columns.text.as_str()).filter(is_list);
        // A list in a field that was named is the words, whatever other lists there are.
        let is_named = text.is_some_and(|text| text != Columns::default().text);
        let others = WORDS.into_iter().filter(|name| !is_named && is_list(name));
        let words = text.into_iter().chain(others);
        let named = columns.tag.as_deref().map(|tag| vec![tag]);
        let tags: Vec<&str> = named.unwrap_or_else(|| TAGS.into_iter().filter(is_list).collect());
        let words: Vec<&str> = words.collect();
        let has_text = matches!(self.fields.get(&columns.text), Some(Value::String(_)));
        let reads_tags = matches!(options.annotation, Annotation::Tags | Annotation::Spans);
        let reads_text = !reads_tags || tags.is_empty();
        if words.is_empty() || has_text && reads_text {
            return Ok(None);
        }
        // A list in the text field without tags is an error, which the reader of texts reports.
        if tags.is_empty() && text.is_some() {
            return Ok(None);
        }
        let one = |fields: Vec<&str>, part, column| match fields[..] {
            [] => Err(self.missing(TAGS[0], Some(column))),
            [field] => Ok(field.to_owned()),
            _ => {
                let fields = fields.into_iter().map(str::to_owned).collect();
                let problem = LineProblem::SeveralFields { fields, part, column };
                Err(self.source.fault(self.line, problem))
            }
        };
        let words = one(words, "words", "text")?;
        // Words alone are their own tags.
        let tags = match options.annotation {
            Annotation::Text => words.clone(),
            _ => one(tags, "tags", "tag")?,
        };
        Ok(Some(WordFields { words, tags }))
    }

    /// The error of an object without the span field, with the fields that it has.
    fn missing_spans(&self, slots: &str) -> TextError {
        let (field, found) = (slots.to_owned(), self.fields.keys().cloned().collect());
        self.source.fault(self.line, LineProblem::MissingSpans { field, found })
    }

    /// The error of an object whose spans are in another list: objects with a start and an
    /// end or two numbers and a name, or lists of start, end and label.
    fn spans_elsewhere(&self, slots: &str, other: &str) -> Option<TextError> {
        let list = self.fields.get(other)?.as_array()?;
        let is_span = |value: &Value| match value {
            Value::Array(parts) => {
                matches!(&parts[..], [start, end, Value::String(_)] if start.is_u64() && end.is_u64())
            }
            Value::Object(parts) => {
                let n_numbers = parts.values().filter(|part| part.is_u64()).count();
                let is_bounded = ["start", "end"].iter().all(|key| value[key].is_u64());
                is_bounded || n_numbers >= 2 && parts.values().any(Value::is_string)
            }
            _ => false,
        };
        let (field, other) = (slots.to_owned(), other.to_owned());
        let problem = LineProblem::EmptySpans { field, other };
        (!list.is_empty() && list.iter().all(is_span))
            .then(|| self.source.fault(self.line, problem))
    }

    fn list(&self, field: &str) -> Result<&[Value], TextError> {
        match self.fields.get(field) {
            Some(Value::Array(values)) => Ok(values),
            Some(Value::Null) | None => Err(self.missing(field, None)),
            Some(other) => Err(self.wrong_type(field, "list", other)),
        }
    }

    /// The error of an object without a field; no field of another part is a hint.
    fn missing(&self, field: &str, key: Option<&'static str>) -> TextError {
        let names = self.fields.keys().map(String::as_str);
        TextError::MissingField {
            path: self.source.path.to_path_buf(),
            line: self.line,
            field: field.to_owned(),
            nearest: nearest(field, self.columns.free_names(field, names)),
            key,
        }
    }

    /// The string value of a field; a number is converted to its text, because labels are often
    /// numbers.
    fn string(&self, field: Named<'_>) -> Result<Option<String>, TextError> {
        match self.value(field)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(self.wrong_type(field.name, "string", other)),
        }
    }

    /// Fails if a class label is a number that is no integer, see [`LabelNames::class`]; a string is
    /// the name of a class.
    fn check_class(&self, field: &str, names: &[String]) -> Result<(), TextError> {
        match self.fields.get(field) {
            Some(Value::Number(number))
                if number.is_f64() && !names.contains(&number.to_string()) =>
            {
                let (field, found) = (field.to_owned(), number.to_string());
                Err(self.source.fault(self.line, LineProblem::FractionalClass { field, found }))
            }
            _ => Ok(()),
        }
    }

    fn slots(&self, field: Named<'_>) -> Result<Vec<Slot>, TextError> {
        match self.value(field)? {
            None => Ok(Vec::new()),
            Some(value @ Value::Array(_)) => Vec::<Slot>::deserialize(value)
                .map_err(|error| self.source.json(self.line, None, &error)),
            Some(other) => Err(self.wrong_type(field.name, "list", other)),
        }
    }

    fn value(&self, field: Named<'_>) -> Result<Option<&Value>, TextError> {
        match self.fields.get(field.name) {
            None if field.required => Err(self.missing(field.name, field.key)),
            Some(Value::Null) | None if !field.required => Ok(None),
            found => Ok(found),
        }
    }

    fn wrong_type(&self, field: &str, expected: &'static str, value: &Value) -> TextError {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        };
        self.source
            .fault(self.line, LineProblem::WrongType { field: field.to_owned(), expected, found })
    }
}

#[cfg(test)]
mod tests;
