//! Validation of configurations: invalid fields with the reasons, and range checks of numbers.

/// Validation errors of a configuration: for each invalid field its name and the reason.
pub type Faults = Vec<(&'static str, String)>;

/// Range check: returns a fault unless `value` is positive and finite.
pub fn positive(field: &'static str, value: f64) -> Option<(&'static str, String)> {
    let valid = value.is_finite() && value > 0.0;
    (!valid).then(|| (field, format!("expected a positive number, found {value}")))
}

/// Range check: returns a fault unless `value` is zero or positive, and finite.
pub fn zero_or_more(field: &'static str, value: f64) -> Option<(&'static str, String)> {
    let valid = value.is_finite() && value >= 0.0;
    (!valid).then(|| (field, format!("expected zero or more, found {value}")))
}

/// Range check: returns a fault unless `value` is in `[0, 1)`.
pub fn below_one(field: &'static str, value: f64) -> Option<(&'static str, String)> {
    let valid = (0.0..1.0).contains(&value);
    (!valid).then(|| (field, format!("expected a number in [0, 1), found {value}")))
}

/// Range check: returns a fault unless `value` is in `[0, 1]`.
pub fn share(field: &'static str, value: f64) -> Option<(&'static str, String)> {
    let valid = (0.0..=1.0).contains(&value);
    (!valid).then(|| (field, format!("expected a number in [0, 1], found {value}")))
}

/// Range check: returns a fault if `value` is less than `least`.
pub fn at_least(field: &'static str, value: u64, least: u64) -> Option<(&'static str, String)> {
    (value < least).then(|| (field, format!("expected at least {least}, found {value}")))
}

/// Range check: returns a fault if `value` is 0.
pub fn at_least_one(field: &'static str, value: u64) -> Option<(&'static str, String)> {
    at_least(field, value, 1)
}
