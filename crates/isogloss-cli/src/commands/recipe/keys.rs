//! Recipe keys, collected from the JSON schema of recipes.

use isogloss::schema_with_required;
use serde_json::Value;

/// Recipe key below an entry.
pub(super) struct Key {
    /// Path from that entry: `noise.scale`.
    pub(super) path: String,
    /// Default value in TOML; `None` if there is no default.
    pub(super) default: Option<String>,
    /// Whether a recipe must give it.
    pub(super) is_required: bool,
    /// Whether it is in a table that is left out by default.
    pub(super) is_off: bool,
    /// Type of its values; `{ … }` in it stands for a table.
    pub(super) kind: String,
    /// Description, from the schema.
    pub(super) description: String,
}

impl Key {
    /// First sentence of the description.
    pub(super) fn line(&self) -> &str {
        first_sentence(&self.description)
    }
}

pub(super) fn first_sentence(text: &str) -> &str {
    let text = text.split("\n\n").next().unwrap_or(text);
    let ends = text.match_indices(". ").map(|(at, _)| at + 1);
    let end = ends.into_iter().find(|end| text[end + 1..].starts_with(char::is_uppercase));
    &text[..end.unwrap_or(text.len())]
}

/// JSON schema of a recipe.
pub(super) struct Schema {
    root: Value,
    /// Entries with a section of their own; their keys are not listed with their table.
    apart: Vec<&'static str>,
}

impl Schema {
    pub(super) fn new(apart: Vec<&'static str>) -> Self {
        Self { root: schema_with_required(), apart }
    }

