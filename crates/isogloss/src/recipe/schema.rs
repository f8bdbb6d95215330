//! JSON Schema of a recipe, for completion and validation in editors.

use isogloss_methods::{MethodInfo, objectives, samplings, schedules, updates};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{Recipe, adapters, views};
use crate::task::tasks;

/// JSON Schema (draft 7) of a recipe file: every key with its type, default and description.
///
/// It covers keys and types, not the rules between values that [`Plan`](super::Plan) validates. No
/// key is required: a recipe may inherit any of them by `extends`.
pub fn recipe_schema() -> Value {
    let mut schema = schema_with_required();
    without_required(&mut schema);
    schema
}

/// JSON Schema of a recipe that extends no other, with its required keys.
pub fn schema_with_required() -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<Recipe>().to_value();
    plain(&mut schema);
    let definitions = &mut schema["definitions"];
    describe(&mut definitions["TaskConfig"], tasks());
    describe(&mut definitions["ObjectiveConfig"], objectives());
    describe(&mut definitions["ViewsConfig"], views());
    describe(&mut definitions["AdapterRecipe"], adapters());
    describe(&mut definitions["ScheduleConfig"], schedules());
    describe(&mut definitions["UpdateConfig"], updates());
    describe(&mut definitions["LanguageSampling"], samplings());
    let extends = json!({
        "description": "Another recipe, its path relative to this one's folder. It is read first; this \
                        one says only what differs: tables are merged key by key, lists and other \
                        values replaced.",
        "type": "string",
    });
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("extends".into(), extends);
    }
    schema
}

/// Removes `required` from tables; the variants of a `oneOf` keep theirs.
fn without_required(schema: &mut Value) {
    let definitions = schema["definitions"].as_object_mut().into_iter().flatten();
    for (_, table) in definitions {
        if let Some(table) = table.as_object_mut().filter(|table| table.contains_key("properties"))
        {
            table.remove("required");
        }
    }
}

/// Sets the description of each method in a schema definition from the method registry.
fn describe(axis: &mut Value, rows: &[MethodInfo]) {
    for row in rows {
        for pointer in ["/properties", "/oneOf"] {
            let kinds = axis.pointer_mut(pointer);
            let found = match kinds {
                Some(Value::Array(kinds)) => {
                    kinds.iter_mut().find_map(|kind| kind.get_mut("properties")?.get_mut(row.key))
                }
                Some(properties) => properties.get_mut(row.key),
                None => None,
            };
            if let Some(found) = found {
                say(found, format!("{}: {}", row.title, row.formula));
            }
        }
    }
}

/// Sets the description of a schema.
fn say(schema: &mut Value, description: String) {
    // Draft 7 ignores every keyword beside `$ref`.
    if let Some(reference) = schema.get("$ref").cloned() {
        *schema = json!({ "allOf": [{ "$ref": reference }] });
    }
    schema["description"] = description.into();
}

/// Simplifies a generated schema for TOML and editors: removes `null`, number formats, and the
/// links of descriptions.
fn plain(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("format");
            if let Some(Value::String(description)) = fields.get_mut("description") {
                *description = first_paragraphs(description);
            }
            for (word, value) in fields.iter_mut() {
                match (word.as_str(), value) {
                    ("default", value) => without_null_fields(value),
                    // Their keys are names, not keywords of JSON Schema.
                    ("properties" | "definitions", Value::Object(named)) => {
                        named.values_mut().for_each(plain);
                    }
                    (_, value) => plain(value),
                }
            }
            without_null(schema);
            defaults_of_flags(schema);
            describe_kind(schema);
        }
        Value::Array(elements) => elements.iter_mut().for_each(plain),
        _ => {}
    }
}

/// Removes `null` as a type and as a default, which TOML does not have.
fn without_null(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if fields.get("default").is_some_and(Value::is_null) {
        fields.remove("default");
    }
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            fields.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(any)) = fields.get_mut("anyOf") {
        any.retain(|one| one["type"] != "null");
        if let [only] = any.as_slice() {
            let only = only.clone();
            fields.remove("anyOf");
            // Draft 7 ignores every keyword beside `$ref`.
            fields.insert("allOf".into(), json!([only]));
        }
    }
}

/// Removes the `null` fields of a default value.
fn without_null_fields(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, field| !field.is_null());
        fields.values_mut().for_each(without_null_fields);
    }
}

