//! Faults of a configuration: which field, and what is wrong with its value.

/// The faults of a configuration: the field and the reason.
pub type Faults = Vec<(&'static str, String)>;

/// A fault unless `value` is a positive number.
pub(crate) fn positive(field: &'static str, value: f64) -> Option<(&'static str, String)> {
    let valid = value.is_finite() && value > 0.0;
    (!valid).then(|| (field, format!("expected a positive number, found {value}")))
}

/// A fault unless `value` is zero or a positive number.
pub(crate) fn zero_or_more(field: &'static str, value: f64) -> Option<(&'static str, String)> {
    let valid = value.is_finite() && value >= 0.0;
    (!valid).then(|| (field, format!("expected zero or more, found {value}")))
}

/// A fault if `value` is 0.
pub(crate) fn at_least_one(field: &'static str, value: u64) -> Option<(&'static str, String)> {
    (value == 0).then(|| (field, "expected at least 1, found 0".to_owned()))
}
