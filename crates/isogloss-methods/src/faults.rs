//! Faults of a configuration: which field, and what is wrong with its value; the range checks of single
//! values.

/// The faults of a configuration: the field and the reason.
pub type Faults = Vec<(&'static str, String)>;

/// A fault unless `value` is a positive number.
pub fn positive(field: &'static str, value: f64) -> Option<(&'static str, String)> {
    let valid = value.is_finite() && value > 0.0;
    (!valid).then(|| (field, format!("expected a positive number, found {value}")))
}

/// A fault unless `value` is zero or a positive number.
pub fn zero_or_more(field: &'static str, value: f64) -> Option<(&'static str, String)> {
    let valid = value.is_finite() && value >= 0.0;
    (!valid).then(|| (field, format!("expected zero or more, found {value}")))
}

/// A fault unless `value` is a rate or share from 0 to below 1.
pub fn below_one(field: &'static str, value: f64) -> Option<(&'static str, String)> {
    let valid = (0.0..1.0).contains(&value);
    (!valid).then(|| (field, format!("expected a number in [0, 1), found {value}")))
}

/// A fault unless `value` is a share from 0 to 1.
pub fn share(field: &'static str, value: f64) -> Option<(&'static str, String)> {
    let valid = (0.0..=1.0).contains(&value);
    (!valid).then(|| (field, format!("expected a number in [0, 1], found {value}")))
}

/// A fault if `value` is less than `least`.
pub fn at_least(field: &'static str, value: u64, least: u64) -> Option<(&'static str, String)> {
    (value < least).then(|| (field, format!("expected at least {least}, found {value}")))
}

/// A fault if `value` is 0.
pub(crate) fn at_least_one(field: &'static str, value: u64) -> Option<(&'static str, String)> {
    at_least(field, value, 1)
}