    /// Keys and tables at the top level of a recipe, in its order.
    pub(super) fn top(&self) -> Vec<&str> {
        self.root["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Whether a name of [`top`](Self::top) is that of a table, or of several.
    pub(super) fn is_table(&self, name: &str) -> bool {
        let node = self.node(name).map(|node| self.resolved(node));
        node.is_some_and(|node| {
            node["properties"].is_object()
                || node["items"].is_object()
                || variants(node).next().is_some()
        })
    }

    /// Keys at the top level that are not tables.
    pub(super) fn values_at_top(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        for name in self.top().into_iter().filter(|name| !self.is_table(name)) {
            let node = &self.root["properties"][name];
            self.entry(
                node,
                &KeyPath::new("", false).below(name),
                node.get("default"),
                false,
                &mut keys,
            );
        }
        keys
    }

    /// Description of an entry such as `objective.method.r_drop`, else that of its table.
    pub(super) fn description(&self, entry: &str) -> String {
        let node = self.node(entry);
        let of = |node: &Value| node["description"].as_str().map(str::to_owned);
        node.and_then(|node| of(node).or_else(|| of(self.resolved(node)))).unwrap_or_default()
    }

    /// The keys below an entry.
    pub(super) fn keys(&self, entry: &str) -> Vec<Key> {
        let mut keys = Vec::new();
        if let Some(node) = self.node(entry) {
            let values = node.get("default");
            self.collect(node, &KeyPath::new(entry, values.is_none()), values, &mut keys);
        }
        keys
    }

    fn node(&self, entry: &str) -> Option<&Value> {
        entry.split('.').try_fold(&self.root, |node, name| self.child(node, name))
    }

    fn child<'a>(&'a self, node: &'a Value, name: &str) -> Option<&'a Value> {
        let node = self.resolved(node);
        let node = node.get("items").map_or(node, |items| self.resolved(items));
        let own = node["properties"].get(name);
        own.or_else(|| variants(node).find_map(|variant| variant["properties"].get(name)))
    }

    /// Schema that a reference (`$ref`) points to.
    fn resolved<'a>(&'a self, node: &'a Value) -> &'a Value {
        if let Some([only]) = node["allOf"].as_array().map(Vec::as_slice) {
            return self.resolved(only);
        }
        match node["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
            Some(pointer) => self.root.pointer(pointer).map_or(node, |node| self.resolved(node)),
            None => node,
        }
    }

    /// Collects the keys of a table; `values` are the table's own defaults, if it has any.
    fn collect(&self, node: &Value, path: &KeyPath, values: Option<&Value>, keys: &mut Vec<Key>) {
        let node = self.resolved(node);
        let node = node.get("items").map_or(node, |items| self.resolved(items));
        let required = node["required"].as_array();
        for (name, property) in node["properties"].as_object().into_iter().flatten() {
            let is_required = required.is_some_and(|all| all.iter().any(|one| one == name));
            let value = values.and_then(|values| values.get(name)).or(property.get("default"));
            self.entry(property, &path.below(name), value, is_required, keys);
        }
    }

    fn entry(
        &self,
        property: &Value,
        path: &KeyPath,
        value: Option<&Value>,
        is_required: bool,
        keys: &mut Vec<Key>,
    ) {
        let value = value.filter(|value| !value.is_null());
        let node = self.resolved(property);
        let is_apart = self.apart.contains(&path.from_root.as_str());
        let path =
            KeyPath { is_off: path.is_off || (value.is_none() && !is_required), ..path.clone() };
        if node["properties"].is_object() && !is_apart {
            return self.collect(node, &path, value, keys);
        }
        let described = property["description"].as_str().or(node["description"].as_str());
        keys.push(Key {
            path: path.from_table.clone(),
            default: value.map(toml_text),
            is_required,
            is_off: path.is_off,
            kind: if is_apart { "a table".into() } else { self.kind(node) },
            description: described.unwrap_or_default().to_owned(),
        });
        if is_apart {
            return;
        }
        for variant in variants(node) {
            let chosen = variant["properties"].as_object().into_iter().flatten();
            for (name, inner) in chosen {
                let value = value.and_then(|value| value.get(name));
                let is_off = path.is_off || value.is_none();
                self.collect(inner, &KeyPath { is_off, ..path.below(name) }, value, keys);
            }
        }
    }

    /// Type of an entry's values, as text.
    fn kind(&self, node: &Value) -> String {
        let node = self.resolved(node);
        let one_of: Vec<String> = variants(node).map(|variant| self.kind(variant)).collect();
        if !one_of.is_empty() {
            return one_of.join(", ");
        }
        if let Some(values) = node["enum"].as_array() {
            return values.iter().map(toml_text).collect::<Vec<_>>().join(", ");
        }
        if let Some(value) = node.get("const") {
            return toml_text(value);
        }
        match node["type"].as_str() {
            Some("integer") => "whole number".into(),
            Some("number") => "number".into(),
            Some("boolean") => "true or false".into(),
            Some("array") => format!("list of {}", self.kind(&node["items"])),
            Some("object") => {
                let names = node["properties"].as_object().into_iter().flatten();
                names.map(|(name, _)| format!("{name} = {{ … }}")).collect::<Vec<_>>().join(", ")
            }
            _ => "text".into(),
        }
    }
}

/// Path of an entry during the walk.
#[derive(Clone)]
struct KeyPath {
    /// Path from the root.
    from_root: String,
    /// Path from the entry where the walk began.
    from_table: String,
    is_off: bool,
}

impl KeyPath {
    fn new(entry: &str, is_off: bool) -> Self {
        Self { from_root: entry.to_owned(), from_table: String::new(), is_off }
    }

    fn below(&self, name: &str) -> Self {
        let join = |parent: &str| match parent {
            "" => name.to_owned(),
            parent => format!("{parent}.{name}"),
        };
        Self {
            from_root: join(&self.from_root),
            from_table: join(&self.from_table),
            is_off: self.is_off,
        }
    }
}

fn variants(node: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["oneOf", "anyOf"].into_iter().filter_map(|name| node[name].as_array());
    lists.flatten()
}

/// A value as TOML in one line.
pub(super) fn toml_text(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or_else(|| number.to_string(), |number| format!("{number:?}"))
        }
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(toml_text).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) if fields.is_empty() => "{}".into(),
        Value::Object(fields) => {
            // TOML has no null: such fields are left out.
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let fields = fields.map(|(name, value)| format!("{name} = {}", toml_text(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A method option as TOML, by the path of its key.
pub(super) fn value_at(options: &Value, path: &str) -> Option<String> {
    let value = path.split('.').try_fold(options, |value, name| value.get(name))?;
    (!value.is_null()).then(|| toml_text(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_written_as_toml() {
        for (value, expected) in [
            (json!(1e-5), "1e-5"),
            (json!(2.0), "2.0"),
            (json!(["de", 3, true]), "[\"de\", 3, true]"),
            (json!({ "layer": null, "a": 1 }), "{ a = 1 }"),
            (json!({ "by_size": { "temperature": 1.0 } }), "{ by_size = { temperature = 1.0 } }"),
        ] {
            assert_eq!(toml_text(&value), expected);
        }
    }

    #[test]
    fn tables_inside_a_table_are_walked_with_their_defaults() {
        let keys = Schema::new(Vec::new()).keys("objective.method.r3f");
        let scale = keys.iter().find(|key| key.path == "noise.scale").unwrap();
        assert_eq!((scale.default.as_deref(), scale.is_required), (Some("1e-5"), false));
        let keys = Schema::new(Vec::new()).keys("schedule.fun");
        assert!(keys.iter().any(|key| key.path == "every_steps" && key.is_required));
        let keys = Schema::new(vec!["data.sampling"]).keys("data");
        assert!(keys.iter().any(|key| key.path == "sampling"));
        assert!(!keys.iter().any(|key| key.path.starts_with("sampling.")));
    }

    #[test]
    fn a_sentence_ends_before_a_capital() {
        assert_eq!(first_sentence("The i. e. of it. And more."), "The i. e. of it.");
        assert_eq!(first_sentence("One\n\nTwo. Three"), "One");
    }
}
