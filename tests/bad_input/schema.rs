//! JSON Schema of recipes: it accepts the shipped recipes, has every key, and refuses unknown ones.

use std::fs;
use std::path::{Path, PathBuf};

use isogloss::{Plan, Recipe, recipe_schema};
use serde_json::{Value, json};

/// JSON Schema validator for the keywords that the schema of recipes uses: returns the first place
/// of a document that is refused.
fn refusal(root: &Value, schema: &Value, value: &Value, path: &str) -> Option<String> {
    let refuse = |why: String| Some(format!("{path}: {why}"));
    for (word, wanted) in schema.as_object().into_iter().flatten() {
        let subschemas = || wanted.as_array().unwrap().iter();
        let refused = |schema: &Value| refusal(root, schema, value, path);
        let found = match word.as_str() {
            "$ref" => {
                refused(root.pointer(wanted.as_str().unwrap().strip_prefix('#').unwrap()).unwrap())
            }
            "allOf" => subschemas().find_map(refused),
            "anyOf" | "oneOf" => {
                let n_fitting = subschemas().filter(|schema| refused(schema).is_none()).count();
                let is_fitting = n_fitting == 1 || (word == "anyOf" && n_fitting > 0);
                if is_fitting { None } else { refuse(format!("{n_fitting} of {word}")) }
            }
            "type" => {
                let is_fitting = match wanted.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    other => panic!("an unknown type {other}"),
                };
                if is_fitting { None } else { refuse(format!("no {wanted}: {value}")) }
            }
            "enum" if !subschemas().any(|one| one == value) => refuse(format!("none of {wanted}")),
            "const" if wanted != value => refuse(format!("not {wanted}")),
            "properties" => value.as_object().into_iter().flatten().find_map(|(name, inner)| {
                refusal(root, wanted.get(name)?, inner, &format!("{path}.{name}"))
            }),
            "additionalProperties" if *wanted == json!(false) => {
                let names = value.as_object().into_iter().flatten().map(|(name, _)| name);
                let known = &schema["properties"];
                let unknown: Vec<_> = names.filter(|name| known.get(name).is_none()).collect();
                if unknown.is_empty() { None } else { refuse(format!("unknown {unknown:?}")) }
            }
            "required" if value.is_object() => {
                let lacking = subschemas().find(|name| value.get(name.as_str().unwrap()).is_none());
                lacking.and_then(|name| refuse(format!("no {name}")))
            }
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .enumerate()
                .find_map(|(n, inner)| refusal(root, wanted, inner, &format!("{path}.{n}"))),
            "minItems" | "maxItems" if value.is_array() => {
                let (n, bound) = (value.as_array().unwrap().len() as u64, wanted.as_u64().unwrap());
                let is_fitting = if word == "minItems" { n >= bound } else { n <= bound };
                if is_fitting { None } else { refuse(format!("{n} elements")) }
            }
            "minimum" if value.as_f64() < wanted.as_f64() => refuse(format!("below {wanted}")),
            "maximum" if value.as_f64() > wanted.as_f64() => refuse(format!("above {wanted}")),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn refused(text: &str) -> Option<String> {
    let document: toml::Value = toml::from_str(text).unwrap();
    let schema = recipe_schema();
    refusal(&schema, &schema, &serde_json::to_value(document).unwrap(), "")
}

fn recipes(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => recipes(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect()
}

#[test]
fn every_recipe_that_ships_fits_the_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/recipes");
    let recipes = recipes(&folder);
    assert!(recipes.len() >= 30, "found only {recipes:?}");
    for path in recipes {
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(refused(&text), None, "{}", path.display());
        // The resolved recipe, which a run stores, is valid too.
        let plan = Plan::from_file(&path).unwrap();
        assert_eq!(refused(&plan.to_toml()), None, "{}", path.display());
    }
}

#[test]
fn the_schema_refuses_what_a_recipe_refuses() {
    for (text, expected) in [
        ("trainning = {}\n", "unknown [\"trainning\"]"),
        ("[training]\nepochs = 2.5\n", ".training.epochs: no \"integer\""),
        ("[training]\norder = \"grouped\"\n", ".training.order: "),
        ("[training]\nbatch_size = -1\n", ".training.batch_size: below 0"),
        ("[task.clasification]\n", ".task: 0 of oneOf"),
        ("[[objective]]\nmethod.r_drop = { alhpa = 1.0 }\n", ".objective.0.method: 0 of oneOf"),
        ("[data]\nlanguages = \"none\"\n", ".data.languages: 0 of anyOf"),
    ] {
        let found = refused(text).unwrap_or_default();
        assert!(found.contains(expected), "{text}: {found:?}, expected {expected:?}");
    }
}

#[test]
fn the_schema_takes_what_a_recipe_inherits() {
    assert_eq!(refused("extends = \"fun.toml\"\n[schedule.fun]\nn_batches = 8\n"), None);
}

#[test]
fn the_schema_has_every_key_of_the_defaults() {
    let schema = recipe_schema();
    // As TOML, which leaves out fields without a value.
    let defaults = toml::Value::try_from(Recipe::default()).unwrap();
    let defaults = serde_json::to_value(defaults).unwrap();
    // Unknown keys are refused, so every default is in the schema.
    assert_eq!(refusal(&schema, &schema, &defaults, ""), None);
    for name in defaults.as_object().unwrap().keys() {
        assert!(schema["properties"].get(name).is_some(), "{name}");
    }
}
