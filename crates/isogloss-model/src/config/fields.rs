//! Typed access to the fields of a JSON configuration file.

use serde_json::Value;

use crate::ConfigError;

/// Typed field access to a JSON object; a null field counts as absent.
pub(crate) struct Fields<'a>(pub(crate) &'a Value);

/// Upper limit of sizes, so that a corrupt number cannot overflow a product.
const MAX_SIZE: usize = 1 << 31;

impl Fields<'_> {
    /// Required count.
    pub(crate) fn size(&self, name: &str) -> Result<usize, ConfigError> {
        let value = self.required(name)?;
        let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
        size.filter(|size| *size <= MAX_SIZE)
            .ok_or_else(|| ConfigError::value(name, "a count", value))
    }

    /// Optional count; `None` if it is absent.
    pub(crate) fn optional_size(&self, name: &str) -> Result<Option<usize>, ConfigError> {
        if self.is_absent(name) { Ok(None) } else { self.size(name).map(Some) }
    }

    /// Optional count.
    pub(crate) fn size_or(&self, name: &str, default: usize) -> Result<usize, ConfigError> {
        if self.is_absent(name) { Ok(default) } else { self.size(name) }
    }

    /// Optional number.
    pub(crate) fn number_or(&self, name: &str, default: f64) -> Result<f64, ConfigError> {
        if self.is_absent(name) {
            return Ok(default);
        }
        let value = &self.0[name];
        value.as_f64().ok_or_else(|| ConfigError::value(name, "a number", value))
    }

    /// Optional token ID.
    pub(crate) fn token_or(&self, name: &str, default: u32) -> Result<u32, ConfigError> {
        let id = self.size_or(name, default as usize)?;
        u32::try_from(id).map_err(|_| ConfigError::value(name, "a token id", id))
    }

    /// Optional boolean.
    pub(crate) fn bool_or(&self, name: &str, default: bool) -> Result<bool, ConfigError> {
        if self.is_absent(name) {
            return Ok(default);
        }
        let value = &self.0[name];
        value.as_bool().ok_or_else(|| ConfigError::value(name, "true or false", value))
    }

    /// Required boolean.
    pub(crate) fn bool(&self, name: &str) -> Result<bool, ConfigError> {
        if self.is_absent(name) {
            return Err(ConfigError::missing(name));
        }
        self.bool_or(name, false)
    }

    /// Required number.
    pub(crate) fn number(&self, name: &str) -> Result<f64, ConfigError> {
        if self.is_absent(name) {
            return Err(ConfigError::missing(name));
        }
        self.number_or(name, 0.0)
    }

    /// Required string.
    pub(crate) fn text(&self, name: &str) -> Result<&str, ConfigError> {
        let value = self.required(name)?;
        value.as_str().ok_or_else(|| ConfigError::value(name, "a text", value))
    }

    /// Layer indices, from a list or a single number; `None` if the field is absent.
    pub(crate) fn layers(&self, name: &str) -> Result<Option<Vec<usize>>, ConfigError> {
        if self.is_absent(name) {
            return Ok(None);
        }
        let value = &self.0[name];
        let layer = |value: &Value| {
            let layer = value.as_u64().and_then(|layer| usize::try_from(layer).ok());
            layer.ok_or_else(|| ConfigError::value(name, "numbers of layers", &self.0[name]))
        };
        match value {
            Value::Array(values) => values.iter().map(layer).collect::<Result<_, _>>().map(Some),
            single => Ok(Some(vec![layer(single)?])),
        }
    }

    /// Returns an error unless the field is absent or turned off: null, false, zero or empty.
    pub(crate) fn expect_off(&self, name: &str) -> Result<(), ConfigError> {
        let value = self.0.get(name).unwrap_or(&Value::Null);
        let is_off = match value {
            Value::Null => true,
            Value::Bool(flag) => !flag,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(values) => values.is_empty(),
            Value::Object(fields) => fields.is_empty(),
        };
        if is_off {
            return Ok(());
        }
        Err(ConfigError::NotSupported { field: name.to_owned(), found: value.to_string() })
    }

    /// Returns an error unless the field is absent or has this value.
    pub(crate) fn expect(&self, name: &str, supported: &str) -> Result<(), ConfigError> {
        match self.0.get(name).filter(|value| !value.is_null()) {
            None => Ok(()),
            Some(Value::String(value)) if value == supported => Ok(()),
            Some(value) => Err(ConfigError::OnlySupported {
                field: name.to_owned(),
                supported: format!("\"{supported}\" is supported"),
                found: value.to_string(),
            }),
        }
    }

    /// Whether the field is absent or null.
    pub(crate) fn is_absent(&self, name: &str) -> bool {
        self.0.get(name).is_none_or(Value::is_null)
    }

    /// The field's value, null included.
    fn required(&self, name: &str) -> Result<&Value, ConfigError> {
        self.0.get(name).ok_or_else(|| ConfigError::missing(name))
    }
}