/// The fields of an object in a schema.
fn object_of<'a>(
    schema: &'a mut Value,
    name: &str,
) -> impl Iterator<Item = (&'a String, &'a mut Value)> {
    schema.get_mut(name).and_then(Value::as_object_mut).into_iter().flatten()
}

/// Sets the default of an optional boolean to `false` if the schema has none.
fn defaults_of_flags(schema: &mut Value) {
    let required = schema.get("required").cloned().unwrap_or_default();
    let is_required =
        |name: &str| required.as_array().is_some_and(|all| all.contains(&name.into()));
    for (name, property) in object_of(schema, "properties") {
        let is_flag = property.get("type").is_some_and(|kind| kind == "boolean");
        if is_flag && property.get("default").is_none() && !is_required(name) {
            property["default"] = false.into();
        }
    }
}

/// Copies the description of a `oneOf` variant, a table with one key, to that key.
fn describe_kind(schema: &mut Value) {
    let kinds = schema.get_mut("oneOf").and_then(Value::as_array_mut);
    for kind in kinds.into_iter().flatten() {
        let description = kind.get("description").and_then(Value::as_str);
        let Some(description) = description.map(str::to_owned) else { continue };
        for (_, property) in object_of(kind, "properties") {
            if property.get("description").is_none() {
                say(property, description.clone());
            }
        }
    }
}

/// The plain text of a doc comment, without sections, line breaks and link brackets.
fn first_paragraphs(comment: &str) -> String {
    let lines = comment.lines().take_while(|line| !line.starts_with('#'));
    let mut paragraphs = vec![String::new()];
    for line in lines.map(str::trim) {
        match paragraphs.last_mut() {
            Some(last) if !line.is_empty() => {
                let gap = if last.is_empty() { "" } else { " " };
                last.push_str(&format!("{gap}{line}"));
            }
            _ => paragraphs.push(String::new()),
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    without_links(&paragraphs.join("\n\n"))
}

/// Replaces intra-doc links: ``[`Name`](path)`` and ``[`Name`]`` become `` `Name` ``.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("[`") {
        let Some(length) = rest[start..].find("`]") else { break };
        plain.push_str(&rest[..start]);
        plain.push_str(&rest[start + 1..start + length + 1]);
        rest = &rest[start + length + 2..];
        if rest.starts_with('(') {
            rest = rest.find(')').map_or(rest, |end| &rest[end + 1..]);
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::super::extends::ONE_OF;
    use super::*;

    /// Resolves `$ref` and `allOf`.
    fn resolved<'a>(root: &'a Value, node: &'a Value) -> &'a Value {
        if let Some(only) = node["allOf"].get(0) {
            return resolved(root, only);
        }
        let pointer = node["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
        pointer.map_or(node, |pointer| resolved(root, root.pointer(pointer).unwrap()))
    }

    /// Collects the paths of `oneOf` tables, except those in arrays.
    fn one_of(root: &Value, node: &Value, path: &str, found: &mut Vec<String>) {
        let node = resolved(root, node);
        let tables = node["oneOf"].as_array().into_iter().flatten();
        if tables.filter(|kind| kind["properties"].is_object()).count() > 0 {
            found.push(path.to_owned());
        }
        for (name, property) in node["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            one_of(root, property, &path, found);
        }
    }

    #[test]
    fn tables_of_one_kind_are_known_where_recipes_extend_others() {
        let schema = recipe_schema();
        let mut found = Vec::new();
        one_of(&schema, &schema, "", &mut found);
        found.sort();
        assert_eq!(found, ONE_OF);
    }

    #[test]
    fn every_key_and_kind_says_what_it_is() {
        fn check(node: &Value, path: &str) {
            for (name, property) in node["properties"].as_object().into_iter().flatten() {
                let description = property["description"].as_str().unwrap_or_default();
                assert!(!description.is_empty(), "{path}/{name}: no description");
                assert!(
                    !description.contains("[`") && !description.starts_with("See "),
                    "{path}/{name}: {description}"
                );
            }
            match node {
                Value::Object(fields) => {
                    fields.iter().for_each(|(name, node)| check(node, &format!("{path}/{name}")));
                }
                Value::Array(elements) => elements.iter().for_each(|node| check(node, path)),
                _ => {}
            }
        }
        check(&recipe_schema(), "");
    }

    #[test]
    fn links_of_comments_become_names() {
        let comment = "See [`A`](crate::A) and [`B`],\nboth.\n\nMore.\n# Source\nNobody.";
        assert_eq!(first_paragraphs(comment), "See `A` and `B`, both.\n\nMore.");
    }
}
